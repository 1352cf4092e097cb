"""What on_gpu.py leaves behind: its report, and an archive in parts that are small enough to be sent."""

import io
import shlex
import sys
import tarfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from gpu_rows import Row, paper_rows

from vlac.evaluation.metrics import SHOWN
from vlac.files import write_bytes
from vlac.params.schema import Params
from vlac.reporting.markdown import aligned, bullet, number, paragraph
from vlac.tables import read_csv

PART, PARTS = (16 << 20) - (64 << 10), 4
"""Bytes of a part of home.tar, and most parts: 64 MiB with the report."""


def pack(out: Path) -> list[str]:
    """Write OUT/home.tar.*; return the files that found no room."""
    for old in out.glob("home.tar.*"):
        old.unlink()
    found = [*out.glob("rows/*.json"), *out.glob("rows/*/*.csv"), *out.glob("rows/*/model.pt")]
    found += sorted(out.glob("checkpoints/*.pt"), key=lambda path: path.stat().st_size)
    room, left, whole = PARTS * PART - tarfile.RECORDSIZE, [], io.BytesIO()
    with tarfile.open(fileobj=whole, mode="w") as archive:
        for path in found:
            needs = path.stat().st_size + 4 * tarfile.BLOCKSIZE
            if needs > room:
                left.append(str(path.relative_to(out)))
            else:
                archive.add(path, path.relative_to(out))
                room -= needs
    content = whole.getvalue()
    for index, start in enumerate(range(0, len(content), PART)):
        write_bytes(out / f"home.tar.{index}", content[start : start + PART])
    return left


def unpack(out: Path) -> None:
    """Bring back what an earlier call has packed, if that is all there is."""
    parts = sorted(out.glob("home.tar.*"))
    if parts and not (out / "rows").exists():
        whole = io.BytesIO(b"".join(path.read_bytes() for path in parts))
        with tarfile.open(fileobj=whole) as archive:
            archive.extractall(out, filter="data")


def state(row: Row, out: Path) -> str:
    """Return in a few words how far a row is."""
    folder = row.folder(out)
    if (folder / "model.pt").exists():
        return "finished"
    if (folder / "failed.txt").exists():
        return f"failed: {(folder / 'failed.txt').read_text().strip()}"
    history = folder / "history.csv"
    return f"unfinished, after epoch {len(read_csv(history))}" if history.exists() else "not begun"


def rows_table(rows: Sequence[Row], out: Path) -> str:
    """Return how far each row is, and its scores at the epoch when they were taken."""
    lines = []
    for row in rows:
        path = row.folder(out) / "scores.csv"
        held = read_csv(path, ["model"])[0] if path.exists() else {}
        scores = [number(held[metric.name], metric.decimals) if held else "" for metric in SHOWN]
        lines.append([row.model, str(row.seed), state(row, out), str(held.get("epochs", "")), *scores])
    heads = ("model", "seed", "state", "scored at epoch", *(metric.header for metric in SHOWN))
    return aligned(heads, lines)


def speed_table(measured: Mapping[str, Any]) -> str:
    """Return images per second and shares of the peak."""
    named = [(count, int(count), rate) for count, rate in measured["rates"].items()]
    if measured["kernels"]:
        named.append(("1, without a CUDA graph", 1, measured["kernels"]))
    rows = []
    for name, count, rate in named:
        cells = [f"{rate:,.0f}", f"{rate / count:,.0f}", f"{rate * measured['flop'] / measured['peak']:.1%}"]
        rows.append([name, *(cells if rate else ["failed", "", ""])])
    return aligned(("trainings in turns", "images/s in total", "of each", "of the peak"), rows)


def report(
    params: Params, measured: Mapping[str, Any], at_once: int, out: Path, left: Sequence[str], minutes: float
) -> str:
    """Return the report; `left`: files without room in the archive."""
    rows = paper_rows(params)
    parts = [
        f"# {params.experiment}, {minutes:.1f} minutes",
        paragraph(f"{measured['machine']}. Command: `benchmarks/on_gpu.sh {shlex.join(sys.argv[1:])}`."),
        paragraph(f"GPU tests: {measured['tests']}."),
        paragraph(
            f"Speed of {rows[0].model}: batch {params.training.batch}, {measured['flop'] / 1e6:,.1f} MFLOP/image, "
            f"{measured['precision']}, of which matrix products reach {measured['peak'] / 1e9:,.0f} GFLOP/s; without "
            f"torch.compile. The rows ran {at_once} at a time."
        ),
        speed_table(measured),
        paragraph(
            "Scores on the test split, ACC by the mapping from training labels. Left to do for the same command: "
            f"{sum(state(row, out) != 'finished' for row in rows)} of {len(rows)} rows."
        ),
        rows_table(rows, out),
        "\n".join(bullet(f"{name} has no room in home.tar and stays on the node.") for name in left),
    ]
    return "\n\n".join(filter(None, parts)) + "\n"
