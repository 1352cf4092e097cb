"""Weights on disk: one file for the models of a seed group."""

import io
import pickle
from pathlib import Path
from typing import Any

import torch

from vlac.errors import VlacError
from vlac.files import write_bytes
from vlac.models.ladder import Ladder
from vlac.models.spec import Spec


def save_models(path: Path, spec: Spec, weights: dict[int, dict[str, Any]]) -> None:
    """Write the weights of each seed, with the spec that they fill, atomically and with reproducible bytes."""
    buffer = io.BytesIO()
    # Saved through a file object: a path would put its own name into the archive, and so into the bytes.
    torch.save({"spec": spec.to_dict(), "weights": weights}, buffer)
    write_bytes(path, buffer.getvalue())


def load_models(path: Path) -> dict[int, Ladder]:
    """Return the models of a file by seed, on the CPU, in evaluation mode.

    Raises:
        VlacError: the file is missing, damaged or of another kind. No code in it is run.
    """
    try:
        content = torch.load(path, map_location="cpu", weights_only=True)
        spec = Spec.from_dict(content["spec"])
        models = {}
        for seed, state in content["weights"].items():
            model = Ladder(spec)
            model.load_state_dict(state)
            models[int(seed)] = model.eval().to(memory_format=torch.channels_last)
        return models
    except FileNotFoundError:
        raise VlacError(f"{path} is missing.", f"Train it first: `snakemake --cores 4 {path}`.") from None
    except (RuntimeError, KeyError, TypeError, ValueError, AttributeError, EOFError, OSError, pickle.UnpicklingError):
        raise VlacError(f"{path} is damaged or is no model of this package.", "Delete it and train again.") from None
