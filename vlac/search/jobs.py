"""The two stages of a hyper-parameter search, and the jobs that search.yaml asks for."""

from collections.abc import Iterator

from vlac.params.view import Asked
from vlac.search.params import Search, load_search
from vlac.workflow.jobs import Job, Stage, made

TRIAL = Stage(
    name="trial",
    inputs=("data/{data}/train.npz",),
    outputs=("scores.csv", "history.csv"),
    params=(
        *("data.holdout", "digit_rung", "probe.K", "evaluation"),
        # Not its text, nor the other trials: the words may be corrected.
        *("rule.measure", "rule.base", "rule.lead"),
    ),
    over="trials",
    trains=True,
    module="vlac.search.trial",
)

SEARCH = Stage(
    name="search",
    inputs=(made("trial/{every_trial}/{every_seed}"),),
    outputs=("reports/search.md", "reports/search.csv"),
    params=tuple(Search.model_fields),
    module="vlac.search.search",
)


def search_jobs() -> Iterator[tuple[Job, Asked]]:
    """Yield the job of every trial and seed with its parameters, then the job that gathers them with the search."""
    search, params = load_search()
    experiment = f"search/{search.search}"
    for trial in search.trials:
        for seed in search.seeds:
            yield Job(TRIAL, experiment, trial.name, seed), params[trial.name]
    yield Job(SEARCH, experiment), search
