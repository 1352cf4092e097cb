"""MLflow stores that are locked, lost, damaged or out of reach: the view may suffer, no result may."""

import shutil
import sqlite3
import subprocess
import time
from collections.abc import Callable, Iterator
from contextlib import closing, suppress
from functools import cached_property
from pathlib import Path

from tests.faults.bench import Bench, Case
from tests.faults.checkout import CHECKPOINT, ENGINES, TRAIN, Checkout
from tests.faults.processes import held, to_its_end
from tests.faults.sentence import UNSEEN, error_sentence, warnings
from tests.loopback import Answer, free_port, says, serving, silent, web_page

TRACK = ("vlac", "track")
COMMANDS = {"vlac": TRAIN, **ENGINES}

LONG = 60.0
"""Seconds for which another program holds the store."""

MOST = 60.0
"""Seconds by which a view that fails may delay one training."""


class Clock:
    """Tells by how much a fault has delayed a training."""

    def __init__(self, bench: Bench) -> None:
        self._bench = bench

    @cached_property
    def undisturbed(self) -> float:
        """Seconds of the training while its view works."""
        checkout = self._bench.untrained()
        return _timed(checkout, *TRAIN)[1]

    def check(self, seconds: float) -> str:
        """Return the delay in words.

        Raises:
            AssertionError: it is too long.
        """
        delay = seconds - self.undisturbed
        assert delay < MOST, f"the view has delayed the training by {delay:.0f} s"
        return f"{seconds:.0f} s instead of {self.undisturbed:.0f} s"


def cases(bench: Bench, share: float) -> Iterator[Case]:
    """Yield them, quick ones first."""
    clock = Clock(bench)
    damages: dict[str, Callable[[Path], object]] = {
        "the store is no database": lambda store: store.write_bytes(b"no database\n" * 1000),
        "half of the store is missing": _halve,
        "the store is of a later MLflow": lambda store: _set_version(store, "ffffffffffff"),
        "the store is of an earlier MLflow": lambda store: _set_version(store, "bd07f7e963c5"),
        "the store is a folder": _make_folder,
    }
    servers: dict[str, Answer | None] = {
        "nobody listens at the server's address": None,
        "the server answers 500": says(500),
        "the server is another web site": web_page,
        "the server never answers": silent,
    }
    every = [
        *(_case(name, _damaged, clock, damage) for name, damage in damages.items()),
        *(_case(name, _server, clock, answer, "vlac") for name, answer in servers.items()),
        _case("the store is an empty file", _empty, clock),
        _case("the folder of artifacts is a file", _artifacts, clock),
        _case("the store is locked for 3 s in mid-training", _locked, clock, 3.0, "vlac"),
        _case("the store is locked for 60 s in mid-training", _locked, clock, LONG, "vlac"),
        _case("the store is deleted in mid-training", _deleted, clock),
        _case("snakemake: the store is locked for 60 s", _locked, clock, LONG, "snakemake"),
        _case("dvc: the store is locked for 60 s", _locked, clock, LONG, "dvc"),
        _case("snakemake: the server never answers", _server, clock, silent, "snakemake"),
        _case("dvc: the server answers 500", _server, clock, says(500), "dvc"),
    ]
    yield from every[: max(1, round(share * len(every)))]


def _case(name: str, run: Callable[..., str], *of: object) -> Case:
    return Case("store", name, 1, lambda bench: run(bench, *of))


def _damaged(bench: Bench, clock: Clock, damage: Callable[[Path], object]) -> str:
    checkout = bench.untrained()
    store = checkout.folder / "mlflow.db"
    damage(store)
    said, seconds = _timed(checkout, *TRAIN)
    (seen,) = warnings(said, UNSEEN)
    error_sentence(checkout.run(*TRACK, fails=True), "mlflow.db", "move it away")
    store.rename(checkout.folder / "moved_away")
    checkout.run(*TRACK)
    bench.check_whole(checkout)
    return f"{clock.check(seconds)}: {seen}"


def _server(bench: Bench, clock: Clock, answer: Answer | None, way: str) -> str:
    checkout = bench.untrained(way)
    _forget(checkout)  # so that what `track` shows in the end is its own doing
    if answer:
        with serving({}, answer) as page:
            said, seconds = _timed(checkout, *COMMANDS[way], MLFLOW_TRACKING_URI=page.url)
    else:
        address = f"http://127.0.0.1:{free_port()}"
        said, seconds = _timed(checkout, *COMMANDS[way], MLFLOW_TRACKING_URI=address)
    seen = warnings(said, UNSEEN)
    assert len(seen) == 1 or way != "vlac", seen
    checkout.run(*TRACK)
    bench.check_whole(checkout)
    if way == "vlac":
        return f"{clock.check(seconds)}: {seen[0]}"
    return f"{seconds:.0f} s, {len(seen)} times: {seen[0]}"


def _empty(bench: Bench, clock: Clock) -> str:
    checkout = bench.untrained()
    _forget(checkout)
    (checkout.folder / "mlflow.db").touch()
    _, seconds = _timed(checkout, *TRAIN)
    checkout.run(*TRACK)
    bench.check_whole(checkout)
    return f"{clock.check(seconds)}: it is filled"


def _artifacts(bench: Bench, clock: Clock) -> str:
    checkout = bench.untrained()
    folder = checkout.folder / "mlartifacts"
    shutil.rmtree(folder)
    folder.touch()
    said, seconds = _timed(checkout, *TRAIN)
    (seen,) = warnings(said, UNSEEN)
    folder.unlink()
    checkout.run(*TRACK)
    bench.check_whole(checkout)
    return f"{clock.check(seconds)}: {seen}"


def _locked(bench: Bench, clock: Clock, hold: float, way: str) -> str:
    checkout = bench.untrained(way)
    started = time.monotonic()
    with checkout.running(*COMMANDS[way]) as running:
        with closing(sqlite3.connect(checkout.folder / "mlflow.db", timeout=0, isolation_level=None)) as other:

            def taken() -> bool:
                with suppress(sqlite3.OperationalError):  # it is in use at this moment, or has been taken before
                    other.execute("begin exclusive")
                return other.in_transaction

            with held(running, lambda: _in_mid_training(checkout) and taken()):
                assert _in_mid_training(checkout), "the training had ended before the store was locked"
            with suppress(subprocess.TimeoutExpired):
                running.wait(hold)  # what it says until then fits into the pipe
        outlasted = running.poll() is None
        said = to_its_end(running)
    seconds = time.monotonic() - started
    assert running.returncode == 0, said
    seen = warnings(said, UNSEEN)
    assert seen or outlasted, f"nobody has noticed that the store was locked: {said}"
    if seen:
        checkout.run(*TRACK)
    bench.check_whole(checkout)
    words = seen[0] if seen else "the view is whole at the end"
    return f"{clock.check(seconds)}: {words}" if way == "vlac" else f"{seconds:.0f} s, {len(seen)} times: {words}"


def _deleted(bench: Bench, clock: Clock) -> str:
    checkout = bench.untrained()
    started = time.monotonic()
    with checkout.running(*TRAIN) as running:
        with held(running, lambda: _in_mid_training(checkout)):
            _forget(checkout)
        said = to_its_end(running)
    seconds = time.monotonic() - started
    assert running.returncode == 0, said
    checkout.run(*TRACK)
    bench.check_whole(checkout)
    words = warnings(said, UNSEEN)
    return f"{clock.check(seconds)}: {words[0] if words else 'a new store'}"


def _timed(checkout: Checkout, *command: str, **environment: str) -> tuple[str, float]:
    """Run a command that must succeed, and return what it said and the seconds that it took."""
    started = time.monotonic()
    said = checkout.run(*command, no_proxy="*", **environment)
    return said, time.monotonic() - started


def _in_mid_training(checkout: Checkout) -> bool:
    """Return whether the training runs and has come to a checkpoint of its first seed, and not yet of its second."""
    reached = [path.name for path in (checkout.folder / CHECKPOINT).parent.glob("*.pt")]
    return reached == ["0.pt"] and any(words == list(TRAIN[1:]) for _, words in checkout.stage_processes())


def _forget(checkout: Checkout) -> None:
    for path in checkout.folder.glob("mlflow.db*"):
        path.unlink()
    shutil.rmtree(checkout.folder / "mlartifacts", ignore_errors=True)


def _set_version(store: Path, version: str) -> None:
    with closing(sqlite3.connect(store)) as connection, connection:
        connection.execute("update alembic_version set version_num = ?", (version,))


def _halve(store: Path) -> None:
    with store.open("r+b") as file:
        file.truncate(store.stat().st_size // 2)


def _make_folder(store: Path) -> None:
    store.unlink()
    store.mkdir()
