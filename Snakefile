"""Table 1 of the paper as a Snakemake workflow; `python -m vlac plan` lists its jobs, their state and commands.

The rules state what each stage is called and what it needs of the machine. Files, commands and parameters come from
vlac/stages/definitions.py, so that this workflow, dvc.yaml and the command line mean the same pipeline.
"""

from snakemake.utils import min_version

min_version("9.0")


report: "workflow/report/workflow.rst"


include: "workflow/rules/common.smk"


# Not submitted to a cluster: seconds of work each, and the download is what needs the internet.
localrules:
    download,
    rung,
    table,
    search,


rule all:
    default_target: True
    input:
        outputs_of("table", "rung", "figures"),


include: "workflow/rules/data.smk"
include: "workflow/rules/probe.smk"
include: "workflow/rules/models.smk"
include: "workflow/rules/reports.smk"
include: "workflow/rules/search.smk"
