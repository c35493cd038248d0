"""The .ui files: bound to real parameters, explained by tooltips, made of widgets that Slicer has."""

from __future__ import annotations

import ast
import subprocess
import sys
from pathlib import Path
from xml.etree import ElementTree

import pytest
from static_helpers import MODULES, ROOT, SHARED_API, parse

SILENT = {"QLabel", "QFrame", "QWidget", "qMRMLWidget", "Line"}
SCENE_WIDGETS = ("qMRML", "qSlicer")


FILES = sorted(path for module in MODULES for path in (ROOT / module / "Resources" / "UI").glob("*.ui"))
each_file = pytest.mark.parametrize("path", FILES, ids=lambda path: path.name)


def files_of(module: str) -> list[Path]:
    """Return a module's .ui files: the panel and its sections."""
    return [path for path in FILES if path.parents[2].name == module]


def root_of(path: Path) -> ElementTree.Element:
    """Return the XML of a .ui file."""
    return ElementTree.parse(path).getroot()


def widgets(path: Path):
    """Yield (class, name, property name to element) of every widget."""
    for widget in root_of(path).iter("widget"):
        yield widget.get("class"), widget.get("name"), {item.get("name"): item for item in widget.findall("property")}


def fields(module: str) -> set[str]:
    """Return the annotated names of the module's parameter node."""
    tree = parse(ROOT / module / f"{module}.py")
    (node,) = [item for item in tree.body if isinstance(item, ast.ClassDef) and item.name == f"{module}ParameterNode"]
    return {item.target.id for item in node.body if isinstance(item, ast.AnnAssign)}


@each_file
def test_the_root_is_a_qmrmlwidget(path):
    assert root_of(path).find("widget").get("class") == "qMRMLWidget"


@pytest.mark.parametrize("module", MODULES)
def test_a_panel_has_collapsible_sections_and_no_two_widgets_of_one_name(module):
    every = [widget for path in files_of(module) for widget in widgets(path)]
    assert sum(kind == "ctkCollapsibleButton" for kind, _, _ in every) >= 3
    names = [name for _, name, _ in every]
    assert sorted(names) == sorted(set(names))


def test_every_section_with_a_file_of_its_own_is_in_the_panel():
    tree = parse(ROOT / "LVMTransfer" / "LVMTransfer.py")
    (shown,) = [
        ast.literal_eval(node.value)
        for node in ast.walk(tree)
        if isinstance(node, ast.Assign) and getattr(node.targets[0], "id", "") == "sections"
    ]
    assert sorted([*shown, "LVMTransfer"]) == [path.stem for path in files_of("LVMTransfer")]


@pytest.mark.parametrize("module", MODULES)
def test_every_bound_widget_names_a_field_and_every_field_has_a_widget(module):
    bound = [
        items["SlicerParameterName"][0].text
        for path in files_of(module)
        for _, _, items in widgets(path)
        if "SlicerParameterName" in items
    ]
    assert len(bound) == len(set(bound))
    assert set(bound) == fields(module)


@each_file
def test_every_control_has_a_tooltip(path):
    for kind, name, items in widgets(path):
        if kind not in SILENT:
            assert "toolTip" in items and items["toolTip"][0].text, f"{kind} {name}"


@each_file
def test_labels_of_fields_end_with_a_colon(path):
    for kind, name, items in widgets(path):
        if kind == "QLabel" and name.endswith("Label") and "toolTip" not in items:
            assert items["text"][0].text.endswith(":"), name


@each_file
def test_every_scene_widget_gets_the_scene(path):
    root = root_of(path)
    connected = {item.findtext("receiver") for item in root.iter("connection")}
    top = root.find("widget").get("name")
    for kind, name, _ in widgets(path):
        if kind.startswith(SCENE_WIDGETS) and name != top:
            assert name in connected, f"connect mrmlSceneChanged to {name}"


@pytest.mark.skipif(not SHARED_API.is_dir(), reason="the full list of Slicer's classes is not beside the repository")
def test_the_ui_files_use_only_what_slicers_classes_have():
    files = [str(path) for path in FILES]
    command = [sys.executable, str(SHARED_API / "check_ui.py"), "--manifest", str(SHARED_API / "qt_api.json")]
    done = subprocess.run([*command, "--strict", *files], check=False, capture_output=True, text=True, timeout=60)
    assert done.returncode == 0, done.stdout


@pytest.mark.skipif(not SHARED_API.is_dir(), reason="the full list of Slicer's classes is not beside the repository")
def test_the_stand_ins_subset_agrees_with_the_full_list():
    import json

    sys.path.insert(0, str(ROOT / "Testing"))
    try:
        from host import manifest
    finally:
        sys.path.pop(0)
    full = json.loads((SHARED_API / "qt_api.json").read_text())
    assert json.loads(manifest.SUBSET.read_text()) == manifest.compact(full)
