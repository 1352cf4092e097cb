"""Trained methods on disk, with their settings."""

from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from vlac.archive import read_archive, write_archive
from vlac.errors import VlacError
from vlac.methods import kinds
from vlac.methods.base import Method

LARGE = 20_000
"""Numbers of a weight from which `compact` rounds it to int8."""


def save_method(path: Path, method: Method) -> None:
    """Write a trained method with its settings, atomically; equal states give equal bytes."""
    settings = method.settings.model_dump(mode="json")
    write_archive(path, {"kind": settings["kind"], "settings": settings, "state": method.state()})


def load_method(path: Path, params: Any) -> Method:
    """Return the method of a file; `params` are those that its functions read later.

    Raises:
        VlacError: the file is missing, damaged or of another kind.
    """
    try:
        content = read_archive(path)
        Kind = kinds()[content["kind"]]
        method = Kind(Kind.Settings.model_validate(content["settings"]), params)
        state = content["state"]
        if "weights" in state:
            state["weights"] = {name: _whole(weight) for name, weight in state["weights"].items()}
        method.load_state(state)
        return method
    except FileNotFoundError:
        raise VlacError(f"{path} is missing.", f"Train it first: `snakemake --cores 4 {path}`.") from None
    except Exception:  # a damaged file makes zipfile and torch raise nearly anything
        raise VlacError(f"{path} is damaged or is no model of this package.", "Delete it and train again.") from None


def compact(weight: Tensor) -> Tensor | tuple[Tensor, Tensor]:
    """Return a weight in float16; a large one as int8, each row with a scale of its own, float16."""
    if not weight.is_floating_point():
        return weight
    if weight.dim() < 2 or weight.numel() < LARGE:
        return weight.half()
    scale = weight.abs().amax(tuple(range(1, weight.dim())), keepdim=True).clamp_min(1e-4).div(127).half()
    return weight.div(scale).round().clamp(-127, 127).to(torch.int8), scale


def _whole(weight: Tensor | tuple[Tensor, Tensor]) -> Tensor:
    """Return the weight of which `compact` made something smaller; a float in float32."""
    if isinstance(weight, Tensor):
        return weight.float() if weight.is_floating_point() else weight
    return weight[0].float() * weight[1].float()
