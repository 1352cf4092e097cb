"""The MLflow view: equal whether logged live or rebuilt from the files, and never in the way of a training."""

import multiprocessing
import os
import shutil
import signal
import sqlite3
import subprocess
import sys
import time
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path

import pandas as pd
import pytest
import yaml
from mlflow import MlflowClient
from view_dump import differences, dump

from vlac import tracking
from vlac.errors import VlacError
from vlac.files import sha256, write_csv, write_text
from vlac.params.load import load_params
from vlac.tracking import live, store
from vlac.workflow.depends import params_hash
from vlac.workflow.jobs import STAGES, Job, Stage, jobs
from vlac.workflow.manifest import Origin, write_manifest

ROOT = Path(__file__).parents[1]
JOB = Job(STAGES["train"], "tiny", "gmdgm", 0)
NAME = "vlac: tiny: gmdgm seed 0"


def row(epoch: int, **other: float) -> dict[str, float]:
    """One row of history.csv, of more digits than the file keeps."""
    return {"seed": 0, "epoch": epoch, "elbo": -1000 / epoch - 1 / 3, "kl_z_3": 1e-7 * epoch} | other


def finish(job: Job, weights: str = "weights") -> None:
    """Write a job's log and outputs, its manifest last."""
    params = load_params()
    tables = {
        "history.csv": [row(1), row(2), row(3)],
        "scores.csv": [{"seed": 0, "rung": rung, "acc": 2 / 3, "features + k-means/acc": 0.5} for rung in (3, 4)],
        "factors.csv": [{"seed": 0, "rung": 3, "factor": "ink_hue", "measure": "nmi", "value": 1 / 3}],
    }
    write_text(job.log, f"log of {job}\n")
    for path in job.outputs[:-1]:
        if path.name in tables:
            rows = tables[path.name][: 1 if job.stage.name == "evaluate" else None]
            write_csv(path, pd.DataFrame(rows))
        else:
            write_text(path if path.suffix else path / "curves.png", f"{weights} of {job}")
            if not path.suffix:
                write_text(path / ".snakemake_timestamp", "")
    inputs = {path.as_posix(): sha256(path) for path in job.inputs(params) if path.exists()}
    write_manifest(job, Origin(params_hash(job, params), "code", inputs))


def run_everything() -> None:
    """Go through the pipeline as the commands do: trainings live, then the files, then `publish`."""
    params = load_params()
    for job in jobs(params):
        if job.stage.trains:
            with tracking.training(job, params) as view:
                view.start([])
                for epoch in (1, 2, 3):
                    view.log_epoch(row(epoch))
        finish(job)
        tracking.publish(job, params)


def rebuild() -> tracking.Rebuilt:
    params = load_params()
    return tracking.rebuild((job, params) for job in jobs(params))


def train(epochs: Iterable[int], done: Iterable[int] = (), error: BaseException | None = None, **other: float) -> None:
    with tracking.training(JOB, load_params()) as view:
        view.start([row(epoch) for epoch in done])
        for epoch in epochs:
            view.log_epoch(row(epoch, **other))
        if error:
            raise error


def warnings(caplog: pytest.LogCaptureFixture) -> list[str]:
    return [record.getMessage() for record in caplog.records if record.levelname == "WARNING"]


def project(folder: Path) -> None:
    values = yaml.safe_load((ROOT / "presets/tiny.yaml").read_text())
    values["seeds"] = values["probe"]["seeds"] = [0]
    (folder / "params.yaml").write_text(yaml.safe_dump(values))


@pytest.fixture(scope="session")
def made_store(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A fresh sqlite store: MLflow takes seconds to make one, so the tests copy it."""
    folder = tmp_path_factory.mktemp("store")
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        patch.delenv("MLFLOW_TRACKING_URI", raising=False)
        store.open_store()
    return folder / "mlflow.db"


@pytest.fixture
def fresh(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A project without results and without a store, as working folder, and no warning given yet."""
    for name in ("MLFLOW_TRACKING_URI", "MLFLOW_EXPERIMENT_NAME", "VLAC_TRACKING"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setattr(live, "_warned", False)
    monkeypatch.chdir(tmp_path)
    project(tmp_path)
    return tmp_path


@pytest.fixture
def folder(fresh: Path, made_store: Path) -> Path:
    """The same with a store without runs."""
    shutil.copy(made_store, fresh)
    return fresh


def client() -> tuple[MlflowClient, str]:
    opened = store.open_store()
    return opened.client, opened.experiment


def test_the_rebuilt_view_equals_the_live_one_and_rebuilding_again_changes_nothing(folder: Path) -> None:
    run_everything()
    shown = dump(folder)
    models = ("vlac_1layer", "vlac_2layer", "gmdgm", "vlac_2layer_plus", "vlae")
    assert {name.removeprefix("vlac: tiny: ") for name in shown} == {f"{m} seed 0" for m in models} | {"probe", "table"}
    assert {run["status"] for run in shown.values()} == {"FINISHED"}
    assert rebuild().changed == 0
    mlflow, experiment = client()
    for run in mlflow.search_runs([experiment]):
        mlflow.delete_run(run.info.run_id)
    assert rebuild().changed == len(shown)
    assert differences(shown, dump(folder)) == []
    assert rebuild().changed == 0


def test_a_run_shows_parameters_tags_metrics_and_files(folder: Path) -> None:
    run_everything()
    shown = dump(folder)
    run = shown[NAME]
    assert run["params"]["training.lr"] == str(load_params().training.lr)
    assert run["params"]["model.kind"] == "gmdgm"
    assert run["tags"].items() >= {"stage": "train", "model": "gmdgm", "seed": "0", "experiment": "tiny"}.items()
    assert run["points"]["train/elbo"] == [(1, -1000.33), (2, -500.333), (3, -333.667)]  # six digits, as in history.csv
    assert run["points"]["test/acc"] == [(0, 0.666667)]
    assert run["points"]["test/features _ k-means/acc"] == [(0, 0.5)]
    assert run["points"]["test/rung3/ink_hue/nmi"] == [(0, 0.333333)]
    expected = {"train/history.csv", "train/0.log", "evaluate/scores.csv", "figures/curves.png"}
    assert expected <= set(run["files"])
    assert not {"train/model.pt", "figures/.snakemake_timestamp"} & set(run["files"])
    assert shown["vlac: tiny: vlae seed 0"]["points"]["probe/rung4/acc"] == [(0, 0.666667)]
    assert set(shown["vlac: tiny: table"]["files"]) == {"table/table1.md", "table/table1.csv"}


def test_publishing_goes_on_with_the_run_that_was_logged_live(folder: Path) -> None:
    train((1, 2, 3))
    mlflow, experiment = client()
    before = [run.info.run_id for run in mlflow.search_runs([experiment])]
    finish(JOB)
    tracking.publish(JOB, load_params())
    assert [run.info.run_id for run in mlflow.search_runs([experiment])] == before
    assert "train/history.csv" in dump(folder)[NAME]["files"]


def test_publishing_what_is_shown_already_opens_no_store(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    finish(JOB)
    tracking.publish(JOB, load_params())
    monkeypatch.setattr(live, "open_store", None)
    tracking.publish(JOB, load_params())
    assert not live._warned


def test_a_trial_is_shown_in_the_experiment_of_the_search(folder: Path) -> None:
    outputs = tuple(
        f"results/search/{{model}}/{{seed}}/{name}" for name in ("scores.csv", "history.csv", "manifest.json")
    )
    job = Job(Stage("trial", (), outputs, ("objective",), over="trials", trains=True), "tiny", "gmdgm", 0)
    finish(job)
    scores = [
        {"seed": 0, "failed_in_epoch": 0, "images_seen": 900, "rung": r, "main": r == 3, "knn": r / 7} for r in (2, 3)
    ]
    write_csv(job.output("scores.csv"), pd.DataFrame(scores).astype({"main": int}))
    write_manifest(job, Origin(params_hash(job, load_params()), "code", {}))
    assert tracking.rebuild([(job, load_params())]).changed == 1
    points = dump(folder)["vlac-search: tiny: gmdgm seed 0"]["points"]
    assert points["holdout/knn"] == points["holdout/rung3/knn"] == [(0, 0.428571)]
    assert points["train/images_seen"] == [(0, 900)]


def test_scores_of_a_model_that_was_trained_again_since_are_not_shown(folder: Path) -> None:
    scored = Job(STAGES["evaluate"], "tiny", "gmdgm", 0)
    finish(JOB)
    finish(scored)
    tracking.publish(scored, load_params())
    assert "test/acc" in dump(folder)[NAME]["points"]
    finish(JOB, weights="other weights")
    tracking.publish(JOB, load_params())
    assert "test/acc" not in dump(folder)[NAME]["points"]


def test_results_edited_by_hand_are_left_out(folder: Path) -> None:
    finish(JOB)
    history = JOB.output("history.csv")
    history.write_text(history.read_text().replace("-1000", "-10"))
    rebuilt = rebuild()
    assert rebuilt.shown == 0
    assert "history.csv has changed since" in str(rebuilt)


@pytest.mark.parametrize(
    ("error", "status"), [(VlacError("the loss is not finite"), "FAILED"), (KeyboardInterrupt(), "KILLED")]
)
def test_an_error_fails_the_run_and_an_interruption_kills_it(folder: Path, error: BaseException, status: str) -> None:
    with pytest.raises(type(error)):
        train((1,), error=error)
    assert dump(folder)[NAME]["status"] == status


def test_a_resumed_training_goes_on_in_its_run_without_a_step_twice(folder: Path) -> None:
    with pytest.raises(KeyboardInterrupt):
        train((1, 2), error=KeyboardInterrupt())
    mlflow, experiment = client()
    (before,) = mlflow.search_runs([experiment])
    train((3,), done=(1, 2))
    (after,) = mlflow.search_runs([experiment])
    assert after.info.run_id == before.info.run_id
    assert [step for step, _ in dump(folder)[NAME]["points"]["train/elbo"]] == [1, 2, 3]

    # The checkpoint is of epoch 1, and the epochs after it come out otherwise, as they may on a GPU.
    train((2,), done=(1,), elbo=-1.0)
    assert dump(folder)[NAME]["points"]["train/elbo"] == [(1, -1000.33), (2, -1.0)]
    train((1,))  # from the first epoch
    assert dump(folder)[NAME]["points"]["train/elbo"] == [(1, -1000.33)]


def test_an_interrupted_call_frees_the_store(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """SQLAlchemy's transaction stays open as long as the traceback of the interruption has its frames."""

    def write(*arguments: object, **named: object) -> None:
        connection = sqlite3.connect("mlflow.db", isolation_level=None)
        connection.execute("begin immediate")
        raise KeyboardInterrupt

    def interrupted() -> Iterator[int]:
        monkeypatch.setattr(MlflowClient, "log_batch", write)
        yield 1

    with pytest.raises(KeyboardInterrupt):
        train(interrupted())
    assert dump(folder)[NAME]["status"] == "KILLED"


# Prints a line when the first epoch is shown, then trains until a signal comes, as `python -m vlac train` would.
HELD = """
import sys, time
sys.path.insert(0, {tests!r})
from test_tracking import JOB, load_params, row, tracking
from vlac import cli
from vlac.workflow.lock import single_stage

def train(options):
    with single_stage(JOB), tracking.training(JOB, load_params()) as view:
        view.start([])
        view.log_epoch(row(1))
        print("shown", flush=True)
        time.sleep(60)

cli._track = train
sys.exit(cli.main(["track"]))
"""


def start() -> "subprocess.Popen[str]":
    command = [sys.executable, "-c", HELD.format(tests=str(ROOT / "tests"))]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True, env=os.environ | {"PYTHONPATH": str(ROOT)})
    assert process.stdout
    assert process.stdout.readline() == "shown\n"
    return process


def test_terminated_and_killed_processes(folder: Path) -> None:
    process = start()
    process.terminate()
    assert process.wait() == 128 + signal.SIGTERM
    assert dump(folder)[NAME]["status"] == "KILLED"

    process = start()
    assert rebuild().killed == 0  # it is at work
    process.kill()
    process.wait()
    assert dump(folder)[NAME]["status"] == "RUNNING"
    assert rebuild().killed == 1
    assert dump(folder)[NAME]["status"] == "KILLED"

    process = start()
    process.kill()
    process.wait()
    with (folder / "params.yaml").open("r+") as file:  # the job's next start has other parameters
        text = file.read().replace("lr: 0.002", "lr: 0.001")
        file.seek(0)
        file.write(text)
    train((1,))
    mlflow, experiment = client()
    assert sorted(run.info.status for run in mlflow.search_runs([experiment])) == ["FINISHED", "KILLED"]


def test_what_is_left_for_later_touches_no_store(
    fresh: Path, made_store: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("VLAC_TRACKING", "later")
    run_everything()
    assert not list(fresh.glob("ml*"))
    shutil.copy(made_store, fresh)
    assert rebuild().changed == len(dump(fresh)) == 7


def unreachable(folder: Path, patch: pytest.MonkeyPatch) -> None:
    patch.setenv("MLFLOW_TRACKING_URI", "http://ada:secret@127.0.0.1:9")


def damaged(folder: Path, patch: pytest.MonkeyPatch) -> None:
    (folder / "mlflow.db").write_bytes(b"no database" * 1000)


def locked(folder: Path, patch: pytest.MonkeyPatch) -> None:
    patch.setattr(store, "BUSY", 0.1)
    held = sqlite3.connect(folder / "mlflow.db", isolation_level=None)
    held.execute("begin exclusive")
    patch.setattr(store, "held", held, raising=False)


def unknown(folder: Path, patch: pytest.MonkeyPatch) -> None:
    patch.setenv("MLFLOW_TRACKING_URI", "ftp://somewhere")


SAID = {
    unreachable: "http://127.0.0.1:9: [Errno 111] Connection refused",
    damaged: "mlflow.db: file is not a database",
    locked: "mlflow.db: database is locked",
    unknown: "ftp://somewhere: ",
}


@pytest.mark.parametrize("spoil", SAID)
def test_a_store_that_cannot_be_used_costs_one_warning(
    folder: Path,
    spoil: Callable[[Path, pytest.MonkeyPatch], None],
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    spoil(folder, monkeypatch)
    began = time.monotonic()
    train((1, 2, 3))
    finish(JOB)
    tracking.publish(JOB, load_params())
    assert time.monotonic() - began < 30
    (warning,) = warnings(caplog)
    assert warning.startswith("MLflow does not show this run: ")
    assert "`python -m vlac track` shows it later" in warning
    assert SAID[spoil] in warning
    assert "secret" not in warning
    with pytest.raises(VlacError, match="cannot be rebuilt") as refused:
        rebuild()
    assert ("`mv mlflow.db mlflow.db.damaged`" in refused.value.hint) == (spoil is damaged)


def test_a_deleted_experiment_is_restored(folder: Path) -> None:
    train((1,))
    mlflow, experiment = client()
    mlflow.delete_experiment(experiment)
    assert client()[1] == experiment
    assert mlflow.get_experiment(experiment).lifecycle_stage == "active"


def test_a_moved_project_keeps_its_artifacts(
    folder: Path, monkeypatch: pytest.MonkeyPatch, tmp_path_factory: pytest.TempPathFactory
) -> None:
    run_everything()
    shown = dump(folder)
    moved = tmp_path_factory.mktemp("a b%20") / "project"
    folder.rename(moved)
    monkeypatch.chdir(moved)
    assert rebuild().changed == 0
    assert differences(shown, dump(moved)) == []


def test_in_a_shared_store_the_runs_of_other_checkouts_are_left_alone(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MLFLOW_TRACKING_URI", f"sqlite:///{folder}/mlflow.db")
    for name in ("ada", "bob", "ada"):
        shutil.rmtree("logs", ignore_errors=True)
        write_text(Path("logs/checkout.id"), name)
        finish(JOB)
        tracking.publish(JOB, load_params())
    mlflow, experiment = client()
    owners = [run.data.tags[store.CHECKOUT] for run in mlflow.search_runs([experiment])]
    assert sorted(owners) == ["ada", "bob"]


def train_in(folder: Path, seed: int) -> None:
    os.chdir(folder)
    job = Job(STAGES["train"], "tiny", "gmdgm", seed)
    with tracking.training(job, load_params()) as view:
        view.start([])
        for epoch in (1, 2, 3):
            view.log_epoch(row(epoch))
    raise SystemExit(3 if live._warned else 0)


@pytest.mark.slow
def test_processes_that_start_at_once_share_a_fresh_store(fresh: Path) -> None:
    (fresh / "mlflow.db.1.new").write_text("half a store")
    spawn = multiprocessing.get_context("spawn")
    processes = [spawn.Process(target=train_in, args=(fresh, seed)) for seed in range(8)]
    for process in processes:
        process.start()
    for process in processes:
        process.join()
    assert [process.exitcode for process in processes] == [0] * 8
    runs = dump(fresh)
    assert len(runs) == 8
    assert all([step for step, _ in run["points"]["train/elbo"]] == [1, 2, 3] for run in runs.values())
    assert not list(fresh.glob("*.new*"))
