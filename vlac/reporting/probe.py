"""The probe's report: how much class identity, that of the digit, each rung of a VLAE carries; a table, a chart."""

from pathlib import Path

import pandas as pd

from vlac import __version__
from vlac.datasets import datasets
from vlac.evaluation.probing import MEASURES
from vlac.files import write_text
from vlac.params.schema import Params
from vlac.reporting.canvas import canvas
from vlac.reporting.markdown import aligned, mean_std, named_seeds, paragraph

COLOURS = ("#9aa5b1", "#cbd2d9", "#1f6f9f", "#8fbfdc")


def write_probe_report(params: Params, scores: pd.DataFrame, answer: int, rung: int, folder: Path) -> None:
    """Write probe.md and probe.png.

    `scores` has a row per probe seed and rung: both, the measures, and chance, the share of the hold-out's largest
    class. `answer` is the rung that the probe names, `rung` the one that is used.
    """
    write_text(folder / "probe.md", _report(params, scores, answer, rung))
    _chart(folder / "probe.png", scores, answer, rung)


def _report(params: Params, scores: pd.DataFrame, answer: int, rung: int) -> str:
    rows = []
    for number, of_rung in scores.groupby("rung"):
        cells = [mean_std(of_rung[measure].tolist()) for measure in MEASURES]
        rows.append([f"**{number}**" if number == answer else str(number), *cells])
    protocol = (
        f"Mean ± standard deviation (ddof = 1), {named_seeds(params.probe.seeds)} of the VLAE. Measured on "
        f"{params.data.holdout:,} images of the training split, fitted on at most {params.evaluation.fit_limit:,} of "
        f"the others: {params.evaluation.neighbours} nearest codes, {params.probe.K} components. Chance: "
        f"{scores['chance'].mean():.3f}. How: [docs/reports.md](../../docs/reports.md)."
    )
    parts = [
        "# Probe: which rung carries class identity?",
        f"Data set: **{datasets()[params.data.source].title}** · experiment: **{params.experiment}** · "
        f"vlac **{__version__}**",
        paragraph(
            f"**The probe names rung {answer}.** `digit_rung` is {params.digit_rung}: where a model has rungs, rung "
            f"{rung} gets the largest K."
        ),
        aligned(["Rung", *MEASURES.values()], rows),
        "![Class identity by rung](probe.png)",
        paragraph(protocol),
    ]
    return "\n\n".join(parts) + "\n"


def _chart(path: Path, scores: pd.DataFrame, answer: int, rung: int) -> None:
    by_rung = scores.groupby("rung")[list(MEASURES)]
    means, stds = by_rung.mean(), by_rung.std()  # pandas' std has ddof = 1
    with canvas(path, 7.2, 3.6) as figure:
        axes = figure.add_axes((0.085, 0.17, 0.89, 0.65))
        means.rename(columns=MEASURES).plot.bar(
            yerr=stds.rename(columns=MEASURES), ax=axes, color=list(COLOURS), width=0.8, rot=0, legend=False, xlabel=""
        )
        axes.axhline(scores["chance"].mean(), color="black", linewidth=0.8, linestyle=":", label="chance")
        marks = {
            number: "\nprobe's answer" * (number == answer) + "\nused" * (number == rung) for number in means.index
        }
        axes.set_xticks(range(len(means)), [f"rung {number}{mark}" for number, mark in marks.items()])
        axes.set_ylim(0, 1)
        axes.set_ylabel("accuracy on the hold-out")
        axes.grid(axis="y")
        figure.text(0.085, 0.93, "Class identity in the codes $z_\\ell$ of a VLAE, by rung", fontsize=11, weight="bold")
        figure.legend(ncols=5, loc="lower left", bbox_to_anchor=(0.075, 0.83), fontsize=8, columnspacing=1.2)
