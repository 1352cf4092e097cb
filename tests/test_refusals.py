"""The table refuses what does not match, and the command that it prints mends it.

A few of the commands are run as they are printed; of the others, Snakemake is asked in this process what they would
run, which has to be what the hashes say. Outputs come from stand-ins (tests/engines.py); the refusal, its sentence,
engines and manifests are the real ones.
"""

import argparse
import contextlib
import json
import os
import re
import shlex
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml
from copied import ROOT
from engines import Project, inside
from packed import cli
from sensitivity import COMMENT

from vlac.errors import VlacError
from vlac.files import write_json
from vlac.stages.definitions import jobs
from vlac.stages.handover import hand_over
from vlac.stages.manifest import sealed
from vlac.stages.stale import ENDS, refuse_stale, sort_out

SMALL: dict[str, Any] = yaml.safe_load((ROOT / "presets" / "tiny.yaml").read_text())
SMALL["probe"]["seeds"], SMALL["seeds"] = [0], [0, 1]
SMALL["models"] = {"a": SMALL["models"]["vlac_1layer"], "b": SMALL["models"]["vlac_2layer"]}
SCORES = "results/evaluate/a/0/scores.csv"


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Project:
    project = Project.make(tmp_path_factory.mktemp("made"), SMALL)
    project.run("snakemake", "--cores", "2")
    return project


def beneath(project: Project) -> dict[str, bytes]:
    """Return all that the table rests on, and the table."""
    under = [job for job in jobs(project.params) if job.stage.name != "figures"]
    return {str(path): (project.folder / path).read_bytes() for job in under for path in job.outputs}


def refused(project: Project, capsys: pytest.CaptureFixture[str]) -> str:
    """Ask for the table past the engines, see it refused, and return the sentence."""
    capsys.readouterr()
    with inside(project.folder):
        assert cli(["table"]) == 2
    return capsys.readouterr().err


def printed(said: str, engine: str) -> str:
    """Return the command of that engine that a refusal names."""
    (command,) = [text for text in re.findall(r"`([^`]+)`", said) if text.startswith(engine)]
    return str(command)


def run_as_printed(project: Project, command: str) -> str:
    path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    result = subprocess.run(
        ["bash", "-c", command],
        cwd=project.folder,
        env={**os.environ, "PATH": path},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        check=False,
    )
    assert result.returncode == 0, result.stdout
    return result.stdout


def planned_as_printed(project: Project, command: str) -> set[str]:
    """Return the commands that Snakemake would run if it were called so."""
    program, *words = shlex.split(command)
    assert program == "snakemake"
    parser = argparse.ArgumentParser()
    parser.add_argument("targets", nargs="+")
    parser.add_argument("--cores", type=int, required=True)
    parser.add_argument("--forcerun", nargs="+", default=[])
    parser.add_argument("--force", action="store_true")
    asked = parser.parse_args(words)
    return project.planned_by_snakemake(*asked.targets, forced=asked.targets if asked.force else asked.forcerun)


def stale(project: Project) -> set[str]:
    """Return the commands of the jobs that are not up to date by their hashes, of the table and beneath it."""
    with inside(project.folder):
        return {job.command for job in sort_out(project.params)[1] if job.stage.name != "figures"}


@contextlib.contextmanager
def put_back(folder: Path, aside: Path) -> Iterator[None]:
    """Put all results back, their times as well, after a `with` block."""
    shutil.copytree(folder / "results", aside)
    try:
        yield
    finally:
        shutil.rmtree(folder / "results")
        shutil.move(aside, folder / "results")


def edit(file: str, old: str, new: str) -> Callable[[Path], None]:
    def of(folder: Path) -> None:
        text = (folder / file).read_text()
        assert old in text
        (folder / file).write_text(text.replace(old, new, 1))

    return of


def edit_manifest(file: str, *keys: str) -> Callable[[Path], None]:
    def of(folder: Path) -> None:
        content = section = json.loads((folder / file).read_text())
        for key in keys[:-1]:
            section = section[key]
        section[keys[-1]] = "0" * 64
        del content["seal"]
        write_json(folder / file, sealed(content))

    return of


def swap(folder: Path) -> None:
    zero, one, aside = (folder / "results/evaluate/a" / name for name in ("0", "1", "aside"))
    zero.rename(aside), one.rename(zero), aside.rename(one)


def copy(source: str, target: str) -> Callable[[Path], None]:
    return lambda folder: [shutil.copy(file, folder / target) for file in (folder / source).iterdir()] and None


def old_edit(folder: Path) -> None:
    """Edit a file and give it back its times, so that nothing that goes by times can see it."""
    times = (folder / SCORES).stat()
    edit(SCORES, "scores", "stores")(folder)
    os.utime(folder / SCORES, ns=(times.st_atime_ns, times.st_mtime_ns))


# What was done to the results, what the refusal says of it, and how many jobs the mending command runs.
TAMPERED: dict[str, tuple[Callable[[Path], None], str, int]] = {
    "edited scores": (edit(SCORES, "scores", "stores"), f"evaluate a 0: its output {SCORES} has changed since", 2),
    "edited scores of old times": (old_edit, f"evaluate a 0: its output {SCORES} has changed since", 2),
    "edited weights": (
        edit("results/train/a/0/model.pt", "model", "vodel"),
        "train a 0: its output results/train/a/0/model.pt has changed since; "
        "evaluate a 0: its input results/train/a/0/model.pt has changed since",
        3,
    ),
    "a manifest of other parameters": (
        edit_manifest("results/evaluate/a/0/manifest.json", "params"),
        "evaluate a 0: its parameters have changed",
        2,
    ),
    "a manifest of other outputs": (
        edit_manifest("results/evaluate/a/0/manifest.json", "outputs", SCORES),
        f"evaluate a 0: its output {SCORES} has changed since",
        2,
    ),
    "swapped seeds": (swap, "evaluate a 0: its list of inputs has changed; evaluate a 1: its list of inputs", 3),
    "results of another model": (
        copy("results/evaluate/b/0", "results/evaluate/a/0"),
        "evaluate a 0: its list of inputs has changed",
        2,
    ),
    "scores of another model": (
        lambda folder: shutil.copy(folder / "results/evaluate/b/0/scores.csv", folder / SCORES) and None,
        f"evaluate a 0: its output {SCORES} has changed since",
        2,
    ),
    "weights of another seed": (
        copy("results/train/a/1", "results/train/a/0"),
        "train a 0: its list of outputs has changed; evaluate a 0: its input results/train/a/0/model.pt has changed",
        3,
    ),
    "no scores": (lambda folder: (folder / SCORES).unlink(), f"{SCORES} is missing", 2),
    "no manifest that others read": (
        lambda folder: (folder / "results/train/a/0/manifest.json").unlink(),
        "train a 0: results/train/a/0/manifest.json is missing",
        3,
    ),
    "nothing evaluated": (
        lambda folder: shutil.rmtree(folder / "results/evaluate"),
        "results/evaluate/a/0/scores.csv is missing",
        5,
    ),
}


RUN = ("edited scores of old times", "swapped seeds", "no manifest that others read", "nothing evaluated")
"""Each in a way of its own harder to see than the others: their commands are run."""


@pytest.mark.parametrize("case", sorted(TAMPERED.keys() - set(RUN)))
def test_what_was_tampered_with_is_refused_and_would_be_mended(
    case: str, made: Project, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    tamper, sentence, count = TAMPERED[case]
    with put_back(made.folder, tmp_path / "results"):
        tamper(made.folder)
        said = refused(made, capsys)
        assert sentence in said
        planned = planned_as_printed(made, printed(said, "snakemake"))
        assert planned == stale(made)
        assert len(planned) == count
    assert stale(made) == made.planned_by_snakemake("reports/table1.md") == set()


@pytest.mark.parametrize("case", RUN)
def test_what_was_tampered_with_is_refused_and_mended(
    case: str, made: Project, capsys: pytest.CaptureFixture[str]
) -> None:
    tamper, sentence, count = TAMPERED[case]
    before = beneath(made)
    tamper(made.folder)
    said = refused(made, capsys)
    assert sentence in said
    assert planned_as_printed(made, printed(said, "snakemake")) == stale(made)
    ran = run_as_printed(made, printed(said, "snakemake"))
    assert re.search(r"^total +(\d+)$", ran, re.MULTILINE)[1] == str(count), ran
    assert beneath(made) == before
    with inside(made.folder):
        refuse_stale(made.params)
    assert made.planned_by_snakemake("reports/table1.md") == set()


@contextlib.contextmanager
def other_code(project: Project) -> Iterator[None]:
    with project.edited("vlac/evaluation/factors.py", lambda text: text + COMMENT):
        yield


@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        (lambda made: made.changed("models", "a", "K", to=[1, 1, 11, 1]), "train a 0: its parameters have changed"),
        (other_code, "evaluate a 0: its code has changed"),
    ],
    ids=["K", "code"],
)
def test_what_was_changed_is_refused_and_would_be_made_anew(
    change: Callable[[Project], Any], sentence: str, made: Project, capsys: pytest.CaptureFixture[str]
) -> None:
    with change(made):
        said = refused(made, capsys)
        assert sentence in said
        planned = planned_as_printed(made, printed(said, "snakemake"))
        assert planned == stale(made)
        assert len(planned) > 2
    assert stale(made) == made.planned_by_snakemake("reports/table1.md") == set()


def test_what_was_changed_is_refused_and_made_anew(made: Project, capsys: pytest.CaptureFixture[str]) -> None:
    before = beneath(made)
    with made.changed("objective", "kl_y_weight", to=0.5):
        said = refused(made, capsys)
        assert "train_vlae 0: its parameters have changed" in said
        run_as_printed(made, printed(said, "snakemake"))
        assert beneath(made).keys() == before.keys()
        assert beneath(made) != before
        with inside(made.folder):
            refuse_stale(made.params)
    run_as_printed(made, printed(refused(made, capsys), "snakemake"))
    assert beneath(made) == before


def test_the_next_run_of_snakemake_makes_edited_scores_again_and_says_so(made: Project) -> None:
    before = beneath(made)
    edit(SCORES, "scores", "stores")(made.folder)
    said = made.run("snakemake", "--cores", "2", "reports/table1.md")
    assert f"evaluate a 0 is run again: {SCORES} has changed since it was made." in said
    assert re.search(r"^total +2$", said, re.MULTILINE)
    assert beneath(made) == before


def test_every_edit_beneath_the_table_is_refused(made: Project) -> None:
    params = made.params
    files = [(job, path) for job in jobs(params) if job.stage.name not in ENDS for path in job.outputs]
    with inside(made.folder):
        for job, path in files:
            end = "{" if path == job.manifest else " "
            with made.edited(str(path), lambda text, end=end: text + end):
                with pytest.raises(VlacError, match=f"[( ]{job}: "):
                    refuse_stale(params)
                path.unlink()
                with pytest.raises(VlacError, match=f"[( ]{job}: "):
                    refuse_stale(params)
        refuse_stale(params)


def test_a_removed_model_and_seed_are_not_in_the_table_and_come_back_as_they_were(made: Project) -> None:
    before = beneath(made)
    for keys, to, gone in ((("models",), {"b": SMALL["models"]["b"]}, "/a/"), (("seeds",), [1], "/0/")):
        with made.changed(*keys, to=to):
            said = made.run("snakemake", "--cores", "2", "reports/table1.md")
            assert re.search(r"^total +1$", said, re.MULTILINE), said
            inputs = json.loads((made.folder / "results/table/manifest.json").read_text())["inputs"]
            assert len(inputs) == 2 + 2 * 3
            assert not [name for name in inputs if gone in name]
        made.run("snakemake", "--cores", "2", "reports/table1.md")
        assert beneath(made) == before


def test_dvc_mends_what_was_tampered_with(made: Project, capsys: pytest.CaptureFixture[str]) -> None:
    with contextlib.chdir(made.folder):
        assert hand_over(made.params)[1] == {}
    before = beneath(made)
    tamper, sentence, _ = TAMPERED["swapped seeds"]
    tamper(made.folder)
    said = refused(made, capsys)
    assert sentence in said
    run_as_printed(made, printed(said, "dvc"))
    assert beneath(made) == before


def test_work_mends_it_without_an_engine(made: Project, capsys: pytest.CaptureFixture[str]) -> None:
    before = beneath(made)
    (made.folder / SCORES).unlink()
    run_as_printed(made, printed(refused(made, capsys), "python"))
    assert beneath(made) == before
