"""What guides the main rung's clusters of VLAC+ beside the bound: neighbours among pretext features share a cluster."""

import hashlib
from dataclasses import dataclass

import torch
from torch import Tensor

from vlac.models.ladder import Ladder
from vlac.models.pretext import Clusters, Pretext
from vlac.training.neighbours import Pairs, agreement


@dataclass(frozen=True)
class Guide:
    """The pretext network of a training, and the weight of the agreement of neighbours.

    Attributes:
        pretext: the trained network.
        pairs: of the training images' features, in their order.
        weight: of the mutual information in nats, beside the bound in nats per image.
    """

    pretext: Pretext
    pairs: Pairs
    weight: float

    @property
    def signature(self) -> str:
        """The SHA-256 of the network's weights: a ladder begun on another network cannot go on with this one."""
        digest = hashlib.sha256()
        for value in self.pretext.state_dict().values():
            digest.update(value.cpu().numpy().tobytes())
        return digest.hexdigest()

    def seen(self, chosen: Tensor) -> Tensor:
        """Return the features, float (B, size), of the training images of these indices, int64 (B,)."""
        return self.pairs.features.index_select(0, chosen)

    def gain(self, model: Ladder, generator: torch.Generator) -> Tensor:
        """Return the weighted mutual information of the main rung's clusters, of a fresh draw of pairs; a scalar."""
        clusters = model.heads[str(model.main_rung)].cluster
        assert isinstance(clusters, Clusters)
        return self.weight * agreement(clusters, self.pairs.draw(generator))
