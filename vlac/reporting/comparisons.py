"""The sections under Table 1 that compare: its rows with each other, and the rungs of each method with the factors."""

from collections.abc import Collection, Mapping, Sequence

import pandas as pd

from vlac.data.split import TARGETS
from vlac.evaluation.differences import differences, least_p
from vlac.params.schema import Params
from vlac.reporting.markdown import aligned, number, paragraph

HEADS = ("Row", "minus row", "ACC", "95 % interval", "Welch p", "Holm", "permutation p", "Holm")
ORDER = ("first", "second", "difference", "low", "high", "welch", "welch_holm", "permutation", "permutation_holm")


def differences_of_rows(scores: Mapping[str, Sequence[float]], of: Collection[str]) -> list[str]:
    """Return the section as Markdown blocks from the ACC of every seed of the measured rows, by their label.

    Every pair has one of the rows `of`; if there are none, all pairs are tested.
    """
    if len(scores) < 2:
        return []
    head = "## Differences of ACC between rows"
    seeds = min(map(len, scores.values()))
    if seeds < 2:
        return [head, paragraph("Not tested: with a single seed there is no spread to hold a difference against.")]
    pairs = differences(scores, of)
    rows = []
    for first, second, difference, low, high, *ps in pairs[list(ORDER)].itertuples(index=False):
        interval = "no spread" if low != low else f"{number(low)} to {number(high)}"
        rows.append([first, second, number(difference), interval, *map(_p, ps)])
    tested = pairs["permutation"].notna().any()
    limit = f"for which the permutation test cannot give a p below {least_p(seeds):.2g}"
    text = (
        f"Over {seeds} seeds per row, {limit if tested else 'too many for the permutation test'}. Holm: "
        f"p adjusted for {len(rows)} pair(s). Which tests these are: [docs/reports.md](../docs/reports.md)."
    )
    return [head, paragraph(text), aligned(HEADS, rows, left=2)]


def _p(value: float) -> str:
    return "" if value != value else "< 0.001" if value < 0.001 else number(value)


def rungs_against_factors(params: Params, factors: Mapping[str, pd.DataFrame]) -> str:
    """Return the section as Markdown, a table per model, from factors.csv by the label of the model's row."""
    text = (
        f"z_l: accuracy of the factor by vote of the {params.evaluation.neighbours} nearest training codes (of at most "
        f"{params.evaluation.fit_limit:,} images), its floor in brackets. y_l: NMI of clusters and factor. Means over "
        "seeds; bold: the rung that carries the factor best ([docs/reports.md](../docs/reports.md))."
    )
    parts = ["## Rungs against factors", paragraph(text)]
    for label, of in factors.items():
        parts += [f"### {label}", _matrix(of)]
    return "\n\n".join(parts)


def _matrix(factors: pd.DataFrame) -> str:
    names = sorted(factors["factor"].unique(), key=lambda name: (name not in TARGETS, name))
    # Rounded as printed: of two rungs that look equal both are marked as best, or neither.
    means = factors.pivot_table("value", ["measure", "rung"], "factor")[names].round(3)
    of = {str(measure): table.droplevel("measure") for measure, table in means.groupby("measure")}
    heads = [name.replace("_", " ") for name in names]
    if "chance" in of:
        heads = [f"{head} ({number(floor)})" for head, floor in zip(heads, of["chance"].iloc[0], strict=True)]
    rows = []
    for measure, label in (("knn", "z_{}, kNN accuracy"), ("nmi", "y_{}, NMI")):
        table = of.get(measure, means[:0])
        best = table.eq(table.max()) & (measure == "knn") & (len(table) > 1)
        for rung in table.index:
            cells = zip(table.loc[rung], best.loc[rung], strict=True)
            rows.append([label.format(rung), *(f"**{number(v)}**" if bold else number(v) for v, bold in cells)])
    return aligned(["", *heads], rows)
