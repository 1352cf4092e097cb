"""One update of one model, free of the host: all that it reads and writes is a tensor of fixed place on the device."""

import torch
from torch import Tensor

from vlac.models.ladder import Ladder, to_input
from vlac.models.objective import bound
from vlac.params.schema import Objective, Training
from vlac.training.device import Device
from vlac.training.record import EpochRecord
from vlac.training.schedule import Weights, weights_at


class Step:
    """Makes the updates of an epoch, each by the same work, so that a CUDA graph of one is a graph of all.

    Which images an update takes, and at which temperature and weights, it reads from tensors that `begin` fills once
    per epoch, in the row that `update` counts.

    Args:
        model: in training mode, on the device.
        optimiser: of the model's parameters.
        images: uint8 (N, 32, 32, 3), on the device.
        generator: of the device; source of the shuffling and of all noise.

    Attributes:
        count: updates per epoch; the last, partial batch is left out, another one each time.
        record: what the epoch under way has left so far.
    """

    def __init__(
        self,
        model: Ladder,
        optimiser: torch.optim.Optimizer,
        images: Tensor,
        generator: torch.Generator,
        device: Device,
        training: Training,
        objective: Objective,
    ) -> None:
        self.model, self.optimiser, self.images, self.generator = model, optimiser, images, generator
        self.device, self.objective = device, objective
        self.batch, self.epochs = training.batch, training.epochs
        self.count = len(images) // training.batch
        self.record = EpochRecord(model, device.torch)
        # Of one element and not of none: indexing with such a tensor does not ask the device for its value.
        self.update = torch.zeros(1, dtype=torch.int64, device=device.torch)
        self.order = torch.zeros(self.count, self.batch, dtype=torch.int64, device=device.torch)
        # The columns: temperature, weight of KL_z by rung, weight of KL_y.
        self.schedule = torch.ones(self.count, 2 + len(objective.kl_z_weight), device=device.torch)

    def begin(self, epoch: int) -> Weights:
        """Prepare for an epoch, counted from 0: shuffle, look the schedule up; return the last update's settings."""
        settings = [weights_at(self._progress(epoch, update), self.objective) for update in range(self.count)]
        rows = [[each.temperature, *each.kl_z.values(), each.kl_y] for each in settings]
        self.schedule.copy_(torch.tensor(rows))
        order = torch.randperm(len(self.images), generator=self.generator, device=self.device.torch)
        self.order.copy_(order[: self.order.numel()].view_as(self.order))
        self.update.zero_()
        self.record.clear()
        return settings[-1]

    def __call__(self) -> None:
        """Make the next update of the epoch."""
        temperature, *kl_z, kl_y = self.schedule.index_select(0, self.update)[0].unbind()
        chosen = self.order.index_select(0, self.update)[0]
        x = to_input(self.images.index_select(0, chosen))
        with self.device.autocast():
            terms = bound(self.model, x, temperature, self.objective.kl_z, self.generator)
        loss = -terms.weighted(dict(enumerate(kl_z, start=1)), kl_y).mean()
        self.optimiser.zero_grad(set_to_none=True)
        loss.backward()
        self.optimiser.step()
        self.record.add(terms)
        self.update += 1

    def _progress(self, epoch: int, update: int) -> float:
        return (epoch * self.count + update) / (self.count * self.epochs)
