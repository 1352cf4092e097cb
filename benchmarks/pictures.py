"""How fast pictures become clusters: a folder read as `vlac cluster` does, and `vlac assign` by the shipped weights.

    PYTHONPATH=. python benchmarks/pictures.py [--side 256]        prints a Markdown table; seconds
    PYTHONPATH=. python benchmarks/pictures.py --cluster vlac      `vlac cluster`, too; minutes

The pictures are embedded digits as PNG files of SIDE x SIDE, which were just written, so that nothing waits for the
disk. Seconds of the processor count all threads; another program's load adds less to them than to those by the clock.
Peak memory is that of this process, which has done nothing but import before it reads.
"""

import argparse
import resource
import tempfile
import time
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor
from functools import partial
from pathlib import Path

from PIL import Image

from vlac.data.pictures import read_folder
from vlac.files import read_json
from vlac.reporting.markdown import aligned, paragraph

WEIGHTS = "digits"


def write(folder: Path, count: int, side: int) -> None:
    """Write so many digits below the folder."""
    from vlac.data.digits import render

    digits = render(count, seed=0)
    for index, (image, digit) in enumerate(zip(digits.images, digits.labels, strict=True)):
        path = folder / f"{digit}/{index:06}.png"
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(image).resize((side, side)).save(path)


def row(what: str, count: int, work: Callable[[], object]) -> list[str]:
    """Do the work on so many pictures, and return its row of the table."""
    clock, processor = time.perf_counter(), time.process_time()
    work()
    took = time.perf_counter() - clock, time.process_time() - processor
    return [what, *(cell for seconds in took for cell in (f"{seconds:.1f}", f"{count / seconds:,.0f}"))]


def peak() -> float:
    """Return the most memory that this process has had, in MB (on Linux, which counts it in kilobytes)."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


def main() -> None:
    """Write the pictures, measure, and print the table."""
    parser = argparse.ArgumentParser(description="Reading a folder of pictures, and assigning them to clusters.")
    parser.add_argument("--count", type=int, default=12_000, help="pictures (default: 12,000)")
    parser.add_argument("--cluster", choices=["vlac", "vlac_plus"], help="train on them by this method")
    parser.add_argument("--side", type=int, default=32, help="of a picture, in pixels (default: 32)")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="vlac-pictures-") as name:
        folder, before = Path(name, "pictures"), peak()
        with ProcessPoolExecutor(1) as other:  # whose memory is not ours
            other.submit(write, folder, options.count, options.side).result()
        rows = [row("read and resize", options.count, lambda: read_folder(folder))]
        after = peak()

        import torch  # not before: its memory is not that of reading
        from machine import machine

        from vlac import VLAC
        from vlac.folder.cluster import assign, cluster

        images, model = read_folder(folder).images, VLAC.load(WEIGHTS)
        model.predict(images[:500])  # the first call takes longer
        rows.append(row("clusters of what was read", options.count, lambda: model.predict(images)))
        csv = Path(name, "clusters.csv")
        rows.append(
            row("`vlac assign`: both, and the table", options.count, lambda: assign(Path(WEIGHTS), folder, csv))
        )
        found = ""
        if options.cluster:
            out = Path(name, "out")
            work = partial(cluster, folder, out, None, labels=True, method=options.cluster)
            rows.append(row(f"`vlac cluster --method {options.cluster}`, to the page", options.count, work))
            scores = read_json(out / "report.json")["scores"]["rung 3"]
            found = f" ACC of the clusters of rung 3, mapped by these pictures' digits: {scores['acc']:.3f}."
    said = f"{machine(torch.device('cpu'))}. {options.count:,} PNG files of {options.side} x {options.side} pixels."
    size = images.nbytes / 1e6
    memory = f"Peak memory: {before:.0f} MB before reading, {after:.0f} MB after; the images are {size:.0f} MB.{found}"
    heads = ("", "seconds by the clock", "images/s", "seconds of the processor", "images/s of it")
    print(f"{paragraph(said)}\n\n{aligned(heads, rows)}\n\n{paragraph(memory)}")


if __name__ == "__main__":
    main()
