"""One job: its manifest and log, what it refuses and when it is stale; what a refusal says to run mends it."""

import json
import logging
import re
from collections.abc import Callable
from pathlib import Path

import pytest
from made_up import job_of, make, make_all, tiny_params, write_outputs
from project import Project

from vlac.errors import VlacError
from vlac.params.schema import Params
from vlac.workflow import depends
from vlac.workflow.jobs import jobs
from vlac.workflow.manifest import read_manifest
from vlac.workflow.stale import ENDS, refuse_stale_results, why_stale

log = logging.getLogger("vlac.test")


@pytest.fixture
def params(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture) -> Params:
    caplog.set_level(logging.INFO, "vlac")
    monkeypatch.chdir(tmp_path)
    return tiny_params(tmp_path)


@pytest.fixture
def made(params: Params) -> Params:
    make_all(params)
    return params


def never(*_: object) -> None:
    pytest.fail("the job was run")


def cut(path: Path) -> None:
    path.write_bytes(path.read_bytes()[:-1])


def flip(path: Path) -> None:
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 1
    path.write_bytes(content)


def test_a_job_that_is_up_to_date_is_left_alone_and_shown_again(made: Params) -> None:
    shown = []
    make(job_of(made, "table"), made, never, lambda: shown.append(1))
    assert shown == [1]


def test_an_input_that_changes_while_the_job_runs_makes_its_result_stale(made: Params) -> None:
    job, data = job_of(made, "train gmdgm 0"), Path("data/tiny/train.npz")

    def work(*_: object) -> None:
        write_outputs(job)
        data.write_text("other")

    job.manifest.unlink()
    make(job, made, work)
    assert why_stale(job, made) == f"its input {data} has changed since"


def test_a_missing_input_is_named_with_the_command_that_makes_it(params: Params) -> None:
    said = r"data/tiny/source\.json is missing\..*`snakemake --cores 4 results/tiny/prepare/manifest\.json`"
    with pytest.raises(VlacError, match=said):
        make(job_of(params, "prepare"), params, never)


@pytest.mark.parametrize("harm", [cut, flip])
def test_a_damaged_input_is_refused_and_named_in_the_log(harm: Callable[[Path], None], made: Params) -> None:
    model, manifest = (Path(f"results/tiny/train/gmdgm/0/{name}") for name in ("model.pt", "manifest.json"))
    harm(model)
    evaluate = job_of(made, "evaluate gmdgm 0")
    evaluate.manifest.unlink()
    with pytest.raises(VlacError, match=f"{model}.* is not what train gmdgm 0 wrote.*`rm {manifest}`"):
        make(evaluate, made, never)
    assert f"error: {model}, which" in evaluate.log.read_text()
    manifest.unlink()
    make(job_of(made, "train gmdgm 0"), made)
    make(evaluate, made)


@pytest.mark.parametrize(
    "harm",
    [
        cut,
        flip,
        lambda path: path.write_bytes(b""),
        lambda path: path.write_text("[]"),
        lambda path: path.write_text('{"outputs": {}}'),
        lambda path: path.write_text(json.dumps(json.loads(path.read_text()) | {"inputs": {"a": float("nan")}})),
        lambda path: path.write_text("[" * 99_999),
    ],
)
def test_a_damaged_manifest_is_named(harm: Callable[[Path], object], made: Params) -> None:
    job = job_of(made, "prepare")
    harm(job.manifest)
    assert why_stale(job, made) == f"{job.manifest} is damaged"
    with pytest.raises(VlacError, match=rf"{job.manifest} is damaged.*`rm {job.manifest}`"):
        read_manifest(job.manifest)


def test_the_table_is_refused_after_any_edit_of_what_it_rests_on(made: Params) -> None:
    refuse_stale_results(made)
    last_of_each_stage = {job.stage.name: job for job in jobs(made)}
    for job in (job for stage, job in last_of_each_stage.items() if stage not in ENDS):
        for path in job.outputs:
            before = path.read_bytes()
            for edit in (Path.unlink, cut):
                edit(path)
                with pytest.raises(VlacError, match=f"[( ]{job}: .*`snakemake --cores 4 reports/table1.md`"):
                    refuse_stale_results(made)
                path.write_bytes(before)
    other = made.model_copy(update={"evaluation": made.evaluation.model_copy(update={"neighbours": 9})})
    with pytest.raises(VlacError, match="probe 0: its parameters have changed"):
        refuse_stale_results(other)


def test_the_table_is_refused_after_a_change_of_code(made: Params, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(depends, "code_hash", lambda *modules, without: "other")
    with pytest.raises(VlacError, match="download: its code has changed"):
        refuse_stale_results(made)


def test_the_commands_that_a_refusal_prints_mend_it(tmp_path: Path) -> None:
    project = Project.make(tmp_path).with_one_seed("gmdgm")
    project.repro()
    table = (tmp_path / "reports/table1.md").read_bytes()
    trained = tmp_path / "results/tiny/train/gmdgm/0"
    for engine in ("snakemake", "dvc"):
        (trained / "history.csv").unlink()
        (tmp_path / "results/tiny/table/manifest.json").unlink()
        said = project.run("python", "-m", "vlac", "table", fails=True)
        assert "train gmdgm 0: its output results/tiny/train/gmdgm/0/history.csv is missing" in said
        (command,) = [each for each in re.findall(r"`([^`]+)`", said) if each.startswith(engine)]
        project.run(*command.split())
        assert (trained / "history.csv").exists()
        assert (tmp_path / "reports/table1.md").read_bytes() == table


@pytest.mark.parametrize(
    ("error", "line", "traced"),
    [
        (KeyboardInterrupt(), "interrupted\n", False),
        (VlacError("It is damaged.", "Delete it."), "error: It is damaged. Delete it.\n", False),
        (ZeroDivisionError("a bug"), "error: a bug\n", True),
    ],
)
def test_the_log_has_what_was_said_and_why_a_job_ended(
    error: BaseException, line: str, traced: bool, params: Params
) -> None:
    job = job_of(params, "download")

    def work(*_: object) -> None:
        log.info("begun")
        raise error

    with pytest.raises(type(error)):
        make(job, params, work)
    assert job.log.read_text().startswith(f"begun\n{line}")
    assert ("Traceback" in job.log.read_text()) == traced
    assert not job.manifest.exists()


def test_a_log_that_cannot_be_written_costs_one_warning(
    params: Params, caplog: pytest.LogCaptureFixture, capfd: pytest.CaptureFixture[str]
) -> None:
    job = job_of(params, "download")
    job.log.parent.mkdir(parents=True)
    job.log.symlink_to("/dev/full")

    def work(*_: object) -> None:
        log.info("begun")
        log.info("going on")
        write_outputs(job)

    make(job, params, work)
    assert job.manifest.exists()
    (warning,) = [record.getMessage() for record in caplog.records if record.levelno == logging.WARNING]
    assert warning.startswith("logs/tiny/download.log could not be written: the disk is full.")
    assert "Traceback" not in capfd.readouterr().err
