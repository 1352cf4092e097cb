"""Trains the network of IMSAT, batch by batch."""

import torch
from torch import Tensor

from vlac.errors import VlacError, refuse_fewer
from vlac.methods.base import Job, Row
from vlac.methods.imsat import Settings
from vlac.methods.imsat.network import Network
from vlac.methods.imsat.objective import LAMBDA, MU, NEIGHBOUR, adversarial, divergence, entropies, radii
from vlac.training.device import Device
from vlac.training.epochs import Epochs


class Learner:
    """Trains one seed of one network.

    Args:
        network: just initialised, on the device.
        features: float (N, size), on the device.
        seed: of shuffling and of VAT's random directions.
        job: where the unfinished training is kept, and who is told of its epochs.
    """

    def __init__(
        self, network: Network, features: Tensor, settings: Settings, seed: int, device: Device, job: Job
    ) -> None:
        self.steps = len(features) // settings.batch  # the last, partial batch is left out, another one each time
        refuse_fewer(len(features), settings.batch, f"batch of {job.name}")
        if len(features) <= NEIGHBOUR:
            raise VlacError(f"IMSAT needs more than {NEIGHBOUR} training images, for its neighbours.", "Add some.")
        self.network, self.settings, self.seed, self.device, self.job = network.train(), settings, seed, device, job
        self.x, self.radii = features, radii(features)
        self.generator = torch.Generator(device.torch).manual_seed(seed)
        self.optimiser = torch.optim.Adam(network.parameters(), lr=settings.lr, fused=True)

    def run(self) -> list[Row]:
        """Train to the last epoch, from the checkpoint if there is one, and return the rows of all epochs."""
        of = self.network, self.optimiser, self.generator, self.device, self.seed, self.job, self.settings.epochs
        return Epochs(*of, self.steps * self.settings.batch, "Lower the model's lr in params.yaml").run(self._epoch)

    def _epoch(self, epoch: int) -> Row:
        """Train on every image once and return the means of the objective's terms over the updates."""
        order = torch.randperm(len(self.x), generator=self.generator, device=self.x.device)
        sums = torch.zeros(3, device=self.x.device)
        for step in range(self.steps):
            sums += self._update(order[step * self.settings.batch : (step + 1) * self.settings.batch])
        names = "smoothness", "conditional_entropy", "entropy"
        return dict(zip(names, (sums / self.steps).tolist(), strict=True))

    def _update(self, chosen: Tensor) -> Tensor:
        """Train on a batch of images, given by their indices, and return the three terms of the objective."""
        x = self.x[chosen]
        logits = self.network(x)
        given_x, of_all = entropies(logits)
        fixed = logits.detach()
        direction = adversarial(self._quiet, x, fixed, self.generator)
        smoothness = divergence(fixed, self._quiet(x + self.radii[chosen, None] * direction))
        self.optimiser.zero_grad(set_to_none=True)
        (smoothness + LAMBDA * (given_x - MU * of_all)).backward()
        self.optimiser.step()
        return torch.stack([smoothness, given_x, of_all]).detach()

    def _quiet(self, x: Tensor) -> Tensor:
        return self.network(x, count=False)
