"""Engines and commands started beside each other in one checkout: the second waits or is refused, and nothing is lost.

The first is held in the middle of a training while the others try, so that no race depends on how fast the machine is.
"""

import hashlib
import re
import shutil
import subprocess
import tempfile
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager, suppress
from functools import partial
from pathlib import Path

import psutil
import yaml

from tests.copied import ROOT
from tests.faults.bench import Bench, Case
from tests.faults.checkout import CHECKPOINT, ENGINES, MODEL, TRAIN, WEIGHTS, Checkout
from tests.faults.processes import PATIENCE, gone, to_its_end, wait_for

PREPARE, WORK, HANDOVER = ("vlac", "prepare"), ("vlac", "work"), ("vlac", "handover")
SEARCH = ("snakemake", "--cores", "1", "reports/search.md")
RUNS: dict[str, tuple[str, ...]] = {**ENGINES, "work": WORK}

REFUSED = re.compile(
    r"This folder is in use by .*|'\S+' is busy, it is being blocked by:\s+\(PID \d+\): .*|Directory cannot be locked\."
)
"""What who came second says: the project's own sentence, DVC's, or Snakemake's."""

WHAT_NEXT = re.compile(r"give the same command again|If there are no processes with such PIDs|--unlock")


def cases(bench: Bench, share: float) -> Iterator[Case]:
    """Yield them."""
    found = [
        _case("the three engines started at once", 3, partial(_at_once, 1)),
        _case("the same training twice by hand", 1, _twice_by_hand),
        _beside(RUNS["snakemake"], *RUNS.values(), SEARCH, TRAIN, PREPARE, HANDOVER),
        _beside(RUNS["dvc"], *RUNS.values(), TRAIN, PREPARE, HANDOVER),
        _case("the training of a killed snakemake goes on: snakemake", 1, partial(_taken_over, "snakemake")),
        _case("the training of a killed dvc goes on: dvc", 1, partial(_taken_over, "dvc")),
        _case("the training of a killed dvc goes on: snakemake", 1, _refused_by_an_orphan),
        _case("the training of a killed work goes on: work", 1, partial(_taken_over, "work")),
        _beside(RUNS["work"], *RUNS.values(), TRAIN, PREPARE, HANDOVER),
        _case(
            "beside a training by hand: the three engines, handover",
            4,
            partial(_refused, TRAIN, (*RUNS.values(), HANDOVER)),
        ),
        _case("the three engines started at once, again", 3, partial(_at_once, 2)),
        _case("the three engines started at once, once more", 3, partial(_at_once, 3)),
    ]
    yield from found[: max(1, round(share * len(found)))]


def _case(name: str, faults: int, run: Callable[[Bench], str]) -> Case:
    return Case("races", name, faults, run)


def _beside(first: Sequence[str], *others: Sequence[str]) -> Case:
    names = ", ".join(" ".join(other) for other in others)
    return _case(f"beside {' '.join(first)}: {names}", len(others), partial(_refused, first, others))


def _refused(first: Sequence[str], others: Sequence[Sequence[str]], bench: Bench) -> str:
    """Hold `first` in its training, see all others refused without a change, and let it end."""
    checkout = _begun(bench)
    said = []
    with checkout.running(*first) as one:
        with _held_in_training(checkout):
            before = checkout.digests()
            for other in others:
                said.append(_refusal(checkout, checkout.run(*other, fails=True)))
                assert checkout.digests() == before, f"{' '.join(other)} was refused, and changed something"
        _ends_well(one)
    for command in RUNS.values():
        checkout.run(*command)
    bench.check_whole(checkout)
    if SEARCH in others:
        checkout.run(*SEARCH)
    return f"{len(said)} refused: {'; '.join(dict.fromkeys(said))}"


def _at_once(number: int, bench: Bench) -> str:
    """Start all three within a second, in any order; one at least gets through, and all do afterwards."""
    checkout = _begun(bench)
    random = bench.random(f"at once {number}")
    order = random.sample(sorted(RUNS), len(RUNS))
    outcomes = {}
    with ExitStack() as running:
        started = {}
        for name in order:
            started[name] = running.enter_context(checkout.running(*RUNS[name]))
            time.sleep(random.uniform(0.0, 0.5))
        for name, process in started.items():
            said = to_its_end(process)
            outcomes[name] = _refusal(checkout, said) if process.returncode else "done"
    assert "done" in outcomes.values(), outcomes
    for command in RUNS.values():
        checkout.run(*command)
    bench.check_whole(checkout)
    return "; ".join(f"{name}: {outcome}" for name, outcome in outcomes.items())


def _twice_by_hand(bench: Bench) -> str:
    checkout = _begun(bench)
    with checkout.running(*TRAIN) as one, _held_in_training(checkout) as training:
        said = _waits_and_takes_over(checkout, TRAIN, training)
        _ends_well(one)
    checkout.engine("snakemake")
    bench.check_whole(checkout)
    return said


def _taken_over(engine: str, bench: Bench) -> str:
    """Kill an engine alone; the same command again waits for the training that goes on, and takes what it makes."""
    checkout = _begun(bench)
    with checkout.running(*RUNS[engine]) as one, _held_in_training(checkout) as training:
        one.kill()
        one.wait(PATIENCE)
        if engine == "snakemake":
            said = checkout.engine("snakemake", fails=True)
            assert "--unlock" in said, said
            checkout.run("snakemake", "--unlock")
        said = _waits_and_takes_over(checkout, RUNS[engine], training)
    bench.check_whole(checkout)
    return said


def _refused_by_an_orphan(bench: Bench) -> str:
    checkout = _begun(bench)
    with checkout.running(*RUNS["dvc"]) as one:
        with _held_in_training(checkout) as training:
            one.kill()
            one.wait(PATIENCE)
            before = checkout.digests()
            said = _refusal(checkout, checkout.engine("snakemake", fails=True))
            assert " ".join(TRAIN) in said, said
            assert checkout.digests() == before
        wait_for(lambda: gone(training))
    checkout.engine("snakemake")
    bench.check_whole(checkout)
    return said


def _waits_and_takes_over(checkout: Checkout, command: Sequence[str], training: psutil.Process) -> str:
    """Give a command whose training is being made by another process, and see that it does not train itself."""
    with checkout.running(*command) as process:
        said = _read_until(process, "waiting for that")
        training.resume()
        rest = _ends_well(process)
    assert "has been made meanwhile and is up to date" in rest, rest
    assert "epoch" not in rest, rest
    return _shortened(checkout, said.splitlines()[-1])


def _begun(bench: Bench) -> Checkout:
    """Return a new checkout which both engines take for finished, but for one training and all that rests on it."""
    begun = bench.kept("begun")
    if not begun.exists():
        making = bench.finished()
        making.run(*HANDOVER)
        cache = making.folder / ".dvc" / "cache" / "files" / "md5"
        for job in making.jobs:
            if job.model == MODEL or job.stage.name == "table":
                for path in (making.folder / path for path in job.outputs):
                    md5 = hashlib.md5(path.read_bytes()).hexdigest()
                    (cache / md5[:2] / md5[2:]).unlink(missing_ok=True)  # else DVC would take it from there
                    path.unlink()
                (making.folder / job.log).unlink()
        (making.folder / "presets").mkdir()
        shutil.copy(making.folder / "params.yaml", making.folder / "presets" / "tiny.yaml")
        search = yaml.safe_load((ROOT / "presets" / "searches" / "tiny.yaml").read_text())
        (making.folder / "search.yaml").write_text(yaml.safe_dump(search, sort_keys=False))
        making.folder.rename(begun)
    return Checkout(begun).copy(Path(tempfile.mkdtemp(prefix="race_", dir=bench.folder)) / "checkout")


@contextmanager
def _held_in_training(checkout: Checkout) -> Iterator[psutil.Process]:
    """Let the training that was started go on no further than into its second epoch, in a `with` block."""

    def found() -> psutil.Process | None:
        return next((process for process, words in checkout.stage_processes() if words == list(TRAIN[1:])), None)

    training: psutil.Process = wait_for(found)
    wait_for((checkout.folder / CHECKPOINT).exists, pause=0.001)
    training.suspend()
    try:
        assert not (checkout.folder / WEIGHTS / "model.pt").exists(), "it had ended before"
        yield training
    finally:
        with suppress(psutil.NoSuchProcess):
            training.resume()


def _read_until(process: "subprocess.Popen[str]", words: str) -> str:
    """Return what a process says up to the line with these words."""
    assert process.stdout is not None
    said = ""
    hanging = threading.Timer(PATIENCE, process.kill)
    hanging.start()
    try:
        for line in process.stdout:
            said += line
            if words in line:
                return said
    finally:
        hanging.cancel()
    raise AssertionError(f"it ended without {words!r}: {said}")


def _ends_well(process: "subprocess.Popen[str]") -> str:
    said = to_its_end(process)
    assert process.returncode == 0, said
    return said


def _refusal(checkout: Checkout, said: str) -> str:
    """Return the sentence by which a command was refused, which must say what to do next."""
    found = REFUSED.search(said)
    assert found, f"refused without a reason: {said}"
    assert WHAT_NEXT.search(said), f"refused without what to do next: {said}"
    return _shortened(checkout, found[0])


def _shortened(checkout: Checkout, said: str) -> str:
    """Return the words without what differs from run to run."""
    without = re.sub(r" Wait until.*|(?<=process) \d+ on \S+, since [^)]*|(?<=process) \d+|(?<=PID) \d+", "", said)
    return " ".join(without.replace(f"{checkout.folder}/", "").split())
