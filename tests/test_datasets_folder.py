"""Pictures of one's own as a data set: their classes, what is refused, and the pipeline on them."""

from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from project import Project

from vlac.data.digits import render
from vlac.data.split import Split
from vlac.datasets.folder import Dataset
from vlac.errors import VlacError
from vlac.params.load import load_params

TINY = Path(__file__).parents[1] / "presets/tiny.yaml"


def write_pictures(folder: Path, train: int, test: int) -> Path:
    """Write embedded digits as PNG files by class: "odd" and "even"."""
    for split, count, seed in (("train", train, 1), ("test", test, 2)):
        rendered = render(count, seed)
        for number, (image, digit) in enumerate(zip(rendered.images, rendered.labels, strict=True)):
            path = folder / split / ("odd" if digit % 2 else "even") / f"{number}.png"
            path.parent.mkdir(parents=True, exist_ok=True)
            Image.fromarray(image).save(path)
    return folder


def dataset_of(folder: Path, to: Path) -> Dataset:
    data = load_params(TINY).data.model_copy(update={"source": "folder", "path": str(folder)})
    return Dataset(data, to)


def test_classes_are_the_folders_below_each_split(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    folder = write_pictures(tmp_path / "pictures", 12, 8)
    (folder / "train/odd/deeper").mkdir()
    (folder / "train/odd/deeper/broken.png").write_text("no picture")
    dataset = dataset_of(folder, tmp_path / "raw")
    train, test = map(dataset.read, dataset.fetch())
    assert train.factor_values == {"class": ("even", "odd")}
    assert (train.target, train.classes, len(test)) == ("class", ("even", "odd"), 8)
    digits = render(12, 1)
    order = [number for parity in (0, 1) for number in map(str, range(12)) if digits.labels[int(number)] % 2 == parity]
    by_name = sorted(order, key=lambda number: (digits.labels[int(number)] % 2, f"{number}.png"))
    np.testing.assert_array_equal(train.images, digits.images[[int(number) for number in by_name]])
    np.testing.assert_array_equal(train.labels, sorted(digits.labels % 2))
    assert "Left out: train/odd/deeper/broken.png: it is no picture." in caplog.text


def test_pictures_without_or_of_other_classes_are_refused(tmp_path: Path) -> None:
    with pytest.raises(VlacError, match=r"train is no folder\. Sort all.*VLAC_DATA overrides"):
        dataset_of(tmp_path / "none", tmp_path / "raw").fetch()
    folder = write_pictures(tmp_path / "pictures", 8, 8)
    dataset = dataset_of(folder, tmp_path / "raw")
    (folder / "test/odd").rename(folder / "test/cats")
    with pytest.raises(VlacError, match="test has cats, which is no class of train"):
        dataset.fetch()
    (folder / "test/cats").rename(folder / "test/odd")
    stray = folder / "train/stray.png"
    Image.new("RGB", (9, 9)).save(stray)
    with pytest.raises(VlacError, match=r"train has stray\.png, which is no class"):
        dataset.fetch()
    stray.unlink()
    (folder / "train/odd").rename(folder / "odd")
    with pytest.raises(VlacError, match=r"train has 1 class\(es\)"):
        dataset.fetch()


@pytest.mark.slow
def test_both_engines_make_the_same_of_them(tmp_path: Path) -> None:
    folder = write_pictures(tmp_path / "pictures", 240, 100)
    project, other = (Project.make(tmp_path / name, real=True).with_one_seed("kmeans") for name in ("project", "other"))
    for each in (project, other):
        for key, value in (("source", "folder"), ("path", str(folder)), ("holdout", 60)):
            each.change("data", key, to=value)
        each.change("experiment", to="pictures")
    project.run("dvc", "repro", "--quiet", "describe", "evaluate@kmeans-0")
    scored = "results/pictures/evaluate/kmeans/0/manifest.json"  # the hashes of inputs and outputs
    other.snakemake(scored)
    assert (other.folder / scored).read_bytes() == (project.folder / scored).read_bytes()
    assert "## Images per class" in (project.folder / "reports/pictures/data.md").read_text()
    assert "class,nmi" in (project.folder / "results/pictures/evaluate/kmeans/0/factors.csv").read_text()
    assert Split.load(project.folder / "data/pictures/test.npz").classes == ("even", "odd")
