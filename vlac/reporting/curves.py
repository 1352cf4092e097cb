"""Learning curves of a seed group: the terms of the bound, and the signs of collapse, epoch by epoch."""

import math
from pathlib import Path

import pandas as pd
from matplotlib.axes import Axes

from vlac.reporting.canvas import canvas

COLOURS = {1: "#d98c21", 2: "#3f8f5f", 3: "#1f6f9f", 4: "#8c4a8f"}
"""One colour per rung, in every panel."""

DASHES = ("-", "--", ":")


def draw_curves(history: pd.DataFrame, path: Path) -> None:
    """Write the learning curves as a PNG: one line per seed, the same colour for a rung in every panel.

    Args:
        history: a row per seed and epoch, as training writes it; terms in nats per image.
        path: the file to write.

    Raises:
        VlacError: the file cannot be written.
    """
    rungs = _rungs(history, "kl_z_")
    mixtures = _rungs(history, "kl_y_")
    seeds = history["seed"].nunique()
    with canvas(path, 9.6, 5.6) as figure:
        panels = figure.subplots(2, 3, sharex=True)
        figure.subplots_adjust(left=0.06, right=0.985, bottom=0.085, top=0.84, wspace=0.22, hspace=0.26)
        bound, kl_z, kl_y, used, entropy, separation = panels.ravel()

        _line(bound, history, "log_likelihood", "#7b8794", r"$\log p(x\,|\,\mathbf{z})$")
        _line(bound, history, "elbo", "black", "ELBO")
        _zoom(bound, history)
        bound.set_title("ELBO and log-likelihood, nats")
        bound.legend(loc="lower right", fontsize=8)

        for rung in rungs:
            _line(kl_z, history, f"kl_z_{rung}", COLOURS[rung], f"$z_{rung}$")
        kl_z.set_title(r"KL of $z_\ell$ from its prior, nats")

        for rung in mixtures:
            K = round(math.exp((history[f"kl_y_{rung}"] + history[f"mean_entropy_q_{rung}"]).mean()))
            _line(kl_y, history, f"kl_y_{rung}", COLOURS[rung], f"$y_{rung}$")
            _line(used, history, f"clusters_in_use_{rung}", COLOURS[rung], f"$y_{rung}$, of {K}")
            _line(entropy, history, f"entropy_mean_q_{rung}", COLOURS[rung], f"mean $q(y_{rung}|x)$", "-")
            _line(entropy, history, f"mean_entropy_q_{rung}", COLOURS[rung], f"each $q(y_{rung}|x)$, mean", "--")
            _line(separation, history, f"separation_{rung}", COLOURS[rung], f"$z_{rung}$")
        kl_y.set_title(r"KL of $y_\ell$ from uniform, nats")
        used.set_title("Clusters in use")
        entropy.set_title("Entropies, nats: high solid = even use,\nlow dashed = sure of each image")
        separation.set_title("Closest two components, in std")
        for axes in (kl_z, kl_y, used, separation):
            axes.set_ylim(bottom=0)
        for axes in (kl_z, kl_y, used, entropy, separation):
            axes.legend(fontsize=8)
        for axes in panels.ravel():
            axes.grid(axis="y")
        for axes in panels[1]:
            axes.set_xlabel("epoch")
            axes.xaxis.get_major_locator().set_params(integer=True)
        lines = f"one line for each of {seeds} seeds" if seeds > 1 else f"seed {history['seed'].iloc[0]}"
        figure.text(0.06, 0.945, "Learning curves", fontsize=12, weight="bold")
        figure.text(0.185, 0.945, f"{lines}, training images, mean over each epoch", fontsize=9, color="#52606d")


def _rungs(history: pd.DataFrame, prefix: str) -> list[int]:
    return [int(name.removeprefix(prefix)) for name in history.columns if name.startswith(prefix)]


def _line(axes: Axes, history: pd.DataFrame, column: str, colour: str, label: str, dash: str = "-") -> None:
    """Draw a column over epochs, a line per seed and one entry in the legend; dots where there is one epoch alone."""
    for index, (_, run) in enumerate(history.groupby("seed")):
        axes.plot(
            run["epoch"],
            run[column],
            dash,
            color=colour,
            label=label if index == 0 else None,
            linewidth=1.2,
            alpha=0.85,
            marker="o" if len(run) == 1 else None,
            markersize=3,
        )


def _zoom(axes: Axes, history: pd.DataFrame) -> None:
    """Leave the first tenth of a long training below the panel's edge, for it would flatten all that follows."""
    later = history[history["epoch"] > history["epoch"].max() / 10]
    low, high = later["elbo"].min(), history["log_likelihood"].max()
    margin = 0.05 * (high - low) or 1.0
    axes.set_ylim(low - margin, high + margin)
