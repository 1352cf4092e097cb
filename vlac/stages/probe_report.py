"""Stage probe_report: what a person reads about the probe."""

from vlac.evaluation.probing import best_rung
from vlac.params.schema import Params
from vlac.reporting.probe import write_probe_report
from vlac.stages.rung import probed
from vlac.workflow.jobs import Job
from vlac.workflow.manifest import Origin


def probe_report(job: Job, params: Params, origin: Origin) -> None:
    """Write the report and its chart.

    A stage of its own, so that with `digit_rung: auto` a changed word does not run `rung` again, which retrains.
    """
    scores = probed(origin.inputs)
    answer = best_rung(scores)
    used = answer if params.digit_rung == "auto" else params.digit_rung
    write_probe_report(params, scores, answer, used, job.output("probe.md").parent)
