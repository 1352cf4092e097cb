"""What a job depends on beside its files: the parameters that it declares, and the code that computes its result."""

from vlac.methods import kinds
from vlac.methods.base import AFTER_TRAINING
from vlac.params.view import Asked, fingerprint
from vlac.workflow.code import code_hash
from vlac.workflow.jobs import VLAE, Job

UNUSED = {
    "train": AFTER_TRAINING,
    "trial": (*AFTER_TRAINING, "state", "load_state"),
    "probe": AFTER_TRAINING,
    "evaluate": ("label", "protocol", "draw"),
    "figures": ("clusterings", "protocol"),
    "table": ("fit", "encode", "state", "load_state", "clusterings", "draw"),
}
"""The functions of a method that a stage's module does not call, so that their edit does not rerun it."""

ABOUT_DATA = ("download", "prepare", "describe", "probe_report", "table")
"""Stages that ask the data set for its files, or for its name."""


def kind_of(job: Job, params: Asked) -> str:
    """Return the kind of the method that the job trains or reads, "" for a job without one."""
    if job.stage.over == "probe" or job.model == VLAE:
        return VLAE
    return str(params.models[job.model].kind) if job.model else ""


def keys_of(job: Job, params: Asked) -> list[str]:
    """Return the dotted keys of params.yaml that the job may read."""
    if not job.stage.trains:
        return list(job.stage.params)
    own = [f"models.{job.model}"] if job.model != VLAE else []
    return [*job.stage.params, *kinds()[kind_of(job, params)].sections, *own]


def params_hash(job: Job, params: Asked) -> str:
    """Return the hash of the values that the job declares."""
    return fingerprint(params, keys_of(job, params))


def hash_of_code(job: Job, params: Asked) -> str:
    """Return the hash of the code that the job's result depends on."""
    name = job.stage.module.rpartition(".")[2]
    kind = kind_of(job, params)
    kinds_read = [kind] if kind else [each.kind for each in params.models.values()] if name == "table" else []
    found = [f"vlac.methods.{each}" for each in kinds_read]
    if name in ABOUT_DATA:
        found.append(f"vlac.datasets.{params.data.source}")
    return code_hash(job.stage.module, *found, without=UNUSED.get(name, ()))
