"""Who is near whom among pretext features, and clusters learnt from that alone."""

import torch
from torch import Tensor
from torch.nn import functional as F

from vlac.methods.vlac_plus.pretext import Clusters

BATCH = 1000
"""Pairs per update: K x K joint probabilities need many to be estimated."""

ROWS = 1000


def nearest(features: Tensor, count: int) -> Tensor:
    """Return the indices, int64 (N, count), of the rows nearest to each of N unit-length rows, itself left out."""
    found = []
    for start in range(0, len(features), ROWS):
        likeness = features[start : start + ROWS] @ features.T
        own = torch.arange(len(likeness), device=features.device)
        likeness[own, start + own] = -2.0
        found.append(likeness.topk(count, 1).indices)
    return torch.cat(found)


class Pairs:
    """Draws pairs of neighbours among unit-length rows, float (N, size): a partner is one of `count` nearest."""

    def __init__(self, features: Tensor, count: int) -> None:
        self.features, self.neighbours = features, nearest(features, count)
        self.size = min(BATCH, len(features))

    def draw(self, generator: torch.Generator) -> Tensor:
        """Return the features of some images and then of a neighbour of each, float (2 pairs, size)."""
        device = self.features.device
        first = torch.randint(len(self.features), (self.size,), generator=generator, device=device)
        which = torch.randint(self.neighbours.shape[1], (self.size,), generator=generator, device=device)
        return self.features[torch.cat([first, self.neighbours[first, which]])]


def mutual_information(log_q: Tensor, log_q_other: Tensor) -> Tensor:
    """Return I(y; y') in nats, a scalar, for clusters of B pairs of images.

    The joint distribution is the mean of q(y given x) q(y' given x') over the pairs, made symmetric, as in Invariant
    Information Clustering (Ji et al., 2019). It is largest, log K, when both images of every pair are surely in the
    same cluster and the clusters are used evenly. `log_q`, `log_q_other`: float (B, K), of a pair's two images.
    """
    joint = log_q.exp().T @ log_q_other.exp() / len(log_q)
    joint = ((joint + joint.T) / 2).clamp_min(torch.finfo(joint.dtype).tiny)
    marginal = joint.sum(1)
    return (joint * (joint.log() - marginal.log()[:, None] - marginal.log())).sum()


def learn_clusters(
    clusters: Clusters, pairs: Pairs, optimiser: torch.optim.Optimizer, generator: torch.Generator
) -> float:
    """Train `clusters` for an epoch to be shared by neighbours, and return the mutual information in nats."""
    steps = len(pairs.features) // pairs.size
    total = torch.zeros((), device=pairs.features.device)
    for _ in range(steps):
        gain = mutual_information(*F.log_softmax(clusters(pairs.draw(generator)).float(), -1).chunk(2))
        optimiser.zero_grad(set_to_none=True)
        (-gain).backward()
        optimiser.step()
        total += gain.detach()
    return float(total) / steps
