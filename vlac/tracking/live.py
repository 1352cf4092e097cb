"""What the stages call: the live view of a training, the finished view of any job, and the rebuild of all of it.

No failure of the view stops a stage.
"""

import fcntl
import logging
import os
import traceback
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from vlac.errors import VlacError
from vlac.tracking.content import (
    Content,
    Points,
    commit,
    content,
    digest,
    epoch_points,
    finished,
    journal,
    note,
    now,
    shown_in,
)
from vlac.tracking.store import CHECKOUT, KEY, LOG, Store, is_damaged, location, open_store, why
from vlac.workflow.jobs import Job

if TYPE_CHECKING:
    from mlflow.entities import Run

EPOCHS, PARTS = "vlac.epochs", "vlac.manifest"
"""Tags of a finished run: a hash of the epochs that it shows, and the ids of the parts."""

TRACK = "python -m vlac track"

log = logging.getLogger(__name__)
_warned = False


@contextmanager
def guarded() -> Iterator[None]:
    """Turn an error inside the `with` block into a warning, the first time in this process, and go on after the block.

    Every kind of error is meant: MLflow is a view of the results, and a bug in it may not cost a training either.
    """
    global _warned
    try:
        yield
    except Exception as error:
        if not _warned:
            log.warning("MLflow does not show this run: %s. No result is lost; `%s` shows it later.", why(error), TRACK)
        log.debug("the view failed", exc_info=error)
        _warned = True


@contextmanager
def training(job: Job, params: Any) -> Iterator["Training"]:
    """Show a training job in MLflow while the `with` block runs it.

    If the block raises, the run ends as failed, or as killed for an interruption (KeyboardInterrupt, SystemExit). A
    process that is killed outright leaves it running, until the job starts again or `rebuild` finds out.
    """
    view = Training(job, params)
    try:
        yield view
        view.end("FINISHED")
    except Exception:
        view.end("FAILED")
        raise
    except BaseException as stop:
        _let_go(stop)
        view.end("KILLED")
        raise


class Training:
    """The run of one training; see `training`. Nothing here raises, interruptions aside."""

    def __init__(self, job: Job, params: Any) -> None:
        self._job, self._params = job, params
        self._store: Store | None = None  # None before the start, and again once it has failed
        self._run = ""
        self._points: Points = {}
        with guarded():
            note(job, git_commit=commit(), started=now())

    def start(self, rows: Iterable[Mapping[str, Any]] = ()) -> None:
        """Begin the run, or go on with it after the epochs in `rows` (as in history.csv) that a checkpoint holds.

        A former run of the same parameters is replaced where it shows anything but these epochs.
        """
        with guarded():
            if _later():
                log.info("MLflow does not show this run yet (VLAC_TRACKING=later); `%s` will.", TRACK)
                return
            store = self._store = open_store(_part(self._job))
        with self._usable():
            self._points = epoch_points(rows)
            now_shown = content(self._job, self._params)
            store.end(self._job.log, "KILLED")  # runs of processes that were killed outright: the job runs here now
            same = store.find(KEY, now_shown.key)
            if len(same) == 1 and self._points and _logged(store, same[0]) == sorted(self._points.items()):
                self._run = same[0].info.run_id
                store.client.update_run(self._run, "RUNNING")
            else:
                store.delete(same)
                self._run = _create(store, now_shown)
                store.log(self._run, self._points, now(), now_shown.params)

    def log_epoch(self, row: Mapping[str, Any]) -> None:
        """Log one row of history.csv (epoch, then metrics) in one call, at the epoch as step."""
        with self._usable():
            if self._store:
                points = epoch_points([row])
                self._points |= points
                self._store.log(self._run, points, now())

    def end(self, status: str) -> None:
        """Close the run with one of MLflow's statuses: FINISHED, FAILED or KILLED."""
        with guarded():
            note(self._job, **journal(self._job) | {"ended": now()})
        with self._usable():
            if self._store:
                if status == "FINISHED":
                    self._store.client.set_tag(self._run, EPOCHS, digest(self._points))
                # By the job: an interruption may have come between the making of a run and our hearing of its id.
                self._store.end(self._job.log, status)

    @contextmanager
    def _usable(self) -> Iterator[None]:
        """Go on without the store once it has failed: each further call may take seconds to fail, too."""
        with guarded():
            try:
                yield
            except Exception:
                self._store = None
                raise


def publish(job: Job, params: Any) -> None:
    """Show in MLflow what a job has made, once its manifest stands; never raises."""
    with guarded():
        of = shown_in(job)
        if of is None or _later():
            return
        if made := finished(of, params):
            shown = [location(), *(part.id for part in made.parts)]
            if journal(of).get("shown") == shown and (
                os.environ.get("MLFLOW_TRACKING_URI") or Path("mlflow.db").exists()
            ):
                return  # without the seconds that MLflow's import takes: engines also ask for jobs that are up to date
            store = open_store(_part(of))
            with store.lock():  # two stages may score one model at the same time
                _show(store, made, store.find(KEY, made.key))
                note(of, **journal(of) | {"shown": shown})


@dataclass(frozen=True)
class Rebuilt:
    """What `rebuild` did.

    Attributes:
        shown: finished runs that the view shows of the jobs asked for.
        changed: how many of them were missing or differed.
        killed: runs that counted as running, of processes that are gone.
        left_out: a sentence for each job whose files cannot be shown.
    """

    shown: int
    changed: int
    killed: int
    left_out: tuple[str, ...]

    def __str__(self) -> str:
        lines = [f"MLflow ({location()}) shows {self.shown} finished runs; {self.changed} were missing or differed."]
        if self.killed:
            lines.append(f"{self.killed} runs of killed processes are marked as killed.")
        return "\n".join([*lines, *(f"Left out: {sentence}" for sentence in self.left_out)])


def rebuild(pairs: Iterable[tuple[Job, Any]]) -> Rebuilt:
    """Make MLflow show every finished run of the jobs (each with its params); doing it twice changes nothing.

    Runs of other parameters and of other checkouts are left alone.

    Raises:
        VlacError: MLflow is not installed, or its store cannot be used.
    """
    shown = changed = killed = 0
    left_out = []
    parts: dict[str, list[tuple[Job, Any]]] = defaultdict(list, {"": []})
    for job, params in pairs:
        if shown_in(job) == job:  # other jobs are shown in the runs of these
            parts[_part(job)].append((job, params))
    try:
        for part, each in parts.items():
            store = open_store(part)
            with store.lock():
                every = store.all()  # asked for once: a query per run would take as long as all the rest
                runs = defaultdict(list)
                for run in every:
                    runs[run.data.tags[KEY]].append(run)
                killed += _end_killed(store, every)
                for job, params in each:
                    try:
                        if made := finished(job, params):
                            changed += _show(store, made, runs[made.key])
                            shown += 1
                    except VlacError as error:
                        left_out.append(str(error))
    except VlacError:
        raise
    except Exception as error:
        hint = "Repair that, or set MLFLOW_TRACKING_URI to another store."
        if is_damaged(error):
            hint = f"Run `mv {location()} {location()}.damaged`: `{TRACK}` then rebuilds it from the results."
        raise VlacError(f"The view cannot be rebuilt: {why(error)}.", hint) from error
    return Rebuilt(shown, changed, killed, tuple(left_out))


def _show(store: Store, made: Content, runs: "list[Run]") -> bool:
    """Make the runs of the content's key one that shows exactly that; return whether anything had to be changed.

    A run that agrees so far gets the parts that it lacks. MLflow keeps every point that it is given and takes no
    parameter back, so any other is deleted and logged again in one go.
    """
    wanted = [part.id for part in made.parts]
    run = runs[0] if len(runs) == 1 and runs[0].info.status == "FINISHED" else None
    there = run.data.tags.get(PARTS, "").split() if run else []
    if there == wanted:
        return False
    epochs = made.epochs()
    scores = {part.id: part.points() for part in made.parts}  # read first: a changed file may leave no half a run
    try:
        if run and run.data.tags.get(EPOCHS) == digest(epochs) and set(there) <= set(wanted):
            run_id, points = run.info.run_id, Points()
            store.client.update_run(run_id, "RUNNING")
        else:
            store.delete(runs)
            run_id, points, there = _create(store, made), epochs, []
        params = made.params
        for part in made.parts:
            if part.id not in there:
                points, params = points | scores[part.id], part.params | params
                for path in part.artifacts():
                    store.client.log_artifact(run_id, str(path), part.job.stage.name)
        tags = {EPOCHS: digest(epochs), PARTS: " ".join(wanted)}
        store.log(run_id, points, made.ended or now(), params, tags)
        store.client.set_terminated(run_id, "FINISHED", made.ended)
    except BaseException as stop:
        _let_go(stop)
        with suppress(Exception):
            store.end(made.job.log, "KILLED")
        raise
    return True


def _end_killed(store: Store, runs: "list[Run]") -> int:
    """Mark the runs that count as running, but of whose job no process holds the lock, as killed; return how many."""
    killed = [run for run in runs if run.info.status == "RUNNING" and not _is_at_work(run.data.tags[LOG])]
    for run in killed:
        store.client.set_terminated(run.info.run_id, "KILLED")
    return len(killed)


def _is_at_work(log_file: str) -> bool:
    """Return whether a process holds the lock of the job with that log (vlac/workflow/lock.py)."""
    try:
        with Path(log_file).with_suffix(".lock").open("r+") as file:
            fcntl.flock(file, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except OSError as error:
        return isinstance(error, BlockingIOError)
    return False


def _create(store: Store, made: Content) -> str:
    own = {KEY: made.key, LOG: made.job.log.as_posix(), CHECKOUT: store.checkout}
    return store.client.create_run(store.experiment, made.started, made.tags | own, made.name).info.run_id


def _logged(store: Store, run: "Run") -> list[tuple[tuple[str, int], float]]:
    """Return all that was ever logged to the run, sorted; nothing of a run that shows parts, too."""
    if PARTS in run.data.tags:
        return []
    histories = (store.client.get_metric_history(run.info.run_id, name) for name in run.data.metrics)
    return sorted(((point.key, point.step), point.value) for history in histories for point in history)


def _part(job: Job) -> str:
    return "search" if job.stage.over == "trials" else ""


def _let_go(stop: BaseException) -> None:
    """Free what the calls hold that were interrupted, such as a transaction that keeps sqlite's file locked."""
    layer: BaseException | None = stop
    while layer:
        traceback.clear_frames(layer.__traceback__)
        layer = layer.__context__


def _later() -> bool:
    """Return whether jobs leave MLflow to `rebuild`: several nodes may not share a sqlite file, or reach no server."""
    return os.environ.get("VLAC_TRACKING") == "later"
