"""Commands in processes of their own, and what they took by the clock and of the processor."""

import os
import resource
import subprocess
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True)
class Took:
    """Seconds by the clock, seconds of all processors together, and what the command said last."""

    clock: float
    processor: float
    said: str


def environment(**more: str) -> dict[str, str]:
    """Return this process's environment for a command: this Python first, nothing that points elsewhere."""
    hidden = ("MLFLOW_TRACKING_URI", "VLAC_DATA", "PYTHONPATH")
    kept = {name: value for name, value in os.environ.items() if name not in hidden}
    return kept | {"PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"} | more


def took(command: Sequence[str], folder: Path) -> Took:
    """Run `python -m COMMAND` in a folder to its end, with nothing of its own in the environment.

    Raises:
        RuntimeError: it failed.
    """
    before, started = _children(), time.perf_counter()
    result = subprocess.run(
        [sys.executable, "-m", *command],
        cwd=folder,
        env=environment(),
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        check=False,
    )
    clock, processor = time.perf_counter() - started, _children() - before
    if result.returncode:
        raise RuntimeError(f"{' '.join(command)} failed:\n{result.stdout}")
    lines = result.stdout.strip().splitlines()
    return Took(clock, processor, lines[-1] if lines else "")


def _children() -> float:
    usage = resource.getrusage(resource.RUSAGE_CHILDREN)
    return usage.ru_utime + usage.ru_stime
