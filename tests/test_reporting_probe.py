"""The probe's report: the rung it names, the numbers behind it, equal bytes."""

from pathlib import Path

import pandas as pd

from vlac.params.load import load_params
from vlac.params.schema import Params
from vlac.params.section import restrict
from vlac.reporting.probe import write_probe_report
from vlac.workflow.jobs import STAGES

PRESET = Path(__file__).parents[1] / "presets/digits.yaml"


def params_of_the_stage(**changes: object) -> Params:
    """Return the parameters as the stage that writes the report sees them: the declared ones alone."""
    params = Params.model_validate(load_params(PRESET).model_dump() | changes)
    return restrict(params, list(STAGES["probe_report"].params))


def scores(seeds: int = 2) -> pd.DataFrame:
    means = ((1, 0.2), (2, 0.5), (3, 0.4), (4, 0.1))
    rows = [(seed, rung, 0.1 * rung, 0.3, mean + 0.1 * seed) for seed in range(seeds) for rung, mean in means]
    table = pd.DataFrame(rows, columns=["seed", "rung", "knn", "linear", "gmm_purity"])
    return table.assign(kmeans_purity=0.2, chance=0.125)


def row(text: str, label: str) -> list[str]:
    line = next(line for line in text.splitlines() if line.startswith(f"| {label} "))
    return [cell.strip() for cell in line.strip("|").split("|")][1:]


def test_names_the_rung_with_mean_and_std_in_the_same_bytes_again(tmp_path: Path) -> None:
    for folder in ("a", "b"):
        write_probe_report(params_of_the_stage(), scores(), 2, 3, tmp_path / folder)
    assert (tmp_path / "a/probe.png").read_bytes() == (tmp_path / "b/probe.png").read_bytes()
    text = (tmp_path / "a/probe.md").read_text().replace("\N{NO-BREAK SPACE}", " ")
    assert "**The probe names rung 2.** `digit_rung` is 3" in text
    # gmm_purity of rung 2: 0.5 and 0.6, mean 0.55, std 0.1 / sqrt(2)
    assert row(text, "**2**") == ["0.200 ± 0.000", "0.300 ± 0.000", "0.550 ± 0.071", "0.200 ± 0.000"]
    assert row(text, "3")[2] == "0.450 ± 0.071"
    assert "2,000 images of the training split" in text.replace("\n", " ")
    assert "Chance: 0.125" in text


def test_auto_uses_the_answer_and_one_seed_has_no_spread(tmp_path: Path) -> None:
    probe = {"seeds": [0], "K": 50}
    write_probe_report(params_of_the_stage(digit_rung="auto", probe=probe), scores(1), 2, 2, tmp_path)
    text = (tmp_path / "probe.md").read_text()
    assert "`digit_rung` is auto: where a model has rungs, rung 2 gets the largest K" in text.replace("\n", " ")
    assert row(text, "**2**") == ["0.200", "0.300", "0.500", "0.200"]
    assert "seed 0 of the VLAE" in text
