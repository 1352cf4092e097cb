"""DEC's two phases, as epochs of one history: the autoencoder first, then codes and centres together."""

from collections.abc import Callable

import torch
from sklearn.cluster import KMeans
from torch import Tensor

from vlac.methods.base import Job, Row
from vlac.methods.dec import Settings
from vlac.methods.dec.network import Network, assignment, divergence, target
from vlac.training.device import Device
from vlac.training.epochs import Epochs, seed_dropout

STARTS = 20
"""Runs of k-means on the codes, of which the one of least inertia gives the first centres."""

MOMENTUM = 0.9
"""Of the clusters' SGD."""

TOLERANCE = 0.001
"""Share of images below which an epoch that moved no more to another cluster is the last."""


class Learner:
    """Trains one seed of one network.

    Args:
        network: just initialised, on the device.
        x: features, float32 (N, d), on the device.
        seed: of shuffling, dropout and k-means.
        job: where the unfinished training is kept, and who is told of its epochs.
    """

    def __init__(self, network: Network, x: Tensor, settings: Settings, seed: int, device: Device, job: Job) -> None:
        self.network, self.x, self.settings = network, x, settings
        self.seed, self.device, self.job = seed, device, job
        network.scale.copy_(x.square().mean().sqrt().clamp_min(1e-6))  # of black pictures all features are 0
        self.pretraining = torch.optim.Adam(network.parameters(), lr=settings.pretrain_lr, fused=True)
        self.generator = torch.Generator(device.torch).manual_seed(seed)
        self.steps = len(x) // settings.batch

    def run(self) -> list[Row]:
        """Train both phases, from the checkpoint if there is one, and return the rows of all epochs."""
        return Epochs(
            *(self.network, self.pretraining, self.generator, self.device, self.seed, self.job),
            epochs=self.settings.pretrain_epochs + self.settings.epochs,
            images=self.steps * self.settings.batch,
            advice="Lower the model's pretrain_lr or lr in params.yaml",
            enough=lambda row: row.get("moved", 1.0) < TOLERANCE,
        ).run(lambda number: self._pretrain() if number < self.settings.pretrain_epochs else self._cluster(number))

    def _pretrain(self) -> Row:
        self.network.train()
        seed_dropout(self.generator)
        return {"reconstruction": self._epoch(self.pretraining, lambda at: self.network.reconstruction(self.x[at]))}

    def _cluster(self, number: int) -> Row:
        """Refresh the target, and learn to meet it. The optimiser starts anew with it, as in the published code."""
        self.network.eval()
        if number == self.settings.pretrain_epochs:
            codes, _ = self.network.encode(self.x)
            kmeans = KMeans(self.settings.K, n_init=STARTS, random_state=self.seed).fit(codes.cpu().numpy())
            self.network.centres.data.copy_(torch.from_numpy(kmeans.cluster_centers_))
        _, before = self.network.encode(self.x)
        p = target(before)
        learning = [*self.network.encoder.parameters(), self.network.centres]
        optimiser = torch.optim.SGD(learning, lr=self.settings.lr, momentum=MOMENTUM, fused=True)

        def loss(at: Tensor) -> Tensor:
            return divergence(p[at], assignment(self.network.codes(self.x[at]).float(), self.network.centres))

        kl = self._epoch(optimiser, loss)
        _, after = self.network.encode(self.x)
        return {"kl": kl, "moved": float((after.argmax(1) != before.argmax(1)).float().mean())}

    def _epoch(self, optimiser: torch.optim.Optimizer, loss: Callable[[Tensor], Tensor]) -> float:
        """Minimise the loss of batches, a function of their indices, int64 (B,), and return its mean."""
        order = torch.randperm(len(self.x), generator=self.generator, device=self.device.torch)
        total = torch.zeros((), device=self.device.torch)
        for at in order[: self.steps * self.settings.batch].split(self.settings.batch):
            with self.device.autocast():
                value = loss(at)
            optimiser.zero_grad(set_to_none=True)
            value.backward()
            optimiser.step()
            total += value.detach()
        return float(total) / self.steps
