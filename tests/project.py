"""A copy of the project whose stages take no time, and what Snakemake and DVC would do in it."""

import contextlib
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from vlac.params.load import load_params

ROOT = Path(__file__).parent.parent

# Every output is made of the declared parameters and the inputs, so it changes with them and with nothing else. The
# real command line, requests, manifests and locks are at work; the stages and MLflow are not.
STAND_IN = """
import hashlib, json, sys, types
from contextlib import nullcontext
from vlac import cli
from vlac.files import write_json, write_text
from vlac.workflow.stale import refuse_stale_results

def stage(job, params, origin, view=None):
    if job.stage.name == "table":
        refuse_stale_results(params)
    values = json.dumps(params.model_dump(mode="json", warnings=False), sort_keys=True)
    digest = hashlib.sha256((values + str(origin.inputs)).encode()).hexdigest()
    for path in job.outputs[:-1]:
        if path.name == "auto.json":
            write_json(path, {"rung": 3})
        elif path.suffix:
            write_text(path, f"{path} {digest}" * (20_000 if path.suffix == ".pt" else 1))
        else:
            write_text(path / "figure.png", digest)

def stand_in(name):
    return types.SimpleNamespace(**{name.rpartition(".")[2]: stage})

cli.importlib = types.SimpleNamespace(import_module=stand_in)
sys.modules["vlac.tracking"] = types.SimpleNamespace(
    training=lambda job, params: nullcontext(), publish=lambda job, params: None, rebuild=lambda every: "nothing"
)
sys.modules["vlac.training.checkpoint"] = types.SimpleNamespace(discard=lambda path: None)
sys.exit(cli.main())
"""


@dataclass(frozen=True)
class Project:
    """A folder with the workflow in it, at first without results."""

    folder: Path

    @classmethod
    def make(cls, folder: Path, preset: str = "tiny", *, real: bool = False) -> "Project":
        """Copy the workflow and the package there, with the parameters of a preset."""
        ignored = shutil.ignore_patterns("__pycache__")
        for name in ("vlac", "workflow", "profiles", "presets", ".dvc"):
            shutil.copytree(ROOT / name, folder / name, ignore=ignored, dirs_exist_ok=True)
        for name in ("Snakefile", "dvc.yaml", ".dvcignore", ".gitignore", "search.yaml"):
            shutil.copy(ROOT / name, folder / name)
        if not real:
            (folder / "vlac/__main__.py").write_text(STAND_IN)
        project = cls(folder)
        project.use(preset)
        subprocess.run(["git", "init", "--quiet"], cwd=folder, check=True)
        return project

    def with_one_seed(self, *models: str) -> "Project":
        """Keep one seed, and the models that are named or else all, for few jobs."""
        self.change("seeds", to=[0])
        self.change("probe", "seeds", to=[0])
        if models:
            params = load_params(self.folder / "params.yaml").model_dump(mode="json")
            self.change("models", to={name: params["models"][name] for name in models})
        return self

    def use(self, preset: str) -> None:
        """Make a preset the active experiment."""
        shutil.copy(ROOT / f"presets/{preset}.yaml", self.folder / "params.yaml")

    def change(self, *keys: str, to: Any) -> None:
        """Set one parameter."""
        path = self.folder / "params.yaml"
        values = section = yaml.safe_load(path.read_text())
        for key in keys[:-1]:
            section = section[key]
        section[keys[-1]] = to
        path.write_text(yaml.safe_dump(values, sort_keys=False))

    @contextlib.contextmanager
    def edited(self, file: str, edit: Callable[[str], str]) -> Iterator[None]:
        """Change a file, or add one, for the length of a `with` block, and put it back with its new time."""
        path = self.folder / file
        before = path.read_text() if path.exists() else None
        path.write_text(edit(before or ""))
        try:
            yield
        finally:
            if before is None:
                path.unlink()
            else:
                path.write_text(before)

    def run(self, *command: str, fails: bool | int = False, **environment: str) -> str:
        """Run a command with this Python's tools first in PATH, and return what it said; `fails` may be its status."""
        path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
        result = subprocess.run(
            command,
            cwd=self.folder,
            env={**os.environ, "PATH": path, "PYTHONPATH": str(self.folder), **environment},
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            check=False,
        )
        assert result.returncode == fails or (fails is True and result.returncode), result.stdout
        return result.stdout

    def snakemake(self, *arguments: str, fails: bool = False) -> str:
        """Run Snakemake on two cores."""
        return self.run("snakemake", "--cores", "2", *arguments, fails=fails)

    def planned(self, *targets: str) -> set[str]:
        """Return the commands that Snakemake would run."""
        said = self.run("snakemake", "--dry-run", "--printshellcmds", "--cores", "2", *targets)
        return set(re.findall(r"^Shell command: python -m vlac (.*)$", said, re.MULTILINE))

    def dry_run(self, *options: str) -> dict[str, str]:
        """Return what a dry run says of each job, its inputs, outputs and resources among it, by the job's command."""
        for rules in (self.folder / "workflow/rules").glob("*.smk"):  # where there is a message, it says that instead
            rules.write_text(re.sub(r"    message:\n.*\n", "", rules.read_text()))
        said = self.run("snakemake", "--dry-run", "--printshellcmds", "--cores", "4", *options)
        found = ((re.search(r"^Shell command: (python .*)$", job, re.MULTILINE), job) for job in said.split("\n["))
        return {command[1]: job for command, job in found if command}

    def stale(self) -> set[str]:
        """Return the commands that `vlac plan` does not find up to date."""
        return left_by(self.run("python", "-m", "vlac", "plan"))

    def repro(self, *arguments: str) -> set[str]:
        """Run `dvc repro`, and return the commands whose jobs were not up to date."""
        said = self.run("dvc", "repro", *arguments)
        ran = re.findall(r"^> python -m vlac (.*)$", said, re.MULTILINE)
        left = re.findall(r"^> python -m vlac ([^\n]*)\n[^>\n]* is up to date\.", said, re.MULTILINE)
        return {command for command in ran if command != "requests"} - set(left)


def left_by(plan: str) -> set[str]:
    """Return the commands that are not up to date, of what `vlac plan` said."""
    return set(re.findall(r"^(?!up to date).* python -m vlac (.*)$", plan, re.MULTILINE))
