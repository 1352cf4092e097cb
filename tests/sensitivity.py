"""Single changes of a project, which stages declare what was changed, and whether both engines see it in just those."""

import contextlib
from collections.abc import Callable, Collection, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml
from copied import ROOT
from engines import Project, inside

from vlac.params.schema import Params
from vlac.stages.definitions import code_files, jobs
from vlac.stages.stale import sort_out

# A model of every kind, and a source that allows every value of the other parameters.
SMALL: dict[str, Any] = yaml.safe_load((ROOT / "presets" / "tiny.yaml").read_text())
SMALL["data"]["source"], SMALL["probe"]["seeds"], SMALL["seeds"] = "svhn", [0, "1-2"], ["0-1"]
SMALL["models"] = {
    "two": SMALL["models"]["vlac_2layer"],
    "gmdgm": SMALL["models"]["gmdgm"],
    "plus": SMALL["models"]["vlac_2layer_plus"],
}

# Lists of seeds and kinds of models shape the graph; what they change is written out in tests/test_sensitivity.py.
SHAPE = ("seeds", "kind")

OTHER = {
    "preset": "other",
    "source": "digits",
    "path": "mirror",
    "train_split": "extra",
    "form": "laplace",
    "kl_z": "sampled",
    "precision": "float32",
    "device": "cpu",
    "digit_rung": "auto",
    "polarity": False,
}
COMMENT = "# A comment changes nothing, but that is for a person to say.\n"

Leaf = tuple[str, ...]


@dataclass(frozen=True)
class Change:
    """One change of a project.

    Attributes:
        name: the parameter, or the path of the file.
        make: the change, for the length of a `with` block.
        concerns: the commands of the jobs that declare what is changed.
        file: the file, or "" for a parameter.
        maker: the command of the job that made the file, if one did.
    """

    name: str
    make: Callable[[Project], contextlib.AbstractContextManager[None]]
    concerns: frozenset[str]
    file: str = ""
    maker: frozenset[str] = frozenset()


def another(value: Any, key: str) -> Any:
    """Return another valid value."""
    if key in OTHER:
        return OTHER[key]
    if isinstance(value, list):
        return [another(value[0], key), *value[1:]]
    return value / 2 if isinstance(value, float) else value + 1


def leaves(section: dict[str, Any], above: Leaf = ()) -> dict[Leaf, Any]:
    """Return every value by its keys, but for those that shape the graph."""
    found: dict[Leaf, Any] = {}
    for key, value in section.items():
        if isinstance(value, dict):
            found |= leaves(value, (*above, key))
        elif key not in SHAPE:
            found[*above, key] = value
    return found


def of_parameters(values: dict[str, Any]) -> Iterator[Change]:
    """Yield a change of every leaf of the parameters."""
    params = Params.model_validate(values)
    for leaf, value in leaves(values).items():
        dotted = f"{'.'.join(leaf)}."
        declared = {job.command for job in jobs(params) if any(dotted.startswith(f"{key}.") for key in job.params)}
        yield Change(".".join(leaf), _setting(leaf, another(value, leaf[-1])), frozenset(declared))


def of_code(params: Params) -> Iterator[Change]:
    """Yield a change of every module that a stage declares."""
    by_file: dict[Path, set[str]] = {}
    for job in jobs(params):
        for file in code_files(job.stage):
            by_file.setdefault(file, set()).add(job.command)
    for file, commands in sorted(by_file.items()):
        yield Change(str(file), _appending(str(file), COMMENT), frozenset(commands), str(file))


def of_results(params: Params) -> Iterator[Change]:
    """Yield a change of every file that one stage makes and another reads; of the models, those of the first."""
    makers = {file: job.command for job in jobs(params) for file in job.outputs}
    read: dict[Path, set[str]] = {}
    for job in jobs(params):
        for file in job.inputs(params):
            read.setdefault(file, set()).add(job.command)
    others = set(list(params.models)[1:])
    for file, commands in sorted(read.items()):
        if others.isdisjoint(file.parts):
            make = _appending(str(file), "\n")
            yield Change(str(file), make, frozenset(commands), str(file), frozenset({makers[file]}))


def discrepancies(project: Project, change: Change, snakemake: bool = True, dvc: bool = True) -> list[str]:
    """Make the change, ask the engines, undo it, and say where an engine does not see it in just whom it concerns.

    Snakemake's rules ask the manifests; what those say by themselves, for the table and the hand-over, goes with it.
    """
    rerun = and_all_after(change.concerns | change.maker, project.params)  # who made a changed file makes it again
    said = []
    with change.make(project):
        if snakemake:
            plan = project.found_by_snakemake(change.file)
            by_manifests = change.maker or change.concerns  # a result differs from the manifest of who made it
            said += _differences(change, "Snakemake's records", change.concerns, plan.seen["its records"])
            said += _differences(change, "Snakemake's look at the manifests", by_manifests, plan.seen["the manifests"])
            said += _differences(change, "Snakemake's plan", rerun, plan.rerun)
            with inside(project.folder):
                left = {job.command for job in sort_out(project.params)[1]}
            said += _differences(change, "The hashes", rerun, left)
        if dvc:
            plan = project.found_by_dvc()
            said += _differences(change, "DVC", change.concerns, plan.seen["dvc.lock"])
            said += _differences(change, "DVC's plan", rerun, plan.rerun)
    return said


def and_all_after(commands: Collection[str], params: Params) -> set[str]:
    """Return the commands and those of all jobs that come after them."""
    made: set[Path] = set()
    rerun = set()
    for job in jobs(params):
        if job.command in commands or not made.isdisjoint(job.inputs(params)):
            rerun.add(job.command)
            made.update(job.outputs)
    return rerun


def _differences(change: Change, who: str, wanted: Collection[str], seen: Collection[str]) -> list[str]:
    missed = [f"{change.name}: {who} misses {command}" for command in sorted(set(wanted) - set(seen))]
    return missed + [f"{change.name}: {who} has {command} for no reason" for command in sorted(set(seen) - set(wanted))]


def _setting(leaf: Leaf, to: Any) -> Callable[[Project], contextlib.AbstractContextManager[None]]:
    return lambda project: project.changed(*leaf, to=to)


def _appending(file: str, end: str) -> Callable[[Project], contextlib.AbstractContextManager[None]]:
    return lambda project: project.edited(file, lambda text: text + end)
