"""Classification of images: whether the true class is among the k highest logits.

    rank_i   1 + classes other than y_i whose logit is at least that of y_i      (ties count against it)
    top-k    share of images of rank <= k            balanced: mean over classes of the share of rank 1

y_i = true class. Intervals are Wilson's, 95 %, images being independent (https://doi.org/10.2307/2276774):
classes are what the model learnt, and are not drawn.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import pandas as pd
from jaxtyping import Float, Int

from pipeline.contracts import Head
from pipeline.evaluate.vectors import lengths

Z = 1.959963984540054  # two-sided, 95 %


def ranks(logits: Float[np.ndarray, "n c"], label: Int[np.ndarray, " n"]) -> Int[np.ndarray, " n"]:
    """Rank of each image's true class; logits that are not finite are an error that names the row."""
    if not np.isfinite(logits).all():
        row = int(np.argmin(np.isfinite(logits).all(1)))
        raise ValueError(f"row {row}: a logit is not a finite number; the model or the image is broken")
    if len(label) != len(logits) or (len(label) and (label.min() < 0 or label.max() >= logits.shape[1])):
        raise ValueError(f"labels of {len(label)} images for logits {logits.shape}: 0 to classes - 1 each")
    true = logits[np.arange(len(label)), label]
    return np.asarray((logits >= true[:, None]).sum(1), np.int64)


def of(
    head: Head,
    embeddings: Float[np.ndarray, "n 2 d"],
    names: pd.Series,
    label: Int[np.ndarray, " n"],
    classes: pd.Index,
    tops: Sequence[int],
    mirrored: bool,
) -> tuple[dict[str, Any], pd.DataFrame]:
    """(numbers, a row an image) of embeddings of images and mirror images, by the model's classifier."""
    import torch

    for side in (0, 1) if mirrored else (0,):
        lengths(embeddings[:, side], names.tolist())  # a zero or NaN embedding is named
    with torch.no_grad():
        sides = [head.cpu().classify(torch.from_numpy(embeddings[:, side].copy())) for side in (0, 1)]
    logits = ((sides[0] + sides[1]) / 2 if mirrored else sides[0]).double().numpy()
    rank = ranks(logits, label)
    guess = classes[logits.argmax(1)].to_numpy(object)
    table = pd.DataFrame({"sample_id": names.to_numpy(object), "class": classes[label], "guess": guess})
    known = [k for k in tops if k <= len(classes)]
    return measured(rank, label, len(classes), known), table.assign(rank=rank)


def wilson(hits: int, count: int) -> tuple[float, float]:
    """95 % interval of a share."""
    share, z2 = hits / count, Z**2
    middle = (share + z2 / (2 * count)) / (1 + z2 / count)
    half = Z * np.sqrt(share * (1 - share) / count + z2 / (4 * count**2)) / (1 + z2 / count)
    return float(max(0.0, middle - half)), float(min(1.0, middle + half))


def measured(
    rank: Int[np.ndarray, " n"], label: Int[np.ndarray, " n"], classes: int, tops: Sequence[int]
) -> dict[str, Any]:
    """Counts, top-k with intervals, balanced accuracy over the classes that have images."""
    if not len(rank):
        raise ValueError("no image to classify")
    rows = []
    for k in tops:
        hits = int((rank <= k).sum())
        low, high = wilson(hits, len(rank))
        rows.append({"k": int(k), "share": hits / len(rank), "low": low, "high": high})
    there = np.unique(label)
    each = [float((rank[label == one] == 1).mean()) for one in there]
    counts = {"images": len(rank), "classes": classes, "classes_with_images": len(there)}
    return {**counts, "top": rows, "balanced": float(np.mean(each))}
