"""Stage probe: how much digit identity each rung of a VLAE carries."""

from pathlib import Path

from vlac.data.split import Split, hold_out
from vlac.evaluation.metrics import chance
from vlac.evaluation.probing import probe_codes
from vlac.models.load import load_method
from vlac.params.schema import Params
from vlac.tables import write_csv
from vlac.workflow.jobs import Job
from vlac.workflow.manifest import Origin


def probe(job: Job, params: Params, origin: Origin) -> None:
    """Score the rungs of a VLAE on the labelled hold-out of the training split."""
    assert job.seed is not None
    images, trained = map(Path, origin.inputs)
    train = Split.load(images)
    held, fit = hold_out(params.data.holdout, len(train))
    means = load_method(trained.with_name("model.pt"), params).encode(train.images).mean
    settings = {"K": params.probe.K, "seed": job.seed, **params.evaluation.model_dump()}
    rows = []
    for rung, mean in means.items():
        scores = probe_codes(mean[fit], train.labels[fit], mean[held], train.labels[held], **settings)
        rows.append({"seed": job.seed, "rung": rung} | scores | {"chance": chance(train.labels[held])})
    write_csv(job.output("scores.csv"), rows)
