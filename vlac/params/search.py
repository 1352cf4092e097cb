"""The schema of search.yaml: the trials of a hyper-parameter search, and the rule by which one of them is chosen.

No key has a default, as in params.yaml.
"""

from collections import Counter
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, Field, model_validator

from vlac.params.schema import GmDgm, Name, Params, Positive, Section, Vlac, VlacPlus

SETTABLE = ("network", "likelihood", "objective", "training", "digit_rung")
"""What a trial may change. How it is scored, and on which images, is the same for all."""


class Vlae(Section):
    """The ladder without a mixture; it has no clusters of its own, so only its codes are scored."""

    kind: Literal["vlae"]


Model = Annotated[Vlac | VlacPlus | GmDgm | Vlae, Field(discriminator="kind")]


class Rule(Section):
    """How the search ends: the trial of the highest mean over seeds replaces the base trial if it leads by enough.

    Trials of another kind of model than the base trial are shown and do not compete.
    """

    measure: Literal["y_purity", "y_nmi", "knn", "gmm_purity", "kmeans_purity"]
    base: Name
    lead: Annotated[float, Field(ge=0, le=1)]
    text: Annotated[str, Field(min_length=1)]


class Trial(Section):
    """A setting to be tried: what is thought of it beforehand, its model, and the keys of the base that it changes."""

    name: Name
    hypothesis: Annotated[str, Field(min_length=1)]
    prediction: Annotated[str, Field(min_length=1)]
    model: Model
    set: dict[str, Any]

    @model_validator(mode="after")
    def _sets_what_it_may(self) -> "Trial":
        for key in self.set:
            if key.split(".")[0] not in SETTABLE:
                raise ValueError(f"a trial may not set {key}; it may set keys of {', '.join(SETTABLE)}")
        return self


def _distinct(seeds: list[int]) -> list[int]:
    twice = sorted(seed for seed, count in Counter(seeds).items() if count > 1)
    if twice:
        raise ValueError(f"seed {twice[0]} is listed twice")
    return seeds


class Search(Section):
    """All of search.yaml."""

    search: Name
    base: Annotated[str, Field(min_length=1)]
    holdout: Positive
    rule: Rule
    seeds: Annotated[list[Annotated[int, Field(ge=0, le=999_999_999)]], Field(min_length=1), AfterValidator(_distinct)]
    trials: Annotated[list[Trial], Field(min_length=1)]

    @model_validator(mode="after")
    def _consistent(self) -> "Search":
        names = [trial.name for trial in self.trials]
        twice = [name for name, count in Counter(names).items() if count > 1]
        if twice:
            raise ValueError(f"trials holds the name {twice[0]} twice")
        if self.rule.base not in names:
            raise ValueError(f"rule.base is {self.rule.base!r}, but trials holds {', '.join(names)}")
        if self.trial(self.rule.base).model.kind == "vlae" and self.rule.measure.startswith("y_"):
            raise ValueError(
                f"rule.measure is {self.rule.measure}, but the base trial is a VLAE, which has no clusters of its own"
            )
        return self

    def trial(self, name: str) -> Trial:
        """Return the trial of that name."""
        return next(trial for trial in self.trials if trial.name == name)

    @property
    def competing(self) -> list[str]:
        """Names of the trials among which the rule chooses: those of the base trial's kind, in the file's order."""
        kind = self.trial(self.rule.base).model.kind
        return [trial.name for trial in self.trials if trial.model.kind == kind]

    @property
    def every(self) -> dict[str, list[str]]:
        """What the fields of a path stand for that gathers what others have made."""
        return {"every_trial": [trial.name for trial in self.trials], "every_seeds": [str(seed) for seed in self.seeds]}


class TrialParams(Params):
    """The parameters of one trial: those of the base with its changes, its own model alone, and the search's rule.

    The rule is among them so that trials made under another rule are stale: a rule changed after the fact costs the
    search again.
    """

    models: dict[Name, Model]  # type: ignore[assignment]
    rule: Rule

    @model_validator(mode="after")
    def _settled(self) -> "TrialParams":
        for name, model in self.models.items():
            if isinstance(model, GmDgm) and self.digit_rung == "auto":
                raise ValueError(f"models.{name} needs a rung: set digit_rung to a number, for no probe is asked here")
        return self
