"""The whole way: packed at home, trained where nothing but six packages can be imported, brought home, picked up."""

import importlib.metadata
import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
import yaml
from copied import ROOT, copy_workflow
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name
from tracked import shown

from vlac.node.pack import PACKAGES
from vlac.node.work import TIME_IS_UP
from vlac.tracking import store

BLINDFOLD = """
import sys

HIDDEN = set({hidden})

class Blind:
    \"\"\"Finds what another finder finds, but for the hidden modules.\"\"\"

    def __init__(self, finder):
        self.finder = finder

    def find_spec(self, name, *where):
        return None if name.partition(".")[0] in HIDDEN else self.finder.find_spec(name, *where)

sys.meta_path[:] = [Blind(finder) for finder in sys.meta_path]
"""


def beyond(packages: tuple[str, ...]) -> list[str]:
    """Return the installed modules that neither the packages nor what they depend on have brought, but for vlac's."""
    brought: set[str] = {"vlac"}  # where it is installed, the folder at hand comes first all the same
    queue = [canonicalize_name(name) for name in packages]
    while queue:
        name = queue.pop()
        if name in brought:
            continue
        brought.add(name)
        try:
            requirements = [Requirement(text) for text in importlib.metadata.requires(name) or ()]
        except importlib.metadata.PackageNotFoundError:
            continue  # of another platform
        queue += [canonicalize_name(r.name) for r in requirements if not r.marker or r.marker.evaluate({"extra": ""})]
    owners = importlib.metadata.packages_distributions()
    return sorted(top for top, names in owners.items() if brought.isdisjoint(map(canonicalize_name, names)))


def run(folder: Path, *command: str, **environment: str) -> subprocess.CompletedProcess[str]:
    path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    return subprocess.run(
        [sys.executable, *command],
        cwd=folder,
        env=os.environ | {"PATH": path} | environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        check=False,
    )


@pytest.fixture
def home(tmp_path: Path) -> Path:
    """A committed checkout with the parameters of presets/tiny.yaml, one model and one seed."""
    folder = tmp_path / "home"
    copy_workflow(folder)
    values = yaml.safe_load((ROOT / "presets" / "tiny.yaml").read_text())
    values["models"] = {"vlac": values["models"]["vlac_1layer"]}
    values["seeds"] = values["probe"]["seeds"] = [0]
    (folder / "params.yaml").write_text(yaml.safe_dump(values))
    git = ("git", "-c", "user.name=ada", "-c", "user.email=ada@example.org")
    subprocess.run([*git, "add", "."], cwd=folder, check=True)
    subprocess.run([*git, "commit", "--quiet", "--message", "all"], cwd=folder, check=True)
    return folder


@pytest.mark.slow
def test_a_trip_to_a_bare_node(home: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("MLFLOW_TRACKING_URI", raising=False)
    pack = tmp_path / "pack"
    packed = run(home, "-m", "vlac", "pack", str(pack))
    assert packed.returncode == 0, packed.stdout

    # There: nothing but the six packages.
    hidden = beyond(PACKAGES)
    assert {"yaml", "mlflow", "snakemake", "dvc", "tqdm", "requests", "sklearn", "threadpoolctl"} <= set(hidden)
    bare = tmp_path / "bare"
    bare.mkdir()
    (bare / "sitecustomize.py").write_text(BLINDFOLD.format(hidden=json.dumps(hidden)))
    there = {"PYTHONPATH": str(bare)}
    assert "No module named 'yaml'" in run(pack, "-c", "import yaml", **there).stdout
    cut = run(pack, "-m", "vlac", "work", "--minutes", "0.02", **there)
    assert cut.returncode == TIME_IS_UP, cut.stdout
    assert "The same command goes on." in cut.stdout
    worked = run(pack, "-m", "vlac", "work", **there)
    assert worked.returncode == 0, worked.stdout
    assert "Traceback" not in cut.stdout + worked.stdout
    assert "this machine lacks scikit-learn and threadpoolctl: probe 0, rung, evaluate vlac 0." in worked.stdout
    assert "MLflow is not installed" in worked.stdout
    assert "vlac seed 0 epoch 2/2: elbo" in worked.stdout

    # Carried home.
    carried = pack.rename(tmp_path / "carried")
    back = run(home, "-m", "vlac", "unpack", str(carried))
    assert back.returncode == 0, back.stdout
    assert "Brought home: download, prepare, train_vlae 0, train vlac 0, figures vlac 0." in back.stdout
    assert "MLflow (mlflow.db) shows 2 finished runs" in back.stdout
    assert "Run `python -m vlac work --stages probe,rung` and `python -m vlac handover` first." in back.stdout

    # MLflow shows the runs as if they had been made here.
    monkeypatch.chdir(home)
    runs = shown(store.open_store())
    assert set(runs) == {"vlae seed 0", "vlac seed 0"}
    head = subprocess.run(["git", "rev-parse", "HEAD"], capture_output=True, text=True, check=True).stdout.strip()
    for each in runs.values():
        assert each["status"] == "FINISHED"
        assert each["tags"]["git_commit"] == head
        assert [step for step, _ in each["points"]["elbo"]] == [1, 2]
    assert runs["vlac seed 0"]["files"]["train/history.csv"] == Path("results/train/vlac/0/history.csv").read_bytes()
    assert runs["vlac seed 0"]["files"]["figures/curves.png"] == Path("reports/figures/vlac/0/curves.png").read_bytes()

    # Its own jobs are done for the engines; tests/test_node_pack.py goes on from there.
    assert "Nothing to be done" in run(home, "-m", "snakemake", "--dry-run", "results/train/vlae/0/model.pt").stdout
