"""Figures 2 and 3 of the paper for a trained VLAC or GM-DGM, and the test images nearest to each cluster's centre."""

from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from vlac.evaluation.codes import Codes, encode_images
from vlac.models.ladder import Ladder
from vlac.reporting.sheets import CELL, GAP, GREY, HEAD, MARGIN, page, sheet_size

SAMPLES = (5, 8)
"""Rows and columns of samples for each rung of Figure 2."""

PER_CLUSTER = 4
"""Samples, or test images, shown of each cluster."""

PER_LINE = 17
"""Clusters side by side; more go on in a line of their own below."""

LABEL = 22
SPACE = 26
WHITE = np.full((32, 32, 3), 255, np.uint8)


def draw_figures(model: Ladder, images: np.ndarray, seed: int, folder: Path) -> None:
    """Write manipulation.png, components.png and nearest.png into `folder`; equal arguments give equal bytes.

    Args:
        model: in evaluation mode, on the CPU, with at least one mixture rung.
        images: the test images, uint8 (N, 32, 32, 3).
        seed: the seed that the model was trained with; also fixes the samples.
        folder: where the files go.

    Raises:
        VlacError: a file cannot be written.
    """
    codes = encode_images(model, images)
    with torch.no_grad():
        _manipulation(model, images, codes, seed, folder / "manipulation.png")
        _components(model, codes, seed, folder / "components.png")
        _nearest(model, images, codes, seed, folder / "nearest.png")


def nearest_images(model: Ladder, codes: Codes, rung: int, count: int) -> dict[int, np.ndarray]:
    """Return, for every cluster of a rung that has images, the indices of at most `count` that are nearest its centre.

    The distance is that of the image's posterior mean from the component's mean, each axis in units of the component's
    standard deviation, among the images assigned to the cluster. Clusters come in falling order of their images.
    """
    prior = model.prior(rung)
    mean, std = prior.mean.detach().cpu().numpy(), prior.std.detach().cpu().numpy()
    nearest = {}
    for k in _by_usage(codes, rung, model.K[rung]):
        own = np.flatnonzero(codes.y[rung] == k)
        distance = (((codes.mean[rung][own] - mean[k]) / std[k]) ** 2).sum(1)
        if len(own):
            nearest[int(k)] = own[np.argsort(distance, kind="stable")[:count]]
    return nearest


def _manipulation(model: Ladder, images: np.ndarray, codes: Codes, seed: int, path: Path) -> None:
    """Figure 2: per rung, samples from the rung's prior while all other rungs keep the datapoint's latents."""
    chosen = next(iter(nearest_images(model, codes, model.main_rung, 1).values()))[0]
    datapoint = {rung: torch.from_numpy(codes.mean[rung][chosen : chosen + 1]) for rung in model.rungs}
    generator = torch.Generator().manual_seed(seed)
    rows, columns = SAMPLES
    count = rows * columns
    panel_width, panel_height = sheet_size(rows, columns)
    across = min(2, len(model.rungs))
    down = -(-len(model.rungs) // across)
    beside = CELL + SPACE
    width = MARGIN + beside + across * (panel_width + SPACE) - SPACE + MARGIN
    height = HEAD + down * (LABEL + panel_height + SPACE) - SPACE + MARGIN
    with page(path, width, height) as sheet:
        subtitle = "In each panel the $z_\\ell$ of one rung is sampled from its prior, and every other $z$ stays fixed."
        sheet.head(
            "One datapoint, one rung varied at a time",
            f"{subtitle}\nFigure 2 of the paper. {_name(model)}, seed {seed}",
        )
        for place, (name, image) in enumerate(
            (("datapoint", images[chosen]), ("decoded", _decode(model, datapoint)[0]))
        ):
            y = HEAD + place * (LABEL + CELL + SPACE // 2)
            sheet.write(name, MARGIN, y, fontsize=9)
            sheet.sheet(image[None, None], MARGIN, y + LABEL)
        for index, rung in enumerate(model.rungs):
            x = MARGIN + beside + index % across * (panel_width + SPACE)
            y = HEAD + index // across * (LABEL + panel_height + SPACE)
            z = {other: value.expand(count, -1) for other, value in datapoint.items()}
            z[rung] = model.prior(rung).sample(count, generator=generator)
            prior = f"$p(z_{rung})$, {model.K[rung]} components" if model.K[rung] > 1 else r"$\mathcal{N}(0, I)$"
            sheet.write(f"rung {rung}:  $z_{rung} \\sim$ {prior}", x, y, fontsize=9)
            sheet.sheet(_decode(model, z).reshape(rows, columns, 32, 32, 3), x, y + LABEL)


def _components(model: Ladder, codes: Codes, seed: int, path: Path) -> None:
    """Figure 3: per mixture rung, one column of samples per component, the other rungs fixed to one prior sample."""
    generator = torch.Generator().manual_seed(seed)
    fixed = {rung: model.prior(rung).sample(1, generator=generator) for rung in model.rungs}
    blocks = []
    for rung in model.mixture_rungs:
        order = _by_usage(codes, rung, model.K[rung])
        prior = model.prior(rung)
        # The same noise in every column, so that columns differ by their component alone.
        noise = torch.randn(PER_CLUSTER, 1, prior.mean.shape[1], generator=generator)
        own = (prior.mean[order] + prior.std[order] * noise).flatten(0, 1)
        z = {other: own if other == rung else value.expand(len(own), -1) for other, value in fixed.items()}
        samples = _decode(model, z).reshape(PER_CLUSTER, len(order), 32, 32, 3)
        title = f"rung {rung}:  $z_{rung} \\sim p(z_{rung}\\,|\\,y_{rung})$, the {model.K[rung]} components"
        blocks.append((title, samples, _shares(codes, rung, order)))
    subtitle = (
        "Figure 3 of the paper. One column per component, all other rungs fixed to one prior sample.\n"
        f"Above each column: component · share of test images in it. {_name(model)}, seed {seed}"
    )
    _columns("Samples of each component", subtitle, blocks, path)


def _nearest(model: Ladder, images: np.ndarray, codes: Codes, seed: int, path: Path) -> None:
    """The test images nearest to the centre of each cluster of the main rung, the clusters in use alone."""
    rung = model.main_rung
    nearest = nearest_images(model, codes, rung, PER_CLUSTER)
    cells = np.stack([np.stack([*images[own], *[WHITE] * (PER_CLUSTER - len(own))]) for own in nearest.values()], 1)
    title = f"rung {rung}:  {len(nearest)} of {model.K[rung]} clusters $y_{rung}$ in use"
    subtitle = (
        f"One column per cluster, nearest on top: posterior mean of $z_{rung}$ from the component's mean, in its std.\n"
        f"Above each column: cluster · share of test images in it. {_name(model)}, seed {seed}"
    )
    blocks = [(title, cells, _shares(codes, rung, np.array(list(nearest))))]
    _columns("Test images nearest to the centre of their cluster", subtitle, blocks, path)


def _columns(title: str, subtitle: str, blocks: list[tuple[str, np.ndarray, list[str]]], path: Path) -> None:
    """Draw blocks of labelled columns, each (title, uint8 (rows, columns, 32, 32, 3), labels), broken into lines."""
    line_height = LABEL + sheet_size(PER_CLUSTER, 1)[1] + GAP
    heights = [LABEL + -(-len(labels) // PER_LINE) * line_height + SPACE for _, _, labels in blocks]
    widest = min(PER_LINE, max(len(labels) for _, _, labels in blocks))
    width = 2 * MARGIN + max(sheet_size(1, widest)[0], 720)
    with page(path, width, HEAD + sum(heights) - SPACE + MARGIN) as sheet:
        sheet.head(title, subtitle)
        y = HEAD
        for (name, images, labels), height in zip(blocks, heights, strict=True):
            sheet.write(name, MARGIN, y, fontsize=9)
            for line, start in enumerate(range(0, len(labels), PER_LINE)):
                top = y + LABEL + line * line_height
                for column, label in enumerate(labels[start : start + PER_LINE]):
                    middle = MARGIN + column * CELL + (CELL - GAP) / 2
                    sheet.write(label, middle, top + LABEL - 4, fontsize=7, ha="center", va="bottom", color=GREY)
                sheet.sheet(images[:, start : start + PER_LINE], MARGIN, top + LABEL)
            y += height


def _decode(model: Ladder, z: dict[int, Tensor]) -> np.ndarray:
    """Return the mean images of latents as uint8 (B, 32, 32, 3)."""
    return model.decode(z).clamp(0, 1).mul(255).round().to(torch.uint8).permute(0, 2, 3, 1).cpu().numpy()


def _by_usage(codes: Codes, rung: int, K: int) -> np.ndarray:
    """Return the clusters of a rung in falling order of their test images, equal ones by number."""
    return np.argsort(-np.bincount(codes.y[rung], minlength=K), kind="stable")


def _shares(codes: Codes, rung: int, order: np.ndarray) -> list[str]:
    y = codes.y[rung]
    return [f"{k} · {np.mean(y == k):.1%}" for k in order]


def _name(model: Ladder) -> str:
    if len(model.rungs) == 1:
        return f"GM-DGM on rung {model.main_rung}, K = {model.K[model.main_rung]}"
    return f"VLAC, K = ({', '.join(str(model.K[rung]) for rung in model.rungs)})"
