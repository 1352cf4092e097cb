"""The schema of search.yaml: trials, the rule by which one of them is chosen, the parameters and the jobs of each.

No key has a default, as in params.yaml.
"""

from collections import Counter
from collections.abc import Iterator
from functools import reduce
from operator import or_
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

from pydantic import Field, model_validator

from vlac.errors import VlacError
from vlac.methods import kinds
from vlac.params.load import load_params, read_yaml, validate
from vlac.params.schema import Params, Seeds
from vlac.params.section import Asked, Fraction, Name, Positive, Section
from vlac.workflow.jobs import Job, Stage, made

FILE = Path("search.yaml")

SETTABLE = ("network", "likelihood", "mixture", "objective", "training", "digit_rung")
"""What a trial may change. How it is scored, and on which images, is the same for all."""

Text = Annotated[str, Field(min_length=1)]
if TYPE_CHECKING:
    Model = Any
else:
    Model = Annotated[reduce(or_, (method.Settings for method in kinds().values())), Field(discriminator="kind")]


class Rule(Section):
    """How the search ends: the trial of the highest mean over seeds replaces the base trial if it leads by enough.

    Trials of another kind of model than the base trial are shown and do not compete.
    """

    measure: Literal["y_purity", "y_nmi", "knn", "gmm_purity", "kmeans_purity"]
    base: Name
    lead: Fraction
    text: Text


class Trial(Section):
    """A setting to be tried: what is thought of it beforehand, its model, and the keys of the base that it changes."""

    name: Name
    hypothesis: Text
    prediction: Text
    model: Model
    set: dict[str, Any]

    @model_validator(mode="after")
    def _sets_what_it_may(self) -> "Trial":
        method = kinds()[self.model.kind]
        read = [*method.sections, *(["digit_rung"] if method.needs_rung else [])]
        for key in self.set:
            if key.split(".")[0] not in SETTABLE:
                raise ValueError(f"a trial may not set {key}; it may set keys of {', '.join(SETTABLE)}")
            if not any(key == each or key.startswith(f"{each}.") for each in read):
                raise ValueError(f"a trial of kind {self.model.kind} may not set {key}, which it does not read")
        return self


class Search(Section):
    """All of search.yaml."""

    search: Name
    base: Text
    holdout: Positive
    rule: Rule
    seeds: Seeds
    trials: Annotated[list[Trial], Field(min_length=1)]

    @model_validator(mode="after")
    def _consistent(self) -> "Search":
        names = [trial.name for trial in self.trials]
        if twice := [name for name, count in Counter(names).items() if count > 1]:
            raise ValueError(f"trials holds the name {twice[0]} twice")
        if self.rule.base not in names:
            raise ValueError(f"rule.base is {self.rule.base!r}, but trials holds {', '.join(names)}")
        if not kinds()[self.kind].in_table and self.rule.measure.startswith("y_"):
            raise ValueError(f"rule.measure is {self.rule.measure}, but {self.kind} has no clusters y of its own")
        return self

    @property
    def kind(self) -> str:
        """The kind of the base trial: the rule chooses among the trials of that kind."""
        return next(str(trial.model.kind) for trial in self.trials if trial.name == self.rule.base)

    @property
    def every(self) -> dict[str, list[str]]:
        """What the fields of a path stand for that gathers what others have made."""
        return {"every_trial": [trial.name for trial in self.trials], "every_seed": [str(seed) for seed in self.seeds]}


class TrialParams(Params):
    """The parameters of one trial: those of the base with its changes, its own model alone, and the search's rule.

    The rule is among them so that trials run under another rule are stale: a rule changed after the fact costs the
    search again. `experiment` is that of params.yaml, whose images are used.
    """

    models: dict[Name, Model]
    rule: Rule

    @model_validator(mode="after")
    def _has_a_rung(self) -> "TrialParams":
        for name, settings in self.models.items():
            method = kinds()[settings.kind]
            if method.needs_rung and self.digit_rung == "auto" and not method.rung_of(settings):
                raise ValueError(f"models.{name} needs a rung: set digit_rung to a number, for no probe is asked here")
        return self

    @model_validator(mode="after")
    def _learns_every_rung(self) -> "TrialParams":
        return self  # short trials are of the main rung, and the report shows each rung by itself

    @property
    def every(self) -> dict[str, list[str]]:
        """What `{data}` stands for in a path."""
        return {"data": [self.experiment]}


def load_search() -> tuple[Search, dict[str, TrialParams]]:
    """Return the validated search, and each trial's parameters by its name.

    Raises VlacError as `load_params`, for any of the files, or if the base is for other data than params.yaml.
    """
    content, lines = read_yaml(FILE)
    search = validate(Search, content, FILE, lines)
    base, here = load_params(Path(search.base)), load_params()
    # Where the raw files lie does not matter, so that params.yaml may name a folder of its own.
    for key in ("source", "train_split", *(["digits"] if base.data.source == "digits" else [])):
        if getattr(here.data, key) != getattr(base.data, key):
            raise VlacError(
                f"{FILE} rests on {search.base}, but data.{key} differs between that and params.yaml, from which the "
                "images are made.",
                f"`cp {search.base} params.yaml`, or give {FILE} another base.",
            )
    base = base.model_copy(update={"experiment": here.experiment})
    return search, {
        trial.name: validate(TrialParams, _values(search, trial, base), f"{FILE}, trial {trial.name}")
        for trial in search.trials
    }


def _values(search: Search, trial: Trial, base: Params) -> dict[str, Any]:
    """Return the base's values with the trial's own in their places."""
    values: dict[str, Any] = base.model_dump(mode="json")
    values["data"]["holdout"], values["rule"] = search.holdout, search.rule.model_dump(mode="json")
    values["models"], values["seeds"] = {trial.name: trial.model.model_dump(mode="json")}, search.seeds
    for key, value in trial.set.items():
        *above, last = key.split(".")
        section = values
        for part in above:
            if not isinstance(section.get(part), dict):
                section[part] = {}  # no such section: the schema says so
            section = section[part]
        section[last] = value
    return values


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
