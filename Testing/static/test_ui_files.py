"""The .ui files: bound to real parameters, explained by tooltips, made of widgets that Slicer has."""

from __future__ import annotations

import ast
import subprocess
import sys
from xml.etree import ElementTree

import pytest
from static_helpers import MODULES, ROOT, SHARED_API, parse

SILENT = {"QLabel", "QFrame", "QWidget", "qMRMLWidget", "Line"}
SCENE_WIDGETS = ("qMRML", "qSlicer")


def root_of(module: str) -> ElementTree.Element:
    """Return the XML of a module's .ui file."""
    return ElementTree.parse(ROOT / module / "Resources" / "UI" / f"{module}.ui").getroot()


def widgets(module: str):
    """Yield (class, name, property name to element) of every widget."""
    for widget in root_of(module).iter("widget"):
        yield widget.get("class"), widget.get("name"), {item.get("name"): item for item in widget.findall("property")}


def fields(module: str) -> set[str]:
    """Return the annotated names of the module's parameter node."""
    tree = parse(ROOT / module / f"{module}.py")
    (node,) = [item for item in tree.body if isinstance(item, ast.ClassDef) and item.name == f"{module}ParameterNode"]
    return {item.target.id for item in node.body if isinstance(item, ast.AnnAssign)}


@pytest.mark.parametrize("module", MODULES)
def test_the_root_is_a_qmrmlwidget_with_collapsible_sections(module):
    root = root_of(module)
    assert root.find("widget").get("class") == "qMRMLWidget"
    assert sum(kind == "ctkCollapsibleButton" for kind, _, _ in widgets(module)) >= 3


@pytest.mark.parametrize("module", MODULES)
def test_every_bound_widget_names_a_field_and_every_field_has_a_widget(module):
    bound = [items["SlicerParameterName"][0].text for _, _, items in widgets(module) if "SlicerParameterName" in items]
    assert len(bound) == len(set(bound))
    assert set(bound) == fields(module)


@pytest.mark.parametrize("module", MODULES)
def test_every_control_has_a_tooltip(module):
    for kind, name, items in widgets(module):
        if kind not in SILENT:
            assert "toolTip" in items and items["toolTip"][0].text, f"{kind} {name}"


@pytest.mark.parametrize("module", MODULES)
def test_labels_of_fields_end_with_a_colon(module):
    for kind, name, items in widgets(module):
        if kind == "QLabel" and name.endswith("Label") and "toolTip" not in items:
            assert items["text"][0].text.endswith(":"), name


@pytest.mark.parametrize("module", MODULES)
def test_every_scene_widget_gets_the_scene(module):
    root = root_of(module)
    connected = {item.findtext("receiver") for item in root.iter("connection")}
    top = root.find("widget").get("name")
    for kind, name, _ in widgets(module):
        if kind.startswith(SCENE_WIDGETS) and name != top:
            assert name in connected, f"connect mrmlSceneChanged to {name}"


@pytest.mark.skipif(not SHARED_API.is_dir(), reason="the full list of Slicer's classes is not beside the repository")
def test_the_ui_files_use_only_what_slicers_classes_have():
    files = [str(ROOT / module / "Resources" / "UI" / f"{module}.ui") for module in MODULES]
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
