"""Read search.yaml, and make of each of its trials the whole set of parameters that it stands for."""

from pathlib import Path
from typing import Any

from vlac.errors import VlacError
from vlac.params.load import load_params, validate_as
from vlac.params.read import Lines, read_yaml
from vlac.params.schema import Params
from vlac.params.search import Search, Trial, TrialParams

SEARCH = Path("search.yaml")


def load_search(path: Path = SEARCH) -> Search:
    """Return the validated search; every trial's parameters are validated with it.

    Raises:
        VlacError: as `load_params`, for the file, for its base, or for a trial's parameters.
    """
    content, _, lines = read_yaml(path)
    search = validate_as(Search, content, path, lines)
    base = _base(search)
    for index, trial in enumerate(search.trials):
        validate_as(TrialParams, _content(search, trial, base), path, _lines(trial, index, lines))
    return search


def trial_params(search: Search, name: str) -> TrialParams:
    """Return the parameters of the trial of that name.

    Raises:
        VlacError: there is no such trial, or the base cannot be read.
    """
    names = [trial.name for trial in search.trials]
    if name not in names:
        raise VlacError(f"{name} is no trial of search.yaml.", f"It lists {', '.join(names)}.")
    return validate_as(TrialParams, _content(search, search.trial(name), _base(search)), SEARCH, {})


def _base(search: Search) -> Params:
    return load_params(Path(search.base))


def _content(search: Search, trial: Trial, base: Params) -> dict[str, Any]:
    """Return the base's values with the trial's own in their places."""
    content: dict[str, Any] = base.model_dump(mode="json")
    content["models"] = {trial.name: trial.model.model_dump(mode="json")}
    content["seeds"] = list(search.seeds)
    content["data"]["holdout"] = search.holdout
    content["rule"] = search.rule.model_dump(mode="json")
    for key, value in trial.set.items():
        *above, last = key.split(".")
        section = content
        for part in above:
            inner = section.setdefault(part, {})
            if not isinstance(inner, dict):
                raise VlacError(f"{SEARCH}: trial {trial.name} sets {key}, but {part} holds no keys.", "Correct it.")
            section = inner
        section[last] = value
    return content


def _lines(trial: Trial, index: int, lines: Lines) -> Lines:
    """Return the lines of search.yaml on which the values stand that `_content` puts into the base."""
    at: Lines = {("data",): lines["holdout",], ("data", "holdout"): lines["holdout",]}
    at["models",] = lines["trials", index]
    model = ("trials", index, "model")
    at |= {("models", trial.name, *place[3:]): line for place, line in lines.items() if place[:3] == model}
    for key in trial.set:
        line = lines["trials", index, "set", key]
        parts = key.split(".")
        for length in range(len(parts), 0, -1):
            at.setdefault(tuple(parts[:length]), line)
        value = ("trials", index, "set", key)
        at |= {(*parts, *place[4:]): line for place, line in lines.items() if place[:4] == value}
    return at
