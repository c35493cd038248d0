"""The house rules that a machine can check."""

from __future__ import annotations

import ast

import pytest
from static_helpers import LIBRARY, MODULES, ROOT, parse, python_files, slicer_side_files

FILE_LINES, MODULE_LINES, FUNCTION_LINES = 400, 450, 40
# A call that only lists what each of so many fields is reads as one line.
LISTED_FIELDS = 12


def all_files():
    """Return every Python file of the product."""
    return [*python_files(LIBRARY), *slicer_side_files()]


def code_lines(node: ast.FunctionDef) -> int:
    """Return the lines of a function without signature, docstring and the rows of a call that lists fields."""
    body = node.body
    if isinstance(body[0], ast.Expr) and isinstance(body[0].value, ast.Constant):
        body = body[1:]
    if not body:
        return 0
    listed = [
        call
        for call in ast.walk(node)
        if isinstance(call, ast.Call) and len(call.keywords) >= LISTED_FIELDS and not call.args
    ]
    return body[-1].end_lineno - body[0].lineno + 1 - sum(call.end_lineno - call.lineno for call in listed)


@pytest.mark.parametrize("path", all_files(), ids=lambda path: path.relative_to(ROOT).as_posix())
def test_files_and_functions_are_short(path):
    limit = MODULE_LINES if path.stem in MODULES else FILE_LINES
    assert len(path.read_text(encoding="utf-8").splitlines()) <= limit
    for node in ast.walk(parse(path)):
        if isinstance(node, ast.FunctionDef):
            length = code_lines(node)
            assert length <= FUNCTION_LINES, f"{path.relative_to(ROOT)}: {node.name} has {length} lines"


@pytest.mark.parametrize("path", all_files(), ids=lambda path: path.relative_to(ROOT).as_posix())
def test_no_print_no_bare_except_no_wildcard_no_path_edit(path):
    for node in ast.walk(parse(path)):
        where = f"{path.relative_to(ROOT)}:{getattr(node, 'lineno', 0)}"
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Name):
            assert node.func.id != "print", f"{where} prints"
        if isinstance(node, ast.ExceptHandler):
            assert node.type is not None, f"{where} has a bare except"
        if isinstance(node, ast.ImportFrom):
            assert all(alias.name != "*" for alias in node.names), f"{where} imports *"
        if isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name) and node.value.id == "sys":
            assert node.attr != "path", f"{where} uses sys.path"


@pytest.mark.parametrize("path", slicer_side_files(), ids=lambda path: path.name)
def test_translated_texts_are_literals_and_never_f_strings(path):
    for node in ast.walk(parse(path)):
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id in ("_", "translate"):
            for argument in node.args:
                where = f"{path.relative_to(ROOT)}:{node.lineno}"
                assert isinstance(argument, ast.Constant) and isinstance(argument.value, str), where
        if isinstance(node, ast.ImportFrom) and node.module == "slicer.i18n":
            assert "tr" not in [alias.name for alias in node.names], "slow before Slicer 5.8; use LVMTransferLib's"


@pytest.mark.parametrize("module", MODULES)
def test_nothing_runs_when_a_module_file_is_imported(module):
    allowed = (ast.Import, ast.ImportFrom, ast.ClassDef, ast.FunctionDef, ast.Assign, ast.AnnAssign, ast.Expr)
    for node in parse(ROOT / module / f"{module}.py").body:
        assert isinstance(node, allowed)
        if isinstance(node, ast.Expr):
            assert isinstance(node.value, ast.Constant), f"{module}.py:{node.lineno} runs code at import"
