"""An unfinished training on disk: everything needed to resume it, and to end in the bytes of an uninterrupted run."""

import hashlib
import logging
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch

from vlac.archive import read_archive, write_archive
from vlac.errors import VlacError
from vlac.files import reason

log = logging.getLogger(__name__)


@dataclass
class Checkpoint:
    """The state after `epoch` finished epochs.

    It is kept apart from every declared output, because both engines delete those before a run and after a failed one.
    """

    identity: dict[str, str]  # hashes of the parameters, data and code that the training depends on
    epoch: int
    model: dict[str, Any]
    optimiser: dict[str, Any]
    generator: torch.Tensor
    history: list[dict[str, float]]  # one row per finished epoch

    def save(self, path: Path) -> None:
        """Write atomically: a kill while writing leaves the former checkpoint."""
        write_archive(path, vars(self))

    @classmethod
    def load(cls, path: Path, identity: dict[str, str]) -> "Checkpoint | None":
        """Return the checkpoint at `path`, or None where there is none.

        One of other parameters, data or code is set aside, and comes back when it is asked for.

        Raises:
            VlacError: the file is damaged.
        """
        checkpoint = cls._read(path)
        if checkpoint and (other := [name for name in identity if checkpoint.identity.get(name) != identity[name]]):
            aside = _aside(path, checkpoint.identity)
            log.info("%s is of a training with other %s: kept as %s.", path, " and ".join(other), aside)
            path.replace(aside)
            checkpoint = None
        if checkpoint is None and _aside(path, identity).exists():
            _aside(path, identity).replace(path)
            checkpoint = cls._read(path)
        return checkpoint

    @classmethod
    def _read(cls, path: Path) -> "Checkpoint | None":
        try:
            # The generator's state is a byte tensor that must stay on the CPU; load_state_dict moves the rest.
            checkpoint = cls(**read_archive(path))
            rows = [row["epoch"] for row in checkpoint.history]
            if rows != list(range(1, checkpoint.epoch + 1)):
                raise ValueError("the history is of other epochs")
        except FileNotFoundError:
            return None
        except Exception:  # a damaged file makes zipfile and torch raise nearly anything
            raise _damaged(path) from None
        return checkpoint

    def restore(
        self, path: Path, model: torch.nn.Module, optimiser: torch.optim.Optimizer, generator: torch.Generator
    ) -> None:
        """Give them the state that was saved at `path`; raises VlacError if it does not fit them."""
        try:
            model.load_state_dict(self.model)
            optimiser.load_state_dict(self.optimiser)
            generator.set_state(self.generator)
        except Exception:  # torch raises nearly anything where a state is of another kind
            raise _damaged(path) from None


def discard(path: Path) -> None:
    """Delete the checkpoint of a training whose result is written; warn if that is not possible."""
    try:
        path.unlink(missing_ok=True)
    except OSError as error:
        log.warning("%s could not be deleted: %s. It is no longer needed.", path, reason(error))


def _aside(path: Path, identity: dict[str, str]) -> Path:
    """Return where the checkpoint of a training waits while another one has its path."""
    return path.with_stem(f"{path.stem}-{hashlib.sha256(repr(sorted(identity.items())).encode()).hexdigest()[:8]}")


def _damaged(path: Path) -> VlacError:
    return VlacError(
        f"{path} is damaged.",
        f"Delete it with `rm {path}` and run the same command again: it starts from the beginning.",
    )
