"""What the stages call: the live view of a training, and the finished view of any job."""

import logging
import os
import traceback
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, replace
from typing import Any

from vlac.errors import VlacError
from vlac.params.schema import seeds_of
from vlac.stages.asked import params_of
from vlac.stages.definitions import Job
from vlac.tracking import journal, sync
from vlac.tracking.content import REPORTS, Points, finished_runs, is_shown, row_points, training_run
from vlac.tracking.guard import TRACK, guarded
from vlac.tracking.store import Store, exclusive, open_store

WHEN = "VLAC_TRACKING"
"""The environment variable that, set to "later", makes stages leave MLflow to `rebuild`."""

log = logging.getLogger(__name__)


@contextmanager
def training(job: Job) -> Iterator["Training"]:
    """Show a training job in MLflow while the `with` block runs it; no failure of the view gets out of it.

    If the block raises, the runs end as failed, or as killed for an interruption (KeyboardInterrupt, SystemExit). A
    process that is killed outright leaves them running, until the job starts again or `rebuild` finds out.
    """
    view = Training(job)
    try:
        view.open()
        yield view
        view.end("FINISHED")
    except Exception:
        view.end("FAILED")
        raise
    except BaseException as stop:
        _let_go(stop)
        view.end("KILLED")
        raise


def _let_go(stop: BaseException) -> None:
    """Free what the calls hold that were interrupted, such as a transaction that keeps sqlite's file locked."""
    layer: BaseException | None = stop
    while layer:
        traceback.clear_frames(layer.__traceback__)
        layer = layer.__context__


def publish(job: Job) -> None:
    """Show in MLflow what a job has made, once its manifest stands; never raises."""
    if not is_shown(job):
        return
    with guarded():
        if job.stage.name in REPORTS:
            journal.begin(job, [])
            journal.end(job)
        if _later():
            return
        params = params_of(job)
        store = open_store(job.stage.part)
        with exclusive():
            contents = finished_runs(job, params)
            if not contents:
                raise VlacError(
                    f"the results of {job} do not match {job.stage.file}, which may have changed meanwhile."
                )
            for content in contents:
                sync.show(store, content)


@dataclass
class _LiveRun:
    """One seed's run: its id, the rows that it shows, and what a process killed before has logged beyond them."""

    id: str
    rows: list[dict[str, Any]]
    ahead: Points
    finished: bool = False


class Training:
    """The runs of one training job, one per seed; see `training`."""

    def __init__(self, job: Job) -> None:
        self._job = job
        self._keys: list[str] = []
        self._store: Store | None = None
        self._runs: dict[int, _LiveRun] = {}

    def open(self) -> None:
        """Open the store and note that the job has begun. Never raises."""
        with guarded():
            self._params = params_of(self._job)
            former = journal.read(self._job)
            self._keys = [training_run(self._job, seed, self._params).key for seed in seeds_of(self._job.seeds)]
            journal.begin(self._job, self._keys)
            if _later():
                log.info("MLflow does not show this run yet (%s=later); `%s` will", WHEN, TRACK)
                return
            store = open_store(self._job.stage.part)
            if former and former.over:
                sync.end(store, former.keys, "KILLED")
            self._store = store

    def start(self, seed: int, rows: Iterable[Mapping[str, Any]] = ()) -> None:
        """Begin a seed's run, or go on with it after the epochs in `rows` (as in history.csv) that a checkpoint holds.

        Without rows the training starts from the first epoch, and its run replaces the one of any former training with
        the same parameters. Never raises.
        """
        with guarded(), self._usable() as store:
            if store:
                self._open(store, seed, [dict(row) for row in rows])

    def log_epoch(self, row: Mapping[str, Any]) -> None:
        """Log one row of history.csv (seed, epoch, then metrics) in one call, at the epoch as step. Never raises."""
        with guarded(), self._usable() as store:
            if store:
                self._log(store, int(row["seed"]), dict(row))

    def end(self, status: str) -> None:
        """Close all runs with one of MLflow's statuses: FINISHED, FAILED or KILLED. Never raises."""
        with guarded(), self._usable() as store:
            journal.end(self._job)
            if store:
                # By their keys: an interruption may have come between the making of a run and our hearing of its id.
                sync.end(store, self._keys, status)

    @contextmanager
    def _usable(self) -> Iterator[Store | None]:
        """Yield the store, None where it has failed before: the job then goes on without it.

        An interruption is no failure: the runs have to be closed after it.
        """
        try:
            yield self._store
        except Exception:
            self._store = None
            raise

    def _open(self, store: Store, seed: int, rows: list[dict[str, Any]]) -> None:
        with exclusive():
            content = training_run(self._job, seed, self._params, rows)
            run_id, ahead = sync.begin(store, replace(content, started=journal.now()))
        self._runs[seed] = _LiveRun(run_id, rows, ahead)
        self._finish_after_the_last_epoch(store, seed)

    def _log(self, store: Store, seed: int, row: dict[str, Any]) -> None:
        if seed not in self._runs:
            self._open(store, seed, [])
        run = self._runs[seed]
        run.rows.append(row)
        points = row_points(row)
        there = {point: value for point, value in run.ahead.items() if point[1] == int(row["epoch"])}
        if not there:
            sync.log_points(store, run.id, points, journal.now())
        elif there != points:
            # The epoch came out otherwise than before the kill, as it may on a GPU, and MLflow takes nothing back.
            store.client.delete_run(run.id)
            self._open(store, seed, run.rows)
        self._finish_after_the_last_epoch(store, seed)

    def _finish_after_the_last_epoch(self, store: Store, seed: int) -> None:
        """Close a seed that is done while others of its group are still to be trained."""
        run = self._runs[seed]
        if not run.finished and run.rows and int(run.rows[-1]["epoch"]) >= self._params.training.epochs:
            store.client.set_terminated(run.id, "FINISHED")
            run.finished = True


def _later() -> bool:
    """Return whether stages leave MLflow alone: several nodes may not share a sqlite file, or reach no server.

    Raises:
        VlacError: the variable holds a word that it does not take.
    """
    when = os.environ.get(WHEN)
    if when not in (None, "", "later"):
        raise VlacError(f"{WHEN} is {when!r}, and the only word that it takes is 'later'.", "Unset it, or set it so.")
    return when == "later"
