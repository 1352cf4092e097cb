"""The stages of a hyper-parameter search: a small pipeline beside that of Table 1, under the same rules.

What they ask for stands in search.yaml. The training split comes from params.yaml, as for everything else.
"""

from collections.abc import Iterator

from vlac.errors import VlacError
from vlac.params.search import Search
from vlac.stages.asked import asked_of
from vlac.stages.definitions import CODES, LEARNING, TABLES, Job, Stage
from vlac.stages.stale import mending, told, why_made_otherwise, why_stale

FILE = "search.yaml"

SEARCH_STAGES: dict[str, Stage] = {
    stage.name: stage
    for stage in (
        Stage(
            name="trial",
            command="python -m vlac trial {model} --seed {seeds}",
            inputs=("data/train.npz",),
            outputs=tuple(
                f"results/search/{{model}}/{{seeds}}/{name}" for name in ("scores.csv", "history.csv", "manifest.json")
            ),
            params=(
                *("data.holdout", "network", "likelihood", "objective", "training", "digit_rung", "models.{model}"),
                *("probe.K", "evaluation", "rule.measure", "rule.base", "rule.lead"),
            ),
            code=(
                *CODES,
                *("vlac/evaluation/metrics.py", "vlac/evaluation/probing.py"),
                *("vlac/pipeline/seconds.py", "vlac/pipeline/train.py", "vlac/pipeline/trial.py", "vlac/training"),
            ),
            packages=(*TABLES, *LEARNING, "scipy", "torch"),
            over="trials",
            file=FILE,
        ),
        Stage(
            name="search",
            command="python -m vlac search",
            inputs=(
                "results/search/{every_trial}/{every_seeds}/scores.csv",
                "results/search/{every_trial}/{every_seeds}/manifest.json",
            ),
            outputs=("reports/search.md", "reports/search.csv", "results/search/manifest.json"),
            params=tuple(Search.model_fields),
            code=(
                *("vlac/__init__.py", "vlac/evaluation/choice.py"),
                *("vlac/pipeline/search.py", "vlac/pipeline/seconds.py"),
                *("vlac/reporting/markdown.py", "vlac/reporting/search.py"),
            ),
            packages=TABLES,
            file=FILE,
        ),
    )
}


def search_jobs(search: Search) -> Iterator[Job]:
    """Yield every job of the search, in an order in which they can run."""
    yield from trials(search)
    yield Job(SEARCH_STAGES["search"])


def trials(search: Search) -> Iterator[Job]:
    """Yield a job for every trial and seed."""
    for trial in search.trials:
        for seed in search.seeds:
            yield Job(SEARCH_STAGES["trial"], model=trial.name, seeds=str(seed))


def refuse_stale_trials(search: Search) -> None:
    """Return quietly if the results of every trial match today's search.yaml, code and data.

    Raises:
        VlacError: some do not; the sentence names them, why, and the command that mends it.
    """
    problems = [(job, why) for job in trials(search) if (why := why_stale(job, asked_of(job)))]
    if problems:
        unseen = [job for job, _ in problems if not why_made_otherwise(job, asked_of(job))]
        raise VlacError(
            f"The results do not match {FILE}, the data and the code ({told(problems)}).",
            f"Make them and the report again with `{mending('reports/search.md', unseen)}`.",
        )
