"""The stages download, prepare and describe, on files of SVHN's layout and on embedded digits."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from scipy.io import savemat

from vlac.datasets.base import ENVIRONMENT
from vlac.errors import VlacError
from vlac.params.load import load_params
from vlac.params.schema import Params
from vlac.stages.describe import describe
from vlac.stages.download import download
from vlac.stages.prepare import prepare
from vlac.workflow.jobs import STAGES, Job
from vlac.workflow.manifest import Origin

TINY = Path(__file__).resolve().parents[1] / "presets/tiny.yaml"


def with_data(**changes: Any) -> Params:
    params = load_params(TINY)
    return params.model_copy(update={"data": params.data.model_copy(update=changes)})


def run(params: Params, *stages: Callable[[Job, Any, Origin], None]) -> None:
    """Run stages, by default download and prepare."""
    for stage in stages or (download, prepare):
        job = Job(STAGES[stage.__name__], "tiny")
        stage(job, params, Origin("", "", {str(path): "" for path in job.inputs(params)}))


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A data folder with three digit files, named by the environment, beside an empty project."""
    files = tmp_path / "files"
    files.mkdir()
    for seed, split in enumerate(("train", "test", "extra")):
        X = np.random.default_rng(seed).integers(256, size=(32, 32, 3, 20), dtype=np.uint8)
        savemat(files / f"{split}_32x32.mat", {"X": X, "y": np.arange(1, 21, dtype=np.uint8)[:, None] % 10 + 1})
    project = tmp_path / "project"
    project.mkdir()
    monkeypatch.chdir(project)
    monkeypatch.setenv(ENVIRONMENT, str(files))
    return files


def test_all_files_of_the_training_split_are_joined(folder: Path) -> None:
    run(with_data(source="svhn", train_split="train+extra"), download, prepare, describe)
    with np.load("data/tiny/train.npz") as train:
        assert len(train["images"]) == 40
    assert "not the official bytes" in Path("reports/tiny/data.md").read_text()


def test_a_test_file_that_is_the_train_file_is_refused(folder: Path) -> None:
    (folder / "test_32x32.mat").write_bytes((folder / "train_32x32.mat").read_bytes())
    with pytest.raises(VlacError, match="hold the same bytes"):
        run(with_data(source="svhn"))
    assert not Path("data/tiny/source.json").exists()


def test_a_file_that_changed_after_the_download_is_refused(folder: Path) -> None:
    params = with_data(source="svhn")
    run(params)
    (folder / "test_32x32.mat").write_bytes(b"other")
    job = Job(STAGES["prepare"], "tiny")
    with pytest.raises(VlacError, match=r"is not what it was when it was checked.*rm data/tiny/source.json"):
        prepare(job, params, Origin("", "", {"data/tiny/source.json": ""}))


def test_the_test_images_do_not_depend_on_the_number_of_training_images(folder: Path) -> None:
    digits = with_data().data.digits
    run(with_data(digits=digits))
    first = Path("data/tiny/test.npz").read_bytes()
    run(with_data(digits=digits.model_copy(update={"train": digits.train + 100})))
    assert Path("data/tiny/test.npz").read_bytes() == first
