"""Write table1.md, .csv and .png of this folder again: python reports/published/svhn_small/table.py.

seeds.csv holds the scores that stage evaluate wrote of every model and seed, with the commit of each; factors.csv its
rungs against factors, of the models of which every seed's were kept.
"""

import shutil
from pathlib import Path
from tempfile import TemporaryDirectory

import pandas as pd

from vlac.datasets.base import read_source
from vlac.files import write_text
from vlac.params.load import load_params
from vlac.reporting.table import write_scores
from vlac.tables import read_csv

HERE = Path(__file__).parent


def write_table(folder: Path) -> None:
    """Write the table, as HTML too, to `folder`."""
    scores, factors = by_model("seeds.csv"), by_model("factors.csv")
    write_scores(load_params(HERE / "params.yaml"), read_source(HERE / "source.json"), scores, factors, folder)
    page = folder / "table1.md"
    write_text(page, page.read_text(encoding="utf-8").replace("](../docs/", "](../../../docs/"))


def by_model(file: str) -> dict[str, pd.DataFrame]:
    """Return the lines of each model."""
    return {str(name): of for name, of in read_csv(HERE / file).groupby("model")}


if __name__ == "__main__":
    with TemporaryDirectory() as made:
        write_table(Path(made))
        for name in ("table1.md", "table1.csv", "table1.png"):
            shutil.copy(Path(made, name), HERE)
