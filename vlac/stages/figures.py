"""Stage figures: the pictures of one seed group, drawn with the first of its seeds."""

from pathlib import Path

import numpy as np
import pandas as pd

from vlac.data.split import Split
from vlac.errors import VlacError
from vlac.files import read_csv
from vlac.models.ladder import Ladder
from vlac.models.load import load_models
from vlac.params.schema import Params
from vlac.reporting.curves import draw_curves
from vlac.reporting.figures import draw_figures
from vlac.stages.definitions import Job
from vlac.training.device import settle_device


def figures(job: Job, params: Params) -> None:
    """Draw Figures 2 and 3 of the paper, the images nearest to each cluster, and the learning curves."""
    settle_device("cpu", params.training.threads)
    folder = Path("results/train") / job.model / job.seeds
    seed, model = next(iter(load_models(folder / "model.pt").items()))
    target = job.outputs[0].parent
    draw_figures(model, Split.load(Path("data/test.npz")).images, seed, target)
    draw_curves(_history(folder / "history.csv", model), target / "curves.png")


def _history(path: Path, model: Ladder) -> pd.DataFrame:
    """Return the history of a model's training, with all that the curves are drawn of."""
    history = read_csv(path)
    needed = ["seed", "epoch", "elbo", "log_likelihood", *(f"kl_z_{rung}" for rung in model.rungs)]
    of_mixtures = ("kl_y", "clusters_in_use", "entropy_mean_q", "mean_entropy_q", "separation")
    needed += [f"{name}_{rung}" for rung in model.mixture_rungs for name in of_mixtures]
    if missing := [name for name in needed if name not in history]:
        raise VlacError(f"{path} has no column {', '.join(missing)}.", "Delete it and train again.")
    if history.empty or not np.isfinite(history[needed].to_numpy(float)).all():
        raise VlacError(f"{path} has no rows, or one that is not finite.", "Delete it and train again.")
    return history[needed]
