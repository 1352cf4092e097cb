"""p(x given z): pixels and channels independent, around the decoder's mean image, with one fixed scale."""

import math
from collections.abc import Callable

from torch import Tensor


def gaussian_log_likelihood(x: Tensor, mean: Tensor, scale: float) -> Tensor:
    """Return log N(x; mean, scale^2) summed over all but the first axis: float (B, ...) to (B,), in nats."""
    error = (x - mean).square().flatten(1).sum(1) / (2 * scale**2)
    return -error - x[0].numel() * (math.log(scale) + 0.5 * math.log(2 * math.pi))


def laplace_log_likelihood(x: Tensor, mean: Tensor, scale: float) -> Tensor:
    """Return log Laplace(x; mean, scale) summed over all but the first axis: float (B, ...) to (B,), in nats."""
    error = (x - mean).abs().flatten(1).sum(1) / scale
    return -error - x[0].numel() * math.log(2 * scale)


LIKELIHOODS: dict[str, Callable[[Tensor, Tensor, float], Tensor]] = {
    "gaussian": gaussian_log_likelihood,
    "laplace": laplace_log_likelihood,
}
