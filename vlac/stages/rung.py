"""Stage rung: name the rung that carries the digit, which `digit_rung: auto` takes."""

from collections.abc import Iterable
from pathlib import Path

import pandas as pd

from vlac.evaluation.probing import best_rung
from vlac.files import write_json
from vlac.params.schema import Params
from vlac.tables import read_csv
from vlac.workflow.jobs import Job
from vlac.workflow.manifest import Origin


def rung(job: Job, params: Params, origin: Origin) -> None:
    """Write which rung the probe names."""
    write_json(job.output("auto.json"), {"rung": best_rung(probed(origin.inputs))})


def probed(manifests: Iterable[str]) -> pd.DataFrame:
    """Return the probe's scores of all seeds, which lie beside the manifests."""
    return pd.concat([read_csv(Path(path).with_name("scores.csv")) for path in manifests])
