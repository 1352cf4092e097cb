"""The sections under Table 1 that compare: its rows with each other, and the rungs of each method with the factors."""

from collections.abc import Collection, Mapping, Sequence

import pandas as pd

from vlac.data.split import TARGETS
from vlac.evaluation.differences import PARTITIONS, differences, least_p
from vlac.evaluation.factors import CLASSES, SEEN
from vlac.params.schema import Params
from vlac.reporting.markdown import aligned, number, paragraph

HEADS = ("Row", "minus row", "ACC", "95 % interval", "Welch p", "Holm", "permutation p", "Holm")
ORDER = ("first", "second", "difference", "low", "high", "welch", "welch_holm", "permutation", "permutation_holm")
ENOUGH = 0.05


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
    rows = [
        [
            first,
            second,
            number(difference),
            "no spread" if low != low else f"{number(low)} to {number(high)}",
            *map(_p, ps),
        ]
        for first, second, difference, low, high, *ps in pairs[list(ORDER)].itertuples(index=False)
    ]
    text = ("Tested: the paper's rows of VLAC against each other and all other rows. " if of else "") + (
        "Difference of the means over seeds; Welch's t-test and its interval, and the exact permutation test of the "
        f"same difference, both two-sided (empty for more than {PARTITIONS:,} partitions of the seeds). Holm: p "
        f"adjusted for the number of pairs, here {len(rows)}; the intervals "
        "are not adjusted. Each seed is one training; the test split is the same for all, so the spread is that of "
        "training alone. The paper's own rows are not tested: it does not say how many runs they rest on."
    )
    return [head, paragraph(_caution(seeds)), aligned(HEADS, rows, left=2), paragraph(text)]


def _caution(seeds: int) -> str:
    """Say how many seeds there are, and what so many can show."""
    there, least = f"There are {seeds} seeds per row.", least_p(seeds)
    if least <= ENOUGH:
        return f"{there} The permutation test cannot give a p below {least:.2g}."
    return (
        f"{there} That says little: the permutation test cannot give a p below {least:.3f} even for rows that do not "
        "overlap, and Welch's test rests on a normal spread that so few numbers cannot check. A large p is no evidence "
        "that two rows are equal."
    )


def _p(value: float) -> str:
    return "" if value != value else "< 0.001" if value < 0.001 else number(value)


def rungs_against_factors(params: Params, labels: dict[str, str], factors: dict[str, pd.DataFrame]) -> str:
    """Return the section as Markdown, a table per model, from `labels` and factors.csv by the name of the model."""
    names = sorted({name for table in factors.values() for name in table["factor"]}.difference(SEEN))
    known = (
        "The true factors of every image are known, so the claim that each rung clusters by another aspect can be "
        "measured."
        if len(names) > 1
        else f"The one factor that is known of every image is its {names[0]}."
    )
    text = (
        f"{known} The mean colour's brightness and hue, in {CLASSES} classes of about equal size on training images, "
        f"are read off the pixels. Rows z_l: accuracy of the factor by vote of the {params.evaluation.neighbours} "
        f"nearest training codes (posterior means of z_l, of at most {params.evaluation.fit_limit:,} images); in "
        "brackets its floor, the share of the factor's largest value. Rows y_l: NMI of the rung's own clusters and the "
        "factor, 0 for unrelated. Means over seeds. Bold: the rung whose z_l carries the factor best. Rungs are "
        "counted from the pixels; a method without rungs has rung 1 alone, and no z_l if it has no codes."
    )
    parts = ["## Rungs against factors", paragraph(text)]
    for name, label in labels.items():
        parts += [f"### {label}", _matrix(factors[name])]
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
