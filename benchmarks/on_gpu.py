"""What a node with a GPU is for, within so many minutes: the GPU tests, the speed, and the paper's rows with the rest.

    benchmarks/on_gpu.sh --minutes 9 --data FOLDER --out build/gpu; cp build/gpu/*.* HOME

The node needs torch, numpy, scipy and pydantic, and a YAML reader or the parameters as JSON (`vlac params` prints
them). The same command goes on from the checkpoints in OUT. At home, and for a node that has no OUT, there are
OUT/report.md and, as parts of at most 16 MiB, OUT/home.tar.*: scores, histories, weights, and checkpoints as far as
they fit. A call that finds these parts alone unpacks them; `cat home.tar.* | tar x` does so too.
"""

import argparse
import importlib.util
import runpy
import subprocess
import sys
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from gpu_report import pack, report, state, unpack
from gpu_rows import Run, method_of, paper_rows, speed, train_rows
from loops import ours
from machine import machine
from peak import flops, peak
from training_speed import PRESETS, STEPS, case

from vlac.data.split import Split, from_labels
from vlac.datasets import datasets
from vlac.errors import VlacError
from vlac.files import read_json, sha256, write_json, write_text
from vlac.params.load import load_params, validate
from vlac.params.schema import Params
from vlac.training import captured
from vlac.training.device import settle

ROOT = Path(__file__).parents[1]
TOGETHER = (1, 4, 16)
"""Trainings at once that are tried on a GPU, where each has a stream."""

WORTH = 1.05
"""How much faster in total several trainings at once have to be."""


def preset(name: str) -> Params:
    """Return the parameters of a preset, or of a file; YAML by the reader that is there."""
    path = Path(name) if name.endswith((".json", ".yaml")) else PRESETS / f"{name}.yaml"
    if path.suffix == ".yaml" and not importlib.util.find_spec("ruamel") and importlib.util.find_spec("yaml"):
        import yaml

        return validate(Params, yaml.safe_load(path.read_text()), path)
    return load_params(path)


def bring(params: Params, folder: Path | None, out: Path) -> str:
    """Write OUT/data/train.npz and test.npz, unless they are there; return the hash of the training images."""
    found = sorted(folder.iterdir()) if folder else []
    key = {"data": params.data.model_dump(), "files": [[path.name, path.stat().st_size] for path in found]}
    data, note = out / "data", out / "data/key.json"
    if not note.exists() or read_json(note) != key:
        for name in ("train", "test"):
            (read_folder(folder, name) if folder else rendered(params, name, data)).save(data / f"{name}.npz")
        write_json(note, key)
    return sha256(data / "train.npz")


def rendered(params: Params, name: str, data: Path) -> Split:
    """Return a split as the pipeline has it."""
    dataset = datasets()[params.data.source](params.data, data / "raw")
    return next(dataset.read(file) for file in dataset.fetch() if file.split == name)


def read_folder(folder: Path, name: str) -> Split:
    """Return a split of a folder with NAME.npz (as stage `prepare` has it), NAME_32x32.mat, or sheets and unpack.py."""
    if (folder / f"{name}.npz").exists():
        return Split.load(folder / f"{name}.npz")
    if (folder / "unpack.py").exists():
        return from_labels(*runpy.run_path(str(folder / "unpack.py"))["load"](name))
    import numpy as np
    from scipy.io import loadmat

    held = loadmat(folder / f"{name}_32x32.mat")
    return from_labels(np.ascontiguousarray(held["X"].transpose(3, 0, 1, 2)), held["y"][:, 0] % 10)


def gpu_tests(seconds: float) -> str:
    """Run the tests that need a GPU; return what pytest says last."""
    if not importlib.util.find_spec("pytest"):
        return "not run: pytest is not installed here"
    marked = [str(path) for path in sorted((ROOT / "tests").glob("test_*.py")) if "mark.gpu" in path.read_text()]
    command = [sys.executable, "-m", "pytest", "-q", "-m", "gpu", "-p", "no:cacheprovider", *marked]
    try:
        done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=seconds)
    except subprocess.TimeoutExpired:
        return f"not done within {seconds:.0f} s"
    return (done.stdout.strip() or done.stderr.strip() or "pytest said nothing").splitlines()[-1].strip("= ")


def measure(params: Params, name: str, minutes: float) -> dict[str, Any]:
    """Run the tests; return what they say, peak, FLOP per image, and images/s in total by the number of trainings."""
    device = settle(params.training)
    tests = gpu_tests(12 * minutes)
    steps = STEPS[device.torch.type].get(params.experiment, 2)
    method = method_of(params, name)
    work = flops(ours(case(method, 1))) / params.training.batch
    counts = TOGETHER if device.torch.type == "cuda" else (1,)
    rates = {str(count): speed(method, count, steps, minutes) for count in counts}
    kernels = 0.0
    if device.graphs:
        captured.WARM_UP, warm_up = sys.maxsize, captured.WARM_UP
        kernels = speed(method, 1, steps, minutes)
        captured.WARM_UP = warm_up
    best = peak(device.torch, torch.bfloat16 if device.bfloat16 else torch.float32)
    return {"tests": tests, "peak": best, "flop": work, "precision": str(device), "rates": rates, "kernels": kernels}


def chosen(rates: Mapping[str, float]) -> int:
    """Return how many trainings to run at once."""
    best = max(rates, key=lambda count: rates[count])
    return int(best) if rates[best] > WORTH * rates["1"] else 1


def main() -> None:
    """Read the options, and do what fits into the minutes."""
    began = time.monotonic()
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--minutes", type=float, required=True, help="it ends by itself within these")
    parser.add_argument("--device", choices=["auto", "cpu", "cuda"], default="auto")
    parser.add_argument("--preset", default="svhn_paper", help="a name, or a file, .yaml or .json")
    parser.add_argument("--tiny", action="store_true", help="preset tiny: a rehearsal")
    parser.add_argument("--data", type=Path, help="folder with npz or mat files, or with sheets and their unpack.py")
    parser.add_argument("--out", type=Path, default=Path("build/gpu"), help="default: build/gpu")
    options = parser.parse_args()
    out, end = options.out.resolve(), began + 60 * options.minutes
    reserve = 10 + 3 * options.minutes  # for scores and packing
    try:
        unpack(out)
        params = preset("tiny" if options.tiny else options.preset)
        training = params.training.model_copy(update={"device": options.device})
        params = params.model_copy(update={"training": training})
        data = bring(params, options.data, out)
        device = settle(training).torch
    except (VlacError, ImportError) as error:
        sys.exit(f"Error: {error}")
    rows = paper_rows(params)
    note, here = out / "rows/measured.json", machine(device)
    measured = read_json(note) if note.exists() else {}
    if measured.get("machine") != here or measured.get("preset") != params.experiment:
        measured = measure(params, rows[0].model, options.minutes)
        measured |= {"machine": here, "preset": params.experiment}
        write_json(note, measured)
    count = chosen(measured["rates"])
    if waiting := [row for row in rows if state(row, out) != "finished"]:
        images, rate = len(Split.load(out / "data/train.npz")), measured["rates"][str(count)] / count
        last = end - reserve / 3
        run = Run(params, out, data, end - reserve - 3 * min(count, len(waiting)), last, images / rate if rate else 0.0)
        train_rows(waiting, count, run, device)
    left = pack(out)
    text = report(params, measured, count, out, left, (time.monotonic() - began) / 60)
    write_text(out / "report.md", text)
    print(text)


if __name__ == "__main__":
    main()
