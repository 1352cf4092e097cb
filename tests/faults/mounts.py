"""Small disks that run full: a tmpfs mounted over a folder of a checkout, with a ballast file to fill it."""

import os
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from tests.faults.bench import Skipped

MEGABYTES = 32


@dataclass(frozen=True)
class Disk:
    """A mounted small disk."""

    folder: Path

    @property
    def ballast(self) -> Path:
        return self.folder / ".ballast"

    def fill(self, leave: int = 0) -> None:
        """Leave room for so many bytes, rounded up to whole pages, and for no more."""
        self.free()
        page = os.sysconf("SC_PAGE_SIZE")
        size = self._room() - -(-leave // page) * page
        with self.ballast.open("wb") as file:
            os.posix_fallocate(file.fileno(), 0, size)
        assert self._room() - leave < page

    def free(self) -> None:
        """Make room again."""
        self.ballast.unlink(missing_ok=True)

    def read_only(self, on: bool = True) -> None:
        """Refuse all writes, the superuser's too, or take them again."""
        failed = _mount("-o", f"remount,{'ro' if on else 'rw'}", str(self.folder))
        assert not failed, failed

    def _room(self) -> int:
        state = os.statvfs(self.folder)
        return state.f_bavail * state.f_frsize


@contextmanager
def small_disk(folder: Path, megabytes: int = MEGABYTES) -> Iterator[Disk]:
    """Put a folder with all its content onto a small disk for the length of a `with` block.

    Raises:
        Skipped: mounting is not permitted here.
    """
    folder.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix="vlac-disk-") as temporary:
        aside = Path(temporary)
        _copy(folder, aside)
        if failed := _mount("-t", "tmpfs", "-o", f"size={megabytes}m", "tmpfs", str(folder)):
            raise Skipped(f"mounting is not permitted here ({failed})")
        disk = Disk(folder)
        try:
            _copy(aside, folder)
            yield disk
            disk.free()
            _empty(aside)
            _copy(folder, aside)
        finally:
            subprocess.run(["umount", "--lazy", str(folder)], check=True)
        _empty(folder)
        _copy(aside, folder)


def _mount(*arguments: str) -> str:
    """Return why it failed, "" if it did not."""
    done = subprocess.run(["mount", *arguments], capture_output=True, text=True, check=False)
    return done.stderr.strip() or f"status {done.returncode}" if done.returncode else ""


def _copy(source: Path, target: Path) -> None:
    subprocess.run(["cp", "-a", f"{source}/.", str(target)], check=True)  # with times, by which engines judge


def _empty(folder: Path) -> None:
    for path in folder.iterdir():
        shutil.rmtree(path) if path.is_dir() and not path.is_symlink() else path.unlink()
