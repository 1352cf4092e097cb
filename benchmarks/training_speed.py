"""Images per second of the shipped training loop against a plain PyTorch loop, in one run on one machine.

    python benchmarks/training_speed.py

Both sides train the same network on the same objective, at the same batch size and number of threads. Shipped is
`vlac.training.Trainer` as a training stage calls it. Plain is what one writes first: float32, NCHW memory, a shuffling
DataLoader over float tensors, torch.optim.Adam as it comes, and `.item()` on every loss of every step.

The sides take turns, block by block, so that a change of the machine's clock or load meets both; the first round warms
up and is not counted. A block of the shipped side is one epoch with its bookkeeping, of few steps: in a real training
that bookkeeping is spread over more. No block writes a checkpoint.
"""

import argparse
import itertools
import os
import platform
import re
import statistics
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path

import torch
from torch import Tensor, nn
from torch.utils.data import DataLoader, TensorDataset

from vlac.errors import VlacError
from vlac.models.ladder import Ladder, to_input
from vlac.models.networks import Climb
from vlac.models.objective import bound
from vlac.models.spec import Spec
from vlac.params.schema import Objective, Training
from vlac.training import Trainer
from vlac.training.device import settle_device, settle_precision

K, LIKELIHOOD = {1: 1, 2: 1, 3: 50, 4: 1}, ("gaussian", 0.15)
NETWORKS = {
    "small (16-32-64, hidden 128)": Spec(K, {1: 6, 2: 4, 3: 10, 4: 2}, (16, 32, 64), 128, *LIKELIHOOD),
    # Widths and latent sizes of ermongroup/Variational-Ladder-Autoencoder for SVHN.
    "VLAE-size (64-128-256, hidden 1024)": Spec(K, {1: 5, 2: 5, 3: 5, 4: 10}, (64, 128, 256), 1024, *LIKELIHOOD),
}
STEPS = {"cpu": (10, 3), "cuda": (200, 50)}
"""Steps of a block, by device and network: a few seconds each."""

OBJECTIVE = Objective(
    kl_z="enumerated",
    kl_z_weight=[1.0] * 4,
    kl_y_weight=1.0,
    kl_z_warmup=0.0,
    kl_y_warmup=0.0,
    temperature_start=0.5,
    temperature_end=0.5,
    temperature_until=0.0,
)
LR = 2e-4

Block = Callable[[], object]
"""Trains for one block of steps."""


@dataclass(frozen=True)
class Recipe:
    """What sets a loop apart from the plain one; every default is plain."""

    name: str = "plain"
    workers: int = 0
    resident: bool = False  # uint8 images on the device, shuffled there, for a DataLoader over float tensors
    deferred: bool = False  # losses summed on the device, for .item() at every step
    fused: bool = False
    channels_last: bool = False
    bfloat16: bool = False


def ingredients(bfloat16: bool) -> list[Recipe]:
    """Return the way from the plain loop to the shipped one, each recipe with one ingredient more than the last."""
    recipe, way = Recipe(), [Recipe()]
    for name, change in (
        ("+ uint8 data on the device", {"resident": True}),
        ("+ no .item() per step", {"deferred": True}),
        ("+ fused Adam", {"fused": True}),
        ("+ channels_last", {"channels_last": True}),
        ("+ bfloat16", {"bfloat16": True}),
    ):
        if "bfloat16" not in change or bfloat16:
            recipe = replace(recipe, name=name, **change)
            way.append(recipe)
    return way


class PlainClimb(Climb):
    """A decoder rung that leaves the memory format alone."""

    def forward(self, z: Tensor | None, above: Tensor | None) -> Tensor:
        """Return what Climb returns."""
        if self.lift is not None and z is not None:
            z = self.lift(z)
        return self.body(torch.cat([part for part in (above, z) if part is not None], 1))


def nchw_ladder(spec: Spec) -> Ladder:
    """Return the network with weights and activations in NCHW memory, which one batch proves."""
    model = Ladder(spec)
    model.to(memory_format=torch.contiguous_format)  # type: ignore[call-overload]
    for climb in model.climbs.values():
        climb.__class__ = PlainClimb

    def check(module: nn.Module, inputs: tuple[Tensor, ...], output: Tensor) -> None:
        if not (inputs[0].is_contiguous() and output.is_contiguous()):
            raise SystemExit(f"The plain network is not in NCHW memory throughout: {module}.")

    planar = (nn.Conv2d, nn.ConvTranspose2d, nn.BatchNorm2d, nn.LeakyReLU)
    hooks = [module.register_forward_hook(check) for module in model.modules() if isinstance(module, planar)]
    bound(model, torch.rand(2, 3, 32, 32), OBJECTIVE.temperature_end, OBJECTIVE.kl_z)
    for hook in hooks:
        hook.remove()
    return model


def shipped(spec: Spec, images: Tensor, batch: int, device: torch.device, threads: int) -> tuple[Block, Trainer]:
    """Return the shipped loop, and its trainer."""
    machine = {"precision": "auto", "device": device.type, "threads": threads}
    training = Training.model_validate({"epochs": 1_000_000, "batch": batch, "lr": LR, "lr_prior": LR} | machine)
    trainer = Trainer(spec, images, training, OBJECTIVE, seed=0, checkpoint=Path("unused"), identity={})
    epochs = trainer.epochs(checkpoint_seconds=float("inf"))
    return lambda: next(epochs), trainer


def plain(spec: Spec, images: Tensor, batch: int, device: torch.device, recipe: Recipe) -> Block:
    """Return the plain loop, with the ingredients of `recipe`."""
    torch.manual_seed(0)
    model = (Ladder(spec) if recipe.channels_last else nchw_ladder(spec)).to(device).train()
    optimiser = torch.optim.Adam(model.parameters(), lr=LR, fused=recipe.fused or None)
    if recipe.resident:
        resident = images.to(device)
    else:
        floats = to_input(images).contiguous()
        # Workers stay alive between blocks: an epoch of real length does not feel their start.
        keep = recipe.workers > 0
        dataset = TensorDataset(floats)
        loader = DataLoader(
            dataset, batch, shuffle=True, drop_last=True, num_workers=recipe.workers, persistent_workers=keep
        )

    def batches() -> Iterator[Tensor]:
        if not recipe.resident:
            for (x,) in loader:
                yield x.to(device)
            return
        order = torch.randperm(len(resident), device=device)
        for chosen in order.split(batch):
            x = to_input(resident[chosen])
            yield x if recipe.channels_last else x.contiguous()

    def block() -> None:
        sums: dict[str, float | Tensor] = {}
        for x in batches():
            with torch.autocast(device.type, torch.bfloat16, enabled=recipe.bfloat16):
                terms = bound(model, x, OBJECTIVE.temperature_end, OBJECTIVE.kl_z)
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


def rates(sides: dict[str, Block], images: int, rounds: int, device: torch.device) -> dict[str, list[float]]:
    """Return each side's images per second, one figure per round; the sides take turns within a round."""
    found: dict[str, list[float]] = {name: [] for name in sides}
    for turn in range(rounds + 1):
        for name, block in sides.items():
            _wait_for(device)
            started = time.perf_counter()
            block()
            _wait_for(device)
            if turn > 0:
                found[name].append(images / (time.perf_counter() - started))
    return found


def _wait_for(device: torch.device) -> None:
    if device.type == "cuda":
        torch.cuda.synchronize()


def machine(device: torch.device) -> str:
    """Return one line on what the figures were measured on."""
    try:
        cpu = re.search(r"^model name\s*:\s*(.+)$", Path("/proc/cpuinfo").read_text(), re.MULTILINE)
    except OSError:
        cpu = None
    native = {"AVX-512": torch.cpu._is_avx512_bf16_supported(), "AMX": torch.cpu._is_amx_tile_supported()}
    parts = [
        cpu[1] if cpu else platform.processor() or platform.machine(),
        f"{_cores()} cores",
        f"CPU bfloat16: {' and '.join(name for name, has in native.items() if has) or 'not native'}",
    ]
    if device.type == "cuda":
        parts.append(torch.cuda.get_device_name())
    return ", ".join([*parts, f"torch {torch.__version__}", f"Python {platform.python_version()}"])


def _cores() -> int:
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def _spread(values: list[float]) -> str:
    return f"{statistics.median(values):.0f} ({min(values):.0f} to {max(values):.0f})"


def compare(
    title: str, spec: Spec, images: Tensor, threads: int, device: torch.device, options: argparse.Namespace
) -> str:
    """Return the table's row for one network and number of threads."""
    run, trainer = shipped(spec, images, options.batch, device, threads)
    blocks = {"shipped": run}
    for recipe in (Recipe(), Recipe("plain, 2 workers", workers=2)):
        blocks[recipe.name] = plain(spec, images, options.batch, device, recipe)
    found = rates(blocks, len(images), options.rounds, device)
    ours, *theirs = (statistics.median(values) for values in found.values())
    parameters = sum(p.numel() for p in trainer.model.parameters())
    cells = [title, f"{parameters / 1e6:.1f} M", str(threads), *map(_spread, found.values())]
    return _row(*cells, *(f"{ours / other:.1f}" for other in theirs))


def ablate(
    title: str, spec: Spec, images: Tensor, threads: int, device: torch.device, options: argparse.Namespace
) -> list[str]:
    """Return the rows that lead from the plain loop to the shipped one, each with its factor over the row above."""
    run, trainer = shipped(spec, images, options.batch, device, threads)
    way = ingredients(trainer.device.bfloat16)
    blocks = {recipe.name: plain(spec, images, options.batch, device, recipe) for recipe in way}
    found = rates(blocks | {"shipped": run}, len(images), options.rounds, device)
    medians = [statistics.median(values) for values in found.values()]
    factors = ["", *(f"{after / before:.2f}" for before, after in itertools.pairwise(medians))]
    return [
        _row(title, str(threads), name, _spread(values), factor)
        for (name, values), factor in zip(found.items(), factors, strict=True)
    ]


def _row(*cells: str) -> str:
    return f"| {' | '.join(cells)} |"


def _table(rows: list[str], *header: str) -> None:
    print("\n".join(["", _row(*header), _row(*("---" for _ in header)), *rows]))


def main() -> None:
    """Measure both networks and print the tables."""
    options = _options()
    device = settle_device(options.device, 1)
    threads = options.threads or ([1] if device.type == "cuda" else sorted({1, _cores()}))
    load = os.getloadavg()[0]
    if load > 0.5:
        print(f"Other work is running here (load average {load:.1f}): take the figures as a hint.", file=sys.stderr)
    rows, ablation = [], []
    for (title, spec), steps in zip(NETWORKS.items(), STEPS[device.type], strict=True):
        images = torch.randint(256, (steps * options.batch, 32, 32, 3), dtype=torch.uint8)
        for count in threads:
            print(f"{title}, threads: {count}", file=sys.stderr, flush=True)
            rows.append(compare(title, spec, images, count, device, options))
        if options.ablation:
            print(f"{title}, ablation", file=sys.stderr, flush=True)
            ablation += ablate(title, spec, images, threads[0], device, options)
    precision = "bfloat16" if settle_precision(device, "auto") else "float32"
    print(f"Machine: {machine(device)}.")
    print(f"Images per second of training, batch {options.batch}, median of {options.rounds} (smallest to largest).")
    print(f"Shipped runs in {precision} on {device.type}, plain in float32; ratio = median shipped / median plain.")
    plains = ("plain", "plain, 2 workers")
    _table(rows, "network", "parameters", "threads", "shipped", *plains, *(f"ratio to {name}" for name in plains))
    if ablation:
        _table(ablation, "network", "threads", "loop", "images/s", "factor over the row above")


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description="Images per second of the shipped training loop and of a plain one.")
    parser.add_argument("--threads", type=int, nargs="+", help="default: 1, and all cores")
    parser.add_argument("--batch", type=int, default=128, help="images per step (default: 128)")
    parser.add_argument("--rounds", type=int, default=3, help="measured blocks per side (default: 3)")
    parser.add_argument("--device", choices=["auto", "cpu", "cuda"], default="auto")
    parser.add_argument("--ablation", action="store_true", help="show also what each ingredient of the loop gives")
    return parser.parse_args()


if __name__ == "__main__":
    try:
        main()
    except VlacError as error:
        raise SystemExit(str(error)) from None
