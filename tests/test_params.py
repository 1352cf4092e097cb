"""The parameters: shipped files, and what of them a job sees."""

from pathlib import Path

import pytest
from made_up import ROOT, tiny_params
from ruamel.yaml import YAML

from vlac.params.load import load_params
from vlac.params.section import declared, fingerprint, restrict
from vlac.workflow.depends import keys_of
from vlac.workflow.jobs import jobs

SHIPPED = [ROOT / "params.yaml", *sorted((ROOT / "presets").glob("*.yaml"))]


@pytest.mark.parametrize("path", SHIPPED, ids=lambda path: path.stem)
def test_a_shipped_file_is_read_as_dvc_reads_it(path: Path) -> None:
    params = load_params(path)
    assert params.model_dump(mode="json", exclude_unset=True) == YAML(typ="safe", pure=True).load(path)


def test_the_active_parameters_are_a_preset() -> None:
    assert load_params(SHIPPED[0]) in [load_params(path) for path in SHIPPED[1:]]


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
