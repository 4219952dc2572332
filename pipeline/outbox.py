"""Journals on their way to the tracking store: what is unsent, and what the store refuses.

What the store refuses for what it is would be refused every time: it is set aside in `.ckpt/refused`, and the
rest goes on. What may pass (no answer, a wrong password, too many requests) stops the sender and is kept.
"""

from __future__ import annotations

import contextlib
import json
import logging
import shutil
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pipeline import files, guard
from pipeline.journal import unsent

log = logging.getLogger(__name__)
REFUSALS = (400, 409, 413, 422)  # HTTP statuses that judge the entry, not the sender or the moment
GONE = "RESOURCE_DOES_NOT_EXIST"  # of a run that was deleted


class BrokenEntryError(ValueError):
    """A journal's line or file that nobody could send."""


def is_refusal(error: Exception) -> bool:
    """Whether the same entry can never be taken: then waiting for it would hold up all that follows."""
    if hasattr(error, "get_http_status_code"):  # MLflow's own
        status = error.get_http_status_code()
        return status in REFUSALS or getattr(error, "error_code", "") == GONE
    response = getattr(error, "response", None)  # requests'
    return isinstance(error, BrokenEntryError) or getattr(response, "status_code", None) in REFUSALS


@dataclass
class Entries:
    """One run's journal, read from where its sender stopped; `refused` counts what was set aside of it."""

    folder: Path
    refused: int = 0
    _told: set[str] | None = None  # lines of the file of refused entries, once it has been read

    @property
    def state(self) -> dict[str, Any]:
        path = self.folder / "sent.json"
        return dict(files.read_json(path)) if path.exists() else {"run_id": None, "offset": 0}

    @property
    def alive(self) -> bool:
        """A stage still writes."""
        return not guard.is_free(self.folder / "log.jsonl")

    def records(self, offset: int) -> Iterator[tuple[dict[str, Any], int]]:
        """Whole lines from `offset`, each with the offset after it."""
        with open(self.folder / "log.jsonl", "rb") as file:
            file.seek(offset)
            for line in file:
                if not line.endswith(b"\n"):
                    return
                offset += len(line)
                yield _parsed(line), offset

    @property
    def size(self) -> int:
        """Bytes that have been written."""
        return (self.folder / "log.jsonl").stat().st_size

    def remove(self, size: int) -> None:
        """Forget the journal, unless a stage has taken it up or has written since it had `size` bytes."""
        with open(self.folder / "log.jsonl") as file:
            if guard.acquire(file.fileno()) and self.size == size:
                shutil.rmtree(self.folder)

    def batch(self, rows: list[Any], log_rows: Callable[[list[Any]], None]) -> None:
        """Send rows together; where that is refused, in halves, until what is wrong with them is alone."""
        try:
            log_rows(rows)
        except Exception as error:
            if not is_refusal(error):
                raise
            if len(rows) == 1:
                self.set_aside(dict(rows[0]), error)
                return
            half = len(rows) // 2
            self.batch(rows[:half], log_rows)
            self.batch(rows[half:], log_rows)

    @contextlib.contextmanager
    def setting_aside(self, record: dict[str, Any]) -> Iterator[None]:
        """Sets the record aside where what is done inside is refused for good."""
        try:
            yield
        except Exception as error:
            if not is_refusal(error):
                raise
            self.set_aside(record, error)

    def set_aside(self, record: dict[str, Any], error: Exception) -> None:
        """Keep what the store refuses, and why; once, though an outage may have it sent again."""
        path = refused(self.folder.parent.parent.parent) / f"{self.folder.name}.jsonl"
        line = json.dumps({**record, "why": str(error)}, default=str) + "\n"
        if self._told is None:
            self._told = set(path.read_text().splitlines(True)) if path.exists() else set()
        if line not in self._told:
            path.parent.mkdir(parents=True, exist_ok=True)
            with open(path, "a") as file:
                file.write(line)
            self._told.add(line)
            self.refused += 1
            log.warning("refused by the tracking store and set aside in %s: %s", path, error)


def refused(root: Path) -> Path:
    """Where entries lie that the store will not take."""
    return root / ".ckpt" / "refused"


def _parsed(line: bytes) -> dict[str, Any]:
    """A line of a journal; one that a full disk has cut short is of the kind `broken`."""
    try:
        return dict(json.loads(line))
    except ValueError:
        return {"kind": "broken", "line": line.decode(errors="replace").rstrip()}


def folders(root: Path) -> list[Path]:
    """Journals with something to send or to close, oldest first."""
    logs = sorted(unsent(root).glob("*/log.jsonl"), key=lambda path: path.stat().st_mtime)
    return [path.parent for path in logs]
