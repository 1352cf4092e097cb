"""Speed of training beside the plain loop and pythae, and beside what the processor can do.

    python benchmarks/training_speed.py            prints Markdown tables; some minutes on a CPU

Ours is `vlac.training.trainer.Trainer`. Plain is the same network and objective in the loop that one writes first:
benchmarks/loops.py has both. Pythae is its own VAE and trainer on a VAE of one rung, where it is installed
(`pip install -c constraints.txt -e ".[bench]"`). All sides of a row train on the same images and batch, by one thread
of one process, and take turns.
"""

import argparse
import importlib.util
import statistics
import sys
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import torch
from loops import Case, Epoch, Vae, ours, plain
from machine import flops, machine, peak, wait_for

from vlac.methods import kinds
from vlac.models.method import LadderMethod
from vlac.params.load import load_params
from vlac.params.schema import Params
from vlac.reporting.markdown import aligned, paragraph
from vlac.training.device import keep_freed_memory, settle

STEPS = {"cpu": {"svhn_small": 16, "svhn_paper": 2}, "cuda": {"svhn_small": 200, "svhn_paper": 100}}
"""Updates of a block, by device and preset: some seconds' worth; of another preset 2."""

ROUNDS = 3
"""Blocks measured per side."""

RUNG = 3
KINDS = ("vlae", "vlac", "gmdgm")


def preset(name: str, device: str) -> Params:
    """Return the parameters of a preset, to train on that device by one thread."""
    params = load_params(Path(__file__).parents[1] / f"presets/{name}.yaml")
    training = params.training.model_copy(update={"device": device, "threads": 1})
    return params.model_copy(update={"training": training})


def methods(params: Params) -> list[LadderMethod]:
    """Return the VLAE, the preset's models of the paper, and the VAE that pythae has too, untrained."""
    models: list[Any] = [kinds()["vlae"].Settings(kind="vlae"), *params.models.values()]
    found = [kinds()[each.kind](each, params, RUNG) for each in models if each.kind in KINDS]
    return [*(method for method in found if isinstance(method, LadderMethod)), vae(params)]


def vae(params: Params) -> Vae:
    """Return the VAE that pythae has too, whose squared error is the Gaussian of unit scale."""
    unit = params.likelihood.model_copy(update={"form": "gaussian", "scale": 1.0})
    return Vae(None, params.model_copy(update={"likelihood": unit}), RUNG)


def case(method: LadderMethod, steps: int) -> Case:
    """Return a training of so many updates an epoch, on images of noise: their content changes no time."""
    count = steps * method.params.training.batch
    return Case(method, torch.randint(256, (count, 32, 32, 3), dtype=torch.uint8))


def sides(of: Case) -> dict[str, Epoch]:
    """Return every loop that can train the case."""
    loops = {"ours": ours(of), "plain": plain(of)}
    if isinstance(of.method, Vae) and importlib.util.find_spec("pythae"):
        from pythae_loop import pythae

        loops["pythae"] = pythae(of)
    return loops


def rates(of: Case, loops: Mapping[str, Epoch]) -> dict[str, list[float]]:
    """Return each side's images per second, one figure per round.

    Within a round the sides take turns, so that a change of the machine's clock or load meets all; the first round
    warms up and does not count.
    """
    found: dict[str, list[float]] = {name: [] for name in loops}
    for turn in range(ROUNDS + 1):
        for name, epoch in loops.items():
            wait_for(of.device)
            started = time.perf_counter()
            epoch()
            wait_for(of.device)
            if turn > 0:
                found[name].append(len(of.images) / (time.perf_counter() - started))
    return found


def table(params: Params, steps: int, peaks: Mapping[bool, float]) -> str:
    """Return speeds, ratios and shares of the peak for every network of a preset; peaks are by "in bfloat16"."""
    bfloat16 = settle(params.training).bfloat16
    heads = ["network", "MFLOP/image", "ours", "plain", "pythae", "ours / plain", "ours / pythae"]
    heads += ["of peak: ours", "plain", "pythae", "most possible over plain"]
    rows = []
    for method in methods(params):
        print(f"{params.experiment}: {method.label()}", file=sys.stderr, flush=True)
        work = flops(ours(case(method, 1))) / params.training.batch
        of = case(method, steps)
        found = rates(of, sides(of))
        speed = {name: statistics.median(values) for name, values in found.items()}
        shares = {name: speed[name] * work / peaks[bfloat16 and name == "ours"] for name in speed}
        cells = [method.label(), f"{work / 1e6:,.1f}"]
        cells += [spread(found[name]) if name in found else "" for name in ("ours", "plain", "pythae")]
        cells += [f"{speed['ours'] / speed[name]:.2f}" if name in speed else "" for name in ("plain", "pythae")]
        cells += [f"{shares[name]:.0%}" if name in shares else "" for name in ("ours", "plain", "pythae")]
        rows.append([*cells, f"{peaks[bfloat16] / (speed['plain'] * work):.2f}"])
    return aligned(heads, rows)


def spread(values: Sequence[float]) -> str:
    """Return the median, and the smallest and largest in brackets."""
    return f"{statistics.median(values):,.0f} ({min(values):,.0f}-{max(values):,.0f})"


def main() -> None:
    """Read the options, measure the peaks, and print a table for each preset."""
    parser = argparse.ArgumentParser(description="Speed of training beside the plain loop, pythae and the peak.")
    parser.add_argument("--presets", nargs="+", default=["svhn_small", "svhn_paper"])
    parser.add_argument("--device", choices=["auto", "cpu", "cuda"], default="auto")
    options = parser.parse_args()
    keep_freed_memory()  # as a training stage does; here it speeds up every side
    every = [preset(name, options.device) for name in options.presets]
    device = settle(every[0].training)
    print(f"{paragraph(f'{machine(device.torch)}. One thread.')}\n")
    peaks = {False: peak(device.torch, torch.float32)}
    if device.bfloat16:
        peaks[True] = peak(device.torch, torch.bfloat16)
    named = [f"{'bfloat16' if half else 'float32'} {found / 1e9:,.0f} GFLOP/s" for half, found in peaks.items()]
    print(f"Peak of matrix products: {', '.join(named)}.\n")
    said = (
        f"Images per second, median (smallest to largest) of {ROUNDS} blocks. Ours runs in "
        f"{'bfloat16' if device.bfloat16 else 'float32'}, the others in float32; each share is of the peak of its "
        "precision. The last column: the ratio of a loop whose counted arithmetic runs at the peak of ours, while all "
        "else takes no time."
    )
    print(paragraph(said), flush=True)
    for params in every:
        steps = STEPS[device.torch.type].get(params.experiment, 2)
        print(f"\n### {params.experiment}: batch {params.training.batch}, {steps} updates a block\n")
        print(table(params, steps, peaks), flush=True)


if __name__ == "__main__":
    main()
