"""The training loop: one ladder, one seed, a fixed number of epochs, the last weights kept."""

import math
from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor

from vlac.errors import refuse_fewer
from vlac.methods.base import Job, Row
from vlac.models.ladder import Ladder, to_input
from vlac.models.objective import Bound
from vlac.params.schema import Params
from vlac.training.captured import Captured
from vlac.training.device import Device
from vlac.training.epochs import Epochs
from vlac.training.schedule import Schedule, Weights
from vlac.training.start import start_mixture

NOISE = 0x5BD1E995
"""Sets the seed of shuffling and noise apart from the weights', in the low 32 bits that a CPU generator keeps."""

Loss = Callable[[Tensor, Tensor, Weights, torch.Generator], tuple[Tensor, Bound]]
"""From the indices of a batch, int64 (B,), its images, float (B, 3, H, H), the settings and the source of all noise
to what an update minimises, a scalar, and the terms of Eq. (9)."""


class Trainer:
    """Trains one seed of one ladder.

    Args:
        model, loss: just initialised, on the device; called under autocast.
        images: uint8 (N, H, H, 3), on the device.
        params: the sections training and objective.
        seed: of shuffling and noise.
        job: where the unfinished training is kept, and who is told of its epochs.
    """

    def __init__(
        self, model: Ladder, loss: Loss, images: Tensor, params: Params, seed: int, device: Device, job: Job
    ) -> None:
        training = params.training
        refuse_fewer(len(images), training.batch, "training.batch")
        self.model, self.loss, self.images, self.device = model.train(), loss, images, device
        self.training, self.params, self.seed, self.job = training, params, seed, job
        # Not seeded like the weights: the noise would repeat their draws.
        self.generator = torch.Generator(device.torch).manual_seed(seed ^ NOISE)
        priors = list(model.priors.parameters())
        named = ((name, p) for name, p in model.named_parameters() if not name.startswith("priors."))
        groups: list[dict[str, Any]] = [
            {"params": [p for _, p in named if p.requires_grad]},
            {"params": priors, "lr": training.lr_prior},
        ]
        # Fused: one pass over all parameters per update. Capturable: as a CUDA graph asks.
        settings: dict[str, Any] = {"lr": training.lr, "fused": True, "capturable": device.torch.type == "cuda"}
        self.optimiser = torch.optim.Adam(groups if priors else groups[:1], **settings)
        self.updates = len(images) // training.batch  # the last, partial batch is left out, another one each time
        self.schedule = Schedule(params.objective, model.rungs, self.updates, training.epochs)
        self.record = EpochRecord(model, device.torch)
        self.captured = Captured(self.generator, len(images), training.batch) if device.graphs else None

    def run(self) -> list[Row]:
        """Train to the last epoch, from the checkpoint if there is one, and return the rows of all epochs.

        Raises: as `Epochs.run`.
        """
        of = self.model, self.optimiser, self.generator, self.device, self.seed, self.job, self.training.epochs
        advice = "Lower training.lr or raise likelihood.scale"
        return Epochs(*of, self.updates * self.training.batch, advice).run(self._epoch)

    def _epoch(self, epoch: int) -> Row:
        """Train on every image once and return the metrics; nothing waits for the device before the end."""
        settings = [self.schedule.at(epoch * self.updates + update) for update in range(self.updates)]
        for rung in self.model.mixture_rungs:
            by = self.params.mixture.start[rung - 1]
            if by != "random" and epoch == self.schedule.enter[rung] + 1:  # codes of an untrained head say little
                start_mixture(self.model, rung, self.images, settings[0].fade, by, self.seed)
        order = torch.randperm(len(self.images), generator=self.generator, device=self.device.torch)
        self.record.clear()
        if self.captured:
            self.captured.begin(order, settings)
        for update, at in enumerate(settings):
            if self.captured:
                self.captured(self._update)
            else:
                self._update(order[update * self.training.batch : (update + 1) * self.training.batch], at)
        return {"temperature": float(settings[-1].temperature)} | self.record.row()

    def _update(self, chosen: Tensor, at: Weights) -> None:
        """Train on a batch of images, given by their indices."""
        with self.device.autocast():
            loss, terms = self.loss(chosen, to_input(self.images[chosen]), at, self.generator)
        self.optimiser.zero_grad(set_to_none=True)
        loss.backward()
        self.optimiser.step()
        self.record.add(terms)


class EpochRecord:
    """The terms of the bound and the signs of collapse, summed over an epoch on the device."""

    def __init__(self, model: Ladder, device: torch.device) -> None:
        self.model = model
        self.names = ["elbo", "log_likelihood", *(f"kl_z_{rung}" for rung in model.rungs)]
        self.names += [f"kl_y_{rung}" for rung in model.mixture_rungs]
        self.images = torch.zeros((), dtype=torch.int64, device=device)
        self.sums = torch.zeros(len(self.names), device=device)
        self.q = {rung: torch.zeros(model.K[rung], device=device) for rung in model.mixture_rungs}
        self.counts = {rung: torch.zeros(model.K[rung], device=device) for rung in model.mixture_rungs}

    def clear(self) -> None:
        """Begin a new epoch."""
        for total in (self.images, self.sums, *self.q.values(), *self.counts.values()):
            total.zero_()

    @torch.no_grad()
    def add(self, bound: Bound) -> None:
        """Add the terms of one batch."""
        self.images += len(bound.log_likelihood)
        terms = {"elbo": bound.elbo, "log_likelihood": bound.log_likelihood}
        terms |= {f"kl_z_{rung}": term for rung, term in bound.kl_z.items()}
        terms |= {f"kl_y_{rung}": term for rung, term in bound.kl_y.items()}
        zero = torch.zeros((), device=self.sums.device)
        self.sums += torch.stack([terms[name].sum() if name in terms else zero for name in self.names])
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
        separation: smallest distance between two component means, in units of their spread.

        What belongs to a rung that has not entered is 0.
        """
        images = int(self.images)
        row = {name: total / images for name, total in zip(self.names, self.sums.tolist(), strict=True)}
        for rung in self.model.mixture_rungs:
            mean_q = self.q[rung] / images
            row[f"clusters_in_use_{rung}"] = int((self.counts[rung] > 0).sum())
            entered = bool(mean_q.any())
            row[f"entropy_mean_q_{rung}"] = float(-(mean_q * mean_q.clamp_min(1e-12).log()).sum()) if entered else 0.0
            row[f"mean_entropy_q_{rung}"] = math.log(self.model.K[rung]) - row[f"kl_y_{rung}"] if entered else 0.0
            row[f"separation_{rung}"] = float(self.model.prior(rung).separation())
        return row
