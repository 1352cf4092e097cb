"""A folder of pictures: every kind that can be read, what cannot be is named, and clusters, table, model and page."""

import base64
import csv
import io
import json
import os
import re
import resource
import shutil
from functools import partial
from pathlib import Path
from unittest.mock import Mock

import numpy as np
import pytest
from PIL import Image
from tiny import tiny_images

from vlac.cli import main
from vlac.data.arrays import read
from vlac.data.pictures import Pictures, read_folder, read_picture
from vlac.errors import VlacError
from vlac.estimator import VLAC
from vlac.folder import cluster as module
from vlac.folder import evidence
from vlac.folder.page import page
from vlac.methods.base import Codes
from vlac.models.method import LadderMethod
from vlac.training.epochs import Epochs

RED = (200, 30, 40)
METHODS = ["vlac", "vlac_plus"]

cluster = partial(module.cluster, method="vlac")
MADE = {"clusters.csv", "figures", "index.html", "model.pt", "report.json"}


def solid(mode: str = "RGB", colour: object = RED, size: tuple[int, int] = (40, 60)) -> Image.Image:
    return Image.new(mode, size, colour)


def grey16(path: Path) -> None:
    Image.fromarray(np.full((40, 40), 257 * 100, np.uint16)).save(path)


def animated(path: Path) -> None:
    solid().save(path, save_all=True, append_images=[solid(colour=(0, 0, 255))], duration=100)


READABLE = {
    "png": ("a.png", lambda path: solid().save(path), RED),
    "upper case": ("A.PNG", lambda path: solid().save(path), RED),
    "jpeg": ("a.jpg", lambda path: solid().save(path, quality=95), RED),
    "webp": ("a.webp", lambda path: solid().save(path, lossless=True), RED),
    "bmp": ("a.bmp", lambda path: solid().save(path), RED),
    "tiff": ("a.tiff", lambda path: solid().save(path), RED),
    "the first frame": ("a.gif", animated, RED),
    "grey": ("a.png", lambda path: solid("L", 90).save(path), (90, 90, 90)),
    "fractions": ("a.tiff", lambda path: solid("F", 0.5).save(path), (127, 127, 127)),
    "16 bits": ("a.png", grey16, (100, 100, 100)),
    "CMYK": ("a.jpg", lambda path: solid("CMYK", (0, 0, 0, 255)).save(path), (0, 0, 0)),
    "palette": ("a.png", lambda path: solid().quantize(4).save(path), RED),
    "transparent": ("a.png", lambda path: solid("RGBA", (200, 30, 40, 0)).save(path), (255, 255, 255)),
}


@pytest.mark.parametrize("kind", READABLE)
def test_a_picture_is_read(kind: str, tmp_path: Path) -> None:
    name, write, colour = READABLE[kind]
    write(tmp_path / name)
    found = read_folder(tmp_path).images
    assert found.shape == (1, 32, 32, 3)
    assert np.abs(found.astype(int) - colour).max() <= 4


def test_a_picture_is_upright_and_its_middle_square(tmp_path: Path) -> None:
    wide = np.zeros((32, 96, 3), np.uint8)
    wide[:16, 32:64] = 255  # the middle square is white above and black below
    wide[:, :32] = wide[:, 64:] = 128
    exif = Image.Exif()
    exif[0x0112] = 3  # turned by 180 degrees
    Image.fromarray(wide).save(tmp_path / "a.png", exif=exif)
    found = read_picture(tmp_path / "a.png")
    assert found[:15].max() <= 10
    assert found[17:].min() >= 245


def test_what_cannot_be_read_is_named_and_the_rest_goes_on(tmp_path: Path) -> None:
    (tmp_path / "deep/er").mkdir(parents=True)
    for name in ("deep/er/good ä\n.png", "good ä\n.png"):  # the same name in two folders
        solid().save(tmp_path / name)
    (tmp_path / "text.png").write_text("no picture")
    (tmp_path / "empty.jpg").touch()
    whole = tmp_path / "cut.jpg"
    Image.fromarray(tiny_images(1)[0]).resize((300, 300)).save(whole)
    whole.write_bytes(whole.read_bytes()[:2000])
    solid("1", 0, (20_000, 20_000)).save(tmp_path / "bomb.png")
    (tmp_path / "gone.png").symlink_to("nowhere.png")
    (tmp_path / "circle").symlink_to(tmp_path)
    os.mkfifo(tmp_path / "pipe.png")
    (tmp_path / "notes.txt").touch()
    found = read_folder(tmp_path)
    assert found.names == ["deep/er/good ä\n.png", "good ä\n.png"]
    assert found.broken.keys() == {"text.png", "empty.jpg", "cut.jpg", "bomb.png", "gone.png", "pipe.png"}
    assert found.broken["text.png"] == "it is no picture"
    assert found.broken["gone.png"] == "No such file or directory"
    assert "pixels" in found.broken["bomb.png"]


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two classes of 30 pictures, and a file that is none."""
    at = tmp_path_factory.mktemp("pictures")
    for index, image in enumerate(tiny_images(60)):
        path = at / ("left" if index % 2 else "right") / f"{index:02}.png"
        path.parent.mkdir(exist_ok=True)
        Image.fromarray(image).save(path)
    (at / "<script>alert(1)<\\script>.png").write_text("no picture")
    return at


@pytest.fixture(scope="module", params=METHODS)
def made(request: pytest.FixtureRequest, folder: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("made") / "out"
    command = ["cluster", str(folder), "--out", str(out), "--K", "1", "2", "4", "1", "--minutes", "0.01"]
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(module, "LEAST_UPDATES", {request.param: 0})
        size = {"vlac": "32", "vlac_plus": "64"}[request.param]
        assert main([*command, "--labels", "subfolders", "--method", request.param, "--size", size]) == 0
    return out


def rows(path: Path) -> list[dict[str, str]]:
    with path.open(newline="") as file:
        return list(csv.DictReader(file))


def test_a_folder_gives_table_model_report_and_page(made: Path, folder: Path) -> None:
    assert {path.name for path in made.iterdir()} == MADE
    assert {path.name for path in (made / "figures").iterdir()} == {"manipulation.png", "components.png", "nearest.png"}
    table = rows(made / "clusters.csv")
    assert [row["file"] for row in table][:2] == ["left/01.png", "left/03.png"]
    assert len(table) == 60
    assert {int(row["cluster_3"]) for row in table} <= set(range(4))
    assert all(0 <= float(row["probability_2"]) <= 1 for row in table)
    report = json.loads((made / "report.json").read_text())
    assert report["pictures"] == 60
    assert len(report["broken"]) == 1
    assert report["scores"]["rung 3"].keys() == {"acc", "nmi", "ari"}
    data = json.loads(re.search(r'id="data">(.*?)</script>', (made / "index.html").read_text(), re.DOTALL)[1])
    sheet = Image.open(io.BytesIO(base64.b64decode(data["pictures"]["url"].partition(",")[2])))
    assert sheet.size == (64 * data["side"], data["side"])
    assert [rung["rung"] for rung in data["rungs"]] == [3, 2]
    for rung, name in zip(data["rungs"], ("cluster_3", "cluster_2"), strict=True):
        shown = dict(zip(data["names"], rung["y"], strict=True))
        assert shown == {row["file"]: int(row[name]) for row in table}
        assert sum(each["size"] for each in rung["clusters"]) == 60


def test_figures_of_an_earlier_call_are_no_pictures(made: Path, tmp_path: Path) -> None:
    shutil.copytree(made, tmp_path / "out")
    solid().save(tmp_path / "out/own.png")
    assert read_folder(tmp_path).names == ["out/own.png"]


def test_the_model_gives_other_pictures_their_clusters(made: Path, folder: Path, tmp_path: Path) -> None:
    command = ["assign", str(made / "model.pt"), str(folder / "left"), "--out", str(tmp_path / "more.csv")]
    assert main(command) == 0
    of_left = [row for row in rows(made / "clusters.csv") if row["file"].startswith("left/")]
    assert [{**row, "file": f"left/{row['file']}"} for row in rows(tmp_path / "more.csv")] == of_left
    assert main(command) == 2  # the file is there
    assert main([*command, "--force"]) == 0


def test_weights_that_come_with_vlac_give_clusters(folder: Path, tmp_path: Path) -> None:
    assert main(["assign", "svhn_plus", str(folder / "left"), "--out", str(tmp_path / "more.csv")]) == 0
    assert {row["file"] for row in rows(tmp_path / "more.csv")} == {path.name for path in (folder / "left").iterdir()}


def test_an_interrupted_assign_resumes(
    made: Path, folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("vlac.data.pictures.BATCH", 25)
    out, calls, encode = tmp_path / "more.csv", [], LadderMethod.encode

    def counted(method: LadderMethod, images: np.ndarray) -> Codes:
        calls.append(len(images))
        if len(calls) == 2:
            raise KeyboardInterrupt
        return encode(method, images)

    monkeypatch.setattr(LadderMethod, "encode", counted)
    with pytest.raises(KeyboardInterrupt):
        module.assign(made / "model.pt", folder, out)
    assert not out.exists()
    module.assign(made / "model.pt", folder, out)
    assert calls == [24, 25, 25, 11]  # of 61 files the first is no picture
    assert out.read_bytes() == (made / "clusters.csv").read_bytes()
    assert [path.name for path in tmp_path.iterdir()] == ["more.csv"]


def test_an_assign_does_not_go_on_with_other_pictures(
    made: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for seed, name in enumerate(("a.npy", "b.npy")):
        np.save(tmp_path / name, tiny_images(9, seed))
    with monkeypatch.context() as patch:
        patch.setattr(module, "atomic", Mock(side_effect=KeyboardInterrupt))
        with pytest.raises(KeyboardInterrupt):
            module.assign(made / "model.pt", tmp_path / "a.npy", tmp_path / "out.csv")
    for out in ("out.csv", "fresh.csv"):
        module.assign(made / "model.pt", tmp_path / "b.npy", tmp_path / out)
    assert (tmp_path / "out.csv").read_bytes() == (tmp_path / "fresh.csv").read_bytes()


def test_no_room_is_a_sentence_and_the_same_command_goes_on(
    made: Path, folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    assigned = ["assign", str(made / "model.pt"), str(folder), "--out", str(tmp_path / "more.csv")]
    clustered = ["cluster", str(folder), "--out", str(tmp_path / "out"), "--method", "vlac", "--K", "1", "2", "4", "1"]
    for command in (assigned, [*clustered, "--minutes", "0.01"]):
        resource.setrlimit(resource.RLIMIT_FSIZE, (1000, before[1]))
        try:
            assert main(command) == 2
        finally:
            resource.setrlimit(resource.RLIMIT_FSIZE, before)
        assert "could not be written: File too large. Correct that and run again." in capsys.readouterr().err
        assert main(command) == 0


def test_arrays_are_read_as_pictures_of_a_folder(made: Path, folder: Path, tmp_path: Path) -> None:
    images = read_folder(folder).images
    grey = np.random.default_rng(0).integers(256, size=(3, 40, 50), dtype=np.uint8)
    Image.fromarray(grey[2]).save(tmp_path / "grey.png")
    np.save(tmp_path / "grey.npy", grey)
    assert np.array_equal(read(tmp_path / "grey.npy").images[2], read_picture(tmp_path / "grey.png"))
    np.savez(tmp_path / "images.npz", images=images, labels=np.zeros(60))
    assert main(["assign", str(made / "model.pt"), str(tmp_path / "images.npz"), "--out", str(tmp_path / "a.csv")]) == 0
    of_folder = [{**row, "file": str(index)} for index, row in enumerate(rows(made / "clusters.csv"))]
    assert rows(tmp_path / "a.csv") == of_folder


def test_wrong_arrays_are_named(tmp_path: Path) -> None:
    def refusal(**arrays: np.ndarray) -> str:
        np.savez(tmp_path / "a.npz", **arrays)
        with pytest.raises(VlacError) as error:
            read(tmp_path / "a.npz")
        return str(error.value)

    images = tiny_images(2)
    assert "a.npz: x is float64 (2, 32, 32, 3). Images are uint8 (N, H, W, 3)" in refusal(x=images / 255)
    assert "images is uint8 (2, 3, 32, 32)" in refusal(images=images.transpose(0, 3, 1, 2))
    assert "images is uint8 (0, 32, 32, 3)" in refusal(images=images[:0], labels=np.zeros(0))
    assert "has 2 arrays. Call" in refusal(x=images, y=np.zeros(2))
    assert "is damaged, or holds no plain array" in refusal(images=np.array([images, None], object))
    (tmp_path / "b.npy").write_text("no array")
    with pytest.raises(VlacError, match=r"b\.npy is damaged"):
        read(tmp_path / "b.npy")


def test_a_file_s_name_is_no_part_of_the_page_s_code(made: Path) -> None:
    model = VLAC.load(made / "model.pt")
    name = "</script><script>alert(1)</script>.png"
    larger = model.method_.model.spec.side // 32
    pictures = Pictures([name, "b.png"], tiny_images(2).repeat(larger, 1).repeat(larger, 2), {})
    text = page(model, pictures, model.method_.encode(pictures.images), 0)
    assert text.count("<script") == 2  # the data, and the page's own
    assert json.loads(re.search(r'id="data">(.*?)</script>', text, re.DOTALL)[1])["names"].count(name) == 1


def test_an_interrupted_training_resumes(folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def interrupt(epochs: Epochs, row: dict[str, float]) -> None:
        if row["epoch"] == 3:
            raise KeyboardInterrupt

    calm, rough = tmp_path / "calm", tmp_path / "rough"
    rates = iter((100.0, 100.0, 900.0, 100.0))
    monkeypatch.setattr(module, "_rate", lambda model, images: next(rates))  # 5 epochs, and 45
    cluster(folder, calm, [1, 2, 4, 1], minutes=0.05)
    with monkeypatch.context() as patch:
        patch.setattr("vlac.training.epochs.Epochs._refuse_non_finite", interrupt)
        for _ in range(2):
            with pytest.raises(KeyboardInterrupt):
                cluster(folder, rough, [1, 2, 4, 1], minutes=0.05)
    assert (rough / "checkpoint.pt").exists()
    cluster(folder, rough, [1, 2, 4, 1], minutes=0.05)
    assert (rough / "model.pt").read_bytes() == (calm / "model.pt").read_bytes()
    assert {path.name for path in rough.iterdir()} == MADE


def test_what_is_done_once_does_not_lengthen_the_estimate(monkeypatch: pytest.MonkeyPatch) -> None:
    clock = [0.0]

    def fit(model: VLAC, images: np.ndarray) -> None:
        clock[0] += 3 + model.epochs * len(images) / 500

    monkeypatch.setattr(VLAC, "fit", fit)
    monkeypatch.setattr(module.time, "monotonic", lambda: clock[0])
    assert module._rate(VLAC(method="vlac_plus"), tiny_images(300)) == pytest.approx(500)


def test_names_keep_their_bytes(folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    name = os.fsdecode(b"sch\xf6n.png")
    pictures = Pictures([name, *(f"{index}.png" for index in range(59))], tiny_images(60), {})
    monkeypatch.setattr(module, "read", lambda at, size: pictures)
    cluster(folder, tmp_path / "out", [1, 2, 4, 1], minutes=0.01)
    assert b"\nsch\xf6n.png," in (tmp_path / "out/clusters.csv").read_bytes()
    assert "sch\\udcf6n.png" in (tmp_path / "out/index.html").read_text()


def test_a_rung_of_one_cluster_is_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    alike = np.zeros((40, 32, 32, 3), dtype=np.uint8)
    monkeypatch.setattr(module, "read", lambda at, size: Pictures([f"{index}.png" for index in range(40)], alike, {}))
    cluster(tmp_path, tmp_path / "out", [1, 1, 4, 1], minutes=0.01)
    assert "Rung 3 has all pictures in one cluster" in caplog.text


def test_classes_are_folders_within_a_split() -> None:
    names = "cats/1.png", "train/cats/2.png", "test/cats/3.png", "val/4.png", "5.png", "pets/cats/6.png"
    assert [module.class_of(name) for name in names] == ["cats", "cats", "cats", "", "", "pets/cats"]


def test_k_by_the_evidence(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture) -> None:
    generator = np.random.default_rng(0)
    means = generator.normal(size=(5, 3)) * 10
    codes = (means[generator.integers(5, size=1000)] + generator.normal(size=(1000, 3))).astype(np.float32)
    assert evidence._best(codes, 0)[0] == 5
    assert evidence._best(codes[:, :1] * 0, 0) == (1, 0)
    assert evidence._with_one_largest({3: (50, 27.0), 1: (50, 0.2), 2: (7, 0.1), 4: (30, 1.0)}) == (30, 7, 50, 30)
    # Two colours, in pictures of noise.
    hues = np.array([[220, 30, 30], [30, 30, 220]])[np.arange(200) % 2]
    images = (hues[:, None, None] + generator.integers(-20, 20, (200, 32, 32, 3))).astype(np.uint8)
    monkeypatch.setattr(module, "read", lambda at, size: Pictures([f"{i}.png" for i in range(200)], images, {}))
    monkeypatch.setattr(module, "_rate", lambda model, images: 2000.0)
    caplog.set_level("INFO", "vlac")
    cluster(tmp_path, tmp_path / "out", "auto", minutes=0.05)
    assert "200 pictures, 20 epochs: about 3 seconds." in caplog.text
    assert "clusters; unseen codes are" in caplog.text
    main_rung = VLAC.load(tmp_path / "out/model.pt").main_rung_
    y = [row[f"cluster_{main_rung}"] for row in rows(tmp_path / "out/clusters.csv")]
    assert not set(y[::2]) & set(y[1::2])
    monkeypatch.setattr(module, "read", lambda at, size: Pictures(["a"] * 200, images * 0, {}))
    assert "support no clusters" in refused(tmp_path, tmp_path / "other", "auto", 0.05)


def refused(*command: object, **settings: object) -> str:
    with pytest.raises(VlacError) as error:
        cluster(*command, **settings)
    return str(error.value)


def test_mistakes_are_named(folder: Path, made: Path, tmp_path: Path) -> None:
    out, K = tmp_path / "out", [1, 2, 4, 1]
    assert "is no folder" in refused(tmp_path / "nowhere", out, K)
    (tmp_path / "empty").mkdir()
    assert "holds no picture (0 files)" in refused(tmp_path / "empty", out, K)
    (tmp_path / "empty/a.png").write_text("no picture")
    assert "No picture in" in refused(tmp_path / "empty", out, K)
    solid().save(tmp_path / "empty/b.png")
    assert "has 1 readable pictures, too few for 4 clusters" in refused(tmp_path / "empty", out, K)
    assert "is not empty" in refused(folder, made, K)
    assert "is a file" in refused(folder, made / "model.pt", K)
    assert "models.vlac" in refused(folder, out, [1, 1, 1, 1])
    assert not out.exists()
    assert "must be a positive number" in refused(folder, out, K, float("nan"))
    assert "auto-K is for --method vlac" in refused(folder, out, "auto", method="vlac_plus")
    assert "too few for the evidence. At least 80" in refused(folder, out, "auto")
    assert "are of one class" in refused(folder / "left", out, [1, 2, 10, 1], None, 0, 1, True)
    assert "random_state is -1" in refused(folder, out, K, 0.01, -1)
    if os.geteuid():  # root may read everything
        (folder / "left").chmod(0)
        assert "too few" in refused(folder, out, [1, 2, 30, 1])
        (folder / "left").chmod(0o755)
    with pytest.raises(VlacError, match=r"model\.pt is no file\. Name a model\.pt of `vlac cluster`"):
        module.assign(tmp_path / "model.pt", folder, tmp_path / "a.csv")
    (tmp_path / "a.csv").write_text("precious")
    (tmp_path / "empty/b.png").unlink()
    with pytest.raises(VlacError, match="No picture in"):
        module.assign(made / "model.pt", tmp_path / "empty", tmp_path / "a.csv", force=True)
    assert (tmp_path / "a.csv").read_text() == "precious"
    assert not (tmp_path / "a.csv.parts").exists()
