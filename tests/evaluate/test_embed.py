"""Embeddings of whole datasets against one image at a time."""

import numpy as np
import pytest
import torch

from pipeline.evaluate import embed
from pipeline.loader import Faces


def one_by_one(recogniser, faces, mirrored):
    rows = []
    for i in range(len(faces)):
        pixels = faces.images(np.array([i]))[0].numpy().astype(np.float32)
        pixels = pixels[:, ::-1] if mirrored else pixels
        value = (pixels - np.array([120.0, 127.5, 130.0])) / 64
        image = torch.from_numpy(np.ascontiguousarray(value.transpose(2, 0, 1), np.float32))[None]
        with torch.no_grad():
            rows.append(recogniser(image).embedding[0].numpy())
    return np.stack(rows)


def test_plain_and_mirrored_against_one_at_a_time(dataset, recogniser, runtime, monkeypatch):
    monkeypatch.setattr(embed, "BATCH", 7)
    faces = Faces(dataset())
    both = embed.embed(recogniser, faces, runtime)
    assert both.shape == (48, 2, 6)
    assert both.dtype == np.float32
    for side, mirrored in enumerate((False, True)):
        np.testing.assert_allclose(both[:, side], one_by_one(recogniser, faces, mirrored), atol=1e-5)
    assert not np.allclose(both[:, 0], both[:, 1])


def test_parts_make_the_whole(dataset, recogniser, runtime):
    faces = Faces(dataset())
    whole = embed.embed(recogniser, faces, runtime)
    parts = [embed.embed(recogniser, faces, runtime, start=s, stop=min(s + 20, 48)) for s in (0, 20, 40)]
    np.testing.assert_allclose(np.concatenate(parts), whole, atol=1e-6)
    np.testing.assert_array_equal(embed.embed(recogniser, faces, runtime), whole)


def test_survey_reads_anything_and_puts_the_mode_back(dataset, recogniser, runtime):
    faces = Faces(dataset())
    recogniser.train()
    before = {name: value.clone() for name, value in recogniser.state_dict().items()}
    pooled = embed.survey(recogniser, faces, lambda out: out.maps["stage2"].mean((2, 3)), runtime)
    assert pooled.shape == (48, 8)
    assert recogniser.training
    for name, value in recogniser.state_dict().items():
        assert torch.equal(value, before[name]), name  # BN saw nothing
    (pooled.requires_grad_() * 2).sum().backward()  # what comes back may be trained on


def test_the_mode_is_put_back_after_an_error(dataset, recogniser, runtime):
    recogniser.train()
    with pytest.raises(KeyError):
        embed.survey(recogniser, Faces(dataset()), lambda out: out.maps["none"], runtime)
    assert recogniser.training


def test_no_faces(dataset, recogniser, runtime):
    with pytest.raises(ValueError, match="no faces"):
        embed.embed(recogniser, Faces(dataset()), runtime, start=5, stop=5)


def test_progress_counts_every_image(dataset, recogniser, runtime):
    class Count:
        done = 0

        def advance(self, steps=1):
            self.done += steps

    count = Count()
    embed.embed(recogniser, Faces(dataset()), runtime, progress=count)
    assert count.done == 96


def test_an_image_is_decoded_once_for_both_sides_and_an_error_ends_it(
    dataset, recogniser, runtime, monkeypatch
):
    monkeypatch.setattr(embed, "BATCH", 20)

    class Watched(Faces):
        asked = ()

        def images(self, positions, mirrored=None):
            self.asked = (*self.asked, (int(positions[0]), int(positions[-1])))
            if positions[-1] == self.broken:
                raise OSError("the disk is gone")
            return super().images(positions, mirrored)

    faces = Watched(dataset())
    faces.broken = None
    embed.embed(recogniser, faces, runtime)
    assert faces.asked == ((0, 19), (20, 39), (40, 47))
    faces.broken = 39
    with pytest.raises(OSError, match="the disk is gone"):
        embed.embed(recogniser, faces, runtime)
