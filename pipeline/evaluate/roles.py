"""Who is compared with whom in overlap: sets that are cleaned, and sets of which they may hold nobody.

Training sets are compared with the benchmarks and the validation set, the validation set with the benchmarks.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pipeline.evaluate.overlap import Faces
from pipeline.records import Dataset

TRAINING = ("labelled", "unlabelled", "landmarked")
NONE = "none"
OBJECTS = "image_labels"  # the source whose identities are classes of objects
PREPARED, BENCHMARKS = Path("data/prepared/crop"), Path("data/benchmarks/crop")


@dataclass(frozen=True)
class Sets:
    """Folders of the training sets and of the protected ones, by dataset."""

    roles: Mapping[str, Any]
    training: dict[str, Path]
    protected: dict[str, Path]

    @classmethod
    def of(cls, roles: Mapping[str, Any]) -> Sets:
        """Of the params' `data`; a set that is trained on and tested on is an error."""
        training = {roles[role]: PREPARED / roles[role] for role in TRAINING if roles[role] != NONE}
        protected = {name: BENCHMARKS / name for name in roles["benchmarks"]}
        if roles["validation"] in protected:
            raise ValueError(f"data: {roles['validation']} is a benchmark, and validation too")
        if roles["validation"] != NONE:
            protected[roles["validation"]] = PREPARED / roles["validation"]
        if both := sorted(set(training) & set(protected)):
            what = f"{', '.join(both)} is trained on and tested on: every face of it would go"
            raise ValueError(f"data: {what}")
        return cls(roles, training, protected)

    @property
    def every(self) -> dict[str, Path]:
        return self.training | self.protected

    @property
    def cleaned(self) -> list[str]:
        """Sets that may lose faces."""
        return [*self.training, *({self.roles["validation"]} - {NONE})]

    @property
    def known(self) -> set[str]:
        """Sets whose identities are trusted; what is used as unlabelled has none."""
        return {self.roles["labelled"], self.roles["landmarked"], *self.protected}

    def passes(self, faces: Mapping[str, Faces]) -> list[tuple[Sequence[Faces], Sequence[Faces]]]:
        """(sets to clean, sets that they are compared with)."""
        validated = [faces[name] for name in self.protected if name == self.roles["validation"]]
        tested = [faces[name] for name in self.protected]
        benchmarks = [faces[name] for name in self.protected if name in self.roles["benchmarks"]]
        return [([faces[name] for name in self.training], tested), (validated, benchmarks)]

    def check_objects(self) -> None:
        """An error unless all sets are of classes of objects: among people somebody has to be looked for."""
        for name, folder in self.every.items():
            if (source := Dataset(folder).about.get("source")) != OBJECTS:
                raise ValueError(
                    f"overlap.false_match_rate: none looks for nobody, but {name} (source {source}) may hold"
                    " people: write a number, such as 1.0e-6"
                )

    def roles_of(self, dataset: str) -> list[str]:
        return [role for role in (*TRAINING, "validation") if self.roles[role] == dataset]
