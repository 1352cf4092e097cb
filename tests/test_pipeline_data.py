"""The stages download and prepare against folders of digit files that do not fit the parameters or each other."""

from pathlib import Path

import numpy as np
import pytest

from vlac.data.mat import write_mat
from vlac.errors import VlacError
from vlac.params.load import load_params
from vlac.params.schema import Params
from vlac.pipeline.download import ENVIRONMENT, download
from vlac.pipeline.prepare import prepare

TINY = Path(__file__).resolve().parents[1] / "presets/tiny.yaml"


def svhn(train_split: str) -> Params:
    params = load_params(TINY)
    data = params.data.model_copy(update={"source": "svhn", "train_split": train_split})
    return params.model_copy(update={"data": data})


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A data folder with three digit files, named by the environment, beside an empty project."""
    files = tmp_path / "files"
    files.mkdir()
    for seed, split in enumerate(("train", "test", "extra")):
        rng = np.random.default_rng(seed)
        images = rng.integers(256, size=(20, 32, 32, 3), dtype=np.uint8)
        write_mat(files / f"{split}_32x32.mat", images, np.arange(20, dtype=np.uint8) % 10)
    project = tmp_path / "project"
    project.mkdir()
    monkeypatch.chdir(project)
    monkeypatch.setenv(ENVIRONMENT, str(files))
    return files


def test_a_test_file_that_is_the_train_file_is_refused(folder: Path) -> None:
    (folder / "test_32x32.mat").write_bytes((folder / "train_32x32.mat").read_bytes())
    with pytest.raises(VlacError, match="hold the same bytes"):
        download(svhn("train"))
    assert not Path("data/source.json").exists()


@pytest.mark.parametrize("asked", ["extra", "train+extra"])
def test_files_that_download_did_not_check_are_not_prepared(folder: Path, asked: str) -> None:
    download(svhn("train"))
    with pytest.raises(VlacError, match="is about other splits"):
        prepare(svhn(asked))
    download(svhn(asked))
    prepare(svhn(asked))
    with np.load("data/train.npz") as train:
        assert len(train["images"]) == 20 * len(asked.split("+"))
