"""The probe's report: the rung it names, the numbers behind it, equal bytes."""

from pathlib import Path

import pandas as pd
import pytest

from vlac.errors import VlacError
from vlac.params.load import load_params
from vlac.params.schema import Params
from vlac.params.view import restrict
from vlac.reporting.probe import write_probe_report
from vlac.workflow.jobs import STAGES

PRESET = Path(__file__).parents[1] / "presets/digits.yaml"


def params_of_the_stage(**changes: object) -> Params:
    """Return the parameters as the stage that writes the report sees them: the declared ones alone."""
    params = Params.model_validate(load_params(PRESET).model_dump() | changes)
    return restrict(params, list(STAGES["rung"].params))


def scores(seeds: int = 2) -> pd.DataFrame:
    return pd.DataFrame(
        [
            {"seed": seed, "rung": rung, "knn": 0.1 * rung, "linear": 0.3, "gmm_purity": purity + 0.1 * seed}
            | {"kmeans_purity": 0.2}
            for seed in range(seeds)
            for rung, purity in ((1, 0.2), (2, 0.5), (3, 0.4), (4, 0.1))
        ]
    )


def row(text: str, label: str) -> list[str]:
    line = next(line for line in text.splitlines() if line.startswith(f"| {label} "))
    return [cell.strip() for cell in line.strip("|").split("|")][1:]


def test_names_the_rung_with_mean_and_std(tmp_path: Path) -> None:
    write_probe_report(params_of_the_stage(), scores(), 2, 3, tmp_path)
    text = (tmp_path / "probe.md").read_text()
    assert "**The probe names rung 2.** params.yaml sets `digit_rung` to 3 all the same" in text
    # gmm_purity of rung 2: 0.5 and 0.6, mean 0.55, std 0.1 / sqrt(2)
    assert row(text, "**2**") == ["0.200 ± 0.000", "0.300 ± 0.000", "0.550 ± 0.071", "0.200 ± 0.000"]
    assert row(text, "3")[2] == "0.450 ± 0.071"
    assert "2,000 images of the training split" in text
    assert "Chance" not in text


def test_auto_uses_the_answer_and_one_seed_has_no_spread(tmp_path: Path) -> None:
    probe = {"seeds": [0], "K": 50}
    write_probe_report(params_of_the_stage(digit_rung="auto", probe=probe), scores(1), 2, 2, tmp_path)
    text = (tmp_path / "probe.md").read_text()
    assert "`digit_rung` is auto, so rung 2 gets the largest K" in text.replace("\n", " ")
    assert row(text, "**2**") == ["0.200", "0.300", "0.500", "0.200"]
    assert "from seed 0" in text


def test_chance_is_reported_where_it_was_measured(tmp_path: Path) -> None:
    write_probe_report(params_of_the_stage(), scores().assign(chance=0.125), 2, 3, tmp_path)
    assert "Chance: 0.125" in (tmp_path / "probe.md").read_text()


def test_same_bytes_again(tmp_path: Path) -> None:
    files = [tmp_path / "probe.md", tmp_path / "probe.png"]
    write_probe_report(params_of_the_stage(), scores(), 2, 3, tmp_path)
    first = [file.read_bytes() for file in files]
    write_probe_report(params_of_the_stage(), scores(), 2, 3, tmp_path)
    assert [file.read_bytes() for file in files] == first
    assert first[1].startswith(b"\x89PNG")


def test_scores_without_a_measure_are_refused(tmp_path: Path) -> None:
    with pytest.raises(VlacError, match="no column linear"):
        write_probe_report(params_of_the_stage(), scores().drop(columns="linear"), 2, 3, tmp_path)
    assert not (tmp_path / "reports").exists()
