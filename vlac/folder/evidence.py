"""`vlac cluster --auto-K`: as many clusters on each rung as the pictures' codes support."""

import logging
import warnings
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from sklearn.base import clone
from sklearn.exceptions import ConvergenceWarning
from sklearn.mixture import GaussianMixture

from vlac.errors import VlacError
from vlac.estimator import VLAC
from vlac.evaluation.codes import common_scale, varies
from vlac.methods import kinds
from vlac.methods.base import Job

log = logging.getLogger(__name__)

CHOICES = (1, 2, 3, 5, 7, 10, 15, 20, 30, 50)

WORSE = 2
"""So many choices one after the other that are worse than the best end the search: more clusters are worse, too."""

CODES = 10_000
"""Most pictures whose codes are used."""

LEAST = 20
"""Codes for each cluster, at least."""

FEWEST = 4 * LEAST
"""Pictures, half of which are enough for two clusters."""


def supported(model: VLAC, images: NDArray[np.uint8], epochs: int, checkpoint: Path) -> tuple[int, ...]:
    """Return K by rung: the number of Gaussians under which codes that they have not seen are most probable.

    The codes are those of a VLAE, the ladder without clusters, trained for so many epochs with the model's settings;
    mixtures learn from one half of them and are judged by the log-likelihood of the other.

    Args:
        model: not trained yet; its K is not read.
        images: uint8 (N, H, H, 3).
        epochs: of the VLAE.
        checkpoint: a file that an interrupted call resumes from; whoever calls deletes it.

    Raises:
        VlacError: no rung's codes are more probable under two or more Gaussians than under one.
    """
    method: Any = kinds()["vlae"]
    short = clone(model).set_params(epochs=epochs)
    vlae = method(method.Settings(kind="vlae"), short._params(len(images)))
    vlae.fit(images, model.random_state, Job("codes", checkpoint, short._identity(images)))
    chosen = np.random.default_rng(model.random_state).permutation(len(images))[:CODES]
    found = {rung: _best(z, model.random_state) for rung, z in vlae.encode(images[chosen]).mean.items()}
    for rung, (clusters, gain) in found.items():
        log.info("Rung %d: %d clusters; unseen codes are %.2f nats likelier than under one.", rung, clusters, gain)
    return _with_one_largest(found)


def _with_one_largest(found: dict[int, tuple[int, float]]) -> tuple[int, ...]:
    """Return K by rung, from K and gain of each: of rungs that have the most, those that gain less get the next choice.

    The largest K marks the main rung, and so has to be unique.
    """
    most = max(clusters for clusters, _ in found.values())
    if most == 1:
        raise VlacError("The pictures' codes support no clusters.", "Set their number by --K.")
    main = max((rung for rung in found if found[rung][0] == most), key=lambda rung: found[rung][1])
    K = {rung: clusters for rung, (clusters, _) in sorted(found.items())}
    for rung in [rung for rung in K if K[rung] == most and rung != main]:
        K[rung] = CHOICES[CHOICES.index(most) - 1]
        log.info("Rung %d gets %d: one rung alone has the most.", rung, K[rung])
    return tuple(K.values())


def _best(z: NDArray[np.float32], seed: int) -> tuple[int, float]:
    """Return the K of greatest held-out log-likelihood of codes, (N, d), and its gain over one Gaussian, in nats."""
    if not varies(z):
        return 1, 0.0
    half = len(z) // 2
    fit, unseen = common_scale(z[:half], z[half:])
    scores: dict[int, float] = {}
    for K in (K for K in CHOICES if K == 1 or half >= LEAST * K):
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", ConvergenceWarning)  # one that still creeps is judged as it is
            scores[K] = GaussianMixture(K, reg_covar=1e-3, random_state=seed).fit(fit).score(unseen)
        if all(score < max(scores.values()) for score in list(scores.values())[-WORSE:]):
            break
    best = max(scores, key=lambda K: scores[K])
    return best, scores[best] - scores[1]
