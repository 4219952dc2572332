"""Tracking: nothing is lost, nothing is sent twice, and a server that is down stops and slows nothing."""

import fcntl
import json
import os
import subprocess
import sys
import time
from pathlib import Path

import pytest

from pipeline import guard, outbox, track
from pipeline.journal import Journal, unsent

CLOSED = "http://127.0.0.1:9"  # nothing listens at the discard port


@pytest.fixture(scope="module")
def store(tmp_path_factory):
    """A root with an MLflow store: made once, since making its tables takes seconds."""
    root = tmp_path_factory.mktemp("tracking")
    made, experiment = track.client(root)
    return root, made, experiment


@pytest.fixture
def journal(store, monkeypatch):
    monkeypatch.setenv("LIKENESS_TRACKING", "later")
    monkeypatch.delenv("MLFLOW_TRACKING_URI", raising=False)
    return Journal(store[0])


def run_of(store, journal):
    found = store[1].search_runs([store[2]], f"tags.`{track.TAG}` = '{journal.key}'")
    assert len(found) == 1
    return found[0]


def history(store, journal, name):
    rows = store[1].get_metric_history(run_of(store, journal).info.run_id, name)
    return sorted((row.step, row.value) for row in rows)


def test_everything_that_was_told_arrives(store, journal, tmp_path):
    picture = tmp_path / "roc.png"
    picture.write_bytes(b"png")
    journal.begin("train@x", {"train.x.seed": 1, "widths": [1, 2], "long": "x" * 9000}, {"stage": "train@x"})
    for step in range(1200):
        journal.metrics({"loss": 1 / (step + 1), "accuracy": float("nan")}, step)
    journal.artifact(picture, "figures/roc.png")
    picture.unlink()  # DVC removes outputs before the next run: tracking kept its own copy
    journal.end("FINISHED")
    assert track.send(store[0]) == 0
    run = run_of(store, journal)
    assert run.info.status == "FINISHED"
    assert run.info.run_name == "train@x"
    assert run.data.params["train.x.seed"] == "1"
    assert json.loads(run.data.params["widths"]) == [1, 2]
    assert len(run.data.params["long"]) == track.PARAM_LENGTH
    assert run.data.tags["stage"] == "train@x"
    assert history(store, journal, "loss") == [(step, 1 / (step + 1)) for step in range(1200)]
    assert run.data.metrics["system/memory_mb"] > 1
    assert [each.path for each in store[1].list_artifacts(run.info.run_id, "figures")] == ["figures/roc.png"]
    assert not journal.folder.exists(), "what was sent leaves the outbox"


def test_a_resumed_run_goes_on_without_duplicates(store, journal):
    journal.begin("train@x", {"a": 1}, {})
    for step in range(20):
        journal.metrics({"loss": step / 7}, step)
    journal._file.close()  # killed: no word of an end
    track.send(store[0])
    assert run_of(store, journal).info.status == "KILLED"
    again = Journal(store[0], key=journal.key, started=journal.started)
    again.begin("train@x", {"a": 1, "b": 2}, {})
    for step in range(10, 30):  # from a checkpoint at step 10
        again.metrics({"loss": step / 7}, step)
    again.end("FINISHED")
    track.send(store[0])
    assert history(store, journal, "loss") == [(step, step / 7) for step in range(30)]
    assert run_of(store, journal).info.status == "FINISHED"
    assert run_of(store, journal).data.params == {"a": "1", "b": "2"}


def test_a_run_that_begins_under_the_sender_s_eyes_is_not_lost(store, journal, monkeypatch):
    """The sender finds the log before it is locked, takes it for a dead stage's and removes it."""
    real, removed = fcntl.flock, []

    def late(file, how):
        if how == fcntl.LOCK_SH and not removed:
            removed.append(track.Outbox(journal.folder).send(store[1], store[2]))
            assert not journal.folder.exists()
        return real(file, how)

    monkeypatch.setattr(fcntl, "flock", late)
    journal.begin("train@x", {"a": 1}, {})
    journal.end("FINISHED")
    assert removed == [False]
    assert track.send(store[0]) == 0
    assert run_of(store, journal).info.status == "FINISHED"


def test_a_journal_that_is_taken_up_or_grows_is_not_removed(store, journal):
    journal.begin("train@x", {"a": 1}, {})
    box = track.Outbox(journal.folder)
    box.remove(box.size)
    assert journal.folder.exists(), "its stage is alive"
    size = box.size
    journal.end("FINISHED")
    box.remove(size)
    assert journal.folder.exists(), "it has been written to"
    with open(journal.folder / "log.jsonl", "a") as file:
        file.write('{"kind": "met')  # a stage that died half-way
    assert track.send(store[0]) == 0
    assert not journal.folder.exists()


def test_a_torn_line_waits_for_its_end(store, journal):
    journal.begin("x", {}, {})
    journal.metrics({"loss": 1.0}, 1)
    with open(journal.folder / "log.jsonl", "a") as file:
        file.write('{"kind": "metrics", "st')
        file.flush()
        box = track.Outbox(journal.folder)
        box.send(store[1], store[2])
        file.write('ep": 2, "time": 5, "values": {"loss": 2.0}}\n')
    journal.end("FINISHED")
    track.send(store[0])
    assert history(store, journal, "loss") == [(1, 1.0), (2, 2.0)]


def test_an_entry_that_the_store_refuses_is_set_aside_and_the_rest_goes_on(store, journal, caplog):
    long = "x" * 300  # a key that MLflow does not take
    journal.begin("train@x", {"a": 1, long: 2, "b": 3}, {})
    for step in range(600):
        journal.metrics({"loss": step / 7, **({long: 1.0} if step == 77 else {})}, step)
    journal._file.write('{"kind": "metrics", "st\n')  # a disk that was full for a moment
    journal._write(kind="artifact", name="never kept")
    journal.end("FINISHED")
    after = Journal(store[0])
    after.begin("train@y", {}, {})
    after.end("FINISHED")
    assert track.send(store[0]) == 0
    run = run_of(store, journal)
    assert run.info.status == "FINISHED"
    assert run.data.params == {"a": "1", "b": "3"}
    assert history(store, journal, "loss") == [(step, step / 7) for step in range(600)]
    assert run_of(store, after).info.status == "FINISHED", "what follows is not held up"
    assert not journal.folder.exists()
    aside = [json.loads(line) for line in (track.refused(store[0]) / f"{journal.key}.jsonl").open()]
    assert [each.get("key", each.get("kind")) for each in aside] == [long, long, "broken", "artifact"]
    assert all(each["why"] for each in aside)
    assert caplog.text.count("set aside") == 4
    trouble = unsent(store[0]) / "trouble.txt"
    assert "refused entries of 1 run for good" in trouble.read_text()
    assert track.send(store[0]) == 0
    assert trouble.exists(), "said as long as what was refused lies there"
    (track.refused(store[0]) / f"{journal.key}.jsonl").unlink()
    assert track.send(store[0]) == 0
    assert not trouble.exists()


def test_a_run_that_was_deleted_holds_up_nothing(store, journal):
    journal.begin("train@x", {}, {})
    track.Outbox(journal.folder).send(store[1], store[2])
    store[1].delete_run(track.Outbox(journal.folder).state["run_id"])
    journal.metrics({"loss": 1.0}, 1)
    journal.end("FINISHED")
    assert track.send(store[0]) == 0
    assert not journal.folder.exists()
    aside = (track.refused(store[0]) / f"{journal.key}.jsonl").read_text()
    assert '"loss"' in aside


class Answer(Exception):  # noqa: N818
    """What MLflow raises when a server answers with an HTTP status."""

    def __init__(self, status, code=""):
        super().__init__(f"the server says {status}")
        self.status, self.error_code = status, code

    def get_http_status_code(self):
        return self.status


@pytest.mark.parametrize(
    ("error", "refused"),
    [
        (Answer(400), True),
        (Answer(404, "RESOURCE_DOES_NOT_EXIST"), True),
        (Answer(404, "ENDPOINT_NOT_FOUND"), False),
        (Answer(401), False),
        (Answer(403), False),
        (Answer(429), False),
        (Answer(500), False),
        (Answer(503), False),
        (ConnectionError("no route"), False),
        (OSError(28, "No space left on device"), False),
    ],
)
def test_only_what_can_never_pass_is_a_refusal(error, refused):
    assert outbox.is_refusal(error) == refused


def test_what_may_pass_stops_the_sender_and_keeps_the_journal(store, journal):
    class Down:
        def search_runs(self, *_, **__):
            raise Answer(503)

    journal.begin("train@x", {}, {})
    journal.end("FINISHED")
    with pytest.raises(Answer):
        track.Outbox(journal.folder).send(Down(), store[2])
    assert journal.folder.exists()
    assert not (track.refused(store[0]) / f"{journal.key}.jsonl").exists()
    assert track.send(store[0]) == 0
    assert run_of(store, journal).info.status == "FINISHED"


def test_a_server_that_is_down_neither_stops_nor_slows_a_stage(project, store, monkeypatch):
    folder = project(
        "import time\nstart = time.monotonic()\n"
        "for step in range(500): run.log({'loss': 1.0 / (step + 1)}, step)\n"
        "assert time.monotonic() - start < 2, 'logging waits for the server'\n"
        "run.metrics({'seconds': 1.0})"
    )
    env = {**os.environ, "MLFLOW_TRACKING_URI": CLOSED, "LIKENESS_TRACKING": "on"}
    command = [sys.executable, "-m", "stages.toy", "a"]
    done = subprocess.run(command, env=env, capture_output=True, text=True, timeout=60)
    assert done.returncode == 0, done.stderr
    assert Path("data/metrics/toy/a.json").exists()
    trouble = unsent(folder) / "trouble.txt"
    until = time.monotonic() + 60
    while not trouble.exists() or not guard.is_free(unsent(folder) / "sender.lock"):
        assert time.monotonic() < until, "the sender neither sends nor says why"
        time.sleep(0.1)
    kept = [
        json.loads(line)
        for path in unsent(folder).glob("*/log.jsonl")
        for line in path.read_text().splitlines()
    ]
    assert sum("loss" in record.get("values", {}) for record in kept) == 500
    later = subprocess.run([*command[:3], "b"], env=env, capture_output=True, text=True, timeout=60)
    assert later.returncode == 0
    assert later.stderr.count(CLOSED) == 1, "said once: " + later.stderr
    assert "python -m pipeline sync" in later.stderr

    monkeypatch.setenv("MLFLOW_TRACKING_URI", track.store(store[0]))  # the server is back
    assert track.send(folder) == 0
    names = [run.info.run_name for run in store[1].search_runs([store[2]])]
    assert {"toy@a", "toy@b"} <= set(names)
    assert not trouble.exists()
    assert not list(unsent(folder).glob("*/log.jsonl"))


def test_a_disk_that_is_full_costs_the_tracking_and_not_the_stage(tmp_path, caplog):
    journal = Journal(tmp_path)
    journal.begin("x", {}, {})
    journal._file.close()
    journal._file = open("/dev/full", "w")  # noqa: SIM115
    journal.metrics({"loss": 1.0}, 1)
    journal.metrics({"loss": 1.0}, 2)
    journal.end("FINISHED")
    assert caplog.text.count("tracking stops here") == 1


def test_a_store_whose_making_is_cut_short_leaves_nothing(tmp_path, monkeypatch):
    from mlflow.store.tracking import sqlalchemy_store

    def dies(self, uri, artifacts):
        Path(uri.removeprefix(track.SQLITE)).write_bytes(b"half a database")
        raise KeyboardInterrupt

    monkeypatch.setattr(sqlalchemy_store.SqlAlchemyStore, "__init__", dies)
    monkeypatch.delenv("MLFLOW_TRACKING_URI", raising=False)
    with pytest.raises(KeyboardInterrupt):
        track.client(tmp_path)
    assert [path.name for path in tmp_path.iterdir()] == [".mlflow.db.lock"]


def test_a_switched_off_journal_writes_nothing(tmp_path, monkeypatch):
    monkeypatch.setenv("LIKENESS_TRACKING", "off")
    journal = Journal(tmp_path)
    journal.begin("x", {}, {})
    journal.metrics({"loss": 1.0}, 1)
    journal.artifact(tmp_path / "absent", "absent")
    journal.end("FINISHED")
    assert not list(tmp_path.iterdir())


def test_a_sender_that_only_waits_for_more_is_left_alone(store, journal):
    with guard.only_copy(unsent(store[0]) / "sender.lock", "a sender", 0):
        assert not track.outboxes(store[0])
        start = time.monotonic()
        assert track.send(store[0]) == 0
        assert time.monotonic() - start < 5
        journal.begin("train@x", {}, {})
        journal.end("FINISHED")
        assert track.send(store[0], wait=0.1) == 1  # it has something to send, and is not done yet
    assert track.send(store[0]) == 0
