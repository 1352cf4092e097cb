"""VLAC+, beyond the paper: VLAC whose largest mixture has the clusters of a guide that has learnt beforehand."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Annotated, Any, ClassVar, Literal

from pydantic import Field, model_validator

from vlac.methods import base, vlac
from vlac.params.section import LARGEST, PerRung, Positive, Section

if TYPE_CHECKING:
    import numpy as np
    import torch
    from torch import Tensor

    from vlac.methods.vlac_plus.ladder import PlusLadder, PlusSpec
    from vlac.methods.vlac_plus.learn import GuideTrainer
    from vlac.methods.vlac_plus.pretext import Pretext
    from vlac.models.ladder import Posterior
    from vlac.training.device import Device
    from vlac.training.schedule import Weights

STARTS = 3
"""Runs of k-means on the features, of which the one of least inertia counts."""


class PretextSettings(Section):
    """A network that tells how a digit is turned, and clusters of neighbours among its features."""

    channels: Annotated[list[Positive], Field(min_length=3, max_length=3)]
    """Feature maps of its three pairs of convolutions."""
    hidden: Positive
    """Width of the fully connected layer."""
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

    @model_validator(mode="after")
    def _consistent(self) -> PretextSettings:
        if self.size > 8 * self.hidden:
            raise ValueError("size is the number of principal components: at most 8 times hidden")
        return self


class StudentSettings(Section):
    """Networks of the pretext's size that learn clusters from varied pictures, each from the one before it."""

    clusters: Annotated[int, Field(ge=2, le=LARGEST)]
    """What they learn; more than the largest K are joined to as many in the end, for one more student."""
    rounds: Positive
    """Students of all clusters; the first learns the clusters of the pretext's neighbours."""
    epochs: Positive
    """Of each."""
    batch: Annotated[int, Field(ge=2, le=LARGEST)]
    """Images of an update."""
    lr: Annotated[float, Field(gt=0)]
    """Learning rate of Adam."""
    agreement: Annotated[float, Field(ge=0, le=1)]
    """Mean probability of its cluster, over its nearest neighbours, from which on an image is learnt."""


class Settings(vlac.Settings):
    """The keys of VLAC, and what is learnt before the ladder."""

    kind: Literal["vlac_plus"]  # type: ignore[assignment]
    z: PerRung
    """Size of z_l by rung, in the place of `network.z`: no mixture has to find the clusters, so z_3 may be large."""
    pretext: PretextSettings
    students: StudentSettings

    @model_validator(mode="after")
    def _enough_clusters(self) -> Settings:
        if self.students.clusters < max(self.K):
            raise ValueError(
                f"students.clusters is {self.students.clusters}, but K has {max(self.K)}: at least as many"
            )
        return self


class Method(vlac.Method):
    """VLAC whose largest mixture has the clusters of a guide: networks that are trained before the ladder."""

    Settings: ClassVar[type[base.Settings]] = Settings

    model: PlusLadder
    guide: GuideTrainer
    log_q: Tensor
    pretext: Pretext | None = None
    """Not there in weights that vlac ships: only `clusterings` need it."""

    @property
    def sizes(self) -> list[int]:
        z: list[int] = self.settings.z
        return z

    def spec(self, side: int = 32) -> PlusSpec:
        """Return what is to be built, for images of so many pixels' height and width."""
        from vlac.methods.vlac_plus.ladder import PlusSpec

        of = self.settings.pretext
        return PlusSpec(
            **vars(super().spec(side)),
            guide_channels=of.channels,
            guide_hidden=of.hidden,
            polarity=of.polarity,
        )

    def build(self, spec: dict[str, Any]) -> PlusLadder:
        """Return an untrained ladder of a stored spec."""
        from vlac.methods.vlac_plus.ladder import PlusLadder, PlusSpec

        return PlusLadder(PlusSpec(**spec))

    def prepare(self, images: Tensor, seed: int, device: Device, job: base.Job) -> base.Job:
        """Learn the guide, or find one learnt of the same data, settings and code."""
        from vlac.methods.vlac_plus.learn import GuideTrainer

        of = {name: value for name, value in job.identity.items() if name != "parameters"}
        self.guide = GuideTrainer(images, self.settings, self.K[self.main_rung], seed, device, of, job.shared / "guide")
        self.guide.run()
        self.log_q = self.guide.log_q()
        # A ladder begun with another guide cannot be resumed with this one.
        return replace(job, identity=job.identity | {"guide": self.guide.key})

    def initialise(self) -> None:
        """Take over the guide."""
        self.pretext = self.guide.pretext
        self.model.student.load_state_dict(self.guide.students[-1].state_dict())

    def posteriors(self, chosen: Tensor, x: Tensor, at: Weights, generator: torch.Generator) -> dict[int, Posterior]:
        """Return q(y, z given x) by rung, with the guide's clusters of the images."""
        return self.model.encode(x, at.temperature, generator, {self.main_rung: self.log_q[chosen]}, at.fade)

    def state(self) -> dict[str, Any]:
        if self.pretext is None:
            return super().state()
        return super().state() | {"pretext": {name: value.cpu() for name, value in self.pretext.state_dict().items()}}

    def load_state(self, state: dict[str, Any]) -> None:
        from vlac.methods.vlac_plus.pretext import Pretext

        super().load_state(state)
        if "pretext" in state:
            of = self.settings.pretext
            self.pretext = Pretext(of.channels, of.hidden, of.size, self.settings.students.clusters).eval()
            self.pretext.load_state_dict(state["pretext"])

    def clusterings(
        self, images: tuple[np.ndarray, np.ndarray], codes: tuple[Any, Any], seed: int, fit_limit: int
    ) -> dict[str, tuple[Any, Any]]:
        """Return what VLAC+ is built on: its features under k-means, and its clusters before any ladder."""
        import numpy as np
        import torch
        from sklearn.cluster import KMeans

        from vlac.models.ladder import to_inputs
        from vlac.training.device import device_of_codes

        assert self.pretext is not None
        pretext = self.pretext.to(device_of_codes(self.params.training))
        features, neighbours = [], []
        with torch.no_grad():
            for each in images:
                parts = to_inputs(torch.from_numpy(each), pretext.centre.device)
                seen = torch.cat([pretext.features(part) for part in parts])
                features.append(seen.cpu().numpy())
                neighbours.append(pretext.clusters(seen).argmax(-1).cpu().numpy())
        chosen = np.random.default_rng(seed).permutation(len(features[0]))[:fit_limit]
        kmeans = KMeans(self.K[self.main_rung], n_init=STARTS, random_state=seed).fit(features[0][chosen])
        return {
            "k-means of pretext features": (kmeans.predict(features[0]), kmeans.predict(features[1])),
            "neighbours among pretext features": (neighbours[0], neighbours[1]),
        }

    def label(self) -> str:
        return super().label().replace("VLAC", "VLAC+")

    def named_by_network(self, rung: int) -> bool:
        return rung == self.main_rung or super().named_by_network(rung)

    @property
    def sees(self) -> str:
        return "pretext"

    def protocol(self) -> list[str]:
        pretext, students = self.settings.pretext, self.settings.students
        moved = f"shifted by up to {pretext.shift:g} px" if pretext.shift else ""
        variants = " and ".join(filter(None, [moved, "half of them as negatives" if pretext.polarity else ""]))
        K = max(self.settings.K)
        joined = f" Their {students.clusters} clusters are joined to {K} by normalised cut, and one more learns these."
        beyond = (
            f"VLAC+ goes beyond the paper. Before the ladder, a network learns for {pretext.epochs} epochs to tell "
            "which of 8 dihedral transforms was applied to a picture normalised by itself"
            + (f" ({variants})" if variants else "")
            + f", and clusters learn to agree between {pretext.neighbours} nearest neighbours among its features "
            f"({pretext.size} components). Then {students.rounds} networks learn one after the other, for "
            f"{students.epochs} epochs each, from varied pictures, the cluster that the neighbours of an image are in "
            f"by the network before, where its mean probability is at least {students.agreement:g}; no labels."
            + (joined if students.clusters > K else "")
            + " The last one says q(y given x) of "
            "the scored rung, whatever is said above of other rungs, and its cluster of a training image is taken for "
            "certain; the components start from these clusters, and its "
            "q(z given x, y) depends on y. Further rows score the features of the first network under k-means (fitted "
            "on some of the training images) and its clusters."
        )
        return [*super().protocol(), beyond]
