"""An edit reruns what it can change, and nothing else: asked of Snakemake, and of DVC where it runs what it plans."""

from collections.abc import Callable
from pathlib import Path

import pytest
from project import Project

from vlac.params.load import load_params
from vlac.workflow.jobs import jobs

PLUS = "vlac_2layer_plus"
PROBE = ("probe", "rung", "probe_report")


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Project:
    """A project in which Snakemake has run everything."""
    project = Project.make(tmp_path_factory.mktemp("made")).with_one_seed()
    project.snakemake("--quiet", "all")
    return project


def commented(text: str) -> str:
    return f"# A comment.\n{text}\n\n# Another.\n"


def otherwise_documented(text: str) -> str:
    return text.replace('"""', '"""Said otherwise: ', 1)


def another_value(text: str) -> str:
    return f"{text}\nANOTHER = 1\n"


def trainings(plan: set[str]) -> set[str]:
    return {command for command in plan if command.startswith("train ")}


WITHOUT_MEANING: dict[str, tuple[str, Callable[[str], str]]] = {
    "a comment in a metric": ("vlac/evaluation/metrics.py", commented),
    "a comment in a report": ("vlac/reporting/markdown.py", commented),
    "a new module beside the models": ("vlac/models/another.py", another_value),
    "a comment in VLAC+": ("vlac/methods/vlac_plus/pretext.py", commented),
    "a docstring of the ladder": ("vlac/models/ladder.py", otherwise_documented),
    "code that computes nothing": ("vlac/cli.py", another_value),
}


@pytest.mark.parametrize("edit", WITHOUT_MEANING)
def test_an_edit_without_meaning_reruns_nothing(edit: str, made: Project) -> None:
    file, change = WITHOUT_MEANING[edit]
    with made.edited(file, change):
        assert made.planned() == set()


NO_TRAINING: dict[str, tuple[str, Callable[[str], str], set[str]]] = {
    "a metric": (
        "vlac/evaluation/metrics.py",
        another_value,
        {*PROBE, "evaluate", "figures", "table"},
    ),
    "a report": ("vlac/reporting/markdown.py", another_value, {"describe", "probe_report", "table"}),
    "the report on the data": ("vlac/reporting/data.py", another_value, {"describe"}),
    "a figure": ("vlac/reporting/figures.py", another_value, {"figures"}),
    "what is drawn": (
        "vlac/models/method.py",
        lambda text: text.replace("seed + k)", "seed - k)"),
        {"evaluate", "table"},
    ),
    "an image that is drawn": ("vlac/models/decoded.py", another_value, {"evaluate", "figures", "table"}),
    "the scores": ("vlac/stages/evaluate.py", another_value, {"evaluate", "table"}),
    "the probe": ("vlac/stages/probe.py", another_value, {*PROBE, "table"}),
}


@pytest.mark.parametrize("edit", NO_TRAINING)
def test_what_is_read_after_training_retrains_nothing(edit: str, made: Project) -> None:
    file, change, stages = NO_TRAINING[edit]
    with made.edited(file, change):
        plan = made.planned()
    assert plan
    assert {command.split()[0] for command in plan} <= stages


def test_a_new_method_retrains_nothing(made: Project) -> None:
    source = (made.folder / "vlac/methods/kmeans.py").read_text()
    with made.edited("vlac/methods/another.py", lambda _: source.replace('"kmeans"', '"another"')):
        assert made.planned() == set()


def test_code_of_the_ladder_retrains_the_models_built_on_it(made: Project) -> None:
    with made.edited("vlac/models/ladder.py", another_value):
        plan = trainings(made.planned())
    params = load_params(made.folder / "params.yaml")
    ladders = {job.command for job in jobs(params) if job.stage.trains and job.model != "kmeans"}
    assert {f"python -m vlac {command}" for command in plan} == ladders


def test_code_of_vlac_plus_retrains_vlac_plus_alone(made: Project) -> None:
    with made.edited("vlac/methods/vlac_plus/pretext.py", another_value):
        plan = trainings(made.planned())
    assert plan == {f"train --model {PLUS} --seed 0"}


PARAMETERS: dict[str, tuple[tuple[str, ...], object, set[str]]] = {
    "epochs": (("training", "epochs"), 3, {"train", *PROBE, "evaluate", "figures", "table"}),
    "hold-out": (("data", "holdout"), 90, {*PROBE, "table"}),
    "neighbours": (("evaluation", "neighbours"), 9, {*PROBE, "evaluate", "table"}),
}


@pytest.mark.parametrize("change", PARAMETERS)
def test_a_parameter_reruns_the_stages_that_declare_it_and_what_follows(change: str, made: Project) -> None:
    keys, to, stages = PARAMETERS[change]
    before = (made.folder / "params.yaml").read_text()
    made.change(*keys, to=to)
    try:
        assert {command.split()[0] for command in made.planned()} == stages
    finally:
        (made.folder / "params.yaml").write_text(before)
    assert made.planned() == set()


def test_seeds_and_models_rerun_their_own_jobs_in_both_engines(tmp_path: Path) -> None:
    project = Project.make(tmp_path).with_one_seed("gmdgm")
    project.snakemake("--quiet", "all")
    models = dict(load_params(tmp_path / "params.yaml").model_dump(mode="json")["models"])

    project.change("seeds", to=[0, 2])
    added = {f"{stage} --model {name} --seed 2" for stage in ("train", "evaluate", "figures") for name in models}
    assert project.planned() == project.repro() == added | {"table"}

    project.change("seeds", to=[2])
    assert project.planned() == project.repro() == {"table"}

    models["another"] = models["gmdgm"]
    project.change("models", to=dict(reversed(models.items())))
    of_it = {f"{stage} --model another --seed 2" for stage in ("train", "evaluate", "figures")}
    assert project.planned() == project.repro() == of_it | {"table"}

    project.change("digit_rung", to="auto")
    assert trainings(project.planned()) == trainings(project.repro())


def test_dvc_reruns_nothing_after_edits_without_meaning(made: Project) -> None:
    assert made.repro() == set()
    for file, change in WITHOUT_MEANING.values():
        path = made.folder / file
        path.write_text(change(path.read_text() if path.exists() else ""))
    said = made.run("dvc", "repro")
    assert "Running stage 'requests'" in said
    assert "Running stage 'train" not in said
