"""What a job depends on beside its files: the parameters that it declares, and the code that computes its result.

Code is hashed by meaning: comments, docstrings and layout change nothing. A job depends on its stage's module in
vlac/stages (or vlac/search), on the module of its method, and on every module of the package that these import,
wherever the import stands. None of them has to be listed; PLUMBING names what does not count.
"""

import ast
import hashlib
from functools import cache
from pathlib import Path

from vlac.errors import VlacError
from vlac.methods import kinds
from vlac.methods.base import AFTER_TRAINING
from vlac.params.section import Asked, fingerprint
from vlac.workflow.jobs import VLAE, Job

ROOT = Path(__file__).resolve().parents[2]
"""The folder that holds the package."""

PLUMBING = (
    *("vlac.cli.", "vlac.errors.", "vlac.files.", "vlac.params.", "vlac.tracking.", "vlac.workflow."),
    *("vlac.search.params.", "vlac.training.progress.", "vlac.estimator."),
)
"""Modules and packages that carry values and compute none, or that no stage uses: a change of theirs makes no result
stale."""

METHODS = ("Method", "LadderMethod", "FeatureMethod", "NetworkMethod")
"""The classes of which `without` names functions."""

_LATER = (*AFTER_TRAINING, "draw_images", "named_by_network")

UNUSED = {
    "train": _LATER,
    "trial": (*_LATER, "state", "load_state"),
    "probe": _LATER,
    "evaluate": ("label", "sees", "protocol", "draw", "named_by_network"),
    "figures": ("clusterings", "samples", "draw_images", "protocol", "named_by_network"),
    "table": ("fit", "encode", "state", "load_state", "clusterings", "samples", "draw_images", "draw"),
}
"""The functions of a method that a stage's module does not call, so that their edit does not rerun it."""

ABOUT_DATA = ("download", "prepare", "describe", "probe_report", "table")
"""Stages that ask the data set for its files, or for its name."""


def kind_of(job: Job, params: Asked) -> str:
    """Return the kind of the method that the job trains or reads, "" for a job without one."""
    if job.stage.over == "probe" or job.model == VLAE:
        return VLAE
    return str(params.models[job.model].kind) if job.model else ""


def keys_of(job: Job, params: Asked) -> list[str]:
    """Return the dotted keys of params.yaml that the job may read."""
    if not job.stage.trains:
        return list(job.stage.params)
    own = [f"models.{job.model}"] if job.model != VLAE else []
    return [*job.stage.params, *kinds()[kind_of(job, params)].sections, *own]


def params_hash(job: Job, params: Asked) -> str:
    """Return the hash of the values that the job declares."""
    return fingerprint(params, keys_of(job, params))


def hash_of_code(job: Job, params: Asked) -> str:
    """Return the hash of the code that the job's result depends on."""
    name = job.stage.module.rpartition(".")[2]
    kind = kind_of(job, params)
    kinds_read = [kind] if kind else [each.kind for each in params.models.values()] if name == "table" else []
    found = [f"vlac.methods.{each}" for each in kinds_read]
    if name in ABOUT_DATA:
        found.append(f"vlac.datasets.{params.data.source}")
    return code_hash(job.stage.module, *found, without=UNUSED.get(name, ()))


def code_hash(*modules: str, without: tuple[str, ...] = ()) -> str:
    """Return the SHA-256 of what `modules`, dotted names, and all that they import mean.

    Args:
        without: functions of a method's class that the job does not call: they and what they import are left out.
    """
    found: dict[str, str] = {}
    waiting = list(modules)
    while waiting:
        name = waiting.pop()
        if name not in found and not f"{name}.".startswith(PLUMBING):
            path = _path(name)
            found[name], imported = _meaning(path, path.stat().st_mtime_ns, without)
            waiting += imported
    return hashlib.sha256("".join(f"{name} {found[name]}\n" for name in sorted(found)).encode()).hexdigest()


def _path(module: str) -> Path:
    path = ROOT.joinpath(*module.split("."))
    return path / "__init__.py" if path.is_dir() else path.with_suffix(".py")


@cache
def _meaning(path: Path, changed: int, without: tuple[str, ...]) -> tuple[str, tuple[str, ...]]:
    """Return the hash of a module's meaning, and the modules of the package that it imports."""
    tree = _Stripped(without).visit(ast.parse(path.read_bytes()))
    imported: set[str] = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            imported.update(alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.level:
            raise VlacError(
                f"{path}, line {node.lineno} imports relatively, which no hash sees.", "Write vlac. in full."
            )
        elif isinstance(node, ast.ImportFrom) and node.module:
            # `from vlac.models import ladder` names a module, `from vlac.models.ladder import Ladder` a class.
            imported.update((node.module, *(f"{node.module}.{alias.name}" for alias in node.names)))
    ours = {name for name in imported if name.split(".")[0] == "vlac" and _path(name).is_file()}
    packages = {".".join(name.split(".")[:end]) for name in ours for end in range(2, name.count(".") + 1)}
    return hashlib.sha256(_plain(tree).encode()).hexdigest(), tuple(sorted(ours | packages))


def _plain(node: object) -> str:
    """Return a syntax tree as text that every version of Python writes alike, as `ast.unparse` does not."""
    if isinstance(node, ast.JoinedStr):  # 3.12 ends some formats with an empty string
        node.values = [part for part in node.values if not (isinstance(part, ast.Constant) and part.value == "")]
    if isinstance(node, list):
        return f"[{', '.join(map(_plain, node))}]"
    if not isinstance(node, ast.AST):
        return repr(node)
    # Versions differ in the fields that most nodes leave empty.
    fields = (f"{name}={_plain(value)}" for name, value in ast.iter_fields(node) if value not in (None, []))
    return f"{type(node).__name__}({', '.join(fields)})"


class _Stripped(ast.NodeTransformer):
    """Takes out docstrings, imports for the type checker alone, and functions that a job does not call."""

    def __init__(self, without: tuple[str, ...]) -> None:
        self.without = without

    def visit_Expr(self, node: ast.Expr) -> ast.Expr | None:
        # A string that stands alone is a docstring, or the words under a constant.
        return None if isinstance(node.value, ast.Constant) and isinstance(node.value.value, str) else node

    def visit_ClassDef(self, node: ast.ClassDef) -> ast.AST:
        if node.name in METHODS:
            node.body = [part for part in node.body if getattr(part, "name", "") not in self.without]
        return self.generic_visit(node)

    def visit_If(self, node: ast.If) -> ast.AST | list[ast.stmt]:
        self.generic_visit(node)
        return node.orelse if isinstance(node.test, ast.Name) and node.test.id == "TYPE_CHECKING" else node
