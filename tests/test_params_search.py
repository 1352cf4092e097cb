"""search.yaml: every mistake gets one sentence with its line, and a trial is the base with its changes."""

from pathlib import Path

import pytest
import yaml
from ruamel.yaml import YAML

from vlac.errors import VlacError
from vlac.params.load import load_params
from vlac.params.search import Search
from vlac.params.trials import load_search, trial_params
from vlac.stages.definitions import Job
from vlac.stages.search import SEARCH_STAGES
from vlac.stages.view import fingerprint

ROOT = Path(__file__).resolve().parents[1]
READY = sorted((ROOT / "presets" / "searches").glob("*.yaml"))
TINY = (ROOT / "presets" / "searches" / "tiny.yaml").read_text()

# What stands in presets/searches/tiny.yaml, what a user writes instead, and what the sentence must name.
MISTAKES = {
    "misspelt key": ("lead: 0.02", "leads: 0.02", ["rule.leads", "no known key", "measure, base, lead"]),
    "misspelt key of a trial": ("    prediction: Purity", "    predicts: Purity", ["trials.1.predicts", "prediction"]),
    "misspelt key of a model": ("K: [1, 1, 12, 1]}\n    set: {}", "KK: 3}\n    set: {}", ["model.KK", "kind, K"]),
    "misspelt key of the base": ("{training.lr:", "{training.rl:", ["training.rl", "no known key", "lr_prior"]),
    "wrong value for the base": ("lr: 5.0e-3", "lr: -1.0", ["training.lr is -1.0", "greater than 0"]),
    "look-alike": ("lr: 5.0e-3", "lr: 5e-3", ["5e-3", "YAML 1.1", "Write 5.0e-3"]),
    "key twice": ("seeds: [0]", "seeds: [0]\nseeds: [1]", ["'seeds'", "twice"]),
    "a key that decides the score": ("{training.lr: 5.0e-3}", "{data.holdout: 3}", ["may not set data.holdout"]),
    "a section that is none": ("training.lr:", "training.lr.x:", ["training.lr.x", "holds no keys"]),
    "no such kind": ("{kind: vlac, K: [1, 1, 12, 1]}\n    set: {}", "{kind: gmm}\n    set: {}", ["'gmm'", "vlae"]),
    "K against digit_rung": ("[1, 1, 12, 1]}\n    set: {}", "[1, 12, 1, 1]}\n    set: {}", ["digit_rung is 3"]),
    "name twice": ("- name: faster", "- name: as_it_is", ["as_it_is twice"]),
    "no such base trial": ("  base: as_it_is", "  base: nobody", ["rule.base", "'nobody'", "as_it_is, faster"]),
    "no such measure": ("y_purity ", "test_acc ", ["rule.measure", "'test_acc'", "'y_purity'"]),
    "seed twice": ("seeds: [0]", "seeds: [0, 0]", ["seed 0 is listed twice"]),
    "no seed": ("seeds: [0]", "seeds: []", ["seeds", "at least 1 item"]),
    "hold-out of everything": ("holdout: 100", "holdout: 400", ["holdout must be smaller"]),
    "no prediction": ("    prediction: Purity of y rises.\n", "", ["trials.1.prediction is missing"]),
    "no set": ("    set: {}\n", "", ["trials.0.set is missing"]),
    "gmdgm without a rung": (
        "{kind: vlac, K: [1, 1, 12, 1]}\n    set: {}",
        "{kind: gmdgm, K: 9, z: 2}\n    set: {digit_rung: auto}",
        ["models.as_it_is", "needs a rung"],
    ),
    "a VLAE as base": (
        "{kind: vlac, K: [1, 1, 12, 1]}\n    set: {}",
        "{kind: vlae}\n    set: {}",
        ["rule.measure is y_purity", "VLAE"],
    ),
}


@pytest.fixture(autouse=True)
def _in_the_root(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(ROOT)  # from which the base's path counts


def written(folder: Path, old: str = "", new: str = "") -> Path:
    path = folder / "search.yaml"
    path.write_text(TINY.replace(old, new) if old else TINY)
    return path


@pytest.mark.parametrize("mistake", MISTAKES.values(), ids=MISTAKES)
def test_a_mistake_is_named_with_its_line(mistake: tuple[str, str, list[str]], tmp_path: Path) -> None:
    right, wrong, named = mistake
    assert TINY.count(right) == 1
    with pytest.raises(VlacError) as caught:
        load_search(written(tmp_path, right, wrong))
    sentence = str(caught.value)
    assert all(part in sentence for part in named), sentence
    assert "search.yaml" in sentence
    assert "\n" not in sentence


@pytest.mark.parametrize("name", ["misspelt key of the base", "wrong value for the base", "misspelt key"])
def test_the_line_is_that_of_search_yaml(name: str, tmp_path: Path) -> None:
    right, wrong, _ = MISTAKES[name]
    line = TINY[: TINY.index(right)].count("\n") + 1
    with pytest.raises(VlacError, match=rf"search\.yaml, line {line}: "):
        load_search(written(tmp_path, right, wrong))


def test_a_missing_base_is_named(tmp_path: Path) -> None:
    with pytest.raises(VlacError, match=r"presets/none\.yaml is missing"):
        load_search(written(tmp_path, "presets/tiny.yaml       #", "presets/none.yaml #"))


@pytest.mark.parametrize("path", [ROOT / "search.yaml", *READY], ids=lambda path: path.stem)
def test_the_shipped_searches_are_read_alike_by_both_loaders(path: Path) -> None:
    load_search(path)
    assert yaml.safe_load(path.read_text()) == YAML(typ="safe", pure=True).load(path)


def test_the_active_search_is_one_of_the_ready_ones() -> None:
    assert (ROOT / "search.yaml").read_text() in [path.read_text() for path in READY]


def test_a_trial_is_the_base_with_its_changes(tmp_path: Path) -> None:
    search = load_search(written(tmp_path))
    base = load_params(ROOT / "presets" / "tiny.yaml")
    params = trial_params(search, "faster")
    assert params.training == base.training.model_copy(update={"lr": 5e-3})
    assert (params.network, params.objective, params.likelihood) == (base.network, base.objective, base.likelihood)
    assert list(params.models) == ["faster"]
    assert params.data.holdout == 100
    assert params.rule == search.rule
    with pytest.raises(VlacError, match=r"slower is no trial of search\.yaml\. It lists as_it_is, faster\."):
        trial_params(search, "slower")


def test_rule_and_settings_make_a_trial_stale_and_words_do_not(tmp_path: Path) -> None:
    def sign(old: str = "", new: str = "") -> str:
        keys = Job(SEARCH_STAGES["trial"], model="faster", seeds="0").params
        return fingerprint(trial_params(load_search(written(tmp_path, old, new)), "faster"), keys)

    assert sign("lead: 0.02", "lead: 0.03") != sign()
    assert sign("lr: 5.0e-3", "lr: 6.0e-3") != sign()
    assert sign("holdout: 100", "holdout: 90") != sign()
    assert sign("Purity of y rises.", "Purity of y falls.") == sign()
    assert sign("seeds: [0]", "seeds: [0, 1]") == sign()


def test_models_of_the_base_trials_kind_compete(tmp_path: Path) -> None:
    search = load_search(ROOT / "presets" / "searches" / "svhn_small.yaml")
    assert isinstance(search, Search)
    assert search.competing == ["as_it_is", "sharper", "softer", "even_weights", "wide_rung_3"]
