"""Benchmarks at their smallest: what they print is complete, the loops train the same. No time counts."""

import importlib.util
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest
import torch
from loops import Vae, built, ours, plain
from machine import flops
from torch import nn
from training_speed import case, methods, preset, sides

from tests.project import ROOT, Project, left_by
from vlac.models.ladder import to_input
from vlac.models.objective import bound

ALL = methods(preset("tiny", "cpu"))
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
    (table,) = run("training_speed.py", "--presets", "tiny", "--device", "cpu")
    assert [row[0] for row in table[1:]] == [method.label() for method in ALL]
    for row in table[1:]:
        assert filled([cell for head, cell in zip(table[0], row, strict=True) if head not in ("network", "pythae")][:4])


@pytest.mark.slow
def test_a_gpu_node_sends_home_what_the_pipeline_takes(tmp_path):
    out, home = tmp_path / "out", Project.make(tmp_path / "home", real=True)
    absent = [home.folder / f"{module}.py" for module in ("mlflow", "dvc", "snakemake")]
    for module in absent:
        module.write_text("raise ImportError('not on this node')\n")
    on_gpu = f"{ROOT}/benchmarks/on_gpu.sh --minutes 1 --device cpu --tiny --out {out} || [ $? = 3 ]"  # its time was up
    assert "GPU tests: " in home.run("bash", "-c", on_gpu)
    for module in absent:
        module.unlink()
    assert (out / "speed.md").exists()
    assert all(part.stat().st_size <= 16 << 20 for part in out.glob("home.tar.*"))
    home.run("sh", "-c", f"cat {out}/home.tar.* | tar x")
    home.run("sh", "-c", "python -m vlac download; python -m vlac prepare")  # the data stayed on the node
    assert home.planned("all") <= left_by((out / "plan.txt").read_text()) | {"describe", "table"}


@pytest.mark.slow
def test_the_time_to_accuracy_is_complete():
    (table,) = run("time_to_accuracy.py", "--preset", "tiny", "--seconds", "3")
    sides = {"VLAC (ours)": "torch", "pythae + GMM": "pythae", "VaDE": "clustpy"}
    assert set(table[0][1:]) == {name for name, package in sides.items() if importlib.util.find_spec(package)}
    assert [row[0] for row in table[1:]] == [*(f"{0.3 * turn:g}" for turn in range(1, 11)), "last"]
    assert filled(table[-1][1:])


@pytest.mark.slow
def test_every_part_of_the_guide_is_timed():
    (table,) = run("guide_parts.py", "--preset", "tiny")
    assert [row[0] for row in table[1:]] == ["pretext", "clusters", "student-1", "student-2"]
    assert all(filled(row[1:]) for row in table[2:])


@pytest.mark.slow
def test_the_speed_of_pictures_is_complete():
    (table,) = run("pictures.py", "--count", "40", "--side", "40")
    assert [len(row) for row in table] == [5] * 4
    assert all(filled(row[1:]) for row in table[1:])


@pytest.mark.parametrize("method", ALL, ids=lambda method: method.label())
def test_every_loop_does_the_same_arithmetic(method):
    counted = [flops(epoch) for epoch in sides(case(method, 1)).values()]
    assert max(counted) == pytest.approx(min(counted), rel=1e-4)  # the end of our epoch measures separations too


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
    model = pythae_loop.as_pythae(built(VAE))
    torch.manual_seed(0)
    loss = model({"data": x}).loss
    constant = x[0].numel() * 0.5 * torch.tensor(2 * torch.pi).log()
    torch.testing.assert_close(loss, -elbo - constant, rtol=1e-5, atol=0)
    assert sum(p.numel() for p in model.parameters()) == sum(p.numel() for p in ladder.parameters())
