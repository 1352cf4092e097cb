"""What a trained ladder says of images: posterior means and clusters of every rung."""

from dataclasses import dataclass

import numpy as np
import torch

from vlac.models.ladder import Ladder, to_input


@dataclass(frozen=True)
class Codes:
    """Codes of N images.

    Attributes:
        mean: by rung, float32 (N, d_l), the mean of q(z_l given x, y) at the most probable clusters y.
        q: by mixture rung, float32 (N, K_l), q(y_l given x).
        y: by mixture rung, int64 (N,), the most probable cluster, counted from 0.
        seen: float32 (N, size), the pretext features of VLAC+; None for the paper's models.
    """

    mean: dict[int, np.ndarray]
    q: dict[int, np.ndarray]
    y: dict[int, np.ndarray]
    seen: np.ndarray | None = None


@torch.no_grad()
def encode_images(model: Ladder, images: np.ndarray, device: torch.device | str = "cpu", batch: int = 500) -> Codes:
    """Return the codes of `images`, uint8 (N, 32, 32, 3), in float32 whatever precision the model was trained in."""
    model = model.to(device).eval()
    mean: dict[int, list[torch.Tensor]] = {rung: [] for rung in model.rungs}
    q: dict[int, list[torch.Tensor]] = {rung: [] for rung in model.mixture_rungs}
    y: dict[int, list[torch.Tensor]] = {rung: [] for rung in model.mixture_rungs}
    seen: list[torch.Tensor] = []
    for start in range(0, len(images), batch):
        x = to_input(torch.from_numpy(images[start : start + batch]).to(device))
        if model.pretext is not None:
            seen.append(model.pretext.features(x))
        for rung, posterior in model.encode(x, seen=seen[-1] if seen else None).items():
            mean[rung].append(posterior.mean)
            if posterior.q is not None and posterior.y is not None:
                q[rung].append(posterior.q)
                y[rung].append(posterior.y.argmax(-1))
    return Codes(_joined(mean), _joined(q), _joined(y), torch.cat(seen).cpu().numpy() if seen else None)


def _joined(parts: dict[int, list[torch.Tensor]]) -> dict[int, np.ndarray]:
    return {rung: torch.cat(batches).cpu().numpy() for rung, batches in parts.items()}
