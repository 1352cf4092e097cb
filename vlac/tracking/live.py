"""What the commands call: the live view of a training, and the rebuild. No failure of the view stops a stage."""

import fcntl
import logging
import os
import time
import traceback
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from vlac.errors import VlacError
from vlac.tracking.content import KEY, LOG, MANIFEST, MODEL, Content, Points, all_seeds, content, epoch_points, finished
from vlac.tracking.store import Store, held_store, open_store, why
from vlac.workflow.jobs import Job

if TYPE_CHECKING:
    from mlflow.entities import Run

ABOVE = "mlflow.parentRunId"
OPENS = 120.0  # seconds that a training lasts before it opens MLflow, which takes four seconds of the processor
log = logging.getLogger(__name__)
_failed = False  # once it has, MLflow is left alone: each further call may take seconds to fail, too


@contextmanager
def guarded() -> Iterator[None]:
    """Turn an error inside the `with` block, of any kind, into a warning, and go on after the block."""
    global _failed
    try:
        yield
    except Exception as error:
        _failed = True
        later = "No result is lost; `python -m vlac track` shows it later."
        log.warning("MLflow does not show this run: %s %s", why(error).message, later)


class Training(AbstractContextManager["Training"]):
    """Shows a training in MLflow while a `with` block runs it, from when on it has lasted for two minutes.

    If the block raises, the run ends as failed, or as killed for an interruption (KeyboardInterrupt, SystemExit). One
    of a process that is killed outright stays, until the job is that far again or `rebuild` finds out.
    """

    def __init__(self, job: Job, params: Any) -> None:
        self._job, self._params, self._began = job, params, time.time()
        self._store: Store | None = None
        self._run = ""
        self._points: Points = {}  # not logged yet

    def start(self, rows: Iterable[Mapping[str, Any]] = ()) -> None:
        """Take the epochs in `rows` (as in history.csv) that a checkpoint holds."""
        with guarded():
            self._points = epoch_points(rows)

    def log_epoch(self, row: Mapping[str, Any]) -> None:
        """Log one row of history.csv (epoch, then metrics) at the epoch as step, or keep it until MLflow is open."""
        with guarded():
            self._points |= epoch_points([row])
            if time.time() - self._began >= OPENS and not _off():
                made = content(self._job, self._params)
                if not self._store:
                    self._store = open_store(self._job.stage.over == "trials")
                    # Instead of any former one, as of a process that was killed.
                    self._run = self._store.replace(self._store.runs(made.tags[KEY]), made, int(self._began * 1000))
                self._store.log(self._run, self._points, int(time.time() * 1000), made)
                self._points = {}

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: Any) -> None:
        stop = error
        while stop:  # frees what interrupted calls hold, such as a transaction that keeps sqlite's file locked
            traceback.clear_frames(stop.__traceback__)
            stop = stop.__context__
        if self._store and not _failed:
            with guarded():
                status = "FINISHED" if error is None else "FAILED" if isinstance(error, Exception) else "KILLED"
                # By its key: an interruption may have come between the making of a run and our hearing of its id.
                for run in self._store.runs(content(self._job, self._params).tags[KEY]):
                    if run.info.status == "RUNNING":
                        self._store.client.set_terminated(run.info.run_id, status)


def publish(job: Job, every: Iterable[tuple[Job, Any]]) -> None:
    """Show what all jobs of a file have made, after a job that gathers it; never raises."""
    if job.stage.name in ("rung", "table", "search") and not _off():
        with guarded():
            rebuild(every)


def rebuild(every: Iterable[tuple[Job, Any]]) -> str:
    """Make MLflow show every finished training of a file's jobs (each with its params), and say what there was to do.

    Runs of other parameters and of other checkouts are left alone. Raises VlacError if the store cannot be used.
    """
    trainings = [(job, params) for job, params in every if job.stage.trains]
    shown: list[Content] = []
    changed, left_out = 0, ""
    searches = any(job.stage.over == "trials" for job, _ in trainings)
    with held_store("The view cannot be rebuilt", searches) as store:
        runs = defaultdict(list)
        for run in store.runs():
            if run.info.status == "RUNNING" and not _is_at_work(run):
                store.client.set_terminated(run.info.run_id, "KILLED")
            runs[run.data.tags[KEY]].append(run)
        for job, params in trainings:
            try:
                if made := finished(job, params):
                    changed += _show(store, made, runs[made.tags[KEY]])
                    shown.append(made)
            except VlacError as error:
                left_out += f"\nLeft out: {error}"
        _gather_seeds(store, shown)
    return f"MLflow shows {len(shown)} finished trainings; {changed} were missing or differed.{left_out}"


def _show(store: Store, made: Content, runs: "list[Run]") -> bool:
    """Make the runs of one training one that shows exactly `made`; return whether anything had to be changed.

    A run that agrees so far, as that of a training just finished, gets what it lacks. MLflow keeps every point that it
    is given and takes no parameter back, so any other is deleted and made in one go. One still at work is left alone.
    """
    one = runs[0] if len(runs) == 1 and runs[0].info.status == "FINISHED" else None
    if any(map(_is_at_work, runs)) or (one and one.data.tags.get(MANIFEST) == made.tags[MANIFEST]):
        return False
    points = made.points()
    latest = {name: value for (name, _), value in points.items()}
    ended = made.job.manifest.stat().st_mtime_ns // 1_000_000  # when it began is in no file
    if one and one.data.params.items() <= made.params.items() and one.data.metrics.items() <= latest.items():
        run, there = one.info.run_id, one.data.metrics
    else:
        run, there = store.replace(runs, made, ended), {}
    for path, folder in made.artifacts():
        store.client.log_artifact(run, str(path), folder)
    store.log(run, {point: value for point, value in points.items() if point[0] not in there}, ended, made)
    store.client.set_terminated(run, "FINISHED", ended)
    return True


def _gather_seeds(store: Store, shown: "list[Content]") -> None:
    """Put the runs of each model's seeds under one with the means and standard deviations of their scores."""
    runs = {run.data.tags[KEY]: run for run in store.runs() if run.info.end_time}
    models = defaultdict(list)
    for made in shown:
        if made.tags[KEY] in runs:
            models[made.tags[MODEL]].append(made)
    for key, of in models.items():
        above, seeds = runs.get(key), [runs[made.tags[KEY]] for made in of]
        whole, points = all_seeds(of, [run.data.metrics for run in seeds])
        is_above = above is not None and all(run.data.tags.get(ABOVE) == above.info.run_id for run in seeds)
        if above and is_above and above.data.tags[MANIFEST] == whole.tags[MANIFEST]:
            continue
        ended = max(run.info.end_time for run in seeds)
        run_id = store.replace([above] if above else [], whole, ended)
        store.log(run_id, points, ended, whole)
        store.client.set_terminated(run_id, "FINISHED", ended)
        for run in seeds:
            store.client.set_tag(run.info.run_id, ABOVE, run_id)


def _is_at_work(run: "Run") -> bool:
    """Return whether a run goes on: whether a process holds the lock of its job (vlac/workflow/lock.py).

    The run above a model's seeds belongs to no job.
    """
    if run.info.status != "RUNNING" or LOG not in run.data.tags:
        return False
    try:
        with Path(run.data.tags[LOG]).with_suffix(".lock").open("r+") as file:
            fcntl.flock(file, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except OSError as error:
        return isinstance(error, BlockingIOError)
    return False


def _off() -> bool:
    """Return whether MLflow is left to `rebuild`: as by nodes, that may not share a sqlite file or reach no server."""
    return _failed or os.environ.get("VLAC_TRACKING") == "later"
