"""Hooks of mkdocs.yml: published results become pages, and links to files outside docs/ become file names.

A page of docs/ links to files by their path in the repository, so that its links work there, too.
"""

import posixpath
import re
import sys
from pathlib import Path
from typing import Any

from mkdocs.exceptions import PluginError
from mkdocs.structure.files import File, Files

ROOT = Path(__file__).resolve().parents[1]
sys.path[:0] = [str(ROOT), str(ROOT / ".ci")]
import parameters  # noqa: E402

PUBLISHED = "reports/published"
LINK = re.compile(r"\[([^][]*)\]\(((?:\.\./)+[^)#\s]*)(#[^)\s]*)?\)")


def on_files(files: Files, config: Any) -> Files:
    """Add what reports/published/ holds, under published/, and the page of parameters."""
    for path in sorted((ROOT / PUBLISHED).rglob("*")):
        if path.is_file():
            name = path.relative_to(ROOT / "reports").as_posix()
            files.append(File.generated(config, name, abs_src_path=str(path)))
    files.append(File.generated(config, "parameters.md", content=parameters.page()))
    return files


def on_page_markdown(markdown: str, page: Any, config: Any, files: Files) -> str:
    """Rewrite the links of a page that lead out of docs/."""
    source = page.file.src_uri
    home = posixpath.dirname(f"reports/{source}" if source.startswith("published/") else f"docs/{source}")

    def rewritten(link: re.Match[str]) -> str:
        words, target, anchor = link[1], link[2], link[3] or ""
        path = posixpath.normpath(posixpath.join(home, target))
        if not (ROOT / path).exists():
            raise PluginError(f"{source} links to {path}, which does not exist.")
        top, _, rest = path.partition("/")
        if top == "docs" or path.startswith(f"{PUBLISHED}/"):
            inside = posixpath.join(rest, "README.md") if (ROOT / path).is_dir() else rest
            return f"[{words}]({posixpath.relpath(inside, posixpath.dirname(source) or '.')}{anchor})"
        return words if path in words else f"{words} (`{path}`)"

    return LINK.sub(rewritten, markdown)
