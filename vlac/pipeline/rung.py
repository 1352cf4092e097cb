"""Stage rung: gather the probe's scores, report them, and settle the rung of the largest mixture."""

from pathlib import Path

import pandas as pd

from vlac.evaluation.probing import best_rung
from vlac.files import read_csv, write_json
from vlac.params.schema import Params
from vlac.reporting.probe import write_probe_report
from vlac.stages.definitions import Job


def settle_rung(job: Job, params: Params) -> None:
    """Write which rung gets the largest mixture: the one that the parameters name, or the probe's answer."""
    groups = [Path("results/probe") / str(group) / "scores.csv" for group in params.probe.seeds]
    scores = pd.concat([read_csv(path) for path in groups], ignore_index=True)
    answer = best_rung(scores)
    rung = answer if params.digit_rung == "auto" else params.digit_rung
    # The rung and nothing else: training hangs on these bytes, and must not on an answer that params.yaml overrules.
    write_json(job.outputs[0], {"rung": rung})
    write_probe_report(params, scores, answer, rung)
