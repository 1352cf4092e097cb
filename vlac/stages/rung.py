"""Stage rung: gather the probe's scores, name the rung that carries the digit, and report."""

from pathlib import Path

import pandas as pd

from vlac.evaluation.probing import best_rung
from vlac.files import read_csv, write_json
from vlac.params.schema import Params
from vlac.reporting.probe import write_probe_report
from vlac.workflow.jobs import Job
from vlac.workflow.manifest import Origin


def rung(job: Job, params: Params, origin: Origin) -> None:
    """Write which rung the probe names, which `digit_rung: auto` takes, and the probe's report."""
    scores = pd.concat([read_csv(Path(path).with_name("scores.csv")) for path in origin.inputs], ignore_index=True)
    answer = best_rung(scores)
    write_json(job.output("auto.json"), {"rung": answer})
    used = answer if params.digit_rung == "auto" else params.digit_rung
    write_probe_report(params, scores, answer, used, job.output("probe.md").parent)
