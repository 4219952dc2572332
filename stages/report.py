"""Everything that the other stages found, as one HTML page that needs nothing but itself."""

from __future__ import annotations

import logging
from pathlib import Path

from pipeline import files, stage
from pipeline.report import page

log = logging.getLogger(__name__)
DATA = Path("data")


def main(run: stage.Run) -> None:
    html = page.build(DATA, run.params)
    with files.writing_dir(DATA / "report") as folder:
        (folder / "index.html").write_text(html)
    log.info("the report: %s", (DATA / "report" / "index.html").resolve())
    run.figure(DATA / "report" / "index.html", "report.html")


if __name__ == "__main__":
    stage.execute(main)
