"""Which aspect of the images each rung clusters by: the rung x factor section of the table."""

import pandas as pd

from vlac.params.schema import Params
from vlac.reporting.markdown import aligned, number, paragraph


def rungs_against_factors(params: Params, labels: dict[str, str], factors: dict[str, pd.DataFrame]) -> str:
    """Return the section as Markdown, a table per model.

    Args:
        params: all parameters of the experiment.
        labels: the row label of every model, by its name in params.yaml, in the order of the table.
        factors: by the same names, columns seed, rung, factor, measure (knn, nmi or chance), value.
    """
    known = (
        "The embedded digits come with the true factors of every image, so the claim that each rung clusters by "
        "another aspect can be measured."
        if params.data.source == "digits"
        else "SVHN has labels for the digit alone."
    )
    text = (
        f"{known} Rows z_l: accuracy of the factor by vote of the {params.evaluation.neighbours} nearest training "
        f"codes (posterior means of z_l, of at most {params.evaluation.fit_limit:,} images); in brackets its floor, "
        "the share of the factor's largest value. Rows y_l: NMI of the rung's own clusters and the factor, 0 for "
        "unrelated. Means over seeds. Bold: the rung whose z_l carries the factor best. Rungs are counted from the "
        "pixels."
    )
    parts = ["## Rungs against factors", paragraph(text)]
    for name, label in labels.items():
        parts += [f"### {label}", _matrix(factors[name])]
    return "\n\n".join(parts)


def _matrix(factors: pd.DataFrame) -> str:
    names = sorted(factors["factor"].unique(), key=lambda name: (name != "digit", name))
    means = factors.groupby(["measure", "rung", "factor"])["value"].mean().unstack("factor")[names]
    knn = means.loc["knn"]
    # Compared as printed: two rungs that look equal are both marked, or neither.
    best = knn.round(3).max()
    chance = means.loc["chance"].iloc[0]
    heads = ["", *(f"{name.replace('_', ' ')} ({number(chance[name])})" for name in names)]
    rows = []
    for rung, values in knn.iterrows():
        cells = [number(values[name]) for name in names]
        if len(knn) > 1:
            cells = [
                f"**{cell}**" if round(values[name], 3) == best[name] else cell
                for cell, name in zip(cells, names, strict=True)
            ]
        rows.append([f"z_{rung}, kNN accuracy", *cells])
    if "nmi" in means.index.get_level_values("measure"):
        for rung, values in means.loc["nmi"].iterrows():
            rows.append([f"y_{rung}, NMI", *(number(values[name]) for name in names)])
    return aligned(heads, rows)
