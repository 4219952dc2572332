"""Batches against a slow loop, their independence of workers and of where one starts."""

import numpy as np
import pytest
import torch

from pipeline.augment import Unchanged
from pipeline.contracts import LABELLED, MIXED, UNLABELLED
from pipeline.landmarks import mirror_points
from pipeline.loader import Faces
from pipeline.train.batches import Batches, Stream
from tests.train.tiny import two_streams, write_faces


@pytest.fixture
def faces(tmp_path):
    return Faces(write_faces(tmp_path / "faces"), needs_identity=True)


class Speckle:
    """A real augmentation, for the tests: noise drawn from the seed."""

    flip = True
    only_flip = False

    def image(self, rgb, seed):
        return rgb ^ np.random.default_rng(seed).integers(0, 8, rgb.shape, np.uint8)


def same(a, b):
    assert a.keys() == b.keys()
    return all(torch.equal(a[name], b[name]) for name in a)


def test_an_epoch_sees_every_face_once_in_a_new_order(faces):
    stream = Stream(faces, 10, 5, Unchanged(flip=False))
    epochs = [np.concatenate([stream.rows(epoch, step) for step in range(stream.steps)]) for epoch in (0, 1)]
    assert all(sorted(order) == list(range(30)) for order in epochs)
    assert epochs[0].tolist() != epochs[1].tolist()
    assert Stream(faces, 10, 6, Unchanged(flip=False)).rows(0, 0).tolist() != stream.rows(0, 0).tolist()


def test_what_does_not_fill_a_batch_sits_out_and_a_small_set_shrinks_it(faces):
    assert Stream(faces, 8, 0, Unchanged(flip=False)).steps == 3
    small = Stream(faces, 100, 0, Unchanged(flip=False))
    assert (small.size, small.steps, len(small.rows(4, 0))) == (30, 1, 30)


def test_a_batch_against_a_slow_loop(tmp_path):
    batches = two_streams(tmp_path)
    for step in (0, 2, 3, 11):
        batch = batches.finish(batches.raw(step), step)
        assert batch.domain.tolist() == [LABELLED] * 8 + [UNLABELLED] * 4
        labelled = batches.labelled.rows(step // 3, step % 3)
        unlabelled = batches.unlabelled.rows(step // 5, step % 5)
        assert batch.row.tolist() == [*labelled, *unlabelled]
        for i in range(12):
            source = (batches.labelled if i < 8 else batches.unlabelled).faces
            pixels = source.images(np.array([int(batch.row[i])]))[0].numpy().astype(np.float64)
            pixels = pixels[:, ::-1] if batch.mirrored[i] else pixels
            expected = (pixels.transpose(2, 0, 1) - 127.5) / 127.5
            np.testing.assert_allclose(batch.image[i].numpy(), expected, atol=1e-6)
            assert int(batch.label[i]) == (source.labels[int(batch.row[i])] if i < 8 else -1)
        ids = [batches.labelled.faces.sample_ids[r] for r in labelled]
        assert batches.sample_ids(step)[:8] == ids


def test_half_of_the_images_are_mirrored_where_the_augmentation_flips(faces):
    def share(flip):
        stream = Stream(faces, 30, 3, Unchanged(flip=flip))
        return torch.cat([stream.raw(epoch, 0)["mirrored"] for epoch in range(60)]).float().mean()

    assert abs(share(True) - 0.5) < 0.05
    assert share(False) == 0


@pytest.mark.parametrize("augment", [Unchanged(flip=True), Speckle()])
def test_workers_and_the_starting_point_change_nothing(faces, augment):
    def run(workers, start):
        batches = Batches(Stream(faces, 8, 1, augment), workers=workers)
        return list(batches.run(start, 7))

    plain = run(0, 0)
    assert [step for step, _ in plain] == list(range(7))
    for workers, start in ((2, 0), (0, 4), (1, 5)):
        for (step, batch), (reference, expected) in zip(run(workers, start), plain[start:], strict=True):
            assert step == reference
            assert torch.equal(batch.image, expected.image)
            assert torch.equal(batch.row, expected.row)


def test_an_image_is_augmented_anew_every_epoch(faces):
    stream = Stream(faces, 30, 1, Speckle())
    raws = [stream.raw(0, 0), stream.raw(1, 0)]
    by_row = [dict(zip(raw["row"].tolist(), raw["image"], strict=True)) for raw in raws]
    assert not torch.equal(by_row[0][4], by_row[1][4])
    assert not torch.equal(by_row[0][4], faces.images(np.array([4]))[0])


def test_landmarks_are_mirrored_with_the_image(faces):
    points = faces.points("points68")
    stream = Stream(
        faces, 30, 2, Unchanged(flip=True), extras={"points": points}, mirror={"points": mirror_points}
    )
    batches = Batches(stream)
    batch = batches.finish(batches.raw(0), 0)
    assert 0 < batch.mirrored.sum() < 30
    for i in range(30):
        original = torch.from_numpy(points[int(batch.row[i])])
        if batch.mirrored[i]:  # the outer corner of the right eye, point 36, becomes the left's, point 45
            expected = torch.tensor([15 - original[36, 0], original[36, 1]])
            torch.testing.assert_close(batch.extras["points"][i, 45], expected)
        else:
            assert torch.equal(batch.extras["points"][i], original)


def test_mixing_gets_the_whole_batch_and_numbers_that_depend_on_the_step_alone(tmp_path):
    seen = []

    def mix(batch, random):
        seen.append((len(batch), random.random()))
        batch.domain[:] = MIXED
        return batch

    batches = two_streams(tmp_path)
    batches.mix = mix
    finished = [batches.finish(batches.raw(step), step) for step in (4, 5, 4)]
    assert finished[0].domain.tolist() == [MIXED] * 12
    assert seen[0] == seen[2] != seen[1]
    assert seen[0][0] == 12


def test_either_stream_may_be_absent(tmp_path):
    both = two_streams(tmp_path)
    alone = Batches(None, both.unlabelled)
    assert (alone.steps, alone.size, both.steps, both.size) == (5, 4, 3, 12)
    batch = alone.finish(alone.raw(7), 7)
    assert batch.domain.tolist() == [UNLABELLED] * 4
    with pytest.raises(ValueError, match="nothing to train on"):
        Batches(None, None)
    with pytest.raises(ValueError, match="must have domain"):
        Batches(both.unlabelled)


def test_an_empty_set_and_an_empty_batch_are_errors(tmp_path, faces):
    nobody = Faces(faces.folder, exclude=faces.sample_ids)
    with pytest.raises(ValueError, match="no face left"):
        Stream(nobody, 8, 0, Unchanged(flip=True))
    with pytest.raises(ValueError, match="batch is 0"):
        Stream(faces, 0, 0, Unchanged(flip=True))


def test_a_raw_batch_is_a_pure_function(tmp_path):
    batches = two_streams(tmp_path)
    first = [batches.raw(step) for step in range(12)]
    assert all(same(batches.raw(step), first[step]) for step in (11, 0, 5))
