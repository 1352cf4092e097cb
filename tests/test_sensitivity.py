"""No parameter, module or file changes without both engines making again whatever declares it, and all after it.

Outputs come from stand-ins (tests/engines.py); a change is asked about in this process, as often as there are leaves.
"""

import contextlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from copied import ROOT
from engines import Project
from removals import changes, make, missed, removals
from sensitivity import COMMENT, SMALL, and_all_after, discrepancies, leaves, of_code, of_parameters, of_results

from vlac.params.load import load_params
from vlac.params.schema import Params
from vlac.stages.definitions import code_files, jobs

PARAMS = Params.model_validate(SMALL)


FROM_DVC = ("train: params: objective", "train: deps: results/rung/rung.json", "evaluate: deps: vlac/models")


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Project]:
    """A project made by Snakemake and handed over, so that both engines have records of it; left as it was."""
    project = make(tmp_path_factory.mktemp("made"))
    yield project
    assert project.planned_by_snakemake() == project.planned_by_dvc() == set()


def test_the_small_parameters_have_every_leaf_of_every_preset() -> None:
    def general(path: Path) -> set[tuple[str, ...]]:
        values = load_params(path).model_dump(mode="json")
        kinds = {name: model["kind"] for name, model in values["models"].items()}
        return {tuple(kinds.get(key, key) for key in leaf) for leaf in leaves(values)}

    kinds = {name: model["kind"] for name, model in SMALL["models"].items()}
    small = {tuple(kinds.get(key, key) for key in leaf) for leaf in leaves(SMALL)}
    for path in [ROOT / "params.yaml", *sorted((ROOT / "presets").glob("*.yaml"))]:
        assert general(path) <= small, path


def test_every_parameter_is_declared_by_a_stage_besides_the_table() -> None:
    assert all(len(change.concerns) > 1 for change in of_parameters(SMALL))


def test_a_changed_parameter_reruns_what_declares_it_and_all_after(made: Project) -> None:
    assert [said for change in of_parameters(SMALL) for said in discrepancies(made, change)] == []


def test_a_changed_module_reruns_what_declares_it_and_all_after(made: Project) -> None:
    assert [said for change in of_code(PARAMS) for said in discrepancies(made, change)] == []


def test_a_changed_result_reruns_what_reads_it_and_all_after(made: Project) -> None:
    assert [said for change in of_results(PARAMS) for said in discrepancies(made, change)] == []


def test_each_entry_of_dvc_yaml_whose_removal_is_tried_is_found(made: Project) -> None:
    every = changes()
    for removal in removals():
        if str(removal) in FROM_DVC:
            said = "\n".join(missed(made, removal, every))
            assert f"DVC misses python -m vlac {removal.stage} --model two --seeds 0-1" in said
    assert set(FROM_DVC) <= set(map(str, removals()))


def test_modules_that_no_stage_declares_may_change_freely(made: Project) -> None:
    declared = {file for job in jobs(PARAMS) for file in code_files(job.stage)}
    every = {path.relative_to(made.folder) for path in (made.folder / "vlac").rglob("*.py")}
    others = sorted(map(str, every - declared))
    assert {"vlac/cli.py", "vlac/tracking/store.py", "vlac/node/work.py", "vlac/stages/run.py"} <= set(others)
    with contextlib.ExitStack() as edits:
        for file in others:
            edits.enter_context(made.edited(file, lambda text: text + COMMENT))
        assert made.planned_by_snakemake() == made.planned_by_dvc() == set()


def test_words_in_reports_retrain_nothing(made: Project) -> None:
    reporting = sorted(path.relative_to(made.folder) for path in (made.folder / "vlac/reporting").glob("[a-z]*.py"))
    with contextlib.ExitStack() as edits:
        for file in reporting:
            edits.enter_context(made.edited(str(file), lambda text: text.replace('"""', '"""Otherwise said: ', 1)))
        # The rung's report is one of them, and its stage settles the rung as well: rung.json has the same bytes again,
        # which DVC finds out when it comes to it. No other training, probe or score hangs on a report.
        seen = made.found_by_dvc().seen["dvc.lock"]
        assert {command.split()[3] for command in seen} == {"rung", "figures", "table"}
    for file in reporting:
        concerns = {job.stage.name for job in jobs(PARAMS) if file in code_files(job.stage)}
        assert concerns <= {"rung", "figures", "table"}


def commands(stages: tuple[str, ...], model: str, seeds: str) -> set[str]:
    return {f"python -m vlac {stage} --model {model} --seeds {seeds}" for stage in stages}


OWN = ("train", "evaluate", "figures")
TABLE = {"python -m vlac table"}
RUNG_AND_AFTER = and_all_after({"python -m vlac rung"}, PARAMS)
PROBE = {"python -m vlac train --model vlae --seeds 3", "python -m vlac probe --seeds 3"}
SHAPES: dict[str, tuple[tuple[str, ...], Any, set[str]]] = {
    "a seed more": (("seeds",), ["0-1", 2], TABLE.union(*(commands(OWN, name, "2") for name in PARAMS.models))),
    "a group in two": (
        ("seeds",),
        [0, 1],
        TABLE.union(*(commands(OWN, name, str(seed)) for name in PARAMS.models for seed in (0, 1))),
    ),
    "a model more": (
        ("models",),
        SMALL["models"] | {"more": SMALL["models"]["two"]},
        TABLE | commands(OWN, "more", "0-1"),
    ),
    "a model less": (("models",), {name: SMALL["models"][name] for name in ("two", "plus")}, TABLE),
    "one model alone": (("models",), {"gmdgm": SMALL["models"]["gmdgm"]}, TABLE),
    "models in another order": (("models",), dict(reversed(SMALL["models"].items())), set()),
    "another name": (
        ("models",),
        {("second" if name == "two" else name): model for name, model in SMALL["models"].items()},
        TABLE | commands(OWN, "second", "0-1"),
    ),
    "vlac to gmdgm": (("models", "two"), SMALL["models"]["gmdgm"], TABLE | commands(OWN, "two", "0-1")),
    "vlac to vlac_plus": (("models", "two"), SMALL["models"]["plus"], TABLE | commands(OWN, "two", "0-1")),
    "vlac_plus to vlac": (("models", "plus"), SMALL["models"]["two"], TABLE | commands(OWN, "plus", "0-1")),
    "gmdgm to vlac": (("models", "gmdgm"), SMALL["models"]["two"], TABLE | commands(OWN, "gmdgm", "0-1")),
    "a probe seed more": (("probe", "seeds"), [0, "1-2", 3], PROBE | RUNG_AND_AFTER),
    "a probe seed less": (("probe", "seeds"), [0], RUNG_AND_AFTER),
}


@pytest.mark.parametrize("shape", SHAPES)
def test_another_shape_reruns_only_what_it_must(shape: str, made: Project) -> None:
    keys, to, rerun = SHAPES[shape]
    with made.changed(*keys, to=to):
        assert made.planned_by_snakemake() == rerun
        assert made.planned_by_dvc() == rerun
