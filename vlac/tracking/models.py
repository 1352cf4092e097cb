"""Trained models in MLflow: `mlflow.pyfunc.load_model("runs:/RUN/model").predict(images)` returns clusters."""

import warnings
from collections.abc import Iterable
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any

import numpy as np

from vlac import features
from vlac.data.split import IMAGE_SHAPE
from vlac.errors import VlacError
from vlac.estimator import VLAC, as_images
from vlac.methods.base import Method
from vlac.models.load import load_method
from vlac.tracking.content import KEY, Content, finished, intact
from vlac.tracking.store import Store, held_store
from vlac.workflow.jobs import Job

if TYPE_CHECKING:
    from mlflow.entities import Run

NAME = "model"
"""The folder of a run's artifacts that holds its model."""

LOGGED = "vlac.logged"
"""Tag of a run: the hash of the weights that its model has."""


class Clusters:
    """What MLflow loads: clusters of images, uint8 (N, 32, 32, 3), on the main rung, int64 (N,)."""

    def __init__(self, method: Method) -> None:
        self.method = method

    def predict(self, images: Any, params: dict[str, Any] | None = None) -> np.ndarray:
        """Return the cluster of each image; of another rung with `params={"rung": 2}`. Raises ValueError for others."""
        rung, K = (params or {}).get("rung") or self.method.main_rung, self.method.K
        if rung not in K:
            raise ValueError(f"Rung {rung} has no clusters; those that have: {', '.join(map(str, sorted(K)))}.")
        seen = as_images(images, IMAGE_SHAPE[0])
        size = features.KEPT_FROM - 1  # so that no features are kept in whatever folder the model is used in
        parts = np.split(seen, range(size, len(seen), size))
        return np.concatenate([self.method.encode(part).y[rung] for part in parts])


def _load_pyfunc(path: str) -> Clusters:
    """Return the model of a file; MLflow calls this by its name."""
    return Clusters(load_method(Path(path), VLAC()._params()))


def log_models(every: Iterable[tuple[Job, Any]]) -> str:
    """Give the runs of finished trainings, which `rebuild` has made, their models, and say how many were missing.

    The probe's VLAE has no clusters, and none is logged. Raises VlacError if the store cannot be used.
    """
    logged, left_out = 0, ""
    with held_store("The models are not logged") as store:
        for job, params in every:
            try:
                if job.stage.name == "train" and (made := finished(job, params)):
                    logged += sum(_log(store, run, made) for run in store.runs(made.tags[KEY]))
            except VlacError as error:
                left_out += f"\nLeft out: {error}"
    return f"Models logged: {logged}.{left_out}"


def _log(store: Store, run: "Run", made: Content) -> bool:
    """Give a run the model of its training, if it has none or another; return whether it had to."""
    import mlflow
    from mlflow.models import ModelSignature
    from mlflow.types import ParamSchema, ParamSpec, Schema, TensorSpec

    weights = intact(made.job, "model.pt", made.made[made.job])
    key = made.made[made.job].outputs[weights.as_posix()]
    if run.data.tags.get(LOGGED) == key:
        return False
    images, clusters = TensorSpec(np.dtype(np.uint8), (-1, *IMAGE_SHAPE)), TensorSpec(np.dtype(np.int64), (-1,))
    signature = ModelSignature(Schema([images]), Schema([clusters]), ParamSchema([ParamSpec("rung", "long", 0)]))
    with TemporaryDirectory() as folder, warnings.catch_warnings():
        warnings.simplefilter("ignore")  # that there is no example to test the signature by
        path = f"{folder}/{NAME}"
        # No requirements: vlac is on no package index.
        settings: dict[str, Any] = {"signature": signature, "pip_requirements": []}
        mlflow.pyfunc.save_model(path, loader_module=__name__, data_path=str(weights), **settings)
        store.client.log_artifacts(run.info.run_id, path, NAME)
    store.client.set_tag(run.info.run_id, LOGGED, key)  # last, so that half of a model is logged again
    return True
