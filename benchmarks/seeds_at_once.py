"""Images per second of several seeds of one configuration, all seeds together, trained in four ways.

    python benchmarks/seeds_at_once.py

One after the other is `training.at_once: 1`. Threads is `training.at_once: S`: the shipped trainers, each in a thread
of its own, on CUDA with a stream and a captured graph each. Stacked is torch.func, see stacked_seeds.py, captured too
on CUDA. Processes are S processes with one trainer each, as an engine starts them for seeds in groups of one. All run
the same network on the same objective, at the same batch size, precision and number of threads per trainer.
training_speed.py measures the first two ways, by the functions of this module. Not run on CUDA yet.
"""

import argparse
import multiprocessing
import statistics
import sys
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import AbstractContextManager, ExitStack, contextmanager, nullcontext
from dataclasses import replace
from multiprocessing.synchronize import Barrier

import torch
from bench import STEPS
from cases import Block, Case, rates
from machine import machine
from shipped_loop import shipped
from stacked_seeds import stacked
from tables import spread
from unit import MAIN, PRESETS, noise_case, table_models

from vlac.errors import VlacError
from vlac.reporting.markdown import aligned, paragraph
from vlac.training.allocator import keep_freed_memory
from vlac.training.device import settle_device, settle_precision

SEEDS = {"cpu": (1, 2, 4), "cuda": (1, 2, 4, 8)}
PATIENCE = 300.0
"""Seconds after which a process that does not come to its barrier counts as dead."""


def in_turn(case: Case, seeds: int) -> Block:
    """Return a block that trains the seeds one after the other."""
    blocks = [shipped(case, seed)[0] for seed in range(seeds)]
    return lambda: [block() for block in blocks]


@contextmanager
def in_threads(case: Case, seeds: int) -> Iterator[Block]:
    """Yield a block that trains each seed in a thread of its own, as `vlac.training.group` does."""
    blocks = [shipped(case, seed)[0] for seed in range(seeds)]
    with ThreadPoolExecutor(seeds, initializer=torch.set_num_threads, initargs=(case.threads,)) as pool:
        yield lambda: list(pool.map(lambda block: block(), blocks))


@contextmanager
def in_processes(case: Case, seeds: int) -> Iterator[Block]:
    """Yield a block that trains each seed in a process of its own."""
    context = multiprocessing.get_context("spawn")
    barrier = context.Barrier(seeds + 1)
    processes = [context.Process(target=_process, args=(case, seed, barrier), daemon=True) for seed in range(seeds)]
    for process in processes:
        process.start()

    def block() -> None:
        barrier.wait(PATIENCE)  # all begin
        barrier.wait(PATIENCE)  # all have ended

    try:
        yield block
    finally:
        for process in processes:
            process.kill()
            process.join()


def _process(case: Case, seed: int, barrier: Barrier) -> None:
    keep_freed_memory()
    block = shipped(case, seed)[0]
    while True:
        barrier.wait()
        block()
        barrier.wait()


BASE, THREADS = "one after the other", "threads"
WAYS: dict[str, Callable[[Case, int], AbstractContextManager[Block]]] = {
    BASE: lambda case, seeds: nullcontext(in_turn(case, seeds)),
    THREADS: in_threads,
    "stacked": lambda case, seeds: nullcontext(stacked(case, seeds)),
    "processes": in_processes,
}


def compare(case: Case, seeds: int, ways: Sequence[str], rounds: int) -> dict[str, list[float]]:
    """Return each way's images per second, all seeds together, one figure per round."""
    case = replace(case, clock=time.perf_counter)  # processor time would add the threads up
    with ExitStack() as running:
        sides = {way: running.enter_context(WAYS[way](case, seeds)) for way in ways}
        return {way: [seeds * rate for rate in each] for way, each in rates(case, sides, rounds).items()}


def seeds_row(name: str, seeds: int, found: Mapping[str, list[float]]) -> list[str]:
    """Return the table's row for one case and number of seeds."""
    base, *others = (statistics.median(values) for values in found.values())
    return [name, str(seeds), *map(spread, found.values()), *(f"{other / base:.2f}" for other in others)]


def seeds_table(cases: Mapping[str, Case], numbers: Sequence[int], ways: Sequence[str], rounds: int) -> str:
    """Measure the ways, of which the first is the base, for each case and number of seeds; return the table."""
    keep_freed_memory()  # as the training stages do
    rows = []
    for name, case in cases.items():
        for seeds in numbers:
            print(f"{name}: {seeds} seed{'s' if seeds > 1 else ''} at once", file=sys.stderr, flush=True)
            rows.append(seeds_row(name, seeds, compare(case, seeds, ways, rounds)))
    return aligned(("preset", "seeds", *ways, *(f"{way} / {ways[0]}" for way in ways[1:])), rows)


def main() -> None:
    """Measure and print the table."""
    parser = argparse.ArgumentParser(description="Images per second of several seeds, trained in four ways.")
    parser.add_argument("--device", choices=["auto", "cpu", "cuda"], default="auto")
    parser.add_argument("--seeds", type=int, nargs="+", help="numbers of seeds (default: 1 2 4, and 8 on CUDA)")
    parser.add_argument("--presets", choices=list(PRESETS), nargs="+", default=list(PRESETS), help="default: both")
    parser.add_argument("--threads", type=int, default=1, help="per trainer (default: 1)")
    parser.add_argument("--batch", type=int, help="images per step and seed (default: the preset's)")
    parser.add_argument("--rounds", type=int, default=3, help="measured blocks per way (default: 3)")
    options = parser.parse_args()
    device = settle_device(options.device, options.threads)
    cases = {}
    for name in options.presets:
        preset = replace(PRESETS[name], batch=options.batch or PRESETS[name].batch)
        steps = STEPS[device.type][name]
        cases[f"{name}, batch {preset.batch}"] = noise_case(
            preset, table_models(preset)[MAIN], steps, options.threads, device
        )
    table = seeds_table(cases, options.seeds or SEEDS[device.type], list(WAYS), options.rounds)
    precision = "bfloat16" if settle_precision(device, "auto") else "float32"
    print(
        paragraph(
            f"{machine(device)}. {MAIN} in {precision}, threads per trainer: {options.threads}. Images per second by "
            f"the clock, all seeds together: median (smallest-largest) of {options.rounds} blocks."
        )
    )
    print(f"\n{table}")


if __name__ == "__main__":
    try:
        main()
    except VlacError as error:
        raise SystemExit(str(error)) from None
