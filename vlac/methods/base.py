"""The contract of a method: what a row of the table is, and all that the pipeline asks of it.

A method learns clusters from images, never from labels. It lives in `vlac/methods/<kind>.py` (or a package of that
name), where a class `Method` subclasses `Method` here; `kind: <kind>` in params.yaml finds it. Nothing else has to be
edited: docs/extending.md has a worked example.

Loading params.yaml imports every method, so imports that cost seconds (torch, scikit-learn) stand inside the functions
that need them.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar

from vlac.params.section import Section

if TYPE_CHECKING:
    import numpy as np

AFTER_TRAINING = ("clusterings", "samples", "label", "sees", "protocol", "draw")
"""Functions of a method that no training depends on: an edit of theirs reruns scores, figures or the table alone."""


class Settings(Section):
    """The keys of one model in params.yaml; a method adds its own, and narrows `kind` to its name."""

    kind: str


@dataclass(frozen=True)
class Codes:
    """What a trained method says of N images, by rung; a method without rungs has rung 1 alone."""

    y: dict[int, np.ndarray]  # int64 (N,), the cluster of each image, counted from 0
    q: dict[int, np.ndarray] = field(default_factory=dict)  # float32 (N, K), q(y given x), if there are probabilities
    mean: dict[int, np.ndarray] = field(
        default_factory=dict
    )  # float32 (N, d), posterior means of z, if there are codes


Row = dict[str, float]
"""One epoch of a training: `epoch` counted from 1, then its metrics by name."""


@dataclass(frozen=True)
class Job:
    """What the pipeline gives a training beside images and seed."""

    name: str  # the model's name in params.yaml, for log lines
    checkpoint: Path  # of the unfinished training; whoever started it deletes the file after the result is saved
    identity: dict[str, str]  # hashes of parameters, code and data; a checkpoint of another identity is set aside
    resumed: Callable[[list[Row]], None] = lambda rows: None  # told once, before all, the rows that a checkpoint holds
    epoch: Callable[[Row], None] = lambda row: None  # told of every epoch that is done
    shared: Path = Path("checkpoints")  # of what several trainings have in common; nothing in it is deleted


class Method(ABC):
    """A way of clustering images, with the settings of one model of params.yaml.

    Args:
        settings: of the class's own `Settings`.
        params: params.yaml; the keys in `sections` alone can be read.
        rung: the rung of the largest mixture, for a method that `needs_rung`; others do not read it.
    """

    Settings: ClassVar[type[Settings]] = Settings

    sections: ClassVar[tuple[str, ...]] = ()
    """Keys of params.yaml that the training reads beside the model's own: a change of any other retrains nothing.

    `fit` and `protocol` may read all of them. Of them, `encode` and `clusterings` may read `training.threads` and
    `training.device`, `draw` the threads alone, and `label` and `K` none: they know the settings and `rung`.
    """

    needs_rung: ClassVar[bool] = False
    """Whether the method is built around the rung that carries the digit (`digit_rung`)."""

    in_table: ClassVar[bool] = True
    """Whether it has clusters of its own, and so a row; the probe's VLAE has none."""

    def __init__(self, settings: Any, params: Any, rung: int = 0) -> None:
        self.settings, self.params, self.rung = settings, params, rung

    @classmethod
    def rung_of(cls, settings: Any) -> int:
        """Return the rung on which the settings themselves put the largest mixture, or 0 if they name none."""
        return 0

    @abstractmethod
    def fit(self, images: np.ndarray, seed: int, job: Job) -> list[Row]:
        """Learn from images, uint8 (N, H, H, 3), and return the rows of all epochs; [] for a method without epochs.

        Equal arguments give equal results, whether or not the training was interrupted in between.
        """

    @abstractmethod
    def encode(self, images: np.ndarray) -> Codes:
        """Return clusters, and what else there is, of any images, uint8 (N, H, H, 3)."""

    @abstractmethod
    def state(self) -> dict[str, Any]:
        """Return what was learnt as tensors and plain types: the content of model.pt beside kind and settings."""

    @abstractmethod
    def load_state(self, state: dict[str, Any]) -> None:
        """Take over what `state` returned. Raises anything where it is damaged."""

    @property
    @abstractmethod
    def K(self) -> dict[int, int]:
        """Clusters of every rung that has a mixture, by rung; known before `fit`."""

    @property
    def main_rung(self) -> int:
        """The rung whose clusters are scored: the one of most clusters."""
        return max(self.K, key=lambda rung: self.K[rung])

    # What follows describes a trained method; AFTER_TRAINING names it.

    def clusterings(
        self, images: tuple[np.ndarray, np.ndarray], codes: tuple[Codes, Codes], seed: int, fit_limit: int
    ) -> dict[str, tuple[Any, Any]]:
        """Return further clusterings to be scored beside the method's own, as clusters (N,) of train and test images.

        Both, and what `encode` says of them, are given in this order.
        Each becomes a row of its own, under the name that is its key, such as "k-means of pretext features". MLflow
        takes letters, digits, spaces and `_-.` in it.
        """
        return {}

    def samples(self, count: int, seed: int) -> np.ndarray | None:
        """Return what it draws of each cluster of the main rung, uint8 (K, count, H, H, 3); None if it draws none."""
        return None

    @abstractmethod
    def label(self) -> str:
        """Return what the row of the table is called, K included; asked of methods that are not trained, too."""

    @property
    def sees(self) -> str:
        """What it clusters, for the table: pixels, or features of them by their name."""
        return "pixels"

    @abstractmethod
    def protocol(self) -> list[str]:
        """Return sentences on how the method learns, for the table's notes; equal ones appear once.

        As the label, of a method that need not be trained.
        """

    def draw(self, images: np.ndarray, rows: list[Row], seed: int, folder: Path) -> None:
        """Draw the trained method's figures into `folder` as PNG files, given test images and the epochs' rows.

        By default, test images of every cluster.
        """
        from vlac.reporting.figures import draw_clusters

        rung = self.main_rung
        y = self.encode(images).y[rung]
        draw_clusters(images, y, self.K[rung], f"{self.label()}, seed {seed}", folder / "clusters.png")
