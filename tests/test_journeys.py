"""Sessions with DVC beyond `dvc repro`: results are shared, and a change is tried in a temporary folder."""

import shutil
import sys
from pathlib import Path

import pytest
from project import Project


@pytest.fixture(scope="module")
def original(tmp_path_factory: pytest.TempPathFactory) -> Project:
    """A project whose results DVC has made and git knows."""
    project = Project.make(tmp_path_factory.mktemp("original")).with_one_seed("gmdgm")
    project.repro()
    for key, value in (("user.name", "Ada"), ("user.email", "ada@example.org")):
        project.run("git", "config", key, value)
    commit(project)
    return project


@pytest.fixture
def made(original: Project, tmp_path: Path) -> Project:
    shutil.copytree(original.folder, tmp_path / "here", symlinks=True)
    return Project(tmp_path / "here")


def commit(project: Project) -> None:
    project.run("git", "add", "--all")
    project.run("git", "commit", "--quiet", "--message", "Results")


def test_results_that_were_pushed_train_nothing_elsewhere(made: Project, tmp_path: Path) -> None:
    made.run("dvc", "remote", "add", "--default", "share", str(tmp_path / "remote"))
    commit(made)
    made.run("dvc", "push")
    made.run("git", "clone", "--quiet", str(made.folder), str(tmp_path / "there"))
    there = Project(tmp_path / "there")
    there.run("dvc", "pull")
    assert there.repro("prepare") == {"download", "prepare"}  # the data are not shared
    assert there.planned() == there.repro() == set()
    for path in ("results/tiny/train/gmdgm/0/model.pt", "reports/table1.md"):
        assert (there.folder / path).read_bytes() == (made.folder / path).read_bytes()


def test_an_experiment_of_a_temporary_folder_can_be_applied(made: Project) -> None:
    before = (made.folder / "reports/table1.md").read_text()
    made.run("dvc", "exp", "run", "--temp", "--name", "larger", "--set-param", "models.gmdgm.K=11")
    assert (made.folder / "reports/table1.md").read_text() == before
    made.run("dvc", "exp", "apply", "larger")
    assert "K: 11" in (made.folder / "params.yaml").read_text()
    assert (made.folder / "reports/table1.md").read_text() != before
    assert "0 of 12 jobs" in made.run(sys.executable, "-m", "vlac", "plan")
    assert made.repro() == set()
