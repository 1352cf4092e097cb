"""What of a module counts for the hash of its code."""

import ast
from pathlib import Path

import pytest

from vlac.workflow.depends import _meaning, _plain, code_hash

METHOD = "class {name}:\n    def draw(self):\n        return {drawn}"


def meaning(folder: Path, text: str) -> tuple[str, tuple[str, ...]]:
    path = folder / f"{len(list(folder.iterdir()))}.py"
    path.write_text(text)
    return _meaning(path, 0, ("draw",))


@pytest.mark.parametrize(("name", "counts"), [("Method", False), ("LadderMethod", False), ("SamplingMethod", True)])
def test_functions_that_a_job_does_not_call_are_left_out_of_methods_alone(
    name: str, counts: bool, tmp_path: Path
) -> None:
    one, other = (meaning(tmp_path, METHOD.format(name=name, drawn=drawn)) for drawn in (1, 2))
    assert (one != other) == counts


def test_the_rounding_of_results_counts() -> None:
    assert code_hash("vlac.tables", "vlac.files") != code_hash("vlac.files") == code_hash()


def test_every_version_of_python_writes_code_alike() -> None:
    # 3.12 added a field to functions and unparses strings such as this one with other quotes.
    assert _plain(ast.parse("def f(): f'{a}'")) == (
        "Module(body=[FunctionDef(name='f', args=arguments(), body=[Expr(value=JoinedStr(values="
        "[FormattedValue(value=Name(id='a', ctx=Load()), conversion=-1)]))])])"
    )
    format_spec = ast.JoinedStr([ast.FormattedValue(ast.Name("b", ast.Load()), -1), ast.Constant("")])
    without = ast.JoinedStr(format_spec.values[:1])
    assert _plain(format_spec) == _plain(without)  # 3.12 alone adds the empty string
