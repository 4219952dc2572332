"""What surrounds a stage: declared params, resume, one copy, death with its parent, clean errors."""

import errno
import json
import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
import yaml

from pipeline import declared, files, guard, runtime, stage


def run(*arguments, **env):
    command = [sys.executable, "-m", "stages.toy", *arguments]
    return subprocess.run(command, capture_output=True, text=True, env={**os.environ, **env}, timeout=60)


def kept(address="toy@a"):
    return sorted(path.name for path in Path(".ckpt", address).glob("*") if path.is_dir())


def test_a_stage_sees_what_is_declared_and_nothing_else(project):
    project(
        "assert run.params == {'toy': {'a': {'steps': 3, 'seed': 5}}}, run.params\nassert run.seed == 5\n"
        "assert (run.name, run.item, run.benchmark) == ('toy', 'a', False)\n"
        "run.metrics({'loss': {'last': 1.5}})",
        params="toy: {a: {steps: 3, seed: 5}}\nsecret: 1\n",
    )
    done = run("a")
    assert done.returncode == 0, done.stderr
    assert json.loads(Path("data/metrics/toy/a.json").read_text()) == {"loss": {"last": 1.5}}
    record = json.loads(Path("data/runs/toy/a.json").read_text())
    assert record["peak_memory_mb"] > 1
    assert record["seconds"] > 0
    assert record["machine"]["torch"].startswith("2.")


def test_an_unknown_item_is_an_error_that_names_the_known_ones(project):
    project("pass")
    done = run("aa")
    assert done.returncode == 2
    assert "no stage 'toy@aa'" in done.stderr
    assert "toy@a" in done.stderr.split("nearest:")[1]
    assert "Traceback" not in done.stderr


@pytest.mark.parametrize(
    ("body", "code", "told"),
    [
        ("raise ValueError('datasets.x: no face has a name')", 2, "error: datasets.x: no face has a name\n"),
        ("raise FloatingPointError('step 7: recognition is nan')", 2, "error: step 7: recognition is nan\n"),
        ("open('data/raw/nothing')", 2, "No such file or directory: 'data/raw/nothing'"),
        (
            "raise OSError(28, 'could not write data/x: No space left on device')",
            75,
            "could not write data/x",
        ),
        ("[][0]", 1, "IndexError"),
    ],
)
def test_errors_are_one_line_when_they_name_their_cause(project, body, code, told):
    project(body)
    done = run("a")
    assert done.returncode == code, done.stderr
    assert told in done.stderr
    assert ("Traceback" in done.stderr) == (code == 1)
    assert not Path("data").exists()


def test_checkpoints_outlive_a_failure_and_a_kill_and_are_pruned_after_success(project):
    folder = project(
        "mark = run.checkpoints / 'mark'\n"
        "if not mark.exists():\n"
        "    mark.write_text(run.journal.key)\n"
        "    import os, signal; os.kill(os.getpid(), signal.SIGKILL)\n"
        "assert mark.read_text() == run.journal.key, 'another run goes on'\n"
        "if not (run.checkpoints / 'second').exists():\n"
        "    (run.checkpoints / 'second').touch()\n"
        "    raise ValueError('again')\n"
    )
    assert run("a").returncode == -signal.SIGKILL
    assert run("a").returncode == 2
    assert len(kept()) == 1
    params = folder / "params.yaml"
    params.write_text(params.read_text().replace("steps: 3", "steps: 4"))
    assert run("a").returncode == -signal.SIGKILL, "other params must not find these checkpoints"
    assert len(kept()) == 2
    params.write_text(params.read_text().replace("steps: 4", "steps: 3"))
    done = run("a")
    assert done.returncode == 0, done.stderr
    assert kept() == []


def test_a_changed_dependency_is_another_fingerprint(project, tmp_path):
    project("pass")
    what = declared.declared("toy@a")
    before = declared.fingerprint(what.params, declared.dep_hashes(what.deps, {}, trust_lock=True))
    again = declared.fingerprint(what.params, declared.dep_hashes(what.deps, {}, trust_lock=True))
    (tmp_path / "stages" / "toy.py").write_text("# edited")
    after = declared.fingerprint(what.params, declared.dep_hashes(what.deps, {}, trust_lock=True))
    assert before == again != after


LOCK = {
    "crop@x": {
        "outs": [{"path": "data/crop/x", "md5": "1"}],
        "params": {"params.yaml": {"crops.a": {"size": 64}}},
    },
    "crop@y": {"outs": [{"path": "data/crop/y", "md5": "2"}], "params": {"params.yaml": {"crops.b": 1}}},
    "train": {
        "deps": [{"path": "data/crop/x"}],
        "outs": [{"path": "data/models/t", "md5": "3"}],
        "params": {"params.yaml": {"train.t": {"seed": 1}}},
    },
}


def test_stages_that_are_gone_from_dvc_yaml_are_gone_from_the_lock(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "dvc.lock").write_text(yaml.safe_dump({"schema": "2.0", "stages": {"old": {}, "crop": {}}}))
    monkeypatch.setattr(declared, "addresses", lambda: ["crop", "new"])
    assert declared.read_lock() == {"crop": {}}
    (tmp_path / "dvc.lock").write_text("schema: '2.0'\n")
    assert declared.read_lock() == {}


def test_upstream_params_follow_the_lock_through_files_and_folders():
    assert declared.upstream(["data/models/t"], LOCK) == ["train", "crop@x"]
    assert declared.upstream_params(["data/models/t"], LOCK) == {
        "train.t": {"seed": 1},
        "crops.a": {"size": 64},
    }
    assert declared.upstream(["data/crop"], LOCK) == ["crop@x", "crop@y"]
    assert declared.upstream(["data/cropped"], LOCK) == []


def test_outputs_of_other_stages_are_known_by_the_lock(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    hashes = declared.dep_hashes(
        ["data/models/t", "data/crop", "data/models/t/weights.pt"], LOCK, trust_lock=True
    )
    assert hashes["data/models/t"] == hashes["data/models/t/weights.pt"] == "3"
    moved = {**LOCK, "crop@y": {"outs": [{"path": "data/crop/y", "md5": "other"}]}}
    assert declared.dep_hashes(["data/crop"], moved, trust_lock=True)["data/crop"] != hashes["data/crop"]


def test_nest_and_flatten_are_inverse():
    flat = {"a.b": 1, "a.c": [1, {"x": 2}], "d": {}, "e.f.g": None}
    assert declared.flatten(declared.nest(flat)) == flat
    assert declared.nest({"a.b": 1, "a": {"c": 2}}) == {"a": {"b": 1, "c": 2}}


def test_the_second_of_two_copies_waits_for_the_first(project):
    project(
        "import time\nwith open('log', 'a') as f: f.write('in\\n')\ntime.sleep(1.5)\n"
        "with open('log', 'a') as f: f.write('out\\n')"
    )
    command = [sys.executable, "-m", "stages.toy", "a"]
    both = [subprocess.Popen(command, stderr=subprocess.PIPE, text=True) for _ in range(2)]
    told = "".join(each.communicate(timeout=60)[1] for each in both)
    assert [each.returncode for each in both] == [0, 0], told
    assert Path("log").read_text().split() == ["in", "out", "in", "out"]
    assert "already running" in told


def test_a_lock_that_stays_taken_is_an_error_that_names_its_holder(tmp_path):
    path = tmp_path / "x.lock"
    busy = pytest.raises(guard.BusyError, match=rf"train@x is busy: process {os.getpid()}")
    with guard.only_copy(path, "train@x", wait=1), busy, guard.only_copy(path, "train@x", wait=0.3):
        pytest.fail("two copies at once")
    with guard.only_copy(path, "train@x", wait=0):
        pass


def test_a_forked_worker_does_not_keep_the_lock(tmp_path):
    path = tmp_path / "x.lock"
    ready, write = os.pipe()
    with guard.only_copy(path, "x", wait=0):
        child = os.fork()
        if child == 0:
            os.write(write, b"x")
            time.sleep(30)
            os._exit(0)
        os.read(ready, 1)
    try:
        assert guard.is_free(path), "the worker holds the lock of its parent"
    finally:
        os.kill(child, signal.SIGKILL)
        os.waitpid(child, 0)


SLEEP = "import os, time\nopen('pid', 'w').write(str(os.getpid()))\ntime.sleep(60)"


@pytest.mark.parametrize("when", ["while it works", "while it imports"])
@pytest.mark.parametrize("shell", ["{}", "{}; true"], ids=["started by dvc itself", "through a shell"])
def test_a_stage_dies_with_the_dvc_that_started_it(project, shell, when):
    project(
        SLEEP if when == "while it works" else "pass", imports=SLEEP if when == "while it imports" else ""
    )
    shutil.copy(Path(__file__).parent.parent / "stages/__init__.py", "stages/__init__.py")
    command = shell.format(f"{sys.executable} -m stages.toy a")
    script = f"import subprocess; subprocess.run(['/bin/sh', '-c', {command!r}])"
    dvc = subprocess.Popen([sys.executable, "-c", script], env={**os.environ, "DVC_STAGE": "toy@a"})
    until = time.monotonic() + 20
    while not Path("pid").exists() or not Path("pid").read_text():
        assert time.monotonic() < until, "the stage did not start"
        time.sleep(0.05)
    pid = int(Path("pid").read_text())
    dvc.send_signal(signal.SIGKILL)
    dvc.wait()
    while alive(pid):
        assert time.monotonic() < until, "the stage outlived dvc"
        time.sleep(0.05)


def alive(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().split(") ")[1][0] != "Z"
    except OSError:
        return False


def test_torch_is_settled_whenever_a_stage_imports_it(project):
    project(
        "import sys\nassert 'torch' not in sys.modules, 'a stage without torch must not pay for it'\n"
        "import torch\nassert torch.initial_seed() == 5\nassert torch.get_num_threads() == 3\n"
        "assert torch.are_deterministic_algorithms_enabled()"
    )
    Path("runtime.yaml").write_text("threads: 3\n")
    done = run("a")
    assert done.returncode == 0, done.stderr


def test_runtime_is_strict_and_resolves_auto(tmp_path, monkeypatch):
    path = tmp_path / "runtime.yaml"
    path.write_text("devise: cpu\nthreads: 0\nprecision: fp16\n")
    with pytest.raises(runtime.RuntimeFileError) as told:
        runtime.read(path)
    assert "devise" in str(told.value)
    assert "precision" in str(told.value)
    path.write_text("threads: 0\n")
    with pytest.raises(
        runtime.RuntimeFileError, match=r"threads: .*greater than or equal to 1.*pipeline check"
    ):
        runtime.read(path)
    path.write_text("- 3\n")
    with pytest.raises(runtime.RuntimeFileError, match="should be a map of keys"):
        runtime.read(path)
    monkeypatch.setenv("OMP_NUM_THREADS", "7")
    assert runtime.Runtime().threads == 7
    monkeypatch.delenv("OMP_NUM_THREADS")
    assert runtime.Runtime().threads == runtime.cores()
    assert runtime.Runtime(device="cpu").device == "cpu"
    assert runtime.read(tmp_path / "absent.yaml") == runtime.Runtime()


NOT_ON_CUDA = (
    "upsample_bilinear2d_backward_out_cuda does not have a deterministic implementation, but you set "
    "'torch.use_deterministic_algorithms(True)'. You can turn off determinism just for this operation ..."
)
CUBLAS = (
    "Deterministic behavior was enabled with either `torch.use_deterministic_algorithms(True)` or "
    "`at::Context::setDeterministicAlgorithms(true)`, but this operation is not deterministic because it "
    "uses CuBLAS and you have CUDA >= 10.2. ... CUBLAS_WORKSPACE_CONFIG=:4096:8 ..."
)


@pytest.mark.parametrize(
    ("error", "operation"),
    [(NOT_ON_CUDA, "upsample_bilinear2d_backward_out_cuda"), (CUBLAS, "a matrix product of cuBLAS")],
)
def test_an_operation_without_determinism_is_named_with_its_switch(error, operation):
    with pytest.raises(RuntimeError) as raised:
        raise RuntimeError(error)
    status, told = stage.explain(raised.value)
    assert status == 2
    assert told.startswith(f"error: {operation} is not deterministic on this device")
    assert "`deterministic: false`" in told
    assert "runtime.yaml" in told
    assert runtime.nondeterministic(RuntimeError("out of memory")) is None


def test_torch_words_the_refusal_as_we_read_it():
    import torch

    before = torch.get_deterministic_debug_mode()
    torch.set_deterministic_debug_mode("error")
    try:
        with pytest.raises(RuntimeError) as told:
            torch.zeros(4).put_(torch.tensor([0]), torch.ones(1))
    finally:
        torch.set_deterministic_debug_mode(before)
    assert (runtime.nondeterministic(told.value) or "").startswith("put_ is not deterministic")


@pytest.mark.parametrize("device", ["cpu", "cuda"])
def test_deterministic_is_strict_on_every_device(monkeypatch, device):
    import torch

    asked = []
    monkeypatch.setattr(torch, "set_deterministic_debug_mode", asked.append)
    monkeypatch.setattr(torch, "set_num_threads", lambda threads: None)
    runtime.prepare(runtime.Runtime(device=device), 0)
    runtime.prepare(runtime.Runtime(device=device, deterministic=False), 0)
    assert asked == ["error"]
    assert os.environ["CUBLAS_WORKSPACE_CONFIG"] in runtime.WORKSPACES


def test_a_workspace_that_is_not_deterministic_is_refused(monkeypatch):
    monkeypatch.setenv("CUBLAS_WORKSPACE_CONFIG", ":0:0")
    with pytest.raises(runtime.RuntimeFileError, match=r"CUBLAS_WORKSPACE_CONFIG is ':0:0'.*unset it"):
        runtime.prepare(runtime.Runtime(device="cpu"), 0)


def test_the_repositorys_runtime_file_is_in_order():
    assert runtime.read(Path(stage.__file__).parent.parent / "runtime.yaml").precision == "fp32"


def test_metrics_that_dvc_yaml_does_not_declare_are_refused(project):
    folder = project("run.metrics({'a': 1})")
    pipeline = folder / "dvc.yaml"
    pipeline.write_text(
        "".join(line for line in pipeline.read_text().splitlines(True) if "metrics:" not in line)
    )
    done = run("a")
    assert done.returncode == 2
    assert "no data/metrics/... output for toy@a" in done.stderr


class FullDisk:
    """A disk that holds so many bytes and no more."""

    def __init__(self, file, room):
        self.file, self.room = file, room

    def write(self, data):
        if len(data) > self.room:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        self.room -= len(data)
        return self.file.write(data)

    def flush(self):
        self.file.flush()


@pytest.mark.parametrize("save", ["bytes", "torch"])
def test_a_full_disk_leaves_what_stood_there_and_no_debris(tmp_path, save):
    import torch

    path = tmp_path / "000000100.pt"
    path.write_bytes(b"the checkpoint before")
    write = {"bytes": lambda disk: [disk.write(b"1234567890") for _ in range(1000)]}
    write["torch"] = lambda disk: torch.save(torch.zeros(10_000), disk)
    with pytest.raises(OSError, match=r"could not write .*000000100.pt: No space left") as told:
        files.write_with(path, lambda file: write[save](FullDisk(file, 1000)))
    assert told.value.errno == errno.ENOSPC
    assert path.read_bytes() == b"the checkpoint before"
    assert [each.name for each in tmp_path.iterdir()] == ["000000100.pt"]


def test_an_error_of_reading_is_not_called_one_of_writing(tmp_path):
    with pytest.raises(FileNotFoundError, match=r"absent\.csv"), files.writing(tmp_path / "out"):
        (tmp_path / "absent.csv").read_bytes()
