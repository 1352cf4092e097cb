"""What the view shows of each run, from the files: the one mapping that live logging and rebuilding share."""

import csv
import hashlib
import json
import math
import re
import subprocess
import time
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from vlac.errors import VlacError
from vlac.files import read_json, sha256, write_json
from vlac.params.view import declared
from vlac.workflow.depends import keys_of, params_hash
from vlac.workflow.jobs import STAGES, VLAE, Job
from vlac.workflow.manifest import Manifest, read_manifest

Points = dict[tuple[str, int], float]
"""Metric values by name and step."""

REPORTS = {"rung": "probe", "table": "table"}
"""Stages that gather many results, and the name of the run that shows their report."""

CODE_ROOT = Path(__file__).parents[2]


@dataclass(frozen=True)
class Part:
    """What one finished job adds to a run.

    Attributes:
        id: the stage and a hash of the job's manifest, which stands for all that the job made.
    """

    id: str
    job: Job
    manifest: Manifest
    params: dict[str, str]

    def points(self) -> Points:
        """Return the job's scores. Raises VlacError if a file differs from the manifest."""
        return _points(_scores(self.job, self.manifest), 0)

    def artifacts(self) -> list[Path]:
        """Return the files that the run keeps of this job: no weights, which can be large."""
        if self.job.stage.name in REPORTS:
            return [path for path in self.job.outputs if path.parts[0] == "reports"]
        log = [self.job.log] if self.job == shown_in(self.job) else []
        kept = [path for path in [*self.job.outputs, *log] if path.suffix != ".pt" and path.exists()]
        # Snakemake puts a file whose name begins with a dot into a folder that it has made.
        return [file for path in kept for file in (sorted(path.glob("[!.]*")) if path.is_dir() else [path])]


@dataclass(frozen=True)
class Content:
    """All that one run shows, but for its status.

    Attributes:
        key: tells the run apart: it names the job and hashes the parameters shown.
        params, tags: as MLflow takes them, before any part adds its own params.
        parts: the finished jobs that the run shows, the training first; none while that one runs.
        started, ended: milliseconds since 1970, None where unknown.
    """

    job: Job
    key: str
    name: str
    params: dict[str, str]
    tags: dict[str, str]
    parts: tuple[Part, ...] = ()
    started: int | None = None
    ended: int | None = None

    def epochs(self) -> Points:
        """Return the points of history.csv. Raises VlacError if the file differs from the manifest."""
        if not self.parts or self.job.stage.name in REPORTS:
            return {}
        return epoch_points(_rows(self.job, "history.csv", self.parts[0].manifest))


def shown_in(job: Job) -> Job | None:
    """Return the job whose run shows what `job` made: itself, the training of the model scored, or None for no run."""
    if job.stage.trains or job.stage.over == "trials" or job.stage.name in REPORTS:
        return job
    if job.stage.over == "probe":
        return Job(STAGES["train_vlae"], job.experiment, VLAE, job.seed)
    return Job(STAGES["train"], job.experiment, job.model, job.seed) if job.stage.over == "models" else None


def content(job: Job, params: Any, parts: tuple[Part, ...] = ()) -> Content:
    """Return the run of a training or report job: as it begins, or with `parts`."""
    # The path of the data is no part of a result, and tells of the machine.
    keys = [key for key in keys_of(job, params) if key != "data"]
    keys += ["data.source", "data.digits" if params.data.source == "digits" else "data.train_split"]
    if job.stage.name == "train":
        keys.append("digit_rung")
    shown = {"model": job.model, "seed": str(job.seed)} if job.seed is not None else {}
    # Under one name, so that models can be compared by it.
    values = {"model" if key == f"models.{job.model}" else key: value for key, value in declared(params, keys).items()}
    values = _flat(values) | shown
    sign = hashlib.sha256(json.dumps(values, sort_keys=True).encode()).hexdigest()
    noted = journal(job)
    tags = {
        "experiment": job.experiment,
        "stage": job.stage.name,
        "data": params.data.source,
        "params_hash": params_hash(job, params),
        "git_commit": noted.get("git_commit"),
        "mlflow.source.name": job.command,
        "mlflow.source.type": "LOCAL",
    }
    return Content(
        job=job,
        key=f"{job.experiment}/{str(job).replace(' ', '/')}/{sign[:12]}",
        name=f"{job.model} seed {job.seed}" if shown else REPORTS[job.stage.name],
        params=values,
        tags={name: value for name, value in (tags | shown).items() if value},
        parts=parts,
        started=noted.get("started"),
        ended=noted.get("ended"),
    )


def finished(job: Job, params: Any) -> Content | None:
    """Return the run of a training or report job with all the files that exist for it; None if it is not finished.

    Scores of a model that was trained again since are left out.

    Raises:
        VlacError: a manifest is damaged.
    """
    first = _part(job, params, {})
    if not first:
        return None
    parts = [first]
    for stage in [each for each in STAGES.values() if job.stage.trains and each.over == job.stage.over]:
        after = Job(stage, job.experiment, "" if stage.over == "probe" else job.model, job.seed)
        made = None if stage.trains else _part(after, params, declared(params, keys_of(after, params)))
        if made and made.manifest.inputs.get(job.manifest.as_posix()) == sha256(job.manifest):
            parts.append(made)
    return content(job, params, tuple(parts))


def _part(job: Job, params: Any, values: Mapping[str, Any]) -> Part | None:
    if not job.manifest.exists():
        return None
    made = read_manifest(job.manifest)
    if made.params != params_hash(job, params):
        return None
    return Part(f"{job.stage.name}:{sha256(job.manifest)[:12]}", job, made, _flat(values))


def epoch_points(rows: Iterable[Mapping[str, Any]]) -> Points:
    """Return rows of history.csv (epoch, then metrics) as points; cells that hold no finite number are left out."""
    points: Points = {}
    for row in rows:
        values = {f"train/{name}": value for name, value in row.items() if name not in ("seed", "epoch")}
        points |= _points(values, int(row["epoch"]))
    return points


def digest(points: Points) -> str:
    """Return a short hash of points."""
    return hashlib.sha256(repr(sorted(points.items())).encode()).hexdigest()[:12]


def _scores(job: Job, made: Manifest) -> dict[str, Any]:
    """Return the final scores of a job by the name of their metric; "/" groups them in MLflow."""
    if job.stage.name == "evaluate":
        (row,) = _rows(job, "scores.csv", made)
        values = {f"test/{name}": value for name, value in row.items() if name != "seed"}
        for row in _rows(job, "factors.csv", made):
            values[f"test/rung{row['rung']:.0f}/{row['factor']}/{row['measure']}"] = row["value"]
        return values
    if job.stage.name == "probe":
        return _by_rung("probe", _rows(job, "scores.csv", made))
    if job.stage.over != "trials":
        return {}
    rows = _rows(job, "scores.csv", made)
    values = {f"train/{name}": row.pop(name) for row in rows for name in ("failed_in_epoch", "images_seen")}
    rows = [row for row in rows if row["rung"] != ""]  # none in a trial that failed
    main = [row for row in rows if row.pop("main")]
    return (
        values
        | _by_rung("holdout", rows)
        | {f"holdout/{name}": value for row in main for name, value in row.items() if name != "seed"}
    )


def _by_rung(group: str, rows: Iterable[Mapping[str, Any]]) -> dict[str, Any]:
    return {
        f"{group}/rung{row['rung']:.0f}/{name}": value
        for row in rows
        for name, value in row.items()
        if name not in ("seed", "rung")
    }


def _rows(job: Job, name: str, made: Manifest) -> list[dict[str, Any]]:
    path = job.output(name)
    if sha256(path) != made.outputs.get(path.as_posix()):
        raise VlacError(f"{path} has changed since {job} made it.", f"Run `{job.command}` again.")
    with path.open(newline="") as file:
        return [{column: _cell(text) for column, text in row.items()} for row in csv.DictReader(file)]


def _cell(text: str) -> float | str:
    try:
        return float(text)
    except ValueError:
        return text


def _points(values: Mapping[str, Any], step: int) -> Points:
    # Six digits, as vlac.files.write_csv keeps: a live value and the same value read back are equal.
    numbers = {name: float(f"{value:.6g}") for name, value in values.items() if not isinstance(value, str)}
    # MLflow refuses other characters in a name.
    return {(re.sub(r"[^\w./ :-]", "_", name), step): value for name, value in numbers.items() if math.isfinite(value)}


def _flat(values: Mapping[str, Any], prefix: str = "") -> dict[str, str]:
    flat: dict[str, str] = {}
    for key, value in values.items():
        if isinstance(value, dict):
            flat |= _flat(value, f"{prefix}{key}.")
        else:
            flat[f"{prefix}{key}"] = value if isinstance(value, str) else json.dumps(value)
    return flat


def journal(job: Job) -> dict[str, Any]:
    """Return git commit, start and end (milliseconds since 1970) of the job's last run, as far as they are known."""
    try:
        return dict(read_json(job.log.with_suffix(".json")))
    except (VlacError, TypeError, ValueError):
        return {}


def note(job: Job, **values: Any) -> None:
    """Write that beside the job's log, outside every declared output: only the running process knows it."""
    write_json(job.log.with_suffix(".json"), values)


def now() -> int:
    """Return milliseconds since 1970, MLflow's unit of time."""
    return time.time_ns() // 1_000_000


def commit() -> str | None:
    """Return the git commit of the code, with "-dirty" if the package differs from it; None outside a checkout."""
    if not (CODE_ROOT / ".git").exists():  # else git would look for a project around an installed package
        return None
    git = ["git", "--no-optional-locks", "-C", str(CODE_ROOT)]
    try:
        answers = [
            subprocess.run([*git, *words], check=True, capture_output=True, text=True, timeout=10).stdout.strip()
            for words in (("rev-parse", "HEAD"), ("status", "--porcelain", "--", "vlac"))
        ]
    except (OSError, subprocess.SubprocessError):
        return None
    return f"{answers[0]}-dirty" if answers[1] else answers[0]
