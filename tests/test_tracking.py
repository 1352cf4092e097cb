"""The MLflow view: equal whether begun live or rebuilt from the files, and never in the way of a training."""

import dataclasses
import multiprocessing
import os
import shutil
import signal
import sqlite3
import subprocess
import sys
import time
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any
from unittest.mock import Mock

import mlflow
import pytest
import yaml
from mlflow import MlflowClient
from tiny import ROOT, tiny_images, tiny_job, tiny_method
from view_dump import dump

from vlac import cli, tracking
from vlac.errors import VlacError
from vlac.files import sha256, write_text
from vlac.models.load import save_method
from vlac.params.load import load_params
from vlac.search.params import TRIAL
from vlac.tables import write_csv
from vlac.tracking import live, models, store
from vlac.workflow.depends import hash_of_code, params_hash
from vlac.workflow.jobs import STAGES, Job, jobs
from vlac.workflow.lock import single_stage
from vlac.workflow.manifest import Origin, write_manifest

Patch = pytest.MonkeyPatch
SPAWN = multiprocessing.get_context("spawn")
JOB = Job(STAGES["train"], "tiny", "gmdgm", 0)
EVALUATE, TABLE = Job(STAGES["evaluate"], "tiny", "gmdgm", 0), Job(STAGES["table"], "tiny")
NAME = "vlac: tiny: gmdgm seed 0"


def row(epoch: int) -> dict[str, float]:
    """One row of history.csv, of more digits than the file keeps."""
    return {"seed": 0, "epoch": epoch, "elbo": -1000 / epoch - 1 / 3, "kl_z_3": 1e-7 * epoch}


def finish(job: Job, weights: str = "weights", scores: Sequence[Mapping[str, Any]] = ()) -> None:
    """Write a job's log and outputs, its manifest last."""
    params = load_params()
    tables = {
        "history.csv": [row(1), row(2), row(3)],
        "scores.csv": scores
        or [{"seed": 0, "rung": rung, "acc": 2 / 3, "features + k-means/acc": 0.5} for rung in (3, 4)],
        "factors.csv": [{"seed": 0, "rung": 3, "factor": "ink_hue", "measure": "nmi", "value": 1 / 3}],
    }
    write_text(job.log, f"log of {job}\n")
    for path in job.outputs[:-1]:
        if path.name in tables:
            rows = tables[path.name]
            if path == EVALUATE.outputs[0]:
                rows = [{name: value for name, value in rows[0].items() if name != "rung"}]
            write_csv(path, rows)
        else:
            write_text(path if path.suffix else path / "curves.png", f"{weights} of {job}")
            if not path.suffix:
                write_text(path / ".snakemake_timestamp", "")
    inputs = {path.as_posix(): sha256(path) for path in job.inputs(params) if path.exists()}
    write_manifest(job, Origin(params_hash(job, params), hash_of_code(job, params), inputs))


def rebuild() -> str:
    return tracking.rebuild((job, load_params()) for job in jobs(load_params()))


def logged() -> str:
    return models.log_models((job, load_params()) for job in jobs(load_params()))


def done(shown: int, changed: int) -> str:
    return f"MLflow shows {shown} finished trainings; {changed} were missing or differed."


def train(*epochs: int, resumed: Iterable[int] = (), job: Job = JOB, error: BaseException | None = None) -> None:
    with tracking.training(job, load_params()) as view:
        view.start([row(epoch) for epoch in resumed])
        for epoch in epochs:
            view.log_epoch(row(epoch))
        if error:
            raise error


def runs() -> list[Any]:
    """Return the runs of trainings, without those above them."""
    return [run for run in store.open_store().runs() if "seed" in run.data.tags]


@pytest.fixture(scope="session")
def made_store(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A fresh sqlite store: MLflow takes seconds to make one, so the tests copy it."""
    file = tmp_path_factory.mktemp("store") / "mlflow.db"
    store._make_or_check(file)
    return file


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: Patch, made_store: Path) -> Path:
    """A project without results as working folder, its store without runs; trainings open MLflow at once."""
    for name in ("MLFLOW_TRACKING_URI", "MLFLOW_EXPERIMENT_NAME", "VLAC_TRACKING"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setattr(live, "_failed", False)
    monkeypatch.setattr(live, "OPENS", 0.0)
    monkeypatch.chdir(tmp_path)
    values = yaml.safe_load((ROOT / "presets/tiny.yaml").read_text())
    values["seeds"] = values["probe"]["seeds"] = [0]
    values["models"] = {name: values["models"][name] for name in ("gmdgm", "kmeans")}
    write_text(Path("params.yaml"), yaml.safe_dump(values))
    shutil.copy(made_store, tmp_path)
    return tmp_path


def test_a_run_shows_all_there_is_and_is_the_same_when_rebuilt(folder: Path) -> None:
    every = [(job, load_params()) for job in jobs(load_params())]
    for job, _ in every:
        if job.stage.trains:
            train(1, 2, 3, job=job)
        finish(job)
        tracking.publish(job, every)
    shown, ids = dump(folder), {run.info.run_id for run in runs()}
    models = ("gmdgm", "kmeans", "vlae")
    assert shown.keys() == {f"vlac: tiny: {model}{seed}" for model in models for seed in ("", " seed 0")}
    assert {run["status"] for run in shown.values()} == {"FINISHED"}
    run = shown[NAME]
    assert run["params"]["training.lr"] == str(load_params().training.lr)
    assert run["params"]["model.kind"] == "gmdgm"
    assert "data.path" not in run["params"]
    assert run["tags"].items() >= {"stage": "train", "model": "gmdgm", "seed": "0", "experiment": "tiny"}.items()
    assert len(run["tags"]["git_commit"].removesuffix("-dirty")) == 40
    assert run["points"]["train/elbo"] == [(1, -1000.33), (2, -500.333), (3, -333.667)]  # six digits, as in history.csv
    assert run["points"]["clusters/acc"] == [(0, 0.666667)]
    assert run["points"]["test/features _ k-means/acc"] == [(0, 0.5)]
    assert run["points"]["test/rung3/ink_hue/nmi"] == [(0, 0.333333)]
    assert {"train/history.csv", "train/0.log", "evaluate/scores.csv", "figures/curves.png"} <= set(run["files"])
    assert not {"train/model.pt", "figures/.snakemake_timestamp"} & set(run["files"])
    assert shown["vlac: tiny: vlae seed 0"]["points"]["probe/rung4/acc"] == [(0, 0.666667)]
    assert rebuild() == done(3, 0)
    assert {run.info.run_id for run in runs()} == ids
    for run_id in ids:
        store.open_store().client.delete_run(run_id)
    assert rebuild() == done(3, 3)
    assert dump(folder) == shown
    assert rebuild() == done(3, 0)


def test_the_seeds_of_a_model_lie_under_a_run_of_their_means(folder: Path) -> None:
    values = yaml.safe_load(Path("params.yaml").read_text())
    write_text(Path("params.yaml"), yaml.safe_dump(values | {"seeds": [0, 1]}))
    for seed, acc in enumerate((0.5, 0.8)):
        for stage in ("train", "evaluate"):
            finish(Job(STAGES[stage], "tiny", "gmdgm", seed), scores=[{"seed": seed, "acc": acc}])
        assert rebuild() == done(1 + seed, 1)
        above = dump(folder)["vlac: tiny: gmdgm"]
        assert above["params"]["seeds"] == ", ".join(map(str, range(1 + seed)))
        assert above["points"]["clusters/acc"] == [(0, 0.5 if seed == 0 else 0.65)]
        assert ("clusters/acc_std" in above["points"]) == (seed == 1)
        assert not any(name.startswith("train/") for name in above["points"])
        names = {dump(folder)[f"{NAME[:-1]}{each}"]["tags"][live.ABOVE] for each in range(1 + seed)}
        assert names == {"gmdgm"}
    assert above["points"]["clusters/acc_std"] == [(0, 0.212132)]


def test_a_run_above_its_seeds_that_was_left_half_made_is_made_again(folder: Path, monkeypatch: Patch) -> None:
    finish(JOB)
    assert rebuild() == done(1, 1)
    shown, opened = dump(folder), store.open_store()
    (above,) = (run for run in opened.runs() if "seed" not in run.data.tags)
    opened.client.delete_run(above.info.run_id)
    with monkeypatch.context() as patch:
        patch.setattr(store.Store, "log", Mock(side_effect=KeyboardInterrupt))
        with pytest.raises(KeyboardInterrupt):
            rebuild()
    assert {run.info.status for run in opened.runs()} == {"FINISHED", "RUNNING"}
    assert rebuild() == done(1, 0)
    assert dump(folder) == shown


def test_what_was_logged_live_gets_the_files_and_is_replaced_where_it_differs_from_them(folder: Path) -> None:
    train(1, 2, 3)
    (before,) = runs()
    finish(JOB)
    assert rebuild() == done(1, 1)
    finish(EVALUATE)
    assert rebuild() == done(1, 1)
    (after,) = runs()
    assert (after.info.run_id, after.info.start_time) == (before.info.run_id, before.info.start_time)
    assert dump(folder)[NAME]["points"]["clusters/acc"] == [(0, 0.666667)]
    finish(JOB, weights="other weights")  # so the scores are of another model
    assert rebuild() == done(1, 1)
    (other,) = runs()
    assert other.info.run_id != before.info.run_id
    assert "clusters/acc" not in other.data.metrics
    finish(JOB)
    history = JOB.output("history.csv")
    history.write_text("seed,epoch\n")
    assert rebuild().startswith(f"{done(0, 0)}\nLeft out: {history} has changed since")


def test_who_does_not_import_mlflow(folder: Path) -> None:
    """A short training, a job that gathers nothing, and everybody whom the user asked to leave it for later."""
    code = """
import os, sys
from vlac import tracking
from vlac.params.load import load_params
from vlac.workflow.jobs import jobs
every = [(job, load_params()) for job in jobs(load_params())]
for tracking.live.OPENS, later in ((tracking.live.OPENS, ""), (0.0, "later")):
    os.environ["VLAC_TRACKING"] = later
    for job, params in every:
        with tracking.training(job, params) as view:
            view.log_epoch({"epoch": 1, "elbo": -1.0})
        if later or job.stage.name not in ("rung", "table"):
            tracking.publish(job, every)
assert "mlflow" not in sys.modules
"""
    subprocess.run([sys.executable, "-c", code], check=True, env=os.environ | {"PYTHONPATH": str(ROOT)})


def test_a_trial_is_shown_in_the_experiment_of_the_search(folder: Path) -> None:
    job = Job(dataclasses.replace(TRIAL, params=("data",), inputs=()), "search/tiny", "gmdgm", 0)
    finish(job)
    told = {"seed": 0, "failed_in_epoch": 0, "images_seen": 900}
    write_csv(job.outputs[0], [told | {"rung": r, "main": int(r == 3), "knn": r / 7} for r in (2, 3)])
    write_manifest(job, Origin(params_hash(job, load_params()), "code", {}))
    assert tracking.rebuild([(job, load_params())]) == done(1, 1)
    points = dump(folder)["vlac-search: search/tiny: gmdgm seed 0"]["points"]
    assert points["holdout/knn"] == points["holdout/rung3/knn"] == [(0, 0.428571)]
    assert points["train/images_seen"] == [(0, 900)]


@pytest.mark.parametrize(("error", "status"), [(VlacError("NaN"), "FAILED"), (KeyboardInterrupt(), "KILLED")])
def test_an_error_fails_the_run_and_an_interruption_kills_it(folder: Path, error: BaseException, status: str) -> None:
    with pytest.raises(type(error)):
        train(1, 2, error=error)
    assert dump(folder)[NAME]["status"] == status
    train(3, resumed=(1, 2))
    assert dump(folder)[NAME]["status"] == "FINISHED"
    assert [step for step, _ in dump(folder)[NAME]["points"]["train/elbo"]] == [1, 2, 3]


def test_an_interrupted_call_frees_the_store(folder: Path, monkeypatch: Patch) -> None:
    def write(*arguments: object, **named: object) -> None:
        connection = sqlite3.connect("mlflow.db", isolation_level=None)
        connection.execute("begin immediate")  # it is open as long as the interruption's traceback has this frame
        raise KeyboardInterrupt

    monkeypatch.setattr(MlflowClient, "log_batch", write)
    with pytest.raises(KeyboardInterrupt):
        train(1)
    assert dump(folder)[NAME]["status"] == "KILLED"


def train_in(folder: Path, seed: int, shown: Any = None) -> bool:
    """Train in a process of its own, as the commands do; on and on if somebody waits for what it shows."""
    os.chdir(folder)
    live.OPENS = 0.0
    signal.signal(signal.SIGTERM, cli._terminate)
    job = dataclasses.replace(JOB, seed=seed)
    with single_stage(job), tracking.training(job, load_params()) as view:
        view.start([row(1)])
        view.log_epoch(row(2))
        if shown:
            shown.set()
            time.sleep(60)
    return live._failed


def start(folder: Path) -> Any:
    shown = SPAWN.Event()
    process = SPAWN.Process(target=train_in, args=(folder, 0, shown))
    process.start()
    assert shown.wait(60)
    return process


def test_terminated_and_killed_processes(folder: Path) -> None:
    process = start(folder)
    process.terminate()
    process.join()
    assert dump(folder)[NAME]["status"] == "KILLED"
    finish(JOB)  # of an earlier training
    process = start(folder)
    assert rebuild() == done(1, 0)  # it is at work
    process.kill()
    process.join()
    assert dump(folder)[NAME]["status"] == "RUNNING"
    shutil.rmtree(JOB.manifest.parent)
    assert rebuild() == done(0, 0)
    assert dump(folder)[NAME]["status"] == "KILLED"


FAULTS = {
    "http://ada:secret@127.0.0.1:9": "http://127.0.0.1:9: [Errno 111] Connection refused",
    "damaged": "mlflow.db: file is not a database",
    "locked": "mlflow.db: database is locked",
}


@pytest.mark.parametrize(("fault", "said"), FAULTS.items())
def test_a_store_that_cannot_be_used_costs_one_warning(
    folder: Path, fault: str, said: str, monkeypatch: Patch, caplog: pytest.LogCaptureFixture
) -> None:
    other = sqlite3.connect("mlflow.db", isolation_level=None)
    monkeypatch.setattr(store, "BUSY", 0.1)
    if fault == "locked":
        other.execute("begin exclusive")
    elif fault == "damaged":
        Path("mlflow.db").write_bytes(b"no database" * 1000)
    else:
        monkeypatch.setenv("MLFLOW_TRACKING_URI", fault)
    train(1, 2, 3)
    finish(JOB)
    tracking.publish(TABLE, [(JOB, load_params())])
    (warning,) = [record.getMessage() for record in caplog.records if record.levelname == "WARNING"]
    assert warning.startswith(f"MLflow does not show this run: {said}. No result is lost; `python -m vlac track`")
    with pytest.raises(VlacError, match="cannot be rebuilt") as refused:
        rebuild()
    assert ("`mv mlflow.db mlflow.db.old`" in refused.value.hint) == (fault == "damaged")


def test_a_deleted_experiment_is_restored_and_a_moved_project_told_what_to_do(
    folder: Path, monkeypatch: Patch, tmp_path_factory: pytest.TempPathFactory
) -> None:
    train(1)
    (opened := store.open_store()).client.delete_experiment(opened.experiment)
    assert [run.info.status for run in runs()] == ["FINISHED"]
    moved = tmp_path_factory.mktemp("a b%20") / "project"
    folder.rename(moved)
    monkeypatch.chdir(moved)
    with pytest.raises(VlacError, match=r"made in another folder.*mv mlflow\.db"):
        rebuild()


def test_in_a_shared_store_the_runs_of_other_checkouts_are_left_alone(folder: Path, monkeypatch: Patch) -> None:
    monkeypatch.setenv("MLFLOW_TRACKING_URI", f"sqlite:///{folder}/mlflow.db")
    finish(JOB)
    for name in ("ada", "bob", "ada"):
        write_text(Path("logs/checkout.id"), name)
        rebuild()
        rebuild()
    opened = store.open_store()
    owners = [run.data.tags[store.CHECKOUT] for run in opened.client.search_runs([opened.experiment])]
    assert sorted(owners) == ["ada", "ada", "bob", "bob"]  # each with the run above it


def test_a_temporary_copy_of_dvc_shows_its_runs_in_the_project(folder: Path, monkeypatch: Patch) -> None:
    copy = folder / ".dvc/tmp/exps/standalone/tmpabc"
    copy.mkdir(parents=True)
    shutil.copy("params.yaml", copy)
    monkeypatch.chdir(copy)
    finish(JOB)
    assert rebuild() == done(1, 1)
    shutil.rmtree(copy)
    monkeypatch.chdir(folder)
    assert dump(folder)[NAME]["files"]["train/0.log"]


def test_processes_that_start_at_once_share_a_fresh_store(folder: Path) -> None:
    Path("mlflow.db").unlink()
    with SPAWN.Pool(2) as pool:
        assert not any(pool.starmap(train_in, [(folder, seed) for seed in range(2)], chunksize=1))
    assert [len(run["points"]["train/elbo"]) for run in dump(folder).values()] == [2] * 2


def test_a_logged_model_clusters_as_the_file_does(folder: Path) -> None:
    method = tiny_method("gmdgm")
    images = tiny_images(40)
    method.fit(images, 0, tiny_job(folder / "0.pt"))
    finish(JOB)
    save_method(JOB.output("model.pt"), method)
    made = Origin(params_hash(JOB, load_params()), hash_of_code(JOB, load_params()), {})
    write_manifest(JOB, made)
    rebuild()
    assert logged() == "Models logged: 1."
    assert logged() == "Models logged: 0."
    (run,) = runs()
    mlflow.set_tracking_uri(store.open_store().client.tracking_uri)
    loaded = mlflow.pyfunc.load_model(f"runs:/{run.info.run_id}/model")
    y = method.encode(images).y[3]
    assert (loaded.predict(images) == y).all()
    assert (loaded.predict(images, params={"rung": 3}) == y).all()
    with pytest.raises(ValueError, match="Rung 2 has no clusters; those that have: 3"):
        loaded.predict(images, params={"rung": 2})


def test_a_loaded_model_keeps_no_features_in_the_folder_of_its_user(folder: Path, monkeypatch: Patch) -> None:
    method = tiny_method("gmm")
    images = tiny_images(40)
    method.fit(images, 0, tiny_job(folder / "0.pt"))
    y = method.encode(images).y[1]
    monkeypatch.setattr("vlac.features.KEPT_FROM", 16)
    assert (models.Clusters(method).predict(images) == y).all()
    assert not Path("checkpoints").exists()


def test_a_damaged_model_is_left_out_until_it_is_mended(folder: Path) -> None:
    finish(JOB)
    weights, before = JOB.output("model.pt"), JOB.output("model.pt").read_bytes()
    rebuild()
    weights.write_bytes(before[:5])
    assert logged().startswith("Models logged: 0.\nLeft out: results/tiny/train/gmdgm/0/model.pt has changed")
    weights.unlink()
    assert "has changed" in logged()
    weights.write_bytes(before)
    assert logged() == "Models logged: 1."
