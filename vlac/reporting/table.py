"""Table 1: the paper's six rows as printed, and beside them what was measured here."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pandas as pd

from vlac import __version__
from vlac.datasets import datasets
from vlac.datasets.base import File, read_source
from vlac.evaluation.metrics import METRICS, SHOWN
from vlac.files import write_text
from vlac.methods import kinds
from vlac.methods.base import Method
from vlac.params.schema import Params
from vlac.reporting.bars import draw_bars
from vlac.reporting.comparisons import differences_of_rows, rungs_against_factors
from vlac.reporting.markdown import COLUMNS, aligned, mean_std, named_seeds, page, paragraph
from vlac.reporting.notes import notes
from vlac.reporting.published import TABLE_1
from vlac.tables import read_csv, write_csv


@dataclass(frozen=True)
class Row:
    """A row of the table."""

    label: str
    published: str  # the paper's number as printed; "" for a model that the paper has not
    sees: str = ""  # what the model clusters; "" for a row that is only quoted
    name: str = ""  # the model's name in params.yaml; "" for a row that is only quoted and for a further clustering
    scores: pd.DataFrame | None = None  # a row per seed; None for a row that is only quoted


def write_table(params: Params, root: Path = Path()) -> dict[str, pd.DataFrame]:
    """Write the table to reports/ in `root`, from the results there; return the scores, a row per seed, by model."""
    files = read_source(root / "data" / params.experiment / "source.json")
    names = sorted(params.models)  # neither engine writes the table again for another order of the models
    scores = {name: _gather(root, params, name, "scores.csv") for name in names}
    factors = {name: _gather(root, params, name, "factors.csv") for name in names}
    write_scores(params, files, scores, factors, root / "reports")
    return scores


def write_scores(
    params: Params,
    files: list[File],
    scores: dict[str, pd.DataFrame],
    factors: dict[str, pd.DataFrame],
    folder: Path,
) -> None:
    """Write table1.md, .html, .csv and .png to `folder`.

    `scores` and `factors` are by model what stage evaluate writes, of all seeds; of factors, some models may have none.
    """
    names = list(scores)
    images = int(scores[names[0]]["images"].iloc[0])
    models: dict[str, Any] = params.models
    rung = {name: int(table["rung"].iloc[0]) for name, table in scores.items()}
    methods = {name: kinds()[models[name].kind](models[name], params, rung[name]) for name in names}
    rows = _rows(methods, scores)
    table = _main_table(rows)
    parts = [
        "# Table 1: test set cluster accuracy",
        f"Data set: **{datasets()[params.data.source].title}** · scored test images: **{images:,}** · "
        f"experiment: **{params.experiment}** · vlac **{__version__}**",
        paragraph(_comparability(params, files)),
        aligned(*table),
        paragraph(f"Mean ± standard deviation (ddof = 1), {named_seeds(params.seeds)}. {COLUMNS}"),
        # Not the further clusterings: they share seeds with their method's row, and are no independent samples.
        *differences_of_rows(
            {r.label: r.scores["acc"].tolist() for r in rows if r.name and r.scores is not None},
            of=[r.label for r in rows if r.published and r.name and models[r.name].kind == "vlac"],
        ),
        rungs_against_factors(params, {row.label: factors[row.name] for row in rows if row.name in factors}),
        notes(params, files, {row.name: methods[row.name] for row in rows if row.name}, scores),
    ]
    write_text(folder / "table1.md", "\n\n".join(parts) + "\n")
    write_text(folder / "table1.html", page("Table 1: test set cluster accuracy", *table))
    tidy = _tidy(params, rows)
    write_csv(folder / "table1.csv", tidy)
    title = f"Clusters named by class: {datasets()[params.data.source].title}"
    draw_bars(tidy, float(scores[names[0]]["chance"].iloc[0]), title, folder / "table1.png")


def _gather(root: Path, params: Params, name: str, file: str) -> pd.DataFrame:
    """Return one model's results over all seeds."""
    folder = root / "results" / params.experiment / "evaluate" / name
    return pd.concat([read_csv(folder / str(seed) / file) for seed in params.seeds], ignore_index=True)


def _rows(methods: dict[str, Method], scores: dict[str, pd.DataFrame]) -> list[Row]:
    """Return the paper's rows in its order, then the other models by name, each with its further clusterings."""
    order = []
    for printed in TABLE_1:
        name = next((name for name, method in methods.items() if printed.is_run_by(name, method)), "")
        order.append((printed.label, printed.accuracy, name))
    own = set(methods) - {name for _, _, name in order}
    order += [(f"{name}: {methods[name].label()}", "", name) for name in sorted(own)]
    rows = []
    for label, accuracy, name in order:
        if name:
            rows.append(Row(label, accuracy, methods[name].sees, name, scores[name]))
            rows += _further(name, methods[name].sees, scores[name])
        else:
            rows.append(Row(label, accuracy))
    return rows


def _further(name: str, sees: str, scores: pd.DataFrame) -> list[Row]:
    """Return a row for each clustering that was scored beside the model's own: its columns are `clustering/metric`.

    Beside other models' scores a clustering of theirs has empty columns, and no row here.
    """
    scored = scores.dropna(axis="columns", how="all")
    found = dict.fromkeys(column.rpartition("/")[0] for column in scored if "/" in column)
    shown = [metric.name for metric in SHOWN]
    rows = []
    for clustering in found:
        columns = {f"{clustering}/{metric}": metric for metric in shown}
        rows.append(Row(f"{name}: {clustering}", "", sees, scores=scores.drop(columns=shown).rename(columns=columns)))
    return rows


def _comparability(params: Params, files: list[File]) -> str:
    """Say in a sentence whether the two kinds of numbers may be compared."""
    dataset = datasets()[params.data.source]
    if not dataset.published:
        return (
            f"The published numbers are for SVHN, the measured ones for another data set, {dataset.title}: compare "
            "measured rows with each other, not with the paper's."
        )
    if all(file.official for file in files):
        return "Published and measured numbers are for the same official SVHN test split."
    return (
        "The measured numbers are for files not all of which are the official SVHN files, byte for byte (see the "
        "notes): compare them with the published ones with care."
    )


def _main_table(rows: list[Row]) -> tuple[list[str], list[list[str]]]:
    """Return the table's heads and lines."""
    lines = []
    for row in rows:
        line = [row.label, row.sees, row.published or "not in the paper"]
        if row.scores is None:
            line += ["quoted", *[""] * len(SHOWN)]
        else:
            line += [mean_std(row.scores[metric.name], metric.decimals) for metric in SHOWN]
            line += [str(len(row.scores))]
        lines.append(line)
    return ["Model", "Sees", "Published (SVHN)", *(metric.header for metric in SHOWN), "Seeds"], lines


def _tidy(params: Params, rows: list[Row]) -> pd.DataFrame:
    """Return one line per row of the table, with mean and std columns; NaN where there is no number."""
    lines = []
    for row in rows:
        status = "quoted" if row.scores is None else "measured"
        line: dict[str, object] = {"row": row.label, "sees": row.sees, "published": row.published, "status": status}
        line |= {"model": row.name, "data": params.data.source, "experiment": params.experiment, "version": __version__}
        if row.scores is not None:
            first = row.scores.iloc[0]
            line |= {"rung": int(first["rung"]), "seeds": len(row.scores), "test_images": int(first["images"])}
            for metric in METRICS:
                values = row.scores[metric.name]  # whose std has ddof = 1, and is NaN of a single seed
                line |= {f"{metric.name}_mean": values.mean(), f"{metric.name}_std": values.std()}
        lines.append(line)
    return pd.DataFrame(lines)
