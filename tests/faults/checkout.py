"""A copy of the project in which the real pipeline runs by the real engines, to be broken on purpose.

What differs from a clone: the parameters, which are small, and that every epoch ends with a checkpoint.
"""

import hashlib
import os
import re
import shutil
import sqlite3
import subprocess
import sys
from collections.abc import Iterator
from contextlib import closing, contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any

import psutil
import yaml

from tests.copied import ROOT, copy_workflow
from tests.faults.processes import kill_group, to_its_end
from vlac.params.load import load_params
from vlac.params.schema import Params
from vlac.stages import Job, jobs

ENGINES = {"snakemake": ("snakemake", "--cores", "2"), "dvc": ("dvc", "repro")}
"""The commands that a user would give, without the interpreter."""

MODEL, SEEDS = "vlac_2layer", "0-1"
TRAIN = ("vlac", "train", "--model", MODEL, "--seeds", SEEDS)
WEIGHTS = f"results/train/{MODEL}/{SEEDS}"
CHECKPOINT = f"checkpoints/{MODEL}/0.pt"
"""A training that many cases disturb: its command, the folder of its outputs, its first seed's checkpoint."""


def small_params() -> dict[str, Any]:
    """Return the embedded data and networks of presets/tiny.yaml with one model each of the paper's and ours."""
    values: dict[str, Any] = yaml.safe_load((ROOT / "presets" / "tiny.yaml").read_text())
    values["models"] = {name: values["models"][name] for name in ("vlac_2layer", "vlac_2layer_plus")}
    values["probe"]["seeds"], values["seeds"] = [0], ["0-1"]
    values["training"]["epochs"] = 6
    return values


@dataclass(frozen=True)
class Checkout:
    """A project folder of its own."""

    folder: Path

    @classmethod
    def make(cls, folder: Path, params: dict[str, Any] | None = None) -> "Checkout":
        """Copy the workflow and the package there, with the given parameters or the small ones, without results."""
        copy_workflow(folder)
        (folder / "params.yaml").write_text(yaml.safe_dump(params or small_params(), sort_keys=False))
        _checkpoint_every_epoch(folder / "vlac" / "training" / "loop.py")
        return cls(folder)

    def copy(self, folder: Path) -> "Checkout":
        """Return a copy with all results and all that the engines remember, times of files included."""
        shutil.copytree(self.folder, folder, symlinks=True)
        return Checkout(folder)

    @property
    def params(self) -> Params:
        return load_params(self.folder / "params.yaml")

    @property
    def jobs(self) -> list[Job]:
        return list(jobs(self.params))

    def start(
        self, *command: str, stdout: int | IO[str] = subprocess.PIPE, **environment: str
    ) -> subprocess.Popen[str]:
        """Start `python -m COMMAND` in this folder, as the leader of a process group, its words in one pipe or file."""
        path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
        fixed = {
            "PATH": path,
            "PYTHONPATH": str(self.folder),
            "OMP_NUM_THREADS": "1",
            "MLFLOW_DISABLE_TELEMETRY": "true",
        }
        inherited = {
            name: value for name, value in os.environ.items() if name not in ("VLAC_DATA", "MLFLOW_TRACKING_URI")
        }
        return subprocess.Popen(
            [sys.executable, "-m", *command],
            cwd=self.folder,
            env=inherited | fixed | environment,
            stdin=subprocess.DEVNULL,
            stdout=stdout,
            stderr=subprocess.STDOUT,
            text=True,
            start_new_session=True,
        )

    @contextmanager
    def running(self, *command: str, **environment: str) -> Iterator["subprocess.Popen[str]"]:
        """Start `python -m COMMAND`; what is left of its group at the end of the `with` block is killed."""
        process = self.start(*command, **environment)
        try:
            yield process
        finally:
            kill_group(process)

    def run(self, *command: str, fails: bool | None = False, **environment: str) -> str:
        """Run `python -m COMMAND` to its end and return what it said.

        Raises:
            AssertionError: it failed, or did not although `fails`; None for `fails` allows both. Or it hangs, or shows
                a traceback.
        """
        with self.running(*command, **environment) as process:
            said = to_its_end(process)
        assert fails is None or (process.returncode != 0) == fails, f"{' '.join(command)}: {process.returncode}\n{said}"
        return said

    def engine(self, name: str, *more: str, fails: bool | None = False, **environment: str) -> str:
        """Run Snakemake or DVC as a user would and return what it said."""
        return self.run(*ENGINES[name], *more, fails=fails, **environment)

    def digests(self) -> dict[str, str]:
        """Return the SHA-256 of every declared output by its path, "missing" where there is none."""
        paths = (path for job in self.jobs for path in job.outputs)
        return {str(path): digest(self.folder / path) for path in paths}

    def runs(self) -> dict[str, str]:
        """Return the status of every run in the MLflow store by the run's name, deleted ones left out."""
        if not (self.folder / "mlflow.db").exists():  # which to connect to would make
            return {}
        with closing(sqlite3.connect(self.folder / "mlflow.db", timeout=60)) as connection:
            rows = connection.execute("select name, status from runs where lifecycle_stage = 'active'").fetchall()
        assert len(rows) == len(dict(rows)), f"a run is shown twice: {rows}"
        return dict(rows)

    def stage_processes(self) -> Iterator[tuple[psutil.Process, list[str]]]:
        """Yield the running processes of stages (`python -m vlac ...`) in this folder with their arguments."""
        for process in psutil.process_iter():
            with suppress(psutil.Error):
                words = process.cmdline()
                if words[1:3] == ["-m", "vlac"] and Path(process.cwd()) == self.folder:
                    yield process, words[3:]


def digest(path: Path) -> str:
    """Return the SHA-256 of a file, "missing" where there is none."""
    return hashlib.sha256(path.read_bytes()).hexdigest() if path.is_file() else "missing"


@contextmanager
def changed(path: Path, content: bytes) -> Iterator[None]:
    """Give a file other content for the length of a `with` block."""
    before = path.read_bytes()
    path.write_bytes(content)
    try:
        yield
    finally:
        path.write_bytes(before)


def _checkpoint_every_epoch(module: Path) -> None:
    text = module.read_text()
    eager = re.sub(r"^CHECKPOINT_SECONDS = .*$", "CHECKPOINT_SECONDS = 0.0", text, flags=re.MULTILINE)
    assert eager != text
    module.write_text(eager)
