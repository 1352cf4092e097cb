"""Jobs of presets/tiny.yaml with made-up results, their manifests the real ones."""

import contextlib
import logging
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

from project import ROOT, Project

from vlac.files import write_text
from vlac.params.load import load_params
from vlac.params.schema import Params
from vlac.workflow.jobs import Job, jobs
from vlac.workflow.requests import write_rungs
from vlac.workflow.run import run_job

Work = Callable[[Job, Any, Any], None]


def tiny_params(folder: Path) -> Params:
    """Put presets/tiny.yaml into a folder as its parameters, and return them."""
    shutil.copy(ROOT / "presets/tiny.yaml", folder / "params.yaml")
    logging.getLogger("vlac").setLevel(logging.INFO)
    return load_params(folder / "params.yaml")


def job_of(params: Params, name: str) -> Job:
    """Return the job of that name, such as "train gmdgm 0"."""
    return next(job for job in jobs(params) if str(job) == name)


def write_outputs(job: Job, params: Any = None, origin: Any = None) -> None:
    """Write a few words to every output of a job, its manifest aside."""
    for path in job.outputs[:-1]:
        write_text(path if path.suffix else path / "figure.png", f"{path}\n" * 100)


def make(job: Job, params: Params, work: Work = write_outputs, after: Callable[[], None] = lambda: None) -> None:
    """Run one job in the working folder."""
    run_job(job, params, jobs(params), work, after)


def make_all(params: Params) -> None:
    """Run every job in the working folder."""
    write_rungs(params)
    for job in jobs(params):
        make(job, params)


def finished(folder: Path, *models: str) -> Project:
    """Return a project with one seed of which everything is up to date, known to DVC too."""
    project = Project.make(folder).with_one_seed(*models)
    with contextlib.chdir(folder):
        make_all(load_params())
    project.run("python", "-m", "vlac", "requests")
    project.run("dvc", "commit", "--force")
    return project
