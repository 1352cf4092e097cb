"""CSV files of results, written and read back: here numbers are rounded, so results depend on this module's code."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from vlac.files import parsed, write_text

if TYPE_CHECKING:
    import pandas as pd  # its import costs half a second, which a job that is up to date does not pay


def write_csv(path: Path, rows: Iterable[Mapping[str, Any]] | pd.DataFrame, columns: Collection[str] = ()) -> None:
    """Write rows as CSV, atomically: floats with six significant digits, None and NaN empty, `\\n` line ends.

    `columns` gives their order; without, it is that of their first appearance in the rows, each of which may lack some.
    """
    import pandas as pd

    table = pd.DataFrame(rows if isinstance(rows, pd.DataFrame) else list(rows), columns=list(columns) or None)
    write_text(path, table.to_csv(index=False, float_format="%.6g", lineterminator="\n"))


def read_csv(path: Path) -> pd.DataFrame:
    """Return what `write_csv` wrote; an empty cell is NaN. That it is undamaged is for its manifest to say."""
    import pandas as pd

    return parsed(path, lambda: pd.read_csv(path, keep_default_na=False, na_values=[""]))
