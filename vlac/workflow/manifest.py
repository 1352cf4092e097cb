"""The manifest of a finished job: what it was made from and what it made, by hash."""

import hashlib
import json
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from vlac.errors import VlacError
from vlac.files import json_bytes, sha256, write_json
from vlac.workflow.jobs import Job


@dataclass(frozen=True)
class Origin:
    """What a job is made from, as it is when the job begins: the hours until its end may change any of it."""

    params: str  # hash of the parameters that the job declares
    code: str  # hash of the code that its result depends on
    inputs: dict[str, str]  # SHA-256 of each file that the job reads, by its path

    @property
    def identity(self) -> dict[str, str]:
        """What a checkpoint must share to be continued."""
        return {"parameters": self.params, "code": self.code, "inputs": " ".join(self.inputs.values())}


@dataclass(frozen=True)
class Manifest(Origin):
    """The same of a finished job, and the SHA-256 of each output but the manifest, by its path."""

    outputs: dict[str, str]


def write_manifest(job: Job, origin: Origin) -> None:
    """Write the job's manifest, the last of its outputs."""
    made = {path.as_posix(): sha256(path) for path in job.outputs[:-1]}
    write_json(job.manifest, sealed({"job": str(job)} | asdict(Manifest(**asdict(origin), outputs=made))))


def sealed(content: dict[str, Any]) -> dict[str, Any]:
    """Return the content of a manifest with a hash of itself, so that damage to the manifest itself is noticed."""
    return content | {"seal": hashlib.sha256(json_bytes(content)).hexdigest()}


def read_manifest(path: Path) -> Manifest:
    """Return the manifest at `path`; raise VlacError if it is missing or damaged."""
    try:
        text = path.read_bytes()
        content = {key: value for key, value in json.loads(text).items() if key != "seal"}
        if text == json_bytes(sealed(content)):
            return Manifest(content["params"], content["code"], content["inputs"], content["outputs"])
    except FileNotFoundError:
        raise VlacError(f"{path} is missing.", "Run the stage that makes it.") from None
    except (AttributeError, KeyError, TypeError, ValueError, OSError, RecursionError):
        pass  # NaN, for one, is JSON for Python, and is refused when sealed
    raise VlacError(f"{path} is damaged.", f"Delete it with `rm {path}` and run the same command again.")
