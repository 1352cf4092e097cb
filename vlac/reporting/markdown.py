"""Markdown that reads well as text: padded tables, wrapped paragraphs, numbers with their spread; a table as HTML."""

import textwrap
from collections.abc import Sequence

import numpy as np
from tabulate import tabulate

WIDTH = 110

COLUMNS = "The columns: [docs/reports.md](../docs/reports.md)."


def aligned(heads: Sequence[str], rows: Sequence[Sequence[str]], left: int = 1) -> str:
    """Return a table whose cells are padded to equal width; the first `left` columns are left-aligned, others right.

    A browser breaks no line at a "±".
    """
    sides = ["left"] * left + ["right"] * (len(heads) - left)
    rows = [[cell.replace(" ± ", "\N{NO-BREAK SPACE}±\N{NO-BREAK SPACE}") for cell in row] for row in rows]
    return tabulate(rows, heads, tablefmt="pipe", colalign=sides, disable_numparse=True)


def page(title: str, heads: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """Return the table as an HTML page of its own."""
    table = tabulate(rows, heads, tablefmt="html", disable_numparse=True)
    cells = "padding: 0.3em 1em 0.3em 0; white-space: nowrap; text-align: left"
    style = f"body {{ font-family: sans-serif }} th, td {{ {cells} }}"
    return f"<!doctype html>\n<meta charset=utf-8>\n<style>{style}</style>\n<h1>{title}</h1>\n{table}\n"


def paragraph(text: str) -> str:
    """Return `text` wrapped to the page."""
    return textwrap.fill(text, WIDTH, break_long_words=False, break_on_hyphens=False)


def bullet(text: str) -> str:
    """Return `text` as a list item, wrapped to the page."""
    return textwrap.fill(
        text, WIDTH, initial_indent="- ", subsequent_indent="  ", break_long_words=False, break_on_hyphens=False
    )


def number(value: float, decimals: int = 3) -> str:
    """Return `value` with fixed decimals, and never a minus before zero."""
    return f"{round(float(value), decimals) + 0.0:.{decimals}f}"


def mean_std(values: Sequence[float], decimals: int = 3) -> str:
    """Return mean ± sample standard deviation (ddof = 1), or the value alone where there is but one; "-" for NaN."""
    if np.isnan(values).all():
        return "-"
    mean = number(float(np.mean(values)), decimals)
    return f"{mean} ± {number(float(np.std(values, ddof=1)), decimals)}" if len(values) > 1 else mean


def listed(items: Sequence[object]) -> str:
    """Return "a", "a and b" or "a, b and c"."""
    words = [str(item) for item in items]
    return words[0] if len(words) == 1 else f"{', '.join(words[:-1])} and {words[-1]}"


def named_seeds(seeds: Sequence[int]) -> str:
    """Return "seed 3", "seeds 0 and 4", or "seeds 0 to 9" for a gapless run of three or more."""
    if len(seeds) > 2 and sorted(seeds) == list(range(min(seeds), max(seeds) + 1)):
        return f"seeds {min(seeds)} to {max(seeds)}"
    return f"seed{'s' if len(seeds) > 1 else ''} {listed(seeds)}"
