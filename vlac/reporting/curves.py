"""Learning curves of a ladder: the terms of the bound, and the signs of collapse, epoch by epoch."""

from pathlib import Path
from typing import Any

from matplotlib.axes import Axes

from vlac.methods.base import Row
from vlac.models.ladder import Ladder
from vlac.reporting.canvas import GREY, canvas

COLOURS = {1: "#d98c21", 2: "#3f8f5f", 3: "#1f6f9f", 4: "#8c4a8f"}
"""One colour per rung, in every panel."""


def draw_curves(rows: list[Row], model: Ladder, seed: int, path: Path) -> None:
    """Write the learning curves as a PNG from the rows of all epochs, as the training returned them."""
    history = {name: [row[name] for row in rows] for name in rows[0]}
    with canvas(path, 9.6, 5.8) as figure:
        panels = figure.subplots(2, 3, sharex=True)
        figure.subplots_adjust(left=0.06, right=0.985, bottom=0.085, top=0.8, wspace=0.22, hspace=0.26)
        bound, kl_z, kl_y, used, entropy, separation = panels.ravel()

        bound.set_title("ELBO and log-likelihood, nats")
        _line(bound, history, "log_likelihood", "#7b8794", r"$\log p(x\,|\,\mathbf{z})$")
        _line(bound, history, "elbo", "black", "ELBO")
        bound.set_ylim(*_span(history, ["elbo", "log_likelihood"]))

        kl_z.set_title(r"KL of $z_\ell$ from its prior, nats")
        for rung in model.rungs:
            _line(kl_z, history, f"kl_z_{rung}", COLOURS[rung], f"$z_{rung}$")
        kl_z.set_ylim(0, _span(history, [f"kl_z_{rung}" for rung in model.rungs])[1])

        kl_y.set_title(r"KL of $y_\ell$ from uniform, nats")
        used.set_title("Clusters in use")
        entropy.set_title(r"Entropies of $q(y_\ell|x)$, nats")
        separation.set_title("Closest two components, in std")
        for rung in model.mixture_rungs:
            _line(kl_y, history, f"kl_y_{rung}", COLOURS[rung], f"$y_{rung}$")
            _line(used, history, f"clusters_in_use_{rung}", COLOURS[rung], f"$y_{rung}$, of {model.K[rung]}")
            _line(entropy, history, f"entropy_mean_q_{rung}", COLOURS[rung], f"of the mean, $y_{rung}$", "-")
            _line(entropy, history, f"mean_entropy_q_{rung}", COLOURS[rung], f"their mean, $y_{rung}$", "--")
            _line(separation, history, f"separation_{rung}", COLOURS[rung], f"$z_{rung}$")

        for axes in panels.ravel():
            axes.grid(axis="y")
            axes.legend(fontsize=8, ncols=2 if axes is entropy else 1, loc="upper right" if axes is entropy else "best")
        for axes in (kl_y, used, entropy, separation):
            # Above the lines there is room for a legend.
            axes.set_ylim(0, max(1.3 * axes.get_ylim()[1], 0.1))
        for axes in panels[1]:
            axes.set_xlabel("epoch")
            axes.xaxis.get_major_locator().set_params(integer=True)
        figure.text(0.06, 0.955, "Learning curves", fontsize=12, weight="bold")
        words = (
            f"Seed {seed}; training images, mean over each epoch. Entropies: that of the mean $q$ (solid) is high when "
            "clusters are\nused evenly, the mean over images (dashed) is low when the model is sure of each image."
        )
        figure.text(0.06, 0.885, words, color=GREY, linespacing=1.35)


def _line(axes: Axes, history: dict[str, list[float]], column: str, colour: str, label: str, dash: str = "-") -> None:
    """Draw a column over epochs; a dot where there is one epoch alone."""
    epochs = history["epoch"]
    style: dict[str, Any] = {"color": colour, "label": label, "linewidth": 1.2, "alpha": 0.85, "markersize": 3}
    axes.plot(epochs, history[column], dash, marker="o" if len(epochs) == 1 else None, **style)


def _span(history: dict[str, list[float]], columns: list[str]) -> tuple[float, float]:
    """Return the range to show: without the first tenth of a long training, which would flatten all that follows."""
    first = history["epoch"][-1] / 10
    later = [v for name in columns for v, epoch in zip(history[name], history["epoch"], strict=True) if epoch > first]
    margin = 0.06 * (max(later) - min(later)) or 1.0
    return min(later) - margin, max(later) + margin
