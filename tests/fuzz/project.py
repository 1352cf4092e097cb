"""A small finished project with a pack of it, and the commands that read its files."""

import atexit
import copy
import functools
import shutil
import tempfile
from collections.abc import Callable
from contextlib import chdir
from functools import partial
from pathlib import Path
from typing import Any

import yaml

from vlac.node.pack import pack
from vlac.node.unpack import unpack
from vlac.params.load import load_params
from vlac.params.schema import Params
from vlac.pipeline.download import download
from vlac.pipeline.evaluate import evaluate
from vlac.pipeline.figures import figures
from vlac.pipeline.prepare import prepare
from vlac.pipeline.probe import probe
from vlac.pipeline.rung import settle_rung
from vlac.pipeline.table import table
from vlac.pipeline.train import train
from vlac.stages import STAGES, Job, jobs, run_stage
from vlac.tracking.content import finished_runs

from .judge import command
from .params import ROOT, shipped

MODEL = "one"


class Nobody:
    """A view that looks away."""

    def start(self, seed: int, rows: Any) -> None:
        """Take no note."""

    def log_epoch(self, row: Any) -> None:
        """Take no note."""


def _run(name: str, work: Callable[[Job, Params], None]) -> Callable[[], None]:
    def run() -> None:
        for job in jobs(load_params(), STAGES[name]):
            run_stage(job, partial(work, job))

    return run


def _view() -> None:
    params = load_params()
    for job in jobs(params):
        finished_runs(job, params)


def _train(job: Job, params: Params) -> None:
    train(job, params, Nobody())


READERS: dict[str, Callable[[], Any]] = {
    "download": _run("download", lambda _, params: download(params)),
    "prepare": _run("prepare", lambda _, params: prepare(params)),
    "train_vlae": _run("train_vlae", _train),
    "probe": _run("probe", probe),
    "rung": _run("rung", settle_rung),
    "train": _run("train", _train),
    "evaluate": _run("evaluate", evaluate),
    "figures": _run("figures", figures),
    "table": _run("table", lambda _, params: table(params)),
    "plan": lambda: command("plan"),
    "view": _view,
    "unpack": lambda: unpack(Path("pack"), load_params()),
}

READ_BY = {
    "results/*/manifest.json": ["plan", "table", "view"],
    f"results/*/{MODEL}/0/manifest.json": ["plan", "table", "view"],
    "results/probe/0/scores.csv": ["rung", "view"],
    f"results/evaluate/{MODEL}/0/scores.csv": ["table", "view"],
    f"results/evaluate/{MODEL}/0/factors.csv": ["table", "view"],
    f"results/train/{MODEL}/0/history.csv": ["figures", "view"],
    "results/rung/rung.json": ["train"],
    "data/source.json": ["prepare", "table"],
    "data/*.npz": ["evaluate"],
    "data/raw/digits/*_factors.npz": ["prepare"],
    f"results/train/{MODEL}/0/model.pt": ["evaluate"],
    f"checkpoints/{MODEL}/0.pt": ["train"],
    "pack/params.json": ["unpack"],
    "pack/pack.json": ["unpack"],
    f"pack/results/*/{MODEL}/0/*": ["unpack"],
    f"pack/checkpoints/{MODEL}/0.pt": ["unpack"],
    "pack/checkpoints/pretext/0.pt": ["unpack"],
}
"""The commands that read a file, by its pattern."""


@functools.cache
def project() -> Path:
    """Return a folder with a small experiment, all of it run by the real stages, and a pack of it."""
    folder = Path(tempfile.mkdtemp(prefix="fuzz-project-"))
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    values = copy.deepcopy(shipped(ROOT / "presets" / "tiny.yaml"))
    values["data"] |= {"holdout": 60, "digits": {"train": 200, "test": 100, "seed": 1}}
    values["network"] = {"channels": [2, 3, 2], "hidden": 4, "z": [2, 2, 2, 2]}
    values["training"] |= {"epochs": 1, "device": "cpu", "precision": "float32"}
    values |= {"models": {MODEL: {"kind": "vlac", "K": [1, 1, 3, 1]}}, "seeds": [0]}
    values["probe"] = {"seeds": [0], "K": 4}
    with chdir(folder):
        Path("params.yaml").write_text(yaml.safe_dump(values))
        for name in [name for name in READERS if name in STAGES]:
            READERS[name]()
        Path("checkpoints/pretext").mkdir(parents=True)
        shutil.copy(f"checkpoints/{MODEL}/0.pt", "checkpoints/pretext/0.pt")
        shutil.move(f"results/evaluate/{MODEL}/0/manifest.json", "manifest.json")  # so that one training is unfinished
        pack(Path("pack"), load_params())
        shutil.copytree(f"results/train/{MODEL}", f"pack/results/train/{MODEL}", dirs_exist_ok=True)
        shutil.copytree(f"checkpoints/{MODEL}", f"pack/checkpoints/{MODEL}", dirs_exist_ok=True)
        shutil.copytree("checkpoints/pretext", "pack/checkpoints/pretext", dirs_exist_ok=True)
        shutil.move("manifest.json", f"results/evaluate/{MODEL}/0/manifest.json")
    return folder
