"""What happened after damage: which jobs were run again, what was refused, and the commands of its sentence, obeyed."""

import re
import shlex
import subprocess
from pathlib import Path

from tests.faults.checkout import Checkout, digest
from tests.faults.harm import Fault
from tests.faults.sentence import error_sentence
from vlac.stages import Job


def check_planned(checkout: Checkout, faults: tuple[Fault, ...]) -> None:
    planned = checkout.run("vlac", "plan")
    unnamed = [fault.path for fault in faults if fault.path not in planned]
    assert not unnamed, f"not named by plan: {unnamed}\n{planned}"


def state(checkout: Checkout) -> dict[Path, tuple[int, str]]:
    """Return the time and digest of every declared output and every log."""
    paths = [path for job in checkout.jobs for path in (*job.outputs, job.log)]
    return {path: ((checkout.folder / path).stat().st_mtime_ns, digest(checkout.folder / path)) for path in paths}


def jobs_run(checkout: Checkout, before: dict[Path, tuple[int, str]]) -> list[Job]:
    """Return the jobs that were run since, which begin a new log."""
    return [job for job in checkout.jobs if (checkout.folder / job.log).stat().st_mtime_ns != before[job.log][0]]


def only_resting(checkout: Checkout, before: dict[Path, tuple[int, str]], faults: tuple[Fault, ...]) -> list[Job]:
    """Return the jobs that were run since, having checked that all of them rest on the damaged files."""
    touched = {Path(fault.path) for fault in faults}
    if any(path.is_relative_to("data/raw") for path in touched):
        touched.add(Path("data/source.json"))
    resting = []
    for job in checkout.jobs:  # in an order in which every job follows those that it reads from
        if not touched.isdisjoint([*job.outputs, *job.inputs(checkout.params)]):
            resting.append(job)
            touched.update(job.outputs)
    ran, after = jobs_run(checkout, before), state(checkout)
    assert all(job in resting for job in ran), f"run without need: {told([job for job in ran if job not in resting])}"
    others = [path for job in checkout.jobs if job not in resting for path in (*job.outputs, job.log)]
    assert all(after[path] == before[path] for path in others), [p for p in others if after[p] != before[p]]
    return ran


def told(ran: list[Job]) -> str:
    return f"run again: {', '.join(map(str, ran))}" if ran else "nothing was run again"


def obedient(checkout: Checkout, engine: str, *more: str) -> list[str]:
    """Run the engine, and after each refusal what its sentence says, until it goes through; return the sentences."""
    heard: list[str] = []
    while True:
        try:
            checkout.engine(engine, *more)
            return heard
        except AssertionError as failed:
            sentence = error_sentence(str(failed))
            if "Traceback (most recent call last)" in str(failed) or sentence in heard:
                raise
            heard.append(sentence)
            obey(checkout, sentence)


def obey(checkout: Checkout, sentence: str) -> None:
    """Run every command of a sentence as it is printed."""
    commands = [shlex.split(command) for command in re.findall(r"`([^`]+)`", sentence)]
    assert commands, f"no command: {sentence}"
    for words in commands:
        if words[0] == "python":
            checkout.run(*words[2:])
        else:
            assert words[0] in ("rm", "mv"), words
            subprocess.run(words, cwd=checkout.folder, check=True)
