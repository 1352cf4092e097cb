"""The manifest of a finished job: what it was made from and what it made, by hash."""

import hashlib
from dataclasses import asdict, dataclass
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


@dataclass(frozen=True)
class Origin:
    """What a job is made from, as it is when the job begins: the hours until its end may change any of it.

    Attributes:
        params: hash of the parameters that the job's stage declares.
        code: hash of the modules that matter.
        inputs: SHA-256 of each file that the job reads, by its path.
    """

    params: str
    code: str
    inputs: dict[str, str]

    @classmethod
    def of(cls, job: Job, params: Asked, code: str) -> "Origin":
        """Return what the job would be made from now, given the whole file's parameters and `code_hash` of the stage.

        Raises:
            VlacError: an input is missing or unreadable.
        """
        inputs = {path.as_posix(): sha256(path) for path in job.inputs(params)}
        return cls(fingerprint(params, job.params), code, inputs)


@dataclass(frozen=True)
class Manifest(Origin):
    """The same of a finished job, and the SHA-256 of each file that it wrote but the manifest, by its path."""

    outputs: dict[str, str]


def write_manifest(job: Job, origin: Origin) -> None:
    """Write the job's manifest, the last of its outputs.

    Raises:
        VlacError: an output is missing or unreadable.
    """
    made = {path.as_posix(): sha256(path) for path in job.outputs if path != job.manifest}
    write_json(job.manifest, sealed({"job": str(job)} | asdict(Manifest(**asdict(origin), outputs=made))))


def sealed(content: dict[str, Any]) -> dict[str, Any]:
    """Return the content of a manifest with a hash of itself: it vouches for other files, and nothing else for it."""
    return content | {"seal": hashlib.sha256(json_bytes(content)).hexdigest()}


def read_manifest(job: Job) -> Manifest:
    """Return the job's manifest.

    Raises:
        VlacError: it is missing or damaged.
    """
    found = read_json(job.manifest)
    try:
        content = {key: value for key, value in found.items() if key != "seal"}
        if job.manifest.read_bytes() == json_bytes(sealed(content)):
            inputs, outputs = (_hashes(content[part]) for part in ("inputs", "outputs"))
            return Manifest(str(content["params"]), str(content["code"]), inputs, outputs)
    except (AttributeError, KeyError, TypeError, ValueError, OSError, RecursionError):
        pass  # NaN, for one, is JSON for Python, and is refused when sealed
    raise VlacError(f"{job.manifest} is damaged.", f"Delete it and run `{job.command}` again.")


def _hashes(files: dict[str, str]) -> dict[str, str]:
    return {str(name): str(digest) for name, digest in files.items()}
