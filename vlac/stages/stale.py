"""Which finished jobs no longer match today's parameters, code, inputs or their own outputs."""

from collections.abc import Collection
from pathlib import Path

from vlac.errors import VlacError
from vlac.files import sha256
from vlac.params.schema import Params
from vlac.stages.definitions import Asked, Job, jobs
from vlac.stages.manifest import Manifest, code_hash, read_manifest
from vlac.stages.view import fingerprint

ENDS = ("figures", "table")
"""Stages whose outputs no other stage reads, so that the table does not rest on them."""


def why_made_otherwise(job: Job, params: Asked) -> str | None:
    """Return in a few words how a finished job differs from the one asked for now, or None if it is the same.

    Reads the manifest alone, no data, so the Snakefile can ask it for every job. A job without manifest is not
    finished: None.
    """
    if not job.manifest.exists():
        return None
    try:
        return _differs(job, params, read_manifest(job))
    except VlacError:
        return f"{job.manifest} is damaged"


def why_stale(job: Job, params: Asked) -> str | None:
    """Return in a few words why the job's result must be made again, or None where it is up to date."""
    if not job.manifest.exists():
        made = any(path.exists() for path in job.outputs)
        return f"{job.manifest} is missing" if made else "it has not been run"
    if why := why_made_otherwise(job, params):
        return why
    manifest = read_manifest(job)
    wrong = []
    for what, files in (("its input", manifest.inputs), ("its output", manifest.outputs)):
        for name, digest in files.items():
            if not Path(name).exists():
                wrong.append(f"{what} {name} is missing")
            elif sha256(Path(name)) != digest:
                wrong.append(f"{what} {name} has changed since")
    return "; ".join(wrong) or None


def sort_out(params: Params, settled: Collection[Path] = ()) -> tuple[list[Job], dict[Job, str]]:
    """Return the jobs that are up to date with all that they rest on, and the others with the reason why not.

    Nobody need wait for the files in `settled`: they are final, though their job may have to be run.
    """
    done: list[Job] = []
    left: dict[Job, str] = {}
    unsettled: set[Path] = set()
    for job in jobs(params):  # in an order in which every job follows those that it reads from
        why = why_stale(job, params)
        if why is None and not unsettled.isdisjoint(job.inputs(params)):
            why = "what it reads has to be made again"
        if why is None:
            done.append(job)
        else:
            left[job] = why
            unsettled.update(path for path in job.outputs if path not in settled)
    return done, left


def refuse_stale(params: Params) -> None:
    """Return quietly if every job that the table rests on is up to date.

    Raises:
        VlacError: some are not; the sentence names them, why, and the command that mends it.
    """
    beneath = (job for job in jobs(params) if job.stage.name not in ENDS)
    problems = [(job, why) for job in beneath if (why := why_stale(job, params))]
    if not problems:
        return
    unseen = [job for job, _ in problems if not why_made_otherwise(job, params)]
    raise VlacError(
        f"The results do not match params.yaml and the code ({told(problems)}).",
        f"Make them and the table again with `{mending('reports/table1.md', unseen)}`, or with `dvc repro` unless they "
        "were committed to DVC as they are.",
    )


def mending(target: str, unseen: list[Job]) -> str:
    """Return the Snakemake command that makes `target` and all that is stale beneath it.

    Args:
        target: a file.
        unseen: the stale jobs that Snakemake does not find by itself: it asks the manifests for parameters and code,
            not for the hashes of results, and does not miss a file that no other job reads.
    """
    forced = "".join(f" {job.manifest}" for job in unseen)
    return f"snakemake {target} --cores 4" + (f" --forcerun{forced}" if forced else "")


def told(problems: list[tuple[Job, str]]) -> str:
    """Return the first of the stale jobs with what is wrong with them, and how many more there are."""
    shown = "; ".join(f"{job}: {why}" for job, why in problems[:3])
    return shown + (f"; and {len(problems) - 3} more" if len(problems) > 3 else "")


def _differs(job: Job, params: Asked, manifest: Manifest) -> str | None:
    if manifest.params != fingerprint(params, job.params):
        return "its parameters have changed"
    if manifest.code != code_hash(job.stage):
        return "its code has changed"
    if set(manifest.inputs) != {path.as_posix() for path in job.inputs(params)}:
        return "its list of inputs has changed"
    if set(manifest.outputs) != {path.as_posix() for path in job.outputs if path != job.manifest}:
        return "its list of outputs has changed"
    return None
