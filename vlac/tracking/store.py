"""Where the view is kept: the project's own sqlite file, or what MLFLOW_TRACKING_URI names.

Opening it is safe for many processes at once, quick to fail, and silent.
"""

import getpass
import logging
import os
import re
import sqlite3
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager, nullcontext
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from vlac.errors import VlacError

if TYPE_CHECKING:
    from mlflow import MlflowClient
    from mlflow.entities import Experiment, Run

KEY = "vlac.key"
"""The tag that tells runs apart: one run per key."""

SETTINGS = {
    "MLFLOW_DISABLE_TELEMETRY": "true",
    "MLFLOW_ENABLE_ARTIFACTS_PROGRESS_BAR": "false",
    "MLFLOW_SUPPRESS_PRINTING_URL_TO_STDOUT": "true",
    # MLflow's own are 120 s and 7 retries: a server that is away would hold up every stage for minutes.
    "MLFLOW_HTTP_REQUEST_TIMEOUT": "5",
    "MLFLOW_HTTP_REQUEST_MAX_RETRIES": "1",
}
ARTIFACTS = "mlartifacts"
PATIENCE = 120  # seconds that a process waits for the others before it goes on without the view
BUSY = 10  # seconds that it waits for another program to let go of the sqlite file


@dataclass(frozen=True)
class Store:
    """An open tracking store.

    Attributes:
        client: MLflow's client for it.
        experiment: id of the experiment that holds all runs.
        user: whose runs these are. In a shared store others may show the same training: their runs are left alone.
        shared: the store was named by MLFLOW_TRACKING_URI, so it may be other people's too.
    """

    client: "MlflowClient"
    experiment: str
    user: str
    shared: bool

    def find(self, key: str) -> "list[Run]":
        """Return the runs of one key that are not deleted, newest first: one, unless something went wrong before."""
        return list(self._search(f"tags.`{KEY}` = '{key}'"))

    def every(self, status: str) -> "dict[str, list[Run]]":
        """Return all runs of a status by key, in as few queries as MLflow allows."""
        runs: dict[str, list[Run]] = {}
        for run in self._search(f"tags.`{KEY}` LIKE '%' and attributes.status = '{status}'"):
            runs.setdefault(run.data.tags[KEY], []).append(run)
        return runs

    def _search(self, condition: str) -> "Iterator[Run]":
        mine = f" and tags.`mlflow.user` = '{self.user}'" if self.shared else ""
        token = None
        while True:
            page = self.client.search_runs([self.experiment], condition + mine, page_token=token)
            yield from page
            if not (token := page.token):
                return


def open_store(part: str = "") -> Store:
    """Open the store, and make it first if need be; the first of many processes makes it, the others wait.

    Args:
        part: of the project, whose runs are in an experiment of its own, named after the project's: "vlac-PART".

    Raises:
        VlacError: MLflow is not installed, or another process holds the lock too long.
        Exception: whatever MLflow or sqlite raises.
    """
    for name, value in SETTINGS.items():
        os.environ.setdefault(name, value)
    try:
        from mlflow import MlflowClient
    except ImportError:
        raise VlacError("MLflow is not installed.", "Install the project's requirements.") from None
    for name in ("mlflow", "alembic", "sqlalchemy", "urllib3"):
        logging.getLogger(name).setLevel(logging.CRITICAL)
    given = os.environ.get("MLFLOW_TRACKING_URI")
    file = _sqlite_file(given) if given else Path("mlflow.db").resolve()
    # An absolute path also keeps projects of several users apart in MLflow's own lock files under /tmp.
    uri = f"sqlite:///{file}" if file else str(given)
    if file:
        import mlflow.store.tracking.sqlalchemy_store  # noqa: F401  (a second of imports, better spent outside the lock)
    with _lock(Path(f"{file}.lock")) if file else nullcontext():
        if file:
            _make_or_check(file)
        client = MlflowClient(tracking_uri=uri)
        folder = (file.parent if file else Path.cwd()) / ARTIFACTS
        location = None if re.match(r"https?:|databricks", uri) else folder.as_uri()
        name = "-".join(filter(None, (os.environ.get("MLFLOW_EXPERIMENT_NAME") or "vlac", part)))
        experiment = _experiment(client, name, location)
        if file and location and experiment.artifact_location != location:
            _follow_moved_folder(file, experiment.artifact_location, location)
    return Store(client, experiment.experiment_id, _user(), shared=bool(given))


@contextmanager
def exclusive() -> Iterator[None]:
    """Hold the project's view for one process at a time, so that two stages do not mend the same run at once."""
    with _lock(Path("logs/tracking.lock")):
        yield


@contextmanager
def _lock(path: Path) -> Iterator[None]:
    from filelock import FileLock, Timeout

    path.parent.mkdir(parents=True, exist_ok=True)
    try:
        with FileLock(path, timeout=PATIENCE):
            yield
    except Timeout:
        raise VlacError(
            f"Another process has held {path} for {PATIENCE} seconds.", "Look for one that hangs."
        ) from None


def _sqlite_file(uri: str) -> Path | None:
    """Return the file of a sqlite URI as SQLAlchemy reads it, or None for any other store."""
    match = re.fullmatch(r"sqlite:///([^?]+)", uri)
    return Path(match[1]).resolve() if match and match[1] != ":memory:" else None


def _make_or_check(file: Path) -> None:
    """Make the sqlite file if it is missing, else make sure that it is one and that nobody holds it."""
    if not file.exists():
        from mlflow import MlflowClient

        # Its migrations take seconds, not in one transaction: a process killed among them must leave no half a store.
        for left in file.parent.glob(f"{file.name}.*.new*"):
            left.unlink()
        # A new name each time, because MLflow keeps connections to files that it has seen.
        new = file.with_name(f"{file.name}.{time.time_ns()}.new")
        MlflowClient(tracking_uri=f"sqlite:///{new}").search_experiments(max_results=1)
        new.replace(file)
        return
    # MLflow would retry a damaged or locked file for minutes.
    with closing(sqlite3.connect(file, timeout=BUSY, isolation_level=None)) as connection:
        connection.execute("begin immediate")
        connection.execute("select count(*) from sqlite_master")
        connection.execute("rollback")


def _experiment(client: "MlflowClient", name: str, location: str | None) -> "Experiment":
    """Return the experiment of that name, made first if need be, brought back if it was deleted."""
    from mlflow.exceptions import MlflowException

    found = client.get_experiment_by_name(name)
    if found is None:
        try:
            client.create_experiment(name, artifact_location=location)
        except MlflowException as error:
            # On a server another process may have been first.
            if error.error_code != "RESOURCE_ALREADY_EXISTS":
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
        connection.execute("update experiments set artifact_location = ? where artifact_location = ?", (new, old))
        connection.execute(
            "update runs set artifact_uri = ? || substr(artifact_uri, ?) where substr(artifact_uri, 1, ?) = ?",
            (new, len(old) + 1, len(old) + 1, f"{old}/"),
        )


def _user() -> str:
    try:
        return re.sub(r"[^\w.@-]", "_", getpass.getuser())
    except (KeyError, OSError):  # a container's user without a name
        return "unknown"
