"""The benchmark of many runs: its repeated results pass for what they are, and its clock counts each second once."""

import time
from pathlib import Path

import pytest
from many_runs import Nobody, repeat
from tiny import tiny_project
from traced import Parts

from vlac.files import read_csv
from vlac.models.load import load_models
from vlac.params.load import load_params
from vlac.pipeline.train import train
from vlac.stages import STAGES, Job, run_stage
from vlac.stages.stale import why_stale


def busy(seconds: float) -> None:
    until = time.thread_time() + seconds
    while time.thread_time() < until:
        pass


def test_a_part_within_another_stops_the_clock_of_that() -> None:
    parts = Parts()
    with parts.part("outer"):
        busy(0.02)
        with parts.part("inner"):
            busy(0.06)
        busy(0.02)
    assert parts.seconds["outer"] == pytest.approx(0.04, abs=0.015)
    assert parts.seconds["inner"] == pytest.approx(0.06, abs=0.015)


def test_arepeated_training_is_up_to_date_and_of_its_own_seed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tiny_project(tmp_path, epochs=1))
    text = Path("params.yaml").read_text()
    Path("params.yaml").write_text(text.replace("- 0-1", "- 3"))
    params = load_params()
    two, three = (Job(STAGES["train"], model="vlac", seeds=seed) for seed in ("2", "3"))

    run_stage(two, lambda given: train(two, given, Nobody()))
    repeat(two, three, params)
    assert why_stale(three, params) is None
    assert list(load_models(three.outputs[0])) == [3]
    assert list(read_csv(three.outputs[1]).seed) == [3]
