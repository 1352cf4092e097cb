"""Take one entry out of dvc.yaml, and see that the check of tests/sensitivity.py misses it: for each entry in turn.

`PYTHONPATH=. python tests/removals.py` does it for all of them, in a minute or two; the tests for a few.
"""

import contextlib
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml
from copied import ROOT
from engines import Project
from sensitivity import SMALL, Change, discrepancies, of_code, of_parameters, of_results

from vlac.params.schema import Params
from vlac.stages.definitions import jobs
from vlac.stages.handover import hand_over

PARAMS = Params.model_validate(SMALL)
WHOLE = "params.yaml"


@dataclass(frozen=True)
class Removal:
    """An entry of dvc.yaml: the stage, the list that it stands in, "params" or "deps", and its place there."""

    stage: str
    kind: str
    place: int
    entry: str

    def __str__(self) -> str:
        return f"{self.stage}: {self.kind}: {self.entry}"


def removals() -> list[Removal]:
    """Return every entry of dvc.yaml on which a stage depends."""
    stages = yaml.safe_load((ROOT / "dvc.yaml").read_text())["stages"]
    return [
        Removal(stage, kind, place, next(iter(entry)) if isinstance(entry, dict) else entry)
        for stage, content in stages.items()
        for kind in ("deps", "params")
        for place, entry in enumerate(content.get(kind, []))
    ]


def changes() -> list[Change]:
    """Return every change of a parameter, module or result."""
    return [*of_parameters(SMALL), *of_code(PARAMS), *of_results(PARAMS)]


def missed(project: Project, removal: Removal, every: list[Change]) -> list[str]:
    """Return what the check says, without that entry, of a change that the entry is there for."""
    commands = {job.command for job in jobs(PARAMS) if job.stage.name == removal.stage}
    change = next(change for change in every if _is_for(removal, change) and not commands.isdisjoint(change.concerns))
    with without(project, removal):
        said = discrepancies(project, change, snakemake=False)
    lines = {f"{change.name}: DVC misses {command}" for command in commands}
    return [line for line in said if line in lines]


@contextlib.contextmanager
def without(project: Project, removal: Removal) -> Iterator[None]:
    """Take the entry out of the project's dvc.yaml for the length of a `with` block."""

    def edit(text: str) -> str:
        content: dict[str, Any] = yaml.safe_load(text)
        del content["stages"][removal.stage][removal.kind][removal.place]
        return yaml.safe_dump(content, sort_keys=False)

    with project.edited("dvc.yaml", edit):
        yield


def make(folder: Path) -> Project:
    """Return a project made by Snakemake and handed over to DVC."""
    project = Project.make(folder, SMALL)
    project.run("snakemake", "--cores", "2")
    with contextlib.chdir(folder):
        assert hand_over(PARAMS)[1] == {}
    return project


def _is_for(removal: Removal, change: Change) -> bool:
    if removal.entry == WHOLE:
        return not change.file
    entry = removal.entry.replace("${item.model}", "two")
    parts = entry.split(".") if removal.kind == "params" else _path(entry, removal.stage)
    name = change.name.split(".") if removal.kind == "params" else change.file.split("/")
    return bool(change.file) == (removal.kind == "deps") and name[: len(parts)] == parts


def _path(entry: str, stage: str) -> list[str]:
    seeds = PARAMS.probe.seeds if stage in ("train_vlae", "probe") else PARAMS.seeds
    return entry.replace("${item.seeds}", str(seeds[0])).split("/")


def main() -> None:
    """Print every entry that could be taken out unnoticed, and how many could not."""
    every, entries = changes(), removals()
    with tempfile.TemporaryDirectory() as folder:
        project = make(Path(folder))
        unnoticed = [str(removal) for removal in entries if not missed(project, removal, every)]
    print("\n".join(unnoticed))
    print(f"{len(entries) - len(unnoticed)} of {len(entries)} removals from dvc.yaml are found.")


if __name__ == "__main__":
    main()
