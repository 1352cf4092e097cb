"""Unfinished trainings on their way to a node and home again: only such as can be gone on with, the further one."""

from collections.abc import Iterable
from pathlib import Path

from vlac.files import copy_file
from vlac.models.load import read_archive
from vlac.node.folder import input_hash, linked
from vlac.params.schema import Params
from vlac.stages.definitions import VLAE, Job
from vlac.stages.manifest import code_hash
from vlac.stages.view import fingerprint
from vlac.training.checkpoint import FOLDER
from vlac.training.pretext import FOLDER as PRETEXT

LINKED = "{} is a link or lies behind one, and was left behind."


def carry_checkpoints(jobs: Iterable[Job], params: Params, source: Path, target: Path) -> tuple[list[Path], list[str]]:
    """Copy the checkpoints of unfinished trainings from one project folder to another.

    One is left behind if it belongs to other parameters, code or inputs than today's (those of the working folder), if
    it is damaged, or if the target has one that is as far.

    Args:
        jobs: the trainings that are not finished.
        params: all of today's parameters.
        source, target: the folders; one of them is the working folder.

    Returns:
        The paths copied, relative to either folder, and a sentence for each one that was left behind. Pretext networks
        of VLAC+ are copied as well, without being asked whose they are.
    """
    copied, refused = [], []
    for name, job in {job.model or VLAE: job for job in jobs if job.stage.name.startswith("train")}.items():
        asked = {
            "parameters": fingerprint(params, job.params),
            "code": code_hash(job.stage),
            "inputs": " ".join(input_hash(path, params) or "missing" for path in job.inputs(params)),
        }
        for file in sorted((source / FOLDER / name).glob("*.pt")):
            path = file.relative_to(source)
            if linked(source, path):
                refused.append(LINKED.format(file))
                continue
            try:
                checkpoint = read_archive(file)
                other = [part for part, digest in asked.items() if checkpoint["identity"][part] != digest]
                there = _epoch(target / path)
                epoch = int(checkpoint["epoch"])
            except Exception:  # a damaged file makes zipfile and torch raise nearly anything
                refused.append(f"{file} is damaged and was left behind.")
                continue
            if other:
                refused.append(f"{file} belongs to a training with other {' and '.join(other)} and was left behind.")
            elif epoch > there:
                copy_file(file, target / path)
                copied.append(path)
    for file in sorted((source / PRETEXT).glob("*.pt")):  # named after all that they depend on: none is of another job
        path = file.relative_to(source)
        if linked(source, path):
            refused.append(LINKED.format(file))
        elif _epoch(file) > _epoch(target / path):
            copy_file(file, target / path)
            copied.append(path)
    return copied, refused


def _epoch(path: Path) -> int:
    """Return the epochs that the checkpoint at `path` has; -1 where there is none that can be read."""
    try:
        return int(read_archive(path)["epoch"])
    except Exception:  # as above: such a file may be replaced
        return -1
