"""What DVC shows is what the files say: measures over seeds, and a point per seed, per epoch, per cluster and digit."""

import json

import pandas as pd
import pytest
from tiny import tiny_params

from vlac.evaluation.metrics import SHOWN
from vlac.reporting.plots import write_plots
from vlac.tables import write_csv


def scores(*accuracies: float) -> pd.DataFrame:
    return pd.DataFrame({"seed": seed, **{metric.name: acc for metric in SHOWN}} for seed, acc in enumerate(accuracies))


def test_measures_and_points(tmp_path):
    params, one = tiny_params(), [{"cluster": 0, "mapped": 4, "class": 4, "images": 30}]
    given = {"vlac": scores(0.5, 0.7), "kmeans": scores(0.25)}
    for model, rows in given.items():
        for seed in rows["seed"]:
            of = tmp_path / "results" / params.experiment
            history = [{"seed": seed, "epoch": 1, "elbo": -3.5 - seed}] if model == "vlac" else []
            write_csv(of / "train" / model / str(seed) / "history.csv", history, ("seed", "epoch", "elbo"))
            write_csv(of / "evaluate" / model / str(seed) / "confusion.csv", one)
    write_plots(params, given, tmp_path)

    reports = tmp_path / "reports"
    measured = {path.stem: json.loads(path.read_text()) for path in reports.glob("metrics/*")}
    assert measured["vlac"]["acc"] == {"mean": 0.6, "std": pytest.approx(0.2 / 2**0.5, abs=1e-6)}
    assert measured["kmeans"] == {"seeds": 1} | {metric.name: {"mean": 0.25} for metric in SHOWN}
    accuracy, curves, confusion = (
        pd.read_csv(reports / f"plots/{name}.csv") for name in ("accuracy", "curves", "confusion")
    )
    assert accuracy[["model", "seed", "acc"]].values.tolist() == [
        ["kmeans", 0, 0.25],
        ["vlac", 0, 0.5],
        ["vlac", 1, 0.7],
    ]
    assert curves.values.tolist() == [["vlac", 0, 1, -3.5], ["vlac", 1, 1, -4.5]]
    assert confusion["images"].tolist() == [30, 30, 30]
