"""What the checkpoints of a folder hold, and whether a run has gone on from them."""

import re

from tests.faults.checkout import Checkout
from tests.faults.strike import LINE, TRAININGS, seed_names
from vlac.models.load import read_archive

RESUMED = re.compile(r"^resumed from checkpoints/(\S+)\.pt after epoch (\d+)", re.MULTILINE)
SHOWN_LOG = re.compile(r"^Logfile [^\n]*:\n=+\n.*?^=+\n", re.MULTILINE | re.DOTALL)


def kept_epochs(checkout: Checkout, pretexts: list[str]) -> dict[str, int]:
    """Return how many finished epochs each training has on disk, by the name in its lines.

    Args:
        pretexts: the names of the pretexts' files, in the order of their seeds; new ones are appended.
    """
    kept = {}
    for path in (checkout.folder / "checkpoints").glob("*/*.pt"):
        try:
            epoch = int(read_archive(path)["epoch"])
        except FileNotFoundError:  # of a job that runs, and has just ended
            continue
        if path.parent.name != "pretext":
            kept[f"{path.parent.name} seed {path.stem}"] = epoch
            continue
        if path.name not in pretexts:
            pretexts.append(path.name)
        kept[f"pretext seed {pretexts.index(path.name)}"] = epoch
    return kept


def check_nothing_lost(kept: dict[str, int], text: str) -> None:
    """Check that no epoch was computed again that a checkpoint had.

    Raises:
        AssertionError: one was.
    """
    again = [f"{name} epoch {epoch}" for name, epoch in LINE.findall(text) if int(epoch) <= kept.get(name, 0)]
    assert not again, f"computed again although a checkpoint had it: {again}; kept were {kept}"


def finished_trainings(checkout: Checkout) -> set[str]:
    """Return the names of the seeds whose jobs are complete, by their manifests."""
    done = [job for job in checkout.jobs if job.stage.name in TRAININGS and (checkout.folder / job.manifest).exists()]
    return {name for job in done for name in seed_names(job)}


def begun(text: str) -> set[str]:
    """Return the names of the seeds whose first epoch was computed."""
    return {name for name, epoch in LINE.findall(text) if epoch == "1"}


def resumed(text: str) -> set[tuple[str, str]]:
    """Return the trainings that went on from a checkpoint, with its epoch."""
    return set(RESUMED.findall(text))


def without_shown_logs(text: str) -> str:
    """Return what was said without the logs of failed jobs, which Snakemake repeats, those of former runs too."""
    return SHOWN_LOG.sub("", text)
