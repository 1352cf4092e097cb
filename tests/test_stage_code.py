"""The code and packages that a stage declares are those that it uses, found by following its imports."""

import ast
import sys
from collections.abc import Iterator
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


def needed(node: ast.AST) -> Iterator[str]:
    """Yield the names that a module imports and cannot do without."""
    for each in ast.iter_child_nodes(node):
        if isinstance(each, ast.If) and ast.unparse(each.test) == "TYPE_CHECKING":
            continue
        if isinstance(each, ast.Try) and any(
            ast.unparse(h.type or ast.Name("")) == "ImportError" for h in each.handlers
        ):
            continue  # the module goes on without it
        if isinstance(each, ast.Import):
            yield from (alias.name for alias in each.names)
        elif isinstance(each, ast.ImportFrom):
            assert each.module is not None
            assert each.level == 0
            yield from (each.module, *(f"{each.module}.{alias.name}" for alias in each.names))
        yield from needed(each)


def packages_behind(module: Path) -> set[str]:
    """Return the packages besides this one and Python's own that a module needs, directly or not."""
    found, queue, packages = {module}, [module], set()
    while queue:
        for name in needed(ast.parse((CODE_ROOT / queue.pop()).read_text())):
            first = name.split(".")[0]
            if first != "vlac":
                packages |= {first} - sys.stdlib_module_names
                continue
            path = Path(*name.split("."))
            for file in (path.with_suffix(".py"), path / "__init__.py"):
                if (CODE_ROOT / file).exists() and file not in found:
                    found.add(file)
                    queue.append(file)
    return packages


@pytest.mark.parametrize("name", STAGES)
def test_declared_packages_are_those_that_are_needed(name: str) -> None:
    behind = packages_behind(Path("vlac/pipeline", f"{ENTRIES.get(name, name)}.py"))
    assert behind - {"pydantic"} == set(STAGES[name].packages)
