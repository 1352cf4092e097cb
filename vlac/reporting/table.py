"""Table 1: the paper's six rows as printed, and beside them what was measured here."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd

from vlac import __version__
from vlac.data.mat import read_source
from vlac.errors import VlacError
from vlac.files import read_csv, write_csv, write_text
from vlac.params.schema import GmDgm, Params, Vlac, VlacPlus
from vlac.reporting.differences import differences_of_rows
from vlac.reporting.markdown import aligned, mean_std, paragraph
from vlac.reporting.matrix import rungs_against_factors
from vlac.reporting.notes import measures, notes
from vlac.reporting.published import TABLE_1

MEASURES = ("acc", "acc_test_map", "hungarian", "nmi", "ari", "clusters_in_use")
SCORES = {"seed", "rung", *MEASURES, "chance", "chance_random", "images"}
FACTORS = {"seed", "rung", "factor", "measure", "value"}
TEXT = ("factor", "measure")
DATA_SETS = {"digits": "embedded digits (rendered, street-view-like)", "svhn": "SVHN, cropped digits"}
PARTS = {"kmeans": "its pretext features + k-means", "neighbours": "its pretext features + agreement of neighbours"}
"""What VLAC+ is built on: prefix of the columns in scores.csv, and what the part's row is called."""


@dataclass(frozen=True)
class Row:
    """A row of the table.

    Attributes:
        label: what the row is called.
        published: the paper's number as printed, or "" for a model that the paper has not.
        name: the model's name in params.yaml, or "" for a row that is only quoted.
        scores: one row per seed, None for a row that is only quoted.
    """

    label: str
    published: str
    name: str = ""
    scores: pd.DataFrame | None = None


def write_table(params: Params, root: Path = Path()) -> None:
    """Write reports/table1.md and reports/table1.csv from the scores of every model and seed group of `params`.

    Args:
        params: all parameters of the experiment.
        root: the folder that holds data/, results/ and reports/.

    Raises:
        VlacError: a file is missing or damaged, lacks a column, or the models were scored on different test sets.
    """
    source = read_source(root / "data/source.json")
    # No engine makes the table again for another order of the models in params.yaml.
    params = params.model_copy(update={"models": dict(sorted(params.models.items()))})
    scores = {name: _gather(root, params, name, "scores.csv", SCORES) for name in params.models}
    factors = {name: _gather(root, params, name, "factors.csv", FACTORS) for name in params.models}
    counts = sorted({int(images) for table in scores.values() for images in table["images"]})
    if len(counts) > 1:
        raise VlacError(
            f"The models were scored on different numbers of test images ({', '.join(map(str, counts))}).",
            "Evaluate them all again.",
        )
    rows = _rows(params, scores)
    labels = {row.name: row.label for row in rows if row.name}
    parts = [
        "# Table 1: test set cluster accuracy",
        f"Data set: **{DATA_SETS[params.data.source]}** · scored test images: **{counts[0]:,}** · "
        f"preset: **{params.preset}** · vlac **{__version__}**",
        paragraph(_comparability(params, source)),
        _main_table(rows),
        measures(params),
        # Not the parts of VLAC+: they share seeds and pretext with its row, and are no independent samples.
        *differences_of_rows({r.label: r.scores["acc"].tolist() for r in rows if r.name and r.scores is not None}),
        rungs_against_factors(params, labels, factors),
        notes(params, source, labels, scores),
    ]
    write_text(root / "reports/table1.md", "\n\n".join(parts) + "\n")
    write_csv(root / "reports/table1.csv", _tidy(params, rows))


def _gather(root: Path, params: Params, name: str, file: str, columns: set[str]) -> pd.DataFrame:
    """Return one model's results over all seed groups."""
    parts = []
    for group in params.seeds:
        path = root / "results/evaluate" / name / str(group) / file
        part = read_csv(path, TEXT)
        missing = columns - set(part.columns)
        if missing or part.empty:
            what = f"has no column {', '.join(sorted(missing))}" if missing else "holds no rows"
            raise VlacError(f"{path} {what}.", f"Run `python -m vlac evaluate --model {name} --seeds {group}` again.")
        parts.append(part)
    return pd.concat(parts, ignore_index=True)


def _rows(params: Params, scores: dict[str, pd.DataFrame]) -> list[Row]:
    """Return the paper's rows in its order, then the models that the paper has not, by their names."""
    left = dict(params.models)
    rows = []
    for printed in TABLE_1:
        name = next((name for name, model in left.items() if printed.is_run_by(name, model)), "")
        left.pop(name, None)
        rows.append(Row(printed.label, printed.accuracy, name, scores[name] if name else None))
    for name, model in left.items():
        family = "VLAC+ " if isinstance(model, VlacPlus) else ""
        rows.append(Row(f"{family}{name}, K = {_K(model)}", "", name, scores[name]))
        rows += _parts(name, scores[name])
    return rows


def _parts(name: str, scores: pd.DataFrame) -> list[Row]:
    """Return a row for each part of VLAC+ that was scored beside it, or none for another model."""
    rows = []
    for part, label in PARTS.items():
        columns = {f"{part}_{measure}": measure for measure in MEASURES}
        if set(columns) <= set(scores.columns):
            own = scores.drop(columns=list(MEASURES)).rename(columns=columns)
            rows.append(Row(f"{name}: {label}", "", scores=own))
    return rows


def _K(model: Vlac | GmDgm) -> str:
    return f"({', '.join(map(str, model.K))})" if isinstance(model, Vlac) else str(model.K)


def _comparability(params: Params, source: dict[str, list[dict[str, object]]]) -> str:
    """Say in a sentence whether the two kinds of numbers may be compared."""
    if params.data.source == "digits":
        return (
            "The published numbers are for SVHN, the measured ones for the embedded digits, another data set: compare "
            "measured rows with each other, not with the paper's."
        )
    if all(entry["official"] for entry in source["files"]):
        return "Published and measured numbers are for the same official SVHN test split."
    return (
        "The measured numbers are for files that are not the official SVHN files, byte for byte (see the notes): "
        "compare them with the published ones with care."
    )


def _main_table(rows: list[Row]) -> str:
    heads = ["Model", "Published (SVHN)", "ACC", "ACC, test map", "Hungarian", "NMI", "ARI", "In use", "Seeds"]
    lines = []
    for row in rows:
        published = row.published or "not in the paper"
        if row.scores is None:
            lines.append([row.label, published, "quoted", *[""] * (len(heads) - 3)])
            continue
        cells = [mean_std(row.scores[measure], 1 if measure == "clusters_in_use" else 3) for measure in MEASURES]
        lines.append([row.label, published, *cells, str(len(row.scores))])
    return aligned(heads, lines)


def _tidy(params: Params, rows: list[Row]) -> pd.DataFrame:
    """Return one line per row of the table, with mean and std columns; empty where there is no number."""
    lines = []
    for row in rows:
        status = "quoted" if row.scores is None else "measured"
        line: dict[str, object] = {"row": row.label, "published": row.published, "status": status, "model": row.name}
        line |= {"data": params.data.source, "preset": params.preset, "version": __version__}
        if row.scores is not None:
            line |= {
                "rung": row.scores["rung"].iloc[0],
                "seeds": len(row.scores),
                "test_images": row.scores["images"].iloc[0],
            }
            for measure in (*MEASURES, "chance", "chance_random"):
                values = row.scores[measure]
                line[f"{measure}_mean"] = float(np.mean(values))
                line[f"{measure}_std"] = float(np.std(values, ddof=1)) if len(values) > 1 else None
        lines.append(line)
    return pd.DataFrame(lines)
