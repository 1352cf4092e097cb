"""`vlac cluster`: train on the pictures of a folder; write clusters, model and a page. `vlac assign`: use the model."""

import csv
import io
import logging
import math
import time
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from sklearn.base import clone

from vlac import __version__
from vlac.errors import VlacError
from vlac.estimator import VLAC
from vlac.evaluation import metrics
from vlac.files import atomic, write_json, write_text
from vlac.folder.page import page
from vlac.folder.read import Pictures, files_of, read_folder, read_in_parts

log = logging.getLogger(__name__)

UPDATES, MOST_EPOCHS = 2500, 200
"""Without --minutes so many updates, as in the default experiment, in at least 12 epochs and at most so many."""

TRIED = 12
"""Updates that measure how long an epoch takes."""


def cluster(
    folder: Path,
    out: Path,
    K: Sequence[int],
    minutes: float | None = None,
    seed: int = 0,
    threads: int = 1,
    labels: bool = False,
    force: bool = False,
) -> None:
    """Train VLAC on the pictures below `folder` and write index.html, clusters.csv, model.pt and report.json to `out`.

    Args:
        folder, out: where the pictures are, and where the results go.
        K: clusters by rung.
        minutes: how long the training may take; without, as many updates as the default experiment.
        seed: of everything.
        threads: of the CPU; the results of two numbers differ in their last digits.
        labels: the pictures' folders are their classes, which score the clusters and are used for nothing else.
        force: overwrite what is in `out`.

    Raises:
        VlacError: there are too few pictures, `out` is not empty, or a setting is out of range.
    """
    if out.exists() and not out.is_dir():
        raise VlacError(f"{out} is a file.", "Name a folder for the results.")
    unfinished = out / "checkpoint.pt"
    if not force and out.exists() and any(path.name != unfinished.name for path in out.iterdir()):
        raise VlacError(f"{out} is not empty.", "Name another folder, or overwrite it with --force.")
    pictures = read_folder(folder)
    for name, why in list(pictures.broken.items())[:10]:
        log.warning("Left out: %s: %s.", name, why)
    if len(pictures.broken) > 10:
        log.warning("Left out in all: %d files; report.json lists them.", len(pictures.broken))
    count, most = len(pictures.names), max(K)
    if count < max(2 * most, 40):
        raise VlacError(
            f"{folder} has {count} readable pictures, too few for {most} clusters.",
            f"At least {max(2 * most, 40)} are needed; fewer clusters are set by --K.",
        )
    model = VLAC(K=tuple(K), batch=min(64, count // 4), threads=threads, random_state=seed)
    rate = _rate(model, pictures.images)
    per_epoch = count // model.batch
    epochs = min(max(12, math.ceil(UPDATES / per_epoch)), MOST_EPOCHS)
    if minutes is not None:
        epochs = max(4, int(60 * minutes * rate / count))
    model.set_params(epochs=epochs)
    log.info("%d pictures, %d epochs: about %.0f minutes.", count, epochs, math.ceil(epochs * count / rate / 60))
    began = time.monotonic()
    model.fit(pictures.images, checkpoint=unfinished)
    report = {"vlac": __version__, "folder": str(folder), "pictures": count, "broken": pictures.broken}
    report |= {"settings": model.get_params(), "elbo": model.history_[-1]["elbo"]}
    report |= {"minutes": round((time.monotonic() - began) / 60, 2)}
    report["clusters_in_use"] = {str(rung): len(set(model.predict(pictures.images, rung))) for rung in model.method_.K}
    if labels:
        report["scores"] = _scores(pictures, model)
        log.info("Against the folders' names: %s.", report["scores"])
    model.save(out / "model.pt")
    write_text(out / "clusters.csv", _table(pictures, model, header=True))
    write_text(out / "index.html", page(model, pictures, seed))
    write_json(out / "report.json", report)
    unfinished.unlink(missing_ok=True)
    log.info("Open %s in a browser. %s lists every file's clusters.", out / "index.html", out / "clusters.csv")


def assign(model_file: Path, folder: Path, out: Path, force: bool = False) -> None:
    """Write the clusters of a folder's pictures by a trained model, as `cluster` does; memory does not grow with them.

    Files that cannot be read are named and counted. Raises VlacError if there is no picture or model, or `out` exists.
    """
    if out.exists() and not force:
        raise VlacError(f"{out} exists already.", "Name another file, or overwrite it with --force.")
    model = VLAC.load(model_file)
    chosen, done, broken = files_of(folder), 0, 0
    with atomic(out) as file:
        for part in read_in_parts(chosen, folder):
            for name, why in part.broken.items():
                log.warning("Left out: %s: %s.", name, why)
            broken += len(part.broken)
            if part.names:
                file.write(_table(part, model, header=not done).encode("utf-8", "surrogateescape"))
                done += len(part.names)
    if not done:
        out.unlink()
        raise VlacError(f"None of the {broken} pictures in {folder} can be read.")
    log.info("%s lists the clusters of %d pictures; %d files could not be read.", out, done, broken)


def _rate(model: VLAC, images: NDArray[np.uint8]) -> float:
    """Return images per second of a training, from a short one."""
    short, some = clone(model).set_params(epochs=2), images[: TRIED * model.batch]
    logging.disable(logging.INFO)  # epochs that are not those of the training
    try:
        began = time.monotonic()
        short.fit(some)
        return 2 * len(some) / (time.monotonic() - began)
    finally:
        logging.disable(logging.NOTSET)


def _table(pictures: Pictures, model: VLAC, header: bool) -> str:
    """Return file, cluster and probability of every rung as CSV."""
    rungs = sorted(model.method_.K)
    buffer = io.StringIO()
    writer = csv.writer(buffer, lineterminator="\n")
    if header:
        writer.writerow(["file", *(f"{what}_{rung}" for rung in rungs for what in ("cluster", "probability"))])
    q = {rung: model.predict_proba(pictures.images, rung) for rung in rungs}
    for index, name in enumerate(pictures.names):
        cells = [(int(q[rung][index].argmax()), f"{q[rung][index].max():.4f}") for rung in rungs]
        writer.writerow([name, *(value for pair in cells for value in pair)])
    return buffer.getvalue()


def _scores(pictures: Pictures, model: VLAC) -> dict[str, dict[str, float]]:
    """Return ACC (mapping fitted on the same pictures), NMI and ARI of every rung against the pictures' folders."""
    names = [str(Path(name).parent) for name in pictures.names]
    classes = sorted(set(names))
    t = np.array([classes.index(name) for name in names])
    found = {}
    for rung, K in model.method_.K.items():
        y = model.predict(pictures.images, rung)
        mapping = metrics.majority_mapping(y, t, K, len(classes))
        scores = {"acc": metrics.accuracy(y, t, mapping), "nmi": metrics.nmi(y, t), "ari": metrics.ari(y, t)}
        found[f"rung {rung}"] = {name: round(value, 4) for name, value in scores.items()}
    return found
