"""Which finished jobs no longer match today's parameters, code, inputs or their own outputs."""

from collections.abc import Iterable
from pathlib import Path

from vlac.errors import VlacError
from vlac.files import sha256
from vlac.params.schema import Params
from vlac.params.section import Asked
from vlac.workflow.depends import hash_of_code, params_hash
from vlac.workflow.jobs import Job, jobs
from vlac.workflow.manifest import Manifest, read_manifest

ENDS = ("describe", "probe_report", "figures", "table")
"""Stages whose outputs no other stage reads, so that the table does not rest on them."""


def why_stale(job: Job, params: Asked, hashes: dict[Path, str] | None = None) -> str | None:
    """Return in a few words why the job has to be run, or None where its result is up to date.

    `hashes`, kept from one job to the next, saves reading a file again that several of them read.
    """
    if not job.manifest.exists():
        made = any(path.exists() for path in job.outputs)
        return f"{job.manifest} is missing" if made else "it has not been run"
    try:
        manifest = read_manifest(job.manifest)
    except VlacError:
        return f"{job.manifest} is damaged"
    return _changed(job, params, manifest) or _damaged(manifest, {} if hashes is None else hashes)


def stale_jobs(every: Iterable[tuple[Job, Asked]]) -> dict[Job, str]:
    """Return the jobs that are not up to date with all that they rest on, and why not.

    In `every`, each job follows those that it reads from.
    """
    left: dict[Job, str] = {}
    waiting: set[Path] = set()
    hashes: dict[Path, str] = {}
    for job, params in every:
        why = why_stale(job, params, hashes)
        if why is None and not waiting.isdisjoint(job.inputs(params)):
            why = "what it reads has to be rebuilt"
        if why:
            left[job] = why
            waiting.update(job.outputs)
    return left


def refuse_stale(every: Iterable[tuple[Job, Asked]], commands: str) -> None:
    """Raise VlacError if one of the jobs is not up to date; it says to rebuild them by `commands`."""
    if left := stale_jobs(every):
        shown = "; ".join(f"{job}: {why}" for job, why in list(left.items())[:3])
        more = f"; and {len(left) - 3} more" if len(left) > 3 else ""
        raise VlacError(
            f"The results do not match the parameters, the data and the code ({shown}{more}).",
            f"Rebuild them and the report with {commands}.",
        )


def refuse_stale_results(params: Params) -> None:
    """Raise VlacError if a job that the table rests on is not up to date."""
    every = ((job, params) for job in jobs(params) if job.stage.name not in ENDS)
    refuse_stale(every, "`snakemake --cores 4 reports/table1.md` or `dvc repro`")


def refuse_damaged(job: Job, inputs: Iterable[Path], makers: Iterable[Job]) -> None:
    """Raise VlacError if an input that a finished job wrote has other bytes than its manifest names.

    An input that is a manifest stands for all that its job wrote.
    """
    asked = set(inputs)
    for maker in makers:
        if asked.isdisjoint(maker.outputs) or not maker.manifest.exists():
            continue
        recorded = read_manifest(maker.manifest).outputs
        read = [path for path in maker.outputs[:-1] if path in asked or maker.manifest in asked]
        if damaged := [str(path) for path in read if _differs(path, recorded, {})]:
            names = " ".join(damaged)
            raise VlacError(
                f"{names}, which {job} reads, is not what {maker} wrote: the bytes differ from {maker.manifest}.",
                f"Run `rm {maker.manifest}` and the same command again, which rebuilds it; by hand, run the stage "
                f"{maker.stage.name} first.",
            )


def _changed(job: Job, params: Asked, manifest: Manifest) -> str | None:
    if manifest.params != params_hash(job, params):
        return "its parameters have changed"
    if manifest.code != hash_of_code(job, params):
        return "its code has changed"
    if set(manifest.inputs) != {path.as_posix() for path in job.inputs(params)}:
        return "its list of inputs has changed"
    if set(manifest.outputs) != {path.as_posix() for path in job.outputs[:-1]}:
        return "its list of outputs has changed"
    return None


def _damaged(manifest: Manifest, hashes: dict[Path, str]) -> str | None:
    wrong = [
        f"its {what} {name} {'has changed since' if Path(name).exists() else 'is missing'}"
        for what, files in (("input", manifest.inputs), ("output", manifest.outputs))
        for name in files
        if _differs(Path(name), files, hashes)
    ]
    return "; ".join(wrong) or None


def _differs(path: Path, recorded: dict[str, str], hashes: dict[Path, str]) -> bool:
    """Return whether a file is missing or has other bytes; `hashes` keeps what was read, for jobs that share it."""
    if path not in hashes and path.exists():
        hashes[path] = sha256(path)
    return path not in hashes or hashes[path] != recorded.get(path.as_posix())
