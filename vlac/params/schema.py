"""The schema of params.yaml. No key has a default: the file says everything that a result depends on.

Rungs are counted 1..L from the pixels; lists with one entry per rung start with rung 1.
"""

import re
from collections import Counter
from typing import Annotated, Literal

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, model_validator

MOST_SEEDS = 1000
"""Most seeds of one group."""

MOST_TRAININGS = 10_000
"""Most trainings of one file: models times groups of seeds."""

MOST_IMAGES = 1_000_000
"""Most images of a split of the embedded digits: what a MATLAB 5 file has room for, rounded down."""

LARGEST = 10**9
"""Largest number of anything else."""

L = 4
"""Number of rungs of the ladder: four, as in the paper."""

Positive = Annotated[int, Field(gt=0, le=LARGEST)]
Fraction = Annotated[float, Field(ge=0, le=1)]
PerRung = Annotated[list[Positive], Field(min_length=L, max_length=L)]
Name = Annotated[str, Field(pattern=r"^[A-Za-z][A-Za-z0-9_]*$", max_length=64)]


class Section(BaseModel):
    """A mapping that takes exactly the declared keys, in their declared types."""

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True, allow_inf_nan=False)

    def __getattr__(self, name: str) -> object:
        # Only a partial view (vlac.stages.view) lacks a declared field: a stage reads what it did not declare.
        if name in type(self).model_fields:
            raise AttributeError(f"this stage reads the parameter {name!r} of {type(self).__name__}, undeclared by it")
        return super().__getattr__(name)  # type: ignore[misc]


def seeds_of(group: str | int) -> list[int]:
    """Return the seeds of one group: "3" is seed 3 alone, "0-4" are seeds 0 to 4 trained by one process."""
    first, _, last = str(group).partition("-")
    return list(range(int(first), int(last or first) + 1))


def _well_formed_group(group: str | int) -> str | int:
    # Nine digits at most: torch takes such seeds, and a range is listed without filling the memory.
    if not re.fullmatch(r"[0-9]{1,9}(-[0-9]{1,9})?", str(group)):
        raise ValueError(f"{group!r} is no seed and no range of seeds such as 0-4")
    first, _, last = str(group).partition("-")
    if last and not 0 <= int(last) - int(first) < MOST_SEEDS:
        raise ValueError(f"{group!r} is no range of 1 to {MOST_SEEDS} seeds")
    return group


def _distinct(groups: list[str | int]) -> list[str | int]:
    seeds = [seed for group in groups for seed in seeds_of(group)]
    twice = sorted(seed for seed, count in Counter(seeds).items() if count > 1)
    if twice:
        raise ValueError(f"seed {twice[0]} is listed twice")
    return groups


Groups = Annotated[
    list[Annotated[str | int, AfterValidator(_well_formed_group)]],
    Field(min_length=1, max_length=MOST_SEEDS),
    AfterValidator(_distinct),
]


class Digits(Section):
    """The embedded street-view-like digits."""

    train: Annotated[int, Field(ge=200, le=MOST_IMAGES)]
    test: Annotated[int, Field(ge=100, le=MOST_IMAGES)]
    seed: Annotated[int, Field(ge=0, le=LARGEST)]


class Data(Section):
    """What is clustered, and where it comes from."""

    source: Literal["digits", "svhn"]
    path: str | None
    train_split: Literal["train", "extra", "train+extra"]
    holdout: Positive
    digits: Digits

    @model_validator(mode="after")
    def _consistent(self) -> "Data":
        if self.source == "digits" and self.train_split != "train":
            raise ValueError("train_split must be train: the embedded digits have no other")
        if self.source == "digits" and self.holdout >= self.digits.train:
            raise ValueError("holdout must be smaller than digits.train")
        return self


class Network(Section):
    """Widths of the ladder's networks and sizes of its latent variables."""

    channels: Annotated[list[Positive], Field(min_length=3, max_length=3)]
    hidden: Positive
    z: PerRung


class Likelihood(Section):
    """p(x given z): independent per pixel and channel, of fixed scale (standard deviation or Laplace scale)."""

    form: Literal["gaussian", "laplace"]
    scale: Annotated[float, Field(gt=0)]


class Objective(Section):
    """How Eq. (9) is estimated and annealed; fractions are shares of all updates."""

    kl_z: Literal["sampled", "enumerated"]
    kl_z_weight: Annotated[list[Annotated[float, Field(ge=0)]], Field(min_length=L, max_length=L)]
    kl_y_weight: Annotated[float, Field(ge=0)]
    kl_z_warmup: Fraction
    kl_y_warmup: Fraction
    temperature_start: Annotated[float, Field(gt=0)]
    temperature_end: Annotated[float, Field(gt=0)]
    temperature_until: Fraction


class Training(Section):
    """The optimiser's schedule and the machine's settings."""

    epochs: Positive
    batch: Annotated[int, Field(ge=2, le=LARGEST)]
    lr: Annotated[float, Field(gt=0)]
    lr_prior: Annotated[float, Field(gt=0)]
    precision: Literal["auto", "float32", "bfloat16"]
    device: Literal["auto", "cpu", "cuda"]
    threads: Positive
    at_once: Positive


class Vlac(Section):
    """A ladder with K_l clusters on rung l; 1 = no mixture."""

    kind: Literal["vlac"]
    K: PerRung

    @model_validator(mode="after")
    def _has_mixture(self) -> "Vlac":
        if max(self.K) == 1:
            raise ValueError("K needs one entry above 1: with none the model is the VLAE, which the probe trains")
        if self.K.count(max(self.K)) > 1:
            raise ValueError("the largest entry of K must be unique: it marks the rung that is scored")
        return self

    @property
    def main_rung(self) -> int:
        """The rung of the largest mixture, whose clusters are scored."""
        return self.K.index(max(self.K)) + 1


class Pretext(Section):
    """What VLAC+ learns before the ladder: a network that tells how a digit is turned, and clusters of neighbours."""

    channels: Annotated[list[Positive], Field(min_length=3, max_length=3)]
    hidden: Positive
    epochs: Positive
    batch: Annotated[int, Field(ge=8, le=LARGEST)]
    lr: Annotated[float, Field(gt=0)]
    shift: Annotated[float, Field(ge=0, le=8)]
    polarity: bool
    size: Positive
    neighbours: Positive
    cluster_epochs: Positive
    weight: Annotated[float, Field(ge=0)]

    @model_validator(mode="after")
    def _consistent(self) -> "Pretext":
        if self.size > 8 * self.hidden:
            raise ValueError("size is the number of principal components: at most 8 times hidden")
        return self


class VlacPlus(Vlac):
    """VLAC whose largest mixture sees pretext features and is taught that neighbours among them share a cluster."""

    kind: Literal["vlac_plus"]  # type: ignore[assignment]
    pretext: Pretext


class GmDgm(Section):
    """The equivalent one-rung model: K clusters, z of the given size, the sub-networks of the digit rung."""

    kind: Literal["gmdgm"]
    K: Annotated[int, Field(ge=2, le=LARGEST)]
    z: Positive


class Probe(Section):
    """Which rung of a VLAE carries digit identity: seeds of the VLAE, and how the rungs are measured."""

    seeds: Groups
    K: Annotated[int, Field(ge=2, le=LARGEST)]


class Evaluation(Section):
    """Settings that the probe and the evaluation share."""

    neighbours: Positive
    fit_limit: Positive


class Params(Section):
    """All of params.yaml."""

    preset: Name
    data: Data
    network: Network
    likelihood: Likelihood
    objective: Objective
    training: Training
    digit_rung: Annotated[int, Field(ge=1, le=L)] | Literal["auto"]
    probe: Probe
    models: Annotated[dict[Name, Annotated[Vlac | VlacPlus | GmDgm, Field(discriminator="kind")]], Field(min_length=1)]
    seeds: Groups
    evaluation: Evaluation

    @model_validator(mode="after")
    def _consistent(self) -> "Params":
        if "vlae" in self.models:
            raise ValueError("models may not hold the name vlae: the probe trains it")
        if len(self.models) * len(self.seeds) > MOST_TRAININGS:
            raise ValueError(f"models and seeds ask for more than {MOST_TRAININGS:,} trainings")
        for name, model in self.models.items():
            if isinstance(model, Vlac) and self.digit_rung not in ("auto", model.main_rung):
                raise ValueError(
                    f"models.{name}.K has its largest entry on rung {model.main_rung}, but digit_rung is "
                    f"{self.digit_rung}: move the entry, or set digit_rung: auto"
                )
        return self

    @property
    def every(self) -> dict[str, list[str]]:
        """What the fields of a path stand for that gathers what others have made."""
        return {
            "every_model": list(self.models),
            "every_seeds": [str(group) for group in self.seeds],
            "every_probe_seeds": [str(group) for group in self.probe.seeds],
        }
