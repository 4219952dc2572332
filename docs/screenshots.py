"""Pictures of what a person sees: the report, two runs compared in MLflow, a flow run in Prefect.

    python docs/screenshots.py [report] [mlflow] [prefect] [--out docs/images] [--browser PATH]

Needs Chromium, which it drives headless over its DevTools protocol, so that a page is taken when it shows
what it should and not after some time. Servers that it starts listen on this machine alone and end with it.
"""

from __future__ import annotations

import argparse
import base64
import contextlib
import json
import os
import shutil
import socket
import subprocess
import sys
import tempfile
import time
import urllib.error
import urllib.parse
import urllib.request
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parent.parent
BROWSERS = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")
FLAGS = (
    "--headless=new",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--disable-dev-shm-usage",
    "--hide-scrollbars",
    "--remote-debugging-port=0",
)
PATIENCE = 300.0  # seconds for a server or a page
DESKTOP, PHONE, WIDE, SMALL, TALLEST = 1280, 390, 1500, 600, 14000  # pixels; taller than that come out torn
# Pages scroll inside boxes of their own: the one that has most to scroll says how much there is to see.
HEIGHT = """
Math.max(document.documentElement.scrollHeight, ...[...document.querySelectorAll('*')]
  .filter(each => each.clientHeight > 300 && /auto|scroll/.test(getComputedStyle(each).overflowY))
  .map(each => each.getBoundingClientRect().top + each.scrollHeight))
"""
TASKS = """
[...document.querySelectorAll('*')]
  .filter(each => !each.children.length && each.innerText == 'Task Runs')
  .forEach(each => each.click())
"""
# Of two runs only what differs, without pictures of two points and without a chat.
COMPARED = """
for (const each of document.querySelectorAll('[role=switch], [role=button], button')) {
  const told = `${each.getAttribute('aria-label') || ''} ${each.innerText} ${each.dataset.componentId || ''}`;
  if (/show diff only|^ *visualizations|chat_panel.close/i.test(told)) each.click();
}
"""


def until(what: str, ask: Any, seconds: float = PATIENCE) -> Any:
    """What `ask()` gives once it gives something; an error that names `what` if it never does."""
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        with contextlib.suppress(OSError, urllib.error.URLError):
            if answer := ask():
                return answer
        time.sleep(0.2)
    raise SystemExit(f"{what}: not there after {seconds:.0f} s")


def fetch(url: str, method: str = "GET", body: Any = None) -> Any:
    data = None if body is None else json.dumps(body).encode()
    request = urllib.request.Request(url, data, {"Content-Type": "application/json"}, method=method)
    with urllib.request.urlopen(request, timeout=10) as answer:
        text = answer.read().decode()
    try:
        return json.loads(text)
    except ValueError:
        return text


def free_port() -> int:
    with socket.socket() as sock:
        sock.bind(("127.0.0.1", 0))
        return int(sock.getsockname()[1])


@contextlib.contextmanager
def running(command: Sequence[str], **environment: str) -> Iterator[subprocess.Popen[bytes]]:
    """A program in a session of its own, ended with all that it started."""
    process = subprocess.Popen(
        command,
        cwd=ROOT,
        env={**os.environ, **environment},
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        start_new_session=True,
    )
    try:
        yield process
    finally:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, 15)
        try:
            process.wait(10)
        except subprocess.TimeoutExpired:
            os.killpg(process.pid, 9)
            process.wait()


class Page:
    """One tab of the browser."""

    def __init__(self, socket: Any) -> None:
        self.socket, self.number = socket, 0

    def call(self, method: str, **params: Any) -> dict[str, Any]:
        self.number += 1
        self.socket.send(json.dumps({"id": self.number, "method": method, "params": params}))
        while True:
            answer = json.loads(self.socket.recv(timeout=PATIENCE))
            if answer.get("id") == self.number:
                if "error" in answer:
                    raise SystemExit(f"{method}: {answer['error']['message']}")
                return dict(answer["result"])

    def evaluate(self, script: str) -> Any:
        return self.call("Runtime.evaluate", expression=script, returnByValue=True)["result"].get("value")

    def shoot(self, url: str, path: Path, width: int, shows: Sequence[str], tidy: str = "") -> None:
        """Open `url`, wait until its text holds all of `shows`, run `tidy`, and take the whole page."""
        self.size(width, 900)
        self.call("Page.navigate", url=url)
        wanted = json.dumps([text.lower() for text in shows])
        seen = (
            f"document.body && {wanted}.every(text => document.body.innerText.toLowerCase().includes(text))"
        )
        until(f"{url} showing {', '.join(shows)}", lambda: self.evaluate(seen))
        self.settle()
        if tidy:
            self.evaluate(tidy)
            self.settle()
        whole = int(self.evaluate(HEIGHT))
        height = min(whole, TALLEST // (2 if width < SMALL else 1))
        self.size(width, height)
        self.settle()
        picture = self.call("Page.captureScreenshot", format="png")["data"]
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(base64.b64decode(picture))
        print(f"{path}: {width} x {height}" + (f", the top of {whole}" if height < whole else ""))

    def settle(self, quiet: int = 5) -> None:
        """Wait until the page's text has not changed for so many seconds, a minute at most."""
        same, before = 0, None
        for _ in range(60):
            now = self.evaluate("document.body.innerText")
            same, before = (same + 1 if now == before else 0), now
            if same == quiet:
                return
            time.sleep(1)

    def size(self, width: int, height: int) -> None:
        phone = width < SMALL
        self.call(
            "Emulation.setDeviceMetricsOverride",
            width=width,
            height=height,
            deviceScaleFactor=2 if phone else 1,
            mobile=phone,
        )


@contextlib.contextmanager
def browser(program: str) -> Iterator[Page]:
    from websockets.sync.client import connect

    with contextlib.ExitStack() as stack:
        profile = stack.enter_context(tempfile.TemporaryDirectory(ignore_cleanup_errors=True))
        stack.enter_context(running([program, *FLAGS, f"--user-data-dir={profile}", "about:blank"]))
        where = Path(profile) / "DevToolsActivePort"
        port = until("the browser", lambda: where.exists() and where.read_text().split()[:1])[0]
        tab = until("a tab", lambda: fetch(f"http://127.0.0.1:{port}/json/new?about:blank", "PUT"))
        yield Page(stack.enter_context(connect(tab["webSocketDebuggerUrl"], max_size=None, proxy=None)))


def report(page: Page, out: Path) -> None:
    path = ROOT / "data/report/index.html"
    if not path.exists():
        raise SystemExit(f"{path} does not exist: run `dvc repro` first")
    for width, name in ((DESKTOP, "report.png"), (PHONE, "report_phone.png")):
        page.shoot(path.as_uri(), out / name, width, ["Summary"])


def mlflow(page: Page, out: Path) -> None:
    """The page that compares the two newest runs of an evaluation."""
    store = os.environ.get("MLFLOW_TRACKING_URI") or f"sqlite:///{ROOT / 'mlflow.db'}"
    runs = newest_evaluations(store)
    port = free_port()
    command = [sys.executable, "-m", "mlflow", "ui", "--backend-store-uri", store, "--workers", "1"]
    quiet = {"MLFLOW_SERVER_ENABLE_JOB_EXECUTION": "false", "DO_NOT_TRACK": "true"}
    with running([*command, "--host", "127.0.0.1", "--port", str(port)], **quiet):
        until("mlflow ui", lambda: fetch(f"http://127.0.0.1:{port}/health"))
        chosen = json.dumps([run.info.run_id for run in runs]), json.dumps([runs[0].info.experiment_id])
        query = urllib.parse.urlencode({"runs": chosen[0], "experiments": chosen[1]})
        names = [run.info.run_name for run in runs]
        url = f"http://127.0.0.1:{port}/#/compare-runs?{query}"
        page.shoot(url, out / "mlflow_compare.png", WIDE, ["Parameters", "Metrics", *names], COMPARED)


def newest_evaluations(store: str) -> list[Any]:
    from mlflow import MlflowClient

    client = MlflowClient(store)
    experiments = [experiment.experiment_id for experiment in client.search_experiments()]
    runs = client.search_runs(
        experiments, "tags.stage LIKE 'evaluate@%'", max_results=2, order_by=["attributes.start_time DESC"]
    )
    if len(runs) < 2:
        raise SystemExit(f"{store} has {len(runs)} runs of `evaluate`; two are compared")
    return list(runs)[::-1]


def prefect(page: Page, out: Path) -> None:
    """The newest run of the flow."""
    port = free_port()
    own = {"PREFECT_SERVER_ANALYTICS_ENABLED": "false", "DO_NOT_TRACK": "true"}
    own |= {"PREFECT_UI_API_URL": f"http://127.0.0.1:{port}/api"}
    command = [sys.executable, "-m", "prefect", "server", "start", "--host", "127.0.0.1", "--port", str(port)]
    with running(command, **own):
        api = f"http://127.0.0.1:{port}/api"
        until("the Prefect server", lambda: fetch(f"{api}/health"))
        ended = {"state": {"type": {"any_": ["COMPLETED", "FAILED"]}}}
        asked = {"limit": 1, "sort": "START_TIME_DESC", "flow_runs": ended}
        newest = fetch(f"{api}/flow_runs/filter", "POST", asked)
        if not newest:
            raise SystemExit("Prefect knows no flow run: run `python -m pipeline flow` first")
        url = f"http://127.0.0.1:{port}/runs/flow-run/{newest[0]['id']}"
        page.shoot(url, out / "prefect_flow.png", WIDE, [newest[0]["name"], "Task Runs"], TASKS)


def main() -> None:
    pages = {"report": report, "mlflow": mlflow, "prefect": prefect}
    parser = argparse.ArgumentParser(description="screenshots of the report, MLflow and Prefect")
    parser.add_argument("what", nargs="*", help=f"of {', '.join(pages)}; the first two without")
    parser.add_argument("--out", type=Path, default=ROOT / "docs/images")
    parser.add_argument("--browser", help=f"path; {', '.join(BROWSERS)} without")
    asked = parser.parse_args()
    if unknown := set(asked.what) - set(pages):
        parser.error(f"no page {', '.join(unknown)}; pages: {', '.join(pages)}")
    program = asked.browser or next(filter(None, map(shutil.which, BROWSERS)), None)
    if program is None:
        raise SystemExit("no Chromium found: install it, or give its path with --browser")
    with browser(program) as page:
        for name in asked.what or ["report", "mlflow"]:
            pages[name](page, asked.out)


if __name__ == "__main__":
    main()
