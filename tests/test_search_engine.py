"""The search in Snakemake: beside the default target, only where it is asked for, and stale trial by trial."""

import shutil
from pathlib import Path

import pytest
import yaml
from copied import ROOT
from engines import Project

from vlac.stages.handover import hand_over

REPORT = "reports/search.md"
SEARCH = "python -m vlac search"
SCORES = "results/search/faster/0/scores.csv"


@pytest.fixture
def project(tmp_path: Path) -> Project:
    made = Project.make(tmp_path, ROOT / "presets/tiny.yaml")
    shutil.copytree(ROOT / "presets", tmp_path / "presets")
    return made


def test_without_search_yaml_only_the_search_is_refused(project: Project) -> None:
    assert "python -m vlac table" in project.planned_by_snakemake()
    assert "search.yaml is missing" in project.run("snakemake", "--dry-run", REPORT, fails=True)


def test_a_search_is_planned_made_and_stale_trial_by_trial(project: Project, monkeypatch: pytest.MonkeyPatch) -> None:
    shutil.copy(project.folder / "presets/searches/tiny.yaml", project.folder / "search.yaml")
    own = {f"python -m vlac trial {name} --seed 0" for name in ("as_it_is", "faster")}
    data = {"python -m vlac download", "python -m vlac prepare"}
    assert project.planned_by_snakemake(REPORT) == {*data, *own, SEARCH}
    assert not project.planned_by_snakemake() & {*own, SEARCH}

    project.run("snakemake", "--cores", "2", REPORT)
    assert project.planned_by_snakemake(REPORT) == set()
    monkeypatch.chdir(project.folder)
    hand_over(project.params)  # gives the data a new time, which Snakemake minds where files are not as small as here
    times = [Path(path).stat().st_mtime_ns for path in ("data/train.npz", SCORES, REPORT)]
    assert times == sorted(times)
    assert project.planned_by_snakemake(REPORT) == set()
    values = yaml.safe_load((project.folder / "search.yaml").read_text())
    for change, rerun in (
        ({"seeds": [0, 1]}, {command.replace("seed 0", "seed 1") for command in own} | {SEARCH}),
        ({"rule": values["rule"] | {"lead": 0.5}}, {*own, SEARCH}),
        ({"rule": values["rule"] | {"text": "Other words."}}, {SEARCH}),
        ({"trials": [values["trials"][0], values["trials"][1] | {"set": {}}]}, {sorted(own)[1], SEARCH}),
        ({"trials": values["trials"][:1]}, {SEARCH}),
    ):
        (project.folder / "search.yaml").write_text(yaml.safe_dump(values | change))
        assert project.planned_by_snakemake(REPORT) == rerun, change
