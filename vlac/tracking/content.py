"""What the view shows of each run, from the files: the one mapping that live logging and rebuilding share."""

import hashlib
import json
import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from vlac.errors import VlacError
from vlac.files import read_csv, sha256
from vlac.params.schema import Params, seeds_of
from vlac.stages.definitions import STAGES, VLAE, Job
from vlac.stages.manifest import Manifest, read_manifest
from vlac.stages.view import declared, fingerprint
from vlac.tracking import journal
from vlac.tracking.store import KEY

Points = dict[tuple[str, int], float]
"""Metric values by name and step."""

DIGEST = "vlac.digest"
"""The tag of a complete run: a hash of all that it shows."""

REPORTS = {"rung": "probe", "table": "table"}
"""Stages that gather many results, and the name of the run that shows their report."""


@dataclass(frozen=True)
class Content:
    """All that one run shows, but for its status.

    Attributes:
        params, tags: as MLflow takes them; the tag `KEY` tells the run apart from others.
        points: metric values by name and step, of six significant digits, as the files hold them.
        artifacts: files, and the folder within the run that each goes to.
        started, ended: milliseconds since 1970, None where unknown.
    """

    name: str
    params: dict[str, str]
    tags: dict[str, str]
    points: Points
    artifacts: tuple[tuple[Path, str], ...] = ()
    started: int | None = None
    ended: int | None = None

    @property
    def key(self) -> str:
        """The key that tells the run apart."""
        return self.tags[KEY]

    def digest(self) -> str:
        """Return a hash of all that the run shows, times aside."""
        points = sorted((name, step, value) for (name, step), value in self.points.items())
        files = [(folder, path.name, sha256(path)) for path, folder in self.artifacts]
        shown = json.dumps([self.name, self.params, self.tags, points, files], sort_keys=True)
        return hashlib.sha256(shown.encode()).hexdigest()


def row_points(row: Mapping[str, Any]) -> Points:
    """Return one row of history.csv (seed, epoch, then metrics) as points; cells that hold no number are left out."""
    return _points({name: value for name, value in row.items() if name not in ("seed", "epoch")}, int(row["epoch"]))


def training_run(job: Job, seed: int, params: Params, rows: Iterable[Mapping[str, Any]] = ()) -> Content:
    """Return the run of one seed of a training job as it stands after the epochs in `rows`."""
    model = job.model or VLAE
    keys = [*job.params, "data.source", "data.digits" if params.data.source == "digits" else "data.train_split"]
    if job.model:
        keys.append("digit_rung")  # the baseline is built of that rung's sub-networks
    # Under one name, so that models can be compared by it.
    values = {"model" if key == f"models.{model}" else key: value for key, value in declared(params, keys).items()}
    stage = "trial" if job.stage.over == "trials" else "train"
    content = _run(job, stage, f"{model}/{seed}", f"{model} seed {seed}", params, values)
    return replace(
        content,
        params=content.params | {"model": model, "seed": str(seed)},
        tags=content.tags | {"model": model, "seed": str(seed), "seeds": job.seeds},
        points={point: value for row in rows for point, value in row_points(row).items()},
    )


def is_shown(job: Job) -> bool:
    """Return whether the view shows anything of this job's stage."""
    return bool(job.stage.over) or job.stage.name in REPORTS


def finished_runs(job: Job, params: Params) -> list[Content]:
    """Return the runs to which a job's files belong, each with all the files that exist for it.

    That is one run per seed, or the one run of a report, or none for a stage that has nothing to show. A training that
    has not finished, or not with these parameters, has no such run; scores of another training are left out.

    Raises:
        VlacError: a manifest is damaged, or a file differs from what its manifest says.
    """
    if job.stage.name in REPORTS:
        return _report(job, params)
    if job.stage.over == "trials":
        return _trial(job, params)
    if job.stage.over == "probe":
        job = Job(STAGES["train_vlae"], seeds=job.seeds)
    elif job.stage.over == "models":
        job = Job(STAGES["train"], model=job.model, seeds=job.seeds)
    else:
        return []
    manifest = _manifest(job, params)
    return [_finished(job, seed, params, manifest) for seed in seeds_of(job.seeds)] if manifest else []


def _finished(job: Job, seed: int, params: Params, manifest: Manifest) -> Content:
    history = _history(job, seed)
    content = training_run(job, seed, params, history)
    artifacts = [(path, "train") for path in (_output(job, "history.csv"), job.manifest, job.log) if path.exists()]
    values: dict[str, Any] = {}
    later: dict[str, str] = {}  # declared parameters of the stages that scored the model
    model = _output(job, "model.pt").as_posix()
    for stage in (STAGES[name] for name in ("evaluate", "figures", "probe")):
        after = Job(stage, model=job.model, seeds=job.seeds)
        made = _manifest(after, params) if stage.over == job.stage.over else None
        if made is None or made.inputs.get(model) != manifest.outputs.get(model):
            continue  # not made yet, or made of a model that was trained again since
        later |= _flat(declared(params, after.params))
        artifacts += [(path, stage.name) for path in after.outputs]
        values |= _scores(after, seed)
    return replace(
        content,
        params=later | content.params,
        points=content.points | _points(values, 0),
        artifacts=tuple(artifacts),
    )


def _trial(job: Job, params: Params) -> list[Content]:
    """Return the run of a trial: its history, its parameters, and every score, those of the main rung by name alone."""
    if _manifest(job, params) is None:
        return []
    seed = int(job.seeds)
    values: dict[str, Any] = {}
    for row in _rows(_output(job, "scores.csv"), seed, "rung", "main", "failed_in_epoch", "images_seen"):
        values |= {name: row.pop(name) for name in ("failed_in_epoch", "images_seen")}
        if row["rung"] == row["rung"]:  # NaN in a trial that failed
            values |= {f"holdout.rung{row['rung']:.0f}.{name}": value for name, value in row.items() if name != "main"}
            values |= {f"holdout.{name}": value for name, value in row.items() if row["main"] == 1 and name != "main"}
    content = training_run(job, seed, params, _history(job, seed))
    artifacts = tuple((path, "trial") for path in (*job.outputs, job.log) if path.exists())
    return [replace(content, points=content.points | _points(values, 0), artifacts=artifacts)]


def _scores(job: Job, seed: int) -> dict[str, Any]:
    """Return the final scores of one seed by the name of their metric."""
    values: dict[str, Any] = {}
    for row in _rows(_output(job, "scores.csv"), seed, "rung") if job.stage.name != "figures" else []:
        rung = row.pop("rung")
        if job.stage.name == "probe":
            values |= {f"probe.rung{rung:.0f}.{name}": value for name, value in row.items()}
        else:
            values |= {"test.rung": rung} | {f"test.{name}": value for name, value in row.items()}
    if job.stage.name == "evaluate":
        for row in _rows(_output(job, "factors.csv"), seed, "rung", "factor", "measure", "value"):
            values[f"test.rung{row['rung']:.0f}.{row['factor']}.{row['measure']}"] = row["value"]
    return values


def _report(job: Job, params: Params) -> list[Content]:
    if _manifest(job, params) is None:
        return []
    files = [path for path in job.outputs if path.parts[0] == "reports"]
    # The path of the data is no part of a result, and tells of the machine.
    values = declared(params, [key for key in job.params if key != "data"])
    values |= declared(params, ["data.source", "data.holdout"])
    content = _run(job, job.stage.name, "report", REPORTS[job.stage.name], params, values)
    return [replace(content, artifacts=tuple((path, "reports") for path in files))]


def _run(job: Job, stage: str, of: str, name: str, params: Params, values: dict[str, Any]) -> Content:
    """Return a run that shows the declared `values`, told apart by stage, by what it is of, and by a hash of them."""
    shown = _flat(values)
    sign = hashlib.sha256(json.dumps(shown, sort_keys=True).encode()).hexdigest()
    noted = journal.read(job)
    tags = {
        KEY: f"{stage}/{of}/{sign[:12]}",
        "stage": stage,
        "data": params.data.source,
        "preset": params.preset,
        "params_hash": fingerprint(params, job.params),
        "mlflow.source.name": job.command,
        "mlflow.source.type": "LOCAL",
    }
    if noted and noted.git_commit:
        tags["git_commit"] = noted.git_commit
    times = (noted.started, noted.ended) if noted else (None, None)
    return Content(name, shown, tags, {}, (), *times)


def _manifest(job: Job, params: Params) -> Manifest | None:
    """Return the manifest of a job that was run with these parameters, or None if there is none.

    Raises:
        VlacError: it is damaged, or a file that the view shows differs from it.
    """
    if not job.manifest.exists():
        return None
    manifest = read_manifest(job)
    if manifest.params != fingerprint(params, job.params):
        return None
    for name, digest in manifest.outputs.items():
        if not name.endswith(".pt") and sha256(Path(name)) != digest:
            raise VlacError(f"{name} has changed since {job} made it.", f"Run `{job.command}` again.")
    return manifest


def _output(job: Job, name: str) -> Path:
    return next(path for path in job.outputs if path.name == name)


def _history(job: Job, seed: int) -> list[dict[str, Any]]:
    path = _output(job, "history.csv")
    rows = _rows(path, seed, "epoch")
    if not all(math.isfinite(row["epoch"]) for row in rows):
        raise VlacError(f"{path} has an epoch that is no number.", "Run its stage again.")
    return rows


def _rows(path: Path, seed: int, *needed: str) -> list[dict[str, Any]]:
    table = read_csv(path, ("factor", "measure"))
    for name in ("seed", *needed):
        if name not in table:
            raise VlacError(f"{path} has no column {name}.", "Run its stage again.")
    return [
        {str(name): value for name, value in row.items()}
        for row in table[table.seed == seed].drop(columns="seed").to_dict("records")
    ]


def _points(values: Mapping[str, Any], step: int) -> Points:
    # Six digits, as vlac.files.write_csv keeps: a live value and the same value read back are equal.
    rounded = {
        (name, step): float(f"{float(value):.6g}") for name, value in values.items() if not isinstance(value, str)
    }
    return {point: value for point, value in rounded.items() if math.isfinite(value)}


def _flat(values: Mapping[str, Any], prefix: str = "") -> dict[str, str]:
    flat: dict[str, str] = {}
    for key, value in values.items():
        if isinstance(value, dict):
            flat |= _flat(value, f"{prefix}{key}.")
        else:
            flat[f"{prefix}{key}"] = value if isinstance(value, str) else json.dumps(value)
    return flat
