"""The schema of params.yaml. No key has a default: the file says everything that a result depends on.

Rungs are counted 1..L from the pixels; lists with one entry per rung start with rung 1.
"""

from collections import Counter
from collections.abc import Iterable
from functools import reduce
from operator import or_
from typing import TYPE_CHECKING, Annotated, Literal

from pydantic import AfterValidator, Field, model_validator

from vlac.datasets import datasets
from vlac.methods import kinds
from vlac.methods.base import Settings
from vlac.params.section import LARGEST, Fraction, L, Name, PerRung, Positive, Section

MOST_SEEDS = 1000
"""Most seeds of a list."""

MOST_IMAGES = 1_000_000
"""Most images of a split of the embedded digits: what a MATLAB 5 file has room for, rounded down."""


def distinct(seeds: list[int]) -> list[int]:
    """Return `seeds`, of which none may be listed twice."""
    if twice := [seed for seed, count in Counter(seeds).items() if count > 1]:
        raise ValueError(f"seed {twice[0]} is listed twice")
    return seeds


Seed = Annotated[int, Field(ge=0, le=999_999_999)]  # torch takes such seeds
Seeds = Annotated[list[Seed], Field(min_length=1, max_length=MOST_SEEDS), AfterValidator(distinct)]

if TYPE_CHECKING:
    Model = Settings
else:
    Model = Annotated[
        reduce(or_, (method.Settings for method in kinds().values() if method.in_table)), Field(discriminator="kind")
    ]
"""The settings of one model: those of the method that its `kind` names."""


class Digits(Section):
    """The embedded street-view-like digits."""

    train: Annotated[int, Field(ge=200, le=MOST_IMAGES)]
    test: Annotated[int, Field(ge=100, le=MOST_IMAGES)]
    seed: Annotated[int, Field(ge=0, le=LARGEST)]


class Data(Section):
    """What is clustered, and where it comes from."""

    source: str
    path: str | None
    train_split: Literal["train", "extra", "train+extra"]
    holdout: Positive
    digits: Digits

    @model_validator(mode="after")
    def _consistent(self) -> "Data":
        if self.source not in datasets():
            raise ValueError(f"source is {self.source!r}; allowed here: {', '.join(datasets())}")
        datasets()[self.source].check(self)
        return self


class Network(Section):
    """Form and widths of the ladder's networks, sizes of its latent variables, and whose y the rung above sees."""

    form: Literal["strided", "vlae"]
    channels: Annotated[list[Positive], Field(min_length=3, max_length=3)]
    hidden: Positive
    z: PerRung
    y_above: list[Annotated[int, Field(ge=1, lt=L)]]


class Likelihood(Section):
    """p(x given z): independent per pixel and channel, of fixed scale (standard deviation or Laplace scale)."""

    form: Literal["gaussian", "laplace"]
    scale: Annotated[float, Field(gt=0)]


class Mixture(Section):
    """How q(y_l given x) is found, and the components p(z_l given y_l)."""

    q_y: Literal["responsibilities", "distilled", "head"]
    covariance: Literal["full", "diagonal"]
    start: Annotated[list[Literal["directions", "kmeans", "random"]], Field(min_length=L, max_length=L)]


class Objective(Section):
    """How Eq. (9) is estimated and annealed, and when each rung enters."""

    kl_z: Literal["sampled", "enumerated"]
    kl_z_weight: Annotated[list[Annotated[float, Field(ge=0)]], Field(min_length=L, max_length=L)]
    kl_y_weight: Annotated[float, Field(ge=0)]
    enter: Annotated[list[Annotated[int, Field(ge=0, le=LARGEST)]], Field(min_length=L, max_length=L)]
    fade: Positive
    temperature_start: Annotated[float, Field(gt=0)]
    temperature_end: Annotated[float, Field(gt=0)]
    temperature_until: Fraction

    def entries(self, rungs: Iterable[int]) -> dict[int, int]:
        """Return the epoch after which each of a ladder's rungs enters, counted from the first of them that does."""
        epochs = {rung: self.enter[rung - 1] for rung in rungs}
        return {rung: epoch - min(epochs.values()) for rung, epoch in epochs.items()}


class Training(Section):
    """The optimiser's schedule and the machine's settings."""

    epochs: Positive
    batch: Annotated[int, Field(ge=2, le=LARGEST)]
    lr: Annotated[float, Field(gt=0)]
    lr_prior: Annotated[float, Field(gt=0)]
    precision: Literal["auto", "float32", "bfloat16"]
    device: Literal["auto", "cpu", "cuda"]
    threads: Positive


class Probe(Section):
    """Which rung of a VLAE carries digit identity: seeds of the VLAE, and how the rungs are measured."""

    seeds: Seeds
    K: Annotated[int, Field(ge=2, le=LARGEST)]


class Evaluation(Section):
    """Settings that the probe and the evaluation share."""

    neighbours: Positive
    fit_limit: Positive


class Params(Section):
    """All of params.yaml."""

    experiment: Name
    data: Data
    network: Network
    likelihood: Likelihood
    mixture: Mixture
    objective: Objective
    training: Training
    digit_rung: Annotated[int, Field(ge=1, le=L)] | Literal["auto"]
    probe: Probe
    models: Annotated[dict[Name, Model], Field(min_length=1)]
    seeds: Seeds
    evaluation: Evaluation

    @model_validator(mode="after")
    def _consistent(self) -> "Params":
        if "vlae" in self.models:
            raise ValueError("models may not hold the name vlae: the probe trains it")
        for name, settings in self.models.items():
            rung = kinds()[settings.kind].rung_of(settings)
            if rung and self.digit_rung not in ("auto", rung):
                raise ValueError(
                    f"models.{name}.K has its largest entry on rung {rung}, but digit_rung is {self.digit_rung}: move "
                    "the entry, or set digit_rung: auto"
                )
        return self

    @property
    def every(self) -> dict[str, list[str]]:
        """What the fields of a path stand for that gathers what others have made, and `{rung}`."""
        return {
            "rung": [str(self.digit_rung)],
            "every_model": list(self.models),
            "every_seed": [str(seed) for seed in self.seeds],
            "every_probe_seed": [str(seed) for seed in self.probe.seeds],
        }
