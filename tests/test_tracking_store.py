"""The MLflow store: many processes may start it at once, and where it fails a stage goes on with one warning."""

import multiprocessing
import os
import sqlite3
import sys
from pathlib import Path

import pytest
from loopback import says, serving
from tracked import ONE_LAYER, finish, project, row, shown

from vlac import tracking
from vlac.errors import VlacError
from vlac.params import load_params
from vlac.stages import STAGES, Job
from vlac.tracking import guard, store

pytest_plugins = ["tracking_fixtures"]


def train_and_publish() -> None:
    with tracking.training(ONE_LAYER) as live:
        live.start(0)
        live.log_epoch(row(0, 1))
    finish(ONE_LAYER)
    tracking.publish(ONE_LAYER)


def break_store(how: str, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    match how:
        case "unreachable":
            monkeypatch.setenv("MLFLOW_TRACKING_URI", "http://ada:secret@127.0.0.1:9")
        case "not installed":
            monkeypatch.setitem(sys.modules, "mlflow", None)
        case "damaged":
            (folder / "mlflow.db").write_bytes(b"no database" * 1000)
        case "a folder":
            (folder / "mlflow.db").mkdir()
        case "of an unknown kind":
            monkeypatch.setenv("MLFLOW_TRACKING_URI", "ftp://somewhere")
        case "a folder of files":
            monkeypatch.setenv("MLFLOW_TRACKING_URI", "./mlruns")


WAYS = ("unreachable", "not installed", "damaged", "a folder", "of an unknown kind", "a folder of files")


@pytest.mark.parametrize("how", WAYS)
def test_a_store_that_cannot_be_used_costs_one_warning(
    how: str,
    folder: Path,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
    capfd: pytest.CaptureFixture,
) -> None:
    break_store(how, folder, monkeypatch)
    train_and_publish()
    (warning,) = [record.getMessage() for record in caplog.records if record.levelname == "WARNING"]
    assert warning.startswith("MLflow does not show this run: ")
    assert "python -m vlac track" in warning
    assert "\n" not in warning
    assert "secret" not in warning
    assert len(warning) < 300
    printed = capfd.readouterr()
    assert printed.out == ""
    assert "Traceback" not in printed.err
    with pytest.raises(VlacError):
        tracking.rebuild(load_params())


def test_a_locked_store_costs_one_warning_and_the_view_can_be_rebuilt(
    view: store.Store, folder: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(store, "BUSY", 0.1)
    other = sqlite3.connect(folder / "mlflow.db", isolation_level=None)
    other.execute("begin exclusive")
    train_and_publish()
    (warning,) = [record.getMessage() for record in caplog.records if record.levelname == "WARNING"]
    assert "database is locked" in warning
    other.close()
    assert tracking.rebuild(load_params()).changed == 2


def test_a_damaged_store_is_made_anew_once_it_is_moved_away_as_the_error_says(folder: Path) -> None:
    (folder / "mlflow.db").write_bytes(b"no database" * 1000)
    train_and_publish()
    with pytest.raises(VlacError, match=r"store mlflow\.db cannot be used .* to move it away: .* then makes it"):
        tracking.rebuild(load_params())
    (folder / "mlflow.db").rename(folder / "away")
    assert tracking.rebuild(load_params()).changed == 2


def test_what_is_behind_an_error_is_said_in_few_words(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with serving({}, says(500)) as server:
        monkeypatch.setenv("MLFLOW_TRACKING_URI", server.url)
        with pytest.raises(Exception, match="failed with exception") as caught:
            store.open_store()
        assert guard.why(caught.value) == f"{server.url} answers with errors (too many 500 error responses)"
    assert guard.why(ValueError("One thing. Another thing.\nMore.")) == "One thing"
    assert guard.why(ValueError("word " * 50)) == "word " * 40 + " ..."


def test_runs_of_a_moved_project_keep_their_artifacts(
    view: store.Store, folder: Path, monkeypatch: pytest.MonkeyPatch, tmp_path_factory: pytest.TempPathFactory
) -> None:
    finish(ONE_LAYER)
    tracking.publish(ONE_LAYER)
    moved = tmp_path_factory.mktemp("a b%20") / "project"
    folder.rename(moved)
    monkeypatch.chdir(moved)
    assert tracking.rebuild(load_params()).changed == 0
    after = store.open_store()
    for run in after.client.search_runs([after.experiment]):
        assert [each.path for each in after.client.list_artifacts(run.info.run_id)] == ["train"]
        assert run.info.artifact_uri.startswith((moved / "mlartifacts").as_uri())
        local = Path(after.client.download_artifacts(run.info.run_id, "train/history.csv"))
        assert local.read_bytes() == ONE_LAYER.outputs[1].read_bytes()


def train_in(folder: Path, seed: int) -> None:
    os.chdir(folder)
    with tracking.training(Job(STAGES["train"], model="vlac_1layer", seeds=str(seed))) as live:
        live.start(seed)
        for epoch in (1, 2, 3):
            live.log_epoch(row(seed, epoch))
    raise SystemExit(3 if guard._warned else 0)


@pytest.mark.parametrize("number", [4, pytest.param(8, marks=pytest.mark.slow)])
def test_processes_that_start_at_once_share_a_fresh_store(folder: Path, number: int) -> None:
    project(folder, seeds=tuple(range(number)))
    spawn = multiprocessing.get_context("spawn")
    processes = [spawn.Process(target=train_in, args=(folder, seed)) for seed in range(number)]
    for process in processes:
        process.start()
    for process in processes:
        process.join()
    assert [process.exitcode for process in processes] == [0] * number
    runs = shown(store.open_store())
    assert set(runs) == {f"vlac_1layer seed {seed}" for seed in range(number)}
    for run in runs.values():
        assert run["status"] == "FINISHED"
        assert [step for step, _ in run["points"]["elbo"]] == [1, 2, 3]
