"""Weights on disk: one file for the models of a seed group."""

import io
import zipfile
from pathlib import Path
from typing import Any

import torch

from vlac.errors import VlacError
from vlac.files import write_bytes
from vlac.models.ladder import Ladder
from vlac.models.spec import Spec


def save_models(path: Path, spec: Spec, weights: dict[int, dict[str, Any]]) -> None:
    """Write the weights of each seed, with the spec that they fill, atomically and with reproducible bytes."""
    write_archive(path, {"spec": spec.to_dict(), "weights": weights})


def load_models(path: Path) -> dict[int, Ladder]:
    """Return the models of a file by seed, on the CPU, in evaluation mode.

    Raises:
        VlacError: the file is missing, damaged or of another kind. No code in it is run.
    """
    try:
        content = read_archive(path)
        spec = Spec.from_dict(content["spec"])
        models = {}
        with torch.device("meta"):  # shapes without memory, because a spec may ask for any amount of it
            shapes = {name: weight.shape for name, weight in Ladder(spec).state_dict().items()}
        for seed, state in content["weights"].items():
            if shapes != {name: weight.shape for name, weight in state.items()}:
                raise ValueError("the weights are not those of the spec")
            model = Ladder(spec)
            model.load_state_dict(state)
            models[int(seed)] = model.eval()
        return models
    except FileNotFoundError:
        raise VlacError(f"{path} is missing.", f"Train it first: `snakemake --cores 4 {path}`.") from None
    except Exception:  # a damaged file makes zipfile and torch raise nearly anything
        raise VlacError(f"{path} is damaged or is no model of this package.", "Delete it and train again.") from None


def write_archive(path: Path, content: dict[str, Any]) -> None:
    """Write tensors and plain types with torch.save, atomically; equal content gives equal bytes."""
    buffer = io.BytesIO()
    # Saved through a file object: a path would put its own name into the archive, and so into the bytes.
    torch.save(content, buffer)
    write_bytes(path, buffer.getvalue())


def read_archive(path: Path) -> dict[str, Any]:
    """Return what `write_archive` wrote, tensors on the CPU; no code in the file is run.

    Raises:
        FileNotFoundError: there is no such file.
        Exception: of nearly any kind, if the file is damaged; a single wrong bit in a tensor is noticed.
    """
    with zipfile.ZipFile(path) as archive:
        # torch.load leaves the checksums of the members unread.
        if damaged := archive.testzip():
            raise ValueError(f"{damaged} does not match its checksum")
    content: dict[str, Any] = torch.load(path, map_location="cpu", weights_only=True)
    return content
