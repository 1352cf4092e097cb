"""Speed of training, all of it side by side in one run: count, measured peaks, loops, profile, unit, seeds at once.

    python benchmarks/training_speed.py            prints Markdown tables; some five minutes on a CPU

Ours is `vlac.training.Trainer`, called as a training stage calls it. Plain is what one writes first: float32, NCHW
memory, a shuffling DataLoader over float tensors, torch.optim.Adam as it comes, and `.item()` on every loss of every
step. Pythae is its own VAE and trainer, where it is installed (`pip install -c constraints.txt -e ".[bench]"`). All
sides of a row train the same network on the same objective, images, batch and number of threads. torch, numpy, scipy,
pandas, matplotlib, scikit-learn and pydantic are enough to run it.
"""

import argparse
import importlib.util
import sys
import time

from bench import STEPS, Bench, measured
from machine import machine
from peak import measure
from seeds_at_once import BASE, THREADS, seeds_table
from tables import ablation_table, count_table, profile_table, reachable_row, speed_table, unit_row
from unit import MAIN, ONE_RUNG, PRESETS, SEEDS, SVHN_IMAGES, one_rung_vae, table_models

from vlac.errors import VlacError
from vlac.reporting.markdown import aligned, paragraph
from vlac.training.device import settle_device

AT_ONCE = {"cpu": (2,), "cuda": (1, 2, 4, 8)}
"""Numbers of seeds trained at once, by device."""


def report(bench: Bench, pythae: bool, ablation: bool) -> None:
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
        models = table_models(preset) | {ONE_RUNG: one_rung_vae(preset)}
        found = {}
        for model, spec in models.items():
            print(f"{name}: {model}", file=sys.stderr, flush=True)
            sides = ["plain", "ours", *(["pythae"] if pythae and model == ONE_RUNG else [])]
            found[model] = measured(bench, name, preset, spec, sides)
        _print(f"### {name}: batch {preset.batch}")
        _print(count_table(found))
        _print(f"Images per second, and the fraction of the peak: ours in {ours}, the others in float32.")
        _print(speed_table(bench, found))
        _print(f"Where the time of ours goes, {MAIN}:")
        _print(profile_table(bench, name, preset, found[MAIN]))
        if ablation:
            _print(f"From plain to ours, {MAIN}:")
            _print(ablation_table(bench, name, preset, models[MAIN]))
        units.append(unit_row(name, preset, found))
        reachable.append(reachable_row(bench, name, found[MAIN]))
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
    _print("### Seeds at once")
    _print(
        f"Images per second of ours, all seeds together, by the clock on the wall: {MAIN}, threads per seed: "
        f"{bench.threads}. One after the other is `training.at_once: 1`, threads are `training.at_once: S`."
    )
    steps = STEPS[bench.device.type]
    cases = {name: bench.case(preset, table_models(preset)[MAIN], steps[name]) for name, preset in PRESETS.items()}
    _print(seeds_table(cases, AT_ONCE[bench.device.type], (BASE, THREADS), bench.rounds))


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
    if options.processor_time and (device.type == "cuda" or options.threads > 1 or options.ablation):
        raise VlacError(
            "Processor time is that of one thread on a CPU; the ablation has loops with workers.",
            "Leave out --processor-time.",
        )
    _print(f"{machine(device)}. Threads: {options.threads}. Median (smallest to largest) of {options.rounds} blocks.")
    pythae = importlib.util.find_spec("pythae") is not None
    if pythae:
        from pythae_loop import VERSION

        _print(f"pythae {VERSION}, its own trainer with its defaults (float32, DataLoader without workers).")
    else:
        _print('pythae is not installed: its column is left out. `pip install ".[bench]"` brings it.')
    clock = time.process_time if options.processor_time else time.perf_counter
    started, used = time.perf_counter(), time.process_time()
    peaks = measure(device, options.threads, clock)
    report(Bench(device, options.threads, options.rounds, peaks, clock), pythae, options.ablation)
    wall, used = time.perf_counter() - started, time.process_time() - used
    timed = "processor time" if options.processor_time else "wall time"
    _print(
        f"{wall:.0f} s, of which this process had a core for {used / wall:.0%}. "
        f"The loops of the presets were timed by {timed}."
    )


if __name__ == "__main__":
    try:
        main()
    except VlacError as error:
        raise SystemExit(str(error)) from None
