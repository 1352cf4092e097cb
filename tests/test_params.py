"""The parameters: shipped files, their two forms, and what of them a job sees."""

import sys
from pathlib import Path

import pytest
from made_up import ROOT, tiny_params
from ruamel.yaml import YAML

from vlac.errors import VlacError
from vlac.params.load import load_params
from vlac.params.view import declared, fingerprint, restrict
from vlac.workflow.depends import keys_of, params_hash
from vlac.workflow.jobs import jobs

SHIPPED = [ROOT / "params.yaml", *sorted((ROOT / "presets").glob("*.yaml"))]


@pytest.mark.parametrize("path", SHIPPED, ids=lambda path: path.stem)
def test_a_shipped_file_is_read_as_dvc_reads_it_and_is_the_same_as_json(path: Path, tmp_path: Path) -> None:
    params = load_params(path)
    assert params.model_dump(mode="json", exclude_unset=True) == YAML(typ="safe", pure=True).load(path)
    (tmp_path / "params.json").write_text(params.model_dump_json())
    again = load_params(tmp_path / "params.json")
    assert again == params
    for job in jobs(params):
        assert params_hash(job, again) == params_hash(job, params)


def test_the_active_parameters_are_a_preset() -> None:
    assert load_params(SHIPPED[0]) in [load_params(path) for path in SHIPPED[1:]]


def test_the_yaml_file_is_the_truth_and_the_json_file_its_substitute(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    params = tiny_params(tmp_path)
    Path("params.json").write_text(params.model_dump_json().replace('"tiny"', '"resolved"'))
    assert load_params().experiment == "tiny"
    monkeypatch.setitem(sys.modules, "ruamel.yaml", None)
    with pytest.raises(VlacError, match=r"ruamel\.yaml is not installed.*python -m vlac params > params\.json"):
        load_params()
    Path("params.yaml").unlink()
    assert load_params().experiment == "resolved"


def test_a_job_sees_what_it_declares_and_no_more(tmp_path: Path) -> None:
    params = tiny_params(tmp_path)
    train = next(job for job in jobs(params) if str(job) == "train gmdgm 1")
    keys = keys_of(train, params)
    view = restrict(params, keys)
    assert view.models == {"gmdgm": params.models["gmdgm"]}
    assert view.training == params.training
    for undeclared in ("seeds", "probe", "data"):
        with pytest.raises(AttributeError, match=f"reads the parameter '{undeclared}'"):
            getattr(view, undeclared)
    other = params.model_copy(update={"seeds": [1], "models": {"gmdgm": params.models["gmdgm"]}})
    assert fingerprint(other, keys) == fingerprint(params, keys)
    faster = params.model_copy(update={"training": params.training.model_copy(update={"lr": 1.0})})
    assert fingerprint(faster, keys) != fingerprint(params, keys)


def test_the_order_of_models_says_nothing(tmp_path: Path) -> None:
    params = tiny_params(tmp_path)
    turned = params.model_copy(update={"models": dict(reversed(params.models.items()))})
    assert fingerprint(turned, ["models"]) == fingerprint(params, ["models"])
    with pytest.raises(KeyError):
        declared(params, ["models.nobody"])
