"""The MLflow view: equal whether logged live or rebuilt from the files, safe to share, and never in the way."""

import multiprocessing
import os
import shutil
import signal
import sqlite3
import sys
from pathlib import Path

import pandas as pd
import pytest
import yaml

from vlac import tracking
from vlac.errors import VlacError
from vlac.files import sha256, write_csv, write_json
from vlac.params import load_params
from vlac.stages import STAGES, Job, jobs
from vlac.stages.view import fingerprint
from vlac.tracking import guard, store, sync
from vlac.tracking.content import finished_runs

PARAMS = Path(__file__).parents[1] / "params.yaml"
ONE_LAYER = Job(STAGES["train"], model="vlac_1layer", seeds="0-1")


def row(seed: int, epoch: int) -> dict[str, float]:
    return {
        "seed": seed,
        "epoch": epoch,
        "elbo": -1000 / epoch - seed / 3,
        "kl_z_3": 1e-7 * epoch,
        "clusters_in_use_3": 50,
    }


def project(folder: Path, seeds: tuple[str | int, ...] = ("0-1",), epochs: int = 3) -> Path:
    """Give the folder the shipped parameters, but for seeds and epochs."""
    values = load_params(PARAMS).model_dump(mode="json")
    values["seeds"], values["probe"]["seeds"], values["training"]["epochs"] = list(seeds), [0], epochs
    (folder / "params.yaml").write_text(yaml.safe_dump(values))
    return folder


@pytest.fixture(scope="session")
def made_store(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A fresh sqlite store: MLflow takes seconds to make one, so the tests copy it."""
    folder = project(tmp_path_factory.mktemp("store"))
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        patch.delenv("MLFLOW_TRACKING_URI", raising=False)
        store.open_store()
    return folder / "mlflow.db"


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A project without results, as working folder, and no warning given yet."""
    monkeypatch.chdir(project(tmp_path))
    for name in ("MLFLOW_TRACKING_URI", "MLFLOW_EXPERIMENT_NAME"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setattr(guard, "_warned", False)
    return tmp_path


@pytest.fixture
def view(folder: Path, made_store: Path) -> store.Store:
    shutil.copy(made_store, folder)
    return store.open_store()


def finish(job: Job, tables: dict[str, pd.DataFrame]) -> None:
    """Make a job's outputs, those in `tables` as given, and its manifest."""
    job.log.parent.mkdir(parents=True, exist_ok=True)
    job.log.write_text(f"log of {job}\n")
    for path in job.outputs:
        path.parent.mkdir(parents=True, exist_ok=True)
        if path.name in tables:
            write_csv(path, tables[path.name])
        elif path != job.manifest:
            path.write_text(f"{path} of {job}")
    made = {path.as_posix(): sha256(path) for path in job.outputs if path != job.manifest}
    inputs = {path.as_posix(): sha256(path) for path in job.inputs(load_params()) if path.suffix == ".pt"}
    if job.manifest:
        signed = fingerprint(load_params(), job.params)
        write_json(job.manifest, {"job": str(job), "params": signed, "code": "", "inputs": inputs, "outputs": made})


def tables(job: Job) -> dict[str, pd.DataFrame]:
    seeds = [0, 1] if job.seeds == "0-1" else [0]
    if job.stage.name.startswith("train"):
        return {"history.csv": pd.DataFrame([row(seed, epoch) for epoch in (1, 2, 3) for seed in seeds])}
    if job.stage.name == "probe":
        return {"scores.csv": pd.DataFrame([{"seed": 0, "rung": rung, "knn": rung / 7} for rung in (1, 2)])}
    factor = {"rung": 3, "factor": "ink_hue", "measure": "nmi", "value": 1 / 3}
    return {
        "scores.csv": pd.DataFrame([{"seed": seed, "rung": 3, "acc": 2 / 3, "images": 4000} for seed in seeds]),
        "factors.csv": pd.DataFrame([{"seed": seed, **factor} for seed in seeds]),
    }


def run_everything() -> None:
    """Go through the pipeline as the stages do: trainings live, then the files, then `publish`."""
    for job in jobs(load_params()):
        if job.stage.name.startswith("train"):
            with tracking.training(job) as live:
                for each in tables(job)["history.csv"].to_dict("records"):
                    live.log_epoch(each)
        finish(job, tables(job))
        tracking.publish(job)


def shown(view: store.Store) -> dict[str, object]:
    """Return all that the view shows, by run name, times and ids aside."""
    runs = {}
    for run in view.client.search_runs([view.experiment]):
        histories = {name: view.client.get_metric_history(run.info.run_id, name) for name in run.data.metrics}
        points = {name: [(point.step, point.value) for point in history] for name, history in histories.items()}
        root = Path(run.info.artifact_uri.removeprefix("file://"))
        files = {path.relative_to(root).as_posix(): path.read_bytes() for path in root.rglob("*") if path.is_file()}
        assert run.info.run_name not in runs
        runs[run.info.run_name] = (run.info.status, run.data.params, run.data.tags, points, files)
    return runs


def test_the_live_view_equals_the_rebuilt_one_and_rebuilding_again_changes_nothing(view: store.Store) -> None:
    run_everything()
    live = shown(view)
    assert set(live) == {f"{m} seed {s}" for m in ("vlac_1layer", "vlac_2layer", "gmdgm") for s in (0, 1)} | {
        "vlae seed 0",
        "probe",
        "table",
    }
    assert tracking.rebuild(load_params()).changed == 0
    for run in view.client.search_runs([view.experiment]):
        view.client.delete_run(run.info.run_id)
    assert tracking.rebuild(load_params()).changed == len(live)
    assert shown(view) == live
    assert tracking.rebuild(load_params()).changed == 0

    status, params, tags, points, files = live["vlac_1layer seed 1"]
    assert status == "FINISHED"
    given = load_params()
    assert params["training.lr"] == str(given.training.lr) and params["seed"] == "1"
    assert params["model.K"] == str(given.models["vlac_1layer"].K)
    assert {name: tags[name] for name in ("stage", "model", "seed", "data", "preset")} == {
        "stage": "train",
        "model": "vlac_1layer",
        "seed": "1",
        "data": given.data.source,
        "preset": given.preset,
    }
    assert tags["params_hash"] == fingerprint(given, ONE_LAYER.params)
    assert points["elbo"] == [(1, -1000.33), (2, -500.333), (3, -333.667)]  # six digits, as in history.csv
    assert points["test.acc"] == [(0, 0.666667)] and points["test.rung3.ink_hue.nmi"] == [(0, 0.333333)]
    assert {"train/history.csv", "train/0-1.log", "evaluate/scores.csv", "figures/manipulation.png"} <= set(files)
    assert live["vlae seed 0"][3]["probe.rung2.knn"] == [(0, 0.285714)]
    assert "reports/table1.md" in live["table"][4]


def test_a_training_from_scratch_replaces_the_former_one(view: store.Store) -> None:
    for last in (3, 1):
        with tracking.training(ONE_LAYER) as live:
            live.start(0)
            for epoch in range(1, last + 1):
                live.log_epoch(row(0, epoch))
    assert [step for step, _ in shown(view)["vlac_1layer seed 0"][3]["elbo"]] == [1]


def train_until_killed(folder: Path, last: int) -> None:
    os.chdir(folder)
    with tracking.training(ONE_LAYER) as live:
        live.start(0)
        for epoch in range(1, last + 1):
            live.log_epoch(row(0, epoch))
        os.kill(os.getpid(), signal.SIGKILL)


def test_a_killed_training_is_found_out_and_resumes_without_a_step_twice(view: store.Store, folder: Path) -> None:
    process = multiprocessing.get_context("spawn").Process(target=train_until_killed, args=(folder, 4))
    process.start()
    process.join()
    (run,) = view.client.search_runs([view.experiment])
    assert run.info.status == "RUNNING"
    assert tracking.rebuild(load_params()).killed == 1
    assert shown(view)["vlac_1layer seed 0"][0] == "KILLED"

    # The checkpoint is of epoch 2: epochs 3 and 4 come again, the same as before.
    with tracking.training(ONE_LAYER) as live:
        live.start(0, [row(0, 1), row(0, 2)])
        assert shown(view)["vlac_1layer seed 0"][0] == "RUNNING"
        for epoch in (3, 4, 5):
            live.log_epoch(row(0, epoch))
    expected = [(epoch, float(f"{row(0, epoch)['elbo']:.6g}")) for epoch in range(1, 6)]
    status, _, _, points, _ = shown(view)["vlac_1layer seed 0"]
    assert (status, points["elbo"]) == ("FINISHED", expected)
    assert [run.info.run_id] == [each.info.run_id for each in view.client.search_runs([view.experiment])]

    # Epoch 3 comes out otherwise, as it may on a GPU: the run then shows the new course alone.
    with tracking.training(ONE_LAYER) as live:
        live.start(0, [row(0, 1), row(0, 2)])
        live.log_epoch(row(0, 3) | {"elbo": -1.0})
    assert shown(view)["vlac_1layer seed 0"][3]["elbo"] == [*expected[:2], (3, -1.0)]


def test_epochs_that_the_view_has_missed_are_filled_in_on_resuming(view: store.Store) -> None:
    with pytest.raises(KeyboardInterrupt), tracking.training(ONE_LAYER) as live:
        live.log_epoch(row(0, 1))
        raise KeyboardInterrupt
    assert shown(view)["vlac_1layer seed 0"][0] == "KILLED"
    with pytest.raises(VlacError), tracking.training(ONE_LAYER) as live:
        live.start(0, [row(0, 1), row(0, 2), row(0, 3)])
        raise VlacError("the loss is not finite")
    status, _, _, points, _ = shown(view)["vlac_1layer seed 0"]
    assert status == "FAILED" and [step for step, _ in points["elbo"]] == [1, 2, 3]


def test_scores_of_a_model_that_was_trained_again_since_are_not_shown(view: store.Store) -> None:
    scored = Job(STAGES["evaluate"], model="vlac_1layer", seeds="0-1")
    finish(ONE_LAYER, tables(ONE_LAYER))
    finish(scored, tables(scored))
    tracking.publish(scored)
    assert "test.acc" in shown(view)["vlac_1layer seed 0"][3]
    model, history, _ = ONE_LAYER.outputs
    finish(ONE_LAYER, tables(ONE_LAYER))
    manifest = pd.read_json(ONE_LAYER.manifest, typ="series")
    model.write_text("trained again")
    write_json(ONE_LAYER.manifest, manifest.to_dict() | {"outputs": {str(p): sha256(p) for p in (model, history)}})
    tracking.publish(ONE_LAYER)
    assert "test.acc" not in shown(view)["vlac_1layer seed 0"][3]


def test_results_edited_by_hand_and_those_of_other_parameters_are_left_out(view: store.Store, folder: Path) -> None:
    finish(ONE_LAYER, tables(ONE_LAYER))
    history = ONE_LAYER.outputs[1]
    history.write_text(history.read_text().replace("-1000", "-10"))
    rebuilt = tracking.rebuild(load_params())
    assert rebuilt.shown == 0 and "history.csv has changed since" in rebuilt.left_out[0]
    finish(ONE_LAYER, tables(ONE_LAYER))
    project(folder, epochs=4)
    assert tracking.rebuild(load_params()) == type(rebuilt)(0, 0, 0, ())


def test_on_a_server_the_runs_of_others_are_left_alone(view: store.Store) -> None:
    finish(ONE_LAYER, tables(ONE_LAYER))
    (content, _) = finished_runs(ONE_LAYER, load_params())
    for user in ("ada", "bob", "ada"):
        sync.show(store.Store(view.client, view.experiment, user, shared=True), content)
    users = [run.data.tags["mlflow.user"] for run in view.client.search_runs([view.experiment])]
    assert sorted(users) == ["ada", "bob"]


def test_runs_of_a_moved_project_keep_their_artifacts(
    view: store.Store, folder: Path, monkeypatch, tmp_path_factory
) -> None:
    finish(ONE_LAYER, tables(ONE_LAYER))
    tracking.publish(ONE_LAYER)
    moved = tmp_path_factory.mktemp("a b%20") / "project"
    folder.rename(moved)
    monkeypatch.chdir(moved)
    assert tracking.rebuild(load_params()).changed == 0
    after = store.open_store()
    for run in after.client.search_runs([after.experiment]):
        assert [each.path for each in after.client.list_artifacts(run.info.run_id)] == ["train"]
        local = after.client.download_artifacts(run.info.run_id, "train/history.csv")
        assert Path(local).read_bytes() == ONE_LAYER.outputs[1].read_bytes()


def train_and_publish() -> None:
    with tracking.training(ONE_LAYER) as live:
        live.start(0)
        live.log_epoch(row(0, 1))
    finish(ONE_LAYER, tables(ONE_LAYER))
    tracking.publish(ONE_LAYER)


def break_store(how: str, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    database = folder / "mlflow.db"
    match how:
        case "unreachable":
            monkeypatch.setenv("MLFLOW_TRACKING_URI", "http://ada:secret@127.0.0.1:9")
        case "not installed":
            monkeypatch.setitem(sys.modules, "mlflow", None)
        case "damaged":
            database.write_bytes(b"no database" * 1000)
        case "folder":
            database.mkdir()
        case "unknown kind":
            monkeypatch.setenv("MLFLOW_TRACKING_URI", "ftp://somewhere")
        case "file store":
            monkeypatch.setenv("MLFLOW_TRACKING_URI", "./mlruns")


@pytest.mark.parametrize("how", ["unreachable", "not installed", "damaged", "folder", "unknown kind", "file store"])
def test_a_store_that_cannot_be_used_costs_one_warning(how: str, folder: Path, monkeypatch, caplog, capfd) -> None:
    break_store(how, folder, monkeypatch)
    train_and_publish()
    warnings = [record.getMessage() for record in caplog.records if record.levelname == "WARNING"]
    assert len(warnings) == 1
    assert "python -m vlac track" in warnings[0] and "\n" not in warnings[0] and "secret" not in warnings[0]
    assert len(warnings[0]) < 300
    printed = capfd.readouterr()
    assert "Traceback" not in printed.err and printed.out == ""
    with pytest.raises(VlacError):
        tracking.rebuild(load_params())


def test_a_locked_store_costs_one_warning_and_the_view_can_be_rebuilt(view, folder, monkeypatch, caplog) -> None:
    monkeypatch.setattr(store, "BUSY", 0.1)
    other = sqlite3.connect(folder / "mlflow.db", isolation_level=None)
    other.execute("begin exclusive")
    train_and_publish()
    assert [record.levelname for record in caplog.records if record.levelno > 10] == ["WARNING"]
    assert "locked" in caplog.text
    other.close()
    assert tracking.rebuild(load_params()).changed == 2


def start_in(folder: Path, seed: int) -> None:
    os.chdir(folder)
    job = Job(STAGES["train"], model="vlac_1layer", seeds=str(seed))
    with tracking.training(job) as live:
        live.start(seed)
        for epoch in (1, 2, 3):
            live.log_epoch(row(seed, epoch))
    raise SystemExit(3 if guard._warned else 0)


@pytest.mark.parametrize("number", [4, pytest.param(8, marks=pytest.mark.slow)])
def test_processes_that_start_at_once_share_a_fresh_store(folder: Path, number: int) -> None:
    project(folder, seeds=tuple(range(number)))
    spawn = multiprocessing.get_context("spawn")
    processes = [spawn.Process(target=start_in, args=(folder, seed)) for seed in range(number)]
    for process in processes:
        process.start()
    for process in processes:
        process.join()
    assert [process.exitcode for process in processes] == [0] * number
    runs = shown(store.open_store())
    assert set(runs) == {f"vlac_1layer seed {seed}" for seed in range(number)}
    for status, _, _, points, _ in runs.values():
        assert status == "FINISHED" and [step for step, _ in points["elbo"]] == [1, 2, 3]
