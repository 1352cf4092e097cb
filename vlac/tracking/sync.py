"""Make a run in MLflow show given content: add what is missing, replace what contradicts it, leave the rest alone.

MLflow keeps every point that it is given and takes no parameter back, so a run that shows something else than the
files is deleted, and made again.
"""

from collections import Counter
from collections.abc import Iterable, Sequence
from contextlib import suppress
from typing import TYPE_CHECKING

from vlac.tracking import copies, journal
from vlac.tracking.content import DIGEST, Content, Points
from vlac.tracking.store import Store

if TYPE_CHECKING:
    from mlflow.entities import Run

METRICS, PAIRS = 1000, 100
"""How many points, and how many params, MLflow takes in one call."""


def show(store: Store, content: Content) -> bool:
    """Make the one run of the content's key show exactly that, and mark it finished.

    Returns:
        Whether anything had to be changed.
    """
    run = _only_run(store, content.key)
    if run and shows([run], content):
        return False
    try:
        _complete(store, content, run)
    except BaseException:
        with suppress(Exception):
            end(store, [content.key], "KILLED")
        raise
    return True


def shows(runs: Sequence["Run"], content: Content) -> bool:
    """Return whether the runs of the content's key are one alone, which is complete and shows exactly that."""
    complete = [(run.info.status, run.data.tags.get(DIGEST)) for run in runs] == [("FINISHED", content.digest())]
    return complete and copies.whole(runs[0], content)


def _complete(store: Store, content: Content, run: "Run | None") -> None:
    run_id, ahead = _bring_up(store, content, run)
    if ahead:
        store.client.delete_run(run_id)
        run, (run_id, _) = None, _bring_up(store, content, None)
    for path, folder in content.artifacts:
        store.client.log_artifact(run_id, str(path), folder)
    # Last, because it says that all the rest is there.
    store.client.set_tag(run_id, DIGEST, content.digest())
    if run is None or run.info.run_id != run_id or run.info.status != "FINISHED":
        store.client.set_terminated(run_id, "FINISHED", content.ended)


def begin(store: Store, content: Content) -> tuple[str, Points]:
    """Start the run of the content's key, or go on with the one that is there and agrees with the content so far.

    A training that starts from the first epoch replaces the run of a former one.

    Returns:
        The run's id, and the points that it holds of later steps than the content's last.
    """
    run = _only_run(store, content.key)
    if run and not content.points:
        store.client.delete_run(run.info.run_id)
        run = None
    run_id, ahead = _bring_up(store, content, run)
    if run and run.info.run_id == run_id and run.info.status != "RUNNING":
        store.client.update_run(run_id, "RUNNING")
    return run_id, ahead


def log_points(store: Store, run_id: str, points: Points, when: int) -> None:
    """Log points in one call, or in as few as MLflow allows."""
    from mlflow.entities import Metric

    metrics = [Metric(name, value, when, step) for (name, step), value in points.items()]
    for first in range(0, len(metrics), METRICS):
        store.client.log_batch(run_id, metrics[first : first + METRICS])


def end(store: Store, keys: Iterable[str], status: str) -> None:
    """Give the runs of `keys` that count as running another status."""
    for run in (run for key in keys for run in store.find(key)):
        if run.info.status == "RUNNING":
            store.client.set_terminated(run.info.run_id, status)


def end_abandoned(store: Store, journals: Iterable[journal.Journal]) -> int:
    """Mark the runs that count as running, but belong to no living process, as killed; return how many there were.

    Args:
        journals: of all jobs of this project. In a shared store the runs that none of them names are left alone: they
            may be of another copy of the project.
    """
    alive: set[str] = set()
    dead: set[str] = set()
    for each in journals:
        (dead if each.over else alive).update(each.keys)
    abandoned = [
        run
        for key, runs in store.every("RUNNING").items()
        if key not in alive and (key in dead or not store.shared)
        for run in runs
    ]
    for run in abandoned:
        store.client.set_terminated(run.info.run_id, "KILLED")
    return len(abandoned)


def _only_run(store: Store, key: str) -> "Run | None":
    """Return the newest run of a key, or None; any other is deleted, so that nothing appears twice."""
    runs = store.find(key)
    for run in runs[1:]:
        store.client.delete_run(run.info.run_id)
    return runs[0] if runs else None


def _bring_up(store: Store, content: Content, run: "Run | None") -> tuple[str, Points]:
    """Give `run` the params, tags and points that it lacks; make a new one if it is None or contradicts the content.

    Returns:
        The run's id, and the points that it holds of later steps than the content's last.
    """
    from mlflow.entities import Param, RunTag

    logged = _logged(store, run) if run else Counter()
    last = max((step for _, step in content.points), default=0)
    ahead = {point: value for point, value in logged if point[1] > last}
    agreed = content.points | ahead
    if run and (
        any(content.params.get(name) != value for name, value in run.data.params.items())
        or any(times > 1 or agreed.get(point) != value for (point, value), times in logged.items())
    ):
        store.client.delete_run(run.info.run_id)
        run, logged, ahead = None, Counter(), {}
    labels = content.tags | {"mlflow.user": store.user}
    if run is None:
        run = store.client.create_run(store.experiment, content.started, labels, content.name)
    run_id = run.info.run_id
    params = [Param(name, value) for name, value in content.params.items() if name not in run.data.params]
    tags = [RunTag(name, value) for name, value in labels.items() if run.data.tags.get(name) != value]
    for first in range(0, len(params), PAIRS):
        store.client.log_batch(run_id, params=params[first : first + PAIRS])
    if tags:
        store.client.log_batch(run_id, tags=tags)
    missing = {point: value for point, value in content.points.items() if (point, value) not in logged}
    log_points(store, run_id, missing, content.ended or journal.now())
    return run_id, ahead


def _logged(store: Store, run: "Run") -> "Counter[tuple[tuple[str, int], float]]":
    """Count how often each point (name and step) and value was logged to the run."""
    histories = [store.client.get_metric_history(run.info.run_id, name) for name in run.data.metrics]
    return Counter(((metric.key, metric.step), metric.value) for history in histories for metric in history)
