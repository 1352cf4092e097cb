"""Table 1 from hand-made scores: numbers computed by hand, rows that must and must not be there, equal bytes."""

import math
from pathlib import Path

import pandas as pd
import pytest
from scipy import stats

from vlac.datasets.base import File, source_content
from vlac.evaluation.metrics import SHOWN
from vlac.files import write_json
from vlac.methods import kinds
from vlac.params.load import load_params
from vlac.params.schema import Params
from vlac.reporting.published import TABLE_1
from vlac.reporting.table import write_table
from vlac.tables import write_csv

PRESET = Path(__file__).parents[1] / "presets/digits.yaml"
FACTORS = {"digit": 0.1, "ink_hue": 0.2}
PAPER = ("VLAC, K = (1, 1, 50, 1)", "VLAC, K = (1, 5, 50, 1)", "Equivalent GM-DGM, K = 50")


@pytest.fixture(scope="module")
def shipped():
    """The paper's models alone, two seeds of each."""
    models = load_params(PRESET).model_dump()["models"]
    paper = {name: models[name] for name in ("vlac_1layer", "vlac_2layer", "gmdgm")}
    return changed(load_params(PRESET), models=paper, seeds=[0, 1])


def changed(params, **sections):
    return Params.model_validate(params.model_dump() | sections)


def lay_out(root, params, acc, factors=FACTORS, official=False):
    """Write what the stages before the table write; seed s of a model has the s-th of its accuracies."""
    counts = {"train": 12000, "test": 4000}
    files = [File(split, f"{split}_32x32.mat", count, official, 1, "0" * 64) for split, count in counts.items()]
    write_json(root / "data/digits/source.json", source_content(params.data.source, files))
    for name, values in acc.items():
        for seed, value in enumerate(values):
            folder = root / "results/digits/evaluate" / name / str(seed)
            row = {"seed": seed, "rung": 3, "acc": value, "acc_test_map": value + 0.01, "hungarian": 0.2, "nmi": 0.3}
            row |= (
                {"sample_acc": value / 2, "judge_acc": 0.98}
                if name != "pixels"
                else {"sample_acc": None, "judge_acc": None}
            )
            row |= {"ari": -0.0001, "clusters_in_use": 40 + seed, "chance": 0.1, "chance_random": 0.118, "images": 4000}
            write_csv(folder / "scores.csv", [row])
            lines = [(seed, rung, f, "knn", 0.1 * rung + value) for rung in (1, 2, 3, 4) for f in factors]
            lines += [(seed, rung, f, "chance", chance) for rung in (1, 2, 3, 4) for f, chance in factors.items()]
            lines += [(seed, 3, f, "nmi", value / 2) for f in factors]
            columns = ("seed", "rung", "factor", "measure", "value")
            write_csv(folder / "factors.csv", [dict(zip(columns, line, strict=True)) for line in lines])


def report(root, params, acc, factors=FACTORS, official=False):
    """Lay out results of every model, `acc` by model or the same for all, write the table and return it."""
    lay_out(root, params, acc if isinstance(acc, dict) else dict.fromkeys(params.models, acc), factors, official)
    write_table(params, root)
    return (root / "reports/table1.md").read_text()


def cells(text, label):
    line = next(line for line in text.splitlines() if line.startswith(f"| {label} "))
    return [cell.strip().replace("\N{NO-BREAK SPACE}", " ") for cell in line.strip("|").split("|")]


def test_two_seeds_give_mean_and_sample_standard_deviation(tmp_path, shipped):
    acc = {"vlac_1layer": [0.4, 0.5], "vlac_2layer": [0.6, 0.6], "gmdgm": [0.3, 0.31]}
    text = report(tmp_path, shipped, acc)
    # std of (0.4, 0.5) with ddof = 1 is 0.1 / sqrt(2) = 0.0707
    row = cells(text, PAPER[0])
    assert row[1:5] == ["pixels", "0.637 ± 0.042", "0.450 ± 0.071", "0.460 ± 0.071"]
    assert row[5:] == ["0.200 ± 0.000", "0.300 ± 0.000", "0.000 ± 0.000", "0.225 ± 0.035", "40.5 ± 0.7", "2"]
    table = pd.read_csv(tmp_path / "reports/table1.csv").set_index("row")
    assert len(table) == 6
    assert table.loc[PAPER[0], "acc_std"] == pytest.approx(0.1 / math.sqrt(2), rel=1e-5)
    assert table.loc[PAPER[2], "acc_mean"] == pytest.approx(0.305)
    assert table.loc["DEC [29], K = 10", "status"] == "quoted"
    assert math.isnan(table.loc["DEC [29], K = 10", "acc_mean"])
    assert "ddof = 1), seeds 0 and 1" in text
    assert "Over 2 seeds per row" in text
    assert "cannot give a p below 0.33" in text


def test_a_paper_row_that_is_not_run_is_quoted_and_other_models_stand_below(tmp_path, shipped):
    models = {
        "gmdgm": {"kind": "gmdgm", "K": 50, "z": 10},
        "vlac_1layer": {"kind": "vlac", "K": [1, 1, 20, 1]},  # the paper's name, another K: not the paper's row
        "mine": {"kind": "vlac", "K": [5, 1, 50, 1]},
    }
    params = changed(shipped, models=models)
    text = report(tmp_path, params, [0.4, 0.5])
    assert cells(text, PAPER[0])[3] == "quoted"
    assert cells(text, PAPER[1])[1:] == ["", "0.648 ± 0.027", "quoted", *[""] * 7]
    assert cells(text, PAPER[2])[3] == "0.450 ± 0.071"
    for label in ("vlac_1layer: VLAC, K = (1, 1, 20, 1)", "mine: VLAC, K = (5, 1, 50, 1)"):
        assert cells(text, label)[1:4] == ["pixels", "not in the paper", "0.450 ± 0.071"]
    order = pd.read_csv(tmp_path / "reports/table1.csv")["row"].tolist()
    assert order[:6] == [printed.label for printed in TABLE_1]
    assert [label.split(":")[0] for label in order[6:]] == ["mine", "vlac_1layer"]


def test_a_ladder_on_the_probe_s_rung_is_a_paper_row_where_that_is_the_paper_s(shipped):
    method, settings = kinds()["vlac"], shipped.models["vlac_1layer"]
    assert [TABLE_1[0].is_run_by("vlac_1layer", method(settings, shipped, rung)) for rung in (2, 3)] == [False, True]


def test_the_order_of_models_in_the_file_says_nothing(tmp_path, shipped):
    models = {name: {"kind": "vlac", "K": [1, 1, K, 1]} for name, K in (("b", 20), ("a", 30), ("c", 40))}
    written = []
    for order in (models, dict(sorted(models.items(), reverse=True))):
        params = changed(shipped, models=order)
        report(tmp_path, params, [0.4, 0.5])
        written.append([(tmp_path / "reports" / f"table1.{end}").read_bytes() for end in ("md", "csv", "png")])
    assert written[0] == written[1]


def test_rows_of_three_seeds_are_compared(tmp_path, shipped):
    params = changed(shipped, seeds=[0, 1, 2])
    accuracies = {"vlac_1layer": [0.4, 0.5, 0.6], "vlac_2layer": [0.1, 0.2, 0.3], "gmdgm": [0.3, 0.3, 0.3]}
    section = report(tmp_path, params, accuracies).partition("## Differences")[2].partition("\n## ")[0]
    assert "Over 3 seeds per row" in section
    rows = [line for line in section.splitlines() if line.startswith("| ")][1:]
    assert len(rows) == 3
    # Equal variances 0.01, n = 3 each: standard error sqrt(0.02 / 3), 4 degrees of freedom.
    error = math.sqrt(0.02 / 3)
    reach, p = stats.t.ppf(0.975, 4) * error, 2 * stats.t.sf(0.3 / error, 4)
    row = cells(section, PAPER[0])
    assert row[1:5] == [PAPER[1], "0.300", f"{0.3 - reach:.3f} to {0.3 + reach:.3f}", f"{p:.3f}"]
    # The least p of three pairs, so times 3; of 20 partitions, 2 are as extreme.
    assert row[5:] == [f"{3 * p:.3f}", "0.100", "0.300"]


def test_vlac_is_compared_with_every_row_and_the_others_not_with_each_other(tmp_path, shipped):
    gmdgm, pixels = {"kind": "gmdgm", "K": 9, "z": 4}, {"kind": "kmeans", "K": 50, "features": "pixels"}
    params = changed(shipped, models=shipped.model_dump()["models"] | {"mine": gmdgm, "pixels": pixels})
    section = report(tmp_path, params, [0.4, 0.5]).partition("## Differences")[2].partition("\n## ")[0]
    rows = [line for line in section.splitlines() if line.startswith("| ")][1:]
    assert len(rows) == 7  # of ten pairs
    assert all("VLAC" in row for row in rows)


def test_one_seed_has_no_spread_and_is_not_tested(tmp_path, shipped):
    text = report(tmp_path, changed(shipped, seeds=[0]), [0.6])
    assert cells(text, PAPER[1])[3:] == ["0.600", "0.610", "0.200", "0.300", "0.000", "0.300", "40.0", "1"]
    assert "Not tested: with a single seed" in text


def test_svhn_has_the_digit_alone_and_says_which_files(tmp_path, shipped):
    params = changed(shipped, data=shipped.data.model_dump() | {"source": "svhn"})
    text = report(tmp_path, params, [0.4, 0.5], {"digit": 0.196})
    assert "not all of which are the official SVHN files" in text
    assert "digit (0.196)" in text
    assert "same official SVHN test split" in report(tmp_path, params, [0.4, 0.5], {"digit": 0.196}, official=True)


def test_rungs_against_factors(tmp_path, shipped):
    section = report(tmp_path, shipped, [0.4, 0.5]).partition("### VLAC, K = (1, 1, 50, 1)")[2].partition("###")[0]
    assert "digit (0.100)" in section
    assert "ink hue (0.200)" in section
    assert cells(section, "z_1, kNN accuracy")[1:] == ["0.550", "0.550"]
    assert cells(section, "z_4, kNN accuracy")[1:] == ["**0.850**", "**0.850**"]
    assert cells(section, "y_3, NMI")[1:] == ["0.225", "0.225"]


def test_further_clusterings_have_rows_below_their_method_s(tmp_path, shipped):
    plus = load_params(PRESET.with_name("tiny.yaml")).models["vlac_2layer_plus"].model_dump()
    params = changed(shipped, models={"vlac_2layer": plus})  # the paper's name, another kind: not the paper's row
    lay_out(tmp_path, params, {"vlac_2layer": [0.6, 0.6]})
    for seed, acc in enumerate([0.3, 0.4]):
        path = tmp_path / f"results/digits/evaluate/vlac_2layer/{seed}/scores.csv"
        scores = pd.read_csv(path)
        further = {f"k-means of features/{metric.name}": acc for metric in SHOWN}
        write_csv(path, scores.assign(**further).to_dict("records"))
    write_table(params, tmp_path)
    text = (tmp_path / "reports/table1.md").read_text()
    assert cells(text, PAPER[1])[2:4] == ["0.648 ± 0.027", "quoted"]
    assert cells(text, "vlac_2layer: VLAC+, K = (1, 2, 12, 1)")[1:4] == ["pretext", "not in the paper", "0.600 ± 0.000"]
    assert cells(text, "vlac_2layer: k-means of features")[1:4] == ["pretext", "not in the paper", "0.350 ± 0.071"]
    assert "- VLAC+ goes beyond the paper." in text


def test_a_method_without_codes_has_the_nmi_of_its_clusters(tmp_path, shipped):
    params = changed(
        shipped, models=shipped.model_dump()["models"] | {"pixels": {"kind": "kmeans", "K": 50, "features": "pixels"}}
    )
    lay_out(tmp_path, params, {name: [0.4, 0.5] for name in params.models})
    for seed in (0, 1):
        folder = tmp_path / f"results/digits/evaluate/pixels/{seed}"
        write_csv(folder / "scores.csv", pd.read_csv(folder / "scores.csv").assign(rung=1).to_dict("records"))
        factors = pd.read_csv(folder / "factors.csv").query("measure == 'nmi'").assign(rung=1)
        write_csv(folder / "factors.csv", factors.to_dict("records"))
    write_table(params, tmp_path)
    text = (tmp_path / "reports/table1.md").read_text()
    assert "-" in cells(text, "pixels: k-means on pixels, K = 50")
    assert "judge of samples puts 0.980" in text
    section = text.partition("### pixels: k-means on pixels, K = 50")[2].partition("\n## ")[0]
    assert [line.strip("| ").split(" ")[0] for line in section.split("\n\n")[1].splitlines()[2:]] == ["y_1,"]
    assert cells(section, "y_1, NMI")[1:] == ["0.225", "0.225"]
    notes = " ".join(text.partition("## Protocol")[2].partition("\n## ")[0].split())
    assert "- pixels: k-means (Lloyd's algorithm" in notes
    assert "- gmdgm, vlac_1layer and vlac_2layer: Training: 12 epochs" not in notes  # in the order of the table:
    assert "- vlac_1layer, vlac_2layer and gmdgm: Training: 12 epochs" in notes
    assert notes.count("Likelihood: Gaussian of standard deviation") == 1
    assert "digits/probe.md" in notes
