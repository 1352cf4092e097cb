"""The lock of a job: one process at a time, the next takes its result, and a killed one leaves nothing behind."""

import errno
import logging
import subprocess
import sys
import threading
import time
from contextlib import closing
from pathlib import Path

import pytest
from tiny import tiny_project

from vlac.errors import VlacError
from vlac.stages import STAGES, Job, run_stage
from vlac.stages.lock import Lock, alone, command_line, holder, lock_file

JOB = Job(STAGES["download"])
HOLD = """
from pathlib import Path
from vlac.stages.lock import Lock
lock = Lock(Path("a.lock"))
lock.take()
print("held", flush=True)
input()
"""


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    return tiny_project(tmp_path)


def _make(params: object) -> None:
    Path("data").mkdir(exist_ok=True)
    Path("data/source.json").write_text("{}")


def test_one_holds_a_lock_alone_or_several_share_it(tmp_path: Path) -> None:
    path = tmp_path / "logs" / "a.lock"
    first, second, third = Lock(path), Lock(path), Lock(path)
    assert first.take()
    assert not second.take()
    assert not second.take(shared=True)
    first.close()
    assert second.take(shared=True)
    assert third.take(shared=True)
    fourth = Lock(path)
    assert not fourth.take(patience=0.3)
    second.close()
    assert not fourth.take()
    third.close()
    assert fourth.take()
    fourth.close()


def test_a_lock_names_its_holder_while_it_is_held(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "argv", ["/somewhere/vlac/__main__.py", "train", "--model", "vlac", "--seeds", "0-4"])
    path = tmp_path / "a.lock"
    lock = Lock(path)
    assert holder(path) is None
    lock.take()
    assert str(holder(path)).startswith("`python -m vlac train --model vlac --seeds 0-4` (process ")
    lock.close()
    assert holder(path) is None


def test_a_process_that_is_killed_lets_go(tmp_path: Path) -> None:
    process = subprocess.Popen(
        [sys.executable, "-c", HOLD],
        cwd=tmp_path,
        env={"PYTHONPATH": str(Path(__file__).parents[1])},
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
    )
    with process:
        assert process.stdout is not None
        process.stdout.readline()
        lock = Lock(tmp_path / "a.lock")
        assert not lock.take()
        assert f"process {process.pid} on " in str(holder(tmp_path / "a.lock"))
        process.kill()
    assert holder(tmp_path / "a.lock") is None
    assert lock.take()
    lock.close()


def test_the_second_process_of_a_job_takes_what_the_first_has_made(
    project: Path, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO, "vlac")
    begun, go_on, made, ended = threading.Event(), threading.Event(), [], []

    def work(params: object) -> None:
        begun.set()
        assert go_on.wait(60)
        _make(params)
        made.append(threading.current_thread().name)

    def run() -> None:
        run_stage(JOB, work, lambda: ended.append(threading.current_thread().name))

    first, second = (threading.Thread(target=run, name=name) for name in ("first", "second"))
    first.start()
    assert begun.wait(60)
    second.start()
    deadline = time.monotonic() + 60
    while "waiting for that" not in caplog.text:
        assert second.is_alive()
        assert time.monotonic() < deadline
        time.sleep(0.01)
    go_on.set()
    first.join(60)
    second.join(60)
    assert made == ["first"]
    assert ended == ["first", "second"]
    assert "download has been made meanwhile and is up to date" in caplog.text


def test_what_the_first_leaves_unmade_the_second_makes(project: Path) -> None:
    begun, go_on, made = threading.Event(), threading.Event(), []

    def fail(params: object) -> None:
        begun.set()
        assert go_on.wait(60)
        raise VlacError("no.")

    def run() -> None:
        with pytest.raises(VlacError):
            run_stage(JOB, fail)

    first = threading.Thread(target=run)
    first.start()
    assert begun.wait(60)
    threading.Timer(0.5, go_on.set).start()
    run_stage(JOB, lambda params: (_make(params), made.append(1)))
    first.join(60)
    assert made == [1]


def test_a_job_that_nobody_else_runs_is_made_again_as_asked(project: Path) -> None:
    made = []
    for _ in range(2):
        run_stage(JOB, lambda params: (_make(params), made.append(1)))
    assert made == [1, 1]
    with alone(JOB) as waited:
        assert not waited
    assert lock_file(JOB) == Path("logs/download.lock")


def test_a_lock_file_that_cannot_be_made_is_named_and_counts_as_taken(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    (tmp_path / "logs").write_text("in the way")
    with closing(Lock(tmp_path / "logs" / "a.lock")) as lock:
        assert lock.take()
    assert "logs/a.lock cannot be locked here (File exists): see to it that nothing else runs" in caplog.text


def test_a_file_system_without_locks_is_told(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def unknown(file: object, how: int) -> None:
        raise OSError(errno.ENOSYS, "Function not implemented")

    monkeypatch.setattr("fcntl.flock", unknown)
    lock = Lock(tmp_path / "a.lock")
    assert lock.take()
    lock.close()
    assert "a.lock cannot be locked here (Function not implemented): see to it that nothing else runs" in caplog.text


def test_a_command_is_shown_as_it_was_typed() -> None:
    assert command_line(["/env/lib/snakemake/__main__.py", "--cores", "2"]) == "python -m snakemake --cores 2"
    assert command_line(["/env/bin/snakemake", "reports/a b.md"]) == "snakemake 'reports/a b.md'"


def test_a_full_disk_costs_the_holders_name_and_nothing_else() -> None:
    lock = Lock(Path("/dev/full"))
    assert lock.take()
    lock.close()
