"""Stage probe: how much digit identity each rung of a VLAE carries."""

from pathlib import Path

import pandas as pd

from vlac.data.split import Split, hold_out
from vlac.evaluation.codes import encode_images
from vlac.evaluation.metrics import chance
from vlac.evaluation.probing import probe_codes
from vlac.files import write_csv
from vlac.models.load import load_models
from vlac.params.schema import Params
from vlac.stages.definitions import Job
from vlac.training.device import settle_device


def probe(job: Job, params: Params) -> None:
    """Score the rungs of each VLAE of the group on the labelled hold-out of the training split.

    Raises:
        VlacError: the hold-out is not smaller than the training split.
    """
    device = settle_device(params.training.device, params.training.threads)
    train = Split.load(Path("data/train.npz"))
    held, fit = hold_out(params.data.holdout, len(train))
    rows = []
    for seed, model in load_models(Path("results/train/vlae") / job.seeds / "model.pt").items():
        codes = encode_images(model, train.images, device)
        for rung in model.rungs:
            mean = codes.mean[rung]
            scores = probe_codes(
                mean[fit],
                train.labels[fit],
                mean[held],
                train.labels[held],
                K=params.probe.K,
                neighbours=params.evaluation.neighbours,
                seed=seed,
                fit_limit=params.evaluation.fit_limit,
            )
            rows.append({"seed": seed, "rung": rung} | scores | {"chance": chance(train.labels[held])})
    write_csv(job.outputs[0], pd.DataFrame(rows))
