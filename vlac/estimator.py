"""VLAC as scikit-learn people know an estimator: `from vlac import VLAC`."""

from __future__ import annotations

import hashlib
import json
import shutil
import tempfile
from operator import index
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from sklearn.base import BaseEstimator, ClusterMixin, TransformerMixin
from sklearn.utils.validation import check_is_fitted

from vlac import __version__
from vlac.errors import VlacError
from vlac.methods import kinds
from vlac.methods import vlac as of_ladder
from vlac.methods.base import Codes, Job
from vlac.models.load import load_method, save_method
from vlac.params.load import validate
from vlac.params.schema import Params
from vlac.training.checkpoint import discard

Images = NDArray[np.uint8] | torch.Tensor

FADE = 15
"""An entering rung and its KL terms grow from 0 over one part in so many of all updates."""

SIDES = 32, 64
"""Height and width that images may have."""

BATCH = 5000
"""Images that are turned into codes at a time, whose results alone are kept."""


WEIGHTS = Path(__file__).parent / "weights"
"""Trained models that come with vlac."""

K = {"vlac": (1, 5, 50, 1), "vlac_plus": (1, 1, 50, 5)}
Z = {"vlac": (2, 2, 22, 2), "vlac_plus": (2, 2, 64, 3)}
"""By method, clusters and sizes of z_l by rung: those of presets/digits.yaml and presets/svhn_small.yaml."""

UNUSED = {
    "experiment": "estimator",
    "data": {
        "source": "digits",
        "path": None,
        "train_split": "train",
        "holdout": 100,
        "digits": {"train": 200, "test": 100, "seed": 0},
    },
    "digit_rung": "auto",
    "probe": {"seeds": [0], "K": 2},
    "seeds": [0],
    "evaluation": {"neighbours": 1, "fit_limit": 1},
}
"""Sections of params.yaml that no method reads, so that the others are checked as there."""


class VLAC(ClusterMixin, TransformerMixin, BaseEstimator):  # type: ignore[misc]
    """A ladder whose rungs each cluster images in their own way.

    The settings are those of presets/digits.yaml, but for `objective.fade`, which grows with the number of updates.

    VLAC+ first learns, in networks of twice the channels, to which cluster of the main rung an image belongs: from
    its form, upright, whatever its colours, as in presets/svhn_small.yaml.

    Args:
        method: "vlac", or "vlac_plus" for VLAC+.
        K: clusters by rung, counted from the pixels; 1 = no mixture. The largest entry is the main rung's. VLAC+ keeps
            little on rung 2: (1, 1, 50, 5) suits it.
        z: size of z_l by rung; None = (2, 2, 22, 2), or of VLAC+ (2, 2, 64, 3).
        epochs, batch, lr, lr_prior: of Adam; lr_prior is that of the mixtures' means and variances. VLAC+'s networks
            before the ladder learn for half and for an eighth of the epochs (of few images a fourth), in batches of
            twice the size.
        scale: standard deviation of p(x given z), pixels in [0, 1].
        enter: epoch after which each rung enters; None = rung 4 first, then 2, 3 and, halfway, 1.
        channels, hidden: feature maps of the trunk's three steps, and the width of rung 4.
        device: "auto", "cpu" or "cuda".
        threads: of the CPU.
        random_state: the seed.

    Attributes:
        labels_: int64 (N,), clusters of the main rung of the images that `fit` has seen.
        main_rung_: the rung of the largest K.
        history_: a dict of metrics for each epoch, in nats per image.
    """

    def __init__(
        self,
        K: tuple[int, ...] = K["vlac"],
        z: tuple[int, ...] | None = None,
        epochs: int = 12,
        batch: int = 64,
        lr: float = 1.5e-3,
        lr_prior: float = 6e-3,
        scale: float = 0.2,
        enter: tuple[int, ...] | None = None,
        channels: tuple[int, ...] = (16, 32, 64),
        hidden: int = 128,
        device: str = "auto",
        threads: int = 1,
        random_state: int = 0,
        method: str = "vlac",
    ) -> None:
        self.K, self.z, self.epochs, self.batch, self.lr, self.lr_prior = K, z, epochs, batch, lr, lr_prior
        self.scale, self.enter, self.channels, self.hidden = scale, enter, channels, hidden
        self.device, self.threads, self.random_state, self.method = device, threads, random_state, method

    def fit(self, images: Images, y: object = None, checkpoint: str | Path | None = None) -> VLAC:
        """Train on images, uint8 (N, 32, 32, 3) or (N, 64, 64, 3), numpy or torch; `y` is ignored.

        Args:
            images: what is clustered.
            checkpoint: a file that an interrupted call with the same images and settings resumes from. At the end it
                is deleted, and so is the folder beside it, of VLAC+'s networks before the ladder.

        Raises:
            ValueError: the images are of another shape or type.
            VlacError: a setting is out of range, or the training diverged.
        """
        seen = as_images(images, *SIDES)
        if self.random_state is None or not 0 <= self.random_state < 2**32:
            raise VlacError(f"random_state is {self.random_state}.", "Give a number from 0 to 2^32 - 1.")
        if self.method not in Z:
            raise VlacError(f"method is {self.method!r}.", f"Give one of {', '.join(Z)}.")
        params = self._params(len(seen))
        method: Any = kinds()[self.method](params.models["vlac"], params)
        with tempfile.TemporaryDirectory() as folder:
            kept = Path(checkpoint or Path(folder, "checkpoint.pt"))
            shared = kept.with_name(f"{kept.name}.shared")
            job = Job(method.label().partition(",")[0], kept, self._identity(seen), shared=shared)
            self.history_: list[dict[str, float]] = method.fit(seen, index(self.random_state), job)
            self.method_ = method
            self.main_rung_: int = method.main_rung
            self.labels_: NDArray[np.int64] = self.predict(seen)
            discard(kept)
            if self.method == "vlac_plus":
                shutil.rmtree(job.shared)
        return self

    def predict(self, images: Images, rung: int | None = None) -> NDArray[np.int64]:
        """Return the cluster of each image, int64 (N,), on a rung that has a mixture; None = the main one."""
        return np.concatenate([codes.y[self._mixture(rung)] for codes in self._codes(images)])

    def predict_proba(self, images: Images, rung: int | None = None) -> NDArray[np.float32]:
        """Return q(y_l given x), float32 (N, K_l), on a rung that has a mixture; None = the main one."""
        return np.concatenate([codes.q[self._mixture(rung)] for codes in self._codes(images)])

    def transform(self, images: Images, rung: int | None = None) -> NDArray[np.float32]:
        """Return the means of z_l, float32 (N, d_l), of one rung, or of all side by side."""
        parts = list(self._codes(images))
        rungs = [rung] if rung is not None else sorted(parts[0].mean)
        if unknown := set(rungs) - parts[0].mean.keys():
            raise ValueError(f"There is no rung {unknown.pop()}; the rungs are 1 to {len(parts[0].mean)}.")
        return np.concatenate([np.concatenate([codes.mean[each] for each in rungs], 1) for codes in parts])

    def sample(
        self, n: int = 1, rung: int | None = None, component: int | None = None, random_state: int = 0
    ) -> NDArray[np.uint8]:
        """Return images that the model draws, uint8 (n, H, H, 3).

        Args:
            n: how many.
            rung, component: a cluster, counted from 0, whose z_l is drawn, on the main rung if `rung` is None; without
                a component all are drawn from their mixtures.
            random_state: the seed.
        """
        check_is_fitted(self, "method_")
        chosen = self._mixture(rung)
        K = self.method_.K[chosen]
        if component is not None and not 0 <= component < K:
            raise ValueError(f"There is no component {component}; rung {chosen} has 0 to {K - 1}.")
        drawn: NDArray[np.uint8] = self.method_.draw_images(n, chosen, component, random_state)
        return drawn

    def save(self, path: str | Path) -> None:
        """Write the trained model, as the pipeline's model.pt."""
        check_is_fitted(self, "method_")
        save_method(Path(path), self.method_)

    @classmethod
    def load(cls, path: str | Path, device: str = "auto", threads: int = 1) -> VLAC:
        """Return the model of a file by `save`, or of a VLAC's model.pt, ready to predict; it has no labels_.

        Args:
            path: the file, or the name of weights that come with vlac: "digits", "svhn" or "svhn_plus".
            device, threads: where it predicts.

        Raises:
            VlacError: the file is missing, damaged or of another kind.
        """
        new = cls(device=device, threads=threads)
        path = file_of(path)
        method = load_method(path, new._params())
        if not isinstance(method, of_ladder.Method):
            raise VlacError(f"{path} is no VLAC, but a {method.settings.kind}.", "Load it with vlac.models.load.")
        spec = method.model.spec
        new.set_params(
            method=method.settings.kind,
            K=tuple(spec.K[rung] for rung in sorted(spec.K)),
            z=tuple(spec.z[rung] for rung in sorted(spec.z)),
            scale=spec.scale,
            channels=tuple(spec.channels),
            hidden=spec.hidden,
        )
        new.method_, new.main_rung_ = method, method.main_rung
        return new

    def _params(self, images: int = 0) -> Params:
        """Return the settings, for so many images, as a params.yaml that holds nothing but this model."""
        fade = max(1, round(images // max(self.batch, 1) * self.epochs / FADE))
        enter = self.enter
        if enter is None:
            enter = (self.epochs // 2, *(min(after, max(self.epochs - 1, 0)) for after in (1, 2)), 0)
        z = list(Z[self.method] if self.z is None else self.z)
        network = {"form": "strided", "channels": list(self.channels), "hidden": self.hidden, "z": z}
        objective: dict[str, Any] = {"kl_z": "enumerated", "kl_z_weight": [1.0] * 4, "kl_y_weight": 1.0}
        objective |= {"temperature_start": 1.0, "temperature_end": 0.5, "temperature_until": 0.5}
        training: dict[str, Any] = {"precision": "auto", "device": self.device, "threads": self.threads}
        training |= {"epochs": self.epochs, "batch": self.batch, "lr": self.lr, "lr_prior": self.lr_prior}
        start = ["kmeans", "kmeans", "directions", "kmeans"]
        plus = {"z": z} | self._guide(images) if self.method == "vlac_plus" else {}
        content = UNUSED | {
            "network": network | {"y_above": [1, 2]},
            "likelihood": {"form": "gaussian", "scale": self.scale},
            "mixture": {"q_y": "responsibilities", "covariance": "full", "start": start},
            "objective": objective | {"enter": list(enter), "fade": fade},
            "training": training,
            "models": {"vlac": {"kind": self.method, "K": list(self.K)} | plus},
        }
        # Numpy's numbers and arrays, as a grid of settings holds them, become plain ones.
        plain = json.loads(json.dumps(content, default=lambda value: getattr(value, "tolist", value.__repr__)()))
        return validate(Params, plain, "VLAC")

    def _identity(self, images: NDArray[np.uint8]) -> dict[str, str]:
        """Return what a checkpoint of a training on these images has to be of."""
        seen = hashlib.sha256(images.tobytes()).hexdigest()
        return {"images": seen, "settings": repr(self.get_params()), "vlac": __version__}

    def _guide(self, images: int) -> dict[str, Any]:
        """Return the settings of VLAC+'s networks before the ladder: those of presets/svhn_small.yaml at its size."""
        clusters, batch, hidden = max(self.K), min(max(2 * self.batch, 8), max(images, 8)), 2 * self.hidden
        pretext = {"channels": [2 * maps for maps in self.channels], "hidden": hidden, "shift": 2.0, "polarity": True}
        pretext |= {"epochs": max(self.epochs // 2, 1), "batch": batch, "lr": 1e-3}
        # Clusters of neighbours get as many updates of 1,000 as there, if that is not more than 150 epochs.
        pretext["cluster_epochs"] = min(max(20, 1_500_000 // max(images, 1)), 150)
        # Of a cluster of average size, half at most are taken for neighbours.
        few = {"size": min(64, images // 2), "neighbours": min(15, images // (2 * clusters))}
        # A student of too few updates has one cluster for all: up to 300 where they are few.
        lessons = max(self.epochs // 8, min(self.epochs // 4, -(-300 * batch // max(images, 1))), 1)
        students = {"clusters": clusters, "rounds": 3, "epochs": lessons, "batch": batch, "lr": 2e-3}
        pretext |= {name: max(value, 1) for name, value in few.items()}
        # Few images leave students unsure, so that neighbours hardly agree: then all of them are learnt.
        return {"pretext": pretext, "students": students | {"agreement": 0.4 if images >= 20_000 else 0.0}}

    def _codes(self, images: Images) -> Any:
        check_is_fitted(self, "method_")
        seen = as_images(images, self.method_.model.spec.side)
        for start in range(0, len(seen), BATCH):
            codes: Codes = self.method_.encode(seen[start : start + BATCH])
            yield codes

    def _mixture(self, rung: int | None) -> int:
        check_is_fitted(self, "method_")
        K: dict[int, int] = self.method_.K
        if rung is not None and rung not in K:
            raise ValueError(f"Rung {rung} has no mixture; those that have: {', '.join(map(str, sorted(K)))}.")
        return self.main_rung_ if rung is None else rung


def file_of(model: str | Path) -> Path:
    """Return the file of a model, or of weights that come with vlac by their name; raise VlacError if there is none."""
    shipped = WEIGHTS / f"{model}.pt"
    path = shipped if shipped.parent == WEIGHTS and shipped.exists() and not Path(model).is_file() else Path(model)
    if not path.is_file():
        raise VlacError(f"{path} is no file.", "Name a model.pt of `vlac cluster`, or digits, svhn or svhn_plus.")
    return path


def as_images(images: Images, *sides: int) -> NDArray[np.uint8]:
    """Return images as uint8 (N, H, H, 3), H one of `sides`; raise ValueError if they are none of that kind."""
    array = images.numpy(force=True) if isinstance(images, torch.Tensor) else np.asarray(images)
    shapes = [(side, side, 3) for side in sides]
    if array.dtype != np.uint8 or array.ndim != 4 or array.shape[1:] not in shapes or not len(array):
        wanted = " or ".join(f"(N, {side}, {side}, 3)" for side in sides)
        raise ValueError(f"Images must be uint8 {wanted}; these are {array.dtype} {array.shape}.")
    return array
