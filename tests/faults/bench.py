"""What every case of the fault harness works with: undisturbed results to compare with, and the demands on the end."""

import hashlib
import json
import random
import shutil
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path

from tests.copied import workflow_digest
from tests.faults.checkout import MODEL, Checkout, small_params


@dataclass(frozen=True)
class Case:
    """One way to break the pipeline.

    Attributes:
        kind: the group that it is counted in, such as "kills".
        name: what is broken, for people.
        faults: how many faults it brings about, where `run` does not count them.
        run: does it in the bench's folders, mends it as a user would, checks the end, and returns in a few words what
            the pipeline did or said; before it the number of faults, where it counts what really struck.
    """

    kind: str
    name: str
    faults: int
    run: Callable[["Bench"], str | tuple[int, str]]


class Skipped(Exception):
    """A case cannot be run on this machine, for a reason that is no fault of the pipeline."""


@dataclass
class Bench:
    """A folder for the checkouts of all cases.

    Attributes:
        folder: of their own; everything in it may be deleted afterwards.
        seed: of all random choices.
    """

    folder: Path
    seed: int = 0
    _made: dict[str, Checkout] = field(default_factory=dict)
    _count: int = 0

    def random(self, name: str) -> random.Random:
        """Return a generator of random numbers of its own for each name."""
        return random.Random(f"{self.seed} {name}")

    def kept(self, name: str) -> Path:
        """Return the place of what later runs of the harness in the same folder may use again, with the same code."""
        return self.folder / f"{name}_{self._code}"

    def fresh(self) -> Checkout:
        """Return a new checkout without results."""
        return Checkout.make(self._place())

    def finished(self, engine: str = "snakemake") -> Checkout:
        """Return a new checkout in which the engine has made everything, undisturbed."""
        return self._undisturbed(engine).copy(self._place())

    def untrained(self, way: str = "vlac", model: str = MODEL) -> Checkout:
        """Return a new checkout with everything but one model's training.

        Args:
            way: an engine, for which its scores and the table are missing too, because Snakemake makes nothing on the
                way to what is there; or "vlac".
        """
        checkout = self.finished()
        shutil.rmtree(checkout.folder / "results" / "train" / model)
        if way != "vlac":
            shutil.rmtree(checkout.folder / "results" / "evaluate" / model)
            (checkout.folder / "reports" / "table1.md").unlink()
        if way == "dvc":
            checkout.run("vlac", "handover")  # of the rest; what DVC knew it would take from its cache, without a stage
        return checkout

    @property
    def expected(self) -> dict[str, str]:
        """The digests of all declared outputs of an undisturbed run, by path."""
        return self._undisturbed("snakemake").digests()

    def check_whole(self, checkout: Checkout) -> None:
        """Check that a checkout ended as if nothing had happened.

        Raises:
            AssertionError: an output is missing or has other bytes, a run in MLflow is not finished or missing, or half
                a file or a checkpoint is left behind.
        """
        expected, found = self.expected, checkout.digests()
        other = [path for path in expected if found[path] != expected[path]]
        assert not other, f"{len(other)} outputs differ: {other[:5]}"
        runs = checkout.runs()
        assert runs.keys() == self._undisturbed("snakemake").runs().keys(), f"runs in MLflow: {sorted(runs)}"
        unfinished = {name: status for name, status in runs.items() if status != "FINISHED"}
        assert not unfinished, f"runs in MLflow: {unfinished}"
        left = [str(path) for path in leftovers(checkout.folder)]
        assert not left, f"left behind: {left}"

    def _undisturbed(self, engine: str) -> Checkout:
        if engine not in self._made:
            folder = self.kept(f"undisturbed_{engine}")
            if not folder.exists():
                making = Checkout.make(self._place())
                making.engine(engine, *(("all",) if engine == "snakemake" else ()))
                making.folder.rename(folder)
            self._made[engine] = Checkout(folder)
        return self._made[engine]

    @cached_property
    def _code(self) -> str:
        return hashlib.sha256(f"{workflow_digest()} {json.dumps(small_params())}".encode()).hexdigest()[:12]

    def _place(self) -> Path:
        while (place := self.folder / f"checkout_{self._count}").exists():
            self._count += 1
        return place


def leftovers(folder: Path) -> Iterator[Path]:
    """Yield what a finished pipeline leaves nowhere: half-written files, and checkpoints of finished trainings."""
    for part in ("data", "results", "reports", "checkpoints", "logs"):
        yield from (path for path in (folder / part).rglob("*.tmp"))
    yield from folder.glob("mlflow.db.*.new*")
    for path in (folder / "checkpoints").rglob("*.pt"):
        if path.parent.name != "pretext":  # kept on purpose, for other models with the same pretext
            yield path
