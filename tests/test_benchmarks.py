"""All benchmarks at their smallest: what they print is complete, and the loops train the same. No time is asserted."""

import importlib.util
import os
import re
import shutil
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path

import gpu_rows
import numpy as np
import pytest
import torch
from loops import Vae, built, ours, plain
from peak import flops
from torch import nn
from training_speed import case, methods, sides

from vlac.models.ladder import to_input
from vlac.models.objective import bound
from vlac.params.load import load_params

ROOT = Path(__file__).parents[1]
ALL = methods(load_params(ROOT / "presets/tiny.yaml"))
VAE = next(method for method in ALL if isinstance(method, Vae))


def run(*command: str) -> list[list[list[str]]]:
    """Run a benchmark; return the rows of its Markdown tables, rules aside."""
    path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"  # for scripts that call python3
    environment = {**os.environ, "PYTHONPATH": str(ROOT), "PATH": path}
    interpreter = [] if command[0].endswith(".sh") else [sys.executable]
    command = (*interpreter, f"{ROOT}/benchmarks/{command[0]}", *command[1:])
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    tables = re.findall(r"(?:^\|.*\n)+", done.stdout, re.MULTILINE)
    rows = [[[cell.strip() for cell in line.split("|")[1:-1]] for line in table.splitlines()] for table in tables]
    return [[*table[:1], *table[2:]] for table in rows]


def filled(cells: list[str]) -> bool:
    return all(re.match(r"\d", cell) for cell in cells)


@pytest.mark.slow
def test_the_speed_of_training_is_complete():
    (table,) = run("training_speed.py", "--presets", "tiny", "--steps", "1", "--rounds", "1", "--device", "cpu")
    assert [row[0] for row in table[1:]] == [method.label() for method in ALL]
    for row in table[1:]:
        assert filled([cell for head, cell in zip(table[0], row, strict=True) if head not in ("network", "pythae")][:4])


@pytest.mark.slow
def test_the_load_is_complete():
    jobs, commands, page = run("load.py", "--trainings", "1")
    counts = {row[0].strip("`"): row[1] for row in jobs[1:]}
    once = dict.fromkeys(("download", "prepare", "describe", "probe", "rung", "probe_report", "table"), "1")
    assert counts == once | {"train": "2", "evaluate": "1", "figures": "1", "all": counts["all"]}
    assert len(commands) == 8
    assert len(page) == 4
    assert all(filled(row[1:]) for table in (jobs, commands, page) for row in table[1:])


@pytest.mark.slow
def test_a_gpu_node_reports_and_a_bare_one_goes_on_from_what_came_home(tmp_path):
    command = ("on_gpu.sh", "--minutes", "3", "--device", "cpu", "--tiny", "--out")
    first, second = tmp_path / "first", tmp_path / "second"
    speed, scores = run(*command, str(first))
    assert all(filled(row) for row in speed[1:])
    assert "GPU tests: " in (first / "report.md").read_text()
    home = sorted(first.glob("*.*"))
    assert [path.name for path in home] == ["home.tar.0", "report.md"]
    second.mkdir()
    shutil.copy(home[0], second)
    assert run(*command, str(second))[0] == speed  # not measured again
    _, again = run(*command, str(second))
    params = load_params(ROOT / "presets/tiny.yaml")
    asked = [[name, str(seed)] for seed in params.seeds for name in list(params.models)[:3]]
    assert [row[:2] for row in again[1:]] == asked
    assert {row[2] for row in again[1:]} == {"finished"}
    assert all(-1 <= float(score) <= 12 for row in again[1:] for score in row[4:])
    assert [row for row in scores if row[2] == "finished"] == [row for row in again if row in scores[1:]]


def test_a_failing_row_leaves_the_others_alone(tmp_path, monkeypatch):
    def train(row, run):
        for _ in range(3):
            if row.model == "broken":
                raise np.linalg.LinAlgError("singular")
            done.append(row.model)
            yield

    done = []
    monkeypatch.setattr(gpu_rows, "train", train)
    rows = [gpu_rows.Row(model, 0) for model in ("one", "broken", "two", "three")]
    now = time.monotonic()
    run = gpu_rows.Run(load_params(ROOT / "presets/tiny.yaml"), tmp_path, "", now + 60, now + 60, 0.0)
    gpu_rows.train_rows(rows, 2, run, torch.device("cpu"))
    assert done == ["one", "one", "two", "one", "two", "two", "three", "three", "three"]
    assert (rows[1].folder(tmp_path) / "failed.txt").read_text() == "LinAlgError: singular\n"
    assert not (rows[0].folder(tmp_path) / "failed.txt").exists()
    gpu_rows.train_rows(rows, 2, replace(run, end=now), torch.device("cpu"))  # the time is up
    assert len(done) == 9


@pytest.mark.slow
def test_the_time_to_accuracy_is_complete(tmp_path):
    (table,) = run("time_to_accuracy.py", "--tiny", "--out", str(tmp_path / "curves.png"))
    sides = {"VLAC (ours)": "torch", "pythae + GMM": "pythae", "VaDE": "clustpy"}
    assert set(table[0][1:]) == {name for name, package in sides.items() if importlib.util.find_spec(package)}
    assert [row[0] for row in table[1:]] == [*(f"{0.3 * turn:g}" for turn in range(1, 11)), "last"]
    assert filled(table[-1][1:])
    assert (tmp_path / "curves.png").stat().st_size > 10_000


@pytest.mark.parametrize("method", ALL, ids=lambda method: method.label())
def test_every_loop_does_the_same_arithmetic(method):
    assert len({flops(epoch) for epoch in sides(case(method, 1)).values()}) == 1


@pytest.mark.parametrize("method", ALL, ids=lambda method: method.label())
def test_plain_stays_in_nchw_memory(method):
    def check(module, inputs, output):
        if isinstance(module, (nn.Conv2d, nn.ConvTranspose2d, nn.BatchNorm2d)):
            seen.append(inputs[0].is_contiguous() and output.is_contiguous())

    seen = []
    hook = nn.modules.module.register_module_forward_hook(check)
    try:
        plain(case(method, 1))()
        assert seen
        assert all(seen)
        seen.clear()
        ours(case(method, 1))()
        assert not all(seen)
    finally:
        hook.remove()


def test_pythae_has_the_same_network_and_objective():
    pythae_loop = pytest.importorskip("pythae_loop", reason="pythae is not installed", exc_type=ModuleNotFoundError)
    ladder, x = built(VAE), to_input(case(VAE, 1).images)
    torch.manual_seed(0)
    elbo = bound(ladder, x, ladder.encode(x, 1.0), "sampled").elbo.mean()
    torch.manual_seed(0)
    model = pythae_loop.vae(built(VAE))
    torch.manual_seed(0)
    loss = model({"data": x}).loss
    constant = x[0].numel() * 0.5 * torch.tensor(2 * torch.pi).log()
    torch.testing.assert_close(loss, -elbo - constant, rtol=1e-5, atol=0)
    assert sum(p.numel() for p in model.parameters()) == sum(p.numel() for p in ladder.parameters())
