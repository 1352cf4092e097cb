"""A project with many finished trainings: one of each model, and its files again under other seeds."""

import contextlib
import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import yaml

from tests.copied import ROOT, copy_workflow
from vlac.files import copy_file, read_csv, write_csv
from vlac.models.load import read_archive, write_archive
from vlac.params.load import load_params
from vlac.params.schema import Params
from vlac.pipeline.download import download
from vlac.pipeline.evaluate import evaluate
from vlac.pipeline.figures import figures
from vlac.pipeline.prepare import prepare
from vlac.pipeline.probe import probe
from vlac.pipeline.rung import settle_rung
from vlac.pipeline.table import table
from vlac.pipeline.train import discard_checkpoints, train
from vlac.stages import Job, jobs, run_stage
from vlac.stages.manifest import Origin, code_hash, write_manifest

MODELS: dict[str, dict[str, Any]] = {
    "vlac_1layer": {"kind": "vlac", "K": [1, 1, 12, 1]},
    "vlac_2layer": {"kind": "vlac", "K": [1, 3, 12, 1]},
    "vlac_3layer": {"kind": "vlac", "K": [1, 3, 12, 3]},
    "gmdgm": {"kind": "gmdgm", "K": 12, "z": 4},
}
EPOCHS = 20


class Nobody:
    """A view that shows nothing: MLflow is filled from the files afterwards."""

    def start(self, seed: int, rows: list[dict[str, float]]) -> None:
        """Do nothing."""

    def log_epoch(self, row: Mapping[str, float]) -> None:
        """Do nothing."""


def copy_project(folder: Path, values: Mapping[str, Any]) -> None:
    """Put the workflow, the code and the parameters into a folder, without results."""
    copy_workflow(folder)
    shutil.copytree(ROOT / "presets", folder / "presets")
    (folder / "params.yaml").write_text(yaml.safe_dump(dict(values)))


def few_images() -> dict[str, Any]:
    """Return the parameters of presets/tiny.yaml for 200 and 100 images."""
    values: dict[str, Any] = yaml.safe_load((ROOT / "presets/tiny.yaml").read_text())
    values["data"] |= {"holdout": 50, "digits": {"train": 200, "test": 100, "seed": 1}}
    values["evaluation"]["fit_limit"] = 100
    return values


def many(runs: int) -> dict[str, Any]:
    """Return parameters that ask for so many trainings, a job each: every model of `MODELS` with the same seeds."""
    values = few_images()
    values["training"]["epochs"] = EPOCHS
    return values | {"models": MODELS, "seeds": list(range(runs // len(MODELS))), "probe": {"seeds": [0], "K": 12}}


def fill(folder: Path) -> None:
    """Make every result that the folder's parameters ask for, in this process and without MLflow.

    The first seed of each model is trained, scored and drawn by the stages. The other seeds' files are the same under
    another seed, written by the stages' own writers, with manifests of what they are.
    """
    with contextlib.chdir(folder):
        params = load_params()
        made: dict[tuple[str, str], Job] = {}
        for job in jobs(params):
            first = made.setdefault((job.stage.name, job.model), job)
            if first is job:
                _make(job)
            else:
                repeat(first, job, params)


def _make(job: Job) -> None:
    match job.stage.name:
        case "download":
            run_stage(job, download)
        case "prepare":
            run_stage(job, prepare)
        case "train_vlae" | "train":
            run_stage(job, lambda params: train(job, params, Nobody()))
            discard_checkpoints(job)
        case "probe":
            run_stage(job, lambda params: probe(job, params))
        case "rung":
            run_stage(job, lambda params: settle_rung(job, params))
        case "evaluate":
            run_stage(job, lambda params: evaluate(job, params))
        case "figures":
            run_stage(job, lambda params: figures(job, params))
        case "table":
            run_stage(job, table)


def repeat(of: Job, to: Job, params: Params) -> None:
    """Write the files of a job once more, as those of another seed."""
    for source, target in zip(of.outputs, to.outputs, strict=True):
        if source.suffix == ".csv":
            write_csv(target, read_csv(source, ("factor", "measure")).assign(seed=int(to.seeds)))
        elif source.suffix == ".pt":
            content = read_archive(source)
            (weights,) = content["weights"].values()
            write_archive(target, content | {"weights": {int(to.seeds): weights}})
        elif target != to.manifest:
            copy_file(source, target)
    copy_file(of.log, to.log)
    write_manifest(to, Origin.of(to, params, code_hash(to.stage)))
