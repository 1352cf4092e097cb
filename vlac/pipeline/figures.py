"""Stage figures: the pictures of one seed group, drawn with the first of its seeds."""

from pathlib import Path

from vlac.data.split import Split
from vlac.files import read_csv
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
    draw_curves(read_csv(folder / "history.csv"), target / "curves.png")
