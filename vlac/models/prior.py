"""p(z_l given y_l) of one rung: a learnt mixture of K_l Gaussians, or a standard normal where K_l = 1."""

import torch
from torch import Tensor, nn
from torch.nn import functional as F

MIN_STD = 1e-3


class Prior(nn.Module):
    """K diagonal Gaussians over R^d with uniform weights p(y) = 1/K.

    Attributes:
        mean: float (K, d); learnt if K > 1, else zeros.
        std: float (K, d), above 0; learnt if K > 1, else ones.
    """

    mean: Tensor
    unit: Tensor

    def __init__(self, K: int, d: int) -> None:
        super().__init__()
        self.K = K
        if K > 1:
            self.mean = nn.Parameter(torch.randn(K, d))
            # softplus(0.5413) = 1: every component starts with unit variance.
            self.raw_std = nn.Parameter(torch.full((K, d), 0.5413))
        else:
            self.register_buffer("mean", torch.zeros(1, d))
            self.register_buffer("unit", torch.ones(1, d), persistent=False)

    @property
    def std(self) -> Tensor:
        """Standard deviations, float (K, d)."""
        return F.softplus(self.raw_std) + MIN_STD if self.K > 1 else self.unit

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
