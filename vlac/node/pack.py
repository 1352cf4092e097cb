"""Fill a folder with all that a compute node needs: code, parameters, data, what is finished, what is begun."""

import importlib.metadata
import json
import os
import shutil
import textwrap
from dataclasses import dataclass
from pathlib import Path

from vlac.errors import VlacError
from vlac.files import copy_file, write_bytes, write_json, write_text
from vlac.node.checkpoints import carry_checkpoints
from vlac.node.folder import MARKER, RUNG, is_pack, settled_rung
from vlac.params.load import load_params
from vlac.params.read import RESOLVED
from vlac.params.schema import Params
from vlac.stages import engine
from vlac.stages.definitions import CODE_ROOT, Job
from vlac.stages.stale import sort_out
from vlac.tracking import journal
from vlac.training.pretext import FOLDER as PRETEXT

PACKAGES = ("torch", "numpy", "scipy", "pandas", "matplotlib", "pydantic")
"""All that trainings, figures and the making of the data need besides Python."""

PRESETS = Path("presets")

DATA = ("download", "prepare")
"""Stages whose results are the data set."""

README = """\
A pack of vlac for a machine without internet, Snakemake, DVC and MLflow. Preset: {preset}.

It needs Python 3.11 to 3.13 with {packages}.
This pack was made beside
{versions}.

In this folder:

    python -m vlac work                # run what is not done, in order; goes on where it stopped
    python -m vlac work --minutes 230  # the same, but stop after so long
    python -m vlac plan                # every job, its state and its command

`work` exits with 0 when all that can run here is done, with 3 when the time was up (the same command goes on) and
with 4 when a job failed. A second `work` in this folder is refused while one runs.
{data}
Then carry this folder home (results/, checkpoints/, logs/, reports/ and params.json would do) and run in the project's
folder:

    python -m vlac unpack FOLDER
"""

NO_DATA = """
The data are not in this pack. {source} `work` makes data/ of them.
"""


@dataclass(frozen=True)
class Packed:
    """What a pack holds.

    Attributes:
        results: finished jobs, whose results it holds.
        checkpoints: paths of the checkpoints of unfinished trainings, and of pretext networks.
        left_behind: a sentence for each checkpoint that did not go along.
        data: whether it holds the data arrays.
        rung: whether the rung is settled before the probe has run.
        megabytes: its size.
    """

    results: list[Job]
    checkpoints: list[Path]
    left_behind: list[str]
    data: bool
    rung: bool
    megabytes: float

    def __str__(self) -> str:
        unfinished = [path for path in self.checkpoints if not path.is_relative_to(PRETEXT)]
        pretext = len(self.checkpoints) - len(unfinished)
        lines = [
            f"{self.megabytes:.0f} MB: code, parameters, {len(self.results)} finished jobs, "
            f"{len(unfinished)} checkpoints of unfinished trainings, {pretext} pretext networks."
        ]
        if not self.data:
            lines.append("The data are not in it; its README.txt says how they come there.")
        if self.rung:
            lines.append("digit_rung is a number, so the models can be trained there before the probe has run.")
        if unfinished:
            lines.append("A checkpoint goes on only on a device of its kind: delete it there to begin anew on another.")
        return "\n".join([*lines, *self.left_behind])


def preset(name: str) -> Params:
    """Return the parameters of presets/NAME.yaml.

    Raises:
        VlacError: there is no such preset.
    """
    known = sorted(path.stem for path in PRESETS.glob("*.yaml"))
    if name not in known:
        raise VlacError(f"There is no preset {name!r}.", f"There are {', '.join(known) or 'none in this folder'}.")
    return load_params(PRESETS / f"{name}.yaml")


def pack(folder: Path, params: Params, with_data: bool = True) -> Packed:
    """Make `folder` a pack of the project in the working folder, or bring a pack up to date; its own work is kept.

    Args:
        folder: a new or empty folder, or a pack.
        params: all parameters of the experiment, whether or not they are today's params.yaml.
        with_data: False leaves out the data arrays.

    Raises:
        VlacError: the folder holds something else, or cannot be written, or somebody works in it.
    """
    _refuse(folder)
    with engine.held(folder):
        return _fill(folder, params, with_data)


def _fill(folder: Path, params: Params, with_data: bool) -> Packed:
    write_json(folder / MARKER, {"preset": params.preset, "git_commit": journal.commit()})
    shutil.rmtree(folder / "vlac", ignore_errors=True)
    for path in sorted((CODE_ROOT / "vlac").rglob("*.py")):
        copy_file(path, folder / path.relative_to(CODE_ROOT))
    # Not sorted: the models are trained in the order in which they stand.
    write_text(folder / RESOLVED, json.dumps(params.model_dump(mode="json"), indent=2) + "\n")
    done, left = sort_out(params)
    results = [job for job in done if with_data or job.stage.name not in DATA]
    for job in results:
        for path in (*job.outputs, job.log, journal.path(job)):
            if path.exists():
                _place(path, folder / path)
    rung = settled_rung(params)
    if rung and RUNG not in {path for job in results for path in job.outputs}:
        write_bytes(folder / RUNG, rung)
    checkpoints, left_behind = carry_checkpoints(left, params, Path(), folder)
    data = {job.stage.name for job in results}.issuperset(DATA)
    write_text(folder / "README.txt", _readme(params, data))
    size = sum(path.stat().st_size for path in folder.rglob("*") if path.is_file())
    return Packed(results, checkpoints, left_behind, data, bool(rung), size / 1e6)


def _refuse(folder: Path) -> None:
    if folder.exists() and not folder.is_dir():
        raise VlacError(f"{folder} is a file.", "Name a new folder.")
    if folder.exists() and folder.resolve() in (Path().resolve(), CODE_ROOT):
        raise VlacError(f"{folder} is the project's own folder.", "Name a new one.")
    begun = (folder / engine.FILE.parent, folder / engine.FILE)  # all that a pack stopped at its start has left
    if not is_pack(folder) and any(path not in begun for path in folder.rglob("*")):
        raise VlacError(
            f"{folder} holds something, and is no pack of `python -m vlac pack`.", "Name a new folder or an empty one."
        )


def _place(path: Path, target: Path) -> None:
    """Copy a file into the pack; arrays are linked where the disk allows, for they are large and never written into."""
    if path.suffix == ".npz":
        target.parent.mkdir(parents=True, exist_ok=True)
        target.unlink(missing_ok=True)
        try:
            os.link(path, target)
            return
        except OSError:  # another disk, or one without links
            pass
    copy_file(path, target)


def _readme(params: Params, data: bool) -> str:
    source = (
        "They are rendered from the fonts of matplotlib:"
        if params.data.source == "digits"
        else "Put the .mat files into a folder and name it in the environment variable VLAC_DATA:"
    )
    versions = ", ".join(f"{name} {importlib.metadata.version(name)}" for name in PACKAGES)
    return README.format(
        preset=params.preset,
        packages=", ".join(PACKAGES[:-1]) + f" and {PACKAGES[-1]}",
        versions="\n".join(textwrap.wrap(versions, 110)),
        data="" if data else NO_DATA.format(source=source),
    )
