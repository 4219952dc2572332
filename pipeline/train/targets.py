"""A teacher's outputs of the faces in a batch: looked up in a cache, or computed by the frozen net.

The cache of a teacher is a folder: for each role (labelled, unlabelled) `<role>.npy`, float32 (n, 2, e),
the embeddings of every row of the prepared dataset [.., 0, :] and of its mirror image [.., 1, :], in row
order, not normalised, and `targets.json`, which says whose they are: a cache of another dataset, or of
other faces under the same name, is refused. Exclusions come later: the cache holds every row.
Where the flip is the only augmentation, a cached step and a live one see the same teacher.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import zip_longest
from pathlib import Path

import numpy as np
import numpy.typing as npt
import torch
from jaxtyping import Float
from torch import Tensor, nn

from pipeline import files
from pipeline.contracts import LABELLED, UNLABELLED, Batch, Head, Outputs
from pipeline.model import Shades, frozen

Array = npt.NDArray[np.float32]
ROLES = {LABELLED: "labelled", UNLABELLED: "unlabelled"}


class Teacher:
    """Outputs for the labelled and unlabelled samples of a batch; logits where there is a classifier.

    `dim` is the embedding's size e. `head` is the teacher's margin head, or none for a foreign model; its
    `classify` gives the logits without margin. Nothing here is ever trained: no gradient leaves `outputs`.
    """

    def __init__(self, dim: int, head: Head | None = None, classes: Sequence[str] = ()) -> None:
        self.dim, self.classes = dim, list(classes)
        self.head = None if head is None else frozen(head)

    @property
    def classifier(self) -> Tensor | None:
        """The frozen (n, e) weight."""
        return None if self.head is None else self.head.weight.detach()

    @property
    def scale(self) -> float | None:
        """The head's scale s; 1 where a head has none (a plain softmax)."""
        return None if self.head is None else float(getattr(self.head, "s", 1.0))

    def embed(self, batch: Batch) -> Float[Tensor, "b e"]:
        return self.outputs(batch).embedding

    def outputs(self, batch: Batch) -> Outputs:
        """The embedding of a batch without mixed samples, and whatever else this kind of teacher gives."""
        raise NotImplementedError

    def logits(self, embedding: Float[Tensor, "b e"]) -> Float[Tensor, "b n"]:
        if self.head is None:
            raise ValueError(
                "this teacher has no classifier (a foreign model gives embeddings alone): kd, sr and mix-up "
                "need one; use a loss of fm alone and a mixing without a mixed term"
            )
        with torch.no_grad():
            return self.head.to(embedding.device).classify(embedding)

    def same_classes(self, classes: Sequence[str]) -> None:
        """Refuses a student whose classes, or their order, are others: kd and mix-up compare one by one."""
        pairs = zip_longest(self.classes, classes, fillvalue="no class")
        for place, (theirs, ours) in enumerate(pairs):
            if theirs != ours:
                raise ValueError(
                    f"kd and mix-up need the teacher's classes in its order: class {place} is {theirs!r} for "
                    f"the teacher (of {len(self.classes)}), {ours!r} for the student (of {len(classes)}). "
                    "Train both on the same labelled faces, or use fm or sr without mix-up"
                )


class LiveTeacher(Teacher):
    """Runs the frozen net on the images of the batch, always in eval mode: BN and dropout are fixed.

    It gives the maps too, and what else the net says.
    It is no module, so that no checkpoint or optimiser holds it. `change` turns the
    batch's normalised images into the teacher's, where they are not the same: see `renormalisation`.
    """

    def __init__(
        self,
        recogniser: nn.Module,
        dim: int,
        head: Head | None = None,
        classes: Sequence[str] = (),
        change: tuple[Tensor, Tensor] | None = None,
    ) -> None:
        super().__init__(dim, head, classes)
        self.recogniser = frozen(recogniser)
        self.change = change
        self._device: torch.device | None = None

    def outputs(self, batch: Batch) -> Outputs:
        image = batch.image
        if self.change is not None:
            factor, shift = (value.to(image).view(1, -1, 1, 1) for value in self.change)
            image = image * factor + shift
        if self._device != image.device:
            self._device = image.device
            self.recogniser.to(image.device)
        with torch.no_grad():
            found = self.recogniser(image)
        return replace(found, embedding=found.embedding.float())


def renormalisation(
    ours: tuple[Shades, Shades], theirs: tuple[Shades, Shades]
) -> tuple[Tensor, Tensor] | None:
    """(factor, shift), one a channel: image * factor + shift is what the teacher takes; none where equal."""
    if ours == theirs:
        return None
    (mean, std), (mean2, std2) = (
        [torch.as_tensor(v, dtype=torch.float64).expand(3) for v in side] for side in (ours, theirs)
    )
    return std / std2, (mean - mean2) / std2


@dataclass(frozen=True)
class Table:
    """Cached embeddings (n, 2, e) of a whole dataset; `rows[position]` is the row of a face that is used."""

    embeddings: Array
    rows: npt.NDArray[np.int64]

    def look_up(self, position: npt.NDArray[np.int64], mirrored: npt.NDArray[np.bool_]) -> Array:
        return self.embeddings[self.rows[position], mirrored.astype(np.int64)]


class CachedTeacher(Teacher):
    """Looks embeddings up by (domain, row, mirrored); `tables` maps a domain to its `Table`."""

    def __init__(
        self, tables: Mapping[int, Table], dim: int, head: Head | None = None, classes: Sequence[str] = ()
    ) -> None:
        super().__init__(dim, head, classes)
        for domain, table in tables.items():
            if table.embeddings.shape[1:] != (2, dim):
                raise ValueError(
                    f"cached {ROLES[domain]} targets are {table.embeddings.shape}; expected (n, 2, {dim})"
                )
        self.tables = dict(tables)

    def outputs(self, batch: Batch) -> Outputs:
        domain, row, mirrored = (v.cpu().numpy() for v in (batch.domain, batch.row, batch.mirrored))
        out = np.empty((len(row), self.dim), np.float32)
        for which in np.unique(domain):
            if which not in self.tables:
                raise ValueError(f"no cached targets of {ROLES.get(int(which), 'mixed')} faces")
            here = domain == which
            out[here] = self.tables[int(which)].look_up(row[here], mirrored[here])
        return Outputs(torch.from_numpy(out).to(batch.image.device))


def fingerprint(sample_ids: Iterable[str]) -> str:
    """SHA-256 of the sample ids in order."""
    digest = hashlib.sha256()
    for sample_id in sample_ids:
        digest.update(sample_id.encode() + b"\n")
    return digest.hexdigest()


@dataclass(frozen=True)
class Source:
    """What a role's targets are computed of: `embed(start, stop)` gives float32 (stop - start, 2, e)."""

    dataset: str
    sample_ids: Sequence[str]
    embed: Callable[[int, int], Array]


def write(
    folder: str | Path, teacher: str, dim: int, sources: Mapping[str, Source], chunk: int = 8192
) -> None:
    """Computes and writes the cache of `teacher`, whole or not at all; `sources` maps a role to its faces."""
    about: dict[str, object] = {"teacher": teacher, "dim": dim}
    with files.writing_dir(folder) as aside:
        for role, source in sources.items():
            count = len(source.sample_ids)
            _fill(aside / f"{role}.npy", count, dim, source.embed, chunk)
            ids = fingerprint(source.sample_ids)
            about[role] = {"dataset": source.dataset, "rows": count, "sample_ids": ids}
        files.write_json(aside / "targets.json", about)


def _fill(path: Path, count: int, dim: int, embed: Callable[[int, int], Array], chunk: int) -> None:
    if not count:  # a memory map can't be empty
        files.write_with(path, lambda file: np.save(file, np.empty((0, 2, dim), np.float32)))
        return
    out = np.lib.format.open_memmap(path, mode="w+", dtype=np.float32, shape=(count, 2, dim))
    for start in range(0, count, chunk):
        stop = min(start + chunk, count)
        values = embed(start, stop)
        bad = np.flatnonzero(~np.isfinite(values).all(axis=(1, 2)))
        if len(bad):
            raise FloatingPointError(
                f"{path.stem} targets: the embedding of row {start + bad[0]} is not finite"
            )
        out[start:stop] = values
    out.flush()


def read(folder: str | Path, role: str, dataset: str, sample_ids: Sequence[str]) -> Array:
    """The memory-mapped embeddings (n, 2, e) of `role`; refused unless they are of exactly these faces."""
    folder = Path(folder)
    about = files.read_json(folder / "targets.json")
    if role not in about:
        raise ValueError(f"{folder} holds no {role} targets; run the targets stage again")
    cached = about[role]
    if cached["dataset"] != dataset:
        raise ValueError(f"{folder}: {role} targets are of dataset {cached['dataset']!r}, not of {dataset!r}")
    if cached["rows"] != len(sample_ids) or cached["sample_ids"] != fingerprint(sample_ids):
        raise ValueError(
            f"{folder}: {role} targets were computed of {cached['rows']} faces of {dataset!r}, which now "
            f"holds {len(sample_ids)}, or other ones; run the targets stage again"
        )
    embeddings = np.load(folder / f"{role}.npy", mmap_mode="r" if cached["rows"] else None)
    if embeddings.shape != (cached["rows"], 2, about["dim"]):
        raise ValueError(f"{folder / role}.npy has shape {embeddings.shape}; targets.json says otherwise")
    return np.asarray(embeddings) if isinstance(embeddings, np.memmap) else embeddings
