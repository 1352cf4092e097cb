"""The whole pipeline by its real stages on a few images: what MLflow was shown live is what the files make of it."""

import os
import shutil
import signal
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
import yaml
from packed import cli
from view_dump import counts, differences, dump, set_aside

from vlac.params import load_params
from vlac.params.trials import load_search
from vlac.stages import jobs
from vlac.stages.search import search_jobs
from vlac.tracking.live import Training
from vlac.training import Trainer

pytest_plugins = ["tracking_fixtures"]

ROOT = Path(__file__).resolve().parents[1]
STOPPED = ("train --model gmdgm --seeds 0-1", "train --model vlac --seeds 2", "trial faster --seed 0")
"""Commands that are interrupted once, and given again."""

KINDS = ("vlac", "gmdgm", "plus")


def project() -> None:
    """Give the working folder every kind of model, a group of two seeds at once and one seed alone, and a search."""
    values = yaml.safe_load((ROOT / "presets/tiny.yaml").read_text())
    models = values["models"]
    values["models"] = dict(zip(KINDS, (models[n] for n in ("vlac_1layer", "gmdgm", "vlac_2layer_plus")), strict=True))
    values |= {"seeds": ["0-1", 2], "probe": {"seeds": [0], "K": 10}}
    values["training"] |= {"epochs": 3, "at_once": 2}
    for path in ("params.yaml", "presets/small.yaml"):
        Path(path).parent.mkdir(exist_ok=True)
        Path(path).write_text(yaml.safe_dump(values))
    search = yaml.safe_load((ROOT / "presets/searches/tiny.yaml").read_text())
    Path("search.yaml").write_text(yaml.safe_dump(search | {"base": "presets/small.yaml"}))


def commands() -> list[str]:
    """Return all commands of the pipeline and the search, but the figures of one model and group alone."""
    every = [*jobs(load_params()), *search_jobs(load_search())]
    kept = [job for job in every if job.stage.name != "figures" or (job.model, job.seeds) == ("vlac", "0-1")]
    return [job.command.removeprefix("python -m vlac ") for job in kept]


def stop_after(epoch: int, patch: pytest.MonkeyPatch) -> None:
    """Make a training send itself SIGTERM when it has shown so many epochs of a seed."""
    log_epoch = Training.log_epoch

    def log_and_stop(view: Training, row: Mapping[str, Any]) -> None:
        log_epoch(view, row)
        if row["epoch"] == epoch:
            os.kill(os.getpid(), signal.SIGTERM)

    patch.setattr(Training, "log_epoch", log_and_stop)


def test_the_view_made_again_from_the_files_is_the_live_one(
    folder: Path, made_store: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    project()
    shutil.copy(made_store, folder)
    monkeypatch.setattr(Trainer.epochs, "__defaults__", (0,))  # a checkpoint after every epoch
    for command in commands():
        if command in STOPPED:
            with pytest.MonkeyPatch.context() as patch:
                stop_after(2, patch)
                assert cli(command.split()) == 143
        assert cli(command.split()) == 0
    live = dump(folder)
    names = {f"vlac: {kind} seed {seed}" for kind in KINDS for seed in (0, 1, 2)} | {"vlac: vlae seed 0"}
    names |= {"vlac: probe", "vlac: table", "vlac-search: as_it_is seed 0", "vlac-search: faster seed 0"}
    assert set(live) == names
    assert {run["status"] for run in live.values()} == {"FINISHED"}
    assert [step for step, _ in live["vlac: gmdgm seed 1"]["points"]["elbo"]] == [1, 2, 3]

    set_aside(folder, folder / "live")
    # In a process of its own, because MLflow keeps connections to the store that was there.
    environment = os.environ | {"PYTHONPATH": str(ROOT)}
    subprocess.run([sys.executable, "-m", "vlac", "track"], env=environment, check=True)
    rebuilt = dump(folder)
    assert differences(live, rebuilt) == []
    assert rebuilt == live
    assert counts(live) == counts(rebuilt)


def test_differences_names_what_differs() -> None:
    run = {"status": "FINISHED", "params": {"a": "1"}, "points": {"elbo": [(1, 2.0)]}, "files": {"x": b"1"}}
    assert differences({"one": run}, {"one": run}) == []
    other = run | {"params": {"a": "1", "b": "2"}, "points": {"elbo": [(1, 2.0), (1, 2.0)]}, "status": "KILLED"}
    assert differences({"one": run, "two": run}, {"one": other}) == [
        "two is in one of them only",
        "one: status differ (FINISHED, KILLED)",
        "one: params differ in b",
        "one: points differ in elbo",
    ]
