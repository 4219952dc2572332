"""Progress: a rate that forgets the start, time left once there is one, and a stage's last line."""

import logging
import threading
from pathlib import Path
from types import SimpleNamespace

import cv2
import numpy as np
import pytest

from pipeline import geometry, progress, records, stage
from pipeline.records import Sample
from stages import annotate, crop


@pytest.fixture
def clock(monkeypatch):
    """A clock that stands still: `clock.now` is what it shows."""
    hand = SimpleNamespace(now=1000.0)
    monkeypatch.setattr(progress.time, "monotonic", lambda: hand.now)
    return hand


def walk(bar, clock, *steps):
    """`steps` are (seconds that pass, steps that are then done)."""
    for seconds, done in steps:
        clock.now += seconds
        bar.advance(done)


def test_lines_tell_rate_and_time_left(clock):
    bar = progress.Lines(200, "crop")
    walk(bar, clock, (1, 10), (8, 40))
    assert bar.line(clock.now) == "crop: 50/200 (25 %), 5.0/s, 30 s left"


def test_lines_tell_that_nothing_was_finished_for_long(clock, caplog):
    caplog.set_level(logging.INFO)
    bar = progress.Lines(960, "ingest")
    told = {}

    def wait(seconds):
        """The clock goes on; at 100 s a step comes, after 260 s the work is over."""
        told.update({clock.now - 1000: caplog.messages[-1]} if caplog.messages else {})
        caplog.clear()
        clock.now += seconds
        if clock.now == 1100:
            bar.advance(128)
        return clock.now > 1260

    bar.listen(SimpleNamespace(wait=wait))
    assert told == {
        30: "ingest: 0/960 (0 %), at work; nothing finished for 30 s",
        60: "ingest: 0/960 (0 %), at work; nothing finished for 60 s",
        100: "ingest: 128/960 (13 %)",
        130: "ingest: 128/960 (13 %), at work; nothing finished for 30 s",
        160: "ingest: 128/960 (13 %), at work; nothing finished for 60 s",
        220: "ingest: 128/960 (13 %), at work; nothing finished for 2 min",
    }


def test_nobody_listens_after_the_end(monkeypatch):
    monkeypatch.setattr(progress.sys, "stderr", SimpleNamespace(isatty=lambda: False))
    with pytest.raises(KeyError), progress.progress(10, "crop"):
        assert "progress" in {thread.name for thread in threading.enumerate()}
        raise KeyError
    assert "progress" not in {thread.name for thread in threading.enumerate()}


def test_without_a_total_no_time_is_left(clock):
    bar = progress.Lines(0, "read")
    assert bar.line(clock.now) == "read: 0"
    walk(bar, clock, (1, 10), (8, 40))
    assert bar.line(clock.now) == "read: 50, 5.0/s"


def test_no_rate_before_there_are_a_few_seconds_and_two_updates(clock):
    bar = progress.Lines(100, "train")
    walk(bar, clock, (60, 1))
    assert bar.line(clock.now) == "train: 1/100 (1 %)", "one update says how long the start took"
    walk(bar, clock, (1, 1))
    assert bar.line(clock.now) == "train: 2/100 (2 %)", "a second is too short"
    walk(bar, clock, (4, 9))
    assert bar.line(clock.now) == "train: 11/100 (11 %), 2.0/s, 44 s left"


def test_start_up_and_resumed_steps_do_not_count(clock):
    bar = progress.Lines(2000, "train")
    walk(bar, clock, (30, 1000), *[(1, 2)] * 10)
    assert bar.line(clock.now) == "train: 1020/2000 (51 %), 2.0/s, 8 min left"


def test_a_rate_of_long_ago_is_forgotten(clock):
    bar = progress.Lines(10_000, "crop")
    walk(bar, clock, *[(1, 1)] * 100, *[(1, 50)] * 70)
    assert "50.0/s" in bar.line(clock.now)
    assert len(bar.pace.marks) < 70


def test_slow_steps_are_told_in_seconds_each(clock):
    bar = progress.Lines(6, "evaluate")
    walk(bar, clock, (100, 1), (120, 1), (120, 1))
    assert bar.line(clock.now) == "evaluate: 3/6 (50 %), 120.0 s each, 6 min left"


def test_lines_come_now_and_then(clock, caplog):
    caplog.set_level(logging.INFO)
    bar = progress.Lines(100, "crop", every=10.0)
    walk(bar, clock, *[(1, 1)] * 25)
    assert caplog.messages == [
        "crop: 10/100 (10 %), 1.0/s, 90 s left",
        "crop: 20/100 (20 %), 1.0/s, 80 s left",
    ]


def test_a_bar_tells_the_same(clock):
    bar = progress.Bar(200, "crop")
    walk(bar, clock, (1, 10), (8, 40))
    assert bar.rich.tasks[0].fields["pace"] == "5.0/s, 30 s left"
    assert bar.rich.tasks[0].completed == 50


@pytest.mark.parametrize(
    ("seconds", "told"), [(0.4, "0 s"), (99, "99 s"), (100, "2 min"), (12_000, "3 h 20 min")]
)
def test_spans_of_time(seconds, told):
    assert progress.span(seconds) == told


@pytest.mark.parametrize(
    ("reason", "told"),
    [
        ("YuNet finds no face", "YuNet finds no face"),
        ("not an image: bad header, 3 bytes", "not an image"),
        ("landmarks around (-1, 3.5) lie outside", "landmarks around (…, …) lie outside"),
        ("needs 5 finite points, got [[1.0, nan]]", "needs … finite points, got …"),
        ("lfw_2.json has no entry for it", "lfw_2.json has no entry for it"),
    ],
)
def test_reasons_of_a_kind_are_counted_together(reason, told):
    assert progress.kind(reason) == told


def test_the_last_line_names_the_most_frequent_reasons_and_the_list(caplog):
    caplog.set_level(logging.INFO)
    aside = [{"reason": f"reason {'abcdefg'[k]}"} for k in range(7) for _ in range(9 - k)]
    progress.finished("crop@x", "faces cropped", 9731, aside, Path("data/prepared/crop/x"))
    progress.finished("crop@x", "faces cropped", 9731, [], Path("data/prepared/crop/x"))
    assert caplog.messages == [
        "crop@x: 9,731 of 9,773 faces cropped, 42 set aside (reason a: 9, reason b: 8, reason c: 7, "
        "reason d: 6, reason e: 5, other reasons: 7); see data/prepared/crop/x/set_aside.parquet",
        "crop@x: 9,731 of 9,731 faces cropped, none set aside",
    ]


PARAMS = {
    "limits": {"set_aside": 0.9},
    "datasets": {"faces": {"source": "folder"}},
    "crops": {"aligned": {"image_size": 64}},
    "detectors": {},
    "annotators": {},
}


@pytest.mark.parametrize("benchmark", [False, True])
def test_stages_end_with_a_line(tmp_path, monkeypatch, caplog, benchmark):
    monkeypatch.chdir(tmp_path)
    caplog.set_level(logging.INFO)
    prepared = Path("data/benchmarks" if benchmark else "data/prepared")
    image = cv2.imencode(".jpg", np.zeros((90, 80, 3), np.uint8))[1].tobytes()
    points = np.add(geometry.template(60), [10, 12]).ravel().tolist()
    (prepared / "ingest" / "faces").mkdir(parents=True)
    writer = records.Writer(prepared / "ingest" / "faces", set_aside=[{"sample_id": "0", "reason": "early"}])
    for name, landmarks in (("a", points), ("b", None), ("c", None)):
        writer.add(Sample(name, image, points5=landmarks))
    writer.close({"dataset": "faces"})
    run = SimpleNamespace(
        item="faces",
        benchmark=benchmark,
        params=PARAMS,
        prepared=prepared,
        runtime=SimpleNamespace(workers=0, cluster=None),
        checkpoints=prepared / "kept",
        progress=progress.progress,
        figure=lambda *_: None,
        metrics=lambda _: None,
        say=lambda text: logging.info("%s: %s", stage.address_of("annotate", "faces", benchmark), text),
    )
    crop.main(run)
    run.checkpoints = prepared / "kept_too"
    annotate.main(run)
    stem = "benchmark_" if benchmark else ""
    assert caplog.messages == [
        f"{stem}crop@faces: 1 of 3 faces cropped, 2 set aside (the source gives neither box nor landmarks: 2)"
        f"; see {prepared}/crop/faces/set_aside.parquet",
        f"{stem}annotate@faces: 1 faces annotated (known: age_group 0, gender 0, race 0, pitch 1, "
        f"yaw 1); see {prepared}/annotate/faces/annotations.parquet",
    ]
