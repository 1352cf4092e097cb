"""The same wrong parameters met by the engines themselves, in a copy of the project."""

import atexit
import functools
import os
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

from tests.copied import copy_workflow
from vlac.errors import VlacError
from vlac.params.load import load_params

from .campaign import refuse_sprung
from .judge import Failure

SECONDS = 110
"""Most seconds for one command, by the clock."""


@functools.cache
def project() -> Path:
    """Return a folder with the workflow and the package."""
    folder = Path(tempfile.mkdtemp(prefix="fuzz-engines-"))
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    copy_workflow(folder)
    return folder


def plan(content: bytes) -> None:
    """Have both engines plan with the bytes as params.yaml; nothing is run.

    DVC takes what it can fill its commands with, and leaves the rest to the first of them.

    Raises:
        VlacError: what Snakemake says is wrong.
        Failure: an engine shows a traceback or springs a trap, or Snakemake takes what the command line refuses, or the
            other way round.
    """
    (project() / "params.yaml").write_bytes(content)
    try:
        _plan()
    finally:
        refuse_sprung(project())


def _plan() -> None:
    dvc = _run("dvc", "status")
    _refuse("Traceback" in dvc.stdout, f"DVC: {dvc.stdout[-1500:]}")
    _refuse(dvc.returncode != 0 and "ERROR: " not in dvc.stdout, f"DVC without a word: {dvc.stdout[-1500:]}")
    snakemake = _run("snakemake", "-n", "--quiet")
    _refuse("Traceback" in snakemake.stdout, f"Snakemake: {snakemake.stdout[-1500:]}")
    try:
        load_params(project() / "params.yaml")
    except VlacError as error:
        said, message = " ".join(snakemake.stdout.split()), error.message.replace(f"{project()}/", "")
        _refuse(snakemake.returncode == 0, f"Snakemake takes it: {error}")
        _refuse(message[-60:] not in said, f"Snakemake says {said} and not {error}")
        raise VlacError(message, error.hint) from None
    _refuse(snakemake.returncode != 0, f"Snakemake refuses it: {snakemake.stdout[-1500:]}")
    _refuse(dvc.returncode != 0, f"DVC refuses it: {dvc.stdout[-1500:]}")


def _run(engine: str, *arguments: str) -> "subprocess.CompletedProcess[str]":
    return subprocess.run(
        [sys.executable, "-m", engine, *arguments],
        cwd=project(),
        env={**os.environ, "DVC_NO_ANALYTICS": "true", "PYTHONUTF8": "1"},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        errors="backslashreplace",
        timeout=SECONDS,
        check=False,
    )


def _refuse(wrong: bool, why: str) -> None:
    if wrong:
        raise Failure(why)
