"""Disks that are full, or take no writing, in each place to which a stage writes."""

import os
import shutil
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

from tests.faults.bench import Bench, Case
from tests.faults.checkout import CHECKPOINT, ENGINES, MODEL, SEEDS, TRAIN, WEIGHTS, Checkout, digest
from tests.faults.mounts import Disk, small_disk
from tests.faults.processes import held, to_its_end
from tests.faults.sentence import UNSEEN, error_sentence, warnings

PLUS = "vlac_2layer_plus"
TRAIN_PLUS = ("vlac", "train", "--model", PLUS, "--seeds", SEEDS)
HINT = "run the same command again"


@dataclass(frozen=True)
class Place:
    """A folder that a stage writes to.

    Attributes:
        folder: what lies on a disk of its own.
        gone: results that are not made yet.
        command: what makes them.
        room: what the disk has room for, in turn: files that the undisturbed run has made, such that the next one does
            not fit any more; none of them where all is full.
    """

    name: str
    folder: str
    gone: tuple[str, ...]
    command: tuple[str, ...]
    room: tuple[tuple[str, ...], ...] = ((),)


PLACES = (
    Place(
        "scores of a model",
        "results/evaluate",
        (f"results/evaluate/{MODEL}",),
        ("vlac", "evaluate", "--model", MODEL, "--seeds", SEEDS),
        ((), (f"results/evaluate/{MODEL}/{SEEDS}/scores.csv",)),
    ),
    Place(
        "arrays of the data",
        "data",
        ("data/train.npz", "data/test.npz", "data/prepare"),
        ("vlac", "prepare"),
        ((), ("data/train.npz",), ("data/train.npz", "data/test.npz")),
    ),
    Place(
        "rendered digits",
        "data",
        ("data/raw", "data/source.json", "data/download"),
        ("vlac", "download"),
        ((), ("data/raw/digits/train_32x32.mat",)),
    ),
    Place(
        "the data report",
        "reports",
        ("reports/data.md", "reports/data.png"),
        ("vlac", "prepare"),
        ((), ("reports/data.md",)),
    ),
    Place(
        "model, history, manifest at the end of a training",
        "results/train",
        (WEIGHTS,),
        TRAIN,
        ((), (f"{WEIGHTS}/model.pt",), (f"{WEIGHTS}/model.pt", f"{WEIGHTS}/history.csv")),
    ),
    Place("the probe's scores", "results/probe", ("results/probe/0",), ("vlac", "probe", "--seeds", "0")),
    Place("the settled rung", "results/rung", ("results/rung/rung.json",), ("vlac", "rung")),
    Place("the probe's report", "reports", ("reports/probe.md", "reports/probe.png"), ("vlac", "rung")),
    Place(
        "figures",
        "reports",
        (f"reports/figures/{MODEL}",),
        ("vlac", "figures", "--model", MODEL, "--seeds", SEEDS),
        ((), (f"reports/figures/{MODEL}/{SEEDS}/manipulation.png",)),
    ),
    Place("the table", "reports", ("reports/table1.md", "reports/table1.csv"), ("vlac", "table")),
    Place(
        "the pretext network",
        "checkpoints",
        ("checkpoints/pretext", f"results/train/{PLUS}"),
        TRAIN_PLUS,
    ),
)


def cases(bench: Bench, share: float) -> Iterator[Case]:
    """Yield them, quick ones first."""
    every = [
        *(_case(f"full: {place.name}", len(place.room), _fill, place) for place in PLACES),
        _case("read-only: results", 1, _protect, "results/evaluate", PLACES[0].gone, PLACES[0].command),
        _case("read-only: reports", 1, _protect, "reports", ("reports/table1.md",), ("vlac", "table")),
        _case("read-only: checkpoints", 1, _protect, "checkpoints", (WEIGHTS,), TRAIN),
        _case("full: a checkpoint in mid-training", 1, _in_mid_training, Disk.fill),
        _case("read-only: a checkpoint in mid-training", 1, _in_mid_training, Disk.read_only),
        _case("full: logs", 1, _logs, Disk.fill),
        _case("read-only: logs", 1, _logs, Disk.read_only),
        _case("full: the MLflow store", 1, _view, Disk.fill),
        _case("read-only: the MLflow store", 1, _view, Disk.read_only),
        *(
            _case(f"full, {engine}: {folder}", 1, _by_engine, engine, folder, gone)
            for engine in ENGINES
            for folder, gone in (
                ("results", (f"results/evaluate/{MODEL}", WEIGHTS, "reports/table1.md")),
                ("reports", (f"reports/figures/{MODEL}",)),
            )
        ),
        *(_case(f"full, {engine}: the whole project", 1, _whole_project, engine) for engine in ENGINES),
    ]
    yield from every[: max(1, round(share * len(every)))]


def _case(name: str, faults: int, run: Callable[..., str], *of: object) -> Case:
    return Case("disk", name, faults, lambda bench: run(bench, *of))


def _fill(bench: Bench, place: Place) -> str:
    checkout = bench.finished()
    sizes = {path: (checkout.folder / path).stat().st_size for room in place.room for path in room}
    _remove(checkout, *place.gone)
    with small_disk(checkout.folder / place.folder) as disk:
        kept = _files(checkout, place.folder)
        for room in place.room:
            _remove(checkout, *place.gone)  # what the room before was enough for
            disk.fill(leave=sum(_pages(sizes[path]) for path in room))
            said = checkout.run(*place.command, fails=True)
            seen = error_sentence(said, f"{place.folder}/.* could not be written: the disk is full", HINT)
            lost = [path for path, before in kept.items() if digest(path) != before]
            assert not lost, f"lost while the disk was full: {lost}"
            missing = [path for path in room if not (checkout.folder / path).exists()]
            assert not missing, f"there was room, but not for {missing}"
            assert not list(disk.folder.rglob("*.tmp")), "half a file is left behind"
        disk.free()
        said = checkout.run(*place.command)
        if place.command == TRAIN:
            assert len(warnings(said, "resumed from .* after epoch 6")) == 2, "epochs were trained twice"
    bench.check_whole(checkout)
    return seen


def _protect(bench: Bench, folder: str, gone: tuple[str, ...], command: tuple[str, ...]) -> str:
    checkout = bench.finished()
    _remove(checkout, *gone)
    with small_disk(checkout.folder / folder) as disk:
        disk.read_only()
        seen = error_sentence(checkout.run(*command, fails=True), f"{folder}.* could not be written: Read-only", HINT)
        disk.read_only(False)
        checkout.run(*command)
    bench.check_whole(checkout)
    return seen


def _in_mid_training(bench: Bench, spoil: Callable[[Disk], None]) -> str:
    checkout = bench.finished()
    _remove(checkout, WEIGHTS)
    with small_disk(checkout.folder / "checkpoints") as disk:
        former = checkout.folder / CHECKPOINT

        def between_checkpoints() -> bool:
            return former.exists() and not any(disk.folder.rglob("*.tmp"))

        with checkout.running(*TRAIN) as training:
            with held(training, between_checkpoints):
                before = digest(former)
                spoil(disk)
            said = to_its_end(training)
        assert training.returncode == 2, said
        seen = error_sentence(said, rf"checkpoints/{MODEL}/\d\.pt could not be written: ", HINT)
        assert digest(former) == before, "the former checkpoint is lost"
        disk.read_only(False)
        disk.free()
        assert warnings(checkout.run(*TRAIN), r"resumed from checkpoints/.*/0\.pt after epoch \d"), "nothing was kept"
    bench.check_whole(checkout)
    return seen


def _logs(bench: Bench, spoil: Callable[[Disk], None]) -> str:
    """No result is in the logs: the training goes on without them."""
    checkout = bench.finished()
    _remove(checkout, WEIGHTS, f"logs/train/{MODEL}")  # the former log's room would be enough for the next
    with small_disk(checkout.folder / "logs") as disk:
        spoil(disk)
        said = checkout.run(*TRAIN)
        (seen,) = warnings(said, r"logs/.*\.log could not be written: ")
        disk.read_only(False)
        disk.free()
        checkout.run("vlac", "track")
    bench.check_whole(checkout)
    return seen


def _view(bench: Bench, spoil: Callable[[Disk], None]) -> str:
    """MLflow is a view: the training goes on without it, and `track` makes it whole."""
    checkout = bench.finished()
    _remove(checkout, WEIGHTS)
    store = checkout.folder / "store"
    store.mkdir()
    (checkout.folder / "mlflow.db").rename(store / "mlflow.db")
    (checkout.folder / "mlartifacts").rename(store / "mlartifacts")
    (checkout.folder / "mlflow.db").symlink_to(store / "mlflow.db")
    with small_disk(store) as disk:
        spoil(disk)
        (seen,) = warnings(checkout.run(*TRAIN), UNSEEN)
        disk.read_only(False)
        disk.free()
        checkout.run("vlac", "track")
    bench.check_whole(checkout)
    return seen


def _by_engine(bench: Bench, engine: str, folder: str, gone: tuple[str, ...]) -> str:
    checkout = bench.finished()
    _remove(checkout, *gone)
    if engine == "dvc":
        checkout.run("vlac", "handover")  # of the rest; what DVC knew it would take from its cache, without a stage
    with small_disk(checkout.folder / folder) as disk:
        disk.fill()
        seen = error_sentence(checkout.engine(engine, fails=True), f"{folder}/.* the disk is full", HINT)
        disk.free()
        checkout.engine(engine)
    bench.check_whole(checkout)
    return seen


def _whole_project(bench: Bench, engine: str) -> str:
    """Every file of the project is on the full disk: what the engine remembers, logs and the view too."""
    checkout = bench.finished()
    _remove(checkout, WEIGHTS, f"results/evaluate/{MODEL}", "reports/table1.md")
    if engine == "dvc":
        checkout.run("vlac", "handover")
    with small_disk(checkout.folder, megabytes=64) as disk:
        with checkout.running(*ENGINES[engine]) as running:
            with held(running, lambda: any(checkout.stage_processes())):
                disk.fill()
            said = to_its_end(running)
        assert running.returncode != 0, said
        assert "This is a bug" not in said, said
        seen = sorted(set(warnings(said, "disk is full|No space left")))
        assert seen, f"the cause is not named: {said}"
        disk.free()
        checkout.engine(engine)
        checkout.run("vlac", "track")
        bench.check_whole(checkout)
    return " / ".join(seen)


def _remove(checkout: Checkout, *paths: str) -> None:
    for path in paths:
        each = checkout.folder / path
        shutil.rmtree(each) if each.is_dir() else each.unlink(missing_ok=True)


def _files(checkout: Checkout, folder: str) -> dict[Path, str]:
    return {path: digest(path) for path in (checkout.folder / folder).rglob("*") if path.is_file()}


def _pages(size: int) -> int:
    page = os.sysconf("SC_PAGE_SIZE")
    return -(-size // page) * page
