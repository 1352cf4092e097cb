"""ACOL-GAR's training: epochs of the pretext task."""

import torch
from torch import Tensor

from vlac.methods.acol_gar import Settings
from vlac.methods.acol_gar.network import Network, loss
from vlac.methods.base import Job, Row
from vlac.models.dihedral import turn
from vlac.models.ladder import to_input
from vlac.training.device import Device
from vlac.training.epochs import Epochs, seed_dropout


def learn(network: Network, images: Tensor, settings: Settings, seed: int, device: Device, job: Job) -> list[Row]:
    """Train a network and return the rows of all epochs.

    Every image meets one random transform per epoch; an epoch of the published code holds all eight.

    Args:
        network: just initialised, on the device.
        images: uint8 (N, 32, 32, 3), on the device.
        seed: of shuffling and dropout.
        job: where the unfinished training is kept, and who is told of its epochs.
    """
    optimiser = torch.optim.Adam(network.parameters(), lr=settings.lr, fused=True)
    generator = torch.Generator(device.torch).manual_seed(seed)
    batch, steps = settings.batch, len(images) // settings.batch

    def epoch(_: int) -> Row:
        network.train()
        seed_dropout(generator)
        order = torch.randperm(len(images), generator=generator, device=device.torch)
        seen = []
        for step in range(steps):
            turned, transform = turn(to_input(images[order[step * batch : (step + 1) * batch]]))
            with device.autocast():
                nodes = network(turned)
            total, terms = loss(nodes.float(), transform)
            optimiser.zero_grad(set_to_none=True)
            total.backward()
            optimiser.step()
            seen.append(terms)
        return {name: float(torch.stack([terms[name] for terms in seen]).mean()) for name in seen[0]}

    advice = "Lower the model's lr in params.yaml"
    return Epochs(network, optimiser, generator, device, seed, job, settings.epochs, steps * batch, advice).run(epoch)
