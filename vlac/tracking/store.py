"""Where the view is kept: the project's own sqlite file, or what MLFLOW_TRACKING_URI names.

Opening it is safe for many processes at once, quick to fail, and silent.
"""

import gc
import logging
import os
import re
import secrets
import sqlite3
import time
from collections.abc import Mapping
from contextlib import closing
from dataclasses import dataclass
from itertools import starmap
from pathlib import Path
from typing import TYPE_CHECKING

from filelock import FileLock

from vlac.errors import VlacError, one_line
from vlac.files import write_text

if TYPE_CHECKING:
    from mlflow import MlflowClient
    from mlflow.entities import Experiment, Run

KEY, LOG, CHECKOUT = "vlac.key", "vlac.log", "vlac.checkout"
"""Tags of every run: what it shows, the log of the job that makes it, and the checkout that it belongs to."""

SETTINGS = {
    "MLFLOW_DISABLE_TELEMETRY": "true",
    "MLFLOW_ENABLE_ARTIFACTS_PROGRESS_BAR": "false",
    "MLFLOW_SUPPRESS_PRINTING_URL_TO_STDOUT": "true",
    # MLflow's own are 120 s and 7 retries: a server that is away would hold up every stage for minutes.
    "MLFLOW_HTTP_REQUEST_TIMEOUT": "5",
    "MLFLOW_HTTP_REQUEST_MAX_RETRIES": "1",
}
EMPTY: Mapping[str, str] = {}
ARTIFACTS = "mlartifacts"
PATIENCE = 120  # seconds that a process waits for the others before it goes on without the view
BUSY = 10  # seconds that it waits for another program to let go of the sqlite file


@dataclass(frozen=True)
class Store:
    """An open tracking store.

    Attributes:
        client: MLflow's client for it.
        experiment: id of the experiment that holds the runs.
        checkout: id of this checkout of the project.
        shared: MLFLOW_TRACKING_URI names the store, so it may hold runs of other checkouts: they are left alone.
    """

    client: "MlflowClient"
    experiment: str
    checkout: str
    shared: bool

    def find(self, tag: str, value: str) -> "list[Run]":
        """Return this checkout's runs whose tag has that value, newest first."""
        return self._search(f"tags.`{tag}` = '{value}'")

    def all(self) -> "list[Run]":
        """Return all of this checkout's runs, in as few queries as MLflow allows."""
        return self._search(f"tags.`{KEY}` LIKE '%'")

    def log(
        self,
        run_id: str,
        points: Mapping[tuple[str, int], float],
        when: int,
        params: Mapping[str, str] = EMPTY,
        tags: Mapping[str, str] = EMPTY,
    ) -> None:
        """Log points (by name and step), params and tags in one call."""
        from mlflow.entities import Metric, Param, RunTag

        self.client.log_batch(
            run_id,
            [Metric(name, value, when, step) for (name, step), value in points.items()],
            list(starmap(Param, params.items())),
            list(starmap(RunTag, tags.items())),
        )

    def end(self, log: Path, status: str) -> None:
        """Give the runs of the job with that log that count as running another status."""
        for run in self.find(LOG, log.as_posix()):
            if run.info.status == "RUNNING":
                self.client.set_terminated(run.info.run_id, status)

    def delete(self, runs: "list[Run]") -> None:
        """Delete runs."""
        for run in runs:
            self.client.delete_run(run.info.run_id)

    def lock(self) -> FileLock:
        """Return the lock under which finished runs are changed: two stages may score one model at the same time."""
        return FileLock("logs/tracking.lock", timeout=PATIENCE)

    def _search(self, condition: str) -> "list[Run]":
        mine = f" and tags.`{CHECKOUT}` = '{self.checkout}'" if self.shared else ""
        runs: list[Run] = []
        token = None
        while True:
            page = self.client.search_runs([self.experiment], condition + mine, page_token=token)
            runs += page
            if not (token := page.token):
                return runs


def open_store(part: str = "") -> Store:
    """Open the store, and make it first if need be; the first of many processes makes it, the others wait.

    Args:
        part: of the project, whose runs are in an experiment of its own, named after the project's: "vlac-PART".

    Raises:
        VlacError: MLflow is not installed.
        Exception: whatever MLflow, sqlite or a lock raises.
    """
    for name, value in SETTINGS.items():
        os.environ.setdefault(name, value)
    given = os.environ.get("MLFLOW_TRACKING_URI")
    file = _sqlite_file(given) if given else Path("mlflow.db").resolve()
    # An absolute path also keeps projects of several users apart in MLflow's own lock files under /tmp.
    uri = f"sqlite:///{file}" if file else str(given)
    _import_mlflow(sqlite=bool(file))
    if file:
        _make_or_check(file)
    from mlflow import MlflowClient

    client = MlflowClient(tracking_uri=uri)
    folder = (file.parent if file else Path.cwd()) / ARTIFACTS
    location = None if re.match(r"https?:|databricks", uri) else folder.as_uri()
    name = "-".join(filter(None, (os.environ.get("MLFLOW_EXPERIMENT_NAME") or "vlac", part)))
    experiment = _experiment(client, name, location)
    if file and location and experiment.artifact_location != location:
        _follow_moved_folder(file, experiment.artifact_location, location)
    return Store(client, experiment.experiment_id, _checkout(), shared=bool(given))


def _import_mlflow(sqlite: bool) -> None:
    collecting = gc.isenabled()
    gc.disable()  # a fifth of the time of these imports, which are most of what a short job pays for the view
    try:
        import mlflow

        if sqlite:
            import mlflow.store.tracking.sqlalchemy_store  # noqa: F401
    except ImportError:
        raise VlacError("MLflow is not installed.", "Install the project's requirements.") from None
    finally:
        if collecting:
            gc.enable()
    for name in ("mlflow", "alembic", "sqlalchemy", "urllib3"):
        logging.getLogger(name).setLevel(logging.CRITICAL)


def _sqlite_file(uri: str) -> Path | None:
    """Return the file of a sqlite URI as SQLAlchemy reads it, or None for any other store."""
    match = re.fullmatch(r"sqlite:///([^?]+)", uri)
    return Path(match[1]).resolve() if match and match[1] != ":memory:" else None


def _make_or_check(file: Path) -> None:
    """Make the sqlite file if it is missing, else make sure that it is one and that nobody holds it."""
    from mlflow import MlflowClient

    if not file.exists():
        with FileLock(f"{file}.lock", timeout=PATIENCE):
            if not file.exists():
                # Its migrations take seconds, not in one transaction: a process killed meanwhile may leave no store.
                for left in file.parent.glob(f"{file.name}.*.new*"):
                    left.unlink()
                # A new name each time, because MLflow keeps connections to files that it has seen.
                new = file.with_name(f"{file.name}.{time.time_ns()}.new")
                MlflowClient(tracking_uri=f"sqlite:///{new}").search_experiments(max_results=1)
                new.replace(file)
    # MLflow would retry a damaged or locked file for minutes.
    with closing(sqlite3.connect(file, timeout=BUSY, isolation_level=None)) as connection:
        connection.execute("begin immediate")
        connection.execute("select count(*) from sqlite_master")
        connection.execute("rollback")


def _experiment(client: "MlflowClient", name: str, location: str | None) -> "Experiment":
    """Return the experiment of that name, made first if need be, restored if it was deleted."""
    from mlflow.exceptions import MlflowException

    found = client.get_experiment_by_name(name)
    if found is None:
        try:
            client.create_experiment(name, artifact_location=location)
        except MlflowException as error:
            if error.error_code != "RESOURCE_ALREADY_EXISTS":  # another process was first
                raise
        found = client.get_experiment_by_name(name)
        assert found is not None
    elif found.lifecycle_stage == "deleted":
        client.restore_experiment(found.experiment_id)
    return found


def _follow_moved_folder(file: Path, old: str, new: str) -> None:
    """Point the store at the artifacts beside it: MLflow keeps absolute paths, which a moved project would lose."""
    if not re.fullmatch(rf"file://.*/{ARTIFACTS}", old):
        return  # a place that somebody chose
    with closing(sqlite3.connect(file, timeout=BUSY)) as connection, connection:
        for table, column in (("experiments", "artifact_location"), ("runs", "artifact_uri")):
            connection.execute(
                f"update {table} set {column} = ? || substr({column}, ?) where {column} = ? or {column} like ? || '/%'",
                (new, len(old) + 1, old, old),
            )


def _checkout() -> str:
    """Return a random id of this checkout, made when first asked for."""
    file = Path("logs/checkout.id")
    with FileLock("logs/checkout.lock", timeout=PATIENCE):
        if not file.exists():
            write_text(file, f"{secrets.token_hex(8)}\n")
        return file.read_text().strip()


# What is said of errors.


def location() -> str:
    """Return where the view is kept, fit for printing."""
    return _without_password(os.environ.get("MLFLOW_TRACKING_URI") or "mlflow.db")


def why(error: BaseException) -> str:
    """Return in a few words what is behind an error of MLflow, which wraps it in several layers."""
    if isinstance(error, VlacError):
        return error.message.rstrip(".")
    cause = [text for layer in _layers(error) if (text := str(layer).strip())][-1:] or [type(error).__name__]
    return f"{location()}: {_without_password(one_line(cause[0]).rstrip('.'))}"


def is_damaged(error: BaseException) -> bool:
    """Return whether an error says that the bytes of the project's own sqlite file are damaged."""
    # The other classes of sqlite's errors are about files that are locked, out of reach or on a full disk.
    return not os.environ.get("MLFLOW_TRACKING_URI") and any(
        type(layer) is sqlite3.DatabaseError or (isinstance(layer, sqlite3.Error) and "no such table" in str(layer))
        for layer in _layers(error)
    )


def _layers(error: BaseException) -> list[BaseException]:
    layers = [error]
    while (inner := layers[-1].__cause__ or layers[-1].__context__) and inner not in layers:
        layers.append(inner)
    return layers


def _without_password(text: str) -> str:
    return re.sub(r"//[^/@\s]+@", "//", text)
