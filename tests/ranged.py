"""A source that can be cut, for tests: python -m tests.ranged FOLDER WORKERS SECONDS collects one."""

import argparse
import logging
import os
import time
from dataclasses import dataclass
from pathlib import Path
from types import SimpleNamespace

from pipeline import files, reading, records
from pipeline.records import Sample
from pipeline.runtime import Runtime
from pipeline.sources import Skipped

BAD = 7  # every seventh sample can't be used


@dataclass
class Numbers:
    """Samples that are numbers, `seconds` each. `fatal`: what happens at that number."""

    count: int = 600
    seconds: float = 0.0
    fatal: tuple[int, str] | None = None
    made: str | None = None  # a file that lists every stretch that was begun
    load: bytes = b""  # makes it heavy to send

    def __len__(self):
        return self.count

    def samples(self):
        return self.stretch(range(self.count))

    def stretches(self, rows):
        return [range(start, min(start + rows, self.count)) for start in range(0, self.count, rows)]

    def stretch(self, numbers):
        logging.getLogger(__name__).info("a stretch from %d on", numbers.start)
        if self.made:
            with open(self.made, "a") as file:
                file.write(f"{numbers.start}\n")
        for number in numbers:
            time.sleep(self.seconds)
            if self.fatal and self.fatal[0] == number:
                if self.fatal[1] == "dies":
                    os._exit(9)
                raise ValueError(f"number {number} can't be read")
            if number % BAD == 3:
                yield Skipped(f"{number}", "it is bad")
            else:
                yield Sample(f"{number}", f"image {number}".encode(), identity=f"{number // 10}")

    def pairs(self):
        return []

    def about(self):
        return {"count": self.count}


def collect(folder, source, workers, kept=None, cluster=None):
    """The dataset at `folder`/done, its shards at `kept`; the number of each identity's rows."""
    bar = SimpleNamespace(advance=lambda steps=1: None)
    with files.writing_dir(folder / "done") as aside:
        writer = records.Writer(aside)
        settings = Runtime(workers=workers, cluster=cluster)
        people = reading.collect(source, writer, kept or folder / "kept", settings, bar)
        writer.close(source.about())
    return people


def contents(folder):
    """The bytes of the files of a collected dataset."""
    return {path.name: path.read_bytes() for path in sorted((folder / "done").iterdir())}


def times(folder):
    """When each file of the finished shards was written."""
    return {path: path.stat().st_mtime_ns for path in sorted(folder.glob("kept/shards/0*/*"))}


if __name__ == "__main__":
    parser = argparse.ArgumentParser()
    parser.add_argument("folder", type=Path)
    parser.add_argument("workers", type=int)
    parser.add_argument("seconds", type=float)
    parser.add_argument("--load", type=int, default=0)
    parser.add_argument("--made")
    parser.add_argument("--cluster")
    given = parser.parse_args()
    from tests.ranged import Numbers as Known  # by a name that other processes know

    source = Known(seconds=given.seconds, made=given.made, load=bytes(given.load))
    collect(given.folder, source, given.workers, cluster=given.cluster)
