"""Every mistake in params.yaml gets one sentence with the key and its line, and both YAML loaders read the same."""

import json
import sys
from pathlib import Path
from typing import Any, NamedTuple

import pytest
import yaml
from ruamel.yaml import YAML

from vlac.errors import VlacError
from vlac.params.load import load_params
from vlac.stages import STAGES, jobs
from vlac.stages.view import fingerprint

ROOT = Path(__file__).resolve().parents[1]
SHIPPED = [ROOT / "params.yaml", *sorted((ROOT / "presets").glob("*.yaml"))]
TINY = (ROOT / "presets" / "tiny.yaml").read_text()
SAME_IN_BOTH = ["1", "0", "-1", "+1", "1.0", ".5", "1.0e-3", "1.5e+3", "0x1F", "true", "False", "null", "word", "0-4"]
LOOK_ALIKES = ["1e-3", "1E5", "1.5e3", "yes", "Off", "on", "NO", "010", "0o17", "0b11", "1_000", "1:30", "2024-01-02"]


class Mistake(NamedTuple):
    """What stands in presets/tiny.yaml, what a user writes instead, and what the sentence must name with the line."""

    name: str
    right: str
    wrong: str
    named: list[str]
    at: str = ""
    """The text whose line it is, where that is another one than that of `right`."""


MISTAKES = [
    Mistake("misspelt key", "  epochs: 2", "  epoch: 2", ["training.epoch ", "no known key", "epochs"]),
    Mistake("misspelt key on top", "preset: tiny", "presets: tiny", ["presets", "no known key", "preset"]),
    Mistake("misspelt key in a model", "K: 12, z: 4}", "K: 12, zz: 4}", ["models.gmdgm.zz", "kind, K, z"]),
    Mistake("missing key", "  holdout: 100\n", "", ["data.holdout", "missing"], "data:"),
    Mistake("key twice", "  batch: 50", "  batch: 50\n  batch: 60", ["'batch'", "twice"], "  lr: "),
    Mistake("key that is a list", "  batch: 50", "  ? [a]\n  : 50", ["key", "plain word"]),
    Mistake("lr without a point", "  lr: 2.0e-3", "  lr: 1e-3", ["training.lr", "1e-3", "Write 1.0e-3"]),
    Mistake("octal look-alike", "  epochs: 2", "  epochs: 010", ["training.epochs", "010", "YAML 1.1"]),
    Mistake("octal of YAML 1.2", "  epochs: 2", "  epochs: 0o10", ["training.epochs", "0o10", "YAML 1.2"]),
    Mistake("underscore in a number", "train: 400,", "train: 1_000,", ["data.digits.train", "1_000"]),
    Mistake("base 60", "  batch: 50", "  batch: 1:30", ["training.batch", "1:30"]),
    Mistake("on for true", "preset: tiny", "preset: on", ["preset", "on", "quotes"]),
    Mistake("no for false", "preset: tiny", "preset: No", ["preset", "No", "quotes"]),
    Mistake("a date", "preset: tiny", "preset: 2024-01-02", ["preset", "2024-01-02"]),
    Mistake("K too short", "[1, 3, 12, 1]", "[1, 3, 12]", ["models.vlac_2layer.K", "4 items"]),
    Mistake("K on a fifth rung", "[1, 3, 12, 1]", "[1, 3, 12, 1, 1]", ["models.vlac_2layer.K", "4 items"]),
    Mistake("no cluster", "[1, 3, 12, 1]", "[1, 3, 0, 1]", ["models.vlac_2layer.K.2", "greater than 0"]),
    Mistake("K no integer", "[1, 3, 12, 1]", "[1, 3, 12.0, 1]", ["models.vlac_2layer.K.2", "12.0", "integer"]),
    Mistake("no mixture", "[1, 1, 12, 1]", "[1, 1, 1, 1]", ["models.vlac_1layer", "K needs one entry above 1"]),
    Mistake("two largest K", "[1, 3, 12, 1]", "[1, 12, 12, 1]", ["models.vlac_2layer", "unique"]),
    Mistake("digit_rung beyond the ladder", "digit_rung: 3", "digit_rung: 5", ["digit_rung", "5"]),
    Mistake(
        "digit_rung against K", "digit_rung: 3", "digit_rung: 2", ["models.vlac_1layer.K", "digit_rung"], "vlac_1layer:"
    ),
    Mistake("digit_rung by another word", "digit_rung: 3", "digit_rung: probe", ["digit_rung", "'auto'"]),
    Mistake("seed twice", "seeds: [0-1]", "seeds: [0, 0]", ["seeds", "seed 0 is listed twice"]),
    Mistake("seed and range", "seeds: [0-1]", "seeds: [0, 0-2]", ["seeds", "seed 0 is listed twice"]),
    Mistake("range backwards", "seeds: [0-1]", "seeds: [2-0]", ["seeds.0", "'2-0'", "no range"]),
    Mistake("negative seed", "seeds: [0-1]", "seeds: [-1]", ["seeds.0", "-1"]),
    Mistake("no seed", "seeds: [0-1]", "seeds: []", ["seeds", "at least 1 item"]),
    Mistake("seeds no list", "seeds: [0-1]", "seeds: 3", ["seeds", "3", "list"]),
    Mistake("probe seed twice", "  seeds: [0, 1]", "  seeds: [1, 1]", ["probe.seeds", "listed twice"]),
    Mistake("wrong type", "  batch: 50", "  batch: fifty", ["training.batch", "'fifty'", "integer"]),
    Mistake("number in quotes", "  batch: 50", "  batch: '50'", ["training.batch", "'50'", "integer"]),
    Mistake("true for a number", "  batch: 50", "  batch: true", ["training.batch", "True", "integer"]),
    Mistake("out of range", "  batch: 50", "  batch: 1", ["training.batch", "greater than or equal to 2"]),
    Mistake("no seed at once", "  at_once: 1", "  at_once: 0", ["training.at_once", "greater than 0"]),
    Mistake("negative rate", "  lr: 2.0e-3", "  lr: -0.1", ["training.lr", "-0.1", "greater than 0"]),
    Mistake("nan", "  lr: 2.0e-3", "  lr: .nan", ["training.lr", "finite"]),
    Mistake("scale of nothing", "scale: 0.15", "scale: 0.0", ["likelihood.scale", "greater than 0"]),
    Mistake("no such form", "form: gaussian", "form: normal", ["likelihood.form", "'gaussian'", "'laplace'"]),
    Mistake("no such data set", "source: digits", "source: mnist", ["data.source", "'digits'", "'svhn'"]),
    Mistake("hold-out of everything", "holdout: 100", "holdout: 400", ["data", "holdout", "smaller"]),
    Mistake("digits have no extra split", "split: train", "split: extra", ["data", "train_split"]),
    Mistake("no such kind of model", "kind: gmdgm", "kind: gmm", ["models.gmdgm.kind is 'gmm'", "'vlac', 'vlac_plus'"]),
    Mistake("a model without a kind", "{kind: gmdgm, ", "{", ["models.gmdgm.kind is missing; given are K, z"]),
    Mistake(
        "a misspelt kind", "{kind: gmdgm, ", "{knid: gmdgm, ", ["models.gmdgm.kind is missing; given are knid, K, z"]
    ),
    Mistake(
        "a wrong name of a wrong kind", "gmdgm: {kind: gmdgm", "g.m: {kind: gmm", ["models.g.m is 'g.m', but string"]
    ),
    Mistake(
        "a name that is a number", "gmdgm: {kind: gmdgm", "1: {kind: gmdgm", ["models.1 is 1, but", "valid string"]
    ),
    Mistake("the probe's name", "  gmdgm:", "  vlae:", ["models", "vlae"], "models:"),
    Mistake("a name that is no wildcard", "  gmdgm:", "  gm-dgm:", ["models", "gm-dgm"]),
    Mistake("no YAML", "network:", "network: {", ["not valid YAML"], "  hidden:"),
]


@pytest.mark.parametrize("mistake", MISTAKES, ids=lambda mistake: mistake.name)
def test_a_mistake_is_named_with_its_line(mistake: Mistake, tmp_path: Path) -> None:
    assert TINY.count(mistake.right) == 1
    path = tmp_path / "params.yaml"
    path.write_text(TINY.replace(mistake.right, mistake.wrong))
    with pytest.raises(VlacError) as caught:
        load_params(path)
    sentence = str(caught.value)
    line = TINY[: TINY.index(mistake.at or mistake.right)].count("\n") + 1
    assert f"params.yaml, line {line}: " in sentence or f"params.yaml is not valid YAML at line {line}" in sentence
    assert all(part in sentence for part in mistake.named), sentence
    assert "\n" not in sentence


def test_a_missing_file_and_an_empty_one_say_what_to_do(tmp_path: Path) -> None:
    with pytest.raises(VlacError, match=r"params\.yaml is missing\. .*presets"):
        load_params(tmp_path / "params.yaml")
    (tmp_path / "params.yaml").write_text("# nothing\n")
    with pytest.raises(VlacError, match="must be a mapping"):
        load_params(tmp_path / "params.yaml")


@pytest.mark.parametrize("path", SHIPPED, ids=lambda path: path.stem)
def test_both_loaders_read_the_shipped_files_alike(path: Path) -> None:
    load_params(path)
    assert yaml.safe_load(path.read_text()) == YAML(typ="safe", pure=True).load(path)


@pytest.mark.parametrize("scalar", SAME_IN_BOTH)
def test_what_is_accepted_has_one_meaning(scalar: str, tmp_path: Path) -> None:
    as_1_1 = yaml.safe_load(f"key: {scalar}")["key"]
    as_1_2 = YAML(typ="safe", pure=True).load(f"key: {scalar}")["key"]
    assert as_1_1 == as_1_2
    assert type(as_1_1) is type(as_1_2)
    assert "read differently" not in _said_of(scalar, tmp_path)


@pytest.mark.parametrize("scalar", LOOK_ALIKES)
def test_what_the_loaders_read_differently_is_refused(scalar: str, tmp_path: Path) -> None:
    assert "read differently" in _said_of(scalar, tmp_path)


def _said_of(scalar: str, folder: Path) -> str:
    """Return what load_params says of the scalar as the value of `preset`, if anything."""
    path = folder / "params.yaml"
    path.write_text(TINY.replace("preset: tiny", f"preset: {scalar}"))
    try:
        load_params(path)
    except VlacError as error:
        return str(error)
    return ""


@pytest.mark.parametrize("path", SHIPPED, ids=lambda path: path.stem)
def test_the_resolved_parameters_are_the_same_ones(path: Path, tmp_path: Path) -> None:
    params = load_params(path)
    (tmp_path / "params.json").write_text(json.dumps(params.model_dump(mode="json")))
    again = load_params(tmp_path / "params.json")
    assert again == params
    assert list(again.models) == list(params.models)
    for stage in STAGES.values():
        for job in jobs(params, stage):
            assert fingerprint(again, job.params) == fingerprint(params, job.params)


def test_the_yaml_file_is_the_truth_and_the_json_file_its_substitute(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    with pytest.raises(VlacError, match=r"params\.yaml is missing"):
        load_params()
    values = load_params(ROOT / "presets" / "tiny.yaml").model_dump(mode="json")
    Path("params.json").write_text(json.dumps(values | {"preset": "resolved"}))
    assert load_params().preset == "resolved"
    Path("params.yaml").write_text(TINY)
    assert load_params().preset == "tiny"
    # Where PyYAML is missing the JSON file does not stand in for a YAML file that is there, and may say something else.
    monkeypatch.setitem(sys.modules, "yaml", None)
    with pytest.raises(VlacError, match=r"PyYAML is not installed.*python -m vlac pack"):
        load_params()
    Path("params.yaml").unlink()
    assert load_params().preset == "resolved"
    Path("params.json").unlink()
    with pytest.raises(VlacError, match=r"params\.yaml is missing"):
        load_params()


@pytest.mark.parametrize(
    ("wrong", "said"),
    [
        ({"training": {"epoch": 2}}, r"params\.json: training\.epoch is no known key; allowed here: epochs"),
        ({"seeds": [0, 0]}, r"params\.json: seeds: seed 0 is listed twice"),
        ({"models": {"one": {"kind": "vlac", "K": [1, 2]}}}, r"params\.json: models\.one\.K is \[1, 2\]"),
    ],
)
def test_a_mistake_in_the_resolved_parameters_is_named(wrong: dict[str, Any], said: str, tmp_path: Path) -> None:
    values = load_params(ROOT / "presets" / "tiny.yaml").model_dump(mode="json")
    (tmp_path / "params.json").write_text(json.dumps(values | wrong))
    with pytest.raises(VlacError, match=said):
        load_params(tmp_path / "params.json")
    (tmp_path / "params.json").write_text("{")
    with pytest.raises(VlacError, match=r"params\.json is damaged"):
        load_params(tmp_path / "params.json")
