"""Cases of damage to what is no declared output: parameters, the engines' memory, MLflow's store, checkpoints."""

import base64
import signal
from pathlib import Path
from random import Random

from tests.faults.bench import Bench, Case
from tests.faults.checkout import CHECKPOINT, ENGINES, changed, digest
from tests.faults.harm import FIGURE, LADDER, PLUS, Fault, damage_case, strike
from tests.faults.mending import jobs_run, obedient, obey, state, told
from tests.faults.processes import held, to_its_end
from tests.faults.sentence import UNSEEN, error_sentence, warnings


def parameters(engine: str) -> Case:
    """Truncate params.yaml, and put it back; in between nothing is made or lost."""
    fault = Fault("truncated", "params.yaml")

    def run(bench: Bench, random: Random) -> str:
        checkout = bench.finished(engine)
        before = state(checkout)
        path = checkout.folder / fault.path
        with changed(path, path.read_bytes()):
            strike(checkout, (fault,), random)
            checkout.engine(engine, fails=True)
            sentence = error_sentence(checkout.run("vlac", "plan", fails=True))
            assert sentence.startswith("params.yaml"), sentence
        checkout.engine(engine)
        assert not jobs_run(checkout, before)
        bench.check_whole(checkout)
        return f"refused, `python -m vlac plan`: {sentence} Put back: nothing was run"

    return damage_case(engine, (fault,), run)


def metadata() -> Case:
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
        before = state(checkout)
        for how, file in zip(hows, files, strict=True):
            Fault(how, str(records[file].relative_to(checkout.folder))).strike(checkout, random)
        checkout.engine("snakemake")
        ran = jobs_run(checkout, before)
        bench.check_whole(checkout)
        checkout.run("vlac", "handover")
        assert "Nothing to be done" in checkout.engine("snakemake")
        return f"{told(ran)}; results the same"

    return damage_case("snakemake", shown, run)


def lock(how: str) -> Case:
    """Damage dvc.lock, in which DVC keeps what it knows of the results."""
    fault = Fault(how, "dvc.lock")

    def run(bench: Bench, random: Random) -> str:
        checkout = bench.finished("dvc")
        before = state(checkout)
        strike(checkout, (fault,), random)
        said = checkout.engine("dvc", fails=None)
        words = "dvc went on by itself"
        if "up to date" not in said and "Use `dvc push`" not in said:
            assert "dvc.lock" in said, said
            sentence = error_sentence(checkout.run("vlac", "handover", fails=True))
            obey(checkout, sentence)
            checkout.engine("dvc")
            words = f"dvc refused; `python -m vlac handover`: {sentence}"
        ran = jobs_run(checkout, before)
        bench.check_whole(checkout)
        return f"{words}; {told(ran)}"

    return damage_case("dvc", (fault,), run)


def unreadable_store(how: str) -> Case:
    """Damage mlflow.db so that nobody can read it: stages warn and go on, and `track` makes the view again."""
    fault = Fault(how, "mlflow.db")

    def run(bench: Bench, random: Random) -> str:
        checkout = bench.finished()
        strike(checkout, (fault, FIGURE), random)
        if how == "a bit flipped":  # anywhere else SQLite may not notice
            content = bytearray((checkout.folder / fault.path).read_bytes())
            content[random.randrange(15)] ^= 1
            (checkout.folder / fault.path).write_bytes(content)
        said = checkout.engine("snakemake")
        warned = warnings(said, UNSEEN)
        assert warned, said
        sentence = error_sentence(checkout.run("vlac", "track", fails=True))
        obey(checkout, sentence)
        bench.check_whole(checkout)
        return f"{warned[0]} Then: {sentence}"

    return damage_case("snakemake, its header too" if how == "a bit flipped" else "snakemake", (fault, FIGURE), run)


def new_store(how: str) -> Case:
    """Lose all of mlflow.db: stages begin a new one, and `track` fills it."""
    fault = Fault(how, "mlflow.db")

    def run(bench: Bench, random: Random) -> str:
        checkout = bench.finished()
        strike(checkout, (fault, FIGURE), random)
        checkout.engine("snakemake")
        said = checkout.run("vlac", "track")
        bench.check_whole(checkout)
        return f"a new one was begun; `python -m vlac track`: {said.strip().splitlines()[-1]}"

    return damage_case("snakemake", (fault, FIGURE), run)


def copies() -> Case:
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

    return damage_case("python -m vlac track", shown, run)


def checkpoint(how: str) -> Case:
    """Interrupt a training, and damage its checkpoint."""
    fault = Fault(how, CHECKPOINT)

    def run(bench: Bench, random: Random) -> str:
        checkout = bench.untrained("snakemake")
        with checkout.running(*ENGINES["snakemake"]) as running:
            with held(running, (checkout.folder / fault.path).exists):
                for process, _ in checkout.stage_processes():
                    process.send_signal(signal.SIGTERM)
            said = to_its_end(running)
        assert running.returncode != 0, said
        strike(checkout, (fault,), random)
        heard = obedient(checkout, "snakemake")
        assert heard or how == "a bit flipped", "nobody noticed"
        assert not heard or fault.path in heard[0], heard
        bench.check_whole(checkout)
        return heard[0] if heard else "no byte that matters was hit"

    return damage_case("snakemake, a training interrupted before", (fault,), run)


def pretext(how: str) -> Case:
    """Damage a finished pretext network, and have the model trained again that rests on it."""

    def run(bench: Bench, random: Random) -> str:
        checkout = bench.untrained("snakemake", PLUS.split("/")[0])
        path = str(min((checkout.folder / "checkpoints" / "pretext").iterdir()).relative_to(checkout.folder))
        strike(checkout, (Fault(how, path),), random)
        heard = obedient(checkout, "snakemake")
        assert heard or how in ("a bit flipped", "deleted"), "nobody noticed"
        assert not heard or path in heard[0], heard
        bench.check_whole(checkout)
        return (
            heard[0] if heard else "the pretext was learnt anew" if how == "deleted" else "no byte that matters was hit"
        )

    return damage_case("snakemake, a training is to be made", (Fault(how, "a file in checkpoints/pretext"),), run)


def _remembered(record: Path) -> str:
    """Return the file that a record of Snakemake's is about: its name in base 64."""
    return base64.b64decode("".join(record.parts[record.parts.index("metadata") + 1 :]).replace("@", "")).decode()
