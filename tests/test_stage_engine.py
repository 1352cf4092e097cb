"""One run at a time in a folder: engines and stage commands beside each other, the real engines on stand-in stages."""

import json
import os
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest
import yaml
from copied import ROOT
from engines import Project

from vlac.errors import VlacError
from vlac.stages import STAGES, Job
from vlac.stages.beside_dvc import LOCK, TABLE, dvc_kept_away
from vlac.stages.engine import FILE, MEMBER, Planned, single_stage, whole_folder
from vlac.stages.lock import Lock


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.delenv("DVC_STAGE", raising=False)
    monkeypatch.delenv(MEMBER, raising=False)
    monkeypatch.chdir(tmp_path)
    Path(".dvc").mkdir()
    return tmp_path


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory) -> Project:
    """A project of one model, without results."""
    values = yaml.safe_load((ROOT / "presets" / "tiny.yaml").read_text())
    values["models"] = {"vlac": values["models"]["vlac_1layer"]}
    values["seeds"] = values["probe"]["seeds"] = [0]
    return Project.make(tmp_path_factory.mktemp("project"), values)


@pytest.fixture
def held(project: Project, monkeypatch: pytest.MonkeyPatch) -> Iterator[Project]:
    """The project while somebody else, who is this process, holds its folder."""
    monkeypatch.chdir(project.folder)
    with whole_folder(), pytest.MonkeyPatch.context() as outside:
        outside.delenv(MEMBER)
        yield project
        outside.undo()


def _process(*words: str) -> subprocess.Popen[str]:
    return subprocess.Popen([sys.executable, "-c", "input()", *words], stdin=subprocess.PIPE, text=True)


def test_an_engine_holds_the_folder_alone_and_what_it_starts_belongs_to_it(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("vlac.stages.engine.PATIENCE", 0.2)
    monkeypatch.setattr(sys, "argv", ["/bin/snakemake", "--cores", "2"])
    with whole_folder():
        with single_stage(), whole_folder():
            pass
        monkeypatch.setenv(MEMBER, "/another/folder")
        for beside in (single_stage, whole_folder):
            with pytest.raises(VlacError, match=r"in use by `snakemake --cores 2` \(process \d+ on .*Wait until"):
                beside().__enter__()
        monkeypatch.setenv(MEMBER, str(folder))
    assert MEMBER not in os.environ
    with whole_folder():
        pass


def test_stage_commands_share_the_folder_and_keep_engines_out(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("vlac.stages.engine.PATIENCE", 0.2)
    monkeypatch.setattr(sys, "argv", ["/vlac/__main__.py", "train", "vlac"])
    job = Lock(Path("logs/train/vlac/0.lock"))
    job.take()
    with single_stage(), single_stage(), pytest.raises(VlacError, match="in use by `python -m vlac train vlac`"):
        whole_folder().__enter__()
    job.close()
    with whole_folder():
        pass


def test_the_next_one_waits_a_moment_for_who_is_just_ending(folder: Path) -> None:
    lock = Lock(FILE)
    lock.take()
    ended = []
    threading.Timer(0.5, lambda: (ended.append(1), lock.close())).start()
    with whole_folder():
        assert ended


def test_dvc_is_told_of_this_process_and_no_longer_afterwards(folder: Path) -> None:
    other = {"pid": 1, "cmd": "somebody"}
    TABLE.parent.mkdir()
    with _process() as killed:
        killed.kill()
    left = {"pid": killed.pid, "cmd": "somebody who was killed"}
    TABLE.write_text(json.dumps({"write": {}, "read": {str(folder): [left, other]}}))
    with dvc_kept_away():
        assert [line["pid"] for line in json.loads(TABLE.read_text())["read"][str(folder)]] == [1, os.getpid()]
    assert json.loads(TABLE.read_text())["read"] == {str(folder): [other]}


@pytest.mark.parametrize("mode", ["read", "write"])
def test_a_running_dvc_is_told_from_a_dead_one_and_from_another_process_of_its_number(folder: Path, mode: str) -> None:
    TABLE.parent.mkdir()
    with _process("/bin/dvc", "repro") as dvc, _process("other") as other:
        for process, refused in ((dvc, True), (other, False)):
            line = {"pid": process.pid, "cmd": "dvc repro"}
            content = {"read": {str(folder / "data"): [line]}} if mode == "read" else {"write": {str(folder): line}}
            TABLE.write_text(json.dumps(content))
            if refused:
                with pytest.raises(VlacError, match=f"in use by `.*dvc repro` \\(process {process.pid}\\)"):
                    whole_folder().__enter__()
            else:
                with whole_folder():
                    pass
        dvc.kill()
        dvc.wait()
        TABLE.write_text(json.dumps({"write": {str(folder): {"pid": dvc.pid, "cmd": "dvc repro"}}}))
        with whole_folder():
            pass


def test_a_dvc_between_two_stages_is_seen(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("vlac.stages.beside_dvc.PATIENCE", 0.2)
    LOCK.parent.mkdir()
    LOCK.write_text(f" {os.getpid()}\n")
    lock = Lock(LOCK, signed=False)
    lock.take()
    with pytest.raises(VlacError, match=rf"in use by `.*` \(process {os.getpid()}\)"):
        whole_folder().__enter__()
    lock.close()
    with whole_folder():
        pass


def test_dvc_deletes_nothing_in_a_held_folder_and_names_who_holds_it(held: Project) -> None:
    output = held.folder / "data" / "source.json"
    output.parent.mkdir(exist_ok=True)
    output.write_text("precious")
    said = held.run("dvc", "repro", fails=True)
    assert f"is busy, it is being blocked by:\n  (PID {os.getpid()})" in said
    assert output.read_text() == "precious"
    output.unlink()


def test_snakemake_starts_nothing_in_a_held_folder_but_looks(held: Project) -> None:
    assert "python -m vlac table" in held.run("snakemake", "--dry-run")
    held.run("snakemake", "--unlock")
    said = held.run("snakemake", "--cores", "1", fails=True)
    assert f"(process {os.getpid()} on " in said
    assert "Wait until that has ended" in said
    assert "Traceback" not in said
    assert not (held.folder / "data" / "source.json").exists()


def test_a_remote_job_belongs_to_the_run_that_sent_it(held: Project) -> None:
    arguments = ("--mode", "remote", "--nolock", "--no-hooks", "--cores", "1", "--allowed-rules", "download", "--")
    held.run("snakemake", *arguments, "data/source.json")
    assert (held.folder / "data" / "source.json").exists()


def test_engines_let_go_when_they_are_done(project: Project, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(project.folder)
    project.run("snakemake", "--cores", "1", "data/source.json")
    assert json.loads(TABLE.read_text())["read"] == {}
    project.run("dvc", "repro", "download")
    with whole_folder():
        pass


def test_a_plan_that_was_made_before_others_had_ended_is_not_carried_out(folder: Path) -> None:
    jobs = [Job(STAGES[name]) for name in ("download", "prepare", "table")]
    jobs[0].manifest.parent.mkdir(parents=True)
    jobs[0].manifest.write_text("before")
    for change in (
        lambda: os.utime(jobs[0].manifest, ns=(1, 1)),
        jobs[0].manifest.unlink,
        lambda: (jobs[1].manifest.parent.mkdir(parents=True), jobs[1].manifest.write_text("made")),
    ):
        planned = Planned()
        for job in jobs:
            planned.note(job)
        planned.refuse_changed()
        change()
        planned.note(jobs[0])  # a second look counts for nothing
        with pytest.raises(VlacError, match=r"manifest\.json has changed while this was planned\. Nothing was run"):
            planned.refuse_changed()


WAITS = """
import sys
from vlac.stages import engine
from vlac.stages.lock import Lock

class Heard(Lock):
    def take(self, **patience):
        print("waits for the folder", flush=True)
        return super().take(patience=60)

engine.Lock = Heard
from snakemake.cli import main
main(sys.argv[1:])
"""


def test_snakemake_does_not_carry_out_a_plan_that_others_have_overtaken(project: Project) -> None:
    """Whoever holds the folder makes something while Snakemake waits for it, which it does after it has planned."""
    project.run("snakemake", "--cores", "1", "data/source.json")
    manifest = project.folder / Job(STAGES["download"]).manifest
    lock = Lock(project.folder / FILE)
    lock.take()
    process = subprocess.Popen(
        [sys.executable, "-c", WAITS, "--cores", "1", "--force", "data/source.json"],
        cwd=project.folder,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )
    assert process.stdout is not None
    assert any("waits for the folder" in line for line in process.stdout)
    os.utime(manifest, ns=(1, 1))
    lock.close()
    said = process.stdout.read()
    assert process.wait() != 0
    assert "has changed while this was planned. Nothing was run." in said
    assert "localrule download" not in said
