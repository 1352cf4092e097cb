"""Learning curves of a ladder: the terms of the bound, and the signs of collapse, epoch by epoch."""

from pathlib import Path

import pandas as pd
from matplotlib.axes import Axes

from vlac.methods.base import Row
from vlac.models.ladder import Ladder
from vlac.reporting.canvas import GREY, canvas

COLOURS = {1: "#d98c21", 2: "#3f8f5f", 3: "#1f6f9f", 4: "#8c4a8f"}
"""One colour per rung, in every panel."""

WORDS = (
    "training images, mean over each epoch. Entropies: that of the mean $q$ (solid) is high when clusters are\nused "
    "evenly, the mean over images (dashed) is low when the model is sure of each image."
)


def draw_curves(rows: list[Row], model: Ladder, seed: int, path: Path) -> None:
    """Write the learning curves as a PNG from the rows of all epochs, as the training returned them."""
    history = pd.DataFrame(rows).set_index("epoch")
    later = history.iloc[len(history) // 10 :]  # the first epochs would flatten all that follows
    with canvas(path, 9.6, 5.8) as figure:
        panels = figure.subplots(2, 3, sharex=True)
        figure.subplots_adjust(left=0.06, right=0.985, bottom=0.085, top=0.8, wspace=0.22, hspace=0.26)
        bound, kl_z, kl_y, used, entropy, separation = panels.ravel()

        def line(axes: Axes, column: str, colour: str, label: str, dash: str = "-", of: pd.DataFrame = history) -> None:
            marker = "o" if len(of) == 1 else ""
            axes.plot(
                of[column], dash, marker=marker, color=colour, label=label, linewidth=1.2, alpha=0.85, markersize=3
            )

        bound.set_title("ELBO and log-likelihood, nats")
        line(bound, "log_likelihood", "#7b8794", r"$\log p(x\,|\,\mathbf{z})$", of=later)
        line(bound, "elbo", "black", "ELBO", of=later)
        kl_z.set_title(r"KL of $z_\ell$ from its prior, nats")
        for rung in model.rungs:
            line(kl_z, f"kl_z_{rung}", COLOURS[rung], f"$z_{rung}$", of=later)
        kl_y.set_title(r"KL of $y_\ell$ from uniform, nats")
        used.set_title("Clusters in use")
        entropy.set_title(r"Entropies of $q(y_\ell|x)$, nats")
        separation.set_title("Closest two components, in std")
        for rung in model.mixture_rungs:
            line(kl_y, f"kl_y_{rung}", COLOURS[rung], f"$y_{rung}$")
            line(used, f"clusters_in_use_{rung}", COLOURS[rung], f"$y_{rung}$, of {model.K[rung]}")
            line(entropy, f"entropy_mean_q_{rung}", COLOURS[rung], f"of the mean, $y_{rung}$")
            line(entropy, f"mean_entropy_q_{rung}", COLOURS[rung], f"their mean, $y_{rung}$", "--")
            line(separation, f"separation_{rung}", COLOURS[rung], f"$z_{rung}$")
        for axes in panels.ravel():
            axes.grid(axis="y")
            axes.legend(fontsize=8, ncols=2 if axes is entropy else 1)
            if axes is not bound:
                axes.set_ylim(0, max(1.3 * axes.get_ylim()[1], 0.1))  # with room for a legend above the lines
        for axes in panels[1]:
            axes.set_xlabel("epoch")
            axes.xaxis.get_major_locator().set_params(integer=True)
        figure.text(0.06, 0.955, "Learning curves", fontsize=12, weight="bold")
        figure.text(0.06, 0.885, f"Seed {seed}; {WORDS}", color=GREY, linespacing=1.35)
