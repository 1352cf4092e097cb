"""Where the view is kept: the project's own sqlite file, or what MLFLOW_TRACKING_URI names.

Opening it is safe for many processes at once, quick to fail, and silent.
"""

import logging
import os
import re
import secrets
import sqlite3
from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass
from itertools import starmap
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING

from filelock import FileLock

from vlac.errors import VlacError, one_line
from vlac.files import write_text
from vlac.tracking.content import KEY, Content, Points

if TYPE_CHECKING:
    from mlflow import MlflowClient
    from mlflow.entities import Run

CHECKOUT = "vlac.checkout"  # tag of every run: the checkout that it belongs to
SETTINGS = {
    "MLFLOW_DISABLE_TELEMETRY": "true",
    "MLFLOW_SUPPRESS_PRINTING_URL_TO_STDOUT": "true",
    # MLflow's own are 120 s and 7 retries: a server that is away would hold up every stage for minutes.
    "MLFLOW_HTTP_REQUEST_TIMEOUT": "5",
    "MLFLOW_HTTP_REQUEST_MAX_RETRIES": "1",
}
KIND = {"mlflow.experimentKind": "custom_model_development"}  # opens on the list of runs, and not on chats
PATIENCE = 120  # seconds that a process waits for the others before it goes on without the view
BUSY = 10  # seconds that it waits for another program to let go of the sqlite file
REBUILD = "Run `mv mlflow.db mlflow.db.old`: `python -m vlac track` then rebuilds it from the results."


@dataclass(frozen=True)
class Store:
    """An open tracking store: MLflow's client, the experiment that holds the runs, and the id of this checkout."""

    client: "MlflowClient"
    experiment: str
    checkout: str

    def runs(self, key: str = "%") -> "list[Run]":
        """Return this checkout's runs of that key, or all of them."""
        mine = f"tags.`{CHECKOUT}` = '{self.checkout}' and tags.`{KEY}` LIKE '{key}'"
        return list(self.client.search_runs([self.experiment], mine, max_results=50_000))

    def replace(self, runs: "list[Run]", made: Content, started: int) -> str:
        """Delete the runs, begin one with the tags of `made`, and return its id."""
        for run in runs:
            self.client.delete_run(run.info.run_id)
        tags = made.tags | {CHECKOUT: self.checkout}
        return str(self.client.create_run(self.experiment, started, tags, made.name).info.run_id)

    def log(self, run: str, points: Points, when: int, made: Content) -> None:
        """Log points (at the time `when`), and the params and tags of `made`, in one call."""
        from mlflow.entities import Metric, Param, RunTag

        metrics = [Metric(name, value, when, step) for (name, step), value in points.items()]
        params, tags = starmap(Param, made.params.items()), starmap(RunTag, made.tags.items())
        self.client.log_batch(run, metrics, list(params), list(tags))


def open_store(searches: bool = False) -> Store:
    """Open the store for trainings, or for a search's; the first of many processes makes it, the others wait."""
    for name, value in SETTINGS.items():
        os.environ.setdefault(name, value)
    from mlflow import MlflowClient

    for name in ("mlflow", "alembic", "sqlalchemy", "urllib3"):
        logging.getLogger(name).setLevel(logging.CRITICAL)
    uri = os.environ.get("MLFLOW_TRACKING_URI")
    name = (os.environ.get("MLFLOW_EXPERIMENT_NAME") or "vlac") + ("-search" if searches else "")
    match = re.fullmatch(r"sqlite:///([^?:]+)", uri or "sqlite:///mlflow.db")
    # An absolute path also keeps projects of several users apart in MLflow's own lock files under /tmp.
    file = (project() / match[1]).resolve() if match else None
    folder = (file or Path.cwd() / "mlflow.db").with_name("mlartifacts").as_uri()
    with FileLock(f"{file or Path('logs/mlflow').resolve()}.lock", timeout=PATIENCE):
        if file:
            _make_or_check(file)
        client = MlflowClient(tracking_uri=f"sqlite:///{file}" if file else uri)
        found = client.get_experiment_by_name(name)
        if found is None:
            place = None if re.match(r"https?:|databricks", uri or "") else folder
            found = client.get_experiment(client.create_experiment(name, artifact_location=place, tags=KIND))
        elif found.lifecycle_stage == "deleted":
            client.restore_experiment(found.experiment_id)
        if not uri and found.artifact_location != folder:  # MLflow would write where the folder was
            raise VlacError("mlflow.db was made in another folder.", REBUILD)
        checkout = Path("logs/checkout.id")
        if uri and not checkout.exists():
            write_text(checkout, f"{secrets.token_hex(8)}\n")
        return Store(client, found.experiment_id, checkout.read_text().strip() if uri else "own")


@contextmanager
def held_store(what: str, searches: bool = False) -> Iterator[Store]:
    """Open the store, and hold it alone while runs are compared with files: two jobs may end at the same time.

    Raises VlacError for any error inside the `with` block; `what` begins its sentence.
    """
    try:
        store = open_store(searches)
        with FileLock("logs/tracking.lock", timeout=PATIENCE):
            yield store
    except Exception as error:
        cause = why(error)
        raise VlacError(f"{what}: {cause.message}", cause.hint) from error


def project() -> Path:
    """Return this folder; or that of the project, for a copy which `dvc exp run --temp` works in and then deletes."""
    here = Path.cwd()
    copies = [parent for parent in here.parents if parent.parts[-3:] == (".dvc", "tmp", "exps")]
    return copies[0].parents[2] if copies else here


def _make_or_check(file: Path) -> None:
    """Make the sqlite file if it is missing, else make sure that it is one and that nobody holds it."""
    from mlflow import MlflowClient

    if not file.exists():
        # Its migrations take seconds, not in one transaction: a process killed meanwhile may leave no store.
        with TemporaryDirectory(prefix=".mlflow-", dir=file.parent) as folder:
            MlflowClient(tracking_uri=f"sqlite:///{folder}/mlflow.db").search_experiments(max_results=1)
            Path(folder, "mlflow.db").replace(file)
    # MLflow would retry a damaged or locked file for minutes.
    with closing(sqlite3.connect(file, timeout=BUSY, isolation_level=None)) as connection:
        for statement in ("begin immediate", "select count(*) from sqlite_master", "rollback"):
            connection.execute(statement)


def why(error: BaseException) -> VlacError:
    """Return what is behind an error of MLflow, which wraps it in several layers, and what to do about it."""
    for _ in range(20):  # two errors may name each other
        error = error.__cause__ or error.__context__ or error
    if isinstance(error, VlacError):
        return error
    uri = os.environ.get("MLFLOW_TRACKING_URI")
    damaged = type(error) is sqlite3.DatabaseError and not uri  # files that are locked or full raise its subclasses
    said = f"{uri or 'mlflow.db'}: {(str(error).strip() or type(error).__name__).splitlines()[0].rstrip('.')}."
    hint = REBUILD if damaged else "Correct that, or set MLFLOW_TRACKING_URI to another store."
    return VlacError(re.sub(r"//[^/@\s]+@", "//", one_line(said)), hint)
