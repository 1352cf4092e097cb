"""An edit reruns what it can change, and nothing else: `vlac plan`, Snakemake and DVC agree on what that is."""

import contextlib
from collections.abc import Callable
from pathlib import Path

import pytest
from made_up import finished
from project import Project

from vlac.params.load import load_params
from vlac.workflow.jobs import jobs

PROBE = ("probe", "rung", "probe_report")


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Project:
    return finished(tmp_path_factory.mktemp("made"))


def commented(text: str) -> str:
    return f"# A comment.\n{text}\n\n# Another.\n"


def another_value(text: str) -> str:
    return f"{text}\nANOTHER = 1\n"


def trainings(plan: set[str]) -> set[str]:
    return {command for command in plan if command.startswith("train ")}


WITHOUT_MEANING: dict[str, Callable[[str], str]] = {
    "vlac/evaluation/metrics.py": commented,
    "vlac/reporting/markdown.py": commented,
    "vlac/methods/vlac_plus/pretext.py": commented,
    "vlac/models/ladder.py": lambda text: text.replace('"""', '"""Said otherwise: ', 1),
    "vlac/models/another.py": another_value,  # a module that nobody imports
    "vlac/cli.py": another_value,  # code that computes nothing
}


def test_edits_without_meaning_rerun_nothing_and_neither_does_a_new_method(made: Project) -> None:
    source = (made.folder / "vlac/methods/kmeans.py").read_text()
    with contextlib.ExitStack() as edits:
        for file, change in WITHOUT_MEANING.items():
            edits.enter_context(made.edited(file, change))
        edits.enter_context(made.edited("vlac/methods/other.py", lambda _: source.replace('"kmeans"', '"other"')))
        assert made.planned() == set()
        said = made.run("dvc", "repro")
    assert "Running stage 'requests'" in said
    assert "Running stage 'train" not in said


NO_TRAINING: dict[str, tuple[str, Callable[[str], str], set[str]]] = {
    "a metric": ("vlac/evaluation/metrics.py", another_value, {*PROBE, "evaluate", "table"}),
    "a report": ("vlac/reporting/markdown.py", another_value, {"describe", "probe_report", "table"}),
    "a figure": ("vlac/reporting/figures.py", another_value, {"figures"}),
    "what is drawn": (
        "vlac/models/method.py",
        lambda text: text.replace("seed + k)", "seed - k)"),
        {"evaluate", "table"},
    ),
    "an image that is drawn": ("vlac/models/decoded.py", another_value, {"evaluate", "figures", "table"}),
    "a sentence on it": ("vlac/methods/vlac.py", lambda text: text.replace("Sizes of", "The sizes of"), {"table"}),
    "a sentence on ladders": ("vlac/reporting/protocol.py", lambda text: text.replace("All rungs", "Rungs"), {"table"}),
    "what features are called": (
        "vlac/features/names.py",
        lambda text: text.replace('"GIST"', '"Gist"'),
        {"figures", "table"},
    ),
    "its label": ("vlac/methods/vlac.py", lambda text: text.replace("VLAC, K", "Ladder, K"), {"figures", "table"}),
    "the scores": ("vlac/stages/evaluate.py", another_value, {"evaluate", "table"}),
    "the probe": ("vlac/stages/probe.py", another_value, {*PROBE, "table"}),
}


@pytest.mark.parametrize("edit", NO_TRAINING)
def test_what_is_read_after_training_retrains_nothing(edit: str, made: Project) -> None:
    file, change, stages = NO_TRAINING[edit]
    with made.edited(file, change):
        assert {command.split()[0] for command in made.stale()} == stages


def test_code_of_models_retrains_what_is_built_on_it(made: Project) -> None:
    params = load_params(made.folder / "params.yaml")
    ladders = {job.command for job in jobs(params) if job.stage.trains and job.model != "kmeans"}
    with made.edited("vlac/models/ladder.py", another_value):
        assert {f"python -m vlac {command}" for command in trainings(made.stale())} == ladders
    with made.edited("vlac/methods/vlac_plus/pretext.py", another_value):
        assert trainings(made.stale()) == {"train --model vlac_2layer_plus --seed 0"}


PARAMETERS: dict[str, tuple[tuple[str, ...], object, set[str]]] = {
    "epochs": (("training", "epochs"), 3, {"train", *PROBE, "evaluate", "figures", "table"}),
    "hold-out": (("data", "holdout"), 90, {*PROBE, "table"}),
    "neighbours": (("evaluation", "neighbours"), 9, {*PROBE, "evaluate", "table"}),
}


@pytest.mark.parametrize("change", PARAMETERS)
def test_a_parameter_reruns_the_stages_that_declare_it_and_what_follows(change: str, made: Project) -> None:
    keys, to, stages = PARAMETERS[change]
    with made.edited("params.yaml", str):
        made.change(*keys, to=to)
        assert {command.split()[0] for command in made.planned()} == stages


def test_without_manifests_either_engine_makes_everything_again(tmp_path: Path) -> None:
    project = finished(tmp_path, "gmdgm")
    for manifest in (tmp_path / "results").rglob("manifest.json"):
        manifest.unlink()
    every = project.stale()
    assert project.planned("all") == every
    assert project.repro() == every


def test_seeds_and_models_rerun_their_own_jobs_in_both_engines(tmp_path: Path) -> None:
    project = finished(tmp_path, "gmdgm")
    models = load_params(tmp_path / "params.yaml").model_dump(mode="json")["models"]

    project.change("seeds", to=[0, 2])
    added = {f"{stage} --model gmdgm --seed 2" for stage in ("train", "evaluate", "figures")}
    assert project.planned() == project.repro() == added | {"table"}

    project.change("seeds", to=[2])
    project.change("models", to={"another": models["gmdgm"], **models})
    of_it = {f"{stage} --model another --seed 2" for stage in ("train", "evaluate", "figures")}
    assert project.planned() == project.repro() == of_it | {"table"}
