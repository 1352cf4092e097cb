"""What all the rules take from the definitions of the stages, in vlac/stages/definitions.py."""

import atexit
import functools
import os
import shutil
from contextlib import ExitStack

from snakemake.exceptions import WorkflowError
from snakemake.logging import logger

from vlac.errors import VlacError
from vlac.params import load_params
from vlac.params.schema import seeds_of
from vlac.stages import STAGES, Job, jobs
from vlac.stages.asked import asked_of
from vlac.stages.damage import damage
from vlac.stages.definitions import code_files
from vlac.stages.engine import Planned, join_run, whole_folder
from vlac.stages.search import SEARCH_STAGES
from vlac.stages.stale import why_made_otherwise
from vlac.stages.view import declared

if config:
    raise WorkflowError(
        f"--config and --configfile are refused ({', '.join(config)}): the commands read params.yaml and would not see "
        "it. Edit params.yaml, or copy a file of presets/ over it."
    )

try:
    PARAMS = load_params()
except VlacError as error:
    raise WorkflowError(str(error)) from None

if workflow.remote_exec and not os.environ.get("MLFLOW_TRACKING_URI"):
    # Nodes share this folder over a network, where several may not write one sqlite file.
    os.environ.setdefault("VLAC_TRACKING", "later")


# The cards of profiles/default are those of this machine: they limit what runs on it, and nothing that is submitted.
resource_scopes:
    gpu="local",


RUN = ExitStack()
PLANNED = Planned()
atexit.register(RUN.close)
if not workflow.is_main_process:
    join_run()


onstart:
    try:
        RUN.enter_context(whole_folder())
        PLANNED.refuse_changed()
    except VlacError as error:
        raise WorkflowError(str(error)) from None


def gpus(device: str) -> int:
    """Return how many cards a training on that device takes."""
    # The profile allows one card in all, so trainings that use it queue; on a machine without one they need not.
    here = workflow.local_exec and not workflow.remote_exec
    # Which node a job will get is not known, so on a cluster `auto` asks for none.
    return int(device == "cuda" or (device == "auto" and here and bool(shutil.which("nvidia-smi"))))


def memory(base: int, copies: int = 0) -> int:
    """Return the MB that a job asks a cluster for: `base`, and what `copies` of the training images take.

    The numbers in the rules are measured peaks with room above them: docs/slurm.md.
    """
    svhn = {"train": 73_257, "extra": 531_131, "train+extra": 604_388}
    images = PARAMS.data.digits.train if PARAMS.data.source == "digits" else svhn[PARAMS.data.train_split]
    return base + copies * images * 32 * 32 * 3 // 10**6


ALL_STAGES = STAGES | SEARCH_STAGES
THREADS = PARAMS.training.threads


wildcard_constraints:
    model="|".join(PARAMS.models),
    seeds=r"\d+(-\d+)?",


def job_of(stage: str, wildcards) -> Job:
    return Job(ALL_STAGES[stage], wildcards.get("model", ""), wildcards.get("seeds", ""))


@functools.cache
def asked(job: Job):
    """Return what asks for the job; search.yaml is not read before somebody asks for a search."""
    if job.stage.name in STAGES:
        return PARAMS
    try:
        return asked_of(job)
    except VlacError as error:
        raise WorkflowError(str(error)) from None


def training_threads(wildcards) -> int:
    """Return the threads of a training job: those of all seeds that it trains at once."""
    return THREADS * min(PARAMS.training.at_once, len(seeds_of(wildcards.seeds)))


@functools.cache
def damaged(job: Job) -> bool:
    """Return whether outputs of the job are not what it wrote, and say which."""
    found = damage(job)
    if found:
        logger.warning(f"{job} is run again: {'; '.join(found)}.")
    return bool(found)


def training_gpus(wildcards) -> int:
    """Return the cards of a job on `training.device`; asked as late as that, when the executor is known."""
    return gpus(PARAMS.training.device)


def inputs(stage: str):
    """Return an input function: the files that a job of the stage reads, code aside."""

    def of(wildcards) -> list[str]:
        job = job_of(stage, wildcards)
        params = asked(job)
        PLANNED.note(job)
        # Snakemake remembers the parameters of its own runs alone, so what DVC made with others would pass for up to
        # date; and it goes by times, so a damaged file would pass for a new one. The manifest decides.
        if damaged(job) or why_made_otherwise(job, params):
            workflow.dag.forcefiles.update(str(path) for path in job.outputs)
        return [str(path) for path in job.inputs(params)]

    return of


def code(stage: str) -> list[str]:
    """Return the modules whose change makes the stage's results stale."""
    return [str(path) for path in code_files(ALL_STAGES[stage])]


def outputs(stage: str) -> list[str]:
    """Return the files that a job of the stage writes, with {model} and {seeds} as wildcards."""
    return list(ALL_STAGES[stage].outputs)


def shown(stage: str, category: str, **labels: str) -> list[str]:
    """Return the same as `outputs`, what lies under reports/ marked for `snakemake --report`."""

    def mark(path: str) -> str:
        names = {**labels, "file": Path(path).name}
        return report(path, caption=f"../report/{stage}.rst", category=category, labels=names)

    return [mark(path) if path.startswith("reports/") else path for path in outputs(stage)]


def outputs_of(*stages: str) -> list[str]:
    """Return the files that the stages write for all models and seeds of params.yaml."""
    return [str(path) for stage in stages for job in jobs(PARAMS, STAGES[stage]) for path in job.outputs]


def values(stage: str):
    """Return a params function: the parameters that the stage declares, so that their change means a rerun."""

    def of(wildcards) -> dict:
        job = job_of(stage, wildcards)
        return declared(asked(job), job.params)

    return of


def log_of(stage: str) -> str:
    """Return where the stage's command itself writes its log."""
    over = ALL_STAGES[stage].over
    return str(Job(ALL_STAGES[stage], "{model}" if over in ("models", "trials") else "", "{seeds}" if over else "").log)


def command(stage: str) -> str:
    """Return the shell command, the same text as in dvc.yaml."""
    return Job(ALL_STAGES[stage], "{wildcards.model}", "{wildcards.seeds}").command
