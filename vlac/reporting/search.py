"""The report of a hyper-parameter search: every trial, what was expected, what came out, and the rule's choice."""

import json
from pathlib import Path

import pandas as pd

from vlac import __version__
from vlac.evaluation.choice import Choice
from vlac.files import write_csv, write_text
from vlac.params.search import Search, Trial
from vlac.reporting.markdown import aligned, bullet, mean_std, named_seeds, number, paragraph

MEASURES = {
    "y_purity": "Purity of y",
    "y_nmi": "NMI of y",
    "clusters_in_use": "In use",
    "gmm_purity": "GMM purity",
    "kmeans_purity": "k-means purity",
    "knn": "kNN",
}
CODES = ("gmm_purity", "kmeans_purity", "knn")


def write_search_report(search: Search, scores: pd.DataFrame, choice: Choice, root: Path = Path()) -> None:
    """Write reports/search.md and reports/search.csv.

    Args:
        search: all of search.yaml.
        scores: a row per trial, seed and rung, of a seed that failed a single one; columns trial, seed, rung, main,
            failed_in_epoch (0 = did not fail), images_seen, seconds (NaN = unknown), chance, and those of `MEASURES`.
        choice: what the rule chose.
        root: the folder that holds reports/.

    Raises:
        VlacError: a file cannot be written.
    """
    # One row per trial and seed: its main rung, or its failure.
    main = scores[(scores["main"] == 1) | (scores["failed_in_epoch"] > 0)]
    parts = [
        f"# Hyper-parameter search: {search.search}",
        f"Base: **{search.base}** · hold-out: **{search.holdout:,}** labelled images of the training split, not "
        f"trained on · vlac **{__version__}**",
        paragraph(_verdict(search, choice)),
        "## The rule",
        paragraph(search.rule.text),
        paragraph(f"As applied: {_rule(search)}"),
        "## Trials",
        _trials(search, main, choice),
        "\n".join(map(bullet, _legend(search, main))),
        "## Every seed",
        _seeds(search, main),
        "## Every rung",
        _rungs(search, scores),
        "## What was expected",
        "\n\n".join(_expected(search, trial, main) for trial in search.trials),
    ]
    write_text(root / "reports/search.md", "\n\n".join(parts) + "\n")
    write_csv(root / "reports/search.csv", _tidy(search, main, choice))


def _rule(search: Search) -> str:
    rule = search.rule
    kind = search.trial(rule.base).model.kind
    return (
        f"among the trials of kind {kind}, the one of the highest {MEASURES[rule.measure]} ({rule.measure}, mean over "
        f"{named_seeds(search.seeds)}) replaces the base trial `{rule.base}` if it leads by at least {rule.lead:g}; "
        f"else `{rule.base}` stays. A trial of which a seed failed cannot be chosen."
    )


def _verdict(search: Search, choice: Choice) -> str:
    base = search.rule.base
    if choice.trial is None:
        return "**The rule chose nothing**: every trial that competes has failed."
    if choice.lead is None and choice.trial != base:
        return f"**The rule chose `{choice.trial}`**: the base trial `{base}` has failed; it is the best of the others."
    if choice.best is None or choice.lead is None:
        return f"**The base trial `{base}` stays**: no other trial competes, or all others have failed."
    if choice.trial != base:
        return f"**The rule chose `{choice.trial}`**: it leads the base trial `{base}` by {number(choice.lead)}."
    return (
        f"**The base trial `{base}` stays**: the best of the others, `{choice.best}`, differs from it by "
        f"{choice.lead:+.3f}, and {search.rule.lead:g} was asked for."
    )


def _cell(of_trial: pd.DataFrame, measure: str) -> str:
    """Return mean and spread over seeds, "failed" if a seed failed, or nothing where the model has no such measure."""
    failed = int((of_trial["failed_in_epoch"] > 0).sum())
    if failed:
        return f"failed ({failed} of {len(of_trial)})"
    values = of_trial[measure].tolist()
    return "" if pd.isna(values).any() else mean_std(values, 1 if measure == "clusters_in_use" else 3)


def _trials(search: Search, main: pd.DataFrame, choice: Choice) -> str:
    rows = []
    for trial in search.trials:
        of_trial = main[main["trial"] == trial.name]
        name = f"**{trial.name}**" if trial.name == choice.trial else trial.name
        cost = [f"{of_trial['images_seen'].mean():,.0f}", _seconds(of_trial)]
        rows.append([name, _model(trial), *(_cell(of_trial, measure) for measure in MEASURES), *cost])
    return aligned(["Trial", "Model", *MEASURES.values(), "Images seen", "Seconds"], rows, left=2)


def _seconds(of_trial: pd.DataFrame) -> str:
    return "unknown" if of_trial["seconds"].isna().any() else f"{of_trial['seconds'].mean():,.0f}"


def _model(trial: Trial) -> str:
    match trial.model.kind:
        case "vlac" | "vlac_plus" as kind:
            return f"{kind}, K = ({', '.join(map(str, trial.model.K))})"
        case "gmdgm":
            return f"gmdgm, K = {trial.model.K}, d = {trial.model.z}"
    return "vlae"


def _legend(search: Search, main: pd.DataFrame) -> list[str]:
    spread = "mean ± sample standard deviation (ddof = 1) over" if len(search.seeds) > 1 else "of"
    return [
        f"All numbers: {spread} {named_seeds(search.seeds)}, from the last checkpoint, on the hold-out; all seeds are "
        "here. The test split is not read. **Bold**: the rule's choice.",
        "**Purity of y**: every cluster of the model's own largest mixture is given its most frequent digit among the "
        "training images; the share of held-out images that this labels correctly. **NMI of y**, **In use**: of the "
        "same clusters. A VLAE has none.",
        "**GMM purity**, **k-means purity**, **kNN**: of the codes z of the same rung, as the probe measures them; of "
        "a VLAE, of the rung with the highest GMM purity.",
        f"Chance: {number(main['chance'].mean())}, the largest digit's share of the hold-out. **Images seen** and "
        "**Seconds**: per seed, of training; seconds depend on the machine and what else it did.",
    ]


def _seeds(search: Search, main: pd.DataFrame) -> str:
    measure = search.rule.measure
    rows = []
    for trial in search.trials:
        of_trial = main[main["trial"] == trial.name]
        cells = [_of_seed(row, measure) for row in of_trial.to_dict("records")]
        rows.append([trial.name, *cells])
    return aligned([f"{MEASURES[measure]}, seed", *map(str, search.seeds)], rows)


def _of_seed(row: dict[str, float], measure: str) -> str:
    if row["failed_in_epoch"] > 0:
        return f"NaN in epoch {row['failed_in_epoch']:.0f}"
    return "" if pd.isna(row[measure]) else number(row[measure])


def _rungs(search: Search, scores: pd.DataFrame) -> str:
    rows = []
    for trial in search.trials:
        of_trial = scores[(scores["trial"] == trial.name) & (scores["failed_in_epoch"] == 0)]
        for rung, of_rung in of_trial.groupby("rung"):
            cells = [_cell(of_rung, measure) for measure in (*CODES, "y_purity", "clusters_in_use")]
            rows.append([trial.name, f"{rung:.0f}", *cells, str(len(of_rung))])
    heads = [MEASURES[measure] for measure in (*CODES, "y_purity", "clusters_in_use")]
    return aligned(["Trial", "Rung", *heads, "Seeds"], rows, left=2) if rows else "No trial was scored."


def _expected(search: Search, trial: Trial, main: pd.DataFrame) -> str:
    measure = search.rule.measure
    measured = _cell(main[main["trial"] == trial.name], measure) or "no such measure"
    lines = [
        f"Changes: {_changes(trial) or 'nothing'}.",
        f"Hypothesis: {trial.hypothesis}",
        f"Prediction: {trial.prediction}",
        f"Measured: {MEASURES[measure]} {measured}.",
    ]
    return f"### {trial.name}\n\n" + "\n".join(map(bullet, lines))


def _changes(trial: Trial) -> str:
    return ", ".join(f"`{key}` = {json.dumps(value)}" for key, value in trial.set.items())


def _tidy(search: Search, main: pd.DataFrame, choice: Choice) -> pd.DataFrame:
    """Return one line per trial; empty where there is no number."""
    lines = []
    for trial in search.trials:
        of_trial = main[main["trial"] == trial.name]
        failed = int((of_trial["failed_in_epoch"] > 0).sum())
        line: dict[str, object] = {
            "trial": trial.name,
            "model": _model(trial),
            "set": _changes(trial).replace("`", ""),
            "hypothesis": trial.hypothesis,
            "prediction": trial.prediction,
            "seeds": len(of_trial),
            "failed": failed,
        }
        for measure in MEASURES:
            values = of_trial[measure]
            # A mean over the seeds that did not fail would flatter the trial.
            line[f"{measure}_mean"] = None if failed else values.mean(skipna=False)
            line[f"{measure}_std"] = values.std(ddof=1) if not failed and len(values) > 1 else None
        line |= {"images_seen": of_trial["images_seen"].mean(), "seconds": of_trial["seconds"].mean(skipna=False)}
        lines.append(line | {"rule": _rule(search), "chosen": "yes" if trial.name == choice.trial else "no"})
    return pd.DataFrame(lines)
