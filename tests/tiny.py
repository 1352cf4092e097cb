"""Ladders and images small enough to enumerate, integrate and train within a test."""

import numpy as np
import torch

from vlac.models.ladder import Ladder, to_input
from vlac.models.objective import bound
from vlac.models.spec import Spec

PLAIN = {1: 1, 2: 1, 3: 1, 4: 1}
MIXED = {1: 1, 2: 2, 3: 3, 4: 1}


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
