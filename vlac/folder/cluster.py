"""`vlac cluster`: train on the pictures of a folder; write clusters, model and a page. `vlac assign`: use the model."""

import csv
import hashlib
import io
import logging
import math
import shutil
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Literal

import numpy as np
from numpy.typing import NDArray
from sklearn.base import clone

from vlac import __version__
from vlac.data.arrays import parts_of, read
from vlac.errors import VlacError
from vlac.estimator import VLAC, file_of
from vlac.estimator import K as DEFAULT
from vlac.evaluation import metrics
from vlac.files import atomic, read_json, sha256, write_bytes, write_json, write_text
from vlac.folder.evidence import FEWEST, supported
from vlac.folder.page import page
from vlac.methods.base import Codes
from vlac.reporting.figures import draw_figures

log = logging.getLogger(__name__)

UPDATES, LEAST_EPOCHS, MOST_EPOCHS = 2500, 12, 200
"""Without --minutes so many updates, in epochs between these."""

ORDER = 4
"""Epochs that the rungs need to enter one after the other."""

LEAST_UPDATES = {"vlac": 0, "vlac_plus": 750}
"""Of VLAC+'s networks before the ladder, those of fewer end with one cluster for all pictures."""

TRIED = {"vlac": ((1,), 24, 1), "vlac_plus": ((8, 16), 4, 8)}
"""Epochs, and updates of each, that measure how long one takes: in 8 every network of VLAC+ has its share, and what 16
take more is free of what its networks do once. Divided by the last number, its features are few: their eigenvectors
take seconds."""

SHARE = 2
"""For --auto-K, codes are learnt in as many epochs as the clusters, divided by this."""

PICTURES = 40
"""Least pictures, however few clusters."""

SPLITS = "train", "val", "test"

UNFINISHED = "unfinished.json"
"""What an interrupted run was asked for; it is there until all else is."""


def cluster(
    folder: Path,
    out: Path,
    K: Sequence[int] | Literal["auto"] | None,
    minutes: float | None = None,
    seed: int = 0,
    threads: int = 1,
    labels: bool = False,
    force: bool = False,
    method: str = "vlac_plus",
    size: int = 32,
) -> None:
    """Train on the pictures below `folder`, and write page, table, model, report and figures to `out`.

    Args:
        folder: of pictures; or a .npy or .npz file of images, uint8 (N, H, W, 3) or (N, H, W).
        out: where the results go.
        K: clusters by rung; "auto": as many as the evidence supports; None: the method's default.
        minutes: how long the training may take; without, some 2,500 updates, but 12 to 200 epochs.
        seed: of everything.
        threads: of the CPU; the results of two numbers differ in their last digits.
        labels: the pictures' folders are their classes, which score the clusters and are used for nothing else.
        force: overwrite what is in `out`.
        method: "vlac" or "vlac_plus".
        size: height and width that pictures are resized to, 32 or 64.

    Raises:
        VlacError: there are too few pictures, `out` is not empty, or a setting is out of range.
    """
    if minutes is not None and not 0 < minutes < math.inf:
        raise VlacError("--minutes must be a positive number.", "Leave it out for the default length.")
    auto, given = K == "auto", DEFAULT[method] if K is None or K == "auto" else tuple(K)
    if auto and method != "vlac":
        raise VlacError("--auto-K is for --method vlac.", "Add that, or leave it out: VLAC+ may leave clusters empty.")
    if out.exists() and not out.is_dir():
        raise VlacError(f"{out} is a file.", "Name a folder for the results.")
    unfinished = out / UNFINISHED
    if not force and out.exists() and any(out.iterdir()) and not unfinished.exists():
        raise VlacError(f"{out} is not empty.", "Name another folder, or overwrite it with --force.")
    pictures = read(folder, size)
    for name, why in list(pictures.broken.items())[:10]:
        log.warning("Left out: %s: %s.", name, why)
    if len(pictures.broken) > 10:
        log.warning("Left out in all: %d files; report.json lists them.", len(pictures.broken))
    classes = [class_of(name) for name in pictures.names]
    if labels and len(set(classes)) < 2:
        raise VlacError(f"All pictures of {folder} are of one class.", "Leave --labels out.")
    count, least = len(pictures.names), FEWEST if auto else max(2 * max(given), PICTURES)
    if count < least:
        wanted = "the evidence" if auto else f"{max(given)} clusters"
        raise VlacError(
            f"{folder} has {count} readable pictures, too few for {wanted}.",
            f"At least {least} are needed" + ("; fewer clusters are set by --K." if least > PICTURES else "."),
        )

    model = VLAC(K=given, batch=min(64, count // 4), threads=threads, random_state=seed, method=method)
    asked = {"K": "auto" if auto else list(given), "minutes": minutes, "seed": seed, "threads": threads}
    asked |= {"pictures": count, "method": method, "size": size}
    before = read_json(unfinished) if unfinished.exists() else {}
    if before.get("asked") == asked:
        model.set_params(epochs=before["epochs"])  # a second measurement would give another number
    else:
        model.set_params(epochs=_epochs(model, pictures.images, minutes, auto))
        write_json(unfinished, {"asked": asked, "epochs": model.epochs})
    began = time.monotonic()
    if auto:
        model.set_params(K=supported(model, pictures.images, model.epochs // SHARE, out / "checkpoint_codes.pt"))
    model.fit(pictures.images, checkpoint=out / "checkpoint.pt")
    report = {"vlac": __version__, "folder": str(folder), "pictures": count, "size": size, "broken": pictures.broken}
    report |= {"settings": model.get_params(), "elbo": model.history_[-1]["elbo"]}
    report |= {"minutes": round((time.monotonic() - began) / 60, 2)}
    codes = model.method_.encode(pictures.images)
    in_use = {str(rung): metrics.clusters_in_use(y) for rung, y in codes.y.items()}
    for rung in [rung for rung, clusters in in_use.items() if clusters == 1]:
        log.warning("Rung %s has all pictures in one cluster: train longer, or give it another --K.", rung)
    report["clusters_in_use"] = in_use
    if labels:
        report["scores"] = _scores(classes, codes, model.method_.K)
    model.save(out / "model.pt")
    write_bytes(out / "clusters.csv", _table(pictures.names, codes))
    write_text(out / "index.html", page(model, pictures, codes, seed))
    (out / "figures").mkdir(exist_ok=True)
    title = f"{model.method_.label()}, seed {seed}"
    draw_figures(model.method_.model.cpu(), codes, pictures.images, title, seed, out / "figures", "pictures")
    write_json(out / "report.json", report)
    for path in (*out.glob("checkpoint*.pt"), unfinished):
        path.unlink()
    shutil.rmtree(out / "checkpoint.pt.shared", ignore_errors=True)  # of VLAC+ that was asked for before
    log.info("Open %s in a browser. %s lists every file's clusters.", out / "index.html", out / "clusters.csv")


def class_of(name: str) -> str:
    """Return a picture's folder; of a data set in splits, as torchvision keeps one, the folder within the split."""
    folders = Path(name).parts[:-1]
    return "/".join(folders[1:] if folders and folders[0] in SPLITS else folders)


def assign(model_file: Path, folder: Path, out: Path, force: bool = False) -> None:
    """Write the clusters of pictures by a trained model; `folder` as of `cluster`. Memory does not grow with a folder.

    Files that cannot be read are named and counted. An interrupted call leaves the parts that are done beside `out`,
    from which the same call goes on. Raises VlacError if there is no picture or model, or `out` exists.
    """
    if out.exists() and not force:
        raise VlacError(f"{out} exists already.", "Name another file, or overwrite it with --force.")
    model, weights = VLAC.load(model_file), sha256(file_of(model_file))
    kept = out.with_name(f"{out.name}.parts")
    found, done, files = [], 0, 0
    for part in parts_of(folder, model.method_.model.spec.side):
        seen = map(_seen, [folder / name for name in part.names] if folder.is_dir() else [folder])
        key = "\0".join([weights, str(folder.resolve()), *part.names, *seen])
        of = hashlib.sha256(key.encode("utf-8", "surrogateescape"))
        found.append(kept / f"{of.hexdigest()[:20]}.csv")
        files += len(part.names)
        if not found[-1].exists():
            pictures = part.read()
            for name, why in pictures.broken.items():
                log.warning("Left out: %s: %s.", name, why)
            codes = model.method_.encode(pictures.images) if pictures.names else None
            write_bytes(found[-1], _table(pictures.names, codes) if codes else b"")
    with atomic(out) as file:
        for path in found:
            content = path.read_bytes()
            lines = content.partition(b"\n")[2]
            file.write(lines if done else content)
            done += sum(1 for _ in csv.reader(io.StringIO(lines.decode("utf-8", "surrogateescape"), newline="")))
        if not done:
            shutil.rmtree(kept)  # the files may be mended under the same names
            raise VlacError(f"No picture in {folder} can be read; {files} files.")
    shutil.rmtree(kept)
    log.info("%s lists the clusters of %d pictures; %d files could not be read.", out, done, files - done)


def _seen(file: Path) -> str:
    """Return size and time of a file, "" if it cannot be looked at."""
    try:
        found = file.stat()
    except OSError:
        return ""
    return f"{found.st_size} {found.st_mtime_ns}"


def _epochs(model: VLAC, images: NDArray[np.uint8], minutes: float | None, auto: bool) -> int:
    """Return how many epochs to train, and say how long they will take; `auto` needs more for codes beforehand."""
    rate, count = _rate(model, images) / (1 + auto / SHARE), len(images)
    epochs = min(max(LEAST_EPOCHS, math.ceil(UPDATES / (count // model.batch))), MOST_EPOCHS)
    if minutes is not None:
        least = max(ORDER, math.ceil(LEAST_UPDATES[model.method] / (count // model.batch)))
        epochs = max(least, int(60 * minutes * rate / count))
    seconds = epochs * count / rate
    takes = f"{seconds:.0f} seconds" if seconds < 120 else f"{seconds / 60:.0f} minutes"
    log.info("%d pictures, %d epochs: about %s.", count, epochs, takes)
    if minutes is not None and seconds > 60 * minutes:
        log.warning("That is more than asked for: rungs and networks need %d epochs.", least)
    return epochs


def _rate(model: VLAC, images: NDArray[np.uint8]) -> float:
    """Return images per second of a training's epochs, from short ones with all rungs."""
    tried, updates, narrower = TRIED[model.method]
    short = clone(model).set_params(epochs=1, enter=(0, 0, 0, 0), hidden=model.hidden // narrower)
    some, took = images[: updates * model.batch], [(0, 0.0)]
    logging.disable(logging.INFO)  # epochs that are not those of the training
    try:
        short.fit(images[: 2 * model.batch])  # what is used for the first time takes longer
        for epochs in tried:
            began = time.monotonic()
            short.set_params(epochs=epochs).fit(some)
            took.append((epochs, time.monotonic() - began))
    finally:
        logging.disable(logging.NOTSET)
    (fewer, first), (more, second) = took[-2:]
    # A quarter at least: beside other work the longer one may even take less.
    return (more - fewer) * len(some) / max(second - first, second / 4)


def _table(names: Sequence[str], codes: Codes) -> bytes:
    """Return file, cluster and probability of every rung as CSV; names keep their bytes."""
    rungs = sorted(codes.q)
    buffer = io.StringIO()
    writer = csv.writer(buffer, lineterminator="\n")
    writer.writerow(["file", *(f"{what}_{rung}" for rung in rungs for what in ("cluster", "probability"))])
    for index, name in enumerate(names):
        cells = [(int(codes.y[rung][index]), f"{codes.q[rung][index].max():.4f}") for rung in rungs]
        writer.writerow([name, *(value for pair in cells for value in pair)])
    return buffer.getvalue().encode("utf-8", "surrogateescape")


def _scores(folders: Sequence[str], codes: Codes, Ks: Mapping[int, int]) -> dict[str, dict[str, float]]:
    """Return and show ACC (mapping fitted on the same pictures), NMI and ARI of every rung against the folders."""
    classes = sorted(set(folders))
    t = np.array([classes.index(name) for name in folders])
    found = {}
    for rung, K in Ks.items():
        y = codes.y[rung]
        mapping = metrics.majority_mapping(y, t, K, len(classes))
        scores = {"acc": metrics.accuracy(y, t, mapping), "nmi": metrics.nmi(y, t), "ari": metrics.ari(y, t)}
        found[f"rung {rung}"] = {name: round(value, 4) for name, value in scores.items()}
        log.info("Rung %d against the folders: ACC %.3f, NMI %.3f, ARI %.3f.", rung, *scores.values())
    return found
