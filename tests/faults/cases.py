"""The cases of each kind: what is broken in a copy of the finished project, and how it is given the command again.

Each takes a copy and a source of chance, and returns how many faults struck. An AssertionError is a loss.
"""

import os
import random
import re
import shutil
import signal
import sqlite3
import subprocess
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, closing, contextmanager
from functools import partial
from pathlib import Path

import psutil

from tests.faults.copies import IN_USE, RUNS, Copy, held, wait_for
from tests.loopback import says, serving
from vlac.workflow.jobs import Job

Case = Callable[[Copy, random.Random], int]
SIGNALS = (signal.SIGKILL, signal.SIGTERM, signal.SIGINT)
UNSEEN = "MLflow does not show this run"


class NotRun(Exception):
    """This machine does not permit what the case needs."""


def by_hand(job: Job) -> tuple[str, ...]:
    """Return a job's own command."""
    return tuple(job.command.split())


def trainings(copy: Copy) -> list[Job]:
    return [job for job in copy.base.jobs if job.stage.trains]


def kills(copy: Copy, chance: random.Random) -> int:
    """Kill a run at one to three moments; then it has to go through, and trains no kept epoch again."""
    job = chance.choice(trainings(copy) if chance.random() < 0.5 else copy.base.jobs)
    run, command = chance.choice([*RUNS.items(), ("by hand", by_hand(job))])
    copy.remove(job)
    struck = 0
    for _ in range(chance.randint(1, 3)):
        running = copy.start(*command)
        moment = chance.choice(("start", "stage", "checkpoint"))
        if moment == "start":
            time.sleep(chance.uniform(0.1, 4.0))
        else:
            at_epoch = moment == "checkpoint" and job.stage.trains
            before = copy.epoch(job)
            running.reach((lambda before=before: copy.epoch(job) > before) if at_epoch else copy.stages)
            time.sleep(chance.uniform(0.0, 0.5 if at_epoch else 5.0))
        victim, how = chance.choice(("stage", "engine", "group")), chance.choice(SIGNALS)
        if (run, victim, how) == ("dvc", "engine", signal.SIGINT):
            how = signal.SIGTERM  # DVC is deaf to Ctrl-C while a stage runs
        if running.process.poll() is None:
            struck += 1
            strike(copy, running.process.pid, victim, how)
        running.end()
        if run != "snakemake" and how != signal.SIGKILL:
            assert "Traceback" not in running.said.split("\nERROR")[0], running.said
        orphaned, kept = bool(copy.stages()), copy.epoch(job)
        if running.process.returncode == 0 or not kept or orphaned:
            continue
        said = copy.through(*command)
        again = [each for each in range(1, kept + 1) if f"{job.model} seed {job.seed} epoch {each}/" in said]
        assert not again, f"epochs {again} were trained again though a checkpoint held {kept}"
        break
    copy.through(*command)
    copy.through(*RUNS["snakemake"])
    return struck


def strike(copy: Copy, pid: int, victim: str, how: signal.Signals) -> None:
    stages = copy.stages()
    try:
        if victim == "group":
            os.killpg(pid, how)
        elif victim == "stage" and stages:
            stages[0].send_signal(how)
        else:
            os.kill(pid, how)
    except (ProcessLookupError, psutil.NoSuchProcess):
        pass  # it was faster


@contextmanager
def in_training(copy: Copy, *command: str, **environment: str) -> Iterator[tuple[Job, psutil.Process]]:
    """Run a command up to the first epoch of the one training that is left, and hold it there."""
    job = trainings(copy)[-1]
    copy.remove(job)
    running = copy.start(*(command or by_hand(job)), **environment)
    running.reach(partial(copy.epoch, job))
    (process,) = [each for each in copy.stages() if "train" in each.cmdline()]
    with held(process):
        yield job, process
    if running.process.returncode is None:
        assert running.end() == 0, running.said
        assert "Traceback" not in running.said


def beside(first: str, second: str, copy: Copy, chance: random.Random) -> int:
    """Give a second command in the middle of a first one's training: it is refused and changes nothing, or waits."""
    command = () if first == "training" else RUNS[first]
    with in_training(copy, *command) as (job, _):
        before = copy.wrong()
        if "training" in (first, second) and second in ("dvc", "training") and first in ("dvc", "training"):
            waiting = copy.start(*(RUNS["dvc"] if second == "dvc" else by_hand(job)))
            assert wait_for(lambda: "waiting for that" in waiting.said), waiting.said
        else:
            waiting = None
            said = copy.run(*(by_hand(job) if second == "training" else RUNS[second]), fails=True)
            assert IN_USE.search(said), said
        assert copy.wrong() == before, "who came second has changed something"
    if waiting:
        assert waiting.end() == 0, waiting.said
    copy.through(*RUNS["snakemake" if first == "training" else first])
    return 1


def outlived(engine: str, other: str, copy: Copy, chance: random.Random) -> int:
    """Kill an engine alone: the next one waits for its training, and uses the result where no engine deletes it."""
    job = trainings(copy)[-1]
    copy.remove(job)
    running = copy.start(*RUNS[engine])
    assert wait_for(lambda: copy.epoch(job))
    (process,) = [each for each in copy.stages() if "train" in each.cmdline()]
    with held(process):
        running.process.kill()
        running.end()
        if "snakemake" in (engine, other):
            copy.run("snakemake", "--unlock")
        again = copy.start(*RUNS[other])
        assert wait_for(lambda: "waiting for that" in again.said or again.process.poll() is not None)
        assert "waiting for that" in again.said or IN_USE.search(again.said), again.said
    again.end()
    name = f"{job.model} seed {job.seed} epoch"
    assert name not in again.said, "what another process was training was trained again"
    copy.through(*RUNS[other])
    return 1


def at_once(copy: Copy, chance: random.Random) -> int:
    """Start the three engines within a second: one at least gets through, and all do afterwards."""
    copy.remove(*chance.sample(copy.base.jobs, 3))
    started = []
    for name in chance.sample(list(RUNS), 3):
        started.append(copy.start(*RUNS[name]))
        time.sleep(chance.uniform(0.0, 0.5))
    statuses = [running.end() for running in started]
    refused = [running for running, status in zip(started, statuses, strict=True) if status]
    for running in refused:
        assert re.search(f"{IN_USE.pattern}|changed while this run was planned|is missing", running.said), running.said
    for command in RUNS.values():
        copy.through(*command)
    return 3


@contextmanager
def small_disk(folder: Path) -> Iterator[None]:
    """Put a folder with its content onto a disk of its own for the length of a `with` block."""
    aside = folder.with_name(f"{folder.name}.aside")
    shutil.copytree(folder, aside, symlinks=True) if folder.exists() else aside.mkdir(parents=True)
    folder.mkdir(exist_ok=True)
    if not _mounted("-t", "tmpfs", "-o", "size=64m", "tmpfs", str(folder)):
        raise NotRun("mounting is not permitted here")
    try:
        shutil.copytree(aside, folder, symlinks=True, dirs_exist_ok=True)
        shutil.rmtree(aside)
        yield
        shutil.copytree(folder, aside, symlinks=True)
    finally:
        subprocess.run(["umount", "--lazy", str(folder)], check=True)
    shutil.copytree(aside, folder, symlinks=True, dirs_exist_ok=True)
    shutil.rmtree(aside)


def _mounted(*arguments: str) -> bool:
    return subprocess.run(["mount", *arguments], capture_output=True, check=False).returncode == 0


@contextmanager
def no_room(folder: Path, how: str) -> Iterator[None]:
    """Fill the disk of a folder, or take no writing there, for the length of a `with` block."""
    if how == "read-only":
        assert _mounted("-o", "remount,ro", str(folder))
        yield
        assert _mounted("-o", "remount,rw", str(folder))
        return
    state = os.statvfs(folder)
    with (folder / ".ballast").open("wb") as file:
        os.posix_fallocate(file.fileno(), 0, state.f_bavail * state.f_frsize)
    yield
    (folder / ".ballast").unlink()


def disk(place: str, how: str, run: str, copy: Copy, chance: random.Random) -> int:
    """Run a job whose outputs, checkpoint or log find no room; with room again, the same command goes through."""
    writing = {"results": "evaluate", "reports": "figures", "data": "prepare"}.get(place, "train")
    job = next(job for job in copy.base.jobs if job.stage.name == writing)
    command = RUNS[run] if run in RUNS else by_hand(job)
    copy.remove(job)
    (copy.folder / job.log).unlink()  # a few lines more find room on its last page
    with small_disk(copy.folder / place):
        with no_room(copy.folder / place, how):
            said = copy.run(*command, fails=(place, how) != ("logs", "full"))
            if place == "logs":
                assert re.search("(could not|cannot) be written", said), said
            elif run == "by hand":
                assert re.search(r"error: .* (could not|cannot) be written: .*run (the same command )?again", said), (
                    said
                )
            assert run == "snakemake" or "Traceback" not in said, said
        copy.through(*command)
    copy.through(*RUNS["snakemake"])
    return 1


def store(what: str, copy: Copy, chance: random.Random) -> int:
    """Spoil the MLflow store in mid-training: one warning, no other result, and `track` shows everything."""
    file = copy.folder / "mlflow.db"
    environment = {}
    with ExitStack() as until_its_end:
        if what in ("server away", "server broken"):
            url = until_its_end.enter_context(serving({}, says(501))).url
            environment = {"MLFLOW_TRACKING_URI": url, "no_proxy": "*"}
        if what == "server away":
            until_its_end.close()
        with in_training(copy, **environment):
            if what == "locked":
                other = until_its_end.enter_context(closing(sqlite3.connect(file, timeout=60, isolation_level=None)))
                other.execute("begin exclusive")
            elif what == "deleted":
                for path in copy.folder.glob("mlflow.db*"):
                    path.unlink()
            elif what == "damaged":
                file.write_bytes(chance.randbytes(file.stat().st_size))
            elif what == "cut":
                os.truncate(file, file.stat().st_size // 2)
    said = copy.folder.with_name(f"{copy.folder.name}_1.txt").read_text()
    # Pages that MLflow still holds may hide what has become of the file until `track` reads all of it.
    assert said.count(UNSEEN) in ((0, 1) if what in ("deleted", "damaged", "cut") else (1,)), said
    assert not copy.wrong()
    copy.through("python", "-m", "vlac", "track")
    copy.through(*RUNS["snakemake"])
    return 1


def flip(path: Path, chance: random.Random) -> None:
    content = bytearray(path.read_bytes())
    content[chance.randrange(len(content))] ^= 1 << chance.randrange(8)
    path.write_bytes(content)


def damage(copy: Copy, chance: random.Random) -> int:
    """Damage one to three files; every one is rebuilt, or a stage refuses it and says how to fix it."""
    run = chance.choice(list(RUNS))
    files = [path for job in copy.base.jobs for path in copy.folder.glob(f"{job.manifest.parent}/*")]
    files += [path for job in copy.base.jobs for path in (copy.folder / out for out in job.outputs) if path.is_file()]
    files += [copy.folder / job.request for job in copy.base.jobs] + [copy.folder / "dvc.lock"]
    files += [*(copy.folder / "reports/tiny/figures").rglob("*.png")]
    struck = chance.sample(sorted(set(files)), chance.randint(1, 3))
    if chance.random() < 0.3:
        checkpoint = _checkpoint(copy, chance)
        struck = [*(path for path in struck if path.exists()), checkpoint]  # without what it has taken away for that
    for path in struck:
        times = path.stat()
        how = chance.choice(("cut", "emptied", "deleted", "flipped", "rotten"))
        if how == "deleted":
            path.unlink()
            continue
        if how in ("cut", "emptied"):
            os.truncate(path, chance.randrange(times.st_size) if how == "cut" else 0)
        else:
            flip(path, chance)
        if how == "rotten" and run != "dvc":  # DVC goes by times, as docs/faults.md says
            os.utime(path, ns=(times.st_atime_ns, times.st_mtime_ns))
    copy.through(*RUNS[run])
    if run == "dvc":
        copy.through(*RUNS["dvc"])
    return len(struck)


def _checkpoint(copy: Copy, chance: random.Random) -> Path:
    job = chance.choice(trainings(copy))
    copy.remove(job)
    running = copy.start(*by_hand(job))
    assert wait_for(lambda: copy.epoch(job))
    running.signal_group(signal.SIGKILL)
    running.end()
    return copy.folder / job.checkpoint


FIRSTS = (*RUNS, "training")
KINDS: dict[str, list[tuple[str, Case]]] = {
    "kills": [(f"kills {number}", kills) for number in range(24)],
    "races": [
        *((f"{second} beside {first}", partial(beside, first, second)) for first in FIRSTS for second in FIRSTS),
        *((f"{other} after a killed {engine}", partial(outlived, engine, other)) for engine in RUNS for other in RUNS),
        *((f"three engines at once, {number}", at_once) for number in range(3)),
    ],
    "disk": [
        (f"{how} {place}, {run}", partial(disk, place, how, run))
        for place in ("results", "reports", "data", "checkpoints", "logs")
        for how in ("full", "read-only")
        for run in ("by hand", "snakemake", "dvc")
    ]
    + [(f"{how} project", partial(disk, ".", how, "by hand")) for how in ("full", "read-only")],
    "store": [
        (what, partial(store, what)) for what in ("locked", "deleted", "damaged", "cut", "server away", "server broken")
    ],
    "damage": [(f"damage {number}", damage) for number in range(24)],
}
