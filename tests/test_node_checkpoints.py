"""Unfinished trainings travel with a pack, and are gone on with on the other side."""

import contextlib
import shutil
from pathlib import Path

import pytest
from tiny import STEPS, tiny_project

from vlac.models.load import read_archive, write_archive
from vlac.node.pack import pack
from vlac.node.unpack import unpack
from vlac.params.load import load_params
from vlac.pipeline.train import discard_checkpoints, train
from vlac.stages import STAGES, Job, run_stage
from vlac.training import loop, step
from vlac.training.checkpoint import FOLDER

JOB = Job(STAGES["train"], model="vlac", seeds="2")
PACK = Path("../pack")


class Viewer:
    """Writes down with how many epochs each training starts."""

    def __init__(self) -> None:
        self.epochs: list[int] = []

    def start(self, seed: int, rows: list) -> None:
        self.epochs.append(len(rows))

    def log_epoch(self, row: dict) -> None:
        pass


def train_until(epoch: int, patch: pytest.MonkeyPatch) -> int:
    """Train, with a checkpoint after each epoch, to the middle of the epoch after `epoch`; return where it began."""
    calls: list[int] = []
    viewer = Viewer()

    def stops(*arguments, bound=step.bound):
        calls.append(1)
        if len(calls) > (epoch - viewer.epochs[-1]) * STEPS:
            raise KeyboardInterrupt
        return bound(*arguments)

    with patch.context() as inner:
        inner.setattr(step, "bound", stops)
        inner.setattr(loop.Trainer.epochs, "__defaults__", (0,))
        with contextlib.suppress(KeyboardInterrupt):
            run_stage(JOB, lambda params: train(JOB, params, viewer))
            discard_checkpoints(JOB)
    return viewer.epochs[0]


def epochs_in(folder: Path) -> dict[str, int]:
    return {path.name: read_archive(path)["epoch"] for path in (folder / FOLDER / "vlac").glob("*.pt")}


def enter_pack(patch: pytest.MonkeyPatch) -> None:
    """Change to the pack, with the inputs that no stage has made in the tiny project, so that they were not packed."""
    for name in ("data", "results"):
        shutil.copytree(name, PACK / name)
    patch.chdir(PACK)


@pytest.fixture
def begun(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A project whose training was interrupted in its third epoch of six, as working folder."""
    monkeypatch.chdir(tiny_project(tmp_path / "home", epochs=6))
    train_until(2, monkeypatch)
    (checkpoint,) = (Path() / FOLDER / "vlac").iterdir()
    return checkpoint


def test_a_training_goes_on_there_and_again_at_home(begun: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    home = Path.cwd()
    assert pack(PACK, load_params()).checkpoints == [begun]
    enter_pack(monkeypatch)
    assert train_until(4, monkeypatch) == 2

    monkeypatch.chdir(home)
    assert unpack(PACK, load_params()).checkpoints == [begun]
    assert epochs_in(Path()) == epochs_in(PACK) == {begun.name: 4}
    assert unpack(PACK, load_params()).checkpoints == []
    assert train_until(99, monkeypatch) == 4
    assert JOB.manifest.exists()


def test_the_further_one_is_kept(begun: Path) -> None:
    assert pack(PACK, load_params()).checkpoints == [begun]
    further = read_archive(begun) | {"epoch": 5}
    write_archive(PACK / begun, further)
    assert pack(PACK, load_params()).checkpoints == []
    assert epochs_in(PACK) == {begun.name: 5}


@pytest.mark.parametrize("part", ["parameters", "inputs", "code"])
def test_a_checkpoint_of_another_training_stays(part: str, begun: Path) -> None:
    content = read_archive(begun)
    content["identity"][part] = "of another training"
    write_archive(begun, content)
    seen = pack(PACK, load_params())
    assert seen.checkpoints == []
    assert seen.left_behind == [f"{begun} belongs to a training with other {part} and was left behind."]
    assert not (PACK / FOLDER).exists()


def test_a_damaged_checkpoint_stays_and_one_in_its_way_is_replaced(begun: Path) -> None:
    (PACK / begun).parent.mkdir(parents=True)
    (PACK / begun).write_bytes(b"damaged")
    (PACK / "pack.json").write_text("{}")
    assert pack(PACK, load_params()).checkpoints == [begun]
    begun.write_bytes(b"damaged")
    assert pack(PACK, load_params()).left_behind == [f"{begun} is damaged and was left behind."]
    assert epochs_in(PACK) == {begun.name: 2}


def test_a_finished_training_leaves_no_checkpoint_at_home(begun: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    home = Path.cwd()
    pack(PACK, load_params())
    enter_pack(monkeypatch)
    train_until(99, monkeypatch)
    monkeypatch.chdir(home)
    assert unpack(PACK, load_params()).brought == [JOB]
    assert not begun.exists()
