"""Where things are, for the static tests: they read files and never start Slicer."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
MODULES = ("LVMTransfer", "LVMThickness")
LIBRARY = ROOT / "LVMTransfer" / "LVMLib"
SHARED_API = ROOT.parent / "shared" / "slicer_api"


def python_files(folder: Path) -> list[Path]:
    """Return the Python files under ``folder``, sorted."""
    return sorted(path for path in folder.rglob("*.py") if "__pycache__" not in path.parts)


def slicer_side_files() -> list[Path]:
    """Return the files that run inside Slicer: the modules and their Lib folders, without the pure library."""
    return [path for module in MODULES for path in python_files(ROOT / module) if LIBRARY not in path.parents]


def parse(path: Path) -> ast.Module:
    """Return the syntax tree of a file."""
    return ast.parse(path.read_text(encoding="utf-8"), str(path))


def cmake_list(text: str, name: str) -> list[str]:
    """Return the entries of ``set(NAME ...)`` in a CMakeLists.txt."""
    return re.search(rf"set\({name}\s(.*?)\)", text, re.S).group(1).split()


def imported_roots(tree: ast.AST, *, everywhere: bool) -> Iterator[str]:
    """Yield the top-level packages that a file imports absolutely, at file scope or ``everywhere``."""
    for node in ast.walk(tree) if everywhere else tree.body:
        if isinstance(node, ast.Import):
            yield from (alias.name.split(".")[0] for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.level == 0:
            yield node.module.split(".")[0]
