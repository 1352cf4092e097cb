"""What became of one wrong input: a result, one sentence, or a failure; and how long and how much memory it took."""

import contextlib
import io
import logging
import re
import signal
import time
import traceback
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from types import FrameType
from typing import Any

from vlac.cli import main
from vlac.errors import VlacError

SECONDS = 10.0
"""Most seconds of computing for one input."""

WAITING = 240.0
"""Most seconds for one input by the clock, of which other processes may take a part."""

MEGABYTES = 512.0
"""Most memory that one input may take beyond what the process had before it."""

LONGEST = 1200
"""Most characters of a sentence."""


NOTES: Counter[str] = Counter()
"""What workers have noted of their inputs in this campaign."""


class Hang(BaseException):
    """An input took too long; no Exception, so that nothing in the product takes it for a damaged file."""


class Failure(Exception):
    """An input met with something else than a result or one sentence."""


@dataclass
class Outcome:
    """What became of one input: `failure` says what went wrong, else `sentence` what was said; both "" for a result."""

    sentence: str = ""
    failure: str = ""
    seconds: float = 0.0
    megabytes: float = 0.0


def judge(work: Callable[[], None]) -> Outcome:
    """Run one input; `work` returns for a result, and raises VlacError for a sentence."""
    outcome = Outcome()
    before = _memory("VmRSS")
    Path("/proc/self/clear_refs").write_text("5")  # the peak begins anew
    begun = time.process_time()
    try:
        with _limited():
            work()
    except VlacError as error:
        outcome.sentence = str(error)
        if problem := wrong_with(outcome.sentence):
            outcome.failure = f"{problem}: {outcome.sentence[:300]!r}"
    except Failure as failure:
        outcome.failure = str(failure)
    except Hang:
        outcome.failure = "it took too long"
    except Exception as error:
        frames = traceback.extract_tb(error.__traceback__)
        where = [f"{frame.filename}:{frame.lineno} {frame.name}" for frame in frames if "/vlac/" in frame.filename]
        outcome.failure = "\n    ".join([f"{type(error).__name__}: {error}"[:500], *where])
    outcome.seconds = time.process_time() - begun
    outcome.megabytes = max(0.0, _memory("VmHWM") - before)
    if outcome.megabytes > MEGABYTES:
        outcome.failure = outcome.failure or f"it took {outcome.megabytes:.0f} MB"
    return outcome


def command(*arguments: str) -> str:
    """Run a command of `python -m vlac` in this process, in the working folder, and return what it printed.

    Raises:
        VlacError: it said one sentence and ended with status 2.
        Failure: it did anything else than that and success.
    """
    out, err = io.StringIO(), io.StringIO()
    handlers = list(logging.getLogger("vlac").handlers)
    terminate = signal.getsignal(signal.SIGTERM)
    try:
        with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
            status = main(arguments)
    finally:
        logging.getLogger("vlac").handlers[:] = handlers
        signal.signal(signal.SIGTERM, terminate)
    if status == 0:
        return out.getvalue()
    said = err.getvalue()
    lines = said.splitlines()
    if status != 2 or not lines or "Traceback" in said:
        raise Failure(f"status {status}: {said[-2000:]}")
    if [line for line in lines if line.startswith("error: ")] != lines[-1:]:
        raise Failure(f"not one sentence at the end: {said[-2000:]!r}")
    raise VlacError(lines[-1].removeprefix("error: "))


def note(what: str) -> None:
    """Have the tally count that this holds of an input."""
    NOTES[what] += 1


def wrong_with(sentence: str) -> str:
    """Return what makes a sentence unfit to be read, or ""."""
    if len(sentence) > LONGEST:
        return f"{len(sentence)} characters"
    if not sentence.isprintable():
        return "not printable"
    return "" if re.search(r"[.`)'\"]$", sentence) else "no sentence"


@dataclass
class Tally:
    """Counts over many inputs of a kind."""

    kind: str
    results: int = 0
    sentences: Counter[str] = field(default_factory=Counter)
    failures: list[tuple[str, Any]] = field(default_factory=list)
    notes: Counter[str] = field(default_factory=Counter)
    slowest: float = 0.0
    largest: float = 0.0

    def add(self, outcome: Outcome, given: Any) -> None:
        """Count an outcome; `given` is the input, for whoever mends a failure."""
        self.slowest = max(self.slowest, outcome.seconds)
        self.largest = max(self.largest, outcome.megabytes)
        if outcome.failure:
            self.failures.append((outcome.failure, given))
        elif outcome.sentence:
            self.sentences[_class_of(outcome.sentence)] += 1
        else:
            self.results += 1

    @property
    def inputs(self) -> int:
        """How many inputs there were."""
        return self.results + self.sentences.total() + len(self.failures)

    def __str__(self) -> str:
        lines = [
            f"{self.kind}: {self.inputs} inputs, {self.results} gave a result, {self.sentences.total()} one sentence "
            f"({len(self.sentences)} kinds), {len(self.failures)} failed; slowest {self.slowest:.2f} s of computing, "
            f"largest {self.largest:.0f} MB"
        ]
        lines += [f"  {count:6}  {sentence}" for sentence, count in self.sentences.most_common(12)]
        lines += [f"  {count:6}  {what}" for what, count in sorted(self.notes.items())]
        return "\n".join(lines)


def _class_of(sentence: str) -> str:
    """Return a sentence without what differs between its kind's members: names, places and values."""
    sentence = re.sub(r"\S*/\S*", "PATH", sentence)
    sentence = re.sub(r"line \d+: \S+", "line N: KEY", sentence)
    sentence = re.sub(r"is (\[.*\]|\{.*\}|'.*'|\".*\"|\S+), but", "is V, but", sentence)
    sentence = re.sub(r"'[^']*'|\"[^\"]*\"|\d[\d,.]*", "V", sentence)
    return sentence[:80]


@contextlib.contextmanager
def _limited() -> Iterator[None]:
    """Raise Hang in what takes too long: by computing, or by the clock."""

    def stop(signum: int, frame: FrameType | None) -> None:
        raise Hang

    before = [signal.signal(number, stop) for number in (signal.SIGPROF, signal.SIGALRM)]
    signal.setitimer(signal.ITIMER_PROF, SECONDS)
    signal.setitimer(signal.ITIMER_REAL, WAITING)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_PROF, 0)
        signal.setitimer(signal.ITIMER_REAL, 0)
        for number, handler in zip((signal.SIGPROF, signal.SIGALRM), before, strict=True):
            signal.signal(number, handler)


def _memory(name: str) -> float:
    """Return a figure of this process in megabytes."""
    status = Path("/proc/self/status").read_text()
    return int(re.search(rf"{name}:\s+(\d+) kB", status)[1]) / 1024  # type: ignore[index]
