"""The stages of the pipeline: what each reads, writes and depends on, said once for both engines and the CLI."""

from vlac.stages.definitions import STAGES, Job, Stage, jobs
from vlac.stages.run import run_stage

__all__ = ["STAGES", "Job", "Stage", "jobs", "run_stage"]
