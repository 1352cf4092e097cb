"""Run the pipeline in order by plain Python, one job after the other: what the engines do, without them.

Every job is the engines' own command in a process of its own. What is up to date is left alone, so the same call goes
on where the last one stopped, and a training goes on from its checkpoint.
"""

import importlib.util
import logging
import math
import shlex
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Collection
from dataclasses import dataclass, field
from enum import Enum
from pathlib import Path

from vlac.errors import VlacError
from vlac.node.folder import settled
from vlac.params.schema import Params
from vlac.stages.definitions import STAGES, Job, Stage, jobs
from vlac.stages.stale import why_stale

log = logging.getLogger(__name__)

GRACE = 60.0
"""Seconds that a job gets between SIGTERM and SIGKILL; it writes nothing then but ends its log and its view."""

TIME_IS_UP, FAILED = 3, 4
"""Exit statuses for work that is left: the same command goes on; jobs failed that nothing else here waits for."""

PROJECTS = {"sklearn": "scikit-learn", "PIL": "pillow"}
"""What pip calls a package, where that is another name than import's."""


class State(Enum):
    """What became of a job; of several things that hold it up, the last in this order counts."""

    READY = "up to date already"
    MADE = "made"
    LATE = "for the next time"
    BROKEN = "failed, or waiting for what failed"
    UNASKED = "left out by --stages, or waiting for what is"
    ELSEWHERE = "left for a machine that can run it"


@dataclass
class Outcome:
    """What became of every job, in the pipeline's order, and in a few words why one is not up to date."""

    states: dict[Job, State] = field(default_factory=dict)
    why: dict[Job, str] = field(default_factory=dict)

    @property
    def status(self) -> int:
        """0 if all that can run here is done, `TIME_IS_UP` if the same command goes on, else `FAILED`."""
        states = set(self.states.values())
        return TIME_IS_UP if State.LATE in states else FAILED if State.BROKEN in states else 0

    def __str__(self) -> str:
        counts = Counter(self.states.values())
        lines = [", ".join(f"{counts[state]} {state.value}" for state in State if counts[state]) + "."]
        named = {job: why for job, why in self.why.items() if self.states[job] is not State.UNASKED}
        for why in dict.fromkeys(named.values()):
            lines.append(f"Left, because {why}: {', '.join(str(job) for job in named if named[job] == why)}.")
        if self.status == TIME_IS_UP:
            lines.append("The same command goes on.")
        elif self.status == FAILED:
            lines.append("Mend what failed; then the same command goes on.")
        else:
            lines.append("This command has nothing left to do here." if self.why else "Everything is done.")
        return "\n".join(lines)


def chosen_stages(names: str | None) -> tuple[str, ...]:
    """Return the stages of a comma-separated list; None means all.

    Raises:
        VlacError: there is no such stage.
    """
    stages = tuple(STAGES) if names is None else tuple(name.strip() for name in names.split(","))
    if unknown := [name for name in stages if name not in STAGES]:
        raise VlacError(f"{unknown[0]!r} is no stage.", f"The stages are {', '.join(STAGES)}.")
    return stages


def work(params: Params, stages: Collection[str] = tuple(STAGES), minutes: float | None = None) -> Outcome:
    """Run every job of `stages` that is not up to date and can run here, in order, and say what became of each.

    A job that fails stops only those that read what it makes. No job starts once the time is up, and the one that runs
    then is ended: SIGTERM, and SIGKILL if it is still there after `GRACE`.

    Args:
        params: all of today's parameters.
        stages: names of stages; the others are left alone.
        minutes: None for no limit.

    Raises:
        VlacError: `minutes` is no positive number.
    """
    if minutes is not None and not 0 < minutes < math.inf:
        raise VlacError(f"{minutes:g} minutes are no time to work in.", "Give a positive number, or none for no limit.")
    deadline = None if minutes is None else time.monotonic() + 60 * minutes
    missing = {name: absent(STAGES[name]) for name in stages}
    for name, packages in missing.items():
        if packages:
            log.info("%s is left for another machine: this one lacks %s.", name, " and ".join(packages))
    outcome = Outcome()
    final = settled(params)
    unmade: dict[Path, Job] = {}
    for job in jobs(params):
        before = [outcome.states[unmade[path]] for path in job.inputs(params) if path in unmade]
        if not before and why_stale(job, params) is None:
            outcome.states[job] = State.READY
            continue
        obstacles = []
        if job.stage.name not in stages:
            obstacles.append((State.UNASKED, "--stages leaves it out"))
        elif missing[job.stage.name]:
            obstacles.append((State.ELSEWHERE, f"this machine lacks {' and '.join(missing[job.stage.name])}"))
        obstacles += [(state, "what it reads is left") for state in before]
        if deadline is not None and time.monotonic() >= deadline:
            obstacles.append((State.LATE, "the time was up"))
        state, why = max(obstacles, key=_gravity) if obstacles else _run(job, deadline)
        outcome.states[job] = state
        if state is not State.MADE:
            outcome.why[job] = why
            unmade.update((path, job) for path in job.outputs if path not in final)
    return outcome


def absent(stage: Stage) -> list[str]:
    """Return the packages that the stage needs and this Python has not, as pip calls them."""
    return [PROJECTS.get(name, name) for name in stage.packages if not _has(name)]


def _has(package: str) -> bool:
    try:
        return importlib.util.find_spec(package) is not None
    except (ImportError, ValueError):  # import machinery that somebody replaced
        return False


def _gravity(obstacle: tuple[State, str]) -> int:
    return list(State).index(obstacle[0])


def _run(job: Job, deadline: float | None) -> tuple[State, str]:
    log.info("Now: %s", job.command)
    python, *rest = shlex.split(job.command)
    assert python == "python"
    process = subprocess.Popen([sys.executable, *rest])
    try:
        status = process.wait(None if deadline is None else max(0.0, deadline - time.monotonic()))
    except subprocess.TimeoutExpired:
        process.terminate()
        status = _end(process)
        if status:  # else it was just done
            return State.LATE, "it was stopped when the time was up"
    except KeyboardInterrupt:  # Ctrl-C: the job has got it as well
        _end(process)
        raise
    except BaseException:
        process.terminate()
        _end(process)
        raise
    if status:
        return State.BROKEN, f"it failed with exit status {status}; its log is {job.log}"
    return State.MADE, ""


def _end(process: "subprocess.Popen[bytes]") -> int:
    """Wait for a process that was told to end, no longer than `GRACE`, and return its exit status."""
    try:
        return process.wait(GRACE)
    except subprocess.TimeoutExpired:
        process.kill()
        return process.wait()
