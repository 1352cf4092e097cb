"""Check that the MLflow view rebuilt from a project's files equals the one logged live: python .ci/view.py FOLDER.

The store is brought up to date, moved aside, rebuilt by `python -m vlac track`, compared and put back. Nothing of
either is deleted before the first is back: where something fails, what is not there is in a folder `.view-*`.
"""

import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT / "tests"))

from view_dump import dump  # noqa: E402

TRACK = (sys.executable, "-m", "vlac", "track")


def set_aside(folder: Path, to: Path) -> None:
    """Move what there is of the store of a project's folder, artifacts too, into another folder of the same disk."""
    to.mkdir(parents=True, exist_ok=True)
    for path in (*folder.glob("mlflow.db*"), *folder.glob("mlartifacts")):
        path.rename(to / path.name)


def main() -> int:
    folder = Path(sys.argv[1]).resolve()
    subprocess.run(TRACK, cwd=folder, check=True)
    live = dump(folder)
    aside = Path(tempfile.mkdtemp(prefix=".view-", dir=folder))
    kept, again = aside / "live", aside / "again"
    try:
        set_aside(folder, kept)
        try:
            subprocess.run(TRACK, cwd=folder, check=True)
            rebuilt = dump(folder)
        finally:
            set_aside(folder, again)
    finally:
        set_aside(kept, folder)
    shutil.rmtree(aside)
    found = [f"{name} is in one of them only" for name in sorted(live.keys() ^ rebuilt.keys())]
    for name in sorted(live.keys() & rebuilt.keys()):
        found += [f"{name}: {part} differ" for part in live[name] if live[name][part] != rebuilt[name][part]]
    for line in found:
        print(f"the live view and the rebuilt one: {line}")
    print(f"{len(live)} runs; {len(found)} differences.")
    return 1 if found or not live else 0


sys.exit(main())
