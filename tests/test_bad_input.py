"""Whatever a user gets wrong ends in one sentence that names file, line and key, with status 2 and no traceback."""

import dataclasses
import os
import re
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from made_up import ROOT, tiny_params
from project import Project

from vlac.cli import main
from vlac.errors import VlacError
from vlac.params.load import load_params
from vlac.params.schema import Params

TINY = (ROOT / "presets/tiny.yaml").read_text()


@dataclasses.dataclass
class Mistake:
    """What stands in presets/tiny.yaml, what a user writes instead, and what the sentence must name beside the line."""

    right: str
    wrong: str
    named: tuple[str, ...]
    at: str = ""
    """The text whose line it is, where that is another one than that of `right`."""


MISTAKES = {
    "misspelt key": Mistake("  epochs: 2", "  epoch: 2", ("training.epoch ", "no known key", "epochs")),
    "misspelt key in a model": Mistake("K: 12, z: 4}", "K: 12, zz: 4}", ("models.gmdgm.zz", "kind, K, z")),
    "missing key": Mistake("  holdout: 100\n", "", ("data.holdout", "missing"), "data:"),
    "key twice": Mistake("  batch: 50\n", "  batch: 50\n  batch: 60\n", ("batch",), "  lr: "),
    "number in quotes": Mistake("  batch: 50\n", "  batch: '50'\n", ("training.batch", "'50'", "integer")),
    "nan": Mistake("  lr: 2.0e-3", "  lr: .nan", ("training.lr", "finite")),
    "too large": Mistake("  epochs: 2\n", "  epochs: 10000000000\n", ("training.epochs", "1000000000")),
    "no such form": Mistake("form: gaussian", "form: normal", ("likelihood.form", "'gaussian'", "'laplace'")),
    "no such data": Mistake("source: digits", "source: mnist", ("source is 'mnist'", "digits, folder, svhn"), "data:"),
    "a path without files": Mistake("path: null", "path: /none", ("data", "path must be null"), "data:"),
    "hold-out of all": Mistake("holdout: 100", "holdout: 400", ("data", "holdout", "smaller"), "data:"),
    "digits have one split": Mistake("split: train", "split: extra", ("data", "train_split"), "data:"),
    "no such kind": Mistake("kind: gmdgm", "kind: gmvae", ("models.gmdgm.kind is 'gmvae'", "'vlac', 'vlac_plus'")),
    "no kind": Mistake("{kind: gmdgm, ", "{", ("models.gmdgm.kind is missing",)),
    "K in round brackets": Mistake("[1, 1, 12, 1]", "(1, 1, 12, 1)", ("K: [1, 1, 50, 1]",)),
    "no mixture": Mistake("[1, 1, 12, 1]", "[1, 1, 1, 1]", ("models.vlac_1layer", "K needs one entry above 1")),
    "two largest K": Mistake("[1, 3, 12, 1]", "[1, 12, 12, 1]", ("models.vlac_2layer", "unique")),
    "rung against K": Mistake("digit_rung: 3", "digit_rung: 2", ("models.vlac_1layer.K", "digit_rung"), "experiment:"),
    "seeds no list": Mistake("\nseeds: [0, 1]", "\nseeds: 3", ("seeds", "3", "list")),
    "too many seeds": Mistake("\nseeds: [0, 1]", f"\nseeds: {list(range(1001))}", ("seeds", "at most 1000 items")),
    "seed twice": Mistake("\nseeds: [0, 1]", "\nseeds: [0, 0]", ("seeds", "seed 0 is listed twice")),
    "seeds as a range": Mistake("\nseeds: [0, 1]", "\nseeds: [0-4]", ("seeds.0", "'0-4'", "integer")),
    "a shell command as name": Mistake("  gmdgm:", '  "$(touch out)":', ("models", "pattern")),
    "a path as name": Mistake("experiment: tiny", "experiment: ../tiny", ("experiment", "pattern")),
    "a folder's name": Mistake("experiment: tiny", "experiment: metrics", ("experiment may not be metrics",)),
    "a rung not learnt": Mistake("[1, 0, 0, 0]", "[2, 0, 0, 0]", ("2 epochs after", "epochs is 2"), "experiment:"),
    "the probe's name": Mistake("  gmdgm:", "  vlae:", ("models may not hold the name vlae",), "experiment:"),
    "no YAML": Mistake("network:", "network: {", ("not valid YAML",), "  channels:"),
    "code in a tag": Mistake("experiment: tiny", "experiment: !!python/name:os.system x", ("YAML",)),
}


def refused(capsys: pytest.CaptureFixture[str], *command: str) -> str:
    """Run a command that must end with status 2 and one sentence, and return that."""
    capsys.readouterr()
    assert main([*command]) == 2
    said = capsys.readouterr().err
    assert re.fullmatch(r"error: [^\n]{10,1200}\n", said), said
    assert said[:-1].isprintable()
    return said


@pytest.fixture
def params(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Params:
    monkeypatch.chdir(tmp_path)
    return tiny_params(tmp_path)


@pytest.mark.parametrize("mistake", MISTAKES.values(), ids=MISTAKES)
def test_a_mistake_in_params_is_named_with_its_line(
    mistake: Mistake, params: Params, capsys: pytest.CaptureFixture[str]
) -> None:
    assert TINY.count(mistake.right) == 1
    Path("params.yaml").write_text(TINY.replace(mistake.right, mistake.wrong))
    said = refused(capsys, "plan")
    at = mistake.at or mistake.right.lstrip("\n")
    line = TINY[: TINY.index(f"\n{at}") + 1 if f"\n{at}" in TINY else TINY.index(at)].count("\n") + 1
    assert f"params.yaml, line {line}: " in said or f"params.yaml is not valid YAML at line {line}: " in said
    assert all(part in said for part in mistake.named), said


@pytest.mark.parametrize(
    ("spoil", "named"),
    [
        (lambda path: path.unlink(), r"params\.yaml is missing\..*presets"),
        (lambda path: path.write_text(""), r"params\.yaml.* is None, but"),
        (lambda path: path.write_text("- a\n- b\n"), r"params\.yaml, line 1: the file is \['a', 'b'\], but"),
        (lambda path: path.write_bytes(b"\xff\x00"), r"params\.yaml is not valid YAML"),
        (lambda path: path.write_text("[" * 5000), r"params\.yaml is not valid YAML"),
        (lambda path: (path.unlink(), path.mkdir()), r"params\.yaml is not valid YAML: .*Is a directory"),
    ],
)
def test_what_is_no_file_of_parameters_is_named(
    spoil: Callable[[Path], object], named: str, params: Params, capsys: pytest.CaptureFixture[str]
) -> None:
    spoil(Path("params.yaml"))
    assert re.search(named, refused(capsys, "plan"))


def test_5e_05_is_a_number(params: Params) -> None:
    Path("params.yaml").write_text(TINY.replace("lr: 2.0e-3", "lr: 5e-05"))
    assert load_params().training.lr == 5e-5


@pytest.mark.parametrize(
    ("command", "named"),
    [
        ("train --model nobody --seed 0", "lists no such job of `train`. It lists the models vlae, vlac_1layer,"),
        ("evaluate --model gmdgm --seed 7", "lists no such job of `evaluate`. It lists the seeds 0"),
        ("work --minutes 0", "--minutes must be a positive number"),
        ("work --minutes nan", "--minutes must be a positive number"),
    ],
)
def test_a_mistake_on_the_command_line_is_named(
    command: str, named: str, params: Params, capsys: pytest.CaptureFixture[str]
) -> None:
    assert named in refused(capsys, *command.split())


def test_an_engine_shows_the_same_sentence(tmp_path: Path) -> None:
    project = Project.make(tmp_path)
    project.change("training", "epochs", to=0)
    said = project.run("snakemake", "--dry-run", fails=True)
    assert "training.epochs is 0, but" in said
    assert "Traceback" not in said


def test_snakemakes_own_configuration_is_refused(tmp_path: Path) -> None:
    project = Project.make(tmp_path)
    said = project.run("snakemake", "--dry-run", "--config", "epochs=3", fails=True)
    assert "--config and --configfile are refused (epochs)" in said


def test_ctrl_c_while_the_program_is_still_being_read_in(tmp_path: Path) -> None:
    (tmp_path / "pydantic.py").write_text("raise KeyboardInterrupt")
    environment = os.environ | {"PYTHONPATH": f"{tmp_path}{os.pathsep}{ROOT}"}
    command = [sys.executable, "-m", "vlac", "plan"]
    ended = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
    assert (ended.returncode, ended.stderr) == (130, "interrupted: nothing was begun.\n")


WORDS = st.one_of(
    st.sampled_from(
        ["0", "-1", "1e400", ".inf", "null", "true", "[]", "{}", "[1]", "'a'", "!!int", "&", "*", "?", "---"]
    ),
    st.sampled_from(["|", ">", "5e-05", "0x1F", "1_000", "2024-01-02", "\x00", "\t", "\n"]),
    st.integers().map(str),
    st.text(max_size=20),
)
EDITS = st.lists(st.tuples(st.integers(0, len(TINY)), st.integers(0, 40), WORDS), min_size=1, max_size=3)


@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(edits=EDITS)
def test_any_other_text_is_accepted_or_refused(edits: list[tuple[int, int, str]], tmp_path: Path) -> None:
    text = TINY
    for start, length, word in edits:
        text = text[:start] + word + text[start + length :]
    path = tmp_path / "params.yaml"
    path.write_bytes(text.encode(errors="surrogatepass"))
    try:
        assert isinstance(load_params(path), Params)
    except VlacError as error:
        refused = str(error)
        assert refused.isprintable() and refused.startswith(str(path))  # noqa: PT018
