"""The words around the table: what the measures are, and the protocol behind the numbers."""

import pandas as pd

from vlac.datasets import datasets
from vlac.datasets.base import File
from vlac.methods.base import Method
from vlac.params.schema import Params
from vlac.reporting.markdown import aligned, bullet, listed, named_seeds, number, paragraph
from vlac.reporting.published import SOURCE, TABLE_1

Scores = dict[str, pd.DataFrame]
"""By the name of a model, a row of scores per seed."""


def measures(params: Params) -> str:
    """Return what the columns of the table mean, as a list."""
    seeds = params.seeds
    spread = (
        f"mean ± sample standard deviation (ddof = 1) over {named_seeds(seeds)}."
        if len(seeds) > 1
        else f"seed {seeds[0]} alone, so no spread is shown."
    )
    items = [
        "**Sees**: what clusters are made from: the pixels, features of them that are made by hand (GIST), or those "
        "that a network learns from a task without labels (pretext).",
        "**Published**: as printed in the paper, for SVHN. **quoted**: not run here.",
        f"**Measured columns**: {spread}",
        "**ACC**, Eq. (10): every cluster is attributed to one class (several clusters may share a class); ACC is the "
        "share of test images whose cluster is attributed to their class. The attribution is fitted on the labels of "
        "the *training* images: the headline. **ACC, test map**: it is fitted on the labels of the scored test images "
        "themselves, the paper's habit.",
        "**Hungarian**: at most one cluster per class, so the images of all other clusters count as wrong; low by "
        "construction where clusters outnumber the classes. **NMI**: mutual information over the arithmetic mean of "
        "the entropies. **ARI**: Rand index adjusted for chance. **In use**: clusters with at least one test image.",
        "**Sample ACC**: of images drawn from the components of the scored mixture, equally many of each, the share "
        "that a judge, a network taught the training labels, puts into their cluster's class: the mean over the "
        'classes, 0 for one that no cluster is attributed to. "-": the model draws nothing.',
    ]
    return "\n".join(map(bullet, items))


def notes(params: Params, files: list[File], labels: dict[str, str], methods: dict[str, Method], scores: Scores) -> str:
    """Return the protocol as Markdown, of the `files` that source.json tells of.

    `labels` of rows, in the order of the table, `methods`, learnt or not, and `scores` are by the names in params.yaml.
    """
    quoted = [f"{row.label}: {row.note}" for row in TABLE_1 if row.note]
    return "\n\n".join(
        [
            "## Notes",
            "### Protocol",
            "\n".join(map(bullet, _protocol(params, files, labels, methods, scores))),
            "### Models",
            _models(labels, methods),
            paragraph(
                "The paper states neither sizes of z, nor likelihood, temperature, training split, updates or number "
                "of runs."
            ),
            "### Data",
            _files(params, files),
            "### On the published numbers",
            "\n".join(map(bullet, [f"Source: {SOURCE}.", *quoted])),
        ]
    )


def _protocol(
    params: Params, files: list[File], labels: dict[str, str], methods: dict[str, Method], scores: Scores
) -> list[str]:
    """Return what holds for all models, then what each says of itself, a sentence that several share once."""
    images = sum(file.count for file in files if file.split != "test")
    probe = f"{params.experiment}/probe.md"
    chosen = (
        f"The rung of the largest mixture was chosen by the probe, with labels of a hold-out of the training split "
        f"({probe}). "
        if params.digit_rung == "auto"
        else f"The rung of the largest mixture, {params.digit_rung}, is set in params.yaml; {probe} says what a VLAE "
        "would have chosen. "
    )
    random = {methods[name].K[methods[name].main_rung]: scores[name]["chance_random"].mean() for name in labels}
    sentences: dict[str, list[str]] = {}
    for name in labels:
        for sentence in methods[name].protocol():
            sentences.setdefault(sentence, []).append(name)
    accuracies = [float(scores[name]["judge_acc"].iloc[0]) for name in labels]  # empty of a model that draws nothing
    judge = [
        f"The judge of samples puts {number(accuracy)} of the test images into their class."
        for accuracy in sorted({accuracy for accuracy in accuracies if accuracy == accuracy})
    ]
    return [
        f"Every model learns from the {images:,} training images, without labels.",
        "Test labels choose nothing: no stopping, checkpoint, seed or setting of a row is picked by them. "
        + (chosen if any(method.needs_rung for method in methods.values()) else "")
        + "Training labels name the clusters (ACC) and teach the judge of samples, after training.",
        f"Chance levels of ACC: {number(scores[next(iter(labels))]['chance'].mean())} for the largest class, "
        + listed([f"{number(value)} for {K} clusters assigned at random (test map)" for K, value in random.items()])
        + ".",
        *judge,
        *(sentence if len(of) == len(labels) else f"{listed(of)}: {sentence}" for sentence, of in sentences.items()),
    ]


def _models(labels: dict[str, str], methods: dict[str, Method]) -> str:
    rows = []
    for name, label in labels.items():
        K = ", ".join(f"{clusters} on rung {rung}" for rung, clusters in sorted(methods[name].K.items()))
        rows.append([label, name, K, f"y_{methods[name].main_rung}"])
    return aligned(["Row", "in params.yaml", "clusters", "scored"], rows, left=2)


def _files(params: Params, files: list[File]) -> str:
    rows = []
    for file in files:
        official = "yes" if file.official else "no"
        rows.append([file.name, file.split, f"{file.count:,}", official, f"{file.bytes:,}", f"`{file.sha256[:16]}`"])
    table = aligned(["File", "split", "images", "official", "bytes", "sha256 begins"], rows, left=2)
    return f"{datasets()[params.data.source].title}. Official: the bytes are those that its authors publish.\n\n{table}"
