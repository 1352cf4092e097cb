"""CSV files of results, written and read back: here numbers are rounded, so results depend on this module's code."""

import csv
import io
import math
import numbers
from collections.abc import Collection, Iterable, Mapping
from pathlib import Path
from typing import Any

from vlac.files import parsed, write_text


def write_csv(path: Path, rows: Iterable[Mapping[str, Any]], columns: Collection[str] = ()) -> None:
    """Write rows as CSV, atomically: floats with six significant digits, None and NaN empty, `\\n` line ends.

    Args:
        path: the file.
        rows: values by column; a row may lack some.
        columns: the columns in order; without them, those of the rows in the order of their first appearance.
    """
    rows = list(rows)
    buffer = io.StringIO()
    writer = csv.writer(buffer, lineterminator="\n")
    columns = columns or dict.fromkeys(name for row in rows for name in row)
    writer.writerow(columns)
    writer.writerows([_cell(row.get(name)) for name in columns] for row in rows)
    write_text(path, buffer.getvalue())


def read_csv(path: Path, text: Collection[str] = ()) -> list[dict[str, Any]]:
    """Return the rows of a CSV file of numbers, but for the columns named in `text`; an empty number is NaN.

    Without pandas, whose import costs half a second. What is no CSV or no number is damage.
    """

    def rows() -> list[dict[str, Any]]:
        try:
            header, *lines = csv.reader(path.read_text().splitlines())
        except csv.Error as error:
            raise ValueError(error) from None
        return [
            {name: cell if name in text else _number(cell) for name, cell in zip(header, line, strict=True)}
            for line in lines
        ]

    return parsed(path, rows)


def _cell(value: Any) -> Any:
    if not isinstance(value, numbers.Real) or isinstance(value, numbers.Integral):
        return value
    return "" if value != value else f"{value:.6g}"


def _number(cell: str) -> float:
    return int(cell) if cell.isdecimal() else float(cell or math.nan)
