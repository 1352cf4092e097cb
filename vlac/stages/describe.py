"""Stage describe: what a person sees of the data set before anything is trained."""

from pathlib import Path

from vlac.data.split import Split
from vlac.datasets.base import read_source
from vlac.files import write_text
from vlac.params.schema import Params
from vlac.reporting.data import contact_sheet, data_report
from vlac.stages.download import dataset_of
from vlac.workflow.jobs import Job
from vlac.workflow.manifest import Origin


def describe(job: Job, params: Params, origin: Origin) -> None:
    """Write the report on both splits and the contact sheet.

    A stage of its own, because Snakemake trains again whenever `prepare` has run again.
    """
    source, train, test = map(Path, origin.inputs)
    images = Split.load(train)
    about = dataset_of(params.data).describe(read_source(source))
    write_text(job.output("data.md"), data_report(images, Split.load(test), about))
    contact_sheet(job.output("data.png"), images)
