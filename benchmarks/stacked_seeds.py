"""Several seeds as one model: parameters stacked along a new axis, one pass of torch.func.vmap over all seeds.

vmap turns the seeds' convolutions into grouped ones. What it takes to make it work with torch 2.13:

- batch normalisation's running statistics are stacked buffers that are updated in place, and right;
- `networks.join` gives way to torch.cat, because vmap knows no copy into channels-last memory;
- under bfloat16 the backward pass of batch normalisation is refused (pytorch#184890), so here it runs in float32,
  between two casts;
- vmap cannot draw from a generator per seed, so a seed does not come out as if it had been trained alone.
"""

from collections.abc import Callable
from unittest.mock import patch

import torch
from cases import Block, Case
from shipped_loop import TEMPERATURE
from torch import Tensor, nn
from torch.func import functional_call, grad, stack_module_state, vmap

from vlac.models import networks
from vlac.models.ladder import Ladder, to_input
from vlac.models.objective import bound
from vlac.training.device import settle_precision


class Loss(nn.Module):
    """A ladder with its loss, in the form that functional_call takes."""

    def __init__(self, case: Case) -> None:
        super().__init__()
        self.ladder, self.kl_z = Ladder(case.spec), case.kl_z

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """Return the loss of images x, float (B, 3, 32, 32), and the sum of the bound, to be recorded."""
        terms = bound(self.ladder, x, TEMPERATURE, self.kl_z)
        return -terms.elbo.mean(), terms.elbo.sum()


def stacked(case: Case, seeds: int) -> Block:
    """Return a block that trains all seeds by stacked updates."""
    params, buffers = stack_module_state([Loss(case).to(case.device).train() for _ in range(seeds)])
    frame = Loss(case).to(case.device).train()
    bfloat16 = settle_precision(case.device, "auto")
    if bfloat16:
        _normalise_in_float32(frame)
    optimiser = torch.optim.Adam(params.values(), lr=case.lr, fused=True, capturable=case.device.type == "cuda")
    images = case.images.to(case.device)
    chosen = torch.zeros(seeds, case.batch, dtype=torch.int64, device=case.device)
    sums = torch.zeros(seeds, device=case.device)

    def loss(params: dict[str, Tensor], buffers: dict[str, Tensor], x: Tensor) -> tuple[Tensor, Tensor]:
        with torch.autocast(case.device.type, torch.bfloat16, enabled=bfloat16, cache_enabled=False):
            value: tuple[Tensor, Tensor] = functional_call(frame, (params, buffers), (x,))
        return value

    every_gradient = vmap(grad(loss, has_aux=True), randomness="different")

    def update() -> None:
        x = to_input(images[chosen.flatten()]).unflatten(0, (seeds, case.batch))
        with patch.object(networks, "join", lambda above, z: torch.cat((above, z), 1)):
            gradients, elbo = every_gradient(params, buffers, x)
        for name, parameter in params.items():
            parameter.grad = gradients[name].detach()
        optimiser.step()
        sums.add_(elbo.detach())

    run = _captured(update) if case.device.type == "cuda" else update

    def block() -> None:
        orders = torch.stack([torch.randperm(len(images), device=case.device) for _ in range(seeds)])
        for order in orders.split(case.batch, 1):
            chosen.copy_(order)
            run()
        sums.tolist()
        sums.zero_()

    return block


def _normalise_in_float32(module: nn.Module) -> None:
    for child in module.modules():
        if isinstance(child, (nn.BatchNorm1d, nn.BatchNorm2d)):
            child.register_forward_pre_hook(lambda _, inputs: (inputs[0].float(),))
            child.register_forward_hook(lambda _, inputs, output: output.bfloat16())


def _captured(update: Callable[[], None]) -> Callable[[], None]:
    stream = torch.cuda.Stream()
    stream.wait_stream(torch.cuda.current_stream())
    with torch.cuda.stream(stream):
        for _ in range(3):
            update()
    graph = torch.cuda.CUDAGraph()
    with torch.cuda.graph(graph, stream=stream):
        update()
    return graph.replay
