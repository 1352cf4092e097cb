"""Cases of damage to declared files of a finished project, and to the raw files that they are made of."""

from pathlib import Path
from random import Random

from tests.faults.bench import Bench, Case
from tests.faults.harm import FIGURE, LADDER, PLUS, Fault, TimesKept, damage_case, strike
from tests.faults.mending import check_planned, jobs_run, obedient, only_resting, state, told

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


def declared(engine: str, faults: tuple[Fault, ...]) -> Case:
    """Damage declared files; the same command finds and mends them, and runs nothing that does not rest on them."""

    def run(bench: Bench, random: Random) -> str:
        checkout = bench.finished(engine)
        before = state(checkout)
        strike(checkout, faults, random)
        check_planned(checkout, faults)
        said = checkout.engine(engine)
        by = "`plan` and Snakemake" if engine == "snakemake" else "`plan`"
        if engine == "snakemake":  # DVC names stages, not files
            unnamed = [fault.path for fault in faults if fault.path not in said]
            assert not unnamed, f"not named: {unnamed}\n{said}"
        ran = only_resting(checkout, before, faults)
        bench.check_whole(checkout)
        assert "\n0 of" in checkout.run("vlac", "plan")
        return f"{by} named all; {told(ran)}; the rest untouched"

    return damage_case(engine, faults, run)


def without_engine() -> Case:
    """Let `work` mend what a bit that rotted in silence and a lost file have left; it runs what has to be run alone."""
    faults = (Fault("a bit flipped", "data/train.npz"), FIGURE)

    def run(bench: Bench, random: Random) -> str:
        checkout = bench.finished()
        before = state(checkout)
        with TimesKept(checkout, faults[0]):
            strike(checkout, faults, random)
        check_planned(checkout, faults)
        checkout.run("vlac", "work")
        ran = only_resting(checkout, before, faults)
        assert {job.stage.name for job in ran} == {"prepare", "figures"}, told(ran)
        checkout.run("vlac", "handover")
        assert "Nothing to be done" in checkout.engine("snakemake")
        assert "up to date" in checkout.engine("dvc")
        bench.check_whole(checkout)
        return f"`python -m vlac plan` named both, `work`: {told(ran)}; after `handover` both engines had nothing to do"

    return damage_case("python -m vlac work, the first without a new time", faults, run)


def rotten() -> Case:
    """Flip a bit and keep the file's time: Snakemake looks if that is the manifest's, else who reads it refuses."""
    fault = Fault("a bit flipped", f"results/train/{LADDER}/model.pt")

    def run(bench: Bench, random: Random) -> str:
        checkout = bench.finished()
        before = state(checkout)
        with TimesKept(checkout, fault):
            strike(checkout, (fault,), random)
        check_planned(checkout, (fault,))
        target = f"results/evaluate/{LADDER}/scores.csv"
        heard = obedient(checkout, "snakemake", "--force", target)
        found = [job for job in jobs_run(checkout, before) if Path(fault.path) in job.outputs]
        assert found or fault.path in heard[0], heard
        checkout.engine("snakemake")
        bench.check_whole(checkout)
        return heard[0] if heard else f"Snakemake named it; {told(found)}"

    return damage_case(f"snakemake --force results/evaluate/{LADDER}/scores.csv, the file's time kept", (fault,), run)


def raw() -> Case:
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
        before = state(checkout)
        strike(checkout, faults, random)
        heard = obedient(checkout, "snakemake", faults[-1].path)
        assert faults[0].path in heard[0], heard
        ran = only_resting(checkout, before, faults)
        assert {job.stage.name for job in ran} == {"download", "prepare"}, told(ran)
        checkout.run("vlac", "handover")
        assert "Nothing to be done" in checkout.engine("snakemake")
        bench.check_whole(checkout)
        return f"{heard[0]} Then {told(ran)}; after `handover` nothing was left to do"

    return damage_case("snakemake data/test.npz", faults, run)
