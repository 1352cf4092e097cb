"""A copy of the project whose stages take no time, and what Snakemake and DVC would do in it."""

import contextlib
import functools
import io
import os
import pickle
import subprocess
import sys
from collections.abc import Callable, Collection, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from unittest import mock

import networkx
import yaml
from copied import copy_workflow
from dvc.repo import Repo, lock_repo
from dvc.utils import strictyaml
from dvc.utils.serialize import _yaml as dvc_yaml
from snakemake.api import SnakemakeApi
from snakemake.settings.types import DAGSettings, OutputSettings, Quietness, ResourceSettings

from vlac.params.load import load_params
from vlac.params.schema import Params
from vlac.stages import definitions, manifest
from vlac.stages.definitions import jobs

# Every output is made of the declared parameters and the inputs, so it changes with them and with nothing else; the
# settled rung is of digit_rung alone, as the real one, and the table refuses what is stale. Models are as large as
# those that both engines treat otherwise than small files.
FAKE_STAGES = """
import hashlib, json, sys, types
if sys.argv[1] == "work":  # it runs the others
    from vlac.cli import main
    sys.exit(main())
sys.modules["pandas"] = types.SimpleNamespace(DataFrame=object)  # unused here, and it takes longest to load
from vlac.errors import VlacError
from vlac.files import write_json
from vlac.params.load import load_params
from vlac.params.trials import SEARCH, load_search
from vlac.stages import jobs, run_stage
from vlac.stages.asked import asked_of
from vlac.stages.search import search_jobs
from vlac.stages.stale import refuse_stale
from vlac.stages.view import declared

every = [*jobs(load_params()), *(search_jobs(load_search()) if SEARCH.exists() else [])]
job = next(job for job in every if job.command.split()[3:] == sys.argv[1:])
params = asked_of(job)

def work(view):
    if job.stage.name == "table":
        refuse_stale(view)
    digest = hashlib.sha256(json.dumps(declared(params, job.params), sort_keys=True).encode())
    for path in job.inputs(params):
        digest.update(path.read_bytes())
    for path in job.outputs:
        path.parent.mkdir(parents=True, exist_ok=True)
        if path.name == "rung.json":
            write_json(path, {"rung": params.digit_rung})
        elif path != job.manifest:
            path.write_text(f"{path} {digest.hexdigest()}" * (20_000 if path.suffix == ".pt" else 1))

try:
    run_stage(job, work)
except VlacError as error:
    sys.exit(f"error: {error}")
"""


@dataclass(frozen=True)
class Seen:
    """What an engine knows of a job; folders among the inputs are expanded to files."""

    inputs: frozenset[str]
    outputs: frozenset[str]
    params: frozenset[str]


@dataclass(frozen=True)
class Plan:
    """What an engine finds changed, as commands.

    Attributes:
        seen: by each way in which the engine can see it, the jobs whose own parameters, code or inputs differ.
        rerun: the jobs that it would run: those, and what comes after them.
    """

    seen: dict[str, frozenset[str]]
    rerun: frozenset[str]


@dataclass(frozen=True)
class Project:
    """A folder with the workflow in it, at first without results."""

    folder: Path

    @classmethod
    def make(cls, folder: Path, params: Path | dict[str, Any]) -> "Project":
        """Copy the workflow and the package there, with the parameters of a file, or those given."""
        copy_workflow(folder)
        text = params.read_text() if isinstance(params, Path) else yaml.safe_dump(params)
        (folder / "params.yaml").write_text(text)
        (folder / "vlac" / "__main__.py").write_text(FAKE_STAGES)
        return cls(folder)

    @property
    def params(self) -> Params:
        return load_params(self.folder / "params.yaml")

    @contextlib.contextmanager
    def changed(self, *keys: str | int, to: Any, file: str = "params.yaml") -> Iterator[None]:
        """Set one parameter for the length of a `with` block."""
        path = self.folder / file
        before = path.read_text()
        values = section = yaml.safe_load(before)
        for key in keys[:-1]:
            section = section[key]
        section[keys[-1]] = to
        path.write_text(yaml.safe_dump(values, sort_keys=False))
        try:
            yield
        finally:
            path.write_text(before)

    @contextlib.contextmanager
    def edited(self, file: str, edit: Callable[[str], str]) -> Iterator[None]:
        """Change a file for the length of a `with` block, then put it back, its times as well."""
        path = self.folder / file
        before, times = path.read_bytes(), path.stat()
        path.write_text(edit(before.decode()))
        try:
            yield
        finally:
            path.write_bytes(before)
            os.utime(path, ns=(times.st_atime_ns, times.st_mtime_ns))

    def run(self, engine: str, *arguments: str, fails: bool = False) -> str:
        """Run an engine's command, or one of the package, and return what it said."""
        path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
        result = subprocess.run(
            [sys.executable, "-m", engine, *arguments],
            cwd=self.folder,
            env={**os.environ, "PATH": path},  # so that `python` in a stage's command is this one
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            check=False,
        )
        assert (result.returncode != 0) == fails, result.stdout
        return result.stdout

    def files(self) -> dict[str, bytes]:
        """Return all declared outputs of all jobs, by path."""
        return {str(path): (self.folder / path).read_bytes() for job in jobs(self.params) for path in job.outputs}

    def in_snakemake(self) -> dict[str, Seen]:
        """Return Snakemake's jobs by their commands."""
        dag = self._dag()
        return {job.shellcmd: _seen_by_snakemake(job) for job in dag.jobs if job.shellcmd}

    def asked_of_machines(self, *targets: str) -> dict[str, dict[str, Any]]:
        """Return what Snakemake's jobs ask of a machine, by their commands: resources, `_cores`, and `local`."""
        return {
            job.shellcmd: {**dict(job.resources.items()), "local": job.rule.name in job.rule.workflow._localrules}
            for job in self._dag(targets).jobs
            if job.shellcmd
        }

    def planned_by_snakemake(self, *targets: str, forced: Collection[str] = ()) -> set[str]:
        """Return the commands that Snakemake would run, for its default target or those given, with --forcerun."""
        dag = self._dag(targets, forced)
        return {job.shellcmd for job in dag.jobs if job.shellcmd and dag.reason(job)}

    def found_by_snakemake(self, file: str = "") -> Plan:
        """Return what Snakemake finds changed, in parameters or in a file that was changed just now."""
        dag = self._dag()
        real = [job for job in dag.jobs if job.shellcmd]
        changed = dag.workflow.persistence.params_changed
        seen = {
            "its records": {job.shellcmd for job in real if changed(job) or file in job.input},
            "the manifests": {job.shellcmd for job in real if not dag.forcefiles.isdisjoint(job.output)},
        }
        return Plan(
            {way: frozenset(commands) for way, commands in seen.items()},
            frozenset(job.shellcmd for job in real if dag.reason(job)),
        )

    def in_dvc(self) -> dict[str, Seen]:
        """Return DVC's stages by their commands."""
        with self._dvc() as repo:
            stages = [stage for stage in repo.index.stages if stage.cmd]
            made = [str(out) for stage in stages for out in stage.outs]
            return {stage.cmd: _seen_by_dvc(stage, made) for stage in stages}

    def planned_by_dvc(self) -> set[str]:
        """Return the commands of the stages that DVC finds changed, and of those that depend on them."""
        return set(self.found_by_dvc().rerun)

    def found_by_dvc(self) -> Plan:
        """Return what DVC finds changed; what it sees are the parameters, code and inputs of a stage."""
        with self._dvc() as repo:
            stages = {stage.addressing: stage for stage in repo.index.stages}
            status = repo.status()
            seen = {stages[name].cmd for name, found in status.items() if any("changed deps" in each for each in found)}
            changed = [stages[name] for name in status]
            after = {stage for each in changed for stage in networkx.ancestors(repo.index.graph, each)}
            return Plan({"dvc.lock": frozenset(seen)}, frozenset(stage.cmd for stage in after.union(changed)))

    @contextlib.contextmanager
    def _dvc(self) -> Iterator[Repo]:
        """Open DVC's view of the folder as it is now; what it reads of the same text is parsed once."""
        with (
            inside(self.folder),
            mock.patch.object(dvc_yaml, "parse_yaml", _parse_yaml),
            mock.patch.object(strictyaml, "parse_yaml", _parse_yaml),
            Repo() as repo,
            lock_repo(repo),
        ):
            yield repo

    def _dag(self, targets: Collection[str] = (), forced: Collection[str] = ()) -> Any:
        quiet = OutputSettings(quiet={Quietness.ALL})
        with inside(self.folder), contextlib.redirect_stdout(io.StringIO()), SnakemakeApi(quiet) as api:
            workflow = api.workflow(resource_settings=ResourceSettings(cores=64), snakefile=Path("Snakefile"))
            settings = DAGSettings(targets=set(targets), forcerun=set(forced))
            workflow.dag(settings).summary()  # builds the graph; the API has no call that returns it
            return workflow._workflow.dag


@contextlib.contextmanager
def inside(folder: Path) -> Iterator[None]:
    """Change to the folder and to the code there, and undo that and what Snakemake does to the module path."""
    path = sys.path.copy()
    with (
        contextlib.chdir(folder),
        mock.patch.object(definitions, "CODE_ROOT", folder),
        mock.patch.object(manifest, "CODE_ROOT", folder),
    ):
        try:
            yield
        finally:
            sys.path[:] = path


_read_yaml = dvc_yaml.parse_yaml


@functools.lru_cache(maxsize=8)
def _pickled_yaml(text: str, path: str, typ: str) -> bytes:
    return pickle.dumps(_read_yaml(text, path, typ))


def _parse_yaml(text: str, path: str, typ: str = "safe") -> Any:
    """Return what DVC's own reader returns, which takes nine tenths of a second and is asked once per stage."""
    return pickle.loads(_pickled_yaml(text, path, typ))


def _seen_by_snakemake(job: Any) -> Seen:
    (params,) = job.params
    return Seen(frozenset(job.input), frozenset(job.output), frozenset(params))


def _seen_by_dvc(stage: Any, made: list[str]) -> Seen:
    inputs: set[str] = set()
    params: set[str] = set()
    for dep in stage.deps:
        path = str(dep)
        if hasattr(dep, "params"):
            params.update(dep.params or Params.model_fields)  # no keys means the whole file
        elif Path(path).is_dir():
            inputs.update(os.path.relpath(file) for file in stage.repo.dvcignore.find(stage.repo.fs, path))
        else:
            inside = {output for output in made if output.startswith(f"{path}/")}
            inputs.update(inside or {path})
    return Seen(frozenset(inputs), frozenset(str(out) for out in stage.outs), frozenset(params))
