"""Unit vectors and cosines, against loops and a full product."""

import numpy as np
import pytest

from pipeline.evaluate import vectors


@pytest.mark.parametrize("flip", vectors.FLIPS)
def test_fusion_by_hand(flip):
    faces = np.random.default_rng(0).normal(size=(5, 2, 7)).astype(np.float32)
    unit = vectors.fuse(faces, flip)
    for i in range(5):
        plain, mirrored = faces[i].astype(np.float64)
        whole = {"concat": [*plain, *mirrored], "sum": plain + mirrored, "none": plain}[flip]
        np.testing.assert_allclose(unit[i], np.asarray(whole) / np.linalg.norm(whole), rtol=1e-5)
    np.testing.assert_allclose(vectors.fuse(faces * 5, flip), unit, rtol=1e-5)


def test_embeddings_without_direction_name_the_sample():
    faces = np.ones((3, 2, 4), np.float32)
    faces[1, 1, 2] = np.nan
    with pytest.raises(vectors.BadEmbeddingError, match=r"'bob/2.jpg' is not finite"):
        vectors.fuse(faces, "concat", ["ann/1.jpg", "bob/2.jpg", "cid/3.jpg"])
    faces[1] = 0
    with pytest.raises(vectors.BadEmbeddingError, match="row 1 is zero"):
        vectors.fuse(faces, "sum")
    with pytest.raises(ValueError, match="concat, sum, none"):
        vectors.fuse(faces, "both")


def test_cosine_is_blockwise_and_right():
    rng = np.random.default_rng(0)
    unit = vectors.normalise(rng.normal(size=(50, 8)))
    a, b = rng.integers(0, 50, 70_000), rng.integers(0, 50, 70_000)
    np.testing.assert_allclose(vectors.cosine(unit, a, b), (unit @ unit.T)[a, b], atol=1e-6)
    assert len(vectors.cosine(unit, a[:0], b[:0])) == 0


@pytest.mark.parametrize("shuffled", [False, True])
def test_dense_lists_by_blocks_of_the_product(monkeypatch, shuffled):
    rng = np.random.default_rng(1)
    unit = vectors.normalise(rng.normal(size=(60, 16)))
    a, b = np.repeat(np.arange(5, 25), 30), np.tile(np.arange(30, 60), 20)
    if shuffled:
        order = rng.permutation(len(a))[:400]
        a, b = a[order], b[order]
    expected = np.array([unit[i].astype(np.float64) @ unit[j] for i, j in zip(a, b, strict=True)])
    monkeypatch.setattr(vectors, "MANY", 100)
    for size in (1, 3 * 30 * 4, 10**6):
        monkeypatch.setattr(vectors, "PRODUCT_BYTES", size)
        np.testing.assert_allclose(vectors.cosine(unit, a, b), expected, atol=1e-6)
    monkeypatch.setattr(vectors, "DENSE", 0)
    np.testing.assert_allclose(vectors.cosine(unit, a, b), expected, atol=1e-7)


def test_pairs_in_any_order_have_the_same_products(monkeypatch):
    """By blocks of a matrix product, rows rising or not, against one by one."""
    monkeypatch.setattr(vectors, "MANY", 10)
    monkeypatch.setattr(vectors, "PRODUCT_BYTES", 4 * 30 * 4)
    rng = np.random.default_rng(5)
    unit = vectors.normalise(rng.standard_normal((30, 8)).astype(np.float32), list(range(30)))
    a, b = rng.integers(0, 30, 500).astype(np.int32), rng.integers(0, 30, 500).astype(np.int32)
    for order in (np.arange(500), np.argsort(a, kind="stable")):
        found = vectors.cosine(unit, a[order], b[order])
        assert found.dtype == np.float32
        np.testing.assert_allclose(found, (unit[a[order]] * unit[b[order]]).sum(1), atol=1e-6)
