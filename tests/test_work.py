"""`vlac work`: the pipeline in order without an engine, within its time, past a job that fails."""

import contextlib
import shutil
from pathlib import Path

import pytest
from made_up import make_all
from project import Project

from vlac.params.load import load_params
from vlac.workflow.jobs import jobs

WORK = ("python", "-m", "vlac", "work")


@pytest.fixture
def project(tmp_path: Path) -> Project:
    return Project.make(tmp_path).with_one_seed("gmdgm", "vlac_1layer")


def ran(said: str) -> list[str]:
    return [line.removeprefix("Now: ") for line in said.splitlines() if line.startswith("Now: ")]


def test_everything_is_made_in_order_and_left_alone_the_second_time(project: Project) -> None:
    every = [job.command for job in jobs(load_params(project.folder / "params.yaml"))]
    assert ran(project.run(*WORK)) == every
    assert ran(project.run(*WORK)) == []
    assert project.planned() == set()
    (project.folder / "results/tiny/train/gmdgm/0/history.csv").unlink()
    assert ran(project.run(*WORK)) == ["python -m vlac train --model gmdgm --seed 0"]  # the same bytes, for the rest


def test_a_job_that_fails_stops_only_what_reads_from_it(project: Project) -> None:
    with contextlib.chdir(project.folder):
        make_all(load_params())
    trained = project.folder / "results/tiny/train/gmdgm"
    shutil.rmtree(trained)
    trained.touch()  # in the way
    (project.folder / "results/tiny/train/vlac_1layer/0/manifest.json").unlink()
    said = project.run(*WORK, fails=4)
    first, *others = ran(said)
    assert first == "python -m vlac train --model gmdgm --seed 0"
    assert "python -m vlac train --model vlac_1layer --seed 0" in others
    assert not [command for command in others if "gmdgm" in command]
    assert "Left: train gmdgm 0, because it failed with exit status 2; its log is logs/tiny/train/gmdgm/0.log." in said
    assert "Left: table, because what it reads is not up to date." in said
    trained.unlink()
    assert ran(project.run(*WORK))[0] == first
    assert ran(project.run(*WORK)) == []


def test_no_job_starts_once_the_time_is_up_and_the_same_command_continues(project: Project) -> None:
    said = project.run(*WORK, "--minutes", "0.00001", fails=3)
    assert ran(said) == []
    assert "Left: download, because the time is up." in said
    assert ran(project.run(*WORK, "--minutes", "60"))


def test_a_job_that_runs_when_the_time_is_up_is_ended(project: Project) -> None:
    main = project.folder / "vlac/__main__.py"
    main.write_text(
        main.read_text().replace("def stage(", "import time\ndef stage(job, *of):\n    time.sleep(60)\n\ndef _(", 1)
    )
    said = project.run(*WORK, "--minutes", "0.06", fails=True)
    assert ran(said) == ["python -m vlac download"]
    assert "interrupted: the same command resumes" in said


def test_jobs_that_do_not_read_from_each_other_run_side_by_side(project: Project) -> None:
    main = project.folder / "vlac/__main__.py"
    wait_for_the_other = """
import time
from pathlib import Path

def stage(job, *of):
    if job.stage.name == "train":
        Path(job.model).touch()
        end = time.monotonic() + 60
        while not (Path("gmdgm").exists() and Path("vlac_1layer").exists()):
            assert time.monotonic() < end
            time.sleep(0.1)
    alone(job, *of)

def alone("""
    main.write_text(main.read_text().replace("def stage(", wait_for_the_other, 1))
    project.run(*WORK, "--jobs", "2")
