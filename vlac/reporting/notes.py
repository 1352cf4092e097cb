"""The words around the table: what the measures are, and the protocol behind the numbers."""

from typing import Any

import pandas as pd

from vlac.models.spec import Spec, model_spec
from vlac.params.schema import L, Params, VlacPlus, seeds_of
from vlac.reporting.markdown import aligned, bullet, listed, named_seeds, number, paragraph
from vlac.reporting.published import SOURCE, TABLE_1


def measures(params: Params) -> str:
    """Return what the columns of the table mean, as a list."""
    seeds = [seed for group in params.seeds for seed in seeds_of(group)]
    spread = (
        f"mean ± sample standard deviation (ddof = 1) over {named_seeds(seeds)}."
        if len(seeds) > 1
        else f"seed {seeds[0]} alone, so no spread is shown."
    )
    items = [
        "**Published**: as printed in the paper, for SVHN. **quoted**: not run here.",
        f"**Measured columns**: {spread}",
        "**ACC**, Eq. (10): every cluster is attributed to one class (several clusters may share a class); ACC is the "
        "share of test images whose cluster is attributed to their class. The attribution is fitted on the labels of "
        "the *training* images: the headline. **ACC, test map**: it is fitted on the labels of the scored test images "
        "themselves, the paper's habit.",
        "**Hungarian**: at most one cluster per class, so the images of all other clusters count as wrong; low by "
        "construction where clusters outnumber the 10 classes. **NMI**: mutual information over the arithmetic mean of "
        "the entropies. **ARI**: Rand index adjusted for chance. **In use**: clusters with at least one test image.",
    ]
    return "\n".join(map(bullet, items))


def notes(params: Params, source: dict[str, Any], labels: dict[str, str], scores: dict[str, pd.DataFrame]) -> str:
    """Return the protocol as Markdown.

    Args:
        params: all parameters of the experiment.
        source: content of data/source.json.
        labels: the row label of every model, by its name in params.yaml, in the order of the table.
        scores: by the same names, the scores of every seed.
    """
    specs = {
        name: model_spec(params.models[name], int(scores[name]["rung"].iloc[0]), params.network, params.likelihood)
        for name in labels
    }
    quoted = [f"{row.label}: {row.note}" for row in TABLE_1 if row.note]
    return "\n\n".join(
        [
            "## Notes",
            "### Protocol",
            "\n".join(map(bullet, _protocol(params, source, scores, specs))),
            "### Models",
            _models(labels, specs),
            paragraph(
                "K: clusters of the rung, 1 = no mixture (standard normal prior). d: size of z. The paper states "
                "neither d, nor likelihood, temperature, training split, updates or number of runs."
            ),
            "### Data",
            _files(source),
            "### On the published numbers",
            "\n".join(map(bullet, [f"Source: {SOURCE}.", *quoted])),
        ]
    )


def _protocol(
    params: Params, source: dict[str, Any], scores: dict[str, pd.DataFrame], specs: dict[str, Spec]
) -> list[str]:
    training, objective, likelihood = params.training, params.objective, params.likelihood
    images = sum(entry["count"] for entry in source["files"] if entry["split"] != "test")
    updates = images // training.batch
    chosen = (
        "The rung of the largest mixture was chosen by the probe, with labels of a hold-out of the training split "
        "(probe.md)."
        if params.digit_rung == "auto"
        else f"The rung of the largest mixture, {params.digit_rung}, is set in params.yaml; probe.md says what a VLAE "
        "would have chosen."
    )
    kl_z = {
        "enumerated": "KL of z_l summed exactly over the rung's own y_l (lower variance than the paper's sample)",
        "sampled": "KL of z_l at the sample of y_l, as the paper describes",
    }[objective.kl_z]
    weights = ", ".join(f"{weight:g}" for weight in objective.kl_z_weight)
    scale = {"gaussian": "Gaussian of standard deviation", "laplace": "Laplace of scale"}[likelihood.form]
    first = next(iter(scores.values()))
    random = {spec.K[spec.main_rung]: scores[name]["chance_random"].mean() for name, spec in specs.items()}
    return [
        f"Training: {training.epochs} epochs of {updates:,} updates, {training.epochs * updates:,} in all, each on "
        f"{training.batch} of the {images:,} training images, without labels. Adam, learning rate {training.lr:g} "
        f"({training.lr_prior:g} for means and variances of the mixtures). Scored: the weights after the last update.",
        "Test labels choose nothing: no stopping, checkpoint, seed or setting of a row is picked by them. "
        + chosen
        + " Training labels name the clusters (ACC), after training.",
        f"Likelihood: {scale} {likelihood.scale:g} for every pixel and channel, pixels in [0, 1].",
        f"Objective, Eq. (9): expectations over y by Gumbel-softmax, temperature {objective.temperature_start:g} to "
        f"{objective.temperature_end:g} over the first {objective.temperature_until:.0%} of updates; {kl_z}. Weights "
        f"of the KL terms, after warm-up over {objective.kl_z_warmup:.0%} (z) and {objective.kl_y_warmup:.0%} (y) of "
        f"updates: {weights} for z_1 to z_{L}, {objective.kl_y_weight:g} for every y_l; Eq. (9) has 1 throughout.",
        *(_beyond(name, model) for name, model in params.models.items() if isinstance(model, VlacPlus)),
        f"Chance levels of ACC: {number(first['chance'].mean())} for the largest class, "
        + listed([f"{number(value)} for {K} clusters assigned at random (test map)" for K, value in random.items()])
        + ".",
    ]


def _beyond(name: str, model: VlacPlus) -> str:
    pretext = model.pretext
    moved = f"shifted by up to {pretext.shift:g} px" if pretext.shift else ""
    variants = " and ".join(filter(None, [moved, "half of them as negatives" if pretext.polarity else ""]))
    return (
        f"{name} goes beyond the paper. Before the ladder, a network learns for {pretext.epochs} epochs to tell "
        "which of 8 dihedral transforms was applied to a picture normalised by itself"
        + (f" ({variants})" if variants else "")
        + f", and clusters learn to agree between {pretext.neighbours} nearest neighbours among its features "
        f"({pretext.size} components); no labels. In the ladder, pi of the scored rung reads these features, and "
        f"the neighbours' mutual information stays in the objective, with weight {pretext.weight:g}. The rows below it "
        "score its features under k-means (fitted on some of the training images) and its clusters before any ladder."
    )


def _models(labels: dict[str, str], specs: dict[str, Spec]) -> str:
    rungs = range(1, L + 1)
    rows = []
    for name, label in labels.items():
        spec = specs[name]
        cells = [f"K {spec.K[rung]}, d {spec.z[rung]}" if rung in spec.rungs else "none" for rung in rungs]
        rows.append([label, name, *cells, f"y_{spec.main_rung}"])
    return aligned(["Row", "in params.yaml", *(f"rung {rung}" for rung in rungs), "scored"], rows, left=2)


def _files(source: dict[str, Any]) -> str:
    about = {
        "digits": "Rendered by this package (`python -m vlac download`), in the layout of the official SVHN files.",
        "svhn": "SVHN cropped digits (Netzer et al., 2011). Official: the bytes are those of the project's page.",
    }[source["source"]]
    rows = [
        [
            entry["name"],
            entry["split"],
            f"{entry['count']:,}",
            "yes" if entry["official"] else "no",
            f"{entry['bytes']:,}",
            f"`{entry['sha256'][:16]}`",
        ]
        for entry in source["files"]
    ]
    table = aligned(["File", "split", "images", "official", "bytes", "sha256 begins"], rows, left=2)
    return f"{about}\n\n{table}"
