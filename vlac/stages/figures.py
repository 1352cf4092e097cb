"""Stage figures: the pictures of one trained method."""

from pathlib import Path
from typing import Any

from vlac.data.split import Split
from vlac.models.load import load_method
from vlac.tables import read_csv
from vlac.workflow.jobs import Job
from vlac.workflow.manifest import Origin


def figures(job: Job, params: Any, origin: Origin) -> None:
    """Have the method draw itself into the job's folder."""
    assert job.seed is not None
    test, trained = map(Path, origin.inputs)
    method = load_method(trained.with_name("model.pt"), params)
    rows = read_csv(trained.with_name("history.csv")).to_dict("records")
    method.draw(Split.load(test).images, rows, job.seed, job.outputs[0])
