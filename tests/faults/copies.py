"""Projects in folders of their own, in which the real pipeline runs by the real engines and is disturbed.

What differs from a clone: the parameters, which are small, and that every epoch ends with a checkpoint
and a line, and MLflow is opened at once.
"""

import hashlib
import os
import re
import shutil
import signal
import sqlite3
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

import psutil
import yaml
from torch import load

from tests.project import ROOT, Project
from vlac.files import sha256
from vlac.params.load import load_params
from vlac.workflow.jobs import Job, jobs

RUNS = {
    "snakemake": ("snakemake", "--cores", "2"),
    "dvc": ("dvc", "repro"),
    "work": ("python", "-m", "vlac", "work"),
}
"""The commands that run the whole pipeline."""

PATIENCE = 300.0
"""Seconds after which a command counts as hanging."""

IN_USE = re.compile(r"is in use by|is busy, it is being blocked|Directory cannot be locked")
"""What who comes second says: the project's own sentence, DVC's, or Snakemake's."""


def small_params() -> dict[str, object]:
    """Return presets/tiny.yaml with half the images, two models and one seed."""
    values = yaml.safe_load((ROOT / "presets/tiny.yaml").read_text())
    values["models"] = {name: values["models"][name] for name in ("gmdgm", "vlac_2layer_plus")}
    values["data"] |= {"holdout": 50, "digits": {"train": 200, "test": 100, "seed": 1}}
    values["training"]["epochs"] = 3
    values["probe"]["seeds"] = values["seeds"] = [0]
    return dict(values)


EAGER = {
    "vlac/training/epochs.py": "CHECKPOINT_SECONDS",
    "vlac/training/progress.py": "LINES",
    "vlac/tracking/live.py": "OPENS",
}
"""Seconds that become 0 in a copy, whose trainings are short."""


@dataclass(frozen=True)
class Base:
    """A finished, undisturbed project, of which every case gets a copy.

    Attributes:
        truth: the hash of every declared output, by its path.
    """

    folder: Path
    jobs: tuple[Job, ...]
    truth: dict[str, str]

    @classmethod
    def make(cls, folder: Path) -> "Base":
        """Run everything by Snakemake, and tell DVC of it."""
        project = Project.make(folder, real=True)
        (folder / "params.yaml").write_text(yaml.safe_dump(small_params(), sort_keys=False))
        for file, name in EAGER.items():
            path = folder / file
            eager = re.sub(rf"(?m)^{name} = [0-9.]+", f"{name} = 0.0", path.read_text())
            assert eager != path.read_text()
            path.write_text(eager)
        project.snakemake()
        project.run("python", "-m", "vlac", "requests")
        project.run("dvc", "commit", "--force")
        made = tuple(jobs(load_params(folder / "params.yaml")))
        return cls(folder, made, {str(path): sha256(folder / path) for job in made for path in job.outputs})

    def copy(self, folder: Path) -> "Copy":
        """Return a copy, times of files included, in a new folder."""
        shutil.copytree(self.folder, folder, symlinks=True)
        return Copy(folder, self)


@dataclass
class Copy:
    """A project to be broken; `start` counts its commands in `commands`."""

    folder: Path
    base: Base
    commands: int = 0

    def remove(self, *made: Job) -> None:
        """Delete the outputs of jobs."""
        for job in made:
            for path in (self.folder / output for output in job.outputs):
                shutil.rmtree(path) if path.is_dir() else path.unlink()

    def start(self, *command: str, **environment: str) -> "Running":
        """Start a command as the leader of a process group, its words in a file."""
        self.commands += 1
        words = self.folder.with_name(f"{self.folder.name}_{self.commands}.txt")
        kept = {key: value for key, value in os.environ.items() if not key.startswith(("MLFLOW_", "VLAC_"))}
        path = f"{Path(sys.executable).parent}{os.pathsep}{kept['PATH']}"
        fixed = {"PATH": path, "PYTHONPATH": str(self.folder), "OMP_NUM_THREADS": "1", "DVC_NO_ANALYTICS": "true"}
        with words.open("w") as file:
            process = subprocess.Popen(
                command,
                cwd=self.folder,
                env=kept | fixed | environment,
                stdin=subprocess.DEVNULL,
                stdout=file,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )
        return Running(process, words)

    def run(self, *command: str, fails: bool | None = False, **environment: str) -> str:
        """Run a command to its end, and return what it said; `fails` None allows both ends."""
        running = self.start(*command, **environment)
        status, said = running.end(), running.said
        assert fails is None or (status != 0) == fails, f"{' '.join(command)} ended with {status}:\n{said[-3000:]}"
        return said

    def through(self, *command: str) -> str:
        """Give a command until it has gone through, and do what its sentences ask for, nothing else."""
        text = ""
        for _ in range(12):
            running = self.start(*command)
            status = running.end()
            text += running.said
            assert "Traceback" not in running.said, running.said[-3000:]
            if status == 0:
                return text
            self._obey(running.said)
        raise AssertionError(f"{' '.join(command)} does not come to its end:\n{text[-3000:]}")

    def _obey(self, said: str) -> None:
        asked = re.findall(r"`((?:rm|mv|dvc|python|snakemake) [^`\n]+)`", said)
        if "snakemake --unlock" in said or "--unlock" in said:
            self.run("snakemake", "--unlock")
        elif IN_USE.search(said):
            wait_for(lambda: not self.stages())
        elif "give the same command again" in said:  # what a killed run had started was still writing
            pass
        elif asked:
            self.run(*asked[0].split(), fails=None)
        elif "dvc.lock" in said:  # DVC's own sentence: it is no YAML
            (self.folder / "dvc.lock").unlink()
        elif "Unable to read RWLock-file" in said:  # DVC's own sentence, of a file that it did not finish
            (self.folder / ".dvc/tmp/rwlock").unlink()
        else:
            raise AssertionError(f"it failed, and says not what to do:\n{said[-3000:]}")

    def stages(self) -> list[psutil.Process]:
        """Return the running processes of stages in this folder."""
        found = []
        for process in psutil.process_iter():
            with suppress(psutil.Error):
                words = process.cmdline()
                if words[1:3] == ["-m", "vlac"] and words[3:4] != ["work"] and Path(process.cwd()) == self.folder:
                    found.append(process)
        return found

    def epoch(self, job: Job) -> int:
        """Return the last epoch that the checkpoint of a training holds, 0 without one."""
        try:
            return int(load(self.folder / job.checkpoint, map_location="cpu", weights_only=True)["epoch"])
        except FileNotFoundError:
            return 0

    def wrong(self) -> list[str]:
        """Return the declared outputs that have other bytes than those of the undisturbed run."""
        there = {path: (self.folder / path) for path in self.base.truth}
        return [path for path, at in there.items() if not at.exists() or sha256(at) != self.base.truth[path]]

    def check(self) -> None:
        """Demand every output as undisturbed, every run in MLflow finished and shown once, and nothing left behind."""
        assert not self.wrong(), f"WRONG OUTPUT: {self.wrong()}"
        assert self.shown() == Copy(self.base.folder, self.base).shown(), f"MLflow shows {self.shown()}"
        left = [str(path.relative_to(self.folder)) for path in self.folder.rglob("*") if self._is_left(path)]
        assert not left, f"left behind: {left}"

    def _is_left(self, path: Path) -> bool:
        inside = path.relative_to(self.folder)
        if inside.parts[0] == "checkpoints":
            return path.is_file() and not (self.base.folder / inside).exists()
        return bool(re.fullmatch(r"\..*\.tmp", path.name)) and inside.parts[0] in ("data", "results", "reports", "logs")

    def shown(self) -> Counter[tuple[str, str]]:
        """Count the runs in MLflow by name and status."""
        with closing(sqlite3.connect(self.folder / "mlflow.db", timeout=60)) as connection:
            query = "select name, status from runs where lifecycle_stage = 'active'"
            return Counter(connection.execute(query).fetchall())


@dataclass
class Running:
    """A command that has been started."""

    process: "subprocess.Popen[bytes]"
    words: Path

    @property
    def said(self) -> str:
        """What it has said so far."""
        return self.words.read_text(errors="replace")

    def end(self) -> int:
        """Wait for its end, and return its status."""
        try:
            return self.process.wait(PATIENCE)
        except subprocess.TimeoutExpired:
            self.signal_group(signal.SIGKILL)
            raise AssertionError(f"it hangs:\n{self.said[-3000:]}") from None

    def reach(self, moment: Callable[[], object]) -> None:
        """Wait for the moment, or for the end."""
        wait_for(lambda: moment() or self.process.poll() is not None)

    def signal_group(self, how: signal.Signals) -> None:
        """Send a signal to it and all that it has started."""
        with suppress(ProcessLookupError):
            os.killpg(self.process.pid, how)


@contextmanager
def held(process: psutil.Process) -> Iterator[None]:
    """Stop a process for the length of a `with` block, so that no race depends on how fast the machine is."""
    process.suspend()
    try:
        yield
    finally:
        with suppress(psutil.NoSuchProcess):
            process.resume()


def wait_for(condition: Callable[[], object], patience: float = PATIENCE) -> bool:
    """Wait until the condition holds; return whether it does."""
    end = time.monotonic() + patience
    while not condition():
        if time.monotonic() > end:
            return False
        time.sleep(0.02)
    return True


def seeded(*words: object) -> int:
    """Return a number that the words decide."""
    return int.from_bytes(hashlib.sha256(repr(words).encode()).digest()[:8])
