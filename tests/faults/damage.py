"""The cases of kind damage: files truncated, emptied, deleted, or with a bit flipped, in a project that was whole.

What the engine does about it by itself is left to it; else it has to refuse with a sentence, and the commands of that
sentence are run as they are printed, and then the same command again.
"""

import base64
import math
import os
import re
import shlex
import signal
import subprocess
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from random import Random

from tests.faults.bench import Bench, Case
from tests.faults.checkout import Checkout, changed, digest, wait_for
from vlac.stages import Job

LADDER, PLUS = "vlac_2layer/0-1", "vlac_2layer_plus/0-1"


@dataclass(frozen=True)
class Fault:
    """One file, relative to the checkout, and what is done to it."""

    how: str
    path: str

    def strike(self, checkout: Checkout, random: Random) -> None:
        """Do it."""
        path = checkout.folder / self.path
        if self.how == "deleted":
            return path.unlink()
        content = bytearray(path.read_bytes())
        if self.how == "a bit flipped":
            content[random.randrange(len(content) // 4, len(content) * 3 // 4)] ^= 1 << random.randrange(8)
        else:
            del content[len(content) * 2 // 3 if self.how == "truncated" else 0 :]
        path.write_bytes(content)

    def __str__(self) -> str:
        return f"{self.path} {self.how}"


FINISHED = (
    (
        Fault("truncated", "reports/table1.md"),
        Fault("a bit flipped", f"reports/figures/{LADDER}/curves.png"),
        Fault("deleted", f"reports/figures/{PLUS}/nearest.png"),
    ),
    (Fault("truncated", f"results/train/{LADDER}/model.pt"), Fault("emptied", f"results/evaluate/{PLUS}/factors.csv")),
    (
        Fault("a bit flipped", f"results/train/{PLUS}/model.pt"),
        Fault("deleted", f"results/evaluate/{LADDER}/scores.csv"),
        Fault("truncated", f"results/figures/{LADDER}/manifest.json"),
    ),
    (
        Fault("a bit flipped", f"results/train/{LADDER}/history.csv"),
        Fault("emptied", f"results/evaluate/{PLUS}/manifest.json"),
        Fault("deleted", "reports/table1.csv"),
    ),
    (
        Fault("deleted", f"results/train/{PLUS}/manifest.json"),
        Fault("a bit flipped", f"results/evaluate/{LADDER}/scores.csv"),
    ),
    (
        Fault("a bit flipped", "results/rung/rung.json"),
        Fault("truncated", "reports/probe.md"),
        Fault("emptied", "results/probe/0/scores.csv"),
        Fault("a bit flipped", f"results/train/{LADDER}/manifest.json"),
    ),
    (Fault("deleted", "results/train/vlae/0/model.pt"), Fault("emptied", "results/train/vlae/0/manifest.json")),
    (
        Fault("truncated", "data/source.json"),
        Fault("emptied", "data/download/manifest.json"),
        Fault("a bit flipped", "data/train.npz"),
        Fault("truncated", "data/test.npz"),
        Fault("deleted", "reports/data.png"),
    ),
)
"""Declared files of a finished project that are damaged together."""

FIGURE = Fault("deleted", f"reports/figures/{LADDER}/nearest.png")
"""Gives the engine something to run."""


def cases(bench: Bench, share: float) -> Iterator[Case]:
    """Yield the cases, the cheapest of each sort first."""
    every = [
        _declared("snakemake", FINISHED[0]),
        _unreadable_store("truncated"),
        _copies(),
        _parameters("snakemake"),
        _parameters("dvc"),
        _without_engine(),
        _rotten(),
        _raw(),
        *(_lock(how) for how in ("truncated", "a bit flipped", "emptied", "deleted")),
        _metadata(),
        _unreadable_store("a bit flipped"),
        _new_store("emptied"),
        _new_store("deleted"),
        *(_declared("dvc", faults) for faults in FINISHED),
        *(_declared("snakemake", faults) for faults in FINISHED[1:]),
        *(_checkpoint(how) for how in ("truncated", "a bit flipped", "emptied")),
        *(_pretext(how) for how in ("truncated", "a bit flipped", "emptied", "deleted")),
    ]
    yield from every[: math.ceil(share * len(every))]


def _case(name: str, faults: tuple[Fault, ...], run: Callable[[Bench, Random], str]) -> Case:
    words = f"{name}: {', '.join(map(str, faults))}"
    return Case("damage", words, len(faults), lambda bench: run(bench, bench.random(words)))


def _declared(engine: str, faults: tuple[Fault, ...]) -> Case:
    """Damage declared files; the same command finds and mends them, and runs nothing that does not rest on them."""

    def run(bench: Bench, random: Random) -> str:
        checkout = bench.finished(engine)
        before = _state(checkout)
        _strike(checkout, faults, random)
        _planned(checkout, faults)
        said = checkout.engine(engine)
        by = "`plan` and Snakemake" if engine == "snakemake" else "`plan`"
        if engine == "snakemake":  # DVC names stages, not files
            unnamed = [fault.path for fault in faults if fault.path not in said]
            assert not unnamed, f"not named: {unnamed}\n{said}"
        ran = _only(checkout, before, faults)
        bench.check_whole(checkout)
        assert "\n0 of" in checkout.run("vlac", "plan")
        return f"{by} named all; {_told(ran)}; the rest untouched"

    return _case(engine, faults, run)


def _without_engine() -> Case:
    """Let `work` mend what a bit that rotted in silence and a lost file have left; it runs what has to be run alone."""
    faults = (Fault("a bit flipped", "data/train.npz"), FIGURE)

    def run(bench: Bench, random: Random) -> str:
        checkout = bench.finished()
        before = _state(checkout)
        with _times_kept(checkout, faults[0]):
            _strike(checkout, faults, random)
        _planned(checkout, faults)
        checkout.run("vlac", "work")
        ran = _only(checkout, before, faults)
        assert {job.stage.name for job in ran} == {"prepare", "figures"}, _told(ran)
        checkout.run("vlac", "handover")
        assert "Nothing to be done" in checkout.engine("snakemake")
        assert "up to date" in checkout.engine("dvc")
        bench.check_whole(checkout)
        return (
            f"`python -m vlac plan` named both, `work`: {_told(ran)}; after `handover` both engines had nothing to do"
        )

    return _case("python -m vlac work, the first without a new time", faults, run)


def _rotten() -> Case:
    """Flip a bit and keep the file's time, so that no engine looks; whoever reads the file refuses it."""
    fault = Fault("a bit flipped", f"results/train/{LADDER}/model.pt")

    def run(bench: Bench, random: Random) -> str:
        checkout = bench.finished()
        with _times_kept(checkout, fault):
            _strike(checkout, (fault,), random)
        _planned(checkout, (fault,))
        target = f"results/evaluate/{LADDER}/scores.csv"
        heard = _obedient(checkout, "snakemake", "--force", target)
        assert fault.path in heard[0], heard
        checkout.engine("snakemake")
        bench.check_whole(checkout)
        return heard[0]

    return _case(f"snakemake --force results/evaluate/{LADDER}/scores.csv, the file's time kept", (fault,), run)


def _raw() -> Case:
    """Damage the digit files themselves, which are no declared outputs, and have them read again."""
    raw = "data/raw/digits"
    faults = (
        Fault("a bit flipped", f"{raw}/train_32x32.mat"),
        Fault("truncated", f"{raw}/test_32x32_factors.npz"),
        Fault("deleted", f"{raw}/train_32x32_factors.npz"),
        Fault("deleted", "data/test.npz"),
    )

    def run(bench: Bench, random: Random) -> str:
        checkout = bench.finished()
        before = _state(checkout)
        _strike(checkout, faults, random)
        heard = _obedient(checkout, "snakemake", faults[-1].path)
        assert faults[0].path in heard[0], heard
        ran = _only(checkout, before, faults)
        assert {job.stage.name for job in ran} == {"download", "prepare"}, _told(ran)
        checkout.run("vlac", "handover")
        assert "Nothing to be done" in checkout.engine("snakemake")
        bench.check_whole(checkout)
        return f"{heard[0]} Then {_told(ran)}; after `handover` nothing was left to do"

    return _case("snakemake data/test.npz", faults, run)


def _parameters(engine: str) -> Case:
    """Truncate params.yaml, and put it back; in between nothing is made or lost."""
    fault = Fault("truncated", "params.yaml")

    def run(bench: Bench, random: Random) -> str:
        checkout = bench.finished(engine)
        before = _state(checkout)
        path = checkout.folder / fault.path
        with changed(path, path.read_bytes()):
            _strike(checkout, (fault,), random)
            checkout.engine(engine, fails=True)
            sentence = _sentence(checkout.run("vlac", "plan", fails=True))
            assert sentence.startswith("params.yaml"), sentence
        checkout.engine(engine)
        assert not _ran(checkout, before)
        bench.check_whole(checkout)
        return f"refused, `python -m vlac plan`: {sentence} Put back: nothing was run"

    return _case(engine, (fault,), run)


def _metadata() -> Case:
    """Damage what Snakemake remembers of four files."""
    folder = ".snakemake/metadata"
    files = (
        "data/train.npz",
        f"results/train/{PLUS}/model.pt",
        f"results/train/{LADDER}/model.pt",
        "reports/table1.md",
    )
    hows = ("truncated", "a bit flipped", "emptied", "deleted")
    shown = tuple(Fault(how, f"{folder} of {file}") for how, file in zip(hows, files, strict=True))

    def run(bench: Bench, random: Random) -> str:
        checkout = bench.finished()
        records = {_remembered(record): record for record in (checkout.folder / folder).rglob("*") if record.is_file()}
        before = _state(checkout)
        for how, file in zip(hows, files, strict=True):
            Fault(how, str(records[file].relative_to(checkout.folder))).strike(checkout, random)
        checkout.engine("snakemake")
        ran = _ran(checkout, before)
        bench.check_whole(checkout)
        checkout.run("vlac", "handover")
        assert "Nothing to be done" in checkout.engine("snakemake")
        return f"{_told(ran)}; results the same"

    return _case("snakemake", shown, run)


def _lock(how: str) -> Case:
    """Damage dvc.lock, in which DVC keeps what it knows of the results."""
    fault = Fault(how, "dvc.lock")

    def run(bench: Bench, random: Random) -> str:
        checkout = bench.finished("dvc")
        before = _state(checkout)
        _strike(checkout, (fault,), random)
        said = checkout.engine("dvc", fails=None)
        words = "dvc went on by itself"
        if "up to date" not in said and "Use `dvc push`" not in said:
            assert "dvc.lock" in said, said
            sentence = _sentence(checkout.run("vlac", "handover", fails=True))
            _obey(checkout, sentence)
            checkout.engine("dvc")
            words = f"dvc refused; `python -m vlac handover`: {sentence}"
        ran = _ran(checkout, before)
        bench.check_whole(checkout)
        return f"{words}; {_told(ran)}"

    return _case("dvc", (fault,), run)


def _unreadable_store(how: str) -> Case:
    """Damage mlflow.db so that nobody can read it: stages warn and go on, and `track` makes the view again."""
    fault = Fault(how, "mlflow.db")

    def run(bench: Bench, random: Random) -> str:
        checkout = bench.finished()
        _strike(checkout, (fault, FIGURE), random)
        if how == "a bit flipped":  # anywhere else SQLite may not notice
            content = bytearray((checkout.folder / fault.path).read_bytes())
            content[random.randrange(15)] ^= 1
            (checkout.folder / fault.path).write_bytes(content)
        said = checkout.engine("snakemake")
        warned = [line.strip() for line in said.splitlines() if line.startswith("MLflow does not show this run")]
        assert warned, said
        assert "`python -m vlac track`" in warned[0], warned
        sentence = _sentence(checkout.run("vlac", "track", fails=True))
        _obey(checkout, sentence)
        bench.check_whole(checkout)
        return f"{warned[0]} Then: {sentence}"

    return _case("snakemake, its header too" if how == "a bit flipped" else "snakemake", (fault, FIGURE), run)


def _new_store(how: str) -> Case:
    """Lose all of mlflow.db: stages begin a new one, and `track` fills it."""
    fault = Fault(how, "mlflow.db")

    def run(bench: Bench, random: Random) -> str:
        checkout = bench.finished()
        _strike(checkout, (fault, FIGURE), random)
        checkout.engine("snakemake")
        said = checkout.run("vlac", "track")
        bench.check_whole(checkout)
        return f"a new one was begun; `python -m vlac track`: {said.strip().splitlines()[-1]}"

    return _case("snakemake", (fault, FIGURE), run)


def _copies() -> Case:
    """Damage the copies of results that MLflow keeps; `track` puts them right."""
    shown = (Fault("truncated", "a table1.md in mlartifacts"), Fault("deleted", "a curves.png in mlartifacts"))

    def run(bench: Bench, random: Random) -> str:
        checkout = bench.finished()
        store = checkout.folder / "mlartifacts"
        before = {path: digest(path) for path in store.rglob("*")}
        for fault in shown:
            path = min(store.rglob(fault.path.split()[1]))
            Fault(fault.how, str(path.relative_to(checkout.folder))).strike(checkout, random)
        said = checkout.run("vlac", "track")
        assert {path: digest(path) for path in store.rglob("*")} == before, said
        bench.check_whole(checkout)
        return said.strip().splitlines()[-1]

    return _case("python -m vlac track", shown, run)


def _checkpoint(how: str) -> Case:
    """Interrupt a training, and damage its checkpoint."""
    fault = Fault(how, "checkpoints/vlac_2layer/0.pt")

    def run(bench: Bench, random: Random) -> str:
        checkout = bench.finished()
        (checkout.folder / "results" / "train" / LADDER / "model.pt").unlink()
        running = checkout.start("snakemake", "--cores", "2")
        wait_for((checkout.folder / fault.path).exists)
        for process, _ in checkout.stage_processes():
            process.send_signal(signal.SIGTERM)
        said, _ = running.communicate()
        assert running.returncode != 0, said
        _strike(checkout, (fault,), random)
        heard = _obedient(checkout, "snakemake")
        assert not heard or fault.path in heard[0], heard
        bench.check_whole(checkout)
        return heard[0] if heard else "no byte that matters was hit"

    return _case("snakemake, a training interrupted before", (fault,), run)


def _pretext(how: str) -> Case:
    """Damage a finished pretext network, and have the model trained again that rests on it."""
    model = Fault("deleted", f"results/train/{PLUS}/model.pt")

    def run(bench: Bench, random: Random) -> str:
        checkout = bench.finished()
        path = str(min((checkout.folder / "checkpoints" / "pretext").iterdir()).relative_to(checkout.folder))
        _strike(checkout, (Fault(how, path), model), random)
        heard = _obedient(checkout, "snakemake")
        assert not heard or path in heard[0], heard
        bench.check_whole(checkout)
        return (
            heard[0] if heard else "the pretext was learnt anew" if how == "deleted" else "no byte that matters was hit"
        )

    return _case("snakemake", (Fault(how, "a file in checkpoints/pretext"), model), run)


def _strike(checkout: Checkout, faults: tuple[Fault, ...], random: Random) -> None:
    for fault in faults:
        fault.strike(checkout, random)


def _planned(checkout: Checkout, faults: tuple[Fault, ...]) -> None:
    planned = checkout.run("vlac", "plan")
    unnamed = [fault.path for fault in faults if fault.path not in planned]
    assert not unnamed, f"not named by plan: {unnamed}\n{planned}"


class _times_kept:
    """Give a file its former time at the end of a `with` block."""

    def __init__(self, checkout: Checkout, fault: Fault) -> None:
        self.path = checkout.folder / fault.path

    def __enter__(self) -> None:
        self.time = self.path.stat().st_mtime_ns

    def __exit__(self, *_: object) -> None:
        os.utime(self.path, ns=(self.time, self.time))


def _state(checkout: Checkout) -> dict[Path, tuple[int, str]]:
    """Return the time and digest of every declared output and every log."""
    paths = [path for job in checkout.jobs for path in (*job.outputs, job.log)]
    return {path: ((checkout.folder / path).stat().st_mtime_ns, digest(checkout.folder / path)) for path in paths}


def _ran(checkout: Checkout, before: dict[Path, tuple[int, str]]) -> list[Job]:
    """Return the jobs that were run since, which begin a new log."""
    return [job for job in checkout.jobs if (checkout.folder / job.log).stat().st_mtime_ns != before[job.log][0]]


def _only(checkout: Checkout, before: dict[Path, tuple[int, str]], faults: tuple[Fault, ...]) -> list[Job]:
    """Return the jobs that were run since, having checked that all of them rest on the damaged files."""
    touched = {Path(fault.path) for fault in faults}
    if any(path.is_relative_to("data/raw") for path in touched):
        touched.add(Path("data/source.json"))
    resting = []
    for job in checkout.jobs:  # in an order in which every job follows those that it reads from
        if not touched.isdisjoint([*job.outputs, *job.inputs(checkout.params)]):
            resting.append(job)
            touched.update(job.outputs)
    ran, after = _ran(checkout, before), _state(checkout)
    assert all(job in resting for job in ran), f"run without need: {_told([job for job in ran if job not in resting])}"
    others = [path for job in checkout.jobs if job not in resting for path in (*job.outputs, job.log)]
    assert all(after[path] == before[path] for path in others), [p for p in others if after[p] != before[p]]
    return ran


def _told(ran: list[Job]) -> str:
    return f"run again: {', '.join(map(str, ran))}" if ran else "nothing was run again"


def _remembered(record: Path) -> str:
    """Return the file that a record of Snakemake's is about: its name in base 64."""
    return base64.b64decode("".join(record.parts[record.parts.index("metadata") + 1 :]).replace("@", "")).decode()


def _obedient(checkout: Checkout, engine: str, *more: str) -> list[str]:
    """Run the engine, and after each refusal what its sentence says, until it goes through; return the sentences."""
    heard: list[str] = []
    while True:
        try:
            checkout.engine(engine, *more)
            return heard
        except AssertionError as failed:
            sentence = _sentence(str(failed))
            if "Traceback (most recent call last)" in str(failed) or sentence in heard:
                raise
            heard.append(sentence)
            _obey(checkout, sentence)


def _sentence(said: str) -> str:
    found = re.findall(r"^\s*error: (.+)$", said, re.MULTILINE)
    assert found, f"no sentence: {said}"
    return str(found[-1])


def _obey(checkout: Checkout, sentence: str) -> None:
    """Run every command of a sentence as it is printed."""
    commands = [shlex.split(command) for command in re.findall(r"`([^`]+)`", sentence)]
    assert commands, f"no command: {sentence}"
    for words in commands:
        if words[0] == "python":
            checkout.run(*words[2:])
        else:
            assert words[0] in ("rm", "mv"), words
            subprocess.run(words, cwd=checkout.folder, check=True)
