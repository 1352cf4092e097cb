"""Bring home what a node has made: what matches today's parameters, code and inputs, and nothing else."""

import contextlib
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path

from vlac.errors import VlacError
from vlac.files import copy_file, sha256
from vlac.node.checkpoints import carry_checkpoints
from vlac.node.folder import input_hash, linked
from vlac.params.load import load_params
from vlac.params.read import RESOLVED
from vlac.params.schema import Params
from vlac.pipeline.train import discard_checkpoints
from vlac.stages.definitions import STAGES, Job, jobs
from vlac.stages.manifest import read_manifest
from vlac.stages.stale import why_made_otherwise
from vlac.tracking import journal
from vlac.training.pretext import FOLDER as PRETEXT


@dataclass
class Unpacked:
    """What became of the results in a pack.

    Attributes:
        brought: jobs whose results were copied.
        here: jobs that were up to date already.
        checkpoints: paths of unfinished trainings that were copied.
        refused: a sentence for each result or checkpoint that was left in the pack.
    """

    brought: list[Job] = field(default_factory=list)
    here: list[Job] = field(default_factory=list)
    checkpoints: list[Path] = field(default_factory=list)
    refused: list[str] = field(default_factory=list)

    def __str__(self) -> str:
        lines = [f"Brought home: {', '.join(map(str, self.brought)) or 'no finished job'}."]
        if self.here:
            lines.append(f"Up to date here already: {', '.join(map(str, self.here))}.")
        pretext = [path for path in self.checkpoints if path.is_relative_to(PRETEXT)]
        if pretext:
            lines.append(f"Pretext networks: {', '.join(map(str, pretext))}.")
        if unfinished := [path for path in self.checkpoints if path not in pretext]:
            lines.append(f"Unfinished trainings: {', '.join(map(str, unfinished))}.")
            lines.append("Each goes on only on a device of its kind: delete its checkpoint to begin anew on another.")
        return "\n".join([*lines, *self.refused])


def unpack(folder: Path, params: Params) -> Unpacked:
    """Copy results, logs and checkpoints from a pack into the project in the working folder.

    A result is brought if its manifest names today's parameters and code, its inputs are those of this folder, and its
    files are those that the manifest names. Doing it twice changes nothing.

    Args:
        folder: the pack, or what came home of it.
        params: all of today's parameters.

    Raises:
        VlacError: the folder is no pack, or one of another experiment.
    """
    packed = _packed_params(folder, params)
    seen = Unpacked()
    left = []
    for job in jobs(params):
        if job.manifest.exists() and _mismatch(job, params, Path()) is None:
            seen.here.append(job)
        elif not (folder / job.manifest).exists():
            left.append(job)
        elif why := _mismatch(job, params, folder):
            seen.refused.append(f"Left in {folder}: {job}, because {why}.")
            left.append(job)
        else:
            for path in (*(path for path in job.outputs if path != job.manifest), job.manifest):
                copy_file(folder / path, path)
            if job.stage.name in ("train", "train_vlae"):
                discard_checkpoints(job)
            seen.brought.append(job)
    for job in (*seen.brought, *left):
        for path in (job.log, journal.path(job)):
            if (folder / path).is_file() and not linked(folder, path):
                copy_file(folder / path, path)
    asked = set(jobs(params))
    for job in jobs(packed):
        if job not in asked and (folder / job.manifest).exists():
            seen.refused.append(f"Left in {folder}: {job}, because params.yaml does not ask for it.")
    seen.checkpoints, refused = carry_checkpoints(left, params, folder, Path())
    seen.refused += refused
    return seen


def still_needed(seen: Unpacked, left: Iterable[Job]) -> str:
    """Return what to run before an engine, given the jobs that are not up to date; "" if nothing.

    Models that were trained before the probe had run are right, but an engine would make them again behind the probe.
    """
    waiting = [job for job in left if job in seen.brought or job in seen.here]
    if not waiting:
        return ""
    first = list(STAGES).index(waiting[0].stage.name)
    stages = [name for name in list(STAGES)[:first] if any(job.stage.name == name for job in left)]
    return (
        f"The engines would make {', '.join(map(str, waiting))} again, because what lies before is not made here yet. "
        f"Run `python -m vlac work --stages {','.join(stages)}` and `python -m vlac handover` first."
    )


def _packed_params(folder: Path, params: Params) -> Params:
    if not (folder / RESOLVED).is_file():
        raise VlacError(
            f"{folder} is no pack: it has no {RESOLVED}.", "Name the folder that `python -m vlac pack` has made."
        )
    packed = load_params(folder / RESOLVED)
    if packed.preset != params.preset:
        raise VlacError(
            f"{folder} was packed for the preset {packed.preset}, and params.yaml is of {params.preset}.",
            f"Put that experiment's params.yaml here first, for example with `cp presets/{packed.preset}.yaml "
            "params.yaml`.",
        )
    return packed


def _mismatch(job: Job, params: Params, folder: Path) -> str | None:
    """Return in a few words what keeps the job's result in the pack from being one of this project, or None."""
    if links := [path for path in job.outputs if linked(folder, path)]:
        return f"{links[0]} is a link or lies behind one"
    with contextlib.chdir(folder):
        if why := why_made_otherwise(job, params):
            return why
        manifest = read_manifest(job)
        for name, digest in manifest.outputs.items():
            if not Path(name).exists():
                return f"{name} did not come along"
            if sha256(Path(name)) != digest:
                return f"{name} is not what the job has written"
    for name, digest in manifest.inputs.items():
        here = input_hash(Path(name), params)
        if here is None:
            return f"it was made of {name}, which is not here"
        if here != digest:
            return f"it was made of another {name} than the one here"
    return None
