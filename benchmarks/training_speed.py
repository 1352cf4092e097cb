"""Speed of training, all of it side by side in one run: count, measured peaks, loops, the unit of work, profile.

    python benchmarks/training_speed.py            prints Markdown tables; some five minutes on a CPU

Ours is `vlac.training.Trainer`, called as a training stage calls it. Plain is what one writes first: float32, NCHW
memory, a shuffling DataLoader over float tensors, torch.optim.Adam as it comes, and `.item()` on every loss of every
step. Pythae is its own VAE and trainer, where it is installed (`pip install pythae`). All sides of a row train the same
network on the same images, batch and number of threads; plain and ours on the same objective, for pythae of one rung.
"""

import argparse
import importlib.util
import statistics
import sys
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import torch
from breakdown import Part, seconds_by_kind
from cases import Block, Case, Clock, rates
from count import Cost, count, parameter_bytes, saved_bytes, total
from kinds import KINDS, OPTIMISER
from machine import machine
from peak import Peaks, measure
from plain_loop import Recipe, ingredients, plain
from shipped_loop import shipped
from unit import PRESETS, SEEDS, SVHN_IMAGES, Preset, one_rung_vae, table_models, unit_seconds

from vlac.errors import VlacError
from vlac.models.spec import Spec
from vlac.reporting.markdown import aligned, paragraph
from vlac.training.device import settle_device, settle_precision

STEPS = {"cpu": {"svhn_small": 16, "svhn_paper": 2}, "cuda": {"svhn_small": 200, "svhn_paper": 100}}
"""Steps of a block, by device and preset: seconds."""

PROFILED = {"cpu": {"svhn_small": 16, "svhn_paper": 3}, "cuda": {"svhn_small": 20, "svhn_paper": 20}}
"""Steps of the block that is profiled."""

WITH_PYTHAE = importlib.util.find_spec("pythae") is not None
VAE = "VAE, rung 3 alone"


@dataclass(frozen=True)
class Bench:
    """What every part of the run shares."""

    device: torch.device
    threads: int
    rounds: int
    peaks: Peaks
    clock: Clock

    @property
    def bfloat16(self) -> bool:
        """Whether ours runs in bfloat16."""
        return settle_precision(self.device, "auto")

    def case(self, preset: Preset, spec: Spec, steps: int) -> Case:
        """Return a training of so many steps a block, on images of noise: their content changes no time."""
        images = torch.randint(256, (steps * preset.batch, 32, 32, 3), dtype=torch.uint8)
        return Case(spec, images, preset.batch, preset.lr, preset.kl_z, self.threads, self.device, self.clock)


@dataclass(frozen=True)
class Measured:
    """One network's count and speeds."""

    case: Case
    costs: dict[str, Cost]
    parameters: int
    saved: int
    speeds: dict[str, list[float]]

    @property
    def flops_per_image(self) -> float:
        """Of convolutions and matrix products, forward and backward."""
        return total(self.costs.values()).flops / self.case.batch

    def rate(self, side: str) -> float:
        """Return the median of the side's images per second."""
        return statistics.median(self.speeds[side])

    def reached(self, side: str, peaks: Peaks, bfloat16: bool) -> float:
        """Return the fraction of the peak of the side's precision."""
        return self.rate(side) * self.flops_per_image / peaks.product(bfloat16 and side == "ours")


def measured(bench: Bench, name: str, preset: Preset, spec: Spec, sides: Sequence[str]) -> Measured:
    """Count one step of ours, and let the sides take turns."""
    step, model = shipped(bench.case(preset, spec, 1))
    costs = count(step)
    saved = saved_bytes(step, model)
    case = bench.case(preset, spec, STEPS[bench.device.type][name])
    blocks = {side: _loop(side, case) for side in sides}
    return Measured(case, costs, parameter_bytes(model), saved, rates(case, blocks, bench.rounds))


def _loop(side: str, case: Case) -> Block:
    if side == "pythae":
        from pythae_loop import pythae  # an optional package

        return pythae(case)
    return shipped(case)[0] if side == "ours" else plain(case, Recipe())


def count_table(found: Mapping[str, Measured]) -> str:
    """Return what a step of each model needs, before any clock is looked at."""
    heads = ["model", "parameters, M", "MFLOP per image", "GFLOP per step", "kept for backward, MB"]
    heads += ["moved per step, MB", "of it by the optimiser, MB", "FLOP per byte"]
    rows = []
    for model, one in found.items():
        step = total(one.costs.values())
        optimiser = one.costs[OPTIMISER].bytes
        cells = [one.parameters / 4e6, one.flops_per_image / 1e6, step.flops / 1e9, one.saved / 1e6]
        cells += [step.bytes / 1e6, optimiser / 1e6, step.flops / step.bytes]
        rows.append([model, *(f"{cell:.1f}" for cell in cells)])
    return aligned(heads, rows)


def speed_table(bench: Bench, found: Mapping[str, Measured]) -> str:
    """Return images per second of each loop, ratios and the fraction of the peak."""
    others = ["plain", *(["pythae"] if WITH_PYTHAE else [])]
    sides = ["ours", *others]
    heads = ["model", *sides, *(f"ours / {side}" for side in others), *(f"of peak, {side}" for side in sides)]
    rows = []
    for model, one in found.items():
        cells = [_spread(one.speeds[side]) if side in one.speeds else "" for side in sides]
        cells += [f"{one.rate('ours') / one.rate(side):.2f}" if side in one.speeds else "" for side in others]
        cells += [
            f"{one.reached(side, bench.peaks, bench.bfloat16):.0%}" if side in one.speeds else "" for side in sides
        ]
        rows.append([model, *cells])
    return aligned(heads, rows)


def unit_row(name: str, preset: Preset, found: Mapping[str, Measured]) -> list[str]:
    """Return the seconds of the unit, plain and ours, for one epoch and for the preset's."""
    table = {model: one for model, one in found.items() if model != VAE}
    seconds = [
        unit_seconds({model: one.rate(side) for model, one in table.items()}, epochs)
        for epochs in (1, preset.epochs)
        for side in ("plain", "ours")
    ]
    return [name, str(preset.epochs), *(f"{value:,.0f}" for value in seconds), f"{seconds[0] / seconds[1]:.2f}"]


def profile_table(bench: Bench, name: str, preset: Preset, spec: Spec, costs: Mapping[str, Cost]) -> str:
    """Return ours by kind of operator: share of the time, work, and what bounds it."""
    steps = PROFILED[bench.device.type][name]
    seconds = seconds_by_kind(shipped(bench.case(preset, spec, steps))[0], bench.device)
    whole = sum(seconds.values())
    rows = []
    for kind in KINDS:
        part = Part(seconds.get(kind, 0.0) / steps, costs.get(kind, Cost()), bench.peaks, bench.bfloat16)
        work = [f"{part.cost.flops / 1e9:.2f}", f"{part.cost.bytes / 1e6:.1f}"]
        intensity = f"{part.cost.flops / part.cost.bytes:.0f}" if part.cost.bytes else ""
        reached = part.seconds and part.at_best
        at_best = [f"{part.at_best * 1e3:.2f}", f"{part.at_best / part.seconds:.0%}"] if reached else ["", ""]
        share = f"{seconds.get(kind, 0.0) / whole:.0%}"
        rows.append([kind, f"{part.seconds * 1e3:.2f}", share, *work, intensity, part.bound, *at_best])
    heads = (
        "part",
        "ms per step",
        "share",
        "GFLOP",
        "MB",
        "FLOP per byte",
        "bound by",
        "ms at peak or copy speed",
        "reached",
    )
    return aligned(heads, rows)


def reachable_row(bench: Bench, name: str, one: Measured) -> list[str]:
    """Return how far ours is ahead of plain, and how far any loop of the same arithmetic could be."""
    precision = bench.peaks.product(bench.bfloat16) / bench.peaks.float32
    reached = one.reached("plain", bench.peaks, bench.bfloat16)
    parts = [Part(0.0, cost, bench.peaks, bench.bfloat16).at_best for cost in one.costs.values()]
    at_copy_speed = one.case.batch / sum(parts) / one.rate("plain")
    ratios = (precision, precision / reached, at_copy_speed, one.rate("ours") / one.rate("plain"))
    return [name, f"{reached:.0%}", *(f"{ratio:.2f}" for ratio in ratios)]


def ablation_table(bench: Bench, name: str, preset: Preset, spec: Spec) -> str:
    """Return the steps that lead from the plain loop to the shipped one, each with all of those above it."""
    case = bench.case(preset, spec, STEPS[bench.device.type][name])
    way = [Recipe("plain, 2 workers", workers=2), *ingredients(bench.bfloat16)]
    blocks = {recipe.name: plain(case, recipe) for recipe in way} | {"ours": shipped(case)[0]}
    found = rates(case, blocks, bench.rounds)
    first = statistics.median(found["plain"])
    rows = [[side, _spread(values), f"{statistics.median(values) / first:.2f}"] for side, values in found.items()]
    return aligned(("loop", "images/s", "over plain"), rows)


def report(bench: Bench, ablation: bool) -> None:
    """Measure everything, and print each part as it is known."""
    peaks, ours = bench.peaks, "bfloat16" if bench.bfloat16 else "float32"
    _print("### Peaks")
    _print(
        f"Matrix product: float32 {peaks.float32 / 1e9:,.0f} and bfloat16 {peaks.bfloat16 / 1e9:,.0f} GFLOP/s. "
        f"Copy, bytes read and written: {peaks.copy / 1e9:,.1f} GB/s, and {peaks.copy_cached / 1e9:,.1f} GB/s from "
        f"caches. A part of more than {peaks.product(bench.bfloat16) / peaks.copy:.0f} FLOP per byte is bound by "
        f"arithmetic in {ours}, any other by memory."
    )
    units, reachable = [], []
    for name, preset in PRESETS.items():
        models = table_models(preset) | {VAE: one_rung_vae(preset)}
        found = {}
        for model, spec in models.items():
            print(f"{name}: {model}", file=sys.stderr, flush=True)
            sides = ["plain", "ours", *(["pythae"] if WITH_PYTHAE and model == VAE else [])]
            found[model] = measured(bench, name, preset, spec, sides)
        main = list(models)[1]
        _print(f"### {name}: batch {preset.batch}")
        _print(count_table(found))
        _print(f"Images per second, and the fraction of the peak: ours in {ours}, the others in float32.")
        _print(speed_table(bench, found))
        _print(f"Where the time of ours goes, {main}:")
        _print(profile_table(bench, name, preset, models[main], found[main].costs))
        if ablation:
            _print(f"From plain to ours, {main}:")
            _print(ablation_table(bench, name, preset, models[main]))
        units.append(unit_row(name, preset, found))
        reachable.append(reachable_row(bench, name, found[main]))
    _print("### Seconds per unit")
    _print(
        f"One unit: {len(table_models(PRESETS['svhn_paper']))} models, {SEEDS} seeds each, {SVHN_IMAGES:,} images an "
        f"epoch, one training after the other. Threads: {bench.threads}."
    )
    heads = ("preset", "epochs", "plain, an epoch", "ours, an epoch", "plain, all epochs", "ours, all epochs", "ratio")
    _print(aligned(heads, units))
    _print("### What is reachable")
    _print(
        "Ours over plain, if the counted arithmetic ran at the peak and all else took no time; if every part ran at "
        "the peak or at the speed of a large copy; and as measured."
    )
    limits = ("preset", "plain's part of the float32 peak", f"{ours} / float32 peak", "all arithmetic at the peak")
    _print(aligned((*limits, "every part at peak or copy speed", "measured"), reachable))


def _spread(values: list[float]) -> str:
    return f"{statistics.median(values):,.0f} ({min(values):,.0f}-{max(values):,.0f})"


def _print(text: str) -> None:
    print((text if text.startswith(("|", "#")) else paragraph(text)) + "\n", flush=True)


def main() -> None:
    """Read the options, measure the peaks and print the report."""
    parser = argparse.ArgumentParser(description="Count, measure and compare the speed of training.")
    parser.add_argument("--threads", type=int, default=1, help="default: 1, as in the presets")
    parser.add_argument("--rounds", type=int, default=3, help="measured blocks per side (default: 3)")
    parser.add_argument("--device", choices=["auto", "cpu", "cuda"], default="auto")
    parser.add_argument("--ablation", action="store_true", help="show also what each ingredient of the loop gives")
    parser.add_argument(
        "--processor-time",
        action="store_true",
        help="time the loops by processor time, for one thread on a CPU that other work shares",
    )
    options = parser.parse_args()
    device = settle_device(options.device, options.threads)
    _print(f"{machine(device)}. Threads: {options.threads}. Median (smallest to largest) of {options.rounds} blocks.")
    if options.processor_time and (device.type == "cuda" or options.threads > 1):
        raise VlacError("Processor time is the time of one thread on a CPU.", "Leave out --processor-time.")
    if WITH_PYTHAE:
        from pythae_loop import VERSION

        _print(f"pythae {VERSION}, its own trainer with its defaults (float32, DataLoader without workers).")
    else:
        _print("pythae is not installed: its column is left out. `pip install pythae` brings it.")
    clock = time.process_time if options.processor_time else time.perf_counter
    started, used = time.perf_counter(), time.process_time()
    peaks = measure(device, options.threads, clock)
    report(Bench(device, options.threads, options.rounds, peaks, clock), options.ablation)
    wall, used = time.perf_counter() - started, time.process_time() - used
    timed = "processor time" if options.processor_time else "wall time"
    _print(f"{wall:.0f} s, of which this process had a core for {used / wall:.0%}. The loops were timed by {timed}.")


if __name__ == "__main__":
    try:
        main()
    except VlacError as error:
        raise SystemExit(str(error)) from None
