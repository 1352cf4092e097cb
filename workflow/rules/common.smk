"""What the rules share: the parameters, the requests, one run at a time, and what a training needs of the machine."""

import atexit
import os
import shutil
import signal
import subprocess
import sys
from contextlib import ExitStack, suppress

import psutil
from snakemake.exceptions import WorkflowError

from vlac.errors import VlacError
from vlac.methods import kinds
from vlac.params.load import load_params
from vlac.search.params import search_jobs
from vlac.workflow.jobs import STAGES, Job, jobs
from vlac.workflow.lock import join_run, whole_folder
from vlac.workflow.requests import write_for_snakemake, write_rungs
from vlac.workflow.stale import why_stale

if config:
    raise WorkflowError(
        f"--config and --configfile are refused ({', '.join(config)}): the commands read params.yaml and would not see "
        "it. Edit params.yaml, or copy a file of presets/ over it."
    )

try:
    PARAMS = load_params()
except VlacError as error:
    raise WorkflowError(str(error)) from None

try:
    SEARCH, UNREADABLE = list(search_jobs()), ""
except VlacError as error:  # the table does without it
    SEARCH, UNREADABLE = [], str(error)

EXPERIMENT = PARAMS.experiment
THREADS = PARAMS.training.threads

if workflow.remote_exec and not os.environ.get("MLFLOW_TRACKING_URI"):
    # Nodes share this folder over a network, where several may not write one sqlite file.
    os.environ.setdefault("VLAC_TRACKING", "later")


# The cards of profiles/default are those of this machine: they limit what runs on it, and nothing that is submitted.
resource_scopes:
    gpu="local",


wildcard_constraints:
    experiment=EXPERIMENT,
    model="|".join(PARAMS.models),
    seed=r"\d+",


def requested() -> dict:
    """Write the requests of all jobs; return the stale ones and why they are."""
    write_rungs(PARAMS)
    return write_for_snakemake([*((job, PARAMS) for job in jobs(PARAMS)), *SEARCH])


# The commands say `python`, which is the one that runs Snakemake, also where its environment is not active.
os.environ.update(PATH=f"{os.path.dirname(sys.executable)}{os.pathsep}{os.environ.get('PATH', os.defpath)}")


def interrupt(signum: int, frame) -> None:
    """End the jobs on SIGINT to Snakemake alone, which would wait for them and then delete what they have made."""
    for process in psutil.Process().children(recursive=True):
        with suppress(psutil.Error):
            if process.cmdline()[1:3] == ["-m", "vlac"]:
                process.terminate()
    signal.default_int_handler(signum, frame)


if signal.getsignal(signal.SIGINT) is signal.default_int_handler:  # a run in the background may ignore Ctrl-C
    signal.signal(signal.SIGINT, interrupt)

if workflow.is_main_process:
    try:
        STALE = requested()
    except VlacError as error:
        raise WorkflowError(str(error)) from None
    RUN = ExitStack()
    atexit.register(RUN.close)
else:
    join_run()


def slurm_answers() -> bool:
    """Return whether the cluster can be asked; Snakemake removes what a job had made before it submits it anew."""
    try:
        return subprocess.run(["sinfo"], capture_output=True, timeout=60).returncode == 0
    except (OSError, subprocess.TimeoutExpired):
        return False


onstart:
    if workflow.executor_plugin.name == "slurm" and not slurm_answers():
        raise WorkflowError(
            "Slurm does not answer here (`sinfo` fails). Nothing was run: submit from a node of the cluster, or leave "
            "--profile profiles/slurm out to run on this machine."
        )
    try:
        RUN.enter_context(whole_folder())
    except VlacError as error:
        raise WorkflowError(str(error)) from None
    if requested() != STALE:
        raise WorkflowError(
            "Results changed while this run was planned. Nothing was run: give the same command again."
        )


def show() -> None:
    """Bring the MLflow view up to date, also after jobs that nothing has gathered yet."""
    if os.environ.get("VLAC_TRACKING") != "later":
        subprocess.run([sys.executable, "-m", "vlac", "track"], stdout=subprocess.DEVNULL, check=False)


onsuccess:
    show()
    table = Path("reports/table1.md")
    if why_stale(Job(STAGES["table"], EXPERIMENT), PARAMS) is None:
        first = next((part for part in table.read_text().split("\n\n") if part.startswith("|")), "")
        print(f"{first}\n\nThe table with its notes: {table}", file=sys.stderr)


onerror:
    show()


def gpus(wildcards, params=PARAMS) -> int:
    """Return how many cards a job takes; asked as late as that, when the executor is known."""
    model = getattr(wildcards, "model", getattr(wildcards, "trial", "vlae"))
    kind = params.models[model].kind if model in params.models else "vlae"
    if not {"training", "training.device"} & {*kinds()[kind].sections}:
        return 0  # it reads no training.device
    device = params.training.device
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


def tried(wildcards) -> list:
    """Return the manifests of all trials, or end the plan with what is wrong with search.yaml."""
    if UNREADABLE:
        sys.exit(f"error: {UNREADABLE}")  # Snakemake would show any other exception with its own words around it
    return [job.manifest for job, _ in SEARCH if job.model]
