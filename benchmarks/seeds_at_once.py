"""Images per second of several seeds of one configuration, all seeds together, trained in four ways.

    python benchmarks/seeds_at_once.py

One after the other is `training.at_once: 1`. Threads is `training.at_once: S`: the shipped trainers, each in a thread
of its own, on CUDA with a stream and a captured graph each. Stacked is torch.func, see stacked_seeds.py, captured too
on CUDA. Processes are S processes with one trainer each, as an engine starts them for seeds in groups of one. All run
the same network on the same objective, at the same batch size, precision and number of threads per trainer.

The ways take turns, block by block, so that a change of the machine's clock or load meets all; the first round warms
up and does not count. Not run on CUDA yet.
"""

import argparse
import multiprocessing
import statistics
import sys
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from multiprocessing.synchronize import Barrier
from pathlib import Path

import torch
from plain_loop import LR, OBJECTIVE, Block, Case
from stacked_seeds import stacked
from training_speed import NETWORKS, STEPS, machine, rates

from vlac.errors import VlacError
from vlac.params.schema import Training
from vlac.training import Trainer
from vlac.training.device import settle_device, settle_precision

SEEDS = {"cpu": (1, 2, 4), "cuda": (1, 2, 4, 8)}
PATIENCE = 300.0
"""Seconds after which a process that does not come to its barrier counts as dead."""

Epochs = Iterator[tuple[dict[str, float], float]]


def epochs_of(case: Case, seed: int) -> Epochs:
    """Return the epochs of a shipped trainer; one of them is a block."""
    machine = {"precision": "auto", "device": case.device.type, "threads": case.threads, "at_once": 1}
    schedule = {"epochs": 1_000_000, "batch": case.batch, "lr": LR, "lr_prior": LR}
    training = Training.model_validate(schedule | machine)
    trainer = Trainer(case.spec, case.images.to(case.device), training, OBJECTIVE, seed, Path("unused"), {})
    return trainer.epochs(checkpoint_seconds=float("inf"))


def in_turn(case: Case, seeds: int) -> Block:
    """Return a block that trains the seeds one after the other."""
    trainings = [epochs_of(case, seed) for seed in range(seeds)]
    return lambda: [next(epochs) for epochs in trainings]


@contextmanager
def in_threads(case: Case, seeds: int) -> Iterator[Block]:
    """Yield a block that trains each seed in a thread of its own, as `vlac.training.group` does."""
    trainings = [epochs_of(case, seed) for seed in range(seeds)]
    with ThreadPoolExecutor(seeds, initializer=torch.set_num_threads, initargs=(case.threads,)) as pool:
        yield lambda: list(pool.map(next, trainings))


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
    epochs = epochs_of(case, seed)
    while True:
        barrier.wait()
        next(epochs)
        barrier.wait()


def compare(case: Case, seeds: int) -> list[str]:
    """Return the table's rows for one number of seeds."""
    with ExitStack() as running:
        sides = {
            "one after the other": in_turn(case, seeds),
            "threads": running.enter_context(in_threads(case, seeds)),
            "stacked": stacked(case, seeds),
            "processes": running.enter_context(in_processes(case, seeds)),
        }
        found = {name: [seeds * rate for rate in each] for name, each in rates(case, sides).items()}
    base = statistics.median(found["one after the other"])
    rows = []
    for name, values in found.items():
        middle = statistics.median(values)
        spread = f"{middle:.0f} ({min(values):.0f} to {max(values):.0f})"
        rows.append(f"| {case.network} | {seeds} | {name} | {spread} | {middle / base:.2f} |")
    return rows


def main() -> None:
    """Measure and print the table."""
    parser = argparse.ArgumentParser(description="Images per second of several seeds, trained in four ways.")
    parser.add_argument("--device", choices=["auto", "cpu", "cuda"], default="auto")
    parser.add_argument("--seeds", type=int, nargs="+", help="numbers of seeds (default: 1 2 4, and 8 on CUDA)")
    parser.add_argument("--networks", choices=["small", "VLAE-size"], nargs="+", help="default: both")
    parser.add_argument("--threads", type=int, default=1, help="per trainer (default: 1)")
    parser.add_argument("--batch", type=int, default=128, help="images per step and seed (default: 128)")
    parser.add_argument("--rounds", type=int, default=3, help="measured blocks per way (default: 3)")
    options = parser.parse_args()
    device = settle_device(options.device, options.threads)
    precision = "bfloat16" if settle_precision(device, "auto") else "float32"
    print(
        f"{machine(device)}. Images per second of training in {precision}, all seeds together, batch {options.batch},"
    )
    print(f"{options.threads} thread(s) per trainer: median (smallest to largest) of {options.rounds} blocks.\n")
    print(
        "| network | seeds | way | images/s | over one after the other |\n| --- | --- | --- | --- | --- |", flush=True
    )
    for (title, spec), steps in zip(NETWORKS.items(), STEPS[device.type], strict=True):
        if options.networks and title.split()[0] not in options.networks:
            continue
        images = torch.randint(256, (steps * options.batch, 32, 32, 3), dtype=torch.uint8)
        for seeds in options.seeds or SEEDS[device.type]:
            print(f"{title}, seeds: {seeds}", file=sys.stderr, flush=True)
            case = Case(title, spec, images, options.batch, options.threads, device, options.rounds)
            print("\n".join(compare(case, seeds)), flush=True)


if __name__ == "__main__":
    try:
        main()
    except VlacError as error:
        raise SystemExit(str(error)) from None
