"""Figures 2 and 3 of the paper for a trained ladder, and the test images nearest to the centre of each cluster."""

from pathlib import Path

import numpy as np
import torch

from vlac.methods.base import Codes
from vlac.models.decoded import to_images
from vlac.models.ladder import Ladder
from vlac.reporting.canvas import CELL, GAP, HEAD, LABEL, MARGIN, SPACE, draw_columns, page, show, stacked, write

SAMPLES = (5, 8)
"""Rows and columns of samples for each rung of Figure 2."""

PER_CLUSTER = 4
"""Samples, or test images, shown of each cluster."""

ROWS = 1000
"""Images whose distances are computed at a time: each takes as much memory as there are components."""


@torch.no_grad()
def draw_figures(
    model: Ladder, codes: Codes, images: np.ndarray, title: str, seed: int, folder: Path, seen: str = "test images"
) -> None:
    """Write manipulation.png, components.png and nearest.png into `folder`; equal arguments give equal bytes.

    `model` is in evaluation mode, on the CPU, with at least one mixture rung; `codes` are what it says of the images,
    uint8 (N, H, H, 3), which are `seen`; `title` names it, and `seed` fixes the samples.
    """
    rung = model.main_rung
    distance = from_components(model, codes, rung)
    first = next(iter(nearest_images(codes.y[rung], distance, model.K[rung], 1).values()))[0]
    _manipulation(model, images, codes, int(first), title, seed, folder / "manipulation.png")
    _components(model, codes, title, seed, folder / "components.png", seen)
    how = f"posterior mean of $z_{rung}$ from the component's mean, in its std"
    name = f"rung {rung}: clusters $y_{rung}$"
    draw_nearest(images, codes.y[rung], distance, model.K[rung], name, how, title, folder / "nearest.png", seen)


def draw_nearest(
    images: np.ndarray,
    y: np.ndarray,
    distance: np.ndarray,
    K: int,
    name: str,
    how: str,
    title: str,
    path: Path,
    seen: str = "test images",
) -> None:
    """Write a column of images, uint8 (N, H, H, 3), for each cluster in use, those of least distance on top.

    `y` and `distance`, (N,), are the cluster of each and how far it is from that one's centre; `name`, `how` and
    `title` say what the clusters are, what the distance is, and which model and seed; `seen`, what images these are.
    """
    nearest = nearest_images(y, distance, K, PER_CLUSTER)
    cells = stacked(images, nearest.values(), PER_CLUSTER)
    block = (f"{name}, {len(nearest)} of {K} in use", cells, _shares(y, np.array(list(nearest))))
    subtitle = f"One column per cluster: {how}.\nAbove each column: cluster · share of {seen} in it. {title}"
    draw_columns(f"{seen.capitalize()} of each cluster", subtitle, [block], path)


def draw_clusters(images: np.ndarray, y: np.ndarray, K: int, title: str, path: Path) -> None:
    """Write a column of images, uint8 (N, H, H, 3), for each cluster in use, as `draw_nearest` without distances."""
    draw_nearest(images, y, np.zeros(len(y)), K, "clusters", "in the order of the data set", title, path)


def nearest_images(y: np.ndarray, distance: np.ndarray, K: int, count: int) -> dict[int, np.ndarray]:
    """Return, for every cluster that has images, the indices of at most `count` of least distance from its centre.

    Clusters come in falling order of their images.
    """
    nearest = {}
    for k in _by_usage(y, K):
        own = np.flatnonzero(y == k)
        if len(own):
            nearest[int(k)] = own[np.argsort(distance[own], kind="stable")[:count]]
    return nearest


def from_components(model: Ladder, codes: Codes, rung: int) -> np.ndarray:
    """Return how far each image's posterior mean is from its component's mean, float (N,).

    The squared distance in units of the component's own spread (Mahalanobis).
    """
    y, mean, far = torch.from_numpy(codes.y[rung]), torch.from_numpy(codes.mean[rung]), []
    with torch.no_grad():
        for part, of in zip(mean.split(ROWS), y.split(ROWS), strict=True):
            whitened = model.prior(rung).whiten(part)
            far.append(whitened[torch.arange(len(of)), of].square().sum(1))
    return torch.cat(far).numpy()


def _manipulation(
    model: Ladder, images: np.ndarray, codes: Codes, chosen: int, title: str, seed: int, path: Path
) -> None:
    """Figure 2: per rung, samples from the rung's prior while all other rungs keep the datapoint's latents."""
    datapoint = {rung: torch.from_numpy(codes.mean[rung][chosen : chosen + 1]) for rung in model.rungs}
    generator = torch.Generator().manual_seed(seed)
    rows, columns = SAMPLES
    count = rows * columns
    across = min(2, len(model.rungs))
    down = -(-len(model.rungs) // across)
    panel_width, panel_height, beside = columns * CELL - GAP + SPACE, LABEL + rows * CELL - GAP + SPACE, CELL + SPACE
    width, height = MARGIN + beside + across * panel_width - SPACE + MARGIN, HEAD + down * panel_height - SPACE + MARGIN
    subtitle = (
        "In each panel the $z_\\ell$ of one rung is sampled from its prior, and every other $z$ stays fixed.\n"
        f"Figure 2 of the paper. {title}"
    )
    with page(path, width, height, "One datapoint, one rung varied at a time", subtitle) as figure:
        shown = ("datapoint", images[chosen]), ("decoded", to_images(model.decode(datapoint))[0])
        for place, (name, image) in enumerate(shown):
            y = HEAD + place * (LABEL + CELL + SPACE // 2)
            write(figure, name, MARGIN, y, fontsize=9)
            show(figure, image[None, None], MARGIN, y + LABEL)
        for index, rung in enumerate(model.rungs):
            x, y = MARGIN + beside + index % across * panel_width, HEAD + index // across * panel_height
            z = {other: value.expand(count, -1) for other, value in datapoint.items()}
            z[rung] = model.prior(rung).sample(count, generator=generator)
            prior = f"$p(z_{rung})$, {model.K[rung]} components" if model.K[rung] > 1 else r"$\mathcal{N}(0, I)$"
            write(figure, f"rung {rung}:  $z_{rung} \\sim$ {prior}", x, y, fontsize=9)
            show(figure, to_images(model.decode(z)).reshape(rows, columns, *images.shape[1:]), x, y + LABEL)


def _components(model: Ladder, codes: Codes, title: str, seed: int, path: Path, seen: str) -> None:
    """Figure 3: per mixture rung, one column of samples per component, the other rungs fixed to one prior sample."""
    generator = torch.Generator().manual_seed(seed)
    fixed = {rung: model.prior(rung).sample(1, generator=generator) for rung in model.rungs}
    blocks = []
    for rung in model.mixture_rungs:
        order = _by_usage(codes.y[rung], model.K[rung])
        prior = model.prior(rung)
        # The same noise in every column, so that columns differ by their component alone.
        noise = torch.randn(PER_CLUSTER, 1, prior.mean.shape[1], generator=generator)
        y = torch.from_numpy(order).expand(PER_CLUSTER, -1)
        own = prior.draw(y, noise.expand(-1, len(order), -1)).flatten(0, 1)
        z = {other: own if other == rung else value.expand(len(own), -1) for other, value in fixed.items()}
        drawn = to_images(model.decode(z))
        samples = drawn.reshape(PER_CLUSTER, len(order), *drawn.shape[1:])
        name = f"rung {rung}:  $z_{rung} \\sim p(z_{rung}\\,|\\,y_{rung})$, the {model.K[rung]} components"
        blocks.append((name, samples, _shares(codes.y[rung], order)))
    subtitle = (
        "Figure 3 of the paper. One column per component, all other rungs fixed to one prior sample.\n"
        f"Above each column: component · share of {seen} in it. {title}"
    )
    draw_columns("Samples of each component", subtitle, blocks, path)


def _by_usage(y: np.ndarray, K: int) -> np.ndarray:
    """Return the clusters in falling order of their images, equal ones by number."""
    return np.argsort(-np.bincount(y, minlength=K), kind="stable")


def _shares(y: np.ndarray, order: np.ndarray) -> list[str]:
    return [f"{k} · {np.mean(y == k):.1%}" for k in order]
