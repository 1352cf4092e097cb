"""The objective of IMSAT: local smoothness (VAT, Miyato et al., 2016) and mutual information of image and cluster.

With p the clusters' probabilities, r an adversarial change of x, and H the entropy in nats, an update minimises

    KL(p(y given x) || p(y given x + r)) + 0.1 (H(y given x) - 4 H(y)),

constants, VAT's included, from the authors' imsat_cluster.py and calculate_distance.py (weihua916/imsat). There, H(y)
is that of the batch's mean probabilities; its weight of 4 is how the code meets the paper's constraint that clusters
be used evenly.
"""

from collections.abc import Callable

import torch
from torch import Tensor
from torch.nn import functional as F

LAMBDA, MU = 0.1, 4.0
XI = 10.0
"""Length of the random change from which the direction of the adversarial one is found, in one power iteration."""

NEIGHBOUR, ALPHA = 10, 0.25
"""An image is changed by this share of its distance to the neighbour of this rank (the authors' script: the next)."""

ROWS = 500

Logits = Callable[[Tensor], Tensor]


def entropies(logits: Tensor) -> tuple[Tensor, Tensor]:
    """Return H(y given x), its mean over the batch, and H(y), scalars, from logits, float (B, K)."""
    log_p = F.log_softmax(logits, 1)
    p = log_p.exp()
    marginal = p.mean(0)
    return -(p * log_p).sum(1).mean(), -torch.xlogy(marginal, marginal).sum()


def divergence(logits: Tensor, changed: Tensor) -> Tensor:
    """Return KL(p || p'), the mean over the batch, a scalar, of p from `logits` and p' from `changed`."""
    return F.kl_div(F.log_softmax(changed, 1), F.log_softmax(logits, 1), reduction="batchmean", log_target=True)


def adversarial(network: Logits, x: Tensor, logits: Tensor, generator: torch.Generator) -> Tensor:
    """Return the unit directions, float (B, size), in which the clusters of x change most.

    Args:
        network: its weights and batch statistics stay as they are.
        x: float (B, size).
        logits: the network's, of x, without a gradient.
        generator: of the random directions that the search starts from.
    """
    d = F.normalize(torch.randn(x.shape, generator=generator, device=x.device, dtype=x.dtype)).requires_grad_()
    (gradient,) = torch.autograd.grad(divergence(logits, network(x + XI * d)), d)
    # The clusters of a new network hardly differ: these gradients are tiny, and only their direction counts.
    return F.normalize(gradient, eps=torch.finfo(gradient.dtype).tiny)


def radii(x: Tensor) -> Tensor:
    """Return how far each of N rows may be changed, float (N,)."""
    # The nearest row of all is the row itself.
    found = [torch.cdist(rows, x).topk(NEIGHBOUR + 1, largest=False).values[:, -1] for rows in x.split(ROWS)]
    return ALPHA * torch.cat(found)
