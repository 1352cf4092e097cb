"""What asks for a job: the parameters that it is run with, and by which its result is judged up to date."""

from vlac.errors import VlacError
from vlac.params import load_params
from vlac.params.schema import Params
from vlac.params.search import TrialParams
from vlac.params.trials import load_search, trial_params
from vlac.stages.definitions import Asked, Job


def asked_of(job: Job) -> Asked:
    """Return what asks for any job: its parameters, or of the job that gathers a search, all of search.yaml.

    Raises:
        VlacError: as `params_of`.
    """
    return params_of(job) if job.stage.over or not job.stage.part else load_search()


def params_of(job: Job) -> Params:
    """Return all of params.yaml, or the parameters of a search's trial for a job of that.

    Raises:
        VlacError: the file is missing or wrong, the trial is not in it, or rests on other data than params.yaml makes.
    """
    if not job.stage.part:
        return load_params()
    search = load_search()
    params = trial_params(search, job.model)
    _refuse_other_data(params, search.base)
    return params


def _refuse_other_data(trial: TrialParams, base: str) -> None:
    """Refuse a trial whose base is for other data than data/train.npz, which is made from params.yaml.

    Where the files lie does not matter, so that params.yaml may name a folder of its own.
    """
    here = load_params().data
    asked = trial.data
    keys = ["source", "train_split", *(["digits"] if asked.source == "digits" else [])]
    for key in keys:
        if getattr(here, key) != getattr(asked, key):
            raise VlacError(
                f"search.yaml rests on {base}, but data.{key} differs between that and params.yaml, from which the "
                "images are made.",
                f"`cp {base} params.yaml`, or give search.yaml another base.",
            )
