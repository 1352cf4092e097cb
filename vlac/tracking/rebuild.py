"""Make the view again from the files, for all jobs of today's parameters."""

from collections.abc import Callable
from dataclasses import dataclass

from vlac.errors import VlacError
from vlac.params.schema import Params
from vlac.params.search import Search
from vlac.stages.asked import params_of
from vlac.stages.definitions import Job, jobs
from vlac.stages.search import trials
from vlac.tracking import journal, sync
from vlac.tracking.content import REPORTS, finished_runs
from vlac.tracking.guard import TRACK, damaged_store, location, why
from vlac.tracking.store import exclusive, open_store

TRAININGS = ("train_vlae", "train")


@dataclass(frozen=True)
class Rebuilt:
    """What `rebuild` did.

    Attributes:
        shown: runs that the view shows of today's parameters.
        changed: how many of them were missing or differed.
        killed: runs that counted as running, of processes that are gone.
        left_out: a sentence for each job whose files cannot be shown.
        file: the file that asked for the runs.
    """

    shown: int
    changed: int
    killed: int
    left_out: tuple[str, ...]
    file: str = "params.yaml"

    def __str__(self) -> str:
        lines = [
            f"MLflow ({location()}) shows {self.shown} finished runs of {self.file}; {self.changed} had to be mended."
        ]
        if self.killed:
            lines.append(f"{self.killed} runs of killed processes are marked as such.")
        return "\n".join([*lines, *(f"Left out: {sentence}" for sentence in self.left_out)])


def rebuild(params: Params) -> Rebuilt:
    """Make MLflow show every finished run of `params` (the whole file's); doing it twice changes nothing.

    Runs that the view shows rightly already are left alone, and so are those of other parameters and of other people.

    Raises:
        VlacError: MLflow is not installed, or its store cannot be used.
    """
    of_runs = [job for job in jobs(params) if job.stage.name in (*TRAININGS, *REPORTS)]
    return _rebuild(of_runs, lambda job: params, "", "params.yaml")


def rebuild_search(search: Search) -> Rebuilt:
    """Do the same for the trials of a search, in their own experiment, passing over those never started."""
    started = [job for job in trials(search) if job.manifest.exists() or journal.path(job).exists()]
    return _rebuild(started, params_of, "search", "search.yaml")


def _rebuild(of_runs: list[Job], params_of: Callable[[Job], Params], part: str, file: str) -> Rebuilt:
    shown = changed = 0
    left_out = []
    try:
        store = open_store(part)
        # Asked for once: a query per run would take as long as all the rest.
        finished = store.every("FINISHED")
        for job in of_runs:
            with exclusive():
                try:
                    contents = finished_runs(job, params_of(job))
                except VlacError as error:
                    left_out.append(str(error))
                    contents = []
                other = [content for content in contents if not sync.shows(finished.get(content.key, []), content)]
                changed += sum(sync.show(store, content) for content in other)
                shown += len(contents)
        with exclusive():
            killed = sync.end_abandoned(store, journal.read_all())
    except VlacError:
        raise
    except Exception as error:
        hint = (
            f"Mend that, or name another MLFLOW_TRACKING_URI. If {location()} is a file that is damaged or of another "
            "MLflow, move it away: the same command makes it anew from the results."
        )
        if damaged := damaged_store(error):
            aside = f"mv {damaged} {damaged}.damaged"
            hint = f"Run `{aside}` to move it away: `{TRACK}` then makes it anew from the results."
        raise VlacError(f"The view cannot be made: {why(error)}.", hint) from error
    return Rebuilt(shown, changed, killed, tuple(left_out), file)
