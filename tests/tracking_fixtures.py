"""Fixtures of the tracking tests: a project to work in, and its MLflow store."""

import shutil
from pathlib import Path

import pytest
from tracked import project

from vlac.tracking import guard, store


@pytest.fixture(scope="session")
def made_store(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A fresh sqlite store: MLflow takes seconds to make one, so the tests copy it."""
    folder = project(tmp_path_factory.mktemp("store"))
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        patch.delenv("MLFLOW_TRACKING_URI", raising=False)
        store.open_store()
    return folder / "mlflow.db"


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A project without results, as working folder, and no warning given yet."""
    monkeypatch.chdir(project(tmp_path))
    for name in ("MLFLOW_TRACKING_URI", "MLFLOW_EXPERIMENT_NAME", "VLAC_TRACKING"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setattr(guard, "_warned", False)
    return tmp_path


@pytest.fixture
def view(folder: Path, made_store: Path) -> store.Store:
    """The store of the project in `folder`, without runs."""
    shutil.copy(made_store, folder)
    return store.open_store()
