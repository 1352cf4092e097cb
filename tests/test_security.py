"""What comes from outside (files, folders, addresses, parameters) is data: none of it is run, or written elsewhere."""

import pickle
import shutil
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
import yaml
from dvc.repo import Repo
from engines import Project
from tiny import tiny_project, tiny_trainer

from vlac.data.split import Split, with_factors
from vlac.data.svhn import locate
from vlac.errors import VlacError
from vlac.files import write_text
from vlac.models.pretext import Pretext as Network
from vlac.node.checkpoints import carry_checkpoints
from vlac.node.pack import pack as make_pack
from vlac.node.unpack import unpack
from vlac.params import load_params
from vlac.params.schema import Pretext
from vlac.stages import STAGES, Job, jobs, run_stage
from vlac.training.device import Device, settle
from vlac.training.pretext import PretextTrainer

ROOT = Path(__file__).resolve().parents[1]


class Trap:
    """Makes a file when it is unpickled."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def __reduce__(self) -> tuple[Any, ...]:
        return open, (str(self.path), "w")


@pytest.fixture
def sprung(tmp_path: Path) -> Iterator[Path]:
    """The file that a sprung trap makes: there is none after a test that does not delete it."""
    path = tmp_path / "sprung"
    yield path
    assert not path.exists()


def test_the_trap_is_a_real_one(sprung: Path) -> None:
    pickle.loads(pickle.dumps(Trap(sprung))).close()
    sprung.unlink()


@pytest.mark.parametrize("place", ["whole", "model", "history", "pickle"])
def test_code_in_a_checkpoint_is_refused_and_not_run(place: str, sprung: Path, tmp_path: Path) -> None:
    path = tmp_path / "0.pt"
    next(tiny_trainer(path).epochs(checkpoint_seconds=0))
    content = torch.load(path, weights_only=True)
    if place == "pickle":
        path.write_bytes(pickle.dumps(Trap(sprung)))
    else:
        torch.save(Trap(sprung) if place == "whole" else content | {place: Trap(sprung)}, path)
    with pytest.raises(VlacError, match=r"0\.pt is damaged"):
        tiny_trainer(path).resume()


def test_code_in_a_pretext_network_is_refused_and_not_run(
    sprung: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    settings = Pretext(
        channels=[2, 3, 2],
        hidden=4,
        epochs=1,
        batch=8,
        lr=1e-3,
        shift=0.0,
        polarity=False,
        size=4,
        neighbours=2,
        cluster_epochs=1,
        weight=1.0,
    )
    images, device = torch.zeros(16, 32, 32, 3, dtype=torch.uint8), _device(tmp_path)
    learner = PretextTrainer(images, settings, 3, 0, device, {})
    assert isinstance(learner.network, Network)
    learner.path.parent.mkdir(parents=True)
    torch.save({"epoch": 1, "finished": True, "network": Trap(sprung)}, learner.path)
    with pytest.raises(VlacError, match=r"\.pt is damaged"):
        learner.run()


def _device(folder: Path) -> Device:
    return settle(load_params(tiny_project(folder) / "params.yaml").training)


def test_code_in_a_packed_checkpoint_is_left_there_and_not_run(
    sprung: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tiny_project(tmp_path / "home"))
    params = load_params()
    for name in ("vlac", "pretext"):
        (tmp_path / "pack/checkpoints" / name).mkdir(parents=True)
        torch.save(Trap(sprung), tmp_path / "pack/checkpoints" / name / "2.pt")
    copied, refused = carry_checkpoints(jobs(params, STAGES["train"]), params, tmp_path / "pack", Path())
    assert copied == []
    assert [sentence.endswith("is damaged and was left behind.") for sentence in refused] == [True]
    assert not Path("checkpoints").exists()


@pytest.mark.parametrize("read", [Split.load, lambda path: with_factors(path, *_images())])
def test_code_in_an_array_is_refused_and_not_run(read: Callable[[Path], Split], sprung: Path, tmp_path: Path) -> None:
    images, labels = _images()
    path = tmp_path / "train.npz"
    arrays = {"images": images, "factor_digit": labels, "values_digit": np.array([Trap(sprung)] * 10, object)}
    np.savez(path, allow_pickle=True, **arrays)
    with pytest.raises(VlacError, match=r"train\.npz is damaged or is no data file of vlac"):
        read(path)


def _images() -> tuple[np.ndarray, np.ndarray]:
    return np.zeros((2, 32, 32, 3), np.uint8), np.zeros(2, np.uint8)


@pytest.fixture
def pack(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A pack in which nothing is finished; the project that it belongs to is the working folder."""
    project = tiny_project(tmp_path / "home")
    (tmp_path / "pack").mkdir()
    (tmp_path / "pack/params.json").write_text(load_params(project / "params.yaml").model_dump_json())
    monkeypatch.chdir(project)
    return tmp_path / "pack"


@pytest.mark.parametrize("name", ["../../out", "/tmp/out", "a/b", "a\\b", "..", "x; touch out", "$(touch out)", "a b"])
def test_a_pack_writes_into_no_other_folder(name: str, pack: Path, tmp_path: Path) -> None:
    before = {path for path in tmp_path.rglob("*") if pack not in path.parents}
    text = (pack / "params.json").read_text()
    (pack / "params.json").write_text(text.replace('"gmdgm":{', f'"{name}":{{'.replace("\\", "\\\\")))
    with pytest.raises(VlacError, match=r"params\.json: models"):
        unpack(pack, load_params())
    (pack / "params.json").write_text(text.replace('"seeds":["0-1",2]', f'"seeds":["{name}"]'.replace("\\", "\\\\")))
    with pytest.raises(VlacError, match=r"params\.json: seeds\.0"):
        unpack(pack, load_params())
    assert {path for path in tmp_path.rglob("*") if pack not in path.parents} == before


def test_files_of_a_pack_that_no_job_has_are_left_there(pack: Path, tmp_path: Path) -> None:
    for place in (
        "vlac/evil.py",
        "results/../../home/evil",
        "results/train/vlac/0-1/evil.py",
        "params.yaml",
        "Snakefile",
    ):
        (pack / place).parent.mkdir(parents=True, exist_ok=True)
        (pack / place).write_text("evil")
    (tmp_path / "home/evil").unlink()
    before = {path: path.read_bytes() for path in Path().rglob("*") if path.is_file()}
    unpack(pack, load_params())
    assert {path: path.read_bytes() for path in Path().rglob("*") if path.is_file()} == before


def test_a_link_in_a_pack_is_not_followed(pack: Path, tmp_path: Path) -> None:
    secret = tmp_path / "secret"
    secret.write_text("of the one who unpacks")
    (pack / "logs/train/vlac").mkdir(parents=True)
    (pack / "logs/train/vlac/2.log").symlink_to(secret)
    unpack(pack, load_params())
    assert not any("who unpacks" in path.read_text(errors="ignore") for path in Path().rglob("*") if path.is_file())


@pytest.mark.parametrize("source", ["file:///etc", "ftp://host/x", "data:x,y://", "FILE:///etc"])
def test_files_come_from_folders_and_by_http_alone(source: str, tmp_path: Path) -> None:
    with pytest.raises(VlacError, match="neither an http"):
        locate(source, ["test"], tmp_path)


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory) -> Project:
    made = Project.make(tmp_path_factory.mktemp("project"), ROOT / "presets/tiny.yaml")
    (made.folder / ".dvc/tmp").mkdir()
    return made


@pytest.mark.parametrize(
    ("place", "value"),
    [
        (("models",), {"$(touch sprung)": {"kind": "vlac", "K": [1, 1, 12, 1]}}),
        (("models",), {"x'; touch sprung; '": {"kind": "vlac", "K": [1, 1, 12, 1]}}),
        (("seeds",), ["0; touch sprung;"]),
        (("probe", "seeds"), ["$(touch sprung)"]),
    ],
    ids=["model", "model with a quote", "seeds", "seeds of the probe"],
)
def test_dvc_hands_a_name_on_as_one_word(place: tuple[str, ...], value: Any, project: Project, tmp_path: Path) -> None:
    """DVC fills its commands from params.yaml without asking the schema, so its own quoting has to hold."""
    with project.changed(*place, to=value), Repo(str(project.folder)) as repo:
        commands = [stage.cmd for stage in repo.index.stages if stage.cmd and "touch" in stage.cmd]
    assert commands
    (tmp_path / "bin").mkdir()
    (tmp_path / "bin/python").write_text("#!/bin/sh\n")
    (tmp_path / "bin/python").chmod(0o755)
    for command in commands:
        subprocess.run(
            command, shell=True, cwd=tmp_path, env={"PATH": f"{tmp_path / 'bin'}:/usr/bin:/bin"}, check=False
        )
    assert not [*tmp_path.rglob("sprung*"), *project.folder.rglob("sprung*")]
    assert yaml.safe_load((ROOT / "dvc.yaml").read_text())["stages"]["train"]["cmd"] == "python -m vlac train ${item}"


def test_what_lies_behind_a_link_or_in_a_circle_of_links_in_a_pack_is_left_there(pack: Path, tmp_path: Path) -> None:
    job = Job(STAGES["train"], model="vlac", seeds="2")
    run_stage(job, lambda params: [write_text(path, "made") for path in job.outputs[:-1]])
    (pack / "results/train").mkdir(parents=True)
    shutil.move("results/train/vlac", pack / "results/train")
    assert unpack(pack, load_params()).brought == [job]

    shutil.rmtree("results/train")
    shutil.move(pack / "results/train/vlac", tmp_path / "elsewhere")
    (pack / "results/train/vlac").symlink_to(tmp_path / "elsewhere")
    (pack / "checkpoints/vlac").mkdir(parents=True)
    (pack / "checkpoints/vlac/0.pt").symlink_to("0.pt")
    seen = unpack(pack, load_params())
    assert seen.brought == []
    assert len([sentence for sentence in seen.refused if "is a link or lies behind one" in sentence]) == 2


def test_a_first_pack_that_was_stopped_at_its_start_can_be_made_again(pack: Path, tmp_path: Path) -> None:
    new = tmp_path / "new"
    (new / "logs").mkdir(parents=True)
    (new / "logs/run.lock").touch()
    make_pack(new, load_params())
    assert (new / "params.json").is_file()
