"""The probe's report: how much digit identity each rung of a VLAE carries, in a table and a bar chart."""

from pathlib import Path

import numpy as np
import pandas as pd

from vlac import __version__
from vlac.datasets import datasets
from vlac.evaluation.probing import MEASURES
from vlac.files import write_text
from vlac.params.schema import Params
from vlac.reporting.canvas import canvas
from vlac.reporting.markdown import aligned, bullet, mean_std, named_seeds, paragraph

COLOURS = ("#9aa5b1", "#cbd2d9", "#1f6f9f", "#8fbfdc")


def write_probe_report(params: Params, scores: pd.DataFrame, answer: int, rung: int, folder: Path) -> None:
    """Write probe.md and probe.png.

    `scores` has a row per probe seed and rung: both, the measures, and chance, the share of the hold-out's largest
    class. `answer` is the rung that the probe names, `rung` the one that is used.
    """
    write_text(folder / "probe.md", _report(params, scores, answer, rung))
    _chart(folder / "probe.png", scores, answer, rung)


def _report(params: Params, scores: pd.DataFrame, answer: int, rung: int) -> str:
    seeds = params.probe.seeds
    if params.digit_rung == "auto":
        used = f"`digit_rung` is auto, so rung {rung} gets the largest K."
    elif rung == answer:
        used = f"params.yaml sets `digit_rung` to the same rung, {rung}, and it gets the largest K."
    else:
        used = f"params.yaml sets `digit_rung` to {rung} all the same, and that rung gets the largest K."
    rows = []
    for number, of_rung in scores.groupby("rung"):
        cells = [mean_std(of_rung[measure].tolist()) for measure in MEASURES]
        rows.append([f"**{number}**" if number == answer else str(number), *cells])
    spread = "mean ± sample standard deviation (ddof = 1) over" if len(seeds) > 1 else "from"
    protocol = [
        f"Model: VLAE, the ladder with every K_l = 1, trained on the training split without labels; {spread} "
        f"{named_seeds(seeds)}.",
        f"Hold-out: {params.data.holdout:,} images of the training split, the same for every seed. All is fitted "
        f"on at most {params.evaluation.fit_limit:,} of the other training images and their labels, and scored on the "
        "hold-out. The test split is not touched.",
        "Codes: posterior means of z_l, in their own units.",
        f"kNN: accuracy of the vote of the {params.evaluation.neighbours} nearest codes. Linear: accuracy of "
        "multinomial logistic regression; it may be at chance where kNN is high, as light and dark inks of one digit "
        "need not lie on one side of a plane.",
        f"GMM purity: a Gaussian mixture of {params.probe.K} components with diagonal covariances, fitted without "
        "labels; each component is attributed to its most frequent digit, and the accuracy of that is taken, Eq. (10). "
        f"k-means purity: the same for {params.probe.K} k-means clusters.",
        "The answer is the rung of the highest mean GMM purity, because a mixture is what VLAC puts there.",
        f"Chance: {scores['chance'].mean():.3f}, the share of the hold-out's largest class.",
    ]
    parts = [
        "# Probe: which rung carries digit identity?",
        f"Data set: **{datasets()[params.data.source].title}** · experiment: **{params.experiment}** · "
        f"vlac **{__version__}**",
        paragraph(f"**The probe names rung {answer}.** {used} Rungs are counted from the pixels."),
        aligned(["Rung", *MEASURES.values()], rows),
        "![Digit identity by rung](probe.png)",
        "## Protocol",
        "\n".join(map(bullet, protocol)),
    ]
    return "\n\n".join(parts) + "\n"


def _chart(path: Path, scores: pd.DataFrame, answer: int, rung: int) -> None:
    by_rung = scores.groupby("rung")[list(MEASURES)]
    means, stds = by_rung.mean(), by_rung.std()  # pandas' std has ddof = 1
    places = np.arange(len(means))
    with canvas(path, 7.2, 3.6) as figure:
        axes = figure.add_axes((0.085, 0.17, 0.89, 0.65))
        width = 0.8 / len(MEASURES)
        for index, (measure, label) in enumerate(MEASURES.items()):
            error = stds[measure] if stds[measure].notna().all() else None
            shifted = places + (index - (len(MEASURES) - 1) / 2) * width
            axes.bar(shifted, means[measure], 0.9 * width, yerr=error, label=label, color=COLOURS[index], capsize=2)
        axes.axhline(scores["chance"].mean(), color="black", linewidth=0.8, linestyle=":", label="chance")
        marks = {
            number: "\nprobe's answer" * (number == answer) + "\nused" * (number == rung) for number in means.index
        }
        axes.set_xticks(places, [f"rung {number}{mark}" for number, mark in marks.items()])
        axes.set_ylim(0, 1)
        axes.set_ylabel("accuracy on the hold-out")
        axes.grid(axis="y")
        figure.text(0.085, 0.93, "Digit identity in the codes $z_\\ell$ of a VLAE, by rung", fontsize=11, weight="bold")
        figure.legend(ncols=5, loc="lower left", bbox_to_anchor=(0.075, 0.83), fontsize=8, columnspacing=1.2)
