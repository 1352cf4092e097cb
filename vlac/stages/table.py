"""Stage table: Table 1 of the paper, and what DVC shows, from results that match today's parameters and code."""

from vlac.params.schema import Params
from vlac.reporting.plots import write_plots
from vlac.reporting.table import write_table
from vlac.workflow.jobs import Job
from vlac.workflow.manifest import Origin
from vlac.workflow.stale import refuse_stale_results


def table(job: Job, params: Params, origin: Origin) -> None:
    """Refuse stale results, trainings' histories included, then write the table and the plots."""
    refuse_stale_results(params)
    write_plots(params, write_table(params))
