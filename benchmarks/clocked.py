"""Stands in for vlac/__main__.py in the folder of load.py: the same commands, which note their processor time.

Every command writes clocks/<process>.json: its words, and its seconds by part. A part within another stops the clock
of that, so each second counts once.
"""

import time

INTERPRETER = time.process_time()

import builtins  # noqa: E402 - what is imported from here on is counted
import json  # noqa: E402
import os  # noqa: E402
import sys  # noqa: E402
from collections.abc import Callable, Iterator  # noqa: E402
from contextlib import contextmanager  # noqa: E402
from pathlib import Path  # noqa: E402
from typing import Any  # noqa: E402

IMPORTS, MLFLOW, TRAINING, REST = PARTS = ("imports", "MLflow", "training", "rest")

seconds: dict[str, float] = dict.fromkeys(PARTS, 0.0) | {IMPORTS: INTERPRETER}
within = [REST]
since = INTERPRETER


@contextmanager
def part(name: str) -> Iterator[None]:
    """Count the `with` block as `name`; all that MLflow needs, imports too, is MLflow's."""
    _stop()
    within.append(MLFLOW if MLFLOW in within else name)
    try:
        yield
    finally:
        _stop()
        within.pop()


def _stop() -> None:
    global since
    now = time.process_time()
    seconds[within[-1]] += now - since
    since = now


def counted(name: str, work: Callable[..., Any]) -> Callable[..., Any]:
    """Return `work`, its calls counted as `name`."""

    def call(*arguments: Any, **named: Any) -> Any:
        with part(name):
            return work(*arguments, **named)

    return call


class View:
    """The live view of a training, its calls counted as MLflow's."""

    def __init__(self, view: Any) -> None:
        self.start, self.log_epoch = counted(MLFLOW, view.start), counted(MLFLOW, view.log_epoch)


def main() -> int:
    """Run the command and write its parts."""
    builtins.__import__ = counted(IMPORTS, builtins.__import__)
    with part(IMPORTS):
        from vlac import cli, tracking
        from vlac.models.method import LadderMethod

    training = tracking.training

    @contextmanager
    def watched(*arguments: Any) -> Iterator[View]:
        live = training(*arguments)
        with part(MLFLOW):
            view = live.__enter__()
        yield View(view)
        with part(MLFLOW):
            live.__exit__(None, None, None)

    tracking.training = watched  # type: ignore[misc, assignment]
    tracking.publish = counted(MLFLOW, tracking.publish)
    LadderMethod.fit = counted(TRAINING, LadderMethod.fit)  # type: ignore[method-assign]
    status = cli.main()
    _stop()
    Path("clocks").mkdir(exist_ok=True)
    Path(f"clocks/{os.getpid()}.json").write_text(json.dumps({"words": sys.argv[1:], "seconds": seconds}))
    return status


if __name__ == "__main__":
    sys.exit(main())
