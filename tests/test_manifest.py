"""A manifest says what its job was made from when it began; what comes after it loses no work."""

import json
import shutil
from pathlib import Path

import pytest
from tiny import tiny_project

from vlac import cli, tracking
from vlac.errors import VlacError
from vlac.files import copy_file
from vlac.params.load import load_params
from vlac.pipeline.seconds import note_seconds, seconds_of
from vlac.stages import STAGES, Job, run_stage
from vlac.stages.definitions import CODE_ROOT, code_files
from vlac.stages.manifest import read_manifest
from vlac.stages.search import SEARCH_STAGES
from vlac.stages.stale import why_stale
from vlac.training.step import Step

TRAIN = Job(STAGES["train"], model="vlac", seeds="2")


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tiny_project(tmp_path))


def written() -> None:
    for path in TRAIN.outputs[:-1]:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text("made")


def test_an_input_that_changes_while_the_job_runs_makes_its_result_stale(project: None) -> None:
    def work(params: object) -> None:
        written()
        with Path("data/train.npz").open("ab") as file:
            file.write(b"more")

    run_stage(TRAIN, work)
    assert why_stale(TRAIN, load_params()) == "its input data/train.npz has changed since"


def test_code_that_changes_while_the_job_runs_makes_its_result_stale(
    project: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    for file in code_files(TRAIN.stage):
        copy_file(CODE_ROOT / file, Path("code") / file)
    monkeypatch.setattr("vlac.stages.manifest.CODE_ROOT", Path("code"))
    module = Path("code/vlac/models/objective.py")

    def work(params: object) -> None:
        written()
        module.write_text(module.read_text() + "# another objective\n")

    run_stage(TRAIN, work)
    assert why_stale(TRAIN, load_params()) == "its code has changed"
    run_stage(TRAIN, lambda params: written())
    assert why_stale(TRAIN, load_params()) is None


def test_a_manifest_with_what_only_python_takes_for_json_is_damaged(project: None) -> None:
    run_stage(TRAIN, lambda params: written())
    content = json.loads(TRAIN.manifest.read_text())
    TRAIN.manifest.write_text(json.dumps(content | {"inputs": {"data/train.npz": float("nan")}}))
    with pytest.raises(VlacError, match=r"manifest\.json is damaged"):
        read_manifest(TRAIN)
    assert str(why_stale(TRAIN, load_params())).endswith("manifest.json is damaged")


def test_interrupted_while_it_publishes_a_training_keeps_its_epochs_though_the_engine_deletes_its_results(
    project: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("VLAC_TRACKING", "later")
    monkeypatch.setattr(cli, "_log_to_console", lambda: None)
    command = ["train", "--model", "vlac", "--seeds", "2"]

    def interrupted(job: Job) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(tracking, "publish", interrupted)
        assert cli.main(command) == 130
    model = TRAIN.outputs[0].read_bytes()
    shutil.rmtree(TRAIN.manifest.parent)
    with monkeypatch.context() as patch:
        patch.setattr(Step, "begin", None)  # whoever trains an epoch fails
        assert cli.main(command) == 0
    assert TRAIN.outputs[0].read_bytes() == model
    assert list(Path("checkpoints").rglob("*.pt")) == []


def test_seconds_that_cannot_be_kept_cost_a_warning(project: None, caplog: pytest.LogCaptureFixture) -> None:
    job = Job(SEARCH_STAGES["trial"], model="faster", seeds="0")
    job.log.parent.parent.mkdir(parents=True, exist_ok=True)
    job.log.parent.write_text("in the way")
    note_seconds(job, 3.0)
    assert seconds_of(job) is None
    assert "will not have this trial's seconds" in caplog.text
