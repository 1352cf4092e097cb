"""What MLflow's page asks its server for when it lists runs and compares them, and how long the answers take.

The calls are those of the page's own code: 100 runs a page; the chart view asks for the history of each metric of 100
runs at a time; the comparison asks for each run, and for the history of a chosen metric of each.
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
PAGE, PER_CALL, POINTS = 100, 100, 320
"""Runs of one page of the list; runs of one call for a chart, and points of each that it asks for."""

AT_ONCE = 6
"""Calls that a browser makes to one server at the same time."""

METRICS = ("elbo", "log_likelihood", "kl_z_3", "test.acc")
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
    command = [sys.executable, "-m", "mlflow", "ui", "--backend-store-uri", "sqlite:///mlflow.db"]
    server = subprocess.Popen(
        [*command, "--host", "127.0.0.1", "--port", str(port)],
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


def answers(address: str, runs: int) -> dict[str, tuple[int, float]]:
    """Return for each thing that the page does with so many runs its number of calls and its seconds by the clock.

    Raises:
        RuntimeError: the server holds another number of runs.
    """
    found = _post(address, "experiments/search", {"max_results": 10})["experiments"]
    experiment = next(each["experiment_id"] for each in found if each["name"] == "vlac")
    listed: list[dict[str, Any]] = []

    def pages() -> int:
        asked = {"experiment_ids": [experiment], "max_results": PAGE, "order_by": ["attributes.start_time DESC"]}
        token, calls = "", 0
        while calls == 0 or token:
            page = _post(address, "runs/search", asked | ({"page_token": token} if token else {}))
            listed.extend(page["runs"])
            token, calls = page.get("next_page_token", ""), calls + 1
        return calls

    took = {"list all runs": _timed(pages)}
    ids = [run["info"]["run_id"] for run in listed if "seed" in run["info"]["run_name"]][:runs]
    if len(ids) < runs:
        raise RuntimeError(f"the server has {len(ids)} trainings, not {runs}")
    chunks = [ids[first : first + PER_CALL] for first in range(0, len(ids), PER_CALL)]
    charts = [
        ("metrics/get-history-bulk-interval", {"run_ids": chunk, "metric_key": metric, "max_results": POINTS})
        for metric in METRICS
        for chunk in chunks
    ]
    took[f"charts of {len(METRICS)} metrics"] = _timed(lambda: _get_all(address, charts))
    took["compare: every run"] = _timed(lambda: _get_all(address, [("runs/get", {"run_id": each}) for each in ids]))
    histories = [("metrics/get-history", {"run_id": each, "metric_key": METRICS[0]}) for each in ids]
    took["compare: the course of one metric"] = _timed(lambda: _get_all(address, histories))
    bulk = [("metrics/get-history-bulk", {"run_id": chunk, "metric_key": METRICS[0]}) for chunk in chunks]
    took["the course of one metric, in bulk"] = _timed(lambda: _get_all(address, bulk))
    return took


def _timed(work: Callable[[], int]) -> tuple[int, float]:
    started = time.perf_counter()
    calls = work()
    return calls, time.perf_counter() - started


def _get_all(address: str, calls: list[tuple[str, dict[str, Any]]]) -> int:
    with ThreadPoolExecutor(AT_ONCE) as browser:
        list(browser.map(lambda call: _get(address, *call), calls))
    return len(calls)


def _get(address: str, what: str, asked: dict[str, Any]) -> Any:
    answer = requests.get(f"{address}/{API}/{what}", params=asked, timeout=PATIENCE)
    answer.raise_for_status()
    return answer.json()


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
