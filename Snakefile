"""Table 1 of the paper as a Snakemake workflow: `snakemake --cores 4 reports/table1.md`.

Every rule reads a request, a small file with the parameters and the hash of the code that its result depends on: see
vlac/workflow/requests.py. The table is that of the experiment in params.yaml.
"""

from snakemake.utils import min_version

min_version("9.0")


report: "workflow/report/workflow.rst"


include: "workflow/rules/common.smk"


# Not submitted to a cluster: seconds of work each, and the download is what needs the internet.
localrules:
    download,
    describe,
    rung,
    probe_report,
    table,
    search,


EVERYTHING = [
    "reports/table1.md",
    f"reports/{EXPERIMENT}/data.md",
    f"reports/{EXPERIMENT}/probe.md",
    *expand(f"reports/{EXPERIMENT}/figures/{{model}}/{{seed}}", model=PARAMS.models, seed=PARAMS.seeds),
]
if {"--report", "--reporter"} & {each.split("=")[0] for each in sys.argv} and "--report-after-run" not in sys.argv:
    # Of what is there: Snakemake refuses to report on a file that is not.
    EVERYTHING = [path for path in EVERYTHING if os.path.exists(path)]
    if not EVERYTHING:
        raise WorkflowError("There is nothing to report on yet. Build the table first: snakemake --cores 4")


rule all:
    default_target: True
    input:
        EVERYTHING,


include: "workflow/rules/data.smk"
include: "workflow/rules/probe.smk"
include: "workflow/rules/models.smk"
include: "workflow/rules/reports.smk"
include: "workflow/rules/search.smk"
