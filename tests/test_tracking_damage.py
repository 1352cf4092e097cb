"""A damaged MLflow store costs no result: `python -m vlac track` says what to do, and puts copies right by itself."""

import os
import re
import sqlite3
import subprocess
import sys
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

import pytest
from tracked import ONE_LAYER, finish, shown

from vlac import tracking
from vlac.errors import VlacError
from vlac.params import load_params
from vlac.stages.definitions import CODE_ROOT
from vlac.tracking import store

pytest_plugins = ["tracking_fixtures"]


@pytest.mark.parametrize(
    "spoil",
    [lambda path: path.write_bytes(path.read_bytes()[:50_000]), lambda path: path.write_bytes(b"no database" * 1000)],
    ids=["truncated", "other bytes"],
)
def test_the_advice_on_a_damaged_store_works_as_it_is_printed(
    spoil: Callable[[Path], object], view: store.Store, folder: Path
) -> None:
    finish(ONE_LAYER)
    tracking.publish(ONE_LAYER)
    before = shown(view)
    spoil(folder / "mlflow.db")
    with pytest.raises(VlacError) as refused:
        tracking.rebuild(load_params())
    for command in re.findall(r"`([^`]+)`", refused.value.hint):
        words = [sys.executable if word == "python" else word for word in command.split()]
        subprocess.run(words, cwd=folder, env=os.environ | {"PYTHONPATH": str(CODE_ROOT)}, check=True)
    with closing(sqlite3.connect(folder / "mlflow.db")) as connection:
        names = [name for (name,) in connection.execute("select name from runs where status = 'FINISHED'")]
    assert sorted(names) == sorted(before)
    assert len(names) == 2


def test_somebody_elses_damaged_store_is_not_to_be_moved_away(
    view: store.Store, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (folder / "mlflow.db").rename(folder / "ours.db")
    (folder / "ours.db").write_bytes(b"no database" * 1000)
    monkeypatch.setenv("MLFLOW_TRACKING_URI", f"sqlite:///{folder}/ours.db")
    with pytest.raises(VlacError, match="Mend that, or name another MLFLOW_TRACKING_URI"):
        tracking.rebuild(load_params())


@pytest.mark.parametrize("spoil", [Path.unlink, lambda path: path.write_bytes(path.read_bytes()[:9])])
def test_damaged_copies_of_results_are_put_right(
    spoil: Callable[[Path], object], view: store.Store, folder: Path
) -> None:
    finish(ONE_LAYER)
    tracking.publish(ONE_LAYER)
    assert tracking.rebuild(load_params()).changed == 0
    copy = min((folder / "mlartifacts").rglob("history.csv"))
    spoil(copy)
    assert tracking.rebuild(load_params()).changed == 1
    assert copy.read_bytes() == ONE_LAYER.outputs[1].read_bytes()
    assert tracking.rebuild(load_params()).changed == 0
