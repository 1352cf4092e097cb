"""Trained models in MLflow: `mlflow.pyfunc.load_model("runs:/RUN/model").predict(images)` returns clusters."""

from collections.abc import Iterable
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np

from vlac import __version__
from vlac.estimator import VLAC, as_images
from vlac.methods.base import Method
from vlac.models.load import load_method
from vlac.tracking.content import KEY, finished
from vlac.tracking.store import open_store
from vlac.workflow.jobs import Job

NAME = "model"
"""The folder of a run's artifacts that holds its model."""


class Clusters:
    """What MLflow loads: clusters of images, uint8 (N, 32, 32, 3), on the main rung, int64 (N,)."""

    def __init__(self, method: Method) -> None:
        self.method = method

    def predict(self, images: Any, params: dict[str, Any] | None = None) -> np.ndarray:
        """Return the cluster of each image; of another rung with `params={"rung": 2}`."""
        y: np.ndarray = self.method.encode(as_images(images)).y[(params or {}).get("rung") or self.method.main_rung]
        return y


def _load_pyfunc(path: str) -> Clusters:
    """Return the model of a file; MLflow calls this by its name."""
    return Clusters(load_method(Path(path), VLAC()._params()))


def log_models(every: Iterable[tuple[Job, Any]]) -> str:
    """Give every run of a finished training, which `rebuild` has made, its model where it has none, and say how many.

    Raises what `open_store` raises.
    """
    store = open_store()
    import mlflow
    from mlflow.models import ModelSignature
    from mlflow.types import ParamSchema, ParamSpec, Schema, TensorSpec

    images = TensorSpec(np.dtype(np.uint8), (-1, 32, 32, 3))
    clusters = TensorSpec(np.dtype(np.int64), (-1,))
    rung = ParamSpec("rung", "long", 0)
    signature = ModelSignature(Schema([images]), Schema([clusters]), ParamSchema([rung]))
    logged = 0
    for job, params in every:
        made = finished(job, params) if job.stage.name == "train" else None
        for run in store.runs(made.tags[KEY]) if made else ():
            if store.client.list_artifacts(run.info.run_id, NAME):
                continue
            with TemporaryDirectory() as folder:
                mlflow.pyfunc.save_model(
                    f"{folder}/{NAME}",
                    loader_module=__name__,
                    data_path=str(job.output("model.pt")),
                    signature=signature,
                    pip_requirements=[f"vlac=={__version__}"],
                )
                store.client.log_artifacts(run.info.run_id, f"{folder}/{NAME}", NAME)
            logged += 1
    return f"{logged} runs got their model."
