"""Keep DVC and whatever else works in the folder apart, by DVC's own two means.

While DVC runs a stage it says so in `.dvc/tmp/rwlock`, a table of who reads and writes what; in between it holds
`.dvc/tmp/lock`, a lock of the same kind as ours. Who holds the second may look into the first and write a line of
its own: that it reads this whole folder. Then `dvc repro` deletes nothing, and says who is in its way: "'...' is busy,
it is being blocked by: (PID 123): snakemake --cores 2". DVC drops the lines of processes that are gone. The state of
DVC 3.67; `core.hardlink_lock` is not looked at.
"""

import os
from collections.abc import Iterator
from contextlib import closing, contextmanager, suppress
from pathlib import Path
from typing import Any

from vlac.errors import VlacError
from vlac.files import read_json, write_json
from vlac.stages.lock import Lock, alive, command_line, in_use, me

DVC = Path(".dvc")
LOCK, TABLE = DVC / "tmp" / "lock", DVC / "tmp" / "rwlock"

PATIENCE = 5.0
"""Seconds for DVC to let go of its lock; it waits three for ours, which is held for a few milliseconds."""


@contextmanager
def dvc_kept_away() -> Iterator[None]:
    """Keep DVC from changing anything in this folder for the length of a `with` block.

    Raises:
        VlacError: DVC is at work in this folder, or its table is damaged.
    """
    if not DVC.is_dir():
        yield
        return
    here, line = str(Path().resolve()), {"pid": os.getpid(), "cmd": me().command}
    with _table() as table:
        _refuse_others(table, here)
        readers = table.setdefault("read", {})
        readers[here] = [*(other for other in readers.get(here, []) if alive(other["pid"])), line]
        write_json(TABLE, table)
    try:
        yield
    finally:
        # Should DVC hold its lock for long now, the line stays, and DVC drops it once this process is gone.
        with suppress(VlacError), _table() as table:
            readers = table.get("read", {})
            readers[here] = [other for other in readers.get(here, []) if other != line]
            table["read"] = {path: lines for path, lines in readers.items() if lines}
            write_json(TABLE, table)


def refuse_running_dvc() -> None:
    """Return quietly if DVC is not at work in this folder.

    Raises:
        VlacError: it is, or its table is damaged.
    """
    if DVC.is_dir():
        with _table() as table:
            _refuse_others(table, str(Path().resolve()))


@contextmanager
def _table() -> Iterator[dict[str, Any]]:
    """Hold DVC's lock for the length of a `with` block, and give the content of its table."""
    with closing(Lock(LOCK, signed=False)) as lock:
        if not lock.take(patience=PATIENCE):
            pid = LOCK.read_text().strip()
            raise in_use(_dvc_of(int(pid)) if pid.isdigit() else "DVC")
        yield read_json(TABLE) if TABLE.exists() else {}


def _refuse_others(table: dict[str, Any], here: str) -> None:
    lines = [
        *table.get("write", {}).values(),
        *(line for path, readers in table.get("read", {}).items() if path != here for line in readers),
    ]
    running = {line["pid"] for line in lines if line["pid"] != os.getpid() and _is_dvc(line["pid"])}
    if running:
        raise in_use(*(_dvc_of(pid) for pid in sorted(running)))


def _is_dvc(pid: int) -> bool:
    """Return whether that process is DVC: the number of one that was killed may have gone to another process."""
    words = _words(pid)
    return alive(pid) and (not words or any("dvc" in word for word in words))


def _dvc_of(pid: int) -> str:
    words = _words(pid)
    return f"`{command_line(words[1:])}` (process {pid})" if words else f"DVC (process {pid})"


def _words(pid: int) -> list[str]:
    try:
        return Path(f"/proc/{pid}/cmdline").read_bytes().decode(errors="replace").rstrip("\0").split("\0")
    except OSError:
        return []
