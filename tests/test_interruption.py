"""Ctrl-C and SIGTERM at awkward moments: people read a sentence, not a traceback."""

import logging
import os
import subprocess
import sys
from pathlib import Path

import pytest

from vlac.errors import VlacError
from vlac.stages import STAGES, Job, run_stage

ROOT = Path(__file__).parents[1]
JOB = Job(STAGES["download"])


def test_ctrl_c_while_the_command_line_is_still_being_read_in(tmp_path):
    (tmp_path / "pydantic.py").write_text("raise KeyboardInterrupt")
    environment = os.environ | {"PYTHONPATH": f"{tmp_path}{os.pathsep}{ROOT}"}
    command = [sys.executable, "-m", "vlac", "plan"]
    ended = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
    assert (ended.returncode, ended.stderr) == (130, "interrupted: nothing was begun.\n")


@pytest.mark.parametrize(
    ("error", "line", "traced"),
    [
        (KeyboardInterrupt(), "interrupted\n", False),
        (VlacError("It is damaged.", "Delete it."), "error: It is damaged. Delete it.\n", False),
        (ZeroDivisionError("a bug"), "error: a bug\n", True),
    ],
)
def test_the_log_says_why_a_job_ended_and_traces_bugs_alone(tmp_path, monkeypatch, error, line, traced):
    monkeypatch.chdir(tmp_path)
    Path("params.yaml").write_bytes((ROOT / "presets" / "tiny.yaml").read_bytes())
    logging.getLogger("vlac").setLevel(logging.INFO)

    def work(params):
        raise error

    with pytest.raises(type(error)):
        run_stage(JOB, work)
    log = JOB.log.read_text()
    assert log.startswith(line)
    assert ("Traceback" in log) == traced
