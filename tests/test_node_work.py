"""Running the pipeline by plain Python: in order, what can run here, within the time, going on where it stopped."""

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from packed import cli, home, packed, without

from vlac.errors import VlacError
from vlac.node import work as working
from vlac.node.work import FAILED, TIME_IS_UP, State, absent, chosen_stages, work
from vlac.params.load import load_params
from vlac.stages import STAGES, jobs
from vlac.stages.stale import why_stale


@pytest.fixture
def node(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A pack without results, as working folder."""
    folder = packed(home(tmp_path / "home"), tmp_path / "pack")
    monkeypatch.chdir(folder)
    return folder


def states(outcome: working.Outcome) -> dict[str, State]:
    return {str(job): state for job, state in outcome.states.items()}


def test_everything_is_made_in_order_and_left_alone_the_second_time(node: Path) -> None:
    first = work(load_params())
    assert list(first.states) == list(jobs(load_params()))
    assert set(first.states.values()) == {State.MADE}
    assert first.status == 0
    assert str(first) == "12 made.\nEverything is done."
    for job in jobs(load_params()):
        assert why_stale(job, load_params()) is None
    times = {path: path.stat().st_mtime_ns for path in Path().rglob("*") if path.is_file()}
    again = work(load_params())
    assert set(again.states.values()) == {State.READY}
    assert {path: path.stat().st_mtime_ns for path in Path().rglob("*") if path.is_file()} == times
    # One file lost: its job is made again, and what read it is not, for it came out the same.
    Path("results/train/one/0/history.csv").unlink()
    assert [job for job, state in states(work(load_params())).items() if state is State.MADE] == ["train one 0"]


def test_what_lacks_packages_is_left_and_the_models_do_not_wait_for_the_probe(node: Path) -> None:
    with without("sklearn"):
        outcome = work(load_params())
        assert outcome.status == 0
        assert absent(STAGES["probe"]) == ["scikit-learn"]
    seen = states(outcome)
    left = {"probe 0", "rung", "evaluate one 0", "evaluate two 0", "table"}
    assert {job for job, state in seen.items() if state is State.ELSEWHERE} == left
    assert {job for job, state in seen.items() if state is State.MADE} == seen.keys() - left
    assert str(outcome).splitlines() == [
        "7 made, 5 left for a machine that can run it.",
        "Left, because this machine lacks scikit-learn: probe 0, rung, evaluate one 0, evaluate two 0.",
        "Left, because what it reads is left: table.",
        "This command has nothing left to do here.",
    ]


def test_with_a_rung_that_the_probe_decides_the_models_wait(node: Path) -> None:
    values = json.loads(Path("params.json").read_text())
    Path("params.json").write_text(json.dumps(values | {"digit_rung": "auto"}))
    with without("sklearn"):
        seen = states(work(load_params()))
    assert {job for job, state in seen.items() if state is State.MADE} == {"download", "prepare", "train_vlae 0"}
    assert seen["train one 0"] is State.ELSEWHERE


def test_a_failed_job_stops_only_what_reads_from_it(
    node: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture
) -> None:
    monkeypatch.setenv("FAILS", "train --model one")
    outcome = work(load_params())
    broken = {"train one 0", "evaluate one 0", "figures one 0", "table"}
    assert {job for job, state in states(outcome).items() if state is State.BROKEN} == broken
    assert {state for job, state in states(outcome).items() if job not in broken} == {State.MADE}
    assert outcome.status == FAILED
    assert "failed with exit status 1; its log is logs/train/one/0.log: train one 0." in str(outcome)
    assert "error: broken on purpose" in capfd.readouterr().err
    monkeypatch.delenv("FAILS")
    assert work(load_params()).status == 0


def test_only_the_stages_asked_for_are_run(node: Path) -> None:
    outcome = work(load_params(), chosen_stages("download, prepare,figures"))
    seen = states(outcome)
    assert {job for job, state in seen.items() if state is State.MADE} == {"download", "prepare"}
    assert {state for job, state in seen.items() if job not in ("download", "prepare")} == {State.UNASKED}
    assert outcome.status == 0
    assert str(outcome).splitlines() == [
        "2 made, 10 left out by --stages, or waiting for what is.",
        "This command has nothing left to do here.",
    ]
    with pytest.raises(VlacError, match=r"'trian' is no stage\. The stages are download, prepare, train_vlae"):
        chosen_stages("prepare,trian")


def test_no_job_starts_once_the_time_is_up(node: Path) -> None:
    outcome = work(load_params(), minutes=1e-9)
    assert set(outcome.states.values()) == {State.LATE}
    assert outcome.status == TIME_IS_UP
    assert str(outcome).endswith("The same command goes on.")
    assert not Path("data").exists()


@pytest.mark.parametrize("stubborn", [False, True])
def test_a_job_that_runs_when_the_time_is_up_is_ended(
    stubborn: bool, node: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SLEEPS", "train --model vlae")
    if stubborn:
        monkeypatch.setenv("STUBBORN", "1")
        monkeypatch.setattr(working, "GRACE", 0.5)
    work(load_params(), ["download", "prepare"])
    began = time.monotonic()
    with without("sklearn"):
        outcome = work(load_params(), minutes=0.05)
    assert time.monotonic() - began < 60
    assert states(outcome)["train_vlae 0"] is State.LATE
    assert states(outcome)["probe 0"] is State.ELSEWHERE
    assert states(outcome)["train one 0"] is State.LATE
    assert states(outcome)["figures one 0"] is State.LATE
    assert outcome.status == TIME_IS_UP
    with pytest.raises(ProcessLookupError):
        os.kill(int(Path("sleeping").read_text()), 0)


def test_a_terminated_work_takes_its_job_along(node: Path) -> None:
    environment = os.environ | {"SLEEPS": "download"}
    command = [sys.executable, "-c", "import sys; from vlac.cli import main; sys.exit(main())", "work"]
    process = subprocess.Popen(command, env=environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    began = time.monotonic()
    while not (Path("sleeping").exists() and Path("sleeping").read_text()) and time.monotonic() - began < 60:
        time.sleep(0.05)
    process.send_signal(signal.SIGTERM)
    assert "interrupted" in process.communicate(timeout=30)[1]
    assert process.returncode == 128 + signal.SIGTERM
    with pytest.raises(ProcessLookupError):
        os.kill(int(Path("sleeping").read_text()), 0)


def test_the_command_line_hands_the_status_on(node: Path, capsys: pytest.CaptureFixture) -> None:
    assert cli(["work", "--minutes", "0.000001", "--stages", "download"]) == TIME_IS_UP
    assert "The same command goes on." in capsys.readouterr().out
    assert cli(["work", "--stages", "x"]) == 2
    assert [cli(["work", "--minutes", minutes]) for minutes in ("0", "-1", "nan", "inf")] == [2, 2, 2, 2]
    assert "-1 minutes are no time to work in." in capsys.readouterr().err
