"""The loops that are compared, each as a function that trains a new network for one epoch."""

from collections.abc import Callable
from copy import copy
from dataclasses import asdict, dataclass
from pathlib import Path

import torch
from torch import Tensor, nn
from torch.utils.data import DataLoader, TensorDataset

from vlac.methods.base import Job
from vlac.models.ladder import Ladder, to_input
from vlac.models.method import LadderMethod
from vlac.models.networks.layers import Flatten, Unflatten
from vlac.training.device import settle
from vlac.training.schedule import Schedule
from vlac.training.trainer import Trainer

Epoch = Callable[[], object]


@dataclass(frozen=True)
class Case:
    """What every loop of a comparison trains: a method, and uint8 images (N, 32, 32, 3); the rest is in its params."""

    method: LadderMethod
    images: Tensor

    @property
    def device(self) -> torch.device:
        """Where to train; asking for it pins the number of threads."""
        return settle(self.method.params.training).torch


class Vae(LadderMethod):
    """The plain VAE that other packages have: one rung of the ladder without a mixture."""

    @property
    def K(self) -> dict[int, int]:
        """No rung has a mixture."""
        return {}

    def shape(self) -> tuple[dict[int, int], dict[int, int]]:
        """Return K = 1 and the size of z of the one rung."""
        return {self.rung: 1}, {self.rung: self.params.network.z[self.rung - 1]}

    def label(self) -> str:
        """Return the name and the rung."""
        return f"VAE, rung {self.rung} alone"


def ours(case: Case) -> Epoch:
    """Return the trainer's epoch as `LadderMethod.fit` sets it up, once all rungs have entered, without checkpoints."""
    method, params = copy(case.method), case.method.params
    device = settle(params.training)
    method.model = built(method).to(device.torch)
    job = Job("benchmark", Path("no checkpoint"), {})
    trainer = Trainer(method.model, method.loss, case.images.to(device.torch), params, 0, device, job)

    def epoch() -> None:
        with device.stream():
            trainer._epoch(params.training.epochs)

    return epoch


def plain(case: Case) -> Epoch:
    """Return the loop that one writes first.

    float32, NCHW memory, a shuffling DataLoader over float tensors, Adam as it comes, `.item()` on every term of every
    step.
    """
    method, training, device = copy(case.method), case.method.params.training, case.device
    method.model = in_nchw(built(method)).to(device).train()
    optimiser = torch.optim.Adam(method.model.parameters(), lr=training.lr)
    images = TensorDataset(to_input(case.images).contiguous())
    loader = DataLoader(images, training.batch, shuffle=True, drop_last=True)
    unread = torch.empty(0, dtype=torch.int64)  # which images a batch holds: no loss here asks
    generator = torch.Generator(device).manual_seed(0)
    at = Schedule(method.params.objective, method.model.rungs, 1, training.epochs).at(10**9)  # all rungs have entered

    def epoch() -> None:
        sums: dict[str, float] = {}
        for (x,) in loader:
            loss, terms = method.loss(unread, x.to(device), at, generator)
            optimiser.zero_grad()
            loss.backward()
            optimiser.step()
            means = {"elbo": terms.elbo, "log_likelihood": terms.log_likelihood}
            means |= {f"kl_z_{rung}": term for rung, term in terms.kl_z.items()}
            means |= {f"kl_y_{rung}": term for rung, term in terms.kl_y.items()}
            for name, value in means.items():
                sums[name] = sums.get(name, 0.0) + value.mean().item()

    return epoch


def built(method: LadderMethod) -> Ladder:
    """Return the method's network, the same at every call."""
    torch.manual_seed(0)
    return method.build(asdict(method.spec()))


def in_nchw(model: Ladder) -> Ladder:
    """Return the network with weights and activations in NCHW memory."""
    model.to(memory_format=torch.contiguous_format)  # type: ignore[call-overload]
    for parent in list(model.modules()):
        for name, child in parent.named_children():
            if isinstance(child, Flatten):
                setattr(parent, name, nn.Flatten())
            elif isinstance(child, Unflatten):
                setattr(parent, name, nn.Unflatten(1, (child.channels, child.size, child.size)))
    return model
