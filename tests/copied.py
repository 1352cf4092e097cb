"""The workflow and the package in another folder, for tests, faults and benchmarks to run there."""

import hashlib
import shutil
import subprocess
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
PARTS = ("Snakefile", "workflow", "profiles", "dvc.yaml", ".dvc/config", ".dvcignore", ".gitignore", "vlac")


def copy_workflow(folder: Path) -> None:
    """Copy all that both engines need but params.yaml, and make the folder a git repository, which DVC asks for."""
    for part in PARTS:
        source, target = ROOT / part, folder / part
        target.parent.mkdir(parents=True, exist_ok=True)
        if source.is_dir():
            shutil.copytree(source, target, ignore=shutil.ignore_patterns("__pycache__"))
        else:
            shutil.copy(source, target)
    subprocess.run(["git", "init", "--quiet"], cwd=folder, check=True)


def workflow_digest() -> str:
    """Return a SHA-256 in hexadecimals of what `copy_workflow` copies: names and contents."""
    digest = hashlib.sha256()
    for part in PARTS:
        files = sorted(path for path in (ROOT / part).rglob("*") if path.is_file()) or [ROOT / part]
        for path in files:
            if "__pycache__" not in path.parts:
                content = path.read_bytes()
                digest.update(f"{path.relative_to(ROOT)} {len(content)}\n".encode() + content)
    return digest.hexdigest()
