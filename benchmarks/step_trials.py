"""What single changes do to the speed of a training step on one CPU thread; docs/speed.md keeps the outcome.

    python benchmarks/step_trials.py

Every side is a process of its own, because some settings hold for a process; the processes take turns, block by block,
and the others sleep meanwhile. Time is the processor's and not the clock's, so that work beside it disturbs less. Some
sides have another network than the shipped one: they show what a change of the network would bring.
"""

import argparse
import os
import statistics
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from dataclasses import replace

import torch
from cases import Block
from machine import machine
from shipped_loop import shipped
from torch import Tensor, nn
from torch.nn import functional as F
from unit import MAIN, PRESETS, noise_case, table_models

from vlac.models import networks
from vlac.models.objective import bound
from vlac.training import step
from vlac.training.allocator import keep_freed_memory
from vlac.training.device import Device

STEPS = {"svhn_small": 6, "svhn_paper": 2}
"""Steps of a block, by preset: a second or two."""


class SubPixel(nn.ConvTranspose2d):
    """The same map as the transposed convolution of kernel 4 and stride 2, as a 3 x 3 convolution and a shuffle."""

    def forward(self, x: Tensor, output_size: list[int] | None = None) -> Tensor:
        """Return the planes of twice the height and width."""
        # Output row 2i + a reads input rows i - 1, i, i + 1 through the kernel's rows (3, 1, -) or (-, 2, 0).
        w = F.pad(self.weight, (0, 1, 0, 1))  # row 4 is zero
        phases = [
            w[:, :, rows][:, :, :, columns] for rows in ([3, 1, 4], [4, 2, 0]) for columns in ([3, 1, 4], [4, 2, 0])
        ]
        weight = torch.stack(phases, 2).flatten(1, 2).transpose(0, 1)
        return F.pixel_shuffle(F.conv2d(x, weight.contiguous(memory_format=torch.channels_last), padding=1), 2)


def sub_pixel() -> None:
    """Compute the transposed convolutions as sub-pixel convolutions; the function stays the same."""
    vars(nn).update(ConvTranspose2d=SubPixel)


def _deconv(up: Callable[[int, int], nn.Module]) -> None:
    def deconv(inputs: int, outputs: int) -> nn.Sequential:
        return nn.Sequential(up(inputs, outputs), nn.BatchNorm2d(outputs), nn.LeakyReLU(networks.SLOPE, inplace=True))

    networks.deconv = deconv


def resize() -> None:
    """Another network: nearest neighbours and a 3 x 3 convolution for each transposed one."""
    _deconv(
        lambda inputs, outputs: nn.Sequential(
            nn.Upsample(scale_factor=2), nn.Conv2d(inputs, outputs, 3, padding=1, bias=False)
        )
    )


def resize_late() -> None:
    """Another network: a 3 x 3 convolution, and nearest neighbours after it."""
    _deconv(
        lambda inputs, outputs: nn.Sequential(
            nn.Conv2d(inputs, outputs, 3, padding=1, bias=False), nn.Upsample(scale_factor=2)
        )
    )


def shuffle() -> None:
    """Another network: a free 3 x 3 convolution to four times the planes, and a shuffle."""
    _deconv(
        lambda inputs, outputs: nn.Sequential(
            nn.Conv2d(inputs, 4 * outputs, 3, padding=1, bias=False), nn.PixelShuffle(2)
        )
    )


def no_normalisation() -> None:
    """Another network, without batch normalisation: the most that a fusion of it could bring."""
    vars(nn).update(BatchNorm2d=nn.Identity)


def planar() -> None:
    """Leave autocast's bfloat16 aside: float32."""
    Device.autocast = lambda self: torch.autocast("cpu", enabled=False)  # type: ignore[method-assign]


def compiled() -> None:
    """Compile the bound with inductor; the optimiser and the record stay as they are."""
    vars(step).update(bound=torch.compile(bound))


def cached_weights() -> None:
    """Let autocast keep the bfloat16 weights through the pass."""
    Device.autocast = lambda self: torch.autocast("cpu", torch.bfloat16)  # type: ignore[method-assign]


SIDES: dict[str, Callable[[], object]] = {
    "shipped": lambda: None,
    "in a thread": lambda: None,
    "memory kept": keep_freed_memory,
    "memory kept, in a thread": keep_freed_memory,
    "sub-pixel": sub_pixel,
    "resize": resize,
    "resize late": resize_late,
    "shuffle": shuffle,
    "no normalisation": no_normalisation,
    "float32": planar,
    "compiled": compiled,
    "autocast's cache": cached_weights,
}


def work(side: str, preset: str, batch: int) -> None:
    """Be one side: train a block for each line of standard input and print its seconds of processor time."""
    SIDES[side]()
    run = block_of(preset, batch)

    def serve() -> None:
        torch.set_num_threads(1)
        run()
        print("ready", flush=True)
        for _ in sys.stdin:
            started = time.process_time()
            run()
            print(time.process_time() - started, flush=True)

    thread = threading.Thread(target=serve)
    if side.endswith("in a thread"):
        thread.start()
        thread.join()
    else:
        serve()


def block_of(preset: str, batch: int) -> Block:
    """Return a block of the shipped loop."""
    settings = replace(PRESETS[preset], batch=batch)
    case = noise_case(settings, table_models(settings)[MAIN], STEPS[preset], threads=1, device=torch.device("cpu"))
    return shipped(case)[0]


def measure(sides: list[str], preset: str, batch: int, rounds: int) -> None:
    """Print each side's images per second of processor time, and the ratio to the first side, round by round."""
    command = [sys.executable, __file__, "--batch", str(batch), "--preset", preset, "--work"]
    pipes = {
        side: subprocess.Popen([*command, side], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        for side in sides
    }
    found: dict[str, list[float]] = {side: [] for side in sides}
    for turn in range(rounds + 1):
        for side, process in pipes.items():
            assert process.stdin
            assert process.stdout
            if turn > 0:
                process.stdin.write("\n")
                process.stdin.flush()
            answer = process.stdout.readline().strip()
            if turn > 0:
                found[side].append(STEPS[preset] * batch / float(answer))
                print(f"round {turn}, {side}: {found[side][-1]:.0f} images/s", file=sys.stderr, flush=True)
            elif answer != "ready":
                raise SystemExit(f"{side} did not start")
    for process in pipes.values():
        process.communicate()
    for side, values in found.items():
        ratios = [value / base for value, base in zip(values, found[sides[0]], strict=True)]
        spread = f"{statistics.median(ratios):.2f} ({min(ratios):.2f} to {max(ratios):.2f})"
        print(f"| {preset}, {batch} | {side} | {statistics.median(values):.0f} | {spread} |", flush=True)


def main() -> None:
    """Measure the sides asked for."""
    parser = argparse.ArgumentParser(description="Single changes to the training step, on one CPU thread.")
    parser.add_argument("--sides", nargs="+", choices=list(SIDES), default=list(SIDES))
    parser.add_argument("--preset", choices=list(STEPS), default="svhn_small")
    parser.add_argument("--batch", type=int, help="default: the preset's")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--work", choices=list(SIDES), help=argparse.SUPPRESS)
    options = parser.parse_args()
    batch = options.batch or PRESETS[options.preset].batch
    if options.work:
        work(options.work, options.preset, batch)
        return
    print(f"{machine(torch.device('cpu'))}, load {os.getloadavg()[0]:.1f}. Per second of processor time, one thread.")
    print("| preset, batch | side | images/s | over the first, round by round |\n| --- | --- | --- | --- |")
    measure(options.sides, options.preset, batch, options.rounds)


if __name__ == "__main__":
    main()
