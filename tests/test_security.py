"""What comes from outside is data: no code in files is run, no name reaches a shell, servers listen here alone."""

import pickle
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from made_up import ROOT, tiny_params
from project import Project

from vlac.data.split import Split
from vlac.errors import VlacError
from vlac.models.load import load_method
from vlac.training.checkpoint import Checkpoint


class Trap:
    """Makes a file when it is unpickled."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def __reduce__(self) -> tuple[Any, ...]:
        return open, (str(self.path), "w")


def in_numpy(trap: Trap, path: Path) -> None:
    with path.open("wb") as file:
        np.savez(file, allow_pickle=True, images=np.array([trap], object), labels=np.zeros(1, np.uint8))


@pytest.mark.parametrize(
    ("write", "read"),
    [
        (torch.save, lambda path: load_method(path, tiny_params(path.parent))),
        (torch.save, lambda path: Checkpoint.load(path, {})),
        (in_numpy, Split.load),
    ],
    ids=["model.pt", "checkpoint", "train.npz"],
)
def test_code_in_a_file_is_refused_and_not_run(
    write: Callable[[Trap, Path], None], read: Callable[[Path], object], tmp_path: Path
) -> None:
    sprung = tmp_path / "sprung"
    pickle.loads(pickle.dumps(Trap(sprung))).close()
    sprung.unlink()  # the trap is a real one
    write(Trap(sprung), tmp_path / "file")
    with pytest.raises(VlacError, match="file is damaged"):
        read(tmp_path / "file")
    assert not sprung.exists()


def test_a_name_in_params_reaches_no_shell(tmp_path: Path) -> None:
    """DVC fills its commands from params.yaml without asking the schema; its first stage does."""
    project = Project.make(tmp_path)
    project.change("models", to={"$(touch sprung)": {"kind": "gmdgm", "K": 12, "z": 4}})
    assert "should match pattern" in project.run("dvc", "repro", fails=True)
    assert not (tmp_path / "sprung").exists()


def test_servers_of_the_documentation_listen_on_this_machine_alone() -> None:
    pages = [ROOT / "README.md", *(ROOT / "docs").glob("*.md")]
    commands = [line for page in pages for line in re.findall(r"mlflow (?:ui|server)[^`\n]*", page.read_text())]
    assert commands
    assert all("--host 127.0.0.1" in command for command in commands)
