"""The code that a stage declares holds everything that its result can depend on, found by following its imports."""

import ast
from pathlib import Path

import pytest

from vlac.stages import STAGES
from vlac.stages.definitions import CODE_ROOT, code_files
from vlac.stages.search import SEARCH_STAGES

# What decides a result. The rest of the package carries files and messages about.
DECISIVE = ("data", "models", "training", "evaluation", "reporting", "pipeline")
ENTRIES = {"train_vlae": "train"}
EVERY = STAGES | SEARCH_STAGES


def imported(module: Path) -> set[Path]:
    """Return the decisive modules of the package that a module imports itself."""
    names: set[str] = set()
    for node in ast.walk(ast.parse((CODE_ROOT / module).read_text())):
        if isinstance(node, ast.ImportFrom) and node.module:
            names.add(node.module)
            names.update(f"{node.module}.{alias.name}" for alias in node.names)
        elif isinstance(node, ast.Import):
            names.update(alias.name for alias in node.names)
    paths = {Path(*name.split(".")) for name in names if name.startswith("vlac.") and name.split(".")[1] in DECISIVE}
    return {path.with_suffix(".py") for path in paths if (CODE_ROOT / path).with_suffix(".py").exists()}


def closure(module: Path) -> set[Path]:
    """Return a module and all decisive modules that it imports, directly or not."""
    found, queue = {module}, [module]
    while queue:
        for path in imported(queue.pop()) - found:
            found.add(path)
            queue.append(path)
    return found


@pytest.mark.parametrize("name", EVERY)
def test_declared_code_covers_all_imports(name: str) -> None:
    reached = closure(Path("vlac/pipeline", f"{ENTRIES.get(name, name)}.py"))
    assert len(reached) > 2, "the walk over imports finds nothing"
    missing = reached - set(code_files(EVERY[name]))
    assert not missing, f"stage {name} uses undeclared code: {sorted(map(str, missing))}"
