"""The flow on a small DVC repository of shell stages: what ran, what was cached, what may be retried."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path

import psutil
import pytest

from pipeline import flow

ROOT = Path(__file__).resolve().parent.parent
DVC_YAML = """
stages:
  first: {cmd: cat in > a, deps: [in], outs: [a]}
  each:
    foreach: [x, y]
    do:
      cmd: echo ${item} >> tries; cat a > ${item}; sh ${item}.sh
      deps: [a, "${item}.sh"]
      outs: ["${item}"]
  last: {cmd: cat x y > z, deps: [x, y], outs: [z]}
"""
SCRIPT = """
import json, sys
from pathlib import Path
from pipeline import flow

def once(name):
    results = flow.run_stages(flow.graph(), delays=(0.1,))
    Path(name).write_text(json.dumps([results, Path("tries").read_text().split()]))

once("1.json")
once("2.json")
Path("tries").write_text("")
Path("x.sh").write_text("echo Connection refused; exit 2")
once("3.json")
Path("x.sh").write_text("echo $$ > pid; sleep 300")
once("4.json")
"""


@pytest.fixture
def repository(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("PYTHONPATH", str(ROOT))
    subprocess.run([sys.executable, "-m", "dvc", "init", "-q", "--no-scm"], check=True)
    subprocess.run([sys.executable, "-m", "dvc", "config", "core.analytics", "false"], check=True)
    Path("dvc.yaml").write_text(DVC_YAML)
    for name, text in {"in": "1", "x.sh": "true", "y.sh": "true", "tries": ""}.items():
        Path(name).write_text(text)
    return tmp_path


def wait_for(true: Callable[[], bool], seconds: float) -> None:
    until = time.monotonic() + seconds
    while not true():
        assert time.monotonic() < until, f"not so after {seconds} s"
        time.sleep(0.1)


def alive(pid: int) -> bool:
    """False also for what has ended and was not yet collected."""
    try:
        return psutil.Process(pid).status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return False


def test_graph_is_that_of_dvc(repository: Path) -> None:
    assert flow.graph() == {
        "first": [],
        "each@x": ["first"],
        "each@y": ["first"],
        "last": ["each@x", "each@y"],
    }
    assert flow.graph(["each"]) == {"first": [], "each@x": ["first"], "each@y": ["first"]}
    assert flow.graph(["each@y"]) == {"first": [], "each@y": ["first"]}
    with pytest.raises(ValueError, match=r"eech.*each@x"):
        flow.graph(["eech"])


def test_one_stage_at_a_time(repository: Path) -> None:
    """ran, then skipped, then restored from the cache; nothing downstream is touched."""
    workspace = flow.Workspace("group-1")
    Path("dvc.yaml").write_text(DVC_YAML.replace("cat in > a", "cat in > a; echo $LIKENESS_GROUP > group"))
    told: list[str] = []
    assert workspace.repro("first", told.append)[::2] == (0, flow.RAN)
    assert any("cat in > a" in line for line in told)
    assert Path("group").read_text() == "group-1\n"
    assert workspace.repro("first", told.append)[::2] == (0, flow.SKIPPED)
    Path("in").write_text("2")
    assert workspace.repro("first", told.append)[2] == flow.RAN
    Path("in").write_text("1")
    assert workspace.repro("first", told.append)[::2] == (0, flow.CACHED)
    assert Path("a").read_text() == "1"
    assert not Path("x").exists()


def test_stop_ends_the_stage_too(repository: Path) -> None:
    Path("in").write_text("1")
    Path("dvc.yaml").write_text(DVC_YAML.replace("cat in > a", "echo $$ > pid; sleep 300; cat in > a"))
    workspace = flow.Workspace("group")
    codes: list[int] = []
    thread = threading.Thread(target=lambda: codes.append(workspace.repro("first", lambda _: None)[0]))
    thread.start()
    wait_for(lambda: Path("pid").exists() and bool(Path("pid").read_text()), 60)
    workspace.stop()
    thread.join(20)
    assert codes
    assert codes[0] != 0
    wait_for(lambda: not alive(int(Path("pid").read_text())), 10)


@pytest.mark.parametrize(
    ("last", "again"),
    [
        (["ERROR: failed to reproduce 'x': failed to run: x, exited with -9"], True),
        (["OSError: [Errno 28] No space left on device", "exited with 1"], True),
        (["ERROR: '/r/data' is busy, it is being blocked by:"], True),
        (["ERROR: Unable to acquire lock. Most likely another DVC process is running"], True),
        (["ConnectionError: Connection refused", "exited with 1"], True),
        (["ConnectionError: Connection refused", "exited with 2"], False),
        (["error: distill.student.loss: no losses plugin 'kdd'", "exited with 1"], False),
        (["KeyError: 9", "exited with 1"], False),
        ([], False),
    ],
)
def test_only_what_may_pass_is_tried_again(last: list[str], again: bool) -> None:
    assert flow.may_pass(last) is again


def test_bad_params_stop_the_flow_before_it_starts(repository: Path) -> None:
    from pipeline import params

    Path("params.yaml").write_text("sise: demo\n")
    with pytest.raises(params.ParamsError, match="sise"):
        flow.run_flow()
    assert not Path("a").exists()


@pytest.mark.e2e
@pytest.mark.timeout(550)
def test_flow_without_a_server(repository: Path) -> None:
    """In one process: a retry, nothing to do, a failure, and SIGTERM that leaves nothing behind."""
    Path("x.sh").write_text("test -e was || { touch was; echo Connection refused; exit 1; }")
    environment = {**os.environ, "PREFECT_HOME": str(repository / "prefect")}
    environment.pop("PREFECT_API_URL", None)
    with open("log", "w") as log:
        process = subprocess.Popen([sys.executable, "-c", SCRIPT], env=environment, stdout=log, stderr=log)
    try:
        wait_for(lambda: Path("pid").exists() or process.poll() is not None, 450)
        assert process.poll() is None, Path("log").read_text()[-3000:]
        children = psutil.Process(process.pid).children(recursive=True)
        process.send_signal(signal.SIGTERM)
        process.wait(30)
    finally:
        process.kill()
    done = [json.loads(Path(f"{run}.json").read_text()) for run in (1, 2, 3)]
    ran = dict.fromkeys(("first", "each@x", "each@y", "last"), "ran")
    assert done[0] == [ran, ["x", "x", "y"]]
    assert done[1][0] == dict.fromkeys(ran, "skipped")
    failed = {"first": "skipped", "each@x": "failed", "each@y": "skipped", "last": "not run"}
    assert done[2] == [failed, ["x"]]
    assert len(children) >= 4  # the server, dvc, the stage's shell, sleep
    wait_for(lambda: not any(alive(child.pid) for child in children), 15)
    assert not Path("4.json").exists()
