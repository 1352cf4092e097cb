"""What on_gpu.py does: train and score the paper's rows until the time is up, and measure the speed."""

import time
from collections.abc import Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

import torch
from loops import Turns, updates
from machine import wait_for
from training_speed import RUNG, case

from vlac.data.split import DIGITS, Split
from vlac.errors import one_line
from vlac.evaluation.metrics import SHOWN, Clustering, score
from vlac.files import write_text
from vlac.methods import base, kinds
from vlac.methods.base import AFTER_TRAINING, Job
from vlac.models.load import save_method
from vlac.models.method import LadderMethod
from vlac.params.schema import Params
from vlac.params.view import fingerprint
from vlac.tables import write_csv
from vlac.training import trainer
from vlac.training.checkpoint import discard
from vlac.workflow.depends import code_hash

KINDS = ("vlac", "gmdgm")
"""Methods of the paper's rows."""

LAST_SECONDS = 60.0
"""So long before the end every epoch is kept; before that, those that are CHECKPOINT_SECONDS apart."""

SELDOM = trainer.CHECKPOINT_SECONDS


class TimeIsUpError(Exception):
    """No further epoch fits."""


@dataclass(frozen=True)
class Row:
    """One training, and where its files are below the folder `out`."""

    model: str
    seed: int

    def folder(self, out: Path) -> Path:
        """Return the folder of history.csv, scores.csv and, once it is finished, model.pt."""
        return out / "rows" / f"{self.model}_{self.seed}"

    def checkpoint(self, out: Path) -> Path:
        """Return the file that the unfinished training goes on from."""
        return out / "checkpoints" / f"{self.model}_{self.seed}.pt"


@dataclass(frozen=True)
class Run:
    """What all rows of a call share.

    Attributes:
        out: the folder of all files; data/train.npz and data/test.npz are there.
        data: hash of the training images.
        stop: when the last epoch has to be done, of time.monotonic().
        end: when the rows have to be scored.
        epoch_seconds: how long an epoch is expected to take.
    """

    params: Params
    out: Path
    data: str
    stop: float
    end: float
    epoch_seconds: float


def paper_rows(params: Params) -> list[Row]:
    """Return the rows of the paper's models: all models of the first seed, then of the next."""
    names = [name for name, settings in params.models.items() if settings.kind in KINDS]
    return [Row(name, seed) for seed in params.seeds for name in names]


def method_of(params: Params, model: str) -> LadderMethod:
    """Return an untrained model of the preset."""
    settings = params.models[model]
    method = kinds()[settings.kind](settings, params, RUNG if params.digit_rung == "auto" else params.digit_rung)
    assert isinstance(method, LadderMethod)
    return method


def train_rows(rows: Sequence[Row], count: int, run: Run, device: torch.device) -> None:
    """Train rows, `count` of them taking turns, until all are finished, no epoch fits, or the time is up."""
    waiting, going = list(rows), dict[Row, Turns]()
    while waiting or going:
        while waiting and len(going) < count and time.monotonic() + run.epoch_seconds < run.stop:
            row = waiting.pop(0)
            (row.folder(run.out) / "failed.txt").unlink(missing_ok=True)
            going[row] = Turns(train(row, run), device)
        if not going or time.monotonic() > run.end:
            return
        for row, turns in list(going.items()):
            try:
                turns.go()
            except StopIteration:
                del going[row]
            except Exception as error:  # whatever it is, the other rows go on
                del going[row]
                write_text(row.folder(run.out) / "failed.txt", f"{one_line(f'{type(error).__name__}: {error}')}\n")


def train(row: Row, run: Run) -> Iterator[None]:
    """Train a row from its checkpoint until it is finished or the time is up, and score it as it is then."""
    method, folder, epochs = method_of(run.params, row.model), row.folder(run.out), run.params.training.epochs
    done: list[base.Row] = []
    last = time.monotonic()

    def resumed(rows: list[base.Row]) -> None:
        nonlocal last
        done.extend(rows)
        last = time.monotonic()
        keep(run.stop - last, run.epoch_seconds)

    def epoch(each: base.Row) -> None:
        nonlocal last
        done.append(each)
        write_csv(folder / "history.csv", done)
        before, last = last, time.monotonic()
        left, took = run.stop - last, last - before
        keep(left, took)
        if left < 1.2 * took and len(done) < epochs:
            raise TimeIsUpError

    job = Job(row.model, row.checkpoint(run.out), identity(run, row.model), resumed, epoch)
    with suppress(TimeIsUpError):
        yield from method.trainer(Split.load(run.out / "data/train.npz").images, row.seed, job).steps()
    at = {"model": row.model, "seed": row.seed, "epochs": len(done), "of": epochs}
    if len(done) == epochs:
        save_method(folder / "model.pt", method)
    write_csv(folder / "scores.csv", [at | scores(method, run.out)])
    if len(done) == epochs:
        discard(job.checkpoint)


def keep(left: float, took: float) -> None:
    """Have the trainer keep every epoch near the end, so that none is lost."""
    trainer.CHECKPOINT_SECONDS = 0.0 if left < LAST_SECONDS + 3 * took else SELDOM


def identity(run: Run, model: str) -> dict[str, str]:
    """Return what a checkpoint must share to be continued: as in the pipeline, the machine's settings aside."""
    kind = run.params.models[model].kind
    # The next call may name the device; what it trains on is in the trainer's own part of the identity.
    training = run.params.training.model_copy(update={"device": "auto"})
    params = run.params.model_copy(update={"training": training})
    return {
        "parameters": fingerprint(params, [*kinds()[kind].sections, f"models.{model}", "digit_rung"]),
        "code": code_hash(f"vlac.methods.{kind}", without=AFTER_TRAINING),
        "inputs": run.data,
    }


def scores(method: LadderMethod, out: Path) -> dict[str, float]:
    """Return the scores of the main rung's clusters on the test split, as stage evaluate has them."""
    train, test = (Split.load(out / "data" / f"{name}.npz") for name in ("train", "test"))
    rung = method.main_rung
    y_train, y_test = (method.encode(split.images).y[rung] for split in (train, test))
    return score(Clustering(y_train, train.labels, y_test, test.labels, method.K[rung], len(DIGITS)), SHOWN)


def speed(method: LadderMethod, count: int, steps: int, seconds: float) -> float:
    """Return the images/s in total of so many trainings of a method that take turns; 0 if the device cannot."""
    of = case(method, steps)
    try:
        going = [Turns(updates(of), of.device) for _ in range(count)]
        _block(going, steps, of.device)
        started, blocks = time.monotonic(), 0
        while not blocks or time.monotonic() < started + seconds:
            _block(going, steps, of.device)
            blocks += 1
    except RuntimeError:  # its memory is full
        return 0.0
    return blocks * steps * count * method.params.training.batch / (time.monotonic() - started)


def _block(going: Sequence[Turns], steps: int, device: torch.device) -> None:
    for _ in range(steps):
        for turns in going:
            turns.go()
    wait_for(device)
