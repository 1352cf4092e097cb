"""The rule that ends a search, applied: which trial is chosen, and why."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass


@dataclass(frozen=True)
class Choice:
    """What the rule chose.

    Attributes:
        trial: the chosen trial; None if every competing trial failed.
        best: the competing trial of the highest mean other than the base; None if there is none that did not fail.
        lead: by how much `best` leads the base trial (negative if it does not); None if either has no mean.
    """

    trial: str | None
    best: str | None
    lead: float | None


def choose(scores: Mapping[str, Sequence[float]], base: str, lead: float) -> Choice:
    """Choose among the competing trials by the mean over their seeds.

    The trial of the highest mean replaces the base trial if it is above it, and by at least `lead`; else the base
    stays. A trial of which a seed failed (NaN) has no mean and cannot be chosen; if that is the base, the best of the
    others replaces it. Of equal means the first in order counts.

    Args:
        scores: the measure of every seed, by the name of the trial, in the order of the search.
        base: the name of the base trial, a key of `scores`.
        lead: the least lead that replaces the base.
    """
    # Rounded, so that the order of a sum decides neither a tie nor a lead that is met exactly.
    means = {name: round(math.fsum(values) / len(values), 12) for name, values in scores.items()}
    others = {name: mean for name, mean in means.items() if name != base and not math.isnan(mean)}
    best = max(others, key=lambda name: others[name]) if others else None
    if math.isnan(means[base]):
        return Choice(best, best, None)
    if best is None:
        return Choice(base, None, None)
    ahead = round(others[best] - means[base], 12)
    return Choice(best if ahead > 0 and ahead >= lead else base, best, ahead)
