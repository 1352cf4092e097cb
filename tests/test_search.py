"""A search from end to end on a few embedded digits, and what a trial sees, survives and leaves behind."""

import math
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import yaml

from vlac import cli
from vlac.data.split import Split, hold_out
from vlac.errors import VlacError
from vlac.evaluation.metrics import accuracy, majority_mapping
from vlac.files import read_csv
from vlac.params.trials import load_search
from vlac.pipeline import trial as trial_stage
from vlac.stages import Job
from vlac.stages.asked import asked_of
from vlac.stages.search import SEARCH_STAGES
from vlac.stages.stale import why_stale
from vlac.tracking import rebuild_search, store
from vlac.training import loop, step

pytest_plugins = ["tracking_fixtures"]

ROOT = Path(__file__).resolve().parents[1]
FASTER = Job(SEARCH_STAGES["trial"], model="faster", seeds="0")
VLAE = {"name": "plain", "hypothesis": "h", "prediction": "p", "model": {"kind": "vlae"}, "set": {}}


@pytest.fixture(scope="module")
def images(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The training split of presets/tiny.yaml."""
    folder = tmp_path_factory.mktemp("images")
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        patch.setattr(cli, "_log_to_console", lambda: None)
        Path("params.yaml").write_text((ROOT / "presets/tiny.yaml").read_text())
        assert cli.main(["download"]) == cli.main(["prepare"]) == 0
    return folder / "data/train.npz"


@pytest.fixture
def project(view: store.Store, images: Path, monkeypatch: pytest.MonkeyPatch) -> store.Store:
    """A folder with two trials to be made and the training split, but without test images; its MLflow store."""
    monkeypatch.setattr(cli, "_log_to_console", lambda: None)
    Path("presets").mkdir()
    for path in ("params.yaml", "presets/tiny.yaml"):
        Path(path).write_text((ROOT / "presets/tiny.yaml").read_text())
    change(lambda values: None)
    Path("data").mkdir()
    Path("data/train.npz").write_bytes(images.read_bytes())
    return view


def change(edit) -> None:
    """Write search.yaml as presets/searches/tiny.yaml has it after the edit."""
    values = yaml.safe_load((ROOT / "presets/searches/tiny.yaml").read_text())
    edit(values)
    Path("search.yaml").write_text(yaml.safe_dump(values))


def run(command: str, capsys: pytest.CaptureFixture[str]) -> str:
    """Run a command that must fail with a sentence, and return that."""
    assert cli.main(command.split()) == 2
    return capsys.readouterr().err


def test_the_hold_out_and_the_rest_are_all_images_once() -> None:
    held, fit = hold_out(3, 10)
    assert len(held) == 3
    assert sorted([*held, *fit]) == list(range(10))
    assert np.array_equal(hold_out(3, 10)[0], held)
    with pytest.raises(VlacError, match="hold-out is 10 images, but there are only 10"):
        hold_out(10, 10)


def test_a_search_from_end_to_end(project: store.Store, capsys: pytest.CaptureFixture[str]) -> None:
    change(lambda values: values["trials"].append(VLAE))
    assert "results/search/as_it_is/0/scores.csv is missing" in run("search", capsys)
    for name in ("as_it_is", "faster", "plain"):
        assert cli.main(["trial", name, "--seed", "0"]) == 0
    assert cli.main(["search"]) == 0
    assert not Path("data/test.npz").exists()
    assert list(Path("checkpoints").rglob("*.pt")) == []

    text = Path("reports/search.md").read_text()
    table = pd.read_csv("reports/search.csv").set_index("trial")
    assert list(table.index) == ["as_it_is", "faster", "plain"]
    # 300 images in batches of 50, two epochs.
    assert table["images_seen"].tolist() == [600, 600, 600]
    scores = read_csv(Path("results/search/faster/0/scores.csv"))
    assert scores["rung"].tolist() == [1, 2, 3, 4]
    assert scores.loc[scores["main"] == 1, "rung"].tolist() == [3]
    assert table.loc["faster", "y_purity_mean"] == scores.loc[2, "y_purity"]
    assert scores["y_purity"].notna().tolist() == [False, False, True, False]
    plain = read_csv(Path("results/search/plain/0/scores.csv"))
    assert math.isnan(table.loc["plain", "y_purity_mean"])
    assert table.loc["plain", "gmm_purity_mean"] == plain["gmm_purity"].max()
    # The rule by hand: plain is of another kind, and two points are asked for.
    lead = table.loc["faster", "y_purity_mean"] - table.loc["as_it_is", "y_purity_mean"]
    assert table["chosen"].to_dict() == {
        "as_it_is": "no" if lead >= 0.02 else "yes",
        "faster": "yes" if lead >= 0.02 else "no",
        "plain": "no",
    }
    assert "Take the trial of the highest purity of y" in text
    assert all(trial.prediction in text for trial in load_search().trials)

    (experiment,) = (e for e in project.client.search_experiments() if e.name == "vlac-search")
    runs = {run.info.run_name: run for run in project.client.search_runs([experiment.experiment_id])}
    assert set(runs) == {f"{name} seed 0" for name in table.index}
    shown = runs["faster seed 0"].data
    assert shown.metrics["holdout.y_purity"] == table.loc["faster", "y_purity_mean"]
    assert shown.params["training.lr"] == "0.005"
    assert shown.tags["stage"] == "trial"
    assert len(project.client.get_metric_history(runs["faster seed 0"].info.run_id, "elbo")) == 2
    assert project.client.search_runs([project.experiment]) == []
    assert (rebuild_search(load_search()).shown, rebuild_search(load_search()).changed) == (3, 0)

    # Another rule after the fact: every trial is to be made again.
    change(lambda values: values["rule"].update(lead=0.0))
    assert "as_it_is 0: its parameters have changed" in run("search", capsys)


def test_a_trial_trains_on_what_the_hold_out_leaves_and_is_scored_on_the_hold_out(
    project: store.Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    seen, encoded = [], []

    class Watched(trial_stage.Trainer):
        def __init__(self, spec, images, *others):
            seen.append(images.numpy())
            super().__init__(spec, images, *others)

    def watched(model, images, device, encode=trial_stage.encode_images):
        encoded.append((images, encode(model, images, device)))
        return encoded[-1][1]

    monkeypatch.setattr(trial_stage, "Trainer", Watched)
    monkeypatch.setattr(trial_stage, "encode_images", watched)
    assert cli.main(["trial", "faster", "--seed", "0"]) == 0
    (trained,), ((fit, on_fit), (held, on_held)) = seen, encoded
    split = Split.load(Path("data/train.npz"))
    labels = {image.tobytes(): label for image, label in zip(split.images, split.labels, strict=True)}
    assert len(labels) == len(split) == 400
    assert (len(trained), len(held)) == (300, 100)
    assert {image.tobytes() for image in trained}.isdisjoint(image.tobytes() for image in held)
    assert np.array_equal(trained, fit)
    # Purity of y by hand, from the labels of exactly those images.
    t_fit, t_held = (np.array([labels[image.tobytes()] for image in part]) for part in (fit, held))
    purity = accuracy(on_held.y[3], t_held, majority_mapping(on_fit.y[3], t_fit, 12, 10))
    assert read_csv(FASTER.outputs[0]).loc[2, "y_purity"] == pytest.approx(purity, rel=1e-5)


def test_an_interrupted_trial_goes_on_to_the_same_bytes(project: store.Store, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(loop.Trainer.epochs, "__defaults__", (0.0,))  # a checkpoint after every epoch
    assert cli.main(["trial", "faster", "--seed", "0"]) == 0
    whole = [path.read_bytes() for path in FASTER.outputs]
    updates = []

    def stops(*arguments, bound=step.bound):
        updates.append(1)
        if len(updates) == 8:  # the second of the second epoch's six
            raise KeyboardInterrupt
        return bound(*arguments)

    monkeypatch.setattr(step, "bound", stops)
    assert cli.main(["trial", "faster", "--seed", "0"]) == 130
    assert Path("checkpoints/search/faster/0.pt").exists()
    assert cli.main(["trial", "faster", "--seed", "0"]) == 0
    assert len(updates) == 8 + 6
    assert [path.read_bytes() for path in FASTER.outputs] == whole


def test_a_trial_that_becomes_nan_is_a_result_and_cannot_be_chosen(
    project: store.Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    def epoch(self, number, update, whole=loop.Trainer._epoch):
        return whole(self, number, update) | ({"elbo": math.nan} if number == 1 else {})

    assert cli.main(["trial", "as_it_is", "--seed", "0"]) == 0
    with monkeypatch.context() as patch:
        patch.setattr(loop.Trainer, "_epoch", epoch)
        assert cli.main(["trial", "faster", "--seed", "0"]) == 0
    assert why_stale(FASTER, asked_of(FASTER)) is None
    (row,) = read_csv(FASTER.outputs[0]).to_dict("records")
    assert (row["failed_in_epoch"], row["images_seen"]) == (2, 300)
    assert math.isnan(row["y_purity"])
    assert not Path("checkpoints/search/faster/0.pt").exists()
    assert cli.main(["search"]) == 0
    text = Path("reports/search.md").read_text()
    assert "failed (1 of 1)" in text
    assert "NaN in epoch 2" in text
    table = pd.read_csv("reports/search.csv").set_index("trial")
    assert table.loc["faster", ["failed", "chosen"]].tolist() == [1, "no"]
    assert table.loc["as_it_is", "chosen"] == "yes"


def test_what_does_not_belong_together_is_refused(project: store.Store, capsys: pytest.CaptureFixture[str]) -> None:
    assert "slower is no trial of search.yaml" in run("trial slower --seed 0", capsys)
    assert "1 is no seed of search.yaml. It lists 0." in run("trial faster --seed 1", capsys)
    Path("params.yaml").write_text((ROOT / "presets/svhn_small.yaml").read_text())
    said = run("trial faster --seed 0", capsys)
    assert "search.yaml rests on presets/tiny.yaml, but data.source differs" in said
    assert "cp presets/tiny.yaml params.yaml" in said
