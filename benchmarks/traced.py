"""One command of `python -m vlac`, and where its processor time goes.

    python benchmarks/traced.py OUT.json train --model vlac_1layer --seeds 0

Each thread's own processor time is counted, in the innermost part it is in, so that another program's load adds
little, and a view that speaks to MLflow while the next epoch is trained is told from the training.
"""

import time

INTERPRETER = time.process_time()

import builtins  # noqa: E402 - what is imported from here on is counted
import json  # noqa: E402
import sys  # noqa: E402
import threading  # noqa: E402
from collections import Counter  # noqa: E402
from collections.abc import Callable, Iterator  # noqa: E402
from contextlib import contextmanager  # noqa: E402
from pathlib import Path  # noqa: E402
from typing import Any  # noqa: E402

IMPORTS, MLFLOW_IMPORTS, MLFLOW, DATA = "imports", "imports of MLflow", "MLflow", "arrays"
HASHES, TRAINING, REST = "hashes and manifest", "training", "the stage's own work"
PARTS = ("interpreter", IMPORTS, DATA, HASHES, TRAINING, REST, MLFLOW_IMPORTS, MLFLOW)


class Parts:
    """Processor seconds by part; a part entered within another stops the clock of that."""

    def __init__(self) -> None:
        self.seconds: Counter[str] = Counter()
        self.here = threading.local()

    @contextmanager
    def part(self, name: str) -> Iterator[None]:
        """Count what the calling thread does in the `with` block as `name`."""
        outer = self._stack()
        self._stop()
        outer.append(name)
        try:
            yield
        finally:
            self._stop()
            outer.pop()

    def inside(self, name: str) -> bool:
        """Return whether the calling thread is in such a part."""
        return name in self._stack()

    def counted(self, name: str, work: Callable[..., Any]) -> Callable[..., Any]:
        """Return `work`, its calls counted as `name`."""

        def call(*arguments: Any, **named: Any) -> Any:
            with self.part(name):
                return work(*arguments, **named)

        return call

    def _stack(self) -> list[str]:
        if not hasattr(self.here, "stack"):
            self.here.stack, self.here.since = [], time.thread_time()
        stack: list[str] = self.here.stack
        return stack

    def _stop(self) -> None:
        now = time.thread_time()
        if stack := self._stack():
            self.seconds[stack[-1]] += now - self.here.since
        self.here.since = now


def main() -> int:
    """Run the command that the arguments after the first give, write the parts, return its status."""
    out, *sys.argv[1:] = sys.argv[1:]
    parts = Parts()
    plain_import = builtins.__import__

    def timed_import(*arguments: Any, **named: Any) -> Any:
        if parts.inside(IMPORTS) or parts.inside(MLFLOW_IMPORTS):
            return plain_import(*arguments, **named)
        with parts.part(MLFLOW_IMPORTS if parts.inside(MLFLOW) else IMPORTS):
            return plain_import(*arguments, **named)

    builtins.__import__ = timed_import
    with parts.part(REST):
        status = _run(parts)
    seconds = parts.seconds | {"interpreter": INTERPRETER}
    Path(out).write_text(json.dumps({name: seconds.get(name, 0.0) for name in PARTS}))
    return status


def _run(parts: Parts) -> int:
    import vlac.files

    vlac.files.sha256 = parts.counted(HASHES, vlac.files.sha256)  # before anybody takes the name over
    from vlac import cli, tracking
    from vlac.stages import manifest, run
    from vlac.tracking.live import Training

    run.write_manifest = parts.counted(HASHES, manifest.write_manifest)  # type: ignore[attr-defined]
    run.code_hash = parts.counted(HASHES, manifest.code_hash)  # type: ignore[attr-defined]
    tracking.publish = parts.counted(MLFLOW, tracking.publish)
    for name in ("open", "start", "log_epoch", "end"):
        setattr(Training, name, parts.counted(MLFLOW, getattr(Training, name)))
    if sys.argv[1] not in ("download", "rung", "table"):
        from vlac.data.split import Split

        Split.load = parts.counted(DATA, Split.load)  # type: ignore[method-assign]
    if sys.argv[1] == "train":
        from vlac.training import Trainer
        from vlac.training.pretext import PretextTrainer

        Trainer._epoch = parts.counted(TRAINING, Trainer._epoch)  # type: ignore[method-assign]
        Trainer._save = parts.counted(REST, Trainer._save)  # type: ignore[method-assign]
        PretextTrainer.run = parts.counted(TRAINING, PretextTrainer.run)  # type: ignore[method-assign]
    return cli.main(sys.argv[1:])


if __name__ == "__main__":
    sys.exit(main())
