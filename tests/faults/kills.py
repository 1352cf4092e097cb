"""Kills: of the process of any stage, of the engine alone, of all at once; and the same command again.

A case is one folder in which the pipeline is killed again and again until it has gone through. Between a kill and the
next start only that is done which an error sentence asks for.
"""

import random
import signal
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field

from tests.faults.bench import Bench, Case
from tests.faults.checkout import ENGINES, MODEL, Checkout
from tests.faults.kept import begun, check_nothing_lost, finished_trainings, kept_epochs, resumed, without_shown_logs
from tests.faults.processes import PATIENCE, gone, kill_group, wait_for
from tests.faults.strike import COMPUTING, MOMENTS, STARTING, TRAININGS, Hit, Kill, running_jobs, seed_names, strike
from vlac.stages import STAGES

SIGNALS = (signal.SIGKILL, signal.SIGTERM, signal.SIGINT)
TARGETS = {"snakemake": ("all",), "dvc": ()}
UP_TO_DATE = {"snakemake": "Nothing to be done", "dvc": "up to date"}

WHOLE = ("", *STAGES, "train_vlae", "train", "train", "train")
"""Where the kills of a whole pipeline hit: before its first stage, in every stage, and more often in trainings."""

PART = ("train", "train", "evaluate", "figures", "table")


def cases(bench: Bench, share: float) -> Iterator[Case]:
    """Yield a short case, in which one model is made, and five of the whole pipeline, or as many as are asked for."""
    rounds = [(engine, number) for number in (1, 2, 3) for engine in ENGINES][:5]
    every = [
        Case("kills", f"one model is made by snakemake ({len(PART)} planned)", len(PART), _part),
        *(
            Case(
                "kills", f"all is made by {engine}, {number} ({len(WHOLE)} planned)", len(WHOLE), _whole(engine, number)
            )
            for engine, number in rounds
        ),
    ]
    yield from every[: max(1, round(share * len(every)))]


def _part(bench: Bench) -> tuple[int, str]:
    checkout = bench.finished()
    for job in checkout.jobs:
        if job.stage.name in PART and job.model in ("", MODEL):
            for path in job.outputs:
                (checkout.folder / path).unlink()
    return _besieged(bench, checkout, "snakemake", PART, bench.random("kills of one model"))


def _whole(engine: str, number: int) -> Callable[[Bench], tuple[int, str]]:
    return lambda bench: _besieged(bench, bench.fresh(), engine, WHOLE, bench.random(f"kills {engine} {number}"))


def _besieged(
    bench: Bench, checkout: Checkout, engine: str, stages: tuple[str, ...], chance: random.Random
) -> tuple[int, str]:
    siege, plan = Siege(checkout, engine, chance), _plan(stages, engine, chance)
    try:
        siege.run(list(plan))
        wait_for(lambda: not running_jobs(checkout))
        assert UP_TO_DATE[engine] in checkout.engine(engine, *TARGETS[engine])
    finally:
        siege.stop_all()
    bench.check_whole(checkout)
    assert 2 * len(siege.hits) >= len(plan), f"only {len(siege.hits)} of {len(plan)} kills hit"
    unseen = {kill.how.name for kill in plan} - {hit.kill.how.name for hit in siege.hits}
    assert not unseen, f"none of the kills by {unseen} hit"
    return len(siege.hits), siege.told()


def _plan(stages: tuple[str, ...], engine: str, chance: random.Random) -> list[Kill]:
    """Return a kill for each of `stages`, in the pipeline's order, with victims and signals dealt at random."""
    count = len(stages)
    victims = ["engine"] * round(0.2 * count) + ["group"] * round(0.2 * count)
    victims += ["process"] * (count - len(victims))
    signals = [SIGNALS[index % 3] for index in range(count)]
    planned = [moment for moment in MOMENTS if moment != STARTING]
    moments = [planned[index % len(planned)] for index in range(count)]
    for cards in (victims, signals, moments):
        chance.shuffle(cards)
    plan = []
    for stage in sorted(stages, key=["", *STAGES].index):
        victim, how = victims.pop(), signals.pop()
        if not stage and victim == "process":
            victim = "engine"
        if (engine, victim, how) == ("dvc", "engine", signal.SIGINT):
            how = signal.SIGTERM  # DVC is deaf to Ctrl-C while a stage runs: the stage shall end by it
        moment = moments.pop()
        if stage not in TRAININGS and moment != "between its outputs":
            moment = COMPUTING
        plan.append(Kill(stage, victim, how, moment))
    return plan


@dataclass
class Siege:
    """A pipeline that is killed and started again.

    Attributes:
        hits: the kills that ended the engine's run.
        counts: what else happened, by its name for people.
    """

    checkout: Checkout
    engine: str
    random: random.Random
    hits: list[Hit] = field(default_factory=list)
    counts: Counter[str] = field(default_factory=Counter)
    _pretexts: list[str] = field(default_factory=list)
    _left_running: set[str] = field(default_factory=set)
    _starts: int = 0

    def run(self, plan: list[Kill]) -> None:
        """Carry out the plan, then give the command until the pipeline has gone through."""
        while not self._start(plan):
            assert self._starts < 100, "the pipeline does not come to its end"

    def _start(self, plan: list[Kill]) -> bool:
        """Give the command once, with one kill at most; return whether the pipeline has gone through."""
        self._starts += 1
        orphans = running_jobs(self.checkout)
        kept, finished = kept_epochs(self.checkout, self._pretexts), finished_trainings(self.checkout)
        said = self.checkout.folder.with_name(f"{self.checkout.folder.name}_said_{self._starts}.txt")
        with said.open("w") as file:
            self._process = self.checkout.start(*ENGINES[self.engine], *TARGETS[self.engine], stdout=file)
        hit = None
        while plan and not hit and self._process.poll() is None:
            hit = strike(plan[0], self._process, self.checkout, said, self.random)
            if hit:
                plan.pop(0)
            elif self._process.poll() is None:  # else the engine has ended by itself, and the kill is still to come
                plan[:1] = self._put_back(plan[0])
        self._process.wait(PATIENCE)
        text = without_shown_logs(said.read_text())
        if hit:
            wait_for(lambda: all(gone(each) for each in hit.processes))
            self._look_at_views(hit, text)
        if orphans:
            self.counts["starts beside a job that had outlived its engine"] += 1
        else:  # else the orphan may go on from a checkpoint, or end and delete it
            check_nothing_lost(kept, text)
        self.counts["trainings resumed from a checkpoint"] += len(resumed(text))
        # Complete, but the engine was killed before it knew, and so deletes the results and begins anew.
        self.counts["trainings made again that had outlived their engine"] += len(finished & begun(text))
        if self._process.returncode == 0:
            return True
        if hit:
            self.hits.append(hit)
            if not running_jobs(self.checkout):
                self.counts["kills that left half a file"] += any(self.checkout.folder.rglob(".*.tmp"))
        else:
            self._do_as_told(text)
        return False

    def _put_back(self, missed: Kill) -> list[Kill]:
        """Return a kill that takes the place of one that came too late, or none after two such kills."""
        left = [job for job in self.checkout.jobs if not (self.checkout.folder / job.manifest).exists()]
        if not left or missed.missed == 2:
            return []
        self.counts["kills put back that had come too late"] += 1
        return [missed.again(left[0].stage.name)]

    def _do_as_told(self, text: str) -> None:
        if "--unlock" in text:
            self.checkout.run("snakemake", "--unlock")
            self.counts["unlocked, as Snakemake asks"] += 1
        elif "is in use by" in text:
            wait_for(lambda: not running_jobs(self.checkout))
            self.counts["waited, as the sentence asks"] += 1
        else:
            raise AssertionError(f"it failed without having been killed:\n{text}")

    def _look_at_views(self, hit: Hit, text: str) -> None:
        """Check that a training which could close its run in MLflow has done so."""
        for job in hit.jobs:
            if job.stage.name not in TRAININGS:
                continue
            names = set(seed_names(job))
            if hit.kill.how == signal.SIGKILL:
                self._left_running |= names
                continue
            if any(f"{name} epoch" in text for name in names):  # what was left by a former kill was seen, then
                self._left_running -= names
            runs = self.checkout.runs()
            running = [name for name in names - self._left_running if runs.get(name) == "RUNNING"]
            assert not running, f"still RUNNING in MLflow after {hit.kill.how.name} {hit.kill.moment}: {running}"

    def told(self) -> str:
        """Return what happened, in a few words."""
        signals = Counter(hit.kill.how.name for hit in self.hits)
        stages = Counter(hit.kill.stage or "start" for hit in self.hits)
        victims = Counter(hit.kill.victim for hit in self.hits)
        parts = [*(_listed(counter) for counter in (signals, victims, stages)), _listed(self.counts)]
        return f"{len(self.hits)} kills: {'; '.join(filter(None, parts))}"

    def stop_all(self) -> None:
        """End what still runs."""
        kill_group(self._process)
        for _, process in running_jobs(self.checkout):
            process.kill()


def _listed(counts: Counter[str]) -> str:
    return ", ".join(f"{times} {what}" for what, times in counts.items() if times)
