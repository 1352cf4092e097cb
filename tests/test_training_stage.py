"""The stages around a method in a project folder: train, evaluate, figures, and what they write."""

from pathlib import Path
from unittest.mock import Mock

import numpy as np
import pandas as pd
import pytest
from tiny import tiny_images, tiny_project

from vlac.data.split import Split, from_labels
from vlac.errors import VlacError
from vlac.evaluation.judge import Judge
from vlac.evaluation.metrics import METRICS, SHOWN
from vlac.files import write_json, write_text
from vlac.models.load import load_method
from vlac.params.load import load_params
from vlac.params.section import restrict
from vlac.stages.evaluate import evaluate
from vlac.stages.figures import figures
from vlac.stages.judge import judge
from vlac.stages.probe import probe
from vlac.stages.train import read_rung, train
from vlac.workflow.depends import keys_of
from vlac.workflow.jobs import STAGES, Job
from vlac.workflow.manifest import Origin

FURTHER = ("k-means of pretext features", "neighbours among pretext features")


class Viewer:
    """Writes down what a view of the training is told."""

    def __init__(self):
        self.started, self.epochs = [], []

    def start(self, rows):
        self.started.append([row["epoch"] for row in rows])

    def log_epoch(self, row):
        self.epochs.append(row["epoch"])


@pytest.fixture
def project(tmp_path, monkeypatch):
    monkeypatch.chdir(tiny_project(tmp_path))
    # Labels that differ from those of training, so that no score can use one for the other.
    labels = np.where(np.arange(30) % 3, 9, 8).astype(np.uint8)
    from_labels(tiny_images(30, seed=1), labels).save(Path("data/tiny/test.npz"))


def run(work, stage, model, *rest, seed=0):
    """Run a stage's body as the pipeline does: with the declared parameters alone."""
    job, params = Job(STAGES[stage], "tiny", model, seed if STAGES[stage].over else None), load_params()
    origin = Origin("p", "c", {path.as_posix(): "i" for path in job.inputs(params)})
    work(job, restrict(params, keys_of(job, params)), origin, *rest)
    return job


def accuracy(model, rung):
    """Return the share of test images in clusters named by the training labels, by hand."""
    train, test = (Split.load(Path(f"data/tiny/{name}.npz")) for name in ("train", "test"))
    method = load_method(Path(f"results/tiny/train/{model}/0/model.pt"), load_params())
    y, y_test = (method.encode(split.images).y[rung] for split in (train, test))
    named = [np.bincount(train.labels[y == k] if k in y else train.labels).argmax() for k in range(3)]
    return np.mean([named[k] == t for k, t in zip(y_test, test.labels, strict=True)])


@pytest.mark.parametrize("model", ["vlac", "gmdgm", "vlac_plus", "kmeans"])
def test_a_method_is_trained_scored_and_drawn(model, project):
    viewer = Viewer()
    job = run(train, "train", model, viewer)
    epochs = [] if model == "kmeans" else [1, 2, 3]
    history = pd.read_csv(job.output("history.csv"))
    assert list(history.columns[:2]) == ["seed", "epoch"]
    assert history["epoch"].tolist() == viewer.epochs == epochs
    assert viewer.started == ([[]] if epochs else [])
    assert job.checkpoint.exists() == bool(epochs)  # deleted once the manifest stands

    run(judge, "judge", "")
    job = run(evaluate, "evaluate", model)
    scores, factors = pd.read_csv(job.output("scores.csv")), pd.read_csv(job.output("factors.csv"))
    further = [f"{name}/{metric.name}" for name in FURTHER for metric in SHOWN] if model == "vlac_plus" else []
    assert list(scores.columns) == [
        "seed",
        "rung",
        *(metric.name for metric in METRICS),
        *further,
        "judge_acc",
        "images",
    ]
    assert scores[["seed", "images"]].iloc[0].tolist() == [0, 30]
    assert scores["rung"].item() == (1 if model == "kmeans" else 3)
    assert scores["sample_acc"].isna().item() == scores["judge_acc"].isna().item() == (model == "kmeans")
    confusion = pd.read_csv(job.output("confusion.csv"))
    assert confusion["images"].sum() == 30
    right = confusion.loc[confusion["mapped"] == confusion["class"], "images"].sum()
    assert right / 30 == pytest.approx(scores["acc"].item(), abs=1e-6)
    assert scores["acc"].item() == pytest.approx(accuracy(model, scores["rung"].item()), abs=1e-6)
    assert scores["acc"].item() < scores["acc_test_map"].item()
    assert set(factors["measure"]) == ({"nmi"} if model == "kmeans" else {"nmi", "knn", "chance"})

    job = run(figures, "figures", model)
    ladders = {"manipulation.png", "components.png", "nearest.png", "curves.png"}
    assert {path.name for path in job.outputs[0].iterdir()} == (ladders if epochs else {"clusters.png"})


def test_a_job_trains_its_own_seed_around_the_settled_rung(project):
    write_json(Path("results/tiny/rung/auto.json"), {"rung": 2})
    made = [run(train, "train", "vlac", Viewer(), seed=seed).output("model.pt") for seed in (0, 1)]
    assert made[0].read_bytes() != made[1].read_bytes()
    assert [load_method(path, load_params()).main_rung for path in made] == [2, 2]


def test_the_probe_is_fitted_on_training_images_and_scored_on_the_hold_out(project, monkeypatch):
    path = Path("params.yaml")
    write_text(path, path.read_text().replace("holdout: 100", "holdout: 12"))
    run(train, "train_vlae", "vlae", Viewer())
    measure = Mock(return_value={"knn": 1.0})
    monkeypatch.setattr("vlac.stages.probe.probe_codes", measure)
    run(probe, "probe", "")
    assert [[len(part) for part in call.args] for call in measure.call_args_list] == [[28, 28, 12, 12]] * 4


def test_the_judge_learns_the_training_labels(project, monkeypatch):
    learn = Mock()
    monkeypatch.setattr(Judge, "learn", learn)
    run(judge, "judge", "")
    ((images, labels, *_),) = (call.args for call in learn.call_args_list)
    assert (len(images), *labels[:3]) == (40, 0, 1, 2)


def test_more_clusters_than_images_are_refused(project):
    from_labels(tiny_images(2), np.arange(2, dtype=np.uint8)).save(Path("data/tiny/train.npz"))
    with pytest.raises(VlacError, match="K of vlac is 3, but there are only 2 training images"):
        run(train, "train", "vlac", Viewer())


def test_a_training_resumes_from_its_checkpoint(project, monkeypatch):
    monkeypatch.setattr("vlac.training.epochs.CHECKPOINT_SECONDS", 0.0)
    viewer = Viewer()
    viewer.log_epoch = lambda row: (_ for _ in ()).throw(KeyboardInterrupt)
    with pytest.raises(KeyboardInterrupt):
        run(train, "train", "vlac", viewer)
    assert not Path("results/tiny/train").exists()
    viewer = Viewer()
    job = run(train, "train", "vlac", viewer)
    assert (viewer.started, viewer.epochs) == ([[1]], [2, 3])
    assert pd.read_csv(job.output("history.csv"))["epoch"].tolist() == [1, 2, 3]


@pytest.mark.parametrize("content", [{"rung": 5}, {"rung": "3"}, [3]])
def test_a_settled_rung_edited_by_hand_is_refused(content, tmp_path):
    write_json(tmp_path / "rung.json", content)
    with pytest.raises(VlacError, match=r"rung\.json names no rung"):
        read_rung(tmp_path / "rung.json")
