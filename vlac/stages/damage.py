"""Files that are no longer what their job wrote: truncated, edited, deleted, or rotten on the disk."""

from collections.abc import Iterable
from pathlib import Path

from vlac.errors import VlacError
from vlac.files import sha256
from vlac.params.search import Search
from vlac.stages.definitions import Asked, Job, jobs
from vlac.stages.manifest import read_manifest


def damage(job: Job) -> list[str]:
    """Return what is wrong with the outputs of a job, in a few words each; nothing where it has none at all.

    Cheap, so that an engine can ask it of every job at every start: a file older than its manifest, which is
    written last, counts as whole; Snakemake gives all that a job made one time, so it looks at each of its own. Bytes
    that rot in silence elsewhere are found by `vlac.stages.stale.why_stale`, and by
    `refuse_damaged_inputs` before anything is made of them.
    """
    missing = [path for path in job.outputs if not path.exists()]
    if len(missing) == len(job.outputs):
        return []
    found = [f"{path} is missing" for path in missing]
    if job.manifest in missing:
        return found
    try:
        recorded = _recorded(job)
    except VlacError as error:
        return [*found, error.message.rstrip(".")]
    made = job.manifest.stat().st_mtime_ns
    newer = (path for path in job.outputs if path not in missing and path.stat().st_mtime_ns >= made)
    return [*found, *(f"{path} has changed since it was made" for path in _other(newer, recorded))]


def refuse_damaged_inputs(job: Job, params: Asked) -> None:
    """Return quietly if every input that a finished job wrote still has the bytes of which its manifest tells.

    Raises:
        VlacError: some have not, or a manifest is damaged; the sentence says how to get them back.
    """
    if isinstance(params, Search) or job.stage.name == "table":
        return  # they check far more of what they gather, and say what mends all of it
    inputs = set(job.inputs(params))
    for maker in jobs(params):
        if inputs.isdisjoint(maker.outputs) or not maker.manifest.exists():
            continue
        recorded = _recorded(maker)
        if damaged := _other((path for path in maker.outputs if path in inputs), recorded):
            names = " ".join(map(str, damaged))
            raise VlacError(
                f"{names} is not what {maker} wrote: the bytes differ from {maker.manifest}.",
                _anew(names, maker),
            )


def _recorded(job: Job) -> dict[Path, str]:
    """Return the SHA-256 of each of the job's outputs but the manifest, as the manifest has them."""
    try:
        outputs = read_manifest(job).outputs
        return {path: outputs[path.as_posix()] for path in job.outputs if path != job.manifest}
    except (VlacError, KeyError):
        raise VlacError(f"{job.manifest} is damaged.", _anew(str(job.manifest), job)) from None


def _anew(names: str, maker: Job) -> str:
    return f"Run `rm {names}`, and the engine again, which makes it anew; by hand, the stage {maker.stage.name} first."


def _other(paths: Iterable[Path], recorded: dict[Path, str]) -> list[Path]:
    return [path for path in paths if path in recorded and sha256(path) != recorded[path]]
