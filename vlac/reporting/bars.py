"""The table as a picture: ACC of every row, its spread over seeds, and what the paper prints."""

from pathlib import Path
from typing import Any

import pandas as pd

from vlac.reporting.canvas import GREY, canvas

BARS = {"pixels": "#1f6f9f", "GIST": "#d98c21", "pretext": "#8c4a8f"}
"""A colour for each of what a row sees."""


def draw_bars(rows: pd.DataFrame, chance: float, title: str, path: Path) -> None:
    """Write a bar per row as a PNG.

    `rows` are those of table1.csv, top row first; `chance` is the ACC of the largest class.
    """
    height = 1.5 + 0.32 * len(rows)
    with canvas(path, 9.6, height) as figure:
        axes = figure.subplots()
        left = max(0.36, 0.0064 * rows["row"].str.len().max())  # the longest name has room
        figure.subplots_adjust(left=left, right=0.97, bottom=0.5 / height, top=1 - 0.85 / height)
        at = range(len(rows))
        for sees, of in rows.assign(at=at).groupby("sees"):
            if sees:
                style: dict[str, Any] = {"color": BARS.get(str(sees), GREY), "ecolor": "black", "height": 0.62}
                style["label"] = f"from {sees}"
                axes.barh(of["at"], of["acc_mean"], xerr=of["acc_std"], **style)
        mark: dict[str, Any] = {"marker": "D", "facecolor": "white", "edgecolor": "black", "s": 28, "zorder": 3}
        published = rows["published"].str.split().str[0].astype(float)
        axes.scatter(published, at, label="the paper, on SVHN", **mark)
        axes.axvline(chance, color=GREY, linestyle=":", linewidth=1, label="largest class")
        axes.set_yticks(at, rows["row"])
        axes.set(xlim=(0, 1), ylim=(len(rows) - 0.4, -0.6))
        axes.grid(axis="x")
        axes.tick_params(axis="y", length=0)
        axes.set_xlabel("ACC, mean and standard deviation over seeds")
        figure.text(0.015, 1 - 0.3 / height, title, fontsize=12, weight="bold")
        figure.legend(loc="upper left", bbox_to_anchor=(left, 1 - 0.38 / height), ncols=5, fontsize=8)
