"""Divergences in closed form, in nats; the Gumbel-softmax sampler; and the prior of one rung."""

import math

import torch
from torch import Tensor, nn
from torch.nn import functional as F

MIN_STD = 1e-3
"""Least standard deviation of any Gaussian, as in the VLAE's published code."""


def uniform_kl(log_q: Tensor) -> Tensor:
    """Return KL(Cat(q) || Cat(1/K)) from log-probabilities, float (..., K) to (...): log K minus the entropy of q."""
    return (log_q.exp() * log_q).sum(-1) + math.log(log_q.shape[-1])


def gumbel_softmax(log_q: Tensor, temperature: float | Tensor, generator: torch.Generator | None = None) -> Tensor:
    """Return a relaxed one-hot sample of Cat(q), float (..., K), by the Gumbel-softmax trick (Jang et al., 2017)."""
    exponential = torch.empty_like(log_q).exponential_(generator=generator)
    gumbel = -exponential.clamp_min(1e-20).log()
    return ((log_q + gumbel) / temperature).softmax(-1)


class Prior(nn.Module):
    """p(z_l given y_l): K Gaussians over R^d with p(y) = 1/K, learnt; a standard normal where K = 1.

    The covariance of a component is A A^T with A = diag(scale) (I + N)^-1: N is strictly lower triangular, and 0 for
    diagonal covariances. So a log-density takes one small matrix product, and no inverse.

    Attributes:
        mean: float (K, d).
        scale: float (K, d); the standard deviations where covariances are diagonal.
    """

    mean: Tensor

    def __init__(self, K: int, d: int, covariance: str = "diagonal") -> None:
        super().__init__()
        self.K, self.d = K, d
        if K == 1:
            self.register_buffer("mean", torch.zeros(1, d))
            return
        self.mean = nn.Parameter(torch.randn(K, d))
        # softplus(0.5413) = 1: every component starts with unit variance.
        self.raw_scale = nn.Parameter(torch.full((K, d), 0.5413))
        if covariance == "full":
            self.raw_lower = nn.Parameter(torch.zeros(K, d, d))

    @property
    def scale(self) -> Tensor:
        return F.softplus(self.raw_scale) + MIN_STD if self.K > 1 else torch.ones_like(self.mean)

    @property
    def lower(self) -> Tensor | None:
        """N, float (K, d, d); None where covariances are diagonal."""
        return self.raw_lower.tril(-1) if hasattr(self, "raw_lower") else None

    def whiten(self, z: Tensor) -> Tensor:
        """Return A^-1 (z - mean), float (B, K, d), of z, float (B, d) or (B, K, d): a standard normal under p."""
        u = ((z if z.dim() == 3 else z[:, None]) - self.mean) / self.scale
        if (lower := self.lower) is None:
            return u
        with torch.autocast(u.device.type, enabled=False):  # which would round the products to bfloat16
            return u + torch.einsum("kij,bkj->bki", lower, u)

    def kl(self, mean: Tensor, std: Tensor) -> Tensor:
        """Return KL(q(z given x, y = k) || p(z given y = k)) in closed form, float (B, K), for every k.

        `mean` and `std` of the diagonal q: float (B, d), or (B, K, d) where q depends on k.
        """
        mean, std = (part if part.dim() == 3 else part[:, None] for part in (mean, std))
        ratio = (std / self.scale).square()
        spread = ratio
        if (lower := self.lower) is not None:
            # The trace of A^-1 diag(std^2) A^-T: column j of I + N weighs axis j.
            spread = ratio * (1 + lower.square().sum(1))
        return 0.5 * (spread + self.whiten(mean).square() - 1 - ratio.log()).sum(-1)

    def kl_at(self, z: Tensor, std: Tensor) -> Tensor:
        """Return the same divergences, float (B, K), estimated at one sample z, float (B, d), of a q of that `std`.

        The entropy of q is exact, and E_q log p(z given y = k) is log p at the sample.
        """
        log_p = -0.5 * self.whiten(z).square().sum(-1) - self.scale.log().sum(-1)  # both without d/2 log(2 pi)
        return -(std.log().sum(-1) + self.d / 2)[:, None] - log_p

    def draw(self, y: Tensor, noise: Tensor) -> Tensor:
        """Return z, float (..., d), of components y, int64 (...), from standard normal noise, float (..., d)."""
        if (lower := self.lower) is not None:
            unit = lower + torch.eye(self.d, device=lower.device)
            noise = torch.linalg.solve_triangular(unit[y], noise[..., None], upper=False, unitriangular=True)[..., 0]
        return self.mean[y] + self.scale[y] * noise

    def sample(self, n: int, component: int | None = None, generator: torch.Generator | None = None) -> Tensor:
        """Return n samples of z, float (n, d): of one component (counted from 0), or of the mixture."""
        if component is None:
            y = torch.randint(self.K, (n,), generator=generator, device=self.mean.device)
        else:
            y = torch.full((n,), component, device=self.mean.device)
        return self.draw(y, torch.randn(n, self.d, generator=generator, device=self.mean.device))

    @torch.no_grad()
    def start(self, mean: Tensor, covariance: Tensor) -> None:
        """Set the means, float (K, d), and the covariances, float (K, d, d); a diagonal prior keeps their diagonals."""
        scale = covariance.diagonal(dim1=1, dim2=2).sqrt()
        if self.lower is not None:
            A, unit = torch.linalg.cholesky(covariance), torch.eye(self.d, dtype=covariance.dtype)
            scale = A.diagonal(dim1=1, dim2=2)
            self.raw_lower.copy_(torch.linalg.solve_triangular(A / scale[..., None], unit, upper=False) - unit)
        self.mean.copy_(mean)
        self.raw_scale.copy_((scale - MIN_STD).clamp_min(MIN_STD).expm1().log())

    @torch.no_grad()
    def separation(self) -> Tensor:
        """Return the smallest distance between two component means, in units of the components' own spread; scalar.

        Between k and j it is the mean of the two whitened distances.
        """
        distance = self.whiten(self.mean).norm(dim=-1)
        distance = (distance + distance.T) / 2
        return distance.masked_fill(torch.eye(self.K, dtype=torch.bool, device=distance.device), float("inf")).min()
