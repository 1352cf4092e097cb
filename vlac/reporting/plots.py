"""What DVC shows of an experiment: reports/metrics, and reports/plots, drawn by the templates in .dvc/plots."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pandas as pd

from vlac.evaluation.metrics import SHOWN
from vlac.files import write_json
from vlac.params.schema import Params
from vlac.tables import read_csv, write_csv


def write_plots(params: Params, scores: Mapping[str, pd.DataFrame], root: Path = Path()) -> None:
    """Write the measures of every model, and the points of its curves, accuracies and confusions.

    Args:
        params: the experiment.
        scores: a row per seed, by model.
        root: the folder that holds results/ and reports/.
    """
    accuracies, curves, confusions = [], [], []
    for model in sorted(scores):
        write_json(root / f"reports/metrics/{model}.json", _measures(scores[model]))
        for row in scores[model].to_dict("records"):
            seed = int(row["seed"])
            at = {"model": model, "seed": seed}
            accuracies.append(at | {metric.name: row[metric.name] for metric in SHOWN})
            train, evaluate = (
                root / "results" / params.experiment / stage / model / str(seed) for stage in ("train", "evaluate")
            )
            history = read_csv(train / "history.csv")
            if "elbo" in history:
                curves.append(history[["epoch", "elbo"]].assign(**at))
            confusions.append(read_csv(evaluate / "confusion.csv").assign(**at))
    folder = root / "reports/plots"
    write_csv(folder / "accuracy.csv", accuracies)
    columns = ("model", "seed", "epoch", "elbo")
    write_csv(folder / "curves.csv", pd.concat(curves) if curves else (), columns)
    write_csv(folder / "confusion.csv", pd.concat(confusions))


def _measures(scores: pd.DataFrame) -> dict[str, Any]:
    """Return mean and standard deviation over seeds, which a single seed has not, of the measures in the table."""
    table = scores[[metric.name for metric in SHOWN]].agg(["mean", "std"]).round(6)
    return {"seeds": len(scores)} | {name: of.dropna().to_dict() for name, of in table.items() if of.notna().any()}
