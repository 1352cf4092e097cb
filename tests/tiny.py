"""Ladders, images and trainings small enough to enumerate, integrate and finish within a test."""

from pathlib import Path
from typing import Any

import numpy as np
import torch
import yaml

from vlac.data.split import from_labels
from vlac.files import write_json, write_text
from vlac.models.ladder import Ladder, to_input
from vlac.models.objective import bound
from vlac.models.spec import Spec
from vlac.params import load_params
from vlac.params.schema import Objective, Training
from vlac.training import Trainer

PLAIN = {1: 1, 2: 1, 3: 1, 4: 1}
MIXED = {1: 1, 2: 2, 3: 3, 4: 1}

IDENTITY = {"parameters": "p", "code": "c", "inputs": "i"}
OBJECTIVE = Objective(
    kl_z="sampled",
    kl_z_weight=[1.0, 1.0, 1.0, 1.0],
    kl_y_weight=1.0,
    kl_z_warmup=0.5,
    kl_y_warmup=0.5,
    temperature_start=1.0,
    temperature_end=0.5,
    temperature_until=1.0,
)
TRAINING = Training(epochs=3, batch=16, lr=2e-3, lr_prior=2e-2, precision="float32", device="cpu", threads=1, at_once=1)
STEPS = 2  # per epoch, of 40 images: 8 are left out


def tiny_spec(K: dict[int, int] = MIXED, z: int = 2, likelihood: str = "gaussian", scale: float = 1.0) -> Spec:
    """Return a spec with two or three feature maps per rung and z of the same size everywhere."""
    return Spec(dict(K), dict.fromkeys(K, z), (2, 3, 2), 4, likelihood, scale)


def tiny_images(count: int, seed: int = 0) -> np.ndarray:
    """Return uint8 (count, 32, 32, 3): 8 x 8 blocks of random colour under pixel noise."""
    generator = np.random.default_rng(seed)
    blocks = generator.integers(40, 216, size=(count, 4, 4, 3)).repeat(8, 1).repeat(8, 2)
    return (blocks + generator.integers(-40, 40, size=blocks.shape)).astype(np.uint8)


def tiny_input(count: int, seed: int = 0) -> torch.Tensor:
    """Return the same images as the networks take them."""
    return to_input(torch.from_numpy(tiny_images(count, seed)))


def lively_ladder(spec: Spec, seed: int = 0) -> Ladder:
    """Return a ladder in evaluation mode that is untrained, but in which every x, y and z makes a difference."""
    torch.manual_seed(seed)
    model = Ladder(spec)
    with torch.no_grad():
        for rung in spec.mixture_rungs:
            model.heads[str(rung)].by_cluster.normal_()
            model.heads[str(rung)].cluster.weight.mul_(3)
            model.prior(rung).raw_std.uniform_(-0.5, 1)
            if str(rung) in model.side:
                model.side[str(rung)].weight.normal_()
        for parameter in model.climbs.parameters():
            if parameter.ndim > 1:
                parameter.mul_(2)
        norms = [module for module in model.modules() if hasattr(module, "running_var")]
        for norm in norms:
            norm.momentum = 1.0  # one pass makes the statistics of these images the running ones
        bound(model, tiny_input(32), 0.5, "sampled")
        for norm in norms:
            norm.momentum = 0.1
    return model.eval()


def tiny_trainer(
    path: Path,
    seed: int = 0,
    spec: Spec | None = None,
    count: int = 40,
    identity: dict[str, str] = IDENTITY,
    **training: Any,
) -> Trainer:
    """Return a trainer with its checkpoint at `path`; keywords change single training parameters."""
    settings = TRAINING.model_copy(update=training)
    images = torch.from_numpy(tiny_images(count))
    return Trainer(spec or tiny_spec(MIXED), images, settings, OBJECTIVE, seed, path, identity)


def tiny_project(folder: Path, epochs: int = 3) -> Path:
    """Give a folder tiny parameters, the same 40 images and a settled rung: enough for the stage train; return it."""
    values = load_params(Path(__file__).parents[1] / "params.yaml").model_dump(mode="json")
    values["network"] = {"channels": [2, 3, 2], "hidden": 4, "z": [2, 2, 2, 2]}
    values["training"] |= {"epochs": epochs, "batch": 16, "threads": 1, "device": "cpu", "precision": "float32"}
    values["models"] = {"vlac": {"kind": "vlac", "K": [1, 2, 3, 1]}, "gmdgm": {"kind": "gmdgm", "K": 3, "z": 4}}
    values |= {"seeds": ["0-1", 2], "digit_rung": "auto"}
    write_text(folder / "params.yaml", yaml.safe_dump(values))
    from_labels(tiny_images(40), np.arange(40, dtype=np.uint8) % 10).save(folder / "data/train.npz")
    write_json(folder / "results/rung/rung.json", {"rung": 3})
    return folder
