"""The notes under the table: the protocol behind the numbers, and the files."""

import pandas as pd

from vlac.datasets import datasets
from vlac.datasets.base import File
from vlac.methods.base import Method
from vlac.params.schema import Params
from vlac.reporting.markdown import aligned, bullet, listed, number


def notes(params: Params, files: list[File], methods: dict[str, Method], scores: dict[str, pd.DataFrame]) -> str:
    """Return the notes as Markdown, of the `files` that source.json tells of.

    `methods`, learnt or not, and `scores`, a row per seed, are by the names in params.yaml, in the order of the table.
    """
    protocol = "\n".join(map(bullet, _protocol(params, files, methods, scores)))
    rows = []
    for file in files:
        official = "yes" if file.official else "no"
        rows.append([file.name, file.split, f"{file.count:,}", official, f"{file.bytes:,}", f"`{file.sha256[:16]}`"])
    table = aligned(["File", "split", "images", "official", "bytes", "sha256 begins"], rows, left=2)
    source = f"{datasets()[params.data.source].title}. Official: the bytes are those that its authors publish."
    return "\n\n".join(["## Protocol", protocol, "## Data", source, table])


def _protocol(
    params: Params, files: list[File], methods: dict[str, Method], scores: dict[str, pd.DataFrame]
) -> list[str]:
    """Return what holds for all models, then what each says of itself, a sentence that several share once."""
    images = sum(file.count for file in files if file.split != "test")
    chosen = (
        "The probe chose the rung of the largest mixture, with labels of a hold-out of the training split"
        if params.digit_rung == "auto"
        else f"The rung of the largest mixture, {params.digit_rung}, is set in params.yaml"
    )
    random = {method.K[method.main_rung]: scores[name]["chance_random"].mean() for name, method in methods.items()}
    sentences: dict[str, list[str]] = {}
    for name, method in methods.items():
        for sentence in method.protocol():
            sentences.setdefault(sentence, []).append(name)
    judged = pd.concat(list(scores.values()))["judge_acc"].dropna()  # empty of a model that draws nothing
    names = [f"{name} is {method.label()}, rung {method.main_rung}" for name, method in methods.items()]
    return [
        f"Rows by their names in params.yaml, with the scored rung: {'; '.join(names)}.",
        f"Every model learns from the {images:,} training images, without labels.",
        "Test labels choose nothing: no stopping, checkpoint, seed or setting of a row is picked by them. Training "
        "labels name the clusters (ACC) and teach the judge of samples, after training.",
        *(
            [f"{chosen}; `snakemake --cores 4` also writes what the probe found, to {params.experiment}/probe.md."]
            if any(each.needs_rung for each in methods.values())
            else []
        ),
        f"Chance levels of ACC: {number(next(iter(scores.values()))['chance'].mean())} for the largest class, "
        + listed([f"{number(value)} for {K} clusters assigned at random (test map)" for K, value in random.items()])
        + ".",
        *(f"The judge of samples puts {number(acc)} of the test images into their class." for acc in judged.unique()),
        *(sentence if len(of) == len(methods) else f"{listed(of)}: {sentence}" for sentence, of in sentences.items()),
    ]
