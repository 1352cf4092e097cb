"""VLAC+, beyond the paper: VLAC whose largest mixture sees features that a pretext network has learnt beforehand."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Annotated, Any, ClassVar, Literal

from pydantic import Field, model_validator

from vlac.errors import VlacError
from vlac.methods import base, vlac
from vlac.params.section import LARGEST, Positive, Section

if TYPE_CHECKING:
    import torch
    from torch import Tensor

    from vlac.methods.vlac_plus.ladder import PlusLadder
    from vlac.methods.vlac_plus.neighbours import Pairs
    from vlac.methods.vlac_plus.pretext import Pretext
    from vlac.models.ladder import Ladder, Posterior
    from vlac.models.objective import Bound
    from vlac.training.device import Device
    from vlac.training.schedule import Weights

STARTS = 3
"""Runs of k-means on the features, of which the one of least inertia counts."""


class PretextSettings(Section):
    """A network that tells how a digit is turned, and clusters of neighbours among its features."""

    channels: Annotated[list[Positive], Field(min_length=3, max_length=3)]
    """Feature maps of its three convolutions."""
    hidden: Positive
    """Feature maps before the pooling."""
    epochs: Positive
    """Of the task."""
    batch: Annotated[int, Field(ge=8, le=LARGEST)]
    """Images of an update."""
    lr: Annotated[float, Field(gt=0)]
    """Learning rate of Adam."""
    shift: Annotated[float, Field(ge=0, le=8)]
    """Most pixels that a picture is moved by."""
    polarity: bool
    """Whether half of the pictures are negatives."""
    size: Positive
    """Principal components of its features."""
    neighbours: Positive
    """Nearest neighbours of an image that share its cluster."""
    cluster_epochs: Positive
    """Of the clusters, before the ladder."""
    weight: Annotated[float, Field(ge=0)]
    """Of the neighbours' mutual information in the ladder's loss."""

    @model_validator(mode="after")
    def _consistent(self) -> PretextSettings:
        if self.size > 8 * self.hidden:
            raise ValueError("size is the number of principal components: at most 8 times hidden")
        return self


class Settings(vlac.Settings):
    """The keys of VLAC, and what is learnt before the ladder."""

    kind: Literal["vlac_plus"]  # type: ignore[assignment]
    pretext: PretextSettings


class Method(vlac.Method):
    """VLAC whose largest mixture sees pretext features and is taught that neighbours among them share a cluster."""

    Settings: ClassVar[type[base.Settings]] = Settings

    model: PlusLadder
    learnt: Pretext
    pairs: Pairs

    def build(self, spec: dict[str, Any]) -> Ladder:
        """Return an untrained ladder of a stored spec, or of that of a VLAC."""
        from vlac.methods.vlac_plus.ladder import PlusLadder, PlusSpec

        pretext = self.settings.pretext
        return PlusLadder(PlusSpec(**{"pretext": (*pretext.channels, pretext.hidden, pretext.size)} | spec))

    def prepare(self, images: Tensor, seed: int, device: Device, job: base.Job) -> base.Job:
        """Learn the pretext network, or find one learnt of the same data, settings and code."""
        from vlac.methods.vlac_plus.learn import PretextTrainer

        if self.settings.pretext.neighbours >= len(images):
            raise VlacError(
                f"pretext.neighbours is {self.settings.pretext.neighbours}, but an image has {len(images) - 1} others.",
                "Use fewer neighbours.",
            )
        of = {name: value for name, value in job.identity.items() if name != "parameters"}
        learner = PretextTrainer(images, self.settings.pretext, self.K[self.main_rung], seed, device, of)
        self.learnt, self.pairs = learner.run(), learner.pairs
        # A ladder begun on another network cannot be resumed with this one.
        return replace(job, identity=job.identity | {"pretext": self.learnt.signature})

    def initialise(self) -> None:
        """Take over the pretext network, and its clusters as the main rung's first guess."""
        self.model.adopt(self.learnt)

    def loss(self, chosen: Tensor, x: Tensor, at: Weights, generator: torch.Generator) -> tuple[Tensor, Bound]:
        """Return the loss of VLAC less the weighted mutual information, in nats, of neighbours' clusters."""
        import torch

        from vlac.methods.vlac_plus.neighbours import agreement

        loss, terms = super().loss(chosen, x, at, generator)
        with torch.autocast(x.device.type, enabled=False):
            gain = agreement(self.model.clusters, self.pairs.draw(generator))
        return loss - self.settings.pretext.weight * gain, terms

    def posteriors(self, chosen: Tensor, x: Tensor, at: Weights, generator: torch.Generator) -> dict[int, Posterior]:
        """Return q(y, z given x) by rung, with the clusters of the images' pretext features."""
        log_q = self.model.log_q(self.pairs.features[chosen])
        return self.model.encode(x, at.temperature, generator, log_q, at.fade)

    def look(self, x: Tensor) -> tuple[dict[int, Posterior], Tensor]:
        """Return q(y, z given x) by rung, and the pretext features of x, float (B, size)."""
        seen = self.model.pretext.features(x)
        return self.model.encode(x, log_q=self.model.log_q(seen)), seen

    def clusterings(self, train: base.Codes, test: base.Codes, seed: int, fit_limit: int) -> dict[str, tuple[Any, Any]]:
        """Return what VLAC+ is built on: its features under k-means, and its clusters before any ladder."""
        import numpy as np
        import torch
        from sklearn.cluster import KMeans

        assert train.features is not None
        assert test.features is not None
        chosen = np.random.default_rng(seed).permutation(len(train.features))[:fit_limit]
        kmeans = KMeans(self.K[self.main_rung], n_init=STARTS, random_state=seed).fit(train.features[chosen])
        by_kmeans = kmeans.predict(train.features), kmeans.predict(test.features)

        pretext = self.model.pretext
        features = (torch.from_numpy(each).to(pretext.centre.device) for each in (train.features, test.features))
        on_train, on_test = (pretext.clusters(each).argmax(-1).cpu().numpy() for each in features)
        return {"k-means of pretext features": by_kmeans, "neighbours among pretext features": (on_train, on_test)}

    def label(self) -> str:
        return super().label().replace("VLAC", "VLAC+")

    @property
    def sees(self) -> str:
        return "pretext"

    def protocol(self) -> list[str]:
        pretext = self.settings.pretext
        moved = f"shifted by up to {pretext.shift:g} px" if pretext.shift else ""
        variants = " and ".join(filter(None, [moved, "half of them as negatives" if pretext.polarity else ""]))
        beyond = (
            f"VLAC+ goes beyond the paper. Before the ladder, a network learns for {pretext.epochs} epochs to tell "
            "which of 8 dihedral transforms was applied to a picture normalised by itself"
            + (f" ({variants})" if variants else "")
            + f", and clusters learn to agree between {pretext.neighbours} nearest neighbours among its features "
            f"({pretext.size} components); no labels. In the ladder, pi of the scored rung reads these features, and "
            f"the neighbours' mutual information stays in the objective, with weight {pretext.weight:g}. Its further "
            "rows score its features under k-means (fitted on some of the training images) and its clusters before "
            "any ladder."
        )
        return [*super().protocol(), beyond]
