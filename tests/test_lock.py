"""One run at a time in a folder, one process at a time for a job, and a killed process holds nothing."""

import os
import resource
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest
from made_up import ROOT, job_of, make, tiny_params, write_outputs

from vlac.errors import VlacError
from vlac.params.schema import Params
from vlac.workflow import lock
from vlac.workflow.lock import MEMBER, single_stage, whole_folder

HOLDS = "from vlac.workflow.lock import whole_folder\nwith whole_folder(): print('held', flush=True), input()"


@pytest.fixture
def params(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Params]:
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv(MEMBER, raising=False)
    monkeypatch.setattr(lock, "PATIENCE", 0.2)
    return tiny_params(tmp_path)


def test_a_run_holds_the_folder_alone_and_what_it_starts_belongs_to_it(
    params: Params, monkeypatch: pytest.MonkeyPatch
) -> None:
    download = job_of(params, "download")
    monkeypatch.setattr(sys, "argv", ["/bin/snakemake", "--cores", "2"])
    with whole_folder():
        with single_stage(download):
            pass
        monkeypatch.setenv(MEMBER, "/another/folder")
        for second in (whole_folder(), single_stage(download)):
            with pytest.raises(VlacError, match=r"in use by `snakemake --cores 2` \(process \d+ on .*Wait for its end"):
                second.__enter__()
        monkeypatch.setenv(MEMBER, os.getcwd())
    assert MEMBER not in os.environ
    with whole_folder():
        pass


def test_stages_by_hand_share_the_folder_and_keep_runs_out(params: Params) -> None:
    with (
        single_stage(job_of(params, "download")),
        single_stage(job_of(params, "prepare")),
        pytest.raises(VlacError, match="This folder is in use by"),
    ):
        whole_folder().__enter__()
    with whole_folder():
        pass


def test_a_killed_run_leaves_nothing_behind(params: Params) -> None:
    environment = os.environ | {"PYTHONPATH": str(ROOT)}
    command = [sys.executable, "-c", HOLDS]
    with subprocess.Popen(command, env=environment, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == b"held\n"
        with pytest.raises(VlacError, match=rf"process {process.pid} on "):
            whole_folder().__enter__()
        process.kill()
    with whole_folder():
        pass


@pytest.mark.parametrize("first_fails", [False, True])
def test_the_second_process_of_a_job_waits_and_takes_what_the_first_has_made(
    first_fails: bool, params: Params, caplog: pytest.LogCaptureFixture
) -> None:
    job, begun, go_on, made = job_of(params, "download"), threading.Event(), threading.Event(), []

    def first(*_: object) -> None:
        begun.set()
        assert go_on.wait(60)
        if first_fails:
            raise VlacError("No.")
        write_outputs(job)
        made.append("first")

    def run_first() -> None:
        try:
            make(job, params, first)
        except VlacError:
            assert first_fails

    def second(*_: object) -> None:
        write_outputs(job)
        made.append("second")

    threads = [threading.Thread(target=run_first), threading.Thread(target=make, args=(job, params, second))]
    threads[0].start()
    assert begun.wait(60)
    threads[1].start()
    threads[1].join(0.5)
    assert threads[1].is_alive()
    assert "waiting for that" in caplog.text
    go_on.set()
    for thread in threads:
        thread.join(60)
    assert made == (["second"] if first_fails else ["first"])


def test_without_a_place_for_locks_nothing_is_run(params: Params) -> None:
    Path("logs").touch()
    with pytest.raises(VlacError, match=r"logs/run\.lock cannot be written: File exists\."):
        whole_folder().__enter__()


def test_a_full_disk_costs_the_holders_name_alone(params: Params) -> None:
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (0, hard))  # no file may grow
    try:
        with whole_folder(), pytest.raises(VlacError, match="in use by another process"):
            whole_folder().__enter__()
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
