"""The MLflow view: equal whether logged live or rebuilt from the files, and true after kills, reruns and edits."""

import itertools
import multiprocessing
import os
import shutil
import signal
import sqlite3
import subprocess
from pathlib import Path

import pytest
from tracked import ONE_LAYER, elbo, finish, project, row, run_everything, shown

from vlac import tracking
from vlac.errors import VlacError
from vlac.params import load_params
from vlac.stages import STAGES, Job, jobs
from vlac.stages.view import fingerprint
from vlac.tracking import journal, store, sync
from vlac.tracking.content import finished_runs

pytest_plugins = ["tracking_fixtures"]


def test_the_live_view_equals_the_rebuilt_one_and_rebuilding_again_changes_nothing(view: store.Store) -> None:
    run_everything()
    live = shown(view)
    trained = {f"{model} seed {seed}" for model in ("vlac_1layer", "vlac_2layer", "gmdgm") for seed in (0, 1)}
    assert set(live) == trained | {"vlae seed 0", "probe", "table"}
    assert tracking.rebuild(load_params()).changed == 0
    for run in view.client.search_runs([view.experiment]):
        view.client.delete_run(run.info.run_id)
    assert tracking.rebuild(load_params()).changed == len(live)
    assert shown(view) == live
    assert tracking.rebuild(load_params()).changed == 0


def test_stages_that_leave_the_view_for_later_touch_no_store_and_it_is_made_of_the_files(
    folder: Path, made_store: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setenv("VLAC_TRACKING", "later")
    caplog.set_level("INFO")
    run_everything()
    with pytest.raises(VlacError, match="not finite"):
        interrupted(VlacError("the loss is not finite"), {0: [1]}, row(0, 2))
    assert not [path.name for path in folder.iterdir() if "mlflow" in path.name or path.name == "mlartifacts"]
    assert not Path("logs/tracking.lock").exists()
    assert not [record for record in caplog.records if record.levelname == "WARNING"]
    assert "`python -m vlac track` will" in caplog.text
    later = journal.read(ONE_LAYER)
    assert later is not None
    assert later.over

    shutil.copy(made_store, folder)
    made = tracking.rebuild(load_params())
    assert made.shown == made.changed == len(shown(store.open_store())) > 0
    assert {run["status"] for run in shown(store.open_store()).values()} == {"FINISHED"}


def test_a_misspelt_time_for_the_view_costs_one_warning(
    view: store.Store, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setenv("VLAC_TRACKING", "latre")
    run_everything()
    (warning,) = [record.getMessage() for record in caplog.records if record.levelname == "WARNING"]
    assert "VLAC_TRACKING is 'latre', and the only word that it takes is 'later'" in warning
    assert shown(view) == {}


def test_publishing_goes_on_with_the_run_that_was_logged_live(view: store.Store) -> None:
    with tracking.training(ONE_LAYER) as live:
        for seed, epoch in itertools.product((0, 1), (1, 2, 3)):
            live.log_epoch(row(seed, epoch))
    before = {run.info.run_id for run in view.client.search_runs([view.experiment])}
    finish(ONE_LAYER)
    tracking.publish(ONE_LAYER)
    assert {run.info.run_id for run in view.client.search_runs([view.experiment])} == before
    assert all("train/history.csv" in run["files"] for run in shown(view).values())


def test_the_git_commit_is_that_of_the_code_and_says_if_it_was_changed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def git(*arguments: str) -> str:
        identity = ["-c", "user.name=ada", "-c", "user.email=ada@example.org", "-c", "commit.gpgsign=false"]
        command = ["git", "-C", str(tmp_path), *identity, *arguments]
        return subprocess.run(command, check=True, capture_output=True, text=True).stdout.strip()

    (tmp_path / "vlac").mkdir()
    (tmp_path / "vlac" / "code.py").write_text("x = 1\n")
    monkeypatch.setattr(journal, "CODE_ROOT", tmp_path)
    assert journal.commit() is None
    git("init", "-q")
    git("add", ".")
    git("commit", "-q", "-m", "first")
    assert journal.commit() == git("rev-parse", "HEAD")
    (tmp_path / "params.yaml").write_text("parameters are no code")
    assert journal.commit() == git("rev-parse", "HEAD")
    (tmp_path / "vlac" / "code.py").write_text("x = 2\n")
    assert journal.commit() == git("rev-parse", "HEAD") + "-dirty"
    monkeypatch.setattr(journal, "CODE_ROOT", tmp_path / "vlac")  # the package inside another project's checkout
    assert journal.commit() is None


def test_a_run_shows_parameters_tags_metrics_and_files(view: store.Store) -> None:
    params = load_params()
    for job in jobs(params):
        if job.model in ("", "vlac_1layer"):
            finish(job)
    tracking.rebuild(params)
    runs = shown(view)
    run = runs["vlac_1layer seed 1"]
    assert run["status"] == "FINISHED"
    assert run["params"]["training.lr"] == str(params.training.lr)
    assert run["params"]["model.K"] == str(params.models["vlac_1layer"].K)
    assert run["params"]["seed"] == "1"
    expected = {"stage": "train", "model": "vlac_1layer", "seed": "1", "seeds": "0-1", "data": params.data.source}
    expected |= {"preset": params.preset, "params_hash": fingerprint(params, ONE_LAYER.params)}
    assert expected.items() <= run["tags"].items()
    assert run["points"]["elbo"] == [(1, -1000.33), (2, -500.333), (3, -333.667)]  # six digits, as in history.csv
    assert run["points"]["test.acc"] == [(0, 0.666667)]
    assert run["points"]["test.rung3.ink_hue.nmi"] == [(0, 0.333333)]
    assert {"train/history.csv", "train/0-1.log", "evaluate/scores.csv", "figures/curves.png"} <= set(run["files"])
    assert runs["vlae seed 0"]["points"]["probe.rung2.knn"] == [(0, 0.285714)]
    assert set(runs["table"]["files"]) == {"reports/table1.md", "reports/table1.csv"}


def test_a_training_from_scratch_replaces_the_former_one(view: store.Store) -> None:
    for last in (3, 1):
        with tracking.training(ONE_LAYER) as live:
            live.start(0)
            for epoch in range(1, last + 1):
                live.log_epoch(row(0, epoch))
    assert shown(view)["vlac_1layer seed 0"]["points"]["elbo"] == [(1, elbo(1))]


def interrupted(error: BaseException, seeds: dict[int, list[int]], log: dict[str, float] | None = None) -> None:
    """Train seeds that go on after the given epochs, log one more, and stop by the error."""
    with tracking.training(ONE_LAYER) as live:
        for seed, epochs in seeds.items():
            live.start(seed, [row(seed, epoch) for epoch in epochs])
        if log:
            live.log_epoch(log)
        raise error


def test_a_seed_is_finished_after_its_last_epoch_whatever_becomes_of_the_next(view: store.Store) -> None:
    with pytest.raises(VlacError, match="not finite"):
        interrupted(VlacError("the loss is not finite"), {0: [1, 2, 3], 1: []}, row(1, 1))
    runs = shown(view)
    assert runs["vlac_1layer seed 0"]["status"] == "FINISHED"
    assert runs["vlac_1layer seed 1"]["status"] == "FAILED"


def test_epochs_that_the_view_has_missed_are_filled_in_on_resuming(view: store.Store) -> None:
    with pytest.raises(KeyboardInterrupt):
        interrupted(KeyboardInterrupt(), {0: []}, row(0, 1))
    assert shown(view)["vlac_1layer seed 0"]["status"] == "KILLED"
    with pytest.raises(VlacError):
        interrupted(VlacError("the loss is not finite"), {0: [1, 2]})
    assert shown(view)["vlac_1layer seed 0"]["points"]["elbo"] == [(1, elbo(1)), (2, elbo(2))]


def train_until_killed(folder: Path, last: int) -> None:
    os.chdir(folder)
    with tracking.training(ONE_LAYER) as live:
        live.start(0)
        for epoch in range(1, last + 1):
            live.log_epoch(row(0, epoch))
        os.kill(os.getpid(), signal.SIGKILL)


def test_a_killed_training_is_found_out_and_resumes_without_a_step_twice(view: store.Store, folder: Path) -> None:
    project(folder, epochs=6)
    process = multiprocessing.get_context("spawn").Process(target=train_until_killed, args=(folder, 4))
    process.start()
    process.join()
    (run,) = view.client.search_runs([view.experiment])
    assert run.info.status == "RUNNING"
    assert tracking.rebuild(load_params()).killed == 1
    assert shown(view)["vlac_1layer seed 0"]["status"] == "KILLED"

    # The checkpoint is of epoch 2: epochs 3 and 4 come again, the same as before.
    with tracking.training(ONE_LAYER) as live:
        live.start(0, [row(0, 1), row(0, 2)])
        assert shown(view)["vlac_1layer seed 0"]["status"] == "RUNNING"
        for epoch in (3, 4, 5):
            live.log_epoch(row(0, epoch))
    resumed = shown(view)["vlac_1layer seed 0"]
    assert resumed["status"] == "FINISHED"
    assert resumed["points"]["elbo"] == [(epoch, float(f"{elbo(epoch):.6g}")) for epoch in (1, 2, 3, 4, 5)]
    assert [run.info.run_id] == [each.info.run_id for each in view.client.search_runs([view.experiment])]

    # Epoch 3 comes out otherwise, as it may on a GPU: the run then shows the new course alone.
    with tracking.training(ONE_LAYER) as live:
        live.start(0, [row(0, 1), row(0, 2)])
        live.log_epoch(row(0, 3) | {"elbo": -1.0})
    assert shown(view)["vlac_1layer seed 0"]["points"]["elbo"] == [(1, elbo(1)), (2, elbo(2)), (3, -1.0)]


def test_what_an_interrupted_call_holds_does_not_keep_the_end_from_the_store(
    view: store.Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    """SQLAlchemy's transaction stays open as long as the traceback of the interruption has its frames."""

    def write(*arguments: object, **named: object) -> None:
        connection = sqlite3.connect("mlflow.db", isolation_level=None)
        connection.execute("begin immediate")
        raise KeyboardInterrupt

    def train() -> None:
        with tracking.training(ONE_LAYER) as training:
            training.start(0)
            monkeypatch.setattr(view.client.__class__, "log_batch", write)
            training.log_epoch(row(0, 1))

    with pytest.raises(KeyboardInterrupt):
        train()
    assert {run["status"] for run in shown(view).values()} == {"KILLED"}


def test_scores_of_a_model_that_was_trained_again_since_are_not_shown(view: store.Store) -> None:
    scored = Job(STAGES["evaluate"], model="vlac_1layer", seeds="0-1")
    finish(ONE_LAYER)
    finish(scored)
    tracking.publish(scored)
    assert "test.acc" in shown(view)["vlac_1layer seed 0"]["points"]
    finish(ONE_LAYER, weights="other weights")
    tracking.publish(ONE_LAYER)
    assert "test.acc" not in shown(view)["vlac_1layer seed 0"]["points"]


def test_results_edited_by_hand_and_those_of_other_parameters_are_left_out(view: store.Store, folder: Path) -> None:
    finish(ONE_LAYER)
    history = ONE_LAYER.outputs[1]
    history.write_text(history.read_text().replace("-1000", "-10"))
    rebuilt = tracking.rebuild(load_params())
    assert rebuilt.shown == 0
    assert "history.csv has changed since" in rebuilt.left_out[0]
    finish(ONE_LAYER)
    project(folder, epochs=4)
    assert tracking.rebuild(load_params()) == type(rebuilt)(0, 0, 0, ())


def test_in_a_shared_store_the_runs_of_others_are_left_alone(view: store.Store) -> None:
    finish(ONE_LAYER)
    (content, _) = finished_runs(ONE_LAYER, load_params())
    for user in ("ada", "bob", "ada"):
        sync.show(store.Store(view.client, view.experiment, user, shared=True), content)
    users = [run.data.tags["mlflow.user"] for run in view.client.search_runs([view.experiment])]
    assert sorted(users) == ["ada", "bob"]
