"""Snakemake and DVC run the same pipeline: the same jobs, made again for the same reasons, to the same bytes.

Outputs here come from stand-ins that write digests of what they read; the engines, their files and the definitions of
the stages are the real ones.
"""

import os
from pathlib import Path
from typing import Any

import pytest
import yaml
from copied import ROOT
from engines import Project, Seen

from vlac.errors import VlacError
from vlac.stages import handover
from vlac.stages.definitions import code_files, jobs
from vlac.stages.handover import hand_over

TINY = ROOT / "presets" / "tiny.yaml"

# One model, and a source that allows every value of the other parameters.
SMALL: dict[str, Any] = yaml.safe_load(TINY.read_text())
SMALL["data"]["source"], SMALL["probe"]["seeds"], SMALL["seeds"] = "svhn", [0], [0, "1-2"]
SMALL["models"] = {"two": SMALL["models"]["vlac_2layer"]}


@pytest.fixture(scope="module")
def clean(tmp_path_factory: pytest.TempPathFactory) -> Project:
    return Project.make(tmp_path_factory.mktemp("clean"), ROOT / "params.yaml")


@pytest.fixture(scope="module")
def by_snakemake(tmp_path_factory: pytest.TempPathFactory) -> Project:
    """A project made by Snakemake, then handed over."""
    project = Project.make(tmp_path_factory.mktemp("snakemake"), SMALL)
    project.run("snakemake", "--cores", "2")
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(project.folder)
        done, left = hand_over(project.params)
    assert [job.command for job in done] == [job.command for job in jobs(project.params)]
    assert left == {}
    return project


@pytest.fixture(scope="module")
def by_dvc(tmp_path_factory: pytest.TempPathFactory) -> Project:
    """A project made by DVC, of which Snakemake has no record."""
    project = Project.make(tmp_path_factory.mktemp("dvc"), SMALL)
    project.run("dvc", "repro")
    return project


@pytest.mark.parametrize("params", [ROOT / "params.yaml", TINY], ids=lambda path: path.stem)
def test_both_engines_know_the_same_jobs(params: Path, tmp_path: Path) -> None:
    project = Project.make(tmp_path, params)
    defined = {
        job.command: Seen(
            frozenset(map(str, [*job.inputs(project.params), *code_files(job.stage)])),
            frozenset(map(str, job.outputs)),
            frozenset(job.params),
        )
        for job in jobs(project.params)
    }
    assert project.in_snakemake() == defined
    assert project.in_dvc() == defined


def test_plain_snakemake_on_a_clean_tree_plans_every_job(clean: Project) -> None:
    said = clean.run("snakemake", "--dry-run")
    assert all(f"Shell command: {job.command}\n" in said for job in jobs(clean.params))


def test_overrides_that_the_commands_would_not_see_are_refused(clean: Project) -> None:
    said = clean.run("snakemake", "--dry-run", "--config", "seeds=3", fails=True)
    assert "--config and --configfile are refused (seeds)" in said
    assert "copy a file of presets/ over it" in said
    assert "Traceback" not in said


def test_a_mistake_in_the_parameters_stops_snakemake_with_its_sentence(clean: Project) -> None:
    with clean.changed("epochs", to=3):
        said = clean.run("snakemake", "--dry-run", fails=True)
    assert "epochs is no known key" in said
    assert "Traceback" not in said


def test_both_engines_make_the_same_bytes(by_snakemake: Project, by_dvc: Project) -> None:
    assert by_snakemake.files() == by_dvc.files()


def test_after_the_hand_over_nothing_is_to_be_done(by_snakemake: Project) -> None:
    before = by_snakemake.files()
    assert "Nothing to be done" in by_snakemake.run("snakemake", "--cores", "1")
    assert "Data and pipelines are up to date." in by_snakemake.run("dvc", "repro")
    assert by_snakemake.files() == before


def test_after_dvc_nothing_is_to_be_done_even_without_a_hand_over(by_dvc: Project) -> None:
    assert by_dvc.planned_by_snakemake() == set()
    assert by_dvc.planned_by_dvc() == set()


def test_snakemake_sees_that_what_dvc_made_had_other_parameters(by_dvc: Project) -> None:
    assert not list((by_dvc.folder / ".snakemake" / "metadata").glob("*"))
    with by_dvc.changed("evaluation", "neighbours", to=7):
        assert "python -m vlac probe --seeds 0" in by_dvc.planned_by_snakemake()
        assert by_dvc.planned_by_snakemake() == by_dvc.planned_by_dvc()


@pytest.mark.parametrize("project", ["by_snakemake", "by_dvc"])
def test_a_seed_more_means_its_own_jobs_and_a_seed_less_the_table_alone(
    project: str, request: pytest.FixtureRequest
) -> None:
    made: Project = request.getfixturevalue(project)
    own = {f"python -m vlac {stage} --model two --seeds 3" for stage in ("train", "evaluate", "figures")}
    for seeds, rerun in (([0, "1-2", 3], {*own, "python -m vlac table"}), ([0], {"python -m vlac table"})):
        with made.changed("seeds", to=seeds):
            assert made.planned_by_snakemake() == rerun
            assert made.planned_by_dvc() == rerun


@pytest.mark.parametrize(
    ("files", "spoilt", "stages"),
    [
        (["results/train/two/0/model.pt"], b"other bytes", {"train", "evaluate", "figures", "table"}),
        (["results/train/two/0/manifest.json"], None, {"train", "evaluate", "figures", "table"}),
        (["results/evaluate/two/0/factors.csv", "reports/table1.md"], b"", {"evaluate", "table"}),
        (["reports/figures/two/0/nearest.png"], b"other bytes", {"figures"}),
    ],
)
def test_damaged_files_are_made_again_and_what_rests_on_them(
    files: list[str], spoilt: bytes | None, stages: set[str], by_snakemake: Project
) -> None:
    paths = [by_snakemake.folder / file for file in files]
    before = {path: (path.read_bytes(), path.stat().st_mtime_ns) for path in paths}
    try:
        for path in paths:
            path.unlink() if spoilt is None else path.write_bytes(spoilt)
        rerun = {stage if stage == "table" else f"{stage} --model two --seeds 0" for stage in stages}
        assert by_snakemake.planned_by_snakemake() == {f"python -m vlac {stage}" for stage in rerun}
    finally:
        for path, (content, time) in before.items():
            path.write_bytes(content)
            os.utime(path, ns=(time, time))


def test_the_hand_over_leaves_out_what_is_stale(by_snakemake: Project, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(by_snakemake.folder)
    before = by_snakemake.files()
    with by_snakemake.changed("evaluation", "neighbours", to=7):
        done, left = hand_over(by_snakemake.params)
        assert {job.stage.name for job in done} == {"download", "prepare", "train_vlae"}
        assert {why for job, why in left.items() if job.stage.name == "probe"} == {"its parameters have changed"}
        assert {why for job, why in left.items() if job.stage.name == "train"} == {"what it reads has to be made again"}
        assert by_snakemake.planned_by_snakemake() == by_snakemake.planned_by_dvc() == {job.command for job in left}
    assert by_snakemake.files() == before


def test_a_stage_of_which_some_is_left_is_handed_over_job_by_job(
    by_snakemake: Project, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(by_snakemake.folder)
    spoilt = Path("results/train/two/0/history.csv")
    before, files = spoilt.read_bytes(), by_snakemake.files()
    spoilt.write_bytes(b"other bytes")
    try:
        done, left = hand_over(by_snakemake.params)
        assert {str(job) for job in left} == {"train two 0", "evaluate two 0", "figures two 0", "table"}
        assert "train two 1-2" in map(str, done)
        assert by_snakemake.planned_by_dvc() == {job.command for job in left}
    finally:
        spoilt.write_bytes(before)
        hand_over(by_snakemake.params)
    assert by_snakemake.files() == files


def test_more_files_than_one_call_names_are_handed_over(by_snakemake: Project, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(by_snakemake.folder)
    monkeypatch.setattr(handover, "AT_ONCE", 20)
    assert hand_over(by_snakemake.params)[1] == {}
    assert by_snakemake.planned_by_snakemake() == by_snakemake.planned_by_dvc() == set()


def test_a_hand_over_that_fails_half_way_leaves_dvc_lock_as_it_was(
    by_snakemake: Project, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(by_snakemake.folder)
    params, lock = Path("params.yaml"), Path("dvc.lock")
    asked, whole, run = params.read_text(), lock.read_bytes(), handover._run
    without_the_table = yaml.safe_load(whole)
    del without_the_table["stages"]["table"]
    before = yaml.safe_dump(without_the_table, sort_keys=False)
    lock.write_text(before)
    seen = []

    def spoil_and_run(engine: str, *arguments: str) -> None:
        if engine == "snakemake":
            seen.append(lock.read_text())
            params.write_text("models: {")
        run(engine, *arguments)

    monkeypatch.setattr(handover, "_run", spoil_and_run)
    try:
        with pytest.raises(VlacError, match="snakemake could not take the results over"):
            hand_over(by_snakemake.params)
        assert [text == before for text in seen] == [False]
        assert lock.read_text() == before
    finally:
        params.write_text(asked)
        lock.write_bytes(whole)


@pytest.mark.parametrize("there", [True, False], ids=["with dvc.lock", "without"])
def test_what_is_edited_during_the_hand_over_is_not_taken_as_done(
    there: bool, by_snakemake: Project, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(by_snakemake.folder)
    lock, params = Path("dvc.lock"), Path("params.yaml")
    before, asked = lock.read_bytes(), params.read_text()
    if not there:
        lock.unlink()

    def edit_and_run(engine: str, *arguments: str) -> None:
        if engine == "dvc":
            params.write_text(asked.replace("neighbours: 5", "neighbours: 7"))
        run(engine, *arguments)

    run = handover._run
    monkeypatch.setattr(handover, "_run", edit_and_run)
    try:
        with pytest.raises(VlacError, match="was changed while the results were handed over"):
            hand_over(by_snakemake.params)
        assert params.read_text() != asked
        assert (lock.read_bytes() == before) if there else not lock.exists()
        assert "python -m vlac table" in by_snakemake.planned_by_dvc()
    finally:
        params.write_text(asked)
        lock.write_bytes(before)
        monkeypatch.setattr(handover, "_run", run)
        hand_over(by_snakemake.params)
