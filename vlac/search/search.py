"""Stage search: gather the trials, apply the rule, and report: every trial, what was expected, what came out."""

import json
import math
from collections.abc import Mapping, Sequence

import pandas as pd

from vlac import __version__
from vlac.evaluation.probing import MEASURES, OF_CLUSTERS
from vlac.files import write_text
from vlac.reporting.markdown import COLUMNS, aligned, bullet, mean_std, named_seeds, number, paragraph
from vlac.search.params import Search, Trial, search_jobs
from vlac.tables import read_csv, write_csv
from vlac.workflow.jobs import Job
from vlac.workflow.manifest import Origin
from vlac.workflow.stale import refuse_stale

SHOWN = OF_CLUSTERS | MEASURES


def search(job: Job, params: Search, origin: Origin) -> None:
    """Refuse stale trials, apply the rule to the scores of the others, and report on all of them."""
    trials = [(each, asked) for each, asked in search_jobs() if each.stage.trains]
    refuse_stale(trials, "`snakemake --cores 4 reports/search.md`")
    scores = pd.concat([read_csv(each.output("scores.csv")).assign(trial=each.model) for each, _ in trials])
    # One row per trial and seed: its main rung, or its failure.
    main = scores[(scores["main"] == 1) | (scores["failed_in_epoch"] > 0)]
    names = [trial.name for trial in params.trials if trial.model.kind == params.kind]
    competing = {name: main.loc[main["trial"] == name, params.rule.measure].tolist() for name in names}
    chosen, verdict = choose(competing, params.rule.base, params.rule.lead)
    write_text(job.output("search.md"), _report(params, scores, main, chosen, verdict))
    shown = main[["trial", "seed", "rung", "failed_in_epoch", "images_seen", *SHOWN]]
    write_csv(job.output("search.csv"), shown.assign(chosen=shown["trial"] == chosen))


def choose(scores: Mapping[str, Sequence[float]], base: str, lead: float) -> tuple[str | None, str]:
    """Return the chosen trial, None if every competing trial failed or lacks the measure, and the choice as a sentence.

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
            return None, "**The rule chose nothing**: every trial that competes has failed or has no such measure."
        return best, f"**The rule chose `{best}`**: the base trial `{base}` has failed; it is the best of the others."
    if best is None:
        return base, f"{stays}: no other trial competes, or all others have failed."
    ahead = round(others[best] - means[base], 12)
    if ahead > 0 and ahead >= lead:
        return best, f"**The rule chose `{best}`**: it leads the base trial `{base}` by {ahead:.3f}."
    short = f"the best of the others, `{best}`, differs from it by {ahead:+.3f}, and {lead:g} was asked for."
    return base, f"{stays}: {short}"


def _report(search: Search, scores: pd.DataFrame, main: pd.DataFrame, chosen: str | None, verdict: str) -> str:
    """Return search.md.

    `scores` has a row per trial, seed and rung, of a seed that failed a single one (vlac/search/trial.py); `main` has
    those that count, one per trial and seed; `chosen` and `verdict` are the rule's.
    """
    seeds = named_seeds(search.seeds)
    spread = f"Mean ± standard deviation (ddof = 1), {seeds}, on the hold-out; bold: the rule's choice."
    parts = [
        f"# Hyper-parameter search: {search.search}",
        f"Base: **{search.base}** · hold-out: **{search.holdout:,}** labelled images of the training split, not "
        f"trained on · vlac **{__version__}**",
        paragraph(verdict),
        "## The rule",
        paragraph(search.rule.text),
        "## Trials",
        _table(main, ["trial"], chosen),
        paragraph(f"{spread} Chance: {number(main['chance'].mean())}. {COLUMNS}"),
        "## Every rung",
        _table(scores[scores["failed_in_epoch"] == 0], ["trial", "rung"], chosen),
        "## What was expected",
        *(_expected(trial, search.rule.measure, main[main["trial"] == trial.name]) for trial in search.trials),
    ]
    return "\n\n".join(parts) + "\n"


def _table(scores: pd.DataFrame, by: list[str], chosen: str | None) -> str:
    """Return a row of means over seeds for each value of the columns `by`, the first of which names the trial."""
    rows = []
    for (trial, *rung), of in scores.groupby(by, sort=False):
        name = f"**{trial}**" if trial == chosen else trial
        rows.append([name, *(f"{each:.0f}" for each in rung), *(_cell(of, measure) for measure in SHOWN)])
    return aligned([*map(str.capitalize, by), *SHOWN.values()], rows, left=len(by))


def _cell(rows: pd.DataFrame, measure: str) -> str:
    """Return mean and spread over seeds, "failed" if a seed failed, or nothing where the model has no such measure."""
    if failed := int((rows["failed_in_epoch"] > 0).sum()):
        return f"failed ({failed} of {len(rows)})"
    values = rows[measure].tolist()
    return "" if pd.isna(values).any() else mean_std(values, 1 if measure == "clusters_in_use" else 3)


def _expected(trial: Trial, measure: str, rows: pd.DataFrame) -> str:
    values = {"model": trial.model.model_dump(mode="json"), **trial.set}
    lines = [
        f"Sets: {', '.join(f'`{key}` = {json.dumps(value)}' for key, value in values.items())}.",
        f"Hypothesis: {trial.hypothesis}",
        f"Prediction: {trial.prediction}",
        f"Measured: {SHOWN[measure]} {_cell(rows, measure) or 'is no measure of this model'}.",
    ]
    return f"### {trial.name}\n\n" + "\n".join(map(bullet, lines))
