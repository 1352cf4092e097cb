"""The log of a job: no result depends on it, so a disk that does not take it stops nothing."""

import logging
from pathlib import Path

import pytest
from tiny import tiny_project

from vlac.files import write_json
from vlac.stages import STAGES, Job, run_stage

JOB = Job(STAGES["download"])
log = logging.getLogger("vlac.test")


def work(params: object) -> None:
    log.info("begun")
    log.info("going on")
    write_json(Path("data/source.json"), {})


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture) -> Path:
    monkeypatch.chdir(tiny_project(tmp_path))
    caplog.set_level(logging.INFO, "vlac")
    return tmp_path


def test_a_log_has_what_the_job_said(folder: Path) -> None:
    run_stage(JOB, work)
    assert JOB.log.read_text() == "begun\ngoing on\n"


def test_a_full_disk_costs_one_warning_and_no_traceback(
    folder: Path, caplog: pytest.LogCaptureFixture, capfd: pytest.CaptureFixture[str]
) -> None:
    if not Path("/dev/full").exists():
        pytest.skip("needs /dev/full")
    (folder / "logs").mkdir()
    JOB.log.symlink_to("/dev/full")
    run_stage(JOB, work)
    assert JOB.manifest.exists()
    (warning,) = [record.getMessage() for record in caplog.records if record.levelno == logging.WARNING]
    assert warning.startswith("logs/download.log could not be written: the disk is full. No result is lost")
    assert "Traceback" not in capfd.readouterr().err


def test_a_folder_that_takes_no_logs_costs_warnings_alone(folder: Path, caplog: pytest.LogCaptureFixture) -> None:
    (folder / "logs").touch()
    run_stage(JOB, work)
    assert JOB.manifest.exists()
    warnings = [record.getMessage() for record in caplog.records if record.levelno == logging.WARNING]
    *locks, last = warnings
    assert last.startswith("logs/download.log could not be written: ")
    assert len(locks) == 2
    assert all("see to it that nothing else runs in this folder" in warning for warning in locks)
