"""What a person decided about pairs that overlap is unsure of: a small YAML list, kept in Git.

    - {dataset: casia, who: "0001234", benchmark: lfw, matched: George_W_Bush, verdict: accept}

accept: `who` of `dataset` is `matched` of the protected set `benchmark`, and goes. reject: is somebody else,
and nothing that links the two removes a face. `who` and `matched` are identities, or the sample ids of
images; `matched` may be a person's name. An accepted image goes alone; in a reject it stands for its person.
`note` is yours. Entries count from 1.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from pathlib import Path
from typing import Any, Literal

from pydantic import Field, ValidationError

from pipeline.strict import Strict

FILE = "decisions.yaml"


class DecisionsError(ValueError):
    """A file of decisions that can't be followed; says which entry, and why."""


class Decision(Strict):
    dataset: str
    who: str = Field(min_length=1)
    benchmark: str
    matched: str = Field(min_length=1)
    verdict: Literal["accept", "reject"]
    note: str | None = None

    @property
    def pair(self) -> tuple[str, str, str, str]:
        return self.dataset, self.who, self.benchmark, self.matched


def read(folder: str | Path) -> list[Decision]:
    """The decisions of `decisions.yaml` in a folder; none where there is no such file, or an empty one."""
    path = Path(folder) / FILE
    if not path.is_file():
        return []
    import yaml

    try:
        entries = yaml.safe_load(path.read_text())
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        raise DecisionsError(f"{path}: not YAML: {' '.join(str(error).split())}") from error
    if not isinstance(entries or [], list):
        raise DecisionsError(f"{path}: should be a list, `- {{dataset: ..., who: ...}}` an entry")
    found = [_entry(path, number, entry) for number, entry in enumerate(entries or [], 1)]
    seen: dict[tuple[str, str, str, str], int] = {}
    for number, decision in enumerate(found, 1):
        if (first := seen.setdefault(decision.pair, number)) != number:
            raise DecisionsError(f"{path}, entry {number}: entry {first} is about the same pair; keep one")
    return found


def _entry(path: Path, number: int, entry: Any) -> Decision:
    try:
        return Decision.model_validate(entry, strict=True)
    except ValidationError as error:
        told = "; ".join(
            f"{'.'.join(map(str, one['loc'])) or 'the entry'}: {one['msg'].lower()}"
            + (f", not {one['input']!r}" if one["type"] in ("literal_error", "string_type") else "")
            for one in error.errors()
        )
        hint = " (quote an identity of digits)" if "valid string" in told else ""
        raise DecisionsError(f"{path}, entry {number}: {told}{hint}") from error


def check_names(
    folder: str | Path, decisions: Sequence[Decision], cleaned: Collection[str], protected: Collection[str]
) -> None:
    """Raise where an entry is about datasets that nobody compares."""
    for number, decision in enumerate(decisions, 1):
        for key, name, known in (
            ("dataset", decision.dataset, cleaned),
            ("benchmark", decision.benchmark, protected),
        ):
            if name not in known:
                raise DecisionsError(
                    f"{Path(folder) / FILE}, entry {number}: {key} {name!r} is not compared here, but"
                    f" {', '.join(sorted(known)) or 'nothing'}; decisions of other datasets belong in another"
                    " folder: `overlap.decisions` names it"
                )
