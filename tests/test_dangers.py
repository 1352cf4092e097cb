"""Nothing in the code and the rules runs or loads what it is given, and what listens listens on this machine alone."""

import ast
import re
from pathlib import Path
from types import SimpleNamespace

import pytest
from snakemake.parser import parse
from snakemake.sourcecache import LocalSourceFile

from vlac.stages import STAGES

ROOT = Path(__file__).resolve().parents[1]
CODE = [path for folder in ("vlac", "benchmarks", ".ci") for path in sorted((ROOT / folder).rglob("*.py"))]
RULES = [ROOT / "Snakefile", *sorted((ROOT / "workflow").rglob("*.smk"))]

# What runs what it is given, by its full name, and the keyword without which a call does not.
FORBIDDEN = {
    *("os.system", "os.popen", "subprocess.getoutput", "subprocess.getstatusoutput", "eval", "exec", "__import__"),
    *("yaml.load", "yaml.load_all", "yaml.full_load", "yaml.unsafe_load", "pandas.read_pickle"),
}
MODULES = {"pickle", "cPickle", "marshal", "shelve", "dill", "joblib", "cloudpickle", "commands"}
ONLY_WITH = {"torch.load": ("weights_only", "True"), "numpy.load": ("allow_pickle", "False")}


def dangers(source: str) -> list[str]:
    """Return the calls of a module that run or load what they are given, and its imports that are for that."""
    tree = ast.parse(source)
    names, found = _imported(tree), []
    for node in ast.walk(tree):
        if isinstance(node, ast.Import | ast.ImportFrom):
            modules = [alias.name for alias in node.names] if isinstance(node, ast.Import) else [node.module or ""]
            found += [name for name in modules if name.split(".")[0] in MODULES]
        if not isinstance(node, ast.Call):
            continue
        first, dot, rest = ast.unparse(node.func).partition(".")
        called = names.get(first, first) + dot + rest
        given = {keyword.arg: ast.unparse(keyword.value) for keyword in node.keywords}
        if called in FORBIDDEN or given.get("shell", "False") != "False" or called.startswith(("os.exec", "os.spawn")):
            found.append(called)
        if called in ONLY_WITH and given.get(ONLY_WITH[called][0]) != ONLY_WITH[called][1]:
            found.append(called)
        if called in ("yaml.compose", "yaml.parse", "yaml.scan") and given.get("Loader") != "yaml.SafeLoader":
            found.append(called)
        if re.fullmatch(r"yaml\.\w*Loader", called) and called != "yaml.SafeLoader":
            found.append(called)
    return found


def _imported(tree: ast.Module) -> dict[str, str]:
    """Return the full name of everything that a module imports, by the name that it has there."""
    names = {"np": "numpy", "pd": "pandas"}
    for node in ast.walk(tree):
        for alias in node.names if isinstance(node, ast.Import | ast.ImportFrom) else ():
            if isinstance(node, ast.ImportFrom):
                names[alias.asname or alias.name] = f"{node.module}.{alias.name}"
            elif alias.asname:
                names[alias.asname] = alias.name
    return names


def python_of(path: Path) -> str:
    """Return the Python into which Snakemake turns a file of rules."""
    opened = SimpleNamespace(sourcecache=SimpleNamespace(open=lambda _: path.open()))
    code, _ = parse(LocalSourceFile(str(path)), opened, {})
    return str(code)


@pytest.mark.parametrize("path", CODE, ids=lambda path: path.relative_to(ROOT).as_posix())
def test_no_module_runs_what_it_is_given(path: Path) -> None:
    assert dangers(path.read_text()) == []


@pytest.mark.parametrize("path", RULES, ids=lambda path: path.relative_to(ROOT).as_posix())
def test_no_file_of_rules_runs_what_it_is_given(path: Path) -> None:
    assert dangers(python_of(path)) == []


def test_a_danger_among_rules_is_seen(tmp_path: Path) -> None:
    rule = "rule one:\n    output:\n        'a',\n    params:\n        lambda _: system('id'),\n"
    (tmp_path / "Snakefile").write_text(f"from os import system\n\n\n{rule}")
    assert dangers(python_of(tmp_path / "Snakefile")) == ["os.system"]


@pytest.mark.parametrize(
    "line",
    [
        *("import pickle", "from joblib import load", "os.system(command)", "eval(text)", "yaml.load(text, Loader)"),
        *(
            "subprocess.run(command, shell=True)",
            "subprocess.Popen(c, shell=want)",
            "torch.load(path)",
            "np.load(path)",
        ),
        *("torch.load(path, weights_only=False)", "np.load(path, allow_pickle=True)", "yaml.UnsafeLoader(text)"),
        *("yaml.compose(text)", "os.execv(path, [])", "pd.read_pickle(path)"),
        *("from os import system\nsystem(command)", "from os import system as run\nrun(command)"),
        *("from torch import load\nload(path)", "import torch as t\nt.load(path)", "from os import execv\nexecv(a, b)"),
        *("from numpy import load\nload(path)", "from yaml import load\nload(text, Loader)"),
        *("from yaml import UnsafeLoader\nUnsafeLoader(text)", "import subprocess as s\ns.getoutput(command)"),
    ],
)
def test_a_danger_is_seen(line: str) -> None:
    assert dangers(line)


@pytest.mark.parametrize(
    "line", ["from torch import load\nload(path, weights_only=True)", "model.eval()", "load(path)"]
)
def test_what_is_harmless_is_not(line: str) -> None:
    assert dangers(line) == []


def test_rules_run_the_stages_own_commands_with_constrained_wildcards() -> None:
    rules = "\n".join(path.read_text() for path in sorted((ROOT / "workflow/rules").glob("*.smk")))
    assert rules.count("shell:") == len(re.findall(r'shell:\n        command\("\w+"\)\n', rules)) == len(STAGES) + 2
    assert not re.search(r"\b(run|script|notebook|wrapper):\n", rules)
    assert re.search(r'wildcard_constraints:\n    model="\|"\.join\(PARAMS\.models\),\n    seeds=r"\\d\+', rules)
    for stage in STAGES.values():
        assert set(re.findall(r"\{(\w+)\}", stage.command)) <= {"model", "seeds"}


def test_servers_listen_on_this_machine_alone() -> None:
    commands = [
        line
        for path in (ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md")))
        for line in re.findall(r"`([^`\n]*)`|^((?:mlflow|python|uvicorn|gunicorn) .*)$", path.read_text(), re.M)
        for line in line
        if re.search(r"mlflow (ui|server)|http\.server|uvicorn|gunicorn", line)
    ]
    assert commands
    assert all("--host 127.0.0.1" in command for command in commands)
    code = "\n".join(path.read_text() for path in [*CODE, *sorted((ROOT / "tests").rglob("*.py"))])
    assert not re.search(r"HTTPServer\(\(\"(?!127\.0\.0\.1)", code)
    assert "0.0.0" + ".0" not in code
