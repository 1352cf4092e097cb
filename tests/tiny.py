"""Ladders, images, methods and trainings small enough to enumerate, integrate and finish within a test."""

from pathlib import Path
from typing import Any

import numpy as np
import torch
import yaml

from vlac.data.split import from_labels
from vlac.files import write_json, write_text
from vlac.methods import kinds
from vlac.methods.base import Job, Method
from vlac.models.ladder import Ladder, Spec, to_input
from vlac.models.objective import Bound, bound
from vlac.params.load import load_params
from vlac.params.schema import Params
from vlac.params.section import restrict

ROOT = Path(__file__).parents[1]

PLAIN = {1: 1, 2: 1, 3: 1, 4: 1}
MIXED = {1: 1, 2: 2, 3: 3, 4: 1}

IDENTITY = {"parameters": "p", "code": "c", "inputs": "i"}
STEPS = 2  # per epoch, of 40 images in batches of 16: 8 are left out

PRETEXT = {"channels": [4, 4, 4], "hidden": 8, "epochs": 3, "batch": 16, "lr": 1e-3, "shift": 2.0, "polarity": True}
PRETEXT |= {"size": 5, "neighbours": 3, "cluster_epochs": 2}
STUDENTS = {"clusters": 3, "rounds": 2, "epochs": 2, "batch": 16, "lr": 2e-3, "agreement": 0.0}

SETTINGS: dict[str, dict[str, Any]] = {
    "vlac": {"K": [1, 2, 3, 1]},
    "gmdgm": {"K": 3, "z": 2},
    "mfcvae": {"K": [3, 2], "z": [3, 2]},
    "vlae": {},
    "kmeans": {"K": 3, "features": "pixels"},
    "imsat": {"K": 3, "features": "pixels", "hidden": 6, "epochs": 3, "batch": 16, "lr": 2e-3},
    "gmm": {"K": 3, "features": "gist", "size": 4},
    "vae_gmm": {"K": 3, "z": 4},
    "dec": {"K": 3, "features": "pixels", "hidden": [6, 7], "size": 2, "pretrain_epochs": 2, "pretrain_lr": 2e-3}
    | {"epochs": 3, "batch": 16, "lr": 0.01},
    "acol_gar": {"K": 3, "channels": [2, 3], "hidden": 5, "duplicates": 2, "epochs": 3, "batch": 16, "lr": 2e-3},
    "vlac_plus": {"K": [1, 2, 3, 1], "z": [3, 2, 4, 2], "pretext": PRETEXT, "students": STUDENTS},
}
"""Small settings of every kind."""


def tiny_values(**training: Any) -> dict[str, Any]:
    """Return the content of a params.yaml with tiny networks; keywords change single training parameters."""
    values = load_params(ROOT / "presets/tiny.yaml").model_dump(mode="json")
    values["network"] = {"form": "vlae", "channels": [2, 3, 2], "hidden": 4, "z": [2, 2, 2, 2], "y_above": [1, 2, 3]}
    values["likelihood"] = {"form": "gaussian", "scale": 1.0}
    values["mixture"] = {"q_y": "head", "covariance": "diagonal", "start": ["random"] * 4}
    values["objective"] |= {"enter": [0, 0, 0, 0], "kl_z": "sampled", "fade": 3, "temperature_until": 1.0}
    values["training"] |= {"epochs": 3, "batch": 16, "lr": 2e-3, "lr_prior": 2e-2, "threads": 1}
    values["training"] |= {"device": "cpu", "precision": "float32"} | training
    values["models"] = {kind: {"kind": kind} | own for kind, own in SETTINGS.items() if kind != "vlae"}
    return values


def tiny_params(scale: float = 1.0, **training: Any) -> Params:
    """Return `tiny_values` validated, with the given scale of the likelihood."""
    return Params.model_validate(tiny_values(**training) | {"likelihood": {"form": "gaussian", "scale": scale}})


def tiny_method(kind: str = "vlac", params: Params | None = None, **settings: Any) -> Method:
    """Return an untrained method of small settings, of which keywords change single ones, around rung 3."""
    method = kinds()[kind]
    given = restrict(params or tiny_params(), list(method.sections))  # as a stage gives them
    return method(method.Settings(kind=kind, **(SETTINGS[kind] | settings)), given, 3)


def tiny_job(path: Path, identity: dict[str, str] = IDENTITY, **told: Any) -> Job:
    """Return what a training is given beside images and seed, with its checkpoint at `path`."""
    return Job("tiny", path, identity, **told)


def tiny_spec(K: dict[int, int] = MIXED, z: int = 2, scale: float = 1.0, **other: Any) -> Spec:
    """Return a spec with two or three feature maps per rung and z of the same size everywhere."""
    plain = {"likelihood": "gaussian", "form": "vlae", "covariance": "diagonal", "q_y": "head", "y_above": (1, 2, 3)}
    return Spec(dict(K), dict.fromkeys(K, z), (2, 3, 2), 4, scale=scale, **(plain | other))


def tiny_images(count: int, seed: int = 0) -> np.ndarray:
    """Return uint8 (count, 32, 32, 3): 8 x 8 blocks of random colour under pixel noise."""
    generator = np.random.default_rng(seed)
    blocks = generator.integers(40, 216, size=(count, 4, 4, 3)).repeat(8, 1).repeat(8, 2)
    return (blocks + generator.integers(-40, 40, size=blocks.shape)).astype(np.uint8)


def tiny_input(count: int, seed: int = 0) -> torch.Tensor:
    """Return the same images as the networks take them."""
    return to_input(torch.from_numpy(tiny_images(count, seed)))


def bound_of(
    model: Ladder, x: torch.Tensor, temperature: float | None, kl_z: str, generator: torch.Generator | None = None
) -> Bound:
    """Return the bound at the model's own posteriors."""
    return bound(model, x, model.encode(x, temperature, generator), kl_z)


def lively_ladder(spec: Spec, seed: int = 0) -> Ladder:
    """Return a ladder in evaluation mode that is untrained, but in which every x, y and z makes a difference."""
    torch.manual_seed(seed)
    model = Ladder(spec)
    with torch.no_grad():
        for rung in spec.mixture_rungs:
            for parameter in (model.head(rung).by_cluster, getattr(model.prior(rung), "raw_lower", None)):
                if parameter is not None:
                    parameter.normal_()
            if model.head(rung).cluster is not None:
                model.head(rung).cluster.weight.mul_(3)
            model.prior(rung).raw_scale.uniform_(-0.5, 1)
            if str(rung) in model.side:
                model.side[str(rung)].weight.normal_()
        for parameter in model.climbs.parameters():
            if parameter.ndim > 1:
                parameter.mul_(2)
        norms = [module for module in model.modules() if hasattr(module, "running_var")]
        for norm in norms:
            norm.momentum = 1.0  # one pass makes the statistics of these images the running ones
        bound_of(model, tiny_input(32), 0.5, "sampled")
        for norm in norms:
            norm.momentum = 0.1
    return model.eval()


def tiny_project(folder: Path, epochs: int = 3) -> Path:
    """Give a folder tiny parameters, 40 images and a settled rung: enough for the stage train; return it."""
    values = tiny_values(epochs=epochs) | {"seeds": [0, 1], "digit_rung": "auto"}
    write_text(folder / "params.yaml", yaml.safe_dump(values))
    from_labels(tiny_images(40), np.arange(40, dtype=np.uint8) % 10).save(folder / "data/tiny/train.npz")
    write_json(folder / "results/tiny/rung/auto.json", {"rung": 3})
    return folder
