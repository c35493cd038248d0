"""Who may import whom: the floors of the library, and nothing foreign when a module is loaded."""

from __future__ import annotations

import ast
import subprocess
import sys

import pytest
from static_helpers import LIBRARY, MODULES, ROOT, imported_roots, parse, python_files, slicer_side_files

FLOORS = {
    "network": 1, "imaging": 2, "annotation": 2, "cohort": 3, "thickness": 3, "phantom": 4, "learning": 4,
    "evaluation": 5, "sites": 6, "cli": 7,
}  # fmt: skip
# Files beside the rooms are the ground that every room stands on.
GROUND = {path.stem for path in LIBRARY.glob("*.py")} - {"__init__"}
ALLOWED_AT_FILE_SCOPE = {"slicer", "vtk", "qt", "ctk", "numpy", "scipy", "SimpleITK"}
OWN = {"LVMLib", "LVMTransferLib", "LVMThicknessLib"}

LOADER = """
import importlib, importlib.abc, sys
allowed = set({allowed!r})
class Watch(importlib.abc.MetaPathFinder):
    def find_spec(self, name, path=None, target=None):
        root = name.split(".")[0]
        if root not in allowed and root not in sys.stdlib_module_names:
            raise ImportError("FOREIGN " + name)
        return None
sys.path[:0] = {testing!r}
from host.start import start_desktop
import PySide6.QtUiTools, numpy, vtk, slicer
desktop = start_desktop()
for name in list(sys.modules):
    if name.split(".")[0] in {own!r}:
        del sys.modules[name]
known = {{name.split(".")[0] for name in sys.modules}} - {{"nibabel", "numba", "pydantic", "torch", "monai"}}
for name in ("nibabel", "numba", "pydantic", "torch", "monai", "safetensors"):
    assert name not in sys.modules, name + " was imported by starting"
allowed |= known
sys.meta_path.insert(0, Watch())
for module in {modules!r}:
    widget = desktop.open_module(module)
    print("loaded", module)
"""


def room_of(path) -> str:
    """Return the room or ground file that a library file belongs to."""
    return path.relative_to(LIBRARY).parts[0].removesuffix(".py")


def imported_rooms(path) -> set[str]:
    """Return the rooms of the library that a file imports, relatively or absolutely, at any level."""
    package = list(path.relative_to(LIBRARY.parent).parts[:-1])
    rooms = set()
    for node in ast.walk(parse(path)):
        if isinstance(node, ast.ImportFrom) and node.level:
            base = package[: len(package) - node.level + 1] + (node.module.split(".") if node.module else [])
            names = [base] if len(base) > 1 else [[*base, alias.name] for alias in node.names]
            rooms |= {name[1] for name in names if len(name) > 1}
        elif isinstance(node, ast.ImportFrom) and node.module.startswith("LVMLib."):
            rooms.add(node.module.split(".")[1])
    return rooms


@pytest.mark.parametrize("path", python_files(LIBRARY), ids=lambda path: path.relative_to(LIBRARY).as_posix())
def test_a_room_imports_only_rooms_below_it(path):
    room = room_of(path)
    if room == "__init__":
        return
    assert room in FLOORS or room in GROUND, f"{room} is no room of the design"
    for other in imported_rooms(path) - {room, "__version__"} - GROUND:
        floor = FLOORS.get(room, 0)
        assert FLOORS[other] < floor, (
            f"{path.relative_to(ROOT)} (floor {floor}) imports {other} (floor {FLOORS[other]})"
        )


def test_the_library_never_imports_slicer_or_qt():
    for path in python_files(LIBRARY):
        foreign = set(imported_roots(parse(path), everywhere=True)) & {"slicer", "qt", "ctk", "vtk", "PySide6"}
        assert not foreign, f"{path.relative_to(ROOT)} imports {sorted(foreign)}"


@pytest.mark.parametrize("path", slicer_side_files(), ids=lambda path: path.name)
def test_slicer_side_files_import_nothing_third_party_at_file_scope(path):
    roots = set(imported_roots(parse(path), everywhere=False))
    foreign = roots - ALLOWED_AT_FILE_SCOPE - OWN - set(sys.stdlib_module_names)
    assert not foreign, f"{path.relative_to(ROOT)} imports {sorted(foreign)} at file scope"


@pytest.mark.parametrize("path", slicer_side_files(), ids=lambda path: path.name)
def test_slicer_side_files_parse_on_the_python_of_slicer_5_6(path):
    ast.parse(path.read_text(encoding="utf-8"), str(path), feature_version=(3, 9))


def test_the_logic_never_touches_qt():
    for name in ("SceneCases", "SceneViews", "MRMLAdapter", "SceneVolumes", "SceneSegmentations", "SceneThickness"):
        for path in ROOT.glob(f"LVM*/LVM*Lib/{name}.py"):
            assert not set(imported_roots(parse(path), everywhere=True)) & {"qt", "ctk"}, path.name


def test_both_modules_open_with_only_their_folders_on_the_path_and_no_package_missing_matters(tmp_path):
    program = LOADER.format(
        allowed=[*sorted(OWN), *MODULES], testing=[str(ROOT / "Testing")], own=OWN, modules=list(MODULES)
    )
    done = subprocess.run(
        [sys.executable, "-c", program],
        cwd=tmp_path,
        check=False,
        capture_output=True,
        text=True,
        timeout=120,
        env={"PATH": "/usr/bin:/bin", "QT_QPA_PLATFORM": "offscreen", "HOME": str(tmp_path)},
    )
    assert done.returncode == 0, done.stderr[-2000:]
    assert done.stdout.split() == ["loaded", "LVMTransfer", "loaded", "LVMThickness"]
    assert "FOREIGN" not in done.stderr
