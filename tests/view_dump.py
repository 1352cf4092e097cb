"""All that an MLflow store shows, ids and times aside, so that two stores can be compared."""

import os
import shutil
import tempfile
from pathlib import Path
from typing import Any
from urllib.parse import unquote, urlparse

from mlflow import MlflowClient

Runs = dict[str, dict[str, Any]]
"""What each run shows, by its name: status, params, tags, points (step and value in order of logging) and files."""


def runs_of(client: MlflowClient, experiment: str) -> Runs:
    """Return the runs of an experiment, given by its id; deleted ones are left out, two of a name refused."""
    runs: Runs = {}
    token = None
    while token is None or token:
        page = client.search_runs([experiment], page_token=token)
        token = page.token or ""
        for run in page:
            name = run.info.run_name
            assert name not in runs, f"two runs are called {name}"
            histories = {each: client.get_metric_history(run.info.run_id, each) for each in run.data.metrics}
            root = Path(unquote(urlparse(run.info.artifact_uri).path))
            files = [path for path in root.rglob("*") if path.is_file()]
            runs[name] = {
                "status": run.info.status,
                "params": run.data.params,
                "tags": run.data.tags,
                "points": {each: [(point.step, point.value) for point in points] for each, points in histories.items()},
                "files": {path.relative_to(root).as_posix(): path.read_bytes() for path in files},
            }
    return runs


def dump(folder: Path) -> Runs:
    """Return the runs of all experiments in the store of a project's folder, by experiment and run name."""
    with tempfile.TemporaryDirectory() as other:
        # A file that MLflow has not seen: it keeps connections to what was under the same name before.
        copy = shutil.copy(folder / "mlflow.db", other)
        client = MlflowClient(tracking_uri=f"sqlite:///{copy}")
        return {
            f"{experiment.name}: {name}": shown
            for experiment in client.search_experiments()
            for name, shown in runs_of(client, experiment.experiment_id).items()
        }


def set_aside(folder: Path, to: Path) -> None:
    """Move what there is of the store of a project's folder, artifacts too, into another folder of the same disk."""
    to.mkdir(parents=True, exist_ok=True)
    for path in (*folder.glob("mlflow.db*"), *folder.glob("mlartifacts")):
        os.replace(path, to / path.name)


def counts(runs: Runs) -> str:
    """Return how much the runs show, in words."""
    points = sum(len(points) for run in runs.values() for points in run["points"].values())
    words = {
        "runs": len(runs),
        "params": sum(len(run["params"]) for run in runs.values()),
        "tags": sum(len(run["tags"]) for run in runs.values()),
        "points": points,
        "files": sum(len(run["files"]) for run in runs.values()),
    }
    return ", ".join(f"{number} {word}" for word, number in words.items())


def differences(one: Runs, other: Runs) -> list[str]:
    """Return a line for every run, and every part of a run, in which the two differ."""
    lines = [f"{name} is in one of them only" for name in sorted(one.keys() ^ other.keys())]
    for name in sorted(one.keys() & other.keys()):
        for part in one[name]:
            if one[name][part] != other[name][part]:
                lines.append(f"{name}: {part} differ{_where(one[name][part], other[name][part])}")
    return lines


def _where(one: Any, other: Any) -> str:
    if not isinstance(one, dict):
        return f" ({one}, {other})"
    return " in " + ", ".join(key for key in sorted(one.keys() | other.keys()) if one.get(key) != other.get(key))
