"""`vlac cluster --K auto`: as many clusters on each rung as the pictures' codes support."""

import hashlib
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
    vlae = method(method.Settings(kind="vlae"), clone(model).set_params(epochs=epochs)._params(len(images)))
    identity = {"images": hashlib.sha256(images.tobytes()).hexdigest(), "settings": repr((model.get_params(), epochs))}
    vlae.fit(images, model.random_state, Job("codes", checkpoint, identity))
    chosen = np.random.default_rng(model.random_state).permutation(len(images))[:CODES]
    found = {rung: _best(z, model.random_state) for rung, z in vlae.encode(images[chosen]).mean.items()}
    K = {rung: clusters for rung, (clusters, _) in found.items()}
    if max(K.values()) == 1:
        raise VlacError("The pictures' codes support no clusters.", "Set their number by --K.")
    for rung, (clusters, gain) in found.items():
        log.info("Rung %d: %d clusters; unseen codes are %.2f nats likelier than under one.", rung, clusters, gain)
    main = max((rung for rung in K if K[rung] == max(K.values())), key=lambda rung: found[rung][1])
    for rung in K.keys() - {main}:  # the largest K marks the main rung, and has to be unique
        K[rung] = min(K[rung], CHOICES[CHOICES.index(K[main]) - 1])
    log.info("K = (%s); one rung alone has the most.", ", ".join(str(K[rung]) for rung in sorted(K)))
    return tuple(K[rung] for rung in sorted(K))


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
