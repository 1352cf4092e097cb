"""All that an MLflow store shows, ids and times aside, so that two stores can be compared."""

import shutil
import tempfile
from pathlib import Path
from typing import Any
from urllib.parse import unquote, urlparse

from mlflow import MlflowClient


def dump(folder: Path) -> dict[str, dict[str, Any]]:
    """Return what each run in the store of a project's folder shows, by experiment and name."""
    runs: dict[str, dict[str, Any]] = {}
    with tempfile.TemporaryDirectory() as other:
        # A file that MLflow has not seen: it keeps connections to what was under the same name before.
        client = MlflowClient(tracking_uri=f"sqlite:///{shutil.copy(folder / 'mlflow.db', other)}")
        for experiment in client.search_experiments():
            every = client.search_runs([experiment.experiment_id], max_results=50_000)
            names = {run.info.run_id: run.info.run_name for run in every}
            for run in every:
                name = f"{experiment.name}: {run.data.tags.get('experiment')}: {run.info.run_name}"
                assert name not in runs, f"two runs are called {name}"
                histories = {each: client.get_metric_history(run.info.run_id, each) for each in run.data.metrics}
                root = Path(unquote(urlparse(run.info.artifact_uri).path))
                files = [path for path in root.rglob("*") if path.is_file()]
                runs[name] = {
                    "status": run.info.status,
                    "params": run.data.params,
                    "tags": {each: names.get(value, value) for each, value in run.data.tags.items()},
                    "points": {each: [(p.step, p.value) for p in points] for each, points in histories.items()},
                    "files": {path.relative_to(root).as_posix(): path.read_bytes() for path in files},
                }
    return runs
