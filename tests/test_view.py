"""`.ci/view.py` compares the MLflow view with one made again, and puts the live one back whatever happens."""

import os
import subprocess
import sys
from pathlib import Path

from copied import ROOT
from tracked import ONE_LAYER, finish
from view_dump import set_aside

from vlac import tracking
from vlac.tracking import store

pytest_plugins = ["tracking_fixtures"]


def run(folder: Path) -> "subprocess.CompletedProcess[str]":
    """Run the script as CI does."""
    return subprocess.run(
        [sys.executable, str(ROOT / ".ci" / "view.py"), str(folder)],
        env=os.environ | {"PYTHONPATH": str(ROOT)},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        check=False,
    )


def content(folder: Path) -> dict[str, bytes]:
    return {
        path.relative_to(folder).as_posix(): path.read_bytes()
        for path in (folder / "mlflow.db", *(folder / "mlartifacts").rglob("*"))
        if path.is_file()
    }


def test_the_live_view_is_put_back_where_it_cannot_be_made_again(view: store.Store, folder: Path) -> None:
    finish(ONE_LAYER)
    tracking.publish(ONE_LAYER)
    before = content(folder)
    assert len(before) > 1
    with (folder / "params.yaml").open("a") as file:
        file.write("epochs: 1\n")
    ended = run(folder)
    assert ended.returncode == 1
    assert "epochs is no known key" in ended.stdout
    assert content(folder) == before


def test_what_a_store_lacks_is_not_missed_when_it_is_moved(tmp_path: Path) -> None:
    (tmp_path / "mlflow.db").write_text("runs without artifacts")
    set_aside(tmp_path, tmp_path / "aside")
    assert [path.name for path in (tmp_path / "aside").iterdir()] == ["mlflow.db"]
    set_aside(tmp_path / "aside", tmp_path)
    assert (tmp_path / "mlflow.db").read_text() == "runs without artifacts"
