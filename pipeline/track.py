"""Hands journals to MLflow: the only importer of mlflow, run as a process of its own.

The sender reads `.ckpt/unsent/<run>/log.jsonl` from where it stopped, sends batches, and writes how
far it came beside it. It outlives the pause between two stages, since MLflow's import takes seconds of
processor time, and ends soon after the last journal; nothing waits for it. The tag
`likeness.run` ties a run of MLflow to its journal, so that a resumed stage goes on with its run.
"""

from __future__ import annotations

import json
import logging
import os
import re
import socket
import sqlite3
import sys
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from pipeline import files, guard
from pipeline.journal import unsent
from pipeline.outbox import BrokenEntryError, Entries, folders, refused

log = logging.getLogger(__name__)
NAME, TAG = "likeness", "likeness.run"
SQLITE = "sqlite:///"
IDLE, POLL = 20.0, 0.5  # seconds: life after the last journal, pause between looks
PARAM_LENGTH, BATCH = 6000, 500
QUIET = {  # what can't be set later than MLflow's import
    "DO_NOT_TRACK": "true",
    "MLFLOW_DISABLE_TELEMETRY": "true",
    "GIT_PYTHON_REFRESH": "quiet",
    "MLFLOW_HTTP_REQUEST_MAX_RETRIES": "2",
    "MLFLOW_HTTP_REQUEST_BACKOFF_FACTOR": "1",
    "MLFLOW_HTTP_REQUEST_TIMEOUT": "5",
}


class UnreachableError(OSError):
    """A tracking server that does not answer."""


def store(root: Path) -> str:
    """Where runs go: MLFLOW_TRACKING_URI, or mlflow.db in the repository's root."""
    return os.environ.get("MLFLOW_TRACKING_URI") or f"{SQLITE}{root / 'mlflow.db'}"


def knock(uri: str) -> None:
    """Fail early, before MLflow is imported, where nothing listens at an http(s) address."""
    parts = urlsplit(uri)
    if parts.scheme not in ("http", "https"):
        return
    port = parts.port or (443 if parts.scheme == "https" else 80)
    try:
        socket.create_connection((parts.hostname or "", port), timeout=5).close()
    except OSError as error:
        raise UnreachableError(f"no tracking server answers there: {error.strerror or error}") from error


def client(root: Path) -> tuple[Any, str]:
    """MLflow's client and the id of our experiment; the SQLite store is made if there is none."""
    uri = store(root)
    knock(uri)
    os.environ.update({name: value for name, value in QUIET.items() if name not in os.environ})
    import mlflow

    local = None
    if uri.startswith(SQLITE):
        path = Path(uri.removeprefix(SQLITE)).absolute()
        local = (path.parent / "mlartifacts").as_uri()
        _create(path, local)
    mlflow.set_tracking_uri(uri)
    made = mlflow.MlflowClient(tracking_uri=uri)
    found = made.get_experiment_by_name(NAME)
    if found is not None:
        return made, str(found.experiment_id)
    return made, str(made.create_experiment(NAME, artifact_location=local))


def _create(path: Path, artifacts: str) -> None:
    """MLflow's tables at a temporary path, then renamed: a kill half-way, or four first users at once,
    leave no broken store."""
    if path.exists():
        return
    with guard.only_copy(path.with_name(f".{path.name}.lock"), f"the making of {path}", wait=120.0):
        if not path.exists():
            _fill(path, artifacts)


def _fill(path: Path, artifacts: str) -> None:
    from mlflow.store.tracking.sqlalchemy_store import SqlAlchemyStore

    aside = path.with_name(f".{path.name}.{os.getpid()}.tmp")
    try:
        made = SqlAlchemyStore(f"{SQLITE}{aside}", artifacts)
        made.engine.dispose()
        with sqlite3.connect(aside) as connection:
            connection.execute("PRAGMA journal_mode=WAL")  # readers and one writer at a time; persistent
        connection.close()
        os.replace(aside, path)
    finally:
        for left in path.parent.glob(f"{aside.name}*"):
            left.unlink(missing_ok=True)


@dataclass
class Outbox(Entries):
    """One run's journal on its way to MLflow."""

    def send(self, made: Any, experiment: str) -> bool:
        """Send what is new; True if there was anything. A run that is over leaves the outbox."""
        dead, size = not self.alive, self.size  # asked before reading: what a dead stage wrote is all there
        state, pending, sent = self.state, [], False
        ended = bool(state.get("ended"))
        for record, offset in self.records(int(state["offset"])):
            sent = True
            if record["kind"] == "metrics":
                pending.append(record)
            else:
                self._metrics(made, state["run_id"], pending)
                with self.setting_aside(record):
                    self._one(made, experiment, record, state)
                ended = record["kind"] == "end" or (ended and record["kind"] != "run")
            state["offset"], state["ended"] = offset, ended
            if len(pending) >= BATCH:
                self._metrics(made, state["run_id"], pending)
                files.write_json(self.folder / "sent.json", state)
        self._metrics(made, state["run_id"], pending)
        if sent:
            files.write_json(self.folder / "sent.json", state)
        if dead and not sent:
            if state["run_id"] and not ended:
                with self.setting_aside({"kind": "end", "status": "KILLED"}):
                    made.set_terminated(state["run_id"], "KILLED")
            self.remove(size)
        return sent

    def _one(self, made: Any, experiment: str, record: dict[str, Any], state: dict[str, Any]) -> None:
        """Send what is no metrics; a run's id is noted in `state`."""
        if record["kind"] == "broken":
            raise BrokenEntryError("not a line of JSON")
        if record["kind"] == "run":
            run = _run(made, experiment, self.folder.name, record)
            state["run_id"] = str(run.info.run_id)
            self._params(made, run, record["params"])
            return
        if state["run_id"] is None:
            raise BrokenEntryError("its run was refused")
        if record["kind"] == "artifact":
            path = self.folder / "files" / record["name"]
            if not path.exists():
                raise BrokenEntryError(f"{path} is gone")
            made.log_artifact(state["run_id"], str(path), os.path.dirname(record["name"]) or None)
        elif record["kind"] == "end":
            made.set_terminated(state["run_id"], record["status"], record["time"])

    def _params(self, made: Any, run: Any, params: dict[str, Any]) -> None:
        """Send those of a run's parameters that it does not have."""
        from mlflow.entities import Param

        texts = {
            legal(name): value if isinstance(value, str) else json.dumps(value)
            for name, value in params.items()
        }
        new = [Param(k, text[:PARAM_LENGTH]) for k, text in texts.items() if k not in run.data.params]
        for start in range(0, len(new), 100):
            self.batch(new[start : start + 100], lambda rows: made.log_batch(run.info.run_id, params=rows))

    def _metrics(self, made: Any, run_id: str | None, pending: list[dict[str, Any]]) -> None:
        """Send and forget `pending`."""
        from mlflow.entities import Metric

        rows = [
            Metric(legal(name), value, record["time"], record["step"])
            for record in pending
            for name, value in record["values"].items()
        ]

        def log_rows(part: list[Any]) -> None:
            if run_id is None:
                raise BrokenEntryError("its run was refused")
            made.log_batch(run_id, metrics=part)

        for start in range(0, len(rows), 1000):
            self.batch(rows[start : start + 1000], log_rows)
        pending.clear()


def _run(made: Any, experiment: str, key: str, record: dict[str, Any]) -> Any:
    """The run with this key, made with its tags if there is none."""
    from mlflow.entities import RunTag

    found = made.search_runs([experiment], f"tags.`{TAG}` = '{key}'", max_results=1)
    if found:
        run = found[0]
        made.update_run(run.info.run_id, status="RUNNING")
    else:
        marks = {**record["tags"], TAG: key}
        if "git.revision" in marks:
            marks["mlflow.source.git.commit"] = marks["git.revision"]  # what MLflow's page calls version
        run = made.create_run(experiment, record["started"], {}, record["name"])
        tags = [RunTag(legal(name), str(value)) for name, value in marks.items()]
        made.log_batch(run.info.run_id, tags=tags)
    return run


def legal(name: str) -> str:
    """`name` with every character that MLflow refuses in a key made an underscore."""
    return re.sub(r"[^\w\-. :/]", "_", name)


def outboxes(root: Path) -> list[Outbox]:
    return [Outbox(folder) for folder in folders(root)]


def drain(root: Path, patience: float) -> int:
    """Send until nothing is left or written for `patience` seconds; the number of entries refused."""
    if patience and not outboxes(root):
        time.sleep(POLL)
    if not outboxes(root):
        return 0
    made, experiment = client(root)
    last, count = time.monotonic(), 0
    while True:
        waiting = outboxes(root)
        sent = [box.send(made, experiment) for box in waiting]
        count += sum(box.refused for box in waiting)
        if any(sent) or any(box.alive for box in waiting):
            last = time.monotonic()
        elif not waiting and time.monotonic() - last >= patience:
            return count
        if not root.exists():
            return count
        if not any(sent):
            time.sleep(POLL)


def send(root: Path, patience: float = 0.0, wait: float = 60.0) -> int:
    """Be the sender; returns how many runs could not be sent. One sender at a time: where another has sent
    everything and only waits for more, it is left alone."""
    trouble, lock = unsent(root) / "trouble.txt", unsent(root) / "sender.lock"
    until = time.monotonic() + wait
    while not guard.is_free(lock) and time.monotonic() < until:
        if not outboxes(root):
            return 0
        time.sleep(POLL)
    try:
        with guard.only_copy(lock, "the sender of runs", 2.0):
            drain(root, patience)
            if runs := len(list(refused(root).glob("*.jsonl"))):
                said = f"{store(root)} refused entries of {runs} run{'s' * (runs > 1)} for good"
                where = f"they and the reasons lie in {refused(root)}, all else was sent"
                files.write_text(trouble, f"{said}; {where}\n")
            else:
                trouble.unlink(missing_ok=True)
    except guard.BusyError:
        return len(outboxes(root))
    except Exception as error:
        log.warning("%s", error)
        count = len(outboxes(root))
        if root.exists():
            hint = "`python -m pipeline sync` sends them later"
            files.write_text(trouble, f"runs not yet in {store(root)}: {count} ({error}); {hint}\n")
        return count
    return 0


if __name__ == "__main__":
    home = Path(sys.argv[1])
    while send(home, patience=IDLE, wait=0.0) == 0 and outboxes(home):
        pass  # a stage has begun after the last look, and has seen that a sender was at work
