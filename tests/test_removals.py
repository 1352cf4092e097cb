"""The check of tests/sensitivity.py finds a dependency that is missing in a rule or in a definition.

That it finds those missing in dvc.yaml is in tests/test_sensitivity.py.
"""

import dataclasses
import re
from pathlib import Path
from typing import Any

import pytest
from engines import Project
from sensitivity import SMALL, Change, discrepancies, of_code, of_parameters

from vlac.params.schema import Params
from vlac.stages import STAGES

LITTLE: dict[str, Any] = SMALL | {"models": {"two": SMALL["models"]["two"]}, "seeds": [0]}


def edit(project: Project, file: str, old: str, new: str) -> None:
    text = (project.folder / file).read_text()
    assert text.count(old) == 1
    (project.folder / file).write_text(text.replace(old, new))


def test_removals_from_rules_and_definitions_are_found(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    params = Params.model_validate(LITTLE)
    by_name: dict[str, Change] = {change.name: change for change in (*of_parameters(LITTLE), *of_code(params))}

    project = Project.make(tmp_path, LITTLE)
    edit(project, "workflow/rules/models.smk", '        code=code("evaluate"),\n', "")
    edit(project, "workflow/rules/probe.smk", '    params:\n        values("probe"),\n', "")
    edit(project, "vlac/stages/definitions.py", 'params=("network", "likelihood", ', 'params=("network", ')
    edit(project, "vlac/stages/definitions.py", '"figures.py", "sheets.py")', '"figures.py")')
    for name in ("train", "train_vlae"):
        keys = tuple(key for key in STAGES[name].params if key != "likelihood")
        monkeypatch.setitem(STAGES, name, dataclasses.replace(STAGES[name], params=keys))
    code = tuple(file for file in STAGES["figures"].code if not file.endswith("sheets.py"))
    monkeypatch.setitem(STAGES, "figures", dataclasses.replace(STAGES["figures"], code=code))
    project.run("snakemake", "--cores", "2")

    def said(name: str) -> list[str]:
        lines = discrepancies(project, by_name[name], dvc=False)
        return [line for line in lines if not re.match(r"\S+: (Snakemake's plan|The hashes)", line)]

    assert said("training.lr") == said("vlac/reporting/curves.py") == []
    both = ("Snakemake's records", "Snakemake's look at the manifests")
    trainings = ("train --model two --seeds 0", "train --model vlae --seeds 0", "train --model vlae --seeds 1-2")
    assert said("likelihood.scale") == [
        f"likelihood.scale: {who} misses python -m vlac {training}" for who in both for training in trainings
    ]
    assert said("vlac/reporting/sheets.py") == [
        f"vlac/reporting/sheets.py: {who} misses python -m vlac figures --model two --seeds 0" for who in both
    ]
    # Where a rule says nothing, the manifests still do.
    assert said("vlac/evaluation/factors.py") == [
        f"vlac/evaluation/factors.py: {both[0]} misses python -m vlac evaluate --model two --seeds 0"
    ]
    assert said("evaluation.neighbours") == [
        f"evaluation.neighbours: {both[0]} misses python -m vlac probe --seeds {seeds}" for seeds in ("0", "1-2")
    ]
