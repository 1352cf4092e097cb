"""The section under Table 1 that says which differences between its rows are more than chance of training."""

from collections.abc import Mapping, Sequence

from vlac.evaluation.differences import PARTITIONS, differences, least_p
from vlac.reporting.markdown import aligned, number, paragraph

HEADS = ("Row", "minus row", "ACC", "95 % interval", "Welch p", "Holm", "permutation p", "Holm")
ENOUGH = 0.05


def differences_of_rows(scores: Mapping[str, Sequence[float]]) -> list[str]:
    """Return the section as Markdown blocks, or nothing where there are no two rows to compare.

    Args:
        scores: ACC of every seed, by the label of the row, for the rows that were measured here.
    """
    if len(scores) < 2:
        return []
    head = "## Differences of ACC between rows"
    seeds = min(map(len, scores.values()))
    if seeds < 2:
        return [head, paragraph("Not tested: with a single seed there is no spread to hold a difference against.")]
    rows = []
    for pair in differences(scores):
        interval = " to ".join(map(number, pair.interval)) if pair.interval else "no spread"
        ps = (pair.welch, pair.welch_holm, pair.permutation, pair.permutation_holm)
        rows.append([pair.first, pair.second, number(pair.difference), interval, *map(_p, ps)])
    text = (
        "Difference of the means over seeds; Welch's t-test and its interval, and the exact permutation test of the "
        f"same difference, both two-sided (empty for more than {PARTITIONS:,} partitions of the seeds). Holm: p "
        f"adjusted for the number of pairs, here {len(rows)}; the intervals "
        "are not adjusted. Each seed is one training; the test split is the same for all, so the spread is that of "
        "training alone. The paper's own rows are not tested: it does not say how many runs they rest on."
    )
    return [head, paragraph(_caution(seeds)), aligned(HEADS, rows, left=2), paragraph(text)]


def _caution(seeds: int) -> str:
    """Say how many seeds there are, and what so many can show."""
    there = f"There are {seeds} seeds per row."
    if least_p(seeds) > ENOUGH:
        return (
            f"{there} That says little: Welch's test then rests on a normal spread that {2 * seeds} numbers cannot "
            "check, and the permutation test, which assumes none, cannot give a p below "
            f"{least_p(seeds):.3f} even for rows that do not overlap. A large p is no evidence that two rows are equal."
        )
    return f"{there} The permutation test cannot give a p below {least_p(seeds):.2g}."


def _p(value: float | None) -> str:
    if value is None:
        return ""
    return "< 0.001" if value < 0.001 else number(value)
