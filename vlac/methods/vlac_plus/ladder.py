"""The ladder of VLAC+: the clusters of its main rung come from pretext features, not from the rung's own."""

from collections.abc import Mapping
from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn import functional as F

from vlac.methods.vlac_plus.pretext import Clusters, Pretext
from vlac.models.ladder import Head, Ladder, Posterior, Spec
from vlac.models.networks.layers import Scalar


@dataclass(frozen=True)
class PlusSpec(Spec):
    """A ladder's shape, and that of its pretext network: three channels, hidden and size."""

    pretext: tuple[int, int, int, int, int]


class PlusLadder(Ladder):
    """A ladder with a fixed pretext network, whose features pi_l of the main rung reads in the place of h_l."""

    spec: PlusSpec

    def __init__(self, spec: PlusSpec) -> None:
        super().__init__(spec)
        c1, c2, c3, hidden, size = spec.pretext
        self.pretext = Pretext((c1, c2, c3), hidden, size, spec.K[spec.main_rung]).requires_grad_(False)

    def make_head(self, rung: int, features: int) -> Head:
        """Return a new head; that of the main rung has clusters of pretext features."""
        if rung != self.main_rung:
            return super().make_head(rung, features)
        K = self.spec.K[rung]
        return Head(features, K, self.spec.z[rung], Clusters(self.spec.pretext[-1], K), z_given_y=True)

    @property
    def clusters(self) -> Clusters:
        """pi_l of the main rung."""
        clusters = self.head(self.main_rung).cluster
        assert isinstance(clusters, Clusters)
        return clusters

    def train(self, mode: bool = True) -> "PlusLadder":
        """Set the mode of all but the pretext network, whose batch normalisation stays as it was learnt."""
        super().train(mode)
        self.pretext.eval()
        return self

    def adopt(self, pretext: Pretext) -> None:
        """Take over a trained pretext network, and its clusters as the main rung's first guess."""
        self.pretext.load_state_dict(pretext.state_dict())
        self.clusters.load_state_dict(pretext.clusters.state_dict())

    def log_q(self, features: Tensor) -> dict[int, Tensor]:
        """Return log q(y_l given x), float (B, K), of the main rung, by its number, from pretext features."""
        return {self.main_rung: F.log_softmax(self.clusters(features).float(), -1)}

    def clusters_by_mixture(self, rung: int) -> bool:
        """Return whether q(y_l given x) of a rung is read off its mixture: not where the pretext clusters."""
        return rung != self.main_rung and super().clusters_by_mixture(rung)

    def encode(
        self,
        x: Tensor,
        temperature: Scalar | None = None,
        generator: torch.Generator | None = None,
        log_q: Mapping[int, Tensor] | None = None,
        fade: Mapping[int, Scalar] | None = None,
    ) -> dict[int, Posterior]:
        """Return q(y, z given x) rung by rung, as `Ladder.encode`; `log_q` is looked up here if it is not given."""
        return super().encode(x, temperature, generator, log_q or self.log_q(self.pretext.features(x)), fade)
