"""The stand-in is stricter than Slicer: what Slicer's classes do not offer to Python raises."""

from __future__ import annotations

import pytest


@pytest.fixture
def load(desktop, tmp_path):
    """Load a .ui file from its widgets and connections."""
    import slicer

    def make(widgets: str, connections: str = "") -> object:
        path = tmp_path / "panel.ui"
        path.write_text(
            '<ui version="4.0"><class>P</class><widget class="qMRMLWidget" name="P">'
            f'<layout class="QVBoxLayout" name="L">{widgets}</layout></widget>'
            f"<connections>{connections}</connections></ui>"
        )
        return slicer.util.childWidgetVariables(slicer.util.loadUI(str(path)))

    return make


def item(kind: str, name: str, properties: str = "") -> str:
    return f'<item><widget class="{kind}" name="{name}">{properties}</widget></item>'


def test_a_property_is_a_value_and_its_setter_is_out_of_reach(load):
    ui = load(item("ctkCollapsibleButton", "section") + item("QCheckBox", "box"))
    assert ui.section.collapsed is False
    ui.section.collapsed = True
    assert ui.section.collapsed is True
    ui.box.checked = True
    assert ui.box.checked is True
    for widget, name in ((ui.section, "setCollapsed"), (ui.box, "isChecked"), (ui.box, "setTristate")):
        with pytest.raises(AttributeError, match=name):
            getattr(widget, name)


def test_unknown_properties_and_read_only_ones_raise_on_assignment(load, desktop):
    ui = load(item("QPushButton", "button"))
    with pytest.raises(AttributeError):
        ui.button.colour = "red"
    parent = desktop.open_module("LVMThickness").parent
    with pytest.raises(AttributeError, match="read-only"):
        parent.isEntered = False
    desktop.leave_module("LVMThickness")


def test_an_unknown_signal_or_signature_cannot_be_connected(load):
    ui = load(item("qMRMLNodeComboBox", "selector") + item("QPushButton", "button"))
    ui.selector.connect("currentNodeChanged(vtkMRMLNode*)", lambda node: None)
    for widget, signature in (
        (ui.selector, "currentNodeChanged(QString)"),
        (ui.button, "pushed()"),
        (ui.button, "clicked"),
    ):
        with pytest.raises(AttributeError):
            widget.connect(signature, lambda: None)


def test_a_ui_file_with_a_wrong_signal_or_slot_does_not_load(load):
    connection = (
        "<connection><sender>P</sender><signal>mrmlSceneChanged(vtkMRMLScene*)</signal>"
        "<receiver>selector</receiver><slot>{slot}(vtkMRMLScene*)</slot></connection>"
    )
    load(item("qMRMLNodeComboBox", "selector"), connection.format(slot="setMRMLScene"))
    with pytest.raises(AttributeError):
        load(item("qMRMLNodeComboBox", "selector"), connection.format(slot="setScene"))


def test_a_class_without_designer_plugin_cannot_be_in_a_ui_file(load):
    with pytest.raises((RuntimeError, AttributeError)):
        ui = load(item("ctkMessageBox", "box"))
        assert ui.box


def test_modules_have_no_unknown_classes(desktop):
    import ctk
    import qt

    assert qt.QTableWidgetItem("a").text() == "a"
    for module, name in ((qt, "QNothing"), (ctk, "ctkNothing"), (ctk, "qMRMLNodeComboBox")):
        with pytest.raises(AttributeError):
            getattr(module, name)


def test_parameters_are_typed_and_within_range(desktop):
    parameters = desktop.open_module("LVMTransfer").parameters
    with pytest.raises(ValueError, match="range"):
        parameters.repairRadius = 100
    with pytest.raises(TypeError):
        parameters.reader = 5
    with pytest.raises(AttributeError):
        parameters.unknown = 1
    desktop.leave_module("LVMTransfer")


def test_a_scene_change_reaches_every_selector(desktop):
    import slicer

    panel = desktop.open_module("LVMTransfer")
    assert panel.ui.inputVolumeSelector.mrmlScene() is slicer.mrmlScene
    assert panel.ui.segmentationSelector.nodeCount() == 0
    slicer.mrmlScene.AddNewNodeByClass("vtkMRMLSegmentationNode", "one")
    assert panel.ui.segmentationSelector.nodeCount() == 1
    desktop.leave_module("LVMTransfer")


def test_texts_are_translated_in_the_context_of_the_file_that_calls(desktop, monkeypatch):
    from LVMTransferLib import Translation

    asked = []
    monkeypatch.setattr(
        Translation.i18n, "translate", lambda context, text: asked.append((context, text)) or text.upper()
    )
    assert Translation.tr("Check") == "CHECK"
    assert asked == [("test_stand_in", "Check")]
