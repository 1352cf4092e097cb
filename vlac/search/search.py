"""Stage search: gather the trials, apply the rule, report."""

import math
from collections.abc import Mapping, Sequence

import pandas as pd

from vlac.search.jobs import search_jobs
from vlac.search.params import Search
from vlac.search.report import write_search_report
from vlac.tables import read_csv
from vlac.workflow.jobs import Job
from vlac.workflow.manifest import Origin
from vlac.workflow.stale import refuse_stale


def search(job: Job, params: Search, origin: Origin) -> None:
    """Refuse stale trials, apply the rule to the scores of the others, and report on all of them.

    Raises:
        VlacError: a trial is missing, stale or edited.
    """
    trials = [(each, asked) for each, asked in search_jobs() if each.stage.trains]
    refuse_stale(trials, "`snakemake --cores 4 reports/search.md`")
    scores = pd.DataFrame(
        {"trial": each.model} | row for each, _ in trials for row in read_csv(each.output("scores.csv"))
    )
    # One row per trial and seed: its main rung, or its failure.
    main = scores[(scores["main"] == 1) | (scores["failed_in_epoch"] > 0)]
    names = [trial.name for trial in params.trials if trial.model.kind == params.kind]
    competing = {name: main.loc[main["trial"] == name, params.rule.measure].tolist() for name in names}
    chosen, verdict = choose(competing, params.rule.base, params.rule.lead)
    write_search_report(params, scores, main, chosen, verdict, job.output("search.md").parent)


def choose(scores: Mapping[str, Sequence[float]], base: str, lead: float) -> tuple[str | None, str]:
    """Return the chosen trial, None if every competing trial failed, and the choice as a sentence.

    The trial of the highest mean over its seeds replaces the base trial if it is above it, and by at least `lead`; else
    the base stays. A trial of which a seed failed (NaN) has no mean and cannot be chosen; if that is the base, the best
    of the others replaces it. Of equal means the first in order counts. `scores` has every seed's measure by trial.
    """
    # Rounded, so that the order of a sum decides neither a tie nor a lead that is met exactly.
    means = {name: round(math.fsum(values) / len(values), 12) for name, values in scores.items()}
    others = {name: mean for name, mean in means.items() if name != base and not math.isnan(mean)}
    best = max(others, key=lambda name: others[name], default=None)
    stays = f"**The base trial `{base}` stays**"
    if math.isnan(means[base]):
        if best is None:
            return None, "**The rule chose nothing**: every trial that competes has failed."
        return best, f"**The rule chose `{best}`**: the base trial `{base}` has failed; it is the best of the others."
    if best is None:
        return base, f"{stays}: no other trial competes, or all others have failed."
    ahead = round(others[best] - means[base], 12)
    if ahead > 0 and ahead >= lead:
        return best, f"**The rule chose `{best}`**: it leads the base trial `{base}` by {ahead:.3f}."
    short = f"the best of the others, `{best}`, differs from it by {ahead:+.3f}, and {lead:g} was asked for."
    return base, f"{stays}: {short}"
