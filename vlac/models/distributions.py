"""Divergences in closed form, in nats; the Gumbel-softmax sampler; and the prior of one rung."""

import math

import torch
from torch import Tensor, nn
from torch.nn import functional as F

MIN_STD = 1e-3
"""Least standard deviation of any Gaussian, as in the VLAE's published code."""


def gaussian_kl(mean_q: Tensor, std_q: Tensor, mean_p: Tensor, std_p: Tensor) -> Tensor:
    """Return KL(N(mean_q, std_q^2) || N(mean_p, std_p^2)), diagonal; float (..., d), broadcast, to (...)."""
    ratio = (std_q / std_p).square()
    distance = ((mean_q - mean_p) / std_p).square()
    return 0.5 * (ratio + distance - 1 - ratio.log()).sum(-1)


def uniform_kl(log_q: Tensor) -> Tensor:
    """Return KL(Cat(q) || Cat(1/K)) from log-probabilities, float (..., K) to (...): log K minus the entropy of q."""
    return (log_q.exp() * log_q).sum(-1) + math.log(log_q.shape[-1])


def gumbel_softmax(log_q: Tensor, temperature: float, generator: torch.Generator | None = None) -> Tensor:
    """Return a relaxed one-hot sample of Cat(q), float (..., K), by the Gumbel-softmax trick (Jang et al., 2017)."""
    exponential = torch.empty_like(log_q).exponential_(generator=generator)
    gumbel = -exponential.clamp_min(1e-20).log()
    return ((log_q + gumbel) / temperature).softmax(-1)


class Prior(nn.Module):
    """p(z_l given y_l): K diagonal Gaussians over R^d with p(y) = 1/K, learnt; a standard normal where K = 1.

    `mean` and `std` are float (K, d).
    """

    mean: Tensor

    def __init__(self, K: int, d: int) -> None:
        super().__init__()
        self.K = K
        if K > 1:
            self.mean = nn.Parameter(torch.randn(K, d))
            # softplus(0.5413) = 1: every component starts with unit variance.
            self.raw_std = nn.Parameter(torch.full((K, d), 0.5413))
        else:
            self.register_buffer("mean", torch.zeros(1, d))

    @property
    def std(self) -> Tensor:
        return F.softplus(self.raw_std) + MIN_STD if self.K > 1 else torch.ones_like(self.mean)

    def sample(self, n: int, component: int | None = None, generator: torch.Generator | None = None) -> Tensor:
        """Return n samples of z, float (n, d): of one component (counted from 0), or of the whole mixture."""
        if component is None:
            y = torch.randint(self.K, (n,), generator=generator, device=self.mean.device)
        else:
            y = torch.full((n,), component, device=self.mean.device)
        noise = torch.randn(n, self.mean.shape[1], generator=generator, device=self.mean.device)
        return self.mean[y] + self.std[y] * noise

    @torch.no_grad()
    def separation(self) -> Tensor:
        """Return the smallest distance between two component means, each axis in units of their mean std; scalar."""
        std = (self.std[:, None] + self.std[None]) / 2
        distance = ((self.mean[:, None] - self.mean[None]) / std).square().sum(-1).sqrt()
        return distance.masked_fill(torch.eye(self.K, dtype=torch.bool, device=distance.device), float("inf")).min()
