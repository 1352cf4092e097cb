"""What an epoch leaves behind: the terms of the bound and the signs of collapse, summed where the data lives."""

import math

import torch
from torch import Tensor

from vlac.models.ladder import Ladder
from vlac.models.objective import Bound


class EpochRecord:
    """Running sums over the updates of one epoch, in place on the device, so that none waits for the host."""

    def __init__(self, model: Ladder, device: torch.device) -> None:
        self.model = model
        self.names = ["elbo", "log_likelihood", *(f"kl_z_{rung}" for rung in model.rungs)]
        self.names += [f"kl_y_{rung}" for rung in model.mixture_rungs]
        self.images = torch.zeros((), dtype=torch.int64, device=device)
        self.sums = torch.zeros(len(self.names), device=device)
        self.q = {rung: torch.zeros(model.K[rung], device=device) for rung in model.mixture_rungs}
        self.counts = {rung: torch.zeros(model.K[rung], device=device) for rung in model.mixture_rungs}

    def tensors(self) -> list[Tensor]:
        """Return all sums; they stay the same tensors from epoch to epoch."""
        return [self.images, self.sums, *self.q.values(), *self.counts.values()]

    def clear(self) -> None:
        """Begin an epoch."""
        for tensor in self.tensors():
            tensor.zero_()

    @torch.no_grad()
    def add(self, bound: Bound) -> None:
        """Add the terms of one batch."""
        self.images += len(bound.log_likelihood)
        terms = [bound.elbo, bound.log_likelihood, *bound.kl_z.values(), *bound.kl_y.values()]
        self.sums += torch.stack([term.sum() for term in terms])
        for rung in bound.kl_y:
            q = bound.posteriors[rung].q
            assert q is not None
            self.q[rung] += q.sum(0)
            self.counts[rung].scatter_add_(0, q.argmax(-1), torch.ones_like(q[:, 0]))

    def row(self) -> dict[str, float]:
        """Return the epoch's means, in nats per image, and its counts of clusters; this waits for the device.

        clusters_in_use: clusters that are the most probable one of at least one image.
        entropy_mean_q: entropy of the mean of q(y given x); log K when clusters are used evenly.
        mean_entropy_q: mean entropy of q(y given x); 0 when every image is sure of its cluster.
        separation: smallest distance between two component means, in units of their standard deviation.
        """
        images = int(self.images)
        row = {name: total / images for name, total in zip(self.names, self.sums.tolist(), strict=True)}
        for rung in self.model.mixture_rungs:
            mean_q = self.q[rung] / images
            row[f"clusters_in_use_{rung}"] = int((self.counts[rung] > 0).sum())
            row[f"entropy_mean_q_{rung}"] = float(-(mean_q * mean_q.clamp_min(1e-12).log()).sum())
            row[f"mean_entropy_q_{rung}"] = math.log(self.model.K[rung]) - row[f"kl_y_{rung}"]
            row[f"separation_{rung}"] = float(self.model.prior(rung).separation())
        return row
