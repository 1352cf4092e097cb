"""What the run of a training shows, from the files: the one mapping that the live view and the rebuild share."""

import dataclasses
import hashlib
import json
import math
import re
import subprocess
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import Any

from vlac.errors import VlacError
from vlac.evaluation.metrics import SHOWN
from vlac.files import sha256
from vlac.params.section import declared
from vlac.tables import read_csv
from vlac.workflow.depends import hash_of_code, keys_of, params_hash
from vlac.workflow.jobs import STAGES, Job
from vlac.workflow.manifest import Manifest, read_manifest

Points = dict[tuple[str, int], float]
"""Metric values by name and step."""

KEY, MODEL, LOG, MANIFEST = "vlac.key", "vlac.model", "vlac.log", "vlac.manifest"
"""Tags: the training and its parameters; what its seeds share, the key of the run above them; the log of its job; a
hash of the manifests of all that the run shows."""


SHOWN_NAMES = {metric.name for metric in SHOWN}


@dataclass(frozen=True)
class Content:
    """All that one run shows, but for its status."""

    job: Job  # the training; without a seed, those of all seeds
    params: dict[str, str]
    tags: dict[str, str]
    made: dict[Job, Manifest] = field(default_factory=dict)  # of all finished jobs whose files are shown, it first

    @property
    def name(self) -> str:
        """What the run is called."""
        return self.job.model if self.job.seed is None else f"{self.job.model} seed {self.job.seed}"

    def points(self) -> Points:
        """Return the metrics of the epochs and the scores. Raises VlacError if a file differs from its manifest."""
        points = epoch_points(_rows(self.job, "history.csv", self.made[self.job]))
        for job, manifest in self.made.items():
            points |= _points(_scores(job, manifest), 0)
        return points

    def artifacts(self) -> list[tuple[Path, str]]:
        """Return the files that the run keeps, with their folders: no weights, which can be large."""
        kept = [(path, job.stage.name) for job in self.made for path in job.outputs if path.suffix != ".pt"]
        kept.append((self.job.log, self.job.stage.name))
        # Snakemake puts a file whose name begins with a dot into a folder that it has made.
        files = [(file, to) for path, to in kept for file in (sorted(path.glob("[!.]*")) if path.is_dir() else [path])]
        return [(file, to) for file, to in files if file.exists()]


def content(job: Job, params: Any) -> Content:
    """Return the run of a training as it begins."""
    keys = [*keys_of(job, params), "data", *(["digit_rung"] if job.stage.name == "train" else [])]
    # Under one name, so that models can be compared by it.
    values = {"model" if key == f"models.{job.model}" else key: value for key, value in declared(params, keys).items()}
    shown = {"model": job.model, "seed": str(job.seed)}
    values = _flat(values) | shown
    del values["data.path"]  # no part of a result, and tells of the machine
    by = params_hash(job, params)[:12]
    tags = {
        KEY: f"{job.experiment}/{str(job).replace(' ', '/')}/{by}",
        MODEL: f"{job.experiment}/{job.stage.name}/{job.model}/{by}",
        LOG: job.log.as_posix(),
        "experiment": job.experiment,
        "stage": job.stage.name,
        "git_commit": commit(),
    }
    return Content(job, values, tags | shown)


def finished(job: Job, params: Any) -> Content | None:
    """Return the run of a training with all the files that exist for it; None if it is not finished.

    Scores of a model that was trained again since are left out. No file names a git commit: the run has the one at hand
    if the code that the training depends on is the same, by its hash. Raises VlacError if a manifest is damaged.
    """
    shown = content(job, params)
    model = "" if job.stage.over == "probe" else job.model
    after = [stage for stage in STAGES.values() if stage.over == job.stage.over and not stage.trains]
    for each in (job, *(Job(stage, job.experiment, model, job.seed) for stage in after)):
        found = read_manifest(each.manifest) if each.manifest.exists() else None
        if not found or found.params != params_hash(each, params):
            if each == job:
                return None
        elif each == job or found.inputs.get(job.manifest.as_posix()) == sha256(job.manifest):
            shown.made[each] = found
            shown.params.update(_flat(declared(params, keys_of(each, params))) if each != job else {})
    if shown.made[job].code != hash_of_code(job, params):
        del shown.tags["git_commit"]
    manifests = "".join(sha256(each.manifest) for each in shown.made)
    shown.tags[MANIFEST] = hashlib.sha256(manifests.encode()).hexdigest()
    return shown


def all_seeds(of: Sequence[Content], metrics: Sequence[Mapping[str, float]]) -> tuple[Content, Points]:
    """Return the run above those of a model's seeds, and the means and standard deviations of their scores."""
    import pandas as pd

    first = of[0]
    seeds = ", ".join(made.params["seed"] for made in of)
    params = {name: value for name, value in first.params.items() if name != "seed"} | {"seeds": seeds}
    manifests = "".join(made.tags[MANIFEST] for made in of)
    tags = {KEY: first.tags[MODEL], MANIFEST: hashlib.sha256(manifests.encode()).hexdigest()}
    tags |= {name: first.tags[name] for name in ("experiment", "stage", "model")}
    scores = pd.DataFrame(metrics).filter(regex="^(?!train/)")
    points = _points(scores.mean(), 0) | _points(scores.std().add_suffix("_std"), 0)
    return Content(dataclasses.replace(first.job, seed=None), params, tags), points


def epoch_points(rows: Iterable[Mapping[str, Any]]) -> Points:
    """Return rows of history.csv (epoch, then metrics) as points; cells that hold no finite number are left out."""
    points: Points = {}
    for row in rows:
        values = {f"train/{name}": value for name, value in row.items() if name not in ("seed", "epoch")}
        points |= _points(values, int(row["epoch"]))
    return points


def _scores(job: Job, made: Manifest) -> dict[str, Any]:
    """Return the scores of a job by the name of their metric; MLflow sorts its sections, so the table's come first."""
    values: dict[str, Any] = {}
    group = {"evaluate": "test", "probe": "probe", "trial": "holdout"}.get(job.stage.name)
    for row in _rows(job, "scores.csv", made) if group else ():
        values |= {f"train/{name}": row.pop(name) for name in ("failed_in_epoch", "images_seen") if name in row}
        scores = {name: value for name, value in row.items() if name not in ("seed", "main")}
        if group == "test" or row.get("main") == 1:
            main = "clusters" if group == "test" else group
            values |= {f"{main if name in SHOWN_NAMES else group}/{name}": value for name, value in scores.items()}
        rung = scores.pop("rung", math.nan)
        if math.isfinite(rung):  # in an evaluation it is not, nor in a trial that failed
            values |= {f"{group}/rung{rung:.0f}/{name}": value for name, value in scores.items()}
    for row in _rows(job, "factors.csv", made) if group == "test" else ():
        values[f"test/rung{row['rung']:.0f}/{row['factor']}/{row['measure']}"] = row["value"]
    return values


def intact(job: Job, name: str, made: Manifest) -> Path:
    """Return a job's output; raise VlacError if it is not the file that the job made."""
    path = job.output(name)
    if not path.exists() or sha256(path) != made.outputs.get(path.as_posix()):
        raise VlacError(f"{path} has changed since {job} made it.", f"Run `{job.command}` again.")
    return path


def _rows(job: Job, name: str, made: Manifest) -> list[dict[str, Any]]:
    return list(read_csv(intact(job, name, made)).to_dict("records"))


def _points(values: Mapping[str, Any], step: int) -> Points:
    # Six digits, as vlac.tables.write_csv keeps: a live value and the same value read back are equal.
    numbers = {name: float(f"{value:.6g}") for name, value in values.items() if not isinstance(value, str)}
    # MLflow refuses other characters in a name.
    return {(re.sub(r"[^\w./ :-]", "_", name), step): value for name, value in numbers.items() if math.isfinite(value)}


def _flat(values: Mapping[str, Any]) -> dict[str, str]:
    import pandas as pd  # costs half a second, which every call of an engine would pay

    (flat,) = pd.json_normalize(dict(values)).to_dict("records")
    return {str(key): value if isinstance(value, str) else json.dumps(value) for key, value in flat.items()}


@cache
def commit() -> str:
    """Return the git commit of the code, with "-dirty" if files differ from it; "" outside a checkout.

    params.yaml may differ: a run shows its parameters.
    """

    def git(*arguments: str) -> str:
        command = ["git", "--no-optional-locks", "--git-dir=.git", "--work-tree=.", *arguments]
        root = Path(__file__).parents[2]
        return subprocess.run(command, cwd=root, check=False, capture_output=True, text=True).stdout.strip()

    try:
        changed = git("status", "--porcelain", "--untracked-files=no", "--", ".", ":!params.yaml")
        return git("rev-parse", "HEAD") + ("-dirty" if changed else "")
    except OSError:  # git is not installed
        return ""
