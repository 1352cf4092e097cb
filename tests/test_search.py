"""The search: its rule, the sentences about search.yaml, what a trial is trained on and scored by, and its report."""

import math
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import yaml
from project import ROOT, Project

from vlac.data.split import Split, from_labels
from vlac.errors import DivergedError, VlacError
from vlac.evaluation.metrics import accuracy, majority_mapping
from vlac.methods import kinds
from vlac.search.params import load_search, search_jobs
from vlac.search.search import choose, search
from vlac.search.trial import trial
from vlac.workflow.depends import params_hash
from vlac.workflow.jobs import Job
from vlac.workflow.run import run_job

TINY = (ROOT / "presets/searches/tiny.yaml").read_text()
OTHERS = """
  - {name: plain, hypothesis: h, prediction: p, model: {kind: vlae}, set: {}}
  - {name: pixels, hypothesis: h, prediction: p, model: {kind: kmeans, K: 9, features: pixels}, set: {}}
"""
NAN = math.nan


class Nobody:
    """Watches a training and shows nothing."""

    start = log_epoch = staticmethod(lambda rows: None)


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder with the tiny search and images that mean nothing, no two alike."""
    monkeypatch.chdir(tmp_path)
    shutil.copytree(ROOT / "presets", tmp_path / "presets")
    shutil.copy(ROOT / "presets/tiny.yaml", "params.yaml")
    Path("search.yaml").write_text(TINY)
    images = np.random.default_rng(0).integers(0, 256, (400, 32, 32, 3), np.uint8)
    from_labels(images, np.arange(400, dtype=np.uint8) % 10).save(Path("data/tiny/train.npz"))
    return tmp_path


def run(name: str) -> Job:
    """Run a trial, or the search, and return its job."""
    every = list(search_jobs())
    job, params = next((job, params) for job, params in every if name in (job.model, job.stage.name))
    stage = search if job.stage.name == "search" else lambda *of: trial(*of, Nobody())
    run_job(job, params, [each for each, _ in every], stage)
    return job


@pytest.mark.parametrize(
    ("scores", "lead", "chosen", "verdict"),
    [
        # means 0.30 and 0.33
        ({"base": [0.2, 0.4], "other": [0.33, 0.33]}, 0.02, "other", "leads the base trial `base` by 0.030"),
        ({"base": [0.2, 0.4], "other": [0.33, 0.33]}, 0.04, "base", "`other`, differs from it by +0.030, and 0.04 was"),
        ({"base": [0.2, 0.4], "other": [0.25, 0.25]}, 0.0, "base", "-0.050"),
        # A lead met exactly: in floating point 0.29 - 0.28 is below 0.01.
        ({"base": [0.28], "other": [0.29]}, 0.01, "other", "0.010"),
        # Equal means: the base stays, even where no lead is asked for; of two others the first counts.
        ({"base": [0.3], "other": [0.3]}, 0.0, "base", "+0.000"),
        ({"first": [0.4], "base": [0.3], "second": [0.4]}, 0.05, "first", "0.100"),
        # One seed that failed rules a trial out, whatever the others reached.
        ({"base": [0.3, 0.3], "other": [0.9, NAN]}, 0.01, "base", "no other trial competes, or all others have failed"),
        ({"base": [NAN, 0.9], "other": [0.1, 0.2]}, 0.5, "other", "the base trial `base` has failed"),
        ({"base": [NAN], "other": [NAN]}, 0.0, None, "chose nothing"),
    ],
)
def test_the_rule(scores: dict[str, list[float]], lead: float, chosen: str | None, verdict: str) -> None:
    made, said = choose(scores, "base", lead)
    assert made == chosen
    assert verdict in said


MODEL = "{kind: vlac, K: [1, 1, 12, 1]}\n    set: {}"

# What stands in presets/searches/tiny.yaml, what a user writes instead, and what the sentence must name.
MISTAKES = {
    "misspelt key": ("lead: 0.02", "leads: 0.02", ["rule.leads", "no known key", "measure, base, lead"]),
    "misspelt key of the base": ("training.lr:", "training.rl:", ["training.rl", "no known key", "lr_prior"]),
    "a key that decides the score": ("training.lr: 5.0e-3", "data.holdout: 3", ["may not set data.holdout"]),
    "a section that is none": ("training.lr:", "training.lr.x:", ["training.lr is", "valid number"]),
    "K against digit_rung": (MODEL, "{kind: vlac, K: [1, 12, 1, 1]}\n    set: {}", ["digit_rung is 3"]),
    "no rung": (MODEL, "{kind: gmdgm, K: 9, z: 2}\n    set: {digit_rung: auto}", ["models.as_it_is needs a rung"]),
    "what is not read": (
        MODEL,
        "{kind: kmeans, K: 9, features: pixels}\n    set: {training.lr: 1.0}",
        ["may not set training.lr, which it does not read"],
    ),
    "a VLAE as base": (MODEL, "{kind: vlae}\n    set: {}", ["rule.measure is y_purity", "vlae has no clusters"]),
    "no such base trial": ("  base: as_it_is", "  base: nobody", ["rule.base", "'nobody'", "as_it_is, faster"]),
}


@pytest.mark.parametrize("mistake", MISTAKES.values(), ids=MISTAKES)
def test_a_mistake_is_named_with_its_line_or_trial(mistake: tuple[str, str, list[str]]) -> None:
    right, wrong, named = mistake
    assert TINY.count(right) == 1
    Path("search.yaml").write_text(TINY.replace(right, wrong))
    with pytest.raises(VlacError, match=r"^search\.yaml, (line \d+|trial \w+): ") as caught:
        load_search()
    assert all(part in str(caught.value) for part in named), caught.value


@pytest.mark.parametrize("path", sorted((ROOT / "presets/searches").glob("*.yaml")), ids=lambda path: path.stem)
def test_the_shipped_searches_can_be_read_beside_their_base(path: Path) -> None:
    shutil.copy(path, "search.yaml")
    shutil.copy(yaml.safe_load(path.read_text())["base"], "params.yaml")
    assert len(list(search_jobs())) > 1
    shutil.copy(ROOT / "presets/svhn_paper.yaml" if path.stem == "tiny" else ROOT / "presets/tiny.yaml", "params.yaml")
    with pytest.raises(VlacError, match=r"search\.yaml rests on presets/.*, but data\.\w+ differs"):
        load_search()


def test_rule_and_settings_make_a_trial_stale_and_words_do_not() -> None:
    def sign(old: str = "", new: str = "") -> str:
        Path("search.yaml").write_text(TINY.replace(old, new) if old else TINY)
        return next(params_hash(job, params) for job, params in search_jobs() if job.model == "faster")

    for edit in (("lead: 0.02", "lead: 0.03"), ("lr: 5.0e-3", "lr: 6.0e-3"), ("holdout: 100", "holdout: 90")):
        assert sign(*edit) != sign(), edit
    assert sign("Purity of y rises.", "Purity of y falls.") == sign("seeds: [0]", "seeds: [0, 1]") == sign()


def test_a_search_from_end_to_end() -> None:
    Path("search.yaml").write_text(TINY + OTHERS)
    with pytest.raises(VlacError, match=r"manifest\.json is missing"):
        run("search")
    trials = ("as_it_is", "faster", "plain", "pixels")
    scores = {name: pd.read_csv(run(name).output("scores.csv")) for name in trials}
    run("search")
    assert scores["faster"]["rung"].tolist() == scores["plain"]["rung"].tolist() == [1, 2, 3, 4]
    assert scores["faster"]["y_purity"].notna().tolist() == [False, False, True, False]

    text, table = Path("reports/search.md").read_text(), pd.read_csv("reports/search.csv").set_index("trial")
    assert table["images_seen"].to_dict() == {"as_it_is": 600, "faster": 600, "plain": 600, "pixels": 0}
    assert table.loc["faster", "y_purity"] == scores["faster"].loc[2, "y_purity"]
    assert math.isnan(table.loc["plain", "y_purity"])
    assert table.loc["plain", "gmm_purity"] == scores["plain"]["gmm_purity"].max()
    # The rule by hand: the last two are of another kind, and two points are asked for.
    lead = table.loc["faster", "y_purity"] - table.loc["as_it_is", "y_purity"]
    assert table.index[table["chosen"]].tolist() == ["faster" if round(lead, 6) >= 0.02 else "as_it_is"]
    assert all(
        part in text
        for part in ("Take the trial of the highest purity", "`training.lr` = 0.005", "No other trial leads")
    )

    Path("search.yaml").write_text(TINY.replace("lead: 0.02", "lead: 0.0") + OTHERS)  # a rule after the fact
    with pytest.raises(VlacError, match="trial as_it_is 0: its parameters have changed"):
        run("search")


def test_a_trial_is_never_trained_on_the_hold_out(monkeypatch: pytest.MonkeyPatch) -> None:
    vlac = kinds()["vlac"]
    real_fit, real_encode = vlac.fit, vlac.encode
    seen: list[Any] = []

    def fit(self: Any, images: np.ndarray, *others: Any) -> Any:
        seen.append(images)
        return real_fit(self, images, *others)

    def encode(self: Any, images: np.ndarray) -> Any:
        seen.append((images, real_encode(self, images)))
        return seen[-1][1]

    monkeypatch.setattr(vlac, "fit", fit)
    monkeypatch.setattr(vlac, "encode", encode)
    job = run("faster")
    trained, (fitted, on_fit), (held, on_held) = seen
    split = Split.load(Path("data/tiny/train.npz"))
    labels = {image.tobytes(): label for image, label in zip(split.images, split.labels, strict=True)}
    assert (len(trained), len(held)) == (300, 100)
    assert {image.tobytes() for image in trained}.isdisjoint(image.tobytes() for image in held)
    # Purity of y by hand, from the labels of exactly those images.
    t_fit, t_held = (np.array([labels[image.tobytes()] for image in part]) for part in (fitted, held))
    purity = accuracy(on_held.y[3], t_held, majority_mapping(on_fit.y[3], t_fit, 12, 10))
    assert pd.read_csv(job.output("scores.csv")).loc[2, "y_purity"] == pytest.approx(purity, rel=1e-5)


def test_a_trial_that_becomes_nan_is_a_result_and_cannot_be_chosen(monkeypatch: pytest.MonkeyPatch) -> None:
    def diverges(self: Any, images: np.ndarray, seed: int, job: Any) -> None:
        job.epoch({"epoch": 1, "elbo": 1.0})
        raise DivergedError("It became NaN.")

    run("as_it_is")
    monkeypatch.setattr(kinds()["vlac"], "fit", diverges)
    (row,) = pd.read_csv(run("faster").output("scores.csv")).to_dict("records")
    assert (row["failed_in_epoch"], row["images_seen"]) == (2, 300)
    run("search")
    assert "failed (1 of 1)" in Path("reports/search.md").read_text()
    table = pd.read_csv("reports/search.csv")
    assert table["chosen"].tolist() == [True, False]
    assert table["failed_in_epoch"].tolist() == [0, 2]


@pytest.mark.slow
def test_in_snakemake_a_search_is_run_where_asked_for_and_stale_trial_by_trial(folder: Path) -> None:
    project = Project.make(folder / "project")  # its search.yaml is for other data
    assert "table" in project.planned()
    said = project.snakemake("reports/search.md", fails=True)
    assert said.strip().splitlines()[-1].startswith("error: search.yaml rests on presets/svhn_small.yaml, but")
    shutil.copy(ROOT / "presets/searches/tiny.yaml", project.folder / "search.yaml")
    project.snakemake("reports/search.md")
    assert project.planned("reports/search.md") == set()
    (project.folder / "search.yaml").write_text(TINY.replace("lr: 5.0", "lr: 6.0"))
    assert project.planned("reports/search.md") == {"trial --model faster --seed 0", "search"}
