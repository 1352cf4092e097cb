"""What makes a folder a pack, and what holds of a result's inputs before the stages that make them have run."""

import hashlib
import os
from pathlib import Path

from vlac.files import json_bytes, sha256
from vlac.params.schema import Params
from vlac.stages.definitions import STAGES, Job
from vlac.tracking import journal

MARKER = journal.PACK
"""The file that tells a pack from any other folder; it holds the git commit of the code that was packed."""

RUNG = Job(STAGES["rung"]).outputs[0]


def is_pack(folder: Path) -> bool:
    """Return whether `vlac.node.pack` made this folder."""
    return (folder / MARKER).is_file()


def linked(folder: Path, path: Path) -> bool:
    """Return whether `path` in another folder is a link or lies behind one, which might lead anywhere outside of it.

    In the working folder links are its owner's, who may keep checkpoints on another disk: False.
    """
    here = Path(os.path.realpath(folder))  # `Path.resolve` raises where links lead in a circle
    behind = (folder / path).is_symlink() or Path(os.path.realpath(folder / path)) != here / path
    return here != Path().resolve() and behind


def settled_rung(params: Params) -> bytes | None:
    """Return what results/rung/rung.json will hold whatever the probe says, or None where the probe decides.

    With a number as `digit_rung` the probe is a report: nothing trained afterwards depends on its answer. So a pack
    holds the file from the start, and its models can be trained where the probe cannot run.
    """
    return None if params.digit_rung == "auto" else json_bytes({"rung": params.digit_rung})


def settled(params: Params) -> set[Path]:
    """Return the files of the pack in the working folder that are final, though no job here has made them."""
    content = settled_rung(params)
    return {RUNG} if is_pack(Path()) and content and RUNG.exists() and RUNG.read_bytes() == content else set()


def input_hash(path: Path, params: Params) -> str | None:
    """Return the SHA-256 that a result's input has, or will have once its stage has run; None if it is not here.

    Args:
        path: relative to the working folder.
        params: all of today's parameters.
    """
    content = settled_rung(params)
    if path == RUNG and content:
        return hashlib.sha256(content).hexdigest()
    return sha256(path) if path.exists() else None
