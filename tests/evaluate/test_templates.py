"""Template pooling against a loop over templates, media and images."""

import numpy as np
import pytest

from pipeline.evaluate import templates, vectors


def images(seed, count=200, names=30, d=6):
    rng = np.random.default_rng(seed)
    template = rng.integers(0, names, count) * 7 + 3
    return rng.normal(size=(count, 2, d)).astype(np.float32), template, rng.integers(0, 9, count)


def slow(embeddings, template, medium, flip, keep_norm, scores):
    pooled = {}
    for name in sorted(set(template)):
        whole = 0
        for media in set(medium[template == name]):
            rows = []
            for k in np.flatnonzero((template == name) & (medium == media)):
                plain, mirrored = embeddings[k].astype(np.float64)
                x = {"concat": np.append(plain, mirrored), "sum": plain + mirrored, "none": plain}[flip]
                x = x if keep_norm else x / np.linalg.norm(x)
                rows.append(x * scores[k])
            whole = whole + np.mean(rows, 0)
        pooled[name] = whole / np.linalg.norm(whole)
    return pooled


@pytest.mark.parametrize("flip", vectors.FLIPS)
@pytest.mark.parametrize("keep_norm", [False, True])
@pytest.mark.parametrize("weighted", [False, True])
def test_media_mean_and_template_sum(flip, keep_norm, weighted, monkeypatch):
    embeddings, template, medium = images(0)
    scores = np.random.default_rng(1).uniform(0.2, 1, 200) if weighted else None
    expected = slow(embeddings, template, medium, flip, keep_norm, np.ones(200) if scores is None else scores)
    for rows in (7, 10**6):
        monkeypatch.setattr(templates, "ROWS", rows)
        found = templates.pool(embeddings, template, medium, flip=flip, keep_norm=keep_norm, scores=scores)
        assert found.ids.tolist() == list(expected)
        np.testing.assert_allclose(found.unit, list(expected.values()), atol=2e-6)


def test_order_and_scale_do_not_matter():
    embeddings, template, medium = images(2)
    order = np.random.default_rng(0).permutation(200)
    found = templates.pool(embeddings, template, medium)
    other = templates.pool(embeddings[order] * 5, template[order], medium[order])
    np.testing.assert_allclose(other.unit, found.unit, atol=1e-6)


def test_images_left_out_and_templates_without_any():
    embeddings, template, medium = images(3)
    usable = np.random.default_rng(0).random(200) < 0.8
    embeddings[~usable] = np.nan  # never looked at
    found = templates.pool(embeddings, template, medium, usable=usable)
    kept = templates.pool(embeddings[usable], template[usable], medium[usable])
    np.testing.assert_array_equal(found.unit, kept.unit)
    with pytest.raises(vectors.BadEmbeddingError, match=f"sample {np.argmin(usable)} is not finite"):
        templates.pool(embeddings, template, medium)
    usable[template == 10] = False
    with pytest.raises(templates.TemplateError, match=r"template 10 has no usable image \(1 of 30"):
        templates.pool(embeddings, template, medium, usable=usable)


def test_opposite_images_cancel_out_and_are_named():
    pair = np.array([[[1.0, 0]], [[-1.0, 0]]], np.float32)
    with pytest.raises(vectors.BadEmbeddingError, match="template 5"):
        templates.pool(pair[:, 0], np.array([5, 5]), np.array([0, 1]), flip="none")


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"flip": "both"}, "concat, sum, none"),
        ({"medium": np.zeros(3)}, "3 media"),
        ({"scores": np.full(200, -1.0)}, "score of row 0 is -1.0"),
        ({"embeddings": np.zeros((200, 6))}, "plain and mirrored"),
    ],
)
def test_bad_input_is_named(change, message):
    embeddings, template, medium = images(0)
    given = {"embeddings": embeddings, "template": template, "medium": medium} | change
    with pytest.raises(ValueError, match=message):
        templates.pool(given.pop("embeddings"), given.pop("template"), given.pop("medium"), **given)
