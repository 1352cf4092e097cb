"""What MLflow's page asks its server for when it lists runs and compares them, and how long the answers take.

The calls are those of the page's own code: 100 runs a page; the chart view asks for the history of each metric of 100
runs at a time; the comparison asks for each run.
"""

import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import requests

API = "ajax-api/2.0/mlflow"
PAGE, POINTS = 100, 320
"""Runs of one page of the list, and of one call for a chart; points of each run that a chart asks for."""

METRICS = ("train/elbo", "train/log_likelihood", "train/kl_z_3", "clusters/acc")
AT_ONCE = 6
"""Calls that a browser makes to one server at the same time."""

PATIENCE = 180.0


@contextmanager
def served(folder: Path) -> Iterator[str]:
    """Serve the store of a project's folder; yield the server's address once it answers.

    Raises:
        RuntimeError: it does not answer in time.
    """
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    command = [sys.executable, "-m", "mlflow", "ui", "--backend-store-uri", "sqlite:///mlflow.db", "--port", str(port)]
    server = subprocess.Popen(
        [*command, "--workers", "2"],  # of four by default: each takes seconds of the processor to start
        cwd=folder,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        start_new_session=True,  # so that its workers end with it
    )
    address = f"http://127.0.0.1:{port}"
    try:
        _wait_for(address)
        yield address
    finally:
        os.killpg(server.pid, signal.SIGTERM)
        server.wait()


def answers(address: str) -> tuple[int, dict[str, tuple[int, float]]]:
    """Return the number of runs, and for each thing that the page does with them all its calls and seconds."""
    experiments = _post(address, "experiments/search", {"max_results": 100})["experiments"]
    asked = {"experiment_ids": [each["experiment_id"] for each in experiments], "max_results": PAGE}
    ids: list[str] = []

    def pages() -> int:
        token, calls = "", 0
        while calls == 0 or token:
            page = _post(address, "runs/search", asked | ({"page_token": token} if token else {}))
            ids.extend(run["info"]["run_id"] for run in page.get("runs", []))
            token, calls = page.get("next_page_token", ""), calls + 1
        return calls

    took = {"list all runs": _timed(pages)}
    chunks = [ids[first : first + PAGE] for first in range(0, len(ids), PAGE)]
    charts = [
        ("metrics/get-history-bulk-interval", {"run_ids": chunk, "metric_key": metric, "max_results": POINTS})
        for metric in METRICS
        for chunk in chunks
    ]
    took[f"charts of {len(METRICS)} metrics"] = _timed(lambda: _get_all(address, charts))
    took["compare all runs"] = _timed(lambda: _get_all(address, [("runs/get", {"run_id": each}) for each in ids]))
    return len(ids), took


def _timed(work: Callable[[], int]) -> tuple[int, float]:
    started = time.perf_counter()
    calls = work()
    return calls, time.perf_counter() - started


def _get_all(address: str, calls: list[tuple[str, dict[str, Any]]]) -> int:
    def get(call: tuple[str, dict[str, Any]]) -> None:
        requests.get(f"{address}/{API}/{call[0]}", params=call[1], timeout=PATIENCE).raise_for_status()

    with ThreadPoolExecutor(AT_ONCE) as browser:
        list(browser.map(get, calls))
    return len(calls)


def _post(address: str, what: str, asked: dict[str, Any]) -> Any:
    answer = requests.post(f"{address}/{API}/{what}", json=asked, timeout=PATIENCE)
    answer.raise_for_status()
    return answer.json()


def _wait_for(address: str) -> None:
    deadline = time.monotonic() + PATIENCE
    while time.monotonic() < deadline:
        try:
            if requests.get(f"{address}/health", timeout=5).ok:
                return
        except requests.RequestException:
            time.sleep(0.2)
    raise RuntimeError(f"{address} does not answer")
