"""The plain PyTorch training loop that the shipped one is measured against, and the steps from one to the other."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace

import torch
from cases import Block, Case
from shipped_loop import TEMPERATURE
from torch import Tensor, nn
from torch.utils.data import DataLoader, TensorDataset

from vlac.errors import VlacError
from vlac.models.ladder import Ladder, to_input
from vlac.models.networks import Flatten, Unflatten
from vlac.models.objective import bound
from vlac.models.spec import Spec


@dataclass(frozen=True)
class Recipe:
    """What sets a loop apart from the plain one, which is every default."""

    name: str = "plain"
    workers: int = 0
    resident: bool = False  # uint8 images kept and shuffled on the device
    deferred: bool = False  # losses summed on the device
    fused: bool = False
    channels_last: bool = False
    bfloat16: bool = False


def ingredients(bfloat16: bool) -> list[Recipe]:
    """Return the way from the plain loop to the shipped one, each recipe with one ingredient more than the last."""
    way = [Recipe()]
    way.append(replace(way[-1], name="+ uint8 data on the device", resident=True))
    way.append(replace(way[-1], name="+ no .item() per step", deferred=True))
    way.append(replace(way[-1], name="+ fused Adam", fused=True))
    way.append(replace(way[-1], name="+ channels_last", channels_last=True))
    if bfloat16:
        way.append(replace(way[-1], name="+ bfloat16", bfloat16=True))
    return way


def nchw_ladder(spec: Spec) -> Ladder:
    """Return the network with weights and activations in NCHW memory, and let a batch prove it."""
    model = Ladder(spec)
    model.to(memory_format=torch.contiguous_format)  # type: ignore[call-overload]
    for parent in list(model.modules()):
        for name, child in parent.named_children():
            if isinstance(child, Flatten):
                setattr(parent, name, nn.Flatten())
            elif isinstance(child, Unflatten):
                setattr(parent, name, nn.Unflatten(1, (child.channels, child.size, child.size)))

    def check(module: nn.Module, inputs: tuple[Tensor, ...], output: Tensor) -> None:
        if not (inputs[0].is_contiguous() and output.is_contiguous()):
            raise VlacError(f"The plain network leaves NCHW memory at {module}.", "Correct nchw_ladder.")

    planar = (nn.Conv2d, nn.ConvTranspose2d, nn.BatchNorm2d)
    hooks = [module.register_forward_hook(check) for module in model.modules() if isinstance(module, planar)]
    bound(model, torch.rand(2, 3, 32, 32), TEMPERATURE, "sampled")
    for hook in hooks:
        hook.remove()
    return model


def plain(case: Case, recipe: Recipe) -> Block:
    """Return the plain loop, with the ingredients of `recipe`."""
    model = (Ladder(case.spec) if recipe.channels_last else nchw_ladder(case.spec)).to(case.device).train()
    optimiser = torch.optim.Adam(model.parameters(), lr=case.lr, fused=recipe.fused or None)
    batches = _resident_batches(case, recipe) if recipe.resident else _loaded_batches(case, recipe)

    def block() -> None:
        sums: dict[str, float | Tensor] = {}
        for x in batches():
            with torch.autocast(case.device.type, torch.bfloat16, enabled=recipe.bfloat16):
                terms = bound(model, x, TEMPERATURE, case.kl_z)
            loss = -terms.elbo.mean()
            optimiser.zero_grad()
            loss.backward()
            optimiser.step()
            losses = {"loss": loss, "log_likelihood": terms.log_likelihood.mean()}
            losses |= {f"kl_z_{rung}": term.mean() for rung, term in terms.kl_z.items()}
            losses |= {f"kl_y_{rung}": term.mean() for rung, term in terms.kl_y.items()}
            for name, value in losses.items():
                sums[name] = sums.get(name, 0.0) + (value.detach() if recipe.deferred else value.item())

    return block


def _loaded_batches(case: Case, recipe: Recipe) -> Callable[[], Iterator[Tensor]]:
    images = TensorDataset(to_input(case.images).contiguous())
    # Workers live on between blocks: an epoch of real length does not feel their start.
    keep = recipe.workers > 0
    loader = DataLoader(
        images, case.batch, shuffle=True, drop_last=True, num_workers=recipe.workers, persistent_workers=keep
    )
    return lambda: (x.to(case.device) for (x,) in loader)


def _resident_batches(case: Case, recipe: Recipe) -> Callable[[], Iterator[Tensor]]:
    images = case.images.to(case.device)
    layout = torch.channels_last if recipe.channels_last else torch.contiguous_format

    def batches() -> Iterator[Tensor]:
        for chosen in torch.randperm(len(images), device=case.device).split(case.batch):
            yield to_input(images[chosen]).contiguous(memory_format=layout)

    return batches
