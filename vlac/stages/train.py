"""Stages train_vlae and train: the models of one seed group, with checkpoints on the way."""

import logging
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, closing
from pathlib import Path
from typing import Protocol

import pandas as pd
import torch

from vlac.data.split import Split
from vlac.errors import VlacError
from vlac.files import read_json, sha256, write_csv
from vlac.models.load import save_models
from vlac.models.spec import Spec, model_spec, vlae_spec
from vlac.params.schema import L, Params, VlacPlus, seeds_of
from vlac.stages.definitions import VLAE, Job
from vlac.stages.manifest import code_hash
from vlac.stages.view import fingerprint
from vlac.training import Trainer, train_at_once
from vlac.training.allocator import keep_freed_memory
from vlac.training.checkpoint import FOLDER, discard
from vlac.training.device import settle
from vlac.training.guide import Guide
from vlac.training.pretext import PretextTrainer
from vlac.training.progress import Progress

log = logging.getLogger(__name__)

RUNG = Path("results/rung/rung.json")
TRAIN = Path("data/train.npz")


class View(Protocol):
    """Somebody who watches a training: the MLflow view, or nobody."""

    def start(self, seed: int, rows: list[dict[str, float]]) -> None:
        """Begin a seed, after the epochs in `rows` that a checkpoint holds."""

    def log_epoch(self, row: Mapping[str, float]) -> None:
        """Take note of one epoch."""


def train(job: Job, params: Params, view: View) -> None:
    """Train every seed of the job's group, `training.at_once` at a time, and write their weights and histories.

    An interrupted training goes on from its checkpoint; a finished seed of an unfinished group is kept the same way.
    `discard_checkpoints` ends that, once the manifest stands.

    Raises:
        VlacError: the loss is not finite, or a checkpoint is damaged or of another training.
    """
    keep_freed_memory()
    name = job.model or VLAE
    images = torch.from_numpy(Split.load(TRAIN).images).to(
        settle(params.training).torch
    )  # one copy, which all seeds share
    spec = build_spec(job, params)
    identity = identity_of(job, params, [TRAIN, RUNG] if job.model else [TRAIN])
    weights: dict[int, dict[str, torch.Tensor]] = {}
    histories: dict[int, list[dict[str, float]]] = {}

    def keep(trainer: Trainer) -> None:
        weights[trainer.seed] = {key: value.cpu() for key, value in trainer.model.state_dict().items()}
        histories[trainer.seed] = [{"seed": trainer.seed} | row for row in trainer.history]

    with ExitStack() as shown:
        progress: dict[int, Progress] = {}

        def begin() -> Iterator[Trainer]:
            for seed in seeds_of(job.seeds):
                checkpoint = _checkpoint(job, seed)
                guide = guide_of(job, params, spec, seed, images, identity)
                trainer = Trainer(spec, images, params.training, params.objective, seed, checkpoint, identity, guide)
                trainer.resume()
                done = len(trainer.history)
                log.info("%s seed %d: %s, %d threads", name, seed, trainer.device, params.training.threads)
                if done:
                    log.info("resumed from %s after epoch %d", checkpoint, done)
                view.start(seed, [{"seed": seed} | row for row in trainer.history])
                if trainer.finished:
                    keep(trainer)
                    continue
                progress[seed] = shown.enter_context(Progress(f"{name} seed {seed}", params.training.epochs, done))
                yield trainer

        # Closed at once if something stops this loop, so that no thread goes on.
        epochs = shown.enter_context(closing(train_at_once(begin(), params.training.at_once)))
        for epoch in epochs:
            seed = epoch.trainer.seed
            progress[seed].show(epoch.row, epoch.images_per_second)
            view.log_epoch({"seed": seed} | epoch.row)
            if epoch.row["epoch"] == params.training.epochs:
                keep(epoch.trainer)
    seeds = seeds_of(job.seeds)  # the files have the seeds in this order, whichever was done first
    folder = job.outputs[0].parent
    save_models(folder / "model.pt", spec, {seed: weights[seed] for seed in seeds})
    write_csv(folder / "history.csv", pd.DataFrame([row for seed in seeds for row in histories[seed]]))


def discard_checkpoints(job: Job) -> None:
    """Delete the checkpoints of a job whose outputs are complete, its manifest among them."""
    for seed in seeds_of(job.seeds):
        discard(_checkpoint(job, seed))


def identity_of(job: Job, params: Params, inputs: list[Path]) -> dict[str, str]:
    """Return the hashes of all that a job's training depends on, by which its checkpoints are told from others."""
    return {
        "parameters": fingerprint(params, job.params),
        "code": code_hash(job.stage),
        "inputs": " ".join(map(sha256, inputs)),
    }


def guide_of(
    job: Job, params: Params, spec: Spec, seed: int, images: torch.Tensor, identity: dict[str, str]
) -> Guide | None:
    """Return what guides a seed of VLAC+, its pretext network learnt first, or None for the paper's models.

    The network is found again if an earlier training learnt it of the same data, settings and code.
    """
    model = params.models[job.model] if job.model else None
    if not isinstance(model, VlacPlus):
        return None
    of = {name: value for name, value in identity.items() if name != "parameters"}
    learner = PretextTrainer(images, model.pretext, spec.K[spec.main_rung], seed, settle(params.training), of)
    pretext = learner.run()
    return Guide(pretext, learner.pairs, model.pretext.weight)


def build_spec(job: Job, params: Params) -> Spec:
    """Return what the job trains; VLAC and GM-DGM are built around the rung that stage `rung` has settled."""
    if not job.model:
        return vlae_spec(params.network, params.likelihood)
    settled = read_json(RUNG)
    rung = settled.get("rung") if isinstance(settled, dict) else None
    if type(rung) is not int or not 1 <= rung <= L:
        raise VlacError(f"{RUNG} names no rung.", "Run the stage rung again.")
    return model_spec(params.models[job.model], rung, params.network, params.likelihood)


def _checkpoint(job: Job, seed: int) -> Path:
    return FOLDER / (job.model or VLAE) / f"{seed}.pt"
