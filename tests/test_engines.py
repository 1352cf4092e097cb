"""Rules, dvc.yaml and vlac/workflow/jobs.py describe the same jobs; each engine accepts the other's results."""

import contextlib
import re
from pathlib import Path

import pytest
from dvc.repo import Repo
from made_up import finished
from project import Project

from vlac.params.load import load_params
from vlac.workflow.jobs import Job, jobs

MODELS = ("gmdgm", "vlac_1layer")

Described = dict[str, tuple[frozenset[str], frozenset[str]]]
"""Inputs and outputs of each job, by its command."""


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory) -> Project:
    return Project.make(tmp_path_factory.mktemp("engines")).with_one_seed(*MODELS)


def by_definition(project: Project) -> Described:
    params = load_params(project.folder / "params.yaml")

    def paths(job: Job) -> tuple[frozenset[str], frozenset[str]]:
        return frozenset(map(str, [job.request, *job.inputs(params)])), frozenset(map(str, job.outputs))

    return {job.command: paths(job) for job in jobs(params)}


def by_snakemake(project: Project) -> Described:
    def paths(said: str, which: str) -> frozenset[str]:
        found = re.search(rf"^ *{which}: (.*)$", said, re.MULTILINE)
        return frozenset(found[1].split(", ") if found else ())

    return {job: (paths(said, "input"), paths(said, "output")) for job, said in project.dry_run("all").items()}


def by_dvc(project: Project) -> Described:
    """Return DVC's stages; a folder among the inputs stands for the manifests that others write into it."""
    with contextlib.chdir(project.folder), Repo() as repo:
        stages = [stage for stage in repo.index.stages if stage.cmd != "python -m vlac requests"]
        made = {str(out) for stage in stages for out in stage.outs}

        def expanded(path: str) -> set[str]:
            return {out for out in made if out.startswith(f"{path}/") and out.endswith("manifest.json")} or {path}

        return {
            stage.cmd: (
                frozenset().union(*(expanded(str(dep)) for dep in stage.deps)),
                frozenset(str(out) for out in stage.outs),
            )
            for stage in stages
        }


@pytest.mark.parametrize("digit_rung", [3, "auto"])
def test_rules_and_dvc_describe_the_same_jobs(project: Project, digit_rung: int | str) -> None:
    project.change("digit_rung", to=digit_rung)
    defined = by_definition(project)
    assert by_snakemake(project) == defined
    assert by_dvc(project) == defined


def test_after_one_engine_the_other_has_nothing_to_run(tmp_path: Path) -> None:
    project = finished(tmp_path, *MODELS)
    project.change("models", "gmdgm", "K", to=11)
    of_gmdgm = {f"{stage} --model gmdgm --seed 0" for stage in ("train", "evaluate", "figures")}
    assert project.repro() == of_gmdgm | {"table"}
    assert project.planned() == set()  # and Snakemake has no record of what DVC made

    project.change("evaluation", "neighbours", to=7)
    assert "probe --seed 0" in project.planned()  # yet it finds what is stale in that
    project.snakemake("--quiet", "all")
    assert project.repro() == set()


def test_an_earlier_experiment_costs_no_job_but_the_table(tmp_path: Path) -> None:
    project = Project.make(tmp_path).with_one_seed("gmdgm")
    project.repro()
    tiny = (tmp_path / "params.yaml").read_text()
    first = (tmp_path / "reports/table1.md").read_text()
    project.use("digits")
    project.with_one_seed("gmdgm").run("python", "-m", "vlac", "work")
    assert (tmp_path / "reports/table1.md").read_text() != first
    (tmp_path / "params.yaml").write_text(tiny)
    assert project.planned() == {"table"}
    assert project.repro() == {"table"}
    assert (tmp_path / "reports/table1.md").read_text() == first


def test_snakemake_passes_an_interruption_of_itself_on(tmp_path: Path) -> None:
    project = Project.make(tmp_path)
    main = project.folder / "vlac/__main__.py"
    interrupt = """
import psutil, signal, time

def stage(job, *of):
    (engine,) = [each for each in psutil.Process().parents() if each.name() == "snakemake"]
    engine.send_signal(signal.SIGINT)
    time.sleep(60)

def _("""
    main.write_text(main.read_text().replace("def stage(", interrupt, 1))
    assert "interrupted: the same command resumes" in project.snakemake(fails=True)
