"""The page that `vlac cluster` writes: one file that opens from disk and holds everything it shows."""

import base64
import io
import json
from importlib.resources import files
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from vlac.data.pictures import Pictures
from vlac.estimator import VLAC
from vlac.methods.base import Codes
from vlac.reporting.figures import from_components

SHOWN = 4000
"""Most pictures on the page: more make it slow to open."""

CENTRAL = 24
"""Pictures shown of a cluster, the most central first."""

DRAWS = 12
"""Samples shown of a component."""

COLUMNS = 64


def page(model: VLAC, pictures: Pictures, codes: Codes, seed: int) -> str:
    """Return the page as HTML, of a trained model, the pictures that it was trained on and their codes."""
    count = len(pictures.names)
    order = np.random.default_rng(seed).permutation(count)
    rungs, central = [], []
    for rung in sorted(model.method_.K, key=lambda each: -model.method_.K[each]):
        y, mean = codes.y[rung], codes.mean[rung]
        by_distance = np.argsort(from_components(model.method_.model.cpu(), codes, rung), kind="stable")
        members = {k: by_distance[y[by_distance] == k] for k in range(model.method_.K[rung])}
        central += [index for found in members.values() for index in found[:CENTRAL]]
        rungs.append((rung, y, _plane(mean), members))
    chosen = np.array(list(dict.fromkeys([*central, *order]))[: max(SHOWN, len(set(central)))])
    at = {int(index): place for place, index in enumerate(chosen)}
    data: dict[str, Any] = {
        "about": f"{count:,} pictures, {len(pictures.broken):,} files that could not be read. "
        f"{len(chosen):,} are on this page; clusters.csv lists all.",
        "side": pictures.images.shape[1],
        "names": [pictures.names[index] for index in chosen],
        "pictures": _sheet(pictures.images[chosen]),
        "rungs": [_rung(model, *each, chosen, at, seed) for each in rungs],
    }
    # "</script>" in a file's name would end the element that holds the data.
    text = json.dumps(data, separators=(",", ":")).replace("<", "\\u003c")
    template = files("vlac.folder").joinpath("page.html").read_text(encoding="utf-8")
    return template.replace("/*DATA*/", text)


def _rung(
    model: VLAC,
    rung: int,
    y: NDArray[np.int64],
    plane: NDArray[np.float64],
    members: dict[int, NDArray[np.int64]],
    chosen: NDArray[np.int64],
    at: dict[int, int],
    seed: int,
) -> dict[str, Any]:
    drawn = np.concatenate([model.sample(DRAWS, rung, k, seed) for k in members])
    used = sum(len(found) > 0 for found in members.values())
    clusters = [
        {"k": k, "size": len(found), "central": [at[int(index)] for index in found[:CENTRAL]]}
        for k, found in sorted(members.items(), key=lambda item: -len(item[1]))
        if len(found)
    ]
    return {
        "rung": rung,
        "said": f"{used} of {len(members)} clusters are in use. Above the dashed line: the most central pictures. "
        "Below: what the model draws for the cluster. The map shows the codes' two main directions.",
        "y": y[chosen].tolist(),
        "map": plane[chosen].round(4).tolist(),
        "clusters": clusters,
        "draws": DRAWS,
        "sheet": _sheet(drawn),
    }


def _plane(codes: NDArray[np.float32]) -> NDArray[np.float64]:
    """Return codes, (N, d), in their two main directions, each scaled to [0, 1]."""
    centred = codes - codes.mean(0)
    flat = centred.astype(np.float64) @ np.linalg.svd(centred[:5000], full_matrices=False)[2][:2].T
    if flat.shape[1] < 2:
        flat = np.column_stack([flat, np.zeros(len(flat))])
    low, high = np.percentile(flat, [0.5, 99.5], axis=0)
    return ((flat - low) / np.maximum(high - low, 1e-12)).clip(0, 1)


def _sheet(images: NDArray[np.uint8]) -> dict[str, Any]:
    """Return images side by side as one JPEG, in lines of COLUMNS."""
    rows = -(-len(images) // COLUMNS)
    side = images.shape[1]
    padded = np.zeros((rows * COLUMNS, side, side, 3), np.uint8)
    padded[: len(images)] = images
    whole = padded.reshape(rows, COLUMNS, side, side, 3).swapaxes(1, 2).reshape(rows * side, COLUMNS * side, 3)
    buffer = io.BytesIO()
    Image.fromarray(whole).save(buffer, "JPEG", quality=85)
    return {"url": f"data:image/jpeg;base64,{base64.b64encode(buffer.getvalue()).decode()}", "columns": COLUMNS}
