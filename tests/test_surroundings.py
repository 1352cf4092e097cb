"""What surrounds a run, such as clock, search path and links, costs no result, or ends it in a sentence beforehand."""

import os
import shutil
import sys
import time
from pathlib import Path

import pytest
from project import ROOT, Project
from tiny import tiny_project

TRAIN = "data/tiny/train.npz"


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Project:
    """A project in which Snakemake has run everything, found without any help of the environment."""
    project = Project.make(tmp_path_factory.mktemp("made")).with_one_seed("gmdgm")
    snakemake = Path(sys.executable).with_name("snakemake")
    said = project.run(str(snakemake), "--cores", "2", "--quiet", "all", PATH="/usr/bin:/bin")
    assert "The table with its notes: reports/table1.md" in said
    return project


def test_data_that_came_back_retrain_nothing(made: Project) -> None:
    before = (made.folder / TRAIN).read_bytes()
    (made.folder / TRAIN).write_bytes(before + b" ")
    assert "prepare" in made.planned()
    (made.folder / TRAIN).write_bytes(before)
    assert made.planned() == set()


def test_a_file_from_the_future_is_named_before_anything_runs(made: Project) -> None:
    file = "results/tiny/train/gmdgm/0/model.pt"
    path = made.folder / file
    os.utime(path, (time.time() + 3600,) * 2)
    said = made.snakemake("--forcerun", "train", "all", fails=True)
    assert f"{file} is dated ahead of the clock. Set the time with `touch {file}`." in said
    assert path.exists()
    os.utime(path)


def test_results_outside_the_project_are_refused_by_dvc_before_it_runs_them(made: Project, tmp_path: Path) -> None:
    project = Project(tmp_path / "project")
    shutil.copytree(made.folder, project.folder)
    shutil.move(project.folder / "results", tmp_path / "scratch")
    (project.folder / "results").symlink_to(tmp_path / "scratch")
    assert project.planned() == set()
    project.change("models", "gmdgm", "K", to=11)
    said = project.run("dvc", "repro", fails=True)
    assert "results leads to" in said
    assert "train" not in said


def test_a_table_of_other_parameters_is_not_shown_at_the_end(made: Project) -> None:
    made.change("training", "lr", to=0.003)
    assert "The table with its notes" not in made.snakemake("results/tiny/train/gmdgm/0/manifest.json")


HOSTILE = {
    "MPLBACKEND": "module://matplotlib_inline.backend_inline",
    "MATPLOTLIBRC": "matplotlibrc",
    "LC_ALL": "C",
    "TZ": "Asia/Kathmandu",
    "OMP_NUM_THREADS": "2",
    "OPENBLAS_NUM_THREADS": "2",
    "PYTHONHASHSEED": "1",
    "PYTHONOPTIMIZE": "2",
    "PYTHONWARNINGS": "error::UserWarning",
    "GIT_DIR": "/none",
    "HOME": "/none",
    "MLFLOW_RUN_ID": "0" * 32,
    "SOURCE_DATE_EPOCH": "1",
    "COLUMNS": "20",
}
"""What a notebook, a scheduler or a user's shell may have set."""

STAGES = """
from vlac.cli import main
for stage in ("judge", "train", "evaluate", "figures"):
    if main([stage] if stage == "judge" else [stage, "--model", "vlac", "--seed", "1"]):
        raise SystemExit(1)
"""


def test_what_the_environment_holds_changes_no_byte(tmp_path: Path) -> None:
    made: dict[str, dict[str, bytes]] = {}
    for name, environment in (("calm", {}), ("hostile", HOSTILE)):
        project = Project(tiny_project(tmp_path / name))
        shutil.copy(project.folder / "data/tiny/train.npz", project.folder / "data/tiny/test.npz")
        (project.folder / "matplotlibrc").write_text("axes.facecolor: red\nsavefig.dpi: 30\n")
        project.run(sys.executable, "-c", STAGES, PYTHONPATH=str(ROOT), **environment)
        files = [path for folder in ("results", "reports") for path in (project.folder / folder).rglob("*.*")]
        made[name] = {str(path.relative_to(project.folder)): path.read_bytes() for path in files if path.is_file()}
    assert len(made["calm"]) > 8
    assert made["hostile"] == made["calm"]
