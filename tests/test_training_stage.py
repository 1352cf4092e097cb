"""The training stage in a project folder: seed groups, and models built around the settled rung."""

from pathlib import Path

import pandas as pd
import pytest
import torch
from tiny import STEPS, tiny_project

from vlac.errors import VlacError
from vlac.files import write_json
from vlac.models.load import load_models
from vlac.params.load import load_params
from vlac.pipeline.train import build_spec, discard_checkpoints, train
from vlac.stages import STAGES, Job
from vlac.training import step


class Viewer:
    """Writes down what a view of the training is told."""

    def __init__(self):
        self.started, self.epochs = {}, []

    def start(self, seed, rows):
        self.started[seed] = [row["epoch"] for row in rows]

    def log_epoch(self, row):
        self.epochs.append((row["seed"], row["epoch"]))


@pytest.fixture
def project(tmp_path, monkeypatch):
    monkeypatch.chdir(tiny_project(tmp_path))


def job(seeds, model="vlac"):
    return Job(STAGES["train"], model=model, seeds=seeds)


def results(seeds):
    folder = Path("results/train/vlac") / seeds
    states = {seed: model.state_dict() for seed, model in load_models(folder / "model.pt").items()}
    return states, pd.read_csv(folder / "history.csv")


def test_a_group_is_its_seeds_one_by_one(project):
    params, viewer = load_params(), Viewer()
    for seeds in ("0", "1", "0-1"):
        train(job(seeds), params, viewer)
        discard_checkpoints(job(seeds))
    group, history = results("0-1")
    assert list(group) == [0, 1]
    assert history[["seed", "epoch"]].to_numpy().tolist() == [[seed, epoch] for seed in (0, 1) for epoch in (1, 2, 3)]
    assert viewer.epochs[-6:] == [(seed, epoch) for seed in (0, 1) for epoch in (1, 2, 3)]
    for seed in (0, 1):
        single, alone = results(str(seed))
        assert all(torch.equal(value, group[seed][name]) for name, value in single[seed].items())
        pd.testing.assert_frame_equal(alone, history[history["seed"] == seed].reset_index(drop=True))
    assert list(Path("checkpoints/vlac").iterdir()) == []


def test_seeds_at_once_make_the_same_files_as_one_after_the_other(project):
    params, made = load_params(), []
    for at_once in (1, 2):
        together = params.training.model_copy(update={"at_once": at_once})
        viewer = Viewer()
        train(job("0-1"), params.model_copy(update={"training": together}), viewer)
        assert viewer.started == {0: [], 1: []}
        assert sorted(viewer.epochs) == [(seed, epoch) for seed in (0, 1) for epoch in (1, 2, 3)]
        discard_checkpoints(job("0-1"))
        made.append([(Path("results/train/vlac/0-1") / name).read_bytes() for name in ("model.pt", "history.csv")])
    assert made[0] == made[1]


def test_a_finished_seed_of_an_unfinished_group_is_not_trained_again(project, monkeypatch):
    params, calls = load_params(), []

    def stops(*arguments, bound=step.bound):
        calls.append(1)
        if len(calls) == 4 * STEPS:
            raise KeyboardInterrupt
        return bound(*arguments)

    monkeypatch.setattr(step, "bound", stops)
    with pytest.raises(KeyboardInterrupt):
        train(job("0-1"), params, Viewer())
    assert not Path("results/train").exists()
    viewer = Viewer()
    train(job("0-1"), params, viewer)
    assert viewer.started == {0: [1, 2, 3], 1: []}
    assert viewer.epochs == [(1, 1), (1, 2), (1, 3)]
    again = results("0-1")
    discard_checkpoints(job("0-1"))
    train(job("1"), params, Viewer())
    assert all(torch.equal(value, again[0][1][name]) for name, value in results("1")[0][1].items())


def test_the_models_of_the_parameters_are_built_around_the_settled_rung(project):
    params = load_params()
    write_json(Path("results/rung/rung.json"), {"rung": 2})
    assert build_spec(job("0"), params).K == {1: 1, 2: 3, 3: 2, 4: 1}
    assert (build_spec(job("0", "gmdgm"), params).K, build_spec(job("0", "gmdgm"), params).z) == ({2: 3}, {2: 4})
    assert build_spec(Job(STAGES["train_vlae"], seeds="0"), params).K == {1: 1, 2: 1, 3: 1, 4: 1}


@pytest.mark.parametrize("content", [{"rung": 0}, {"rung": 5}, {"rung": "3"}, {"rung": True}, {}, [3]])
def test_a_settled_rung_edited_by_hand_is_refused(content, project):
    write_json(Path("results/rung/rung.json"), content)
    with pytest.raises(VlacError, match=r"rung\.json names no rung"):
        build_spec(job("0"), load_params())
