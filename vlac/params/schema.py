"""The schema of params.yaml. No key has a default: the file says everything that a result depends on.

Rungs are counted 1..L from the pixels; lists with one entry per rung start with rung 1.
"""

from collections import Counter
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
    """Training images."""
    test: Annotated[int, Field(ge=100, le=MOST_IMAGES)]
    """Test images."""
    seed: Annotated[int, Field(ge=0, le=LARGEST)]
    """Of the rendering."""


class Data(Section):
    """What is clustered, and where it comes from."""

    source: str
    """A module of `vlac/datasets/`."""
    path: str | None
    """SVHN: a folder with the .mat files, or a mirror's address. Folder: one with pictures in `train/CLASS/` and
    `test/CLASS/`. `VLAC_DATA` overrides it."""
    train_split: Literal["train", "extra", "train+extra"]
    """SVHN: which images train."""
    holdout: Positive
    """Labelled images of the training split that score the probe and searches."""
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
    """`strided`: few multiply-adds. `vlae`: the networks of the VLAE's authors."""
    channels: Annotated[list[Positive], Field(min_length=3, max_length=3)]
    """Feature maps of trunk 1 to 3."""
    hidden: Positive
    """Width of the fully connected part of rung 4."""
    z: PerRung
    """Size of z_l by rung."""
    y_above: list[Annotated[int, Field(ge=1, lt=L)]]
    """Rungs whose y the rung above sees; in the paper 1, 2 and 3."""


class Likelihood(Section):
    """p(x given z): independent per pixel and channel, of fixed scale (standard deviation or Laplace scale)."""

    form: Literal["gaussian", "laplace"]
    """Of p(x given z)."""
    scale: Annotated[float, Field(gt=0)]
    """Standard deviation, or the Laplace scale, with pixels in [0, 1]."""


class Mixture(Section):
    """How q(y_l given x) is found, and the components p(z_l given y_l)."""

    q_y: Literal["responsibilities", "distilled", "head"]
    """p(y given z) at the sampled z (`responsibilities`), a network taught by it, or the paper's network (`head`)."""
    covariance: Literal["full", "diagonal"]
    """Of p(z given y)."""
    start: Annotated[list[Literal["directions", "kmeans", "random"]], Field(min_length=L, max_length=L)]
    """Components by rung, an epoch after entry: from k-means of codes, of their directions, or as drawn."""


class Objective(Section):
    """How Eq. (9) is estimated and annealed, and when each rung enters."""

    kl_z: Literal["sampled", "enumerated"]
    """Summed over this rung's y, or at the Gumbel-softmax sample alone, as in the paper."""
    kl_z_weight: Annotated[list[Annotated[float, Field(ge=0)]], Field(min_length=L, max_length=L)]
    """Weight of KL_z by rung; 1 in Eq. (9)."""
    kl_y_weight: Annotated[float, Field(ge=0)]
    """Weight of KL_y; 1 in Eq. (9)."""
    enter: Annotated[list[Annotated[int, Field(ge=0, le=LARGEST)]], Field(min_length=L, max_length=L)]
    """Epoch after which each rung enters; all 0: at once, as in the paper."""
    fade: Positive
    """Updates over which an entering rung and its KL terms grow from 0."""
    temperature_start: Annotated[float, Field(gt=0)]
    """Of Gumbel-softmax."""
    temperature_end: Annotated[float, Field(gt=0)]
    """Of Gumbel-softmax."""
    temperature_until: Fraction
    """Share of all updates after which the temperature stays."""


class Training(Section):
    """The optimiser's schedule and the machine's settings."""

    epochs: Positive
    """All are trained, and the last weights kept."""
    batch: Annotated[int, Field(ge=2, le=LARGEST)]
    """Images of an update."""
    lr: Annotated[float, Field(gt=0)]
    """Learning rate of Adam."""
    lr_prior: Annotated[float, Field(gt=0)]
    """Learning rate of the mixtures' means and variances."""
    precision: Literal["auto", "float32", "bfloat16"]
    """`auto`: bfloat16 where the hardware has it, else float32."""
    device: Literal["auto", "cpu", "cuda"]
    """`auto`: cuda where there is one, else cpu; on a cluster `cuda` asks for a card."""
    threads: Positive
    """Of a job on a CPU."""


class Probe(Section):
    """Which rung of a VLAE carries digit identity: seeds of the VLAE, and how the rungs are measured."""

    seeds: Seeds
    """One VLAE each."""
    K: Annotated[int, Field(ge=2, le=LARGEST)]
    """Components of the probe's Gaussian mixture and k-means."""


class Evaluation(Section):
    """Settings that the probe and the evaluation share."""

    neighbours: Positive
    """Of the k-nearest-neighbour measures."""
    fit_limit: Positive
    """Most images that the measures of codes, and VLAC+'s k-means of features, are fitted on."""


RESERVED = ("raw", "requests", "search", "metrics", "plots", "published", "guide", "features")
"""Names that folders of no experiment have."""


class Params(Section):
    """All of params.yaml."""

    experiment: Name
    """Names the folders of data, results, reports, checkpoints and logs."""
    data: Data
    network: Network
    likelihood: Likelihood
    mixture: Mixture
    objective: Objective
    training: Training
    digit_rung: Annotated[int, Field(ge=1, le=L)] | Literal["auto"]
    """Rung of the largest mixture: a number, as in the paper, or `auto` for the probe's answer."""
    probe: Probe
    models: Annotated[dict[Name, Model], Field(min_length=1)]
    """Rows of the table by name; `kind` is a module of `vlac/methods/`."""
    seeds: Seeds
    """One training of every model each."""
    evaluation: Evaluation

    @model_validator(mode="after")
    def _consistent(self) -> "Params":
        if self.experiment in RESERVED:
            raise ValueError(f"experiment may not be {self.experiment}: the pipeline has folders of that name")
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

    @model_validator(mode="after")
    def _learns_every_rung(self) -> "Params":
        last = max(self.objective.enter) - min(self.objective.enter)
        if last >= self.training.epochs:
            raise ValueError(
                f"the last rung of objective.enter enters {last} epochs after the first, but training.epochs is "
                f"{self.training.epochs}: it would never be learnt"
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
