"""The manifest of a finished job: what it was made from and what it made, by hash."""

import hashlib
from typing import Any

from vlac.errors import VlacError
from vlac.files import json_bytes, read_json, sha256, write_json
from vlac.stages.definitions import CODE_ROOT, Asked, Job, Stage, code_files
from vlac.stages.view import fingerprint


def code_hash(stage: Stage) -> str:
    """Return the SHA-256 over the names and bytes of the modules that matter for the stage's result."""
    digest = hashlib.sha256()
    for file in code_files(stage):
        digest.update(f"{file.as_posix()} {sha256(CODE_ROOT / file)}\n".encode())
    return digest.hexdigest()


def write_manifest(job: Job, params: Asked) -> None:
    """Write the job's manifest, the last of its outputs; `params` are the whole file's.

    Raises:
        VlacError: an output or input is missing or unreadable.
    """
    made = [path for path in job.outputs if path != job.manifest]
    content = {
        "job": str(job),
        "params": fingerprint(params, job.params),
        "code": code_hash(job.stage),
        "inputs": {path.as_posix(): sha256(path) for path in job.inputs(params)},
        "outputs": {path.as_posix(): sha256(path) for path in made},
    }
    write_json(job.manifest, sealed(content))


def sealed(content: dict[str, Any]) -> dict[str, Any]:
    """Return the content of a manifest with a hash of itself: it vouches for other files, and nothing else for it."""
    return content | {"seal": hashlib.sha256(json_bytes(content)).hexdigest()}


def read_manifest(job: Job) -> dict[str, Any]:
    """Return the job's manifest.

    Raises:
        VlacError: it is missing or damaged.
    """
    found = read_json(job.manifest)
    content = {key: value for key, value in found.items() if key != "seal"} if isinstance(found, dict) else {}
    try:
        whole = job.manifest.read_bytes() == json_bytes(sealed(content))
    except (ValueError, RecursionError):  # infinity, or lists too deep to be written again
        whole = False
    if not whole:
        raise VlacError(f"{job.manifest} is damaged.", f"Delete it and run `{job.command}` again.")
    return content
