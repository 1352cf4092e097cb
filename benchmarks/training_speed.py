"""Images per second of the shipped training loop against a plain PyTorch loop, in one run on one machine.

    python benchmarks/training_speed.py

Both sides train the same network on the same objective, at the same batch size and number of threads. Shipped is
`vlac.training.Trainer`, called as a training stage calls it. Plain is what one writes first: float32, NCHW memory, a
shuffling DataLoader over float tensors, torch.optim.Adam as it comes, and `.item()` on every loss of every step.

The sides take turns, block by block, so that a change of the machine's clock or load meets all; the first round warms
up and does not count. A block of the shipped side is an epoch with its bookkeeping, but of few steps: a real training
spreads that bookkeeping over more. No checkpoint is written.
"""

import argparse
import itertools
import os
import platform
import re
import statistics
import sys
import time
from pathlib import Path

import torch
from plain_loop import LR, OBJECTIVE, Block, Case, Recipe, ingredients, plain

from vlac.errors import VlacError
from vlac.models.ladder import Ladder
from vlac.models.spec import Spec
from vlac.params.schema import Training
from vlac.training import Trainer
from vlac.training.device import settle_device, settle_precision

K = {1: 1, 2: 1, 3: 50, 4: 1}
NETWORKS = {
    "small (16-32-64, hidden 128)": Spec(K, {1: 6, 2: 4, 3: 10, 4: 2}, (16, 32, 64), 128, "gaussian", 0.15),
    # Widths and latent sizes of ermongroup/Variational-Ladder-Autoencoder for SVHN.
    "VLAE-size (64-128-256, hidden 1024)": Spec(K, {1: 5, 2: 5, 3: 5, 4: 10}, (64, 128, 256), 1024, "gaussian", 0.15),
}
STEPS = {"cpu": (10, 3), "cuda": (200, 50)}
"""Steps of a block, by device and network: seconds."""

PLAIN = (Recipe(), Recipe("plain, 2 workers", workers=2))


def shipped(case: Case) -> tuple[Block, Ladder]:
    """Return the shipped loop, and its network."""
    machine = {"precision": "auto", "device": case.device.type, "threads": case.threads, "at_once": 1}
    schedule = {"epochs": 1_000_000, "batch": case.batch, "lr": LR, "lr_prior": LR}
    training = Training.model_validate(schedule | machine)
    trainer = Trainer(case.spec, case.images, training, OBJECTIVE, 0, Path("unused"), {})
    epochs = trainer.epochs(checkpoint_seconds=float("inf"))
    return lambda: next(epochs), trainer.model


def rates(case: Case, sides: dict[str, Block]) -> dict[str, list[float]]:
    """Return each side's images per second, one figure per round; within a round the sides take turns."""
    torch.set_num_threads(case.threads)
    found: dict[str, list[float]] = {name: [] for name in sides}
    for turn in range(case.rounds + 1):
        for name, block in sides.items():
            _wait_for(case.device)
            started = time.perf_counter()
            block()
            _wait_for(case.device)
            if turn > 0:
                found[name].append(len(case.images) / (time.perf_counter() - started))
    return found


def _wait_for(device: torch.device) -> None:
    if device.type == "cuda":
        torch.cuda.synchronize()


def compare(case: Case) -> str:
    """Return the table's row for one network and number of threads."""
    run, model = shipped(case)
    found = rates(case, {"shipped": run} | {recipe.name: plain(case, recipe) for recipe in PLAIN})
    ours, *theirs = (statistics.median(values) for values in found.values())
    parameters = sum(p.numel() for p in model.parameters()) / 1e6
    cells = (case.network, f"{parameters:.1f} M", str(case.threads), *map(_spread, found.values()))
    return _row(*cells, *(f"{ours / other:.2f}" for other in theirs))


def ablate(case: Case) -> list[str]:
    """Return the rows that lead from the plain loop to the shipped one, each with its factor over the row above."""
    run, _ = shipped(case)
    way = ingredients(settle_precision(case.device, "auto"))
    found = rates(case, {recipe.name: plain(case, recipe) for recipe in way} | {"shipped": run})
    medians = [statistics.median(values) for values in found.values()]
    factors = ["", *(f"{after / before:.2f}" for before, after in itertools.pairwise(medians))]
    loops = zip(found.items(), factors, strict=True)
    return [_row(case.network, str(case.threads), name, _spread(values), factor) for (name, values), factor in loops]


def machine(device: torch.device) -> str:
    """Return one line on what the figures were measured on."""
    try:
        cpu = re.search(r"^model name\s*:\s*(.+)$", Path("/proc/cpuinfo").read_text(), re.MULTILINE)
    except OSError:
        cpu = None
    native = {"AVX-512": torch.cpu._is_avx512_bf16_supported(), "AMX": torch.cpu._is_amx_tile_supported()}
    bfloat16 = " and ".join(name for name, has in native.items() if has) or "no instructions"
    parts = [cpu[1] if cpu else platform.processor() or platform.machine(), f"{_cores()} cores"]
    parts += [f"CPU bfloat16: {bfloat16}", f"torch {torch.__version__}", f"Python {platform.python_version()}"]
    return ", ".join([torch.cuda.get_device_name(), *parts] if device.type == "cuda" else parts)


def _cores() -> int:
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def _spread(values: list[float]) -> str:
    return f"{statistics.median(values):.0f} ({min(values):.0f} to {max(values):.0f})"


def _row(*cells: str) -> str:
    return f"| {' | '.join(cells)} |"


def _table(rows: list[str], *header: str) -> None:
    print("\n".join(["", _row(*header), _row(*("---" for _ in header)), *rows]))


def main() -> None:
    """Measure both networks and print the tables."""
    parser = argparse.ArgumentParser(description="Images per second of the shipped training loop and of a plain one.")
    parser.add_argument("--threads", type=int, nargs="+", help="default: 1, and all cores")
    parser.add_argument("--batch", type=int, default=128, help="images per step (default: 128)")
    parser.add_argument("--rounds", type=int, default=3, help="measured blocks per side (default: 3)")
    parser.add_argument("--device", choices=["auto", "cpu", "cuda"], default="auto")
    parser.add_argument("--ablation", action="store_true", help="show also what each ingredient of the loop gives")
    options = parser.parse_args()
    device = settle_device(options.device, 1)
    threads = options.threads or ([1] if device.type == "cuda" else sorted({1, _cores()}))
    if os.getloadavg()[0] > 0.5:
        print("Other work is running on this machine: take the figures as a hint.", file=sys.stderr)
    rows, ablation = [], []
    for (title, spec), steps in zip(NETWORKS.items(), STEPS[device.type], strict=True):
        images = torch.randint(256, (steps * options.batch, 32, 32, 3), dtype=torch.uint8)
        for count in threads:
            print(f"{title}, threads: {count}", file=sys.stderr, flush=True)
            case = Case(title, spec, images, options.batch, count, device, options.rounds)
            rows.append(compare(case))
            if options.ablation and count == threads[0]:
                ablation += ablate(case)
    precision = "bfloat16" if settle_precision(device, "auto") else "float32"
    print(f"{machine(device)}. Images per second of training, batch {options.batch}: median (smallest to largest)")
    print(f"of {options.rounds} blocks. Shipped runs in {precision} on {device.type}, plain in float32.")
    names = [recipe.name for recipe in PLAIN]
    _table(rows, "network", "parameters", "threads", "shipped", *names, *(f"shipped / {name}" for name in names))
    if ablation:
        _table(ablation, "network", "threads", "loop", "images/s", "factor over the row above")


if __name__ == "__main__":
    try:
        main()
    except VlacError as error:
        raise SystemExit(str(error)) from None
