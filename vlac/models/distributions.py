"""Divergences and samplers in closed form, in nats."""

import math

import torch
from torch import Tensor


def gaussian_kl(mean_q: Tensor, std_q: Tensor, mean_p: Tensor, std_p: Tensor) -> Tensor:
    """Return KL(N(mean_q, std_q^2) || N(mean_p, std_p^2)) between diagonal Gaussians, summed over the last axis.

    Args:
        mean_q, std_q, mean_p, std_p: float (..., d), broadcast against each other; standard deviations above 0.

    Returns:
        Float (...), at least 0.
    """
    ratio = (std_q / std_p).square()
    distance = ((mean_q - mean_p) / std_p).square()
    return 0.5 * (ratio + distance - 1 - ratio.log()).sum(-1)


def uniform_kl(log_q: Tensor) -> Tensor:
    """Return KL(Cat(q) || Cat(1/K)) from log-probabilities, float (..., K) to (...): log K minus the entropy of q."""
    return (log_q.exp() * log_q).sum(-1) + math.log(log_q.shape[-1])


def gumbel_softmax(log_q: Tensor, temperature: float | Tensor, generator: torch.Generator | None = None) -> Tensor:
    """Return a relaxed one-hot sample of Cat(q), float (..., K), by the Gumbel-softmax trick (Jang et al., 2017).

    The sample tends to an exact one-hot sample as the temperature falls to 0.
    """
    exponential = torch.empty_like(log_q).exponential_(generator=generator)
    gumbel = -exponential.clamp_min(1e-20).log()
    return ((log_q + gumbel) / temperature).softmax(-1)
