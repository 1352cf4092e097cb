"""Write table1.md, .csv and .png of this folder again: python reports/published/svhn_small/table.py.

seeds.csv and factors.csv hold what stage evaluate wrote of every model and seed, seeds.csv also the commit of each.
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
    """Write the table, as HTML too, to `folder`; of the factors, models of which every seed was kept."""
    params = load_params(HERE / "params.yaml")
    scores = by_model(read_csv(HERE / "seeds.csv").drop(columns="commit"))
    factors = by_model(read_csv(HERE / "factors.csv"))
    whole = {name: of for name, of in factors.items() if set(of["seed"]) == set(params.seeds)}
    write_scores(params, read_source(HERE / "source.json"), scores, whole, folder)
    page = folder / "table1.md"
    write_text(page, page.read_text(encoding="utf-8").replace("](../docs/", "](../../../docs/"))


def by_model(table: pd.DataFrame) -> dict[str, pd.DataFrame]:
    """Return the lines of each model, without the columns of other models' further clusterings."""
    tables = {}
    for name, of in table.groupby("model"):
        clusterings = {column.rpartition("/")[0] for column in of if "/" in column}
        others = tuple(f"{each}/" for each in clusterings if of[f"{each}/acc"].isna().all())
        tables[str(name)] = of.drop(columns=["model", *(column for column in of if column.startswith(others))])
    return tables


if __name__ == "__main__":
    with TemporaryDirectory() as made:
        write_table(Path(made))
        for name in ("table1.md", "table1.csv", "table1.png"):
            shutil.copy(Path(made, name), HERE)
