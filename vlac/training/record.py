"""What an epoch leaves behind: the terms of the bound and the signs of collapse, summed where the data lives."""

import math

import torch
from torch import Tensor

from vlac.models.ladder import Ladder
from vlac.models.objective import Bound


class EpochRecord:
    """Running sums over the updates of one epoch, on the device, so that nothing waits for the host before `row`."""

    def __init__(self, model: Ladder, device: torch.device) -> None:
        self.model = model
        self.images = 0
        self.sums: dict[str, Tensor] = {}
        self.q = {rung: torch.zeros(model.K[rung], device=device) for rung in model.mixture_rungs}
        self.counts = {rung: torch.zeros(model.K[rung], device=device) for rung in model.mixture_rungs}

    @torch.no_grad()
    def add(self, bound: Bound) -> None:
        """Add the terms of one batch."""
        self.images += len(bound.log_likelihood)
        self._sum("elbo", bound.elbo)
        self._sum("log_likelihood", bound.log_likelihood)
        for rung, term in bound.kl_z.items():
            self._sum(f"kl_z_{rung}", term)
        for rung, term in bound.kl_y.items():
            self._sum(f"kl_y_{rung}", term)
            q = bound.posteriors[rung].q
            assert q is not None
            self.q[rung] += q.sum(0)
            self.counts[rung].scatter_add_(0, q.argmax(-1), torch.ones_like(q[:, 0]))

    def row(self) -> dict[str, float]:
        """Return the epoch's means, in nats per image, and its counts of clusters; the epoch's one wait for the device.

        clusters_in_use: clusters that are the most probable one of at least one image.
        entropy_mean_q: entropy of the mean of q(y given x); log K when clusters are used evenly.
        mean_entropy_q: mean entropy of q(y given x); 0 when every image is sure of its cluster.
        separation: smallest distance between two component means, in units of their standard deviation.
        """
        row = {name: float(total) / self.images for name, total in self.sums.items()}
        for rung in self.model.mixture_rungs:
            mean_q = self.q[rung] / self.images
            row[f"clusters_in_use_{rung}"] = int((self.counts[rung] > 0).sum())
            row[f"entropy_mean_q_{rung}"] = float(-(mean_q * mean_q.clamp_min(1e-12).log()).sum())
            row[f"mean_entropy_q_{rung}"] = math.log(self.model.K[rung]) - row[f"kl_y_{rung}"]
            row[f"separation_{rung}"] = float(self.model.prior(rung).separation())
        return row

    def _sum(self, name: str, term: Tensor) -> None:
        total = term.detach().sum()
        self.sums[name] = self.sums[name] + total if name in self.sums else total
