"""Stage search: gather the trials, apply the rule, report."""

import pandas as pd

from vlac.errors import VlacError
from vlac.evaluation.choice import choose
from vlac.files import read_csv
from vlac.params.search import Search
from vlac.pipeline.seconds import seconds_of
from vlac.reporting.search import write_search_report
from vlac.stages.definitions import Job
from vlac.stages.search import refuse_stale_trials, trials


def search(job: Job, asked: Search) -> None:
    """Refuse stale trials, apply the rule to the others' scores, and report on all of them.

    Raises:
        VlacError: a trial is missing, stale or edited.
    """
    refuse_stale_trials(asked)
    parts = []
    for each in trials(asked):
        path = each.outputs[0]
        part = read_csv(path)
        missing = {"seed", "rung", "main", "failed_in_epoch", "images_seen", asked.rule.measure} - set(part.columns)
        if missing:
            raise VlacError(f"{path} has no column {', '.join(sorted(missing))}.", f"Run `{each.command}` again.")
        part.insert(0, "trial", each.model)
        parts.append(part.assign(seconds=seconds_of(each)))
    scores = pd.concat(parts, ignore_index=True)
    write_search_report(asked, scores, choose(competing_scores(asked, scores), asked.rule.base, asked.rule.lead))


def competing_scores(asked: Search, scores: pd.DataFrame) -> dict[str, list[float]]:
    """Return the rule's measure of every seed, NaN for one that failed, by competing trial in the search's order."""
    counted = scores[(scores["main"] == 1) | (scores["failed_in_epoch"] > 0)]
    return {name: counted.loc[counted["trial"] == name, asked.rule.measure].tolist() for name in asked.competing}
