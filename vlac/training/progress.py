"""What is seen of a training: a bar on a terminal, else a line every half minute; a stage's log file has all epochs."""

import logging
import os
import sys
import time
from typing import Any

LINES = 30.0
"""Seconds between two lines; the first and the last epoch have one in any case."""

log = logging.getLogger(__name__)


class Progress:
    """Shows one training of so many epochs, of which a checkpoint has `done`; use as a context manager."""

    def __init__(self, title: str, epochs: int, done: int) -> None:
        self.title, self.epochs = title, epochs
        self.bar: Any = None
        self.said = float("-inf")
        # An engine runs several jobs at once, whose bars would overwrite each other.
        if sys.stderr.isatty() and "VLAC_RUN" not in os.environ and log.isEnabledFor(logging.INFO):
            try:
                from tqdm import tqdm  # a node that only trains may lack it
            except ImportError:
                return
            self.bar = tqdm(total=epochs, initial=done, desc=title, unit="epoch")

    def __enter__(self) -> "Progress":
        return self

    def __exit__(self, *raised: object) -> None:
        if self.bar is not None:
            self.bar.close()

    def show(self, row: dict[str, float], images: int, seconds: float, done: bool) -> None:
        """Show an epoch's row of the history, the speed and the time left; `done` after the last one."""
        left = seconds * (self.epochs - row["epoch"])
        line = summary(row) + f"  {images / seconds:.0f} images/s, {left / 60:.1f} min left"
        if self.bar is not None:
            self.bar.set_postfix_str(line)
            self.bar.update(int(row["epoch"]) - self.bar.n)
        due = time.monotonic() >= self.said + LINES or done
        if due:
            self.said = time.monotonic()
        only_in_file = {"only_in_file": self.bar is not None or not due}
        log.info("%s epoch %d/%d: %s", self.title, row["epoch"], self.epochs, line, extra=only_in_file)


def summary(row: dict[str, float]) -> str:
    """Return an epoch's metrics in one line; of a ladder, the terms of the bound and the signs of collapse."""
    if "elbo" not in row:
        return "  ".join(f"{name} {value:.3f}" for name, value in row.items() if name != "epoch")
    kl_z = " ".join(f"{value:.1f}" for name, value in row.items() if name.startswith("kl_z_"))
    parts = [f"elbo {row['elbo']:.1f}", f"log p(x|z) {row['log_likelihood']:.1f}", f"KL_z {kl_z}"]
    for rung in (name.removeprefix("kl_y_") for name in row if name.startswith("kl_y_")):
        parts.append(
            f"y_{rung}: KL {row[f'kl_y_{rung}']:.2f}, in use {row[f'clusters_in_use_{rung}']:.0f}, "
            f"H(mean q) {row[f'entropy_mean_q_{rung}']:.2f}, mean H(q) {row[f'mean_entropy_q_{rung}']:.2f}"
        )
    return "  ".join(parts)
