"""One kill: who is hit by which signal at which moment, and the waiting for that moment."""

import os
import random
import re
import signal
import subprocess
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, replace
from pathlib import Path
from typing import NamedTuple

import psutil

from tests.faults.checkout import Checkout
from tests.faults.processes import gone
from vlac.params.schema import seeds_of
from vlac.stages import Job

TRAININGS = ("train_vlae", "train")

STARTING, COMPUTING = "as it starts", "while it computes"

CPU_SECONDS = {"train_vlae": 4.0, "train": 6.0}
"""About what a process of the stage computes until its end, imports included; of any other stage `OTHERS`."""

OTHERS = 2.5

LINE = re.compile(r"^(\w+ seed \d+),? epoch (\d+)[/:]", re.MULTILINE)
"""A training's line of an epoch: the seed's name, and the number of the epoch."""


@dataclass(frozen=True)
class Kill:
    """A kill that is planned.

    Attributes:
        stage: whose process has to be running; "" for the first seconds of the engine.
        victim: "process", which is the stage's; "engine" alone; or the engine's whole "group", as by Ctrl-C.
        how: the signal.
        moment: a key of `MOMENTS`.
        missed: how many times its moment did not come, because the process had ended before.
    """

    stage: str
    victim: str
    how: signal.Signals
    moment: str
    missed: int = 0

    def again(self, stage: str) -> "Kill":
        """Return the same kill for a process of a stage that is still to come, at an earlier moment."""
        moment = STARTING if self.moment == COMPUTING else COMPUTING
        return replace(self, stage=stage, moment=moment, missed=self.missed + 1)


class Hit(NamedTuple):
    """A kill that was brought about: the jobs whose processes were hit, and those processes."""

    kill: Kill
    jobs: list[Job]
    processes: list[psutil.Process]


@dataclass(frozen=True)
class Scene:
    """Where a kill waits for its moment: a job and its process, the folder, what was said so far, and chance."""

    job: Job
    process: psutil.Process
    folder: Path
    said: Path
    random: random.Random

    def epochs(self) -> int:
        """Return how many epochs the job has told of since the engine was started."""
        names = seed_names(self.job)
        return len({line for line in LINE.findall(self.said.read_text()) if line[0] in names})


def strike(
    kill: Kill, engine: subprocess.Popen[str], checkout: Checkout, said: Path, chance: random.Random
) -> Hit | None:
    """Wait for the moment and send the signal; None if the stage or the engine ended before.

    Args:
        said: the file that takes what the engine and its stages say.
    """
    if not kill.stage:
        time.sleep(chance.uniform(0.2, 4.0))
        return _send(kill, engine, checkout, None)
    jobs = [job for job in checkout.jobs if job.stage.name == kill.stage]
    while engine.poll() is None and not all((checkout.folder / job.manifest).exists() for job in jobs):
        for process, words in checkout.stage_processes():
            job = next((job for job in jobs if job.command.split()[3:] == words), None)
            if job and _group(process) == engine.pid:  # no orphan of a former start
                scene = Scene(job, process, checkout.folder, said, chance)
                return _send(kill, engine, checkout, scene) if MOMENTS[kill.moment](scene) else None
        time.sleep(0.02)
    return None


def running_jobs(checkout: Checkout) -> list[tuple[Job, psutil.Process]]:
    """Return the jobs that run in this folder, and their processes."""
    of = {" ".join(job.command.split()[3:]): job for job in checkout.jobs}
    return [(of[" ".join(words)], process) for process, words in checkout.stage_processes() if " ".join(words) in of]


def seed_names(job: Job) -> list[str]:
    """Return what the seeds of a training are called, in its lines and in MLflow."""
    return [f"{job.model or 'vlae'} seed {seed}" for seed in seeds_of(job.seeds)]


def _send(kill: Kill, engine: subprocess.Popen[str], checkout: Checkout, scene: Scene | None) -> Hit | None:
    if engine.poll() is not None:
        return None
    hit = [(scene.job, scene.process)] if scene and kill.victim == "process" else []
    if kill.victim == "group":
        hit = running_jobs(checkout)
    with suppress(ProcessLookupError, psutil.NoSuchProcess):
        if scene and kill.victim == "process":
            scene.process.send_signal(kill.how)
        elif kill.victim == "group":
            os.killpg(engine.pid, kill.how)
        else:
            os.kill(engine.pid, kill.how)
        return Hit(kill, [job for job, _ in hit], [process for _, process in hit])
    return None


def _group(process: psutil.Process) -> int | None:
    with suppress(ProcessLookupError):
        return os.getpgid(process.pid)
    return None


def _until(scene: Scene, come: Callable[[], bool], pause: float) -> bool:
    """Wait until `come()` is true; return whether the process is still there then."""
    with suppress(psutil.NoSuchProcess):
        while not gone(scene.process):
            if come():
                return True
            time.sleep(pause)
    return False


def _starting(scene: Scene) -> bool:
    """Wait for a fraction of a second, in which Python imports."""
    time.sleep(scene.random.uniform(0.0, 0.3))
    return not gone(scene.process)


def _computing(scene: Scene) -> bool:
    """Wait for some of its work by the processor's time, which a busy machine does not change."""
    seconds = scene.random.uniform(0.05, CPU_SECONDS.get(scene.job.stage.name, OTHERS))
    return _until(scene, lambda: sum(scene.process.cpu_times()[:2]) >= seconds, 0.01)


def _after_an_epoch(scene: Scene) -> bool:
    epochs = scene.random.randint(1, 4)
    if not _until(scene, lambda: scene.epochs() >= epochs, 0.005):
        return False
    time.sleep(scene.random.uniform(0, 0.1))
    return True


def _writing_a_checkpoint(scene: Scene) -> bool:
    epochs = scene.random.randint(0, 3)
    checkpoints = scene.folder / "checkpoints"
    return _until(scene, lambda: scene.epochs() >= epochs, 0.005) and _until(
        scene, lambda: any(checkpoints.glob("*/.*.tmp")), 0.0002
    )


def _between_its_outputs(scene: Scene) -> bool:
    outputs = [scene.folder / path for path in scene.job.outputs]
    folders = {path.parent for path in outputs}
    return _until(
        scene,
        lambda: any(path.exists() for path in outputs) or any(any(each.glob(".*.tmp")) for each in folders),
        0.0002,
    )


MOMENTS: dict[str, Callable[[Scene], bool]] = {
    COMPUTING: _computing,
    "after an epoch": _after_an_epoch,
    "while it writes a checkpoint": _writing_a_checkpoint,
    "between its outputs": _between_its_outputs,
    STARTING: _starting,
}
"""What waits for the moment, and returns whether the process is still there."""
