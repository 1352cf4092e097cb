"""Projects whose results are made up, and what MLflow shows of them."""

from pathlib import Path

import pandas as pd
import yaml
from view_dump import Runs, runs_of

from vlac import tracking
from vlac.files import sha256, write_csv, write_json
from vlac.params import load_params
from vlac.stages import STAGES, Job, jobs
from vlac.stages.manifest import sealed
from vlac.stages.view import fingerprint
from vlac.tracking import store

PARAMS = Path(__file__).parents[1] / "params.yaml"
ONE_LAYER = Job(STAGES["train"], model="vlac_1layer", seeds="0-1")
EPOCHS = 3


def project(folder: Path, seeds: tuple[str | int, ...] = ("0-1",), epochs: int = EPOCHS) -> Path:
    """Give the folder the shipped parameters, but for seeds and epochs."""
    values = load_params(PARAMS).model_dump(mode="json")
    values["seeds"], values["probe"]["seeds"], values["training"]["epochs"] = list(seeds), [0], epochs
    (folder / "params.yaml").write_text(yaml.safe_dump(values))
    return folder


def row(seed: int, epoch: int) -> dict[str, float]:
    """One row of history.csv, of more digits than the file keeps."""
    return {"seed": seed, "epoch": epoch, "elbo": elbo(epoch, seed), "kl_z_3": 1e-7 * epoch, "clusters_in_use_3": 50}


def elbo(epoch: int, seed: int = 0) -> float:
    return -1000 / epoch - seed / 3


def tables(job: Job) -> dict[str, pd.DataFrame]:
    """Return the CSV files of a job by name."""
    seeds = [0, 1] if job.seeds == "0-1" else [0]
    if job.stage.name.startswith("train"):
        return {"history.csv": pd.DataFrame([row(seed, epoch) for epoch in range(1, EPOCHS + 1) for seed in seeds])}
    if job.stage.name == "probe":
        return {"scores.csv": pd.DataFrame([{"seed": 0, "rung": rung, "knn": rung / 7} for rung in (1, 2)])}
    factor = {"rung": 3, "factor": "ink_hue", "measure": "nmi", "value": 1 / 3}
    return {
        "scores.csv": pd.DataFrame([{"seed": seed, "rung": 3, "acc": 2 / 3, "images": 4000} for seed in seeds]),
        "factors.csv": pd.DataFrame([{"seed": seed, **factor} for seed in seeds]),
    }


def finish(job: Job, weights: str = "weights") -> None:
    """Make a job's log and outputs, its manifest last."""
    job.log.parent.mkdir(parents=True, exist_ok=True)
    job.log.write_text(f"log of {job}\n")
    for path in job.outputs:
        path.parent.mkdir(parents=True, exist_ok=True)
        if path.name in tables(job):
            write_csv(path, tables(job)[path.name])
        elif path != job.manifest:
            path.write_text(f"{weights} of {job}")
    made = {path.as_posix(): sha256(path) for path in job.outputs if path != job.manifest}
    inputs = {path.as_posix(): sha256(path) for path in job.inputs(load_params()) if path.suffix == ".pt"}
    signed = fingerprint(load_params(), job.params)
    content = {"job": str(job), "params": signed, "code": "", "inputs": inputs, "outputs": made}
    write_json(job.manifest, sealed(content))


def run_everything() -> None:
    """Go through the pipeline as the stages do: trainings live, then the files, then `publish`."""
    for job in jobs(load_params()):
        if job.stage.name.startswith("train"):
            with tracking.training(job) as live:
                for each in tables(job)["history.csv"].to_dict("records"):
                    live.log_epoch(each)
        finish(job)
        tracking.publish(job)


def shown(view: store.Store) -> Runs:
    """Return all that the view shows, by run name, times and ids aside."""
    return runs_of(view.client, view.experiment)
