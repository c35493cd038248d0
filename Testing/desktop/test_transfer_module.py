"""The LVMTransfer panel on the stand-in desktop: every numbered section acts on the library and the scene."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import numpy as np
import pytest
from desktop_helpers import HOLE, labelled_sequence, sequence_in_scene, tiny_bundle


@pytest.fixture(scope="module")
def bundle(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A model folder."""
    return tiny_bundle(tmp_path_factory.mktemp("model") / "tiny")


@pytest.fixture
def panel(desktop):
    """The module's widget, open on an empty scene, with default parameters."""
    widget = desktop.open_module("LVMTransfer")
    yield widget
    desktop.leave_module("LVMTransfer")


def volumes_ml(labels) -> dict:
    """Cavity voxels per phase."""
    return {phase: int((mask == 1).sum()) for phase, mask in labels.items()}


def test_the_module_describes_itself_for_the_application(desktop):
    module = desktop.load_module("LVMTransfer")
    assert module.title == "LVM Transfer"
    assert module.categories == ["Cardiac"]
    assert "Gupta" in module.acknowledgementText
    assert "not a medical device" in module.helpText


def test_an_empty_scene_enables_nothing_and_says_what_is_missing(panel):
    panel.parameters.bundlePath = Path()
    assert panel.ui.cohortPathEdit.currentPath == panel.ui.bundlePathEdit.currentPath == ""
    for name in ("predictButton", "shortAxisButton", "repairButton", "checkButton", "exportButton", "finetuneButton"):
        button = getattr(panel.ui, name)
        assert not button.enabled, name
        assert button.toolTip.startswith("Still missing:"), name
    assert "CT volume" in panel.ui.predictButton.toolTip
    assert "model folder" in panel.ui.predictButton.toolTip


def test_opening_the_module_takes_the_first_volume_of_the_scene(desktop):
    volume_node, _, _ = sequence_in_scene()
    panel = desktop.open_module("LVMTransfer")
    assert panel.ui.inputVolumeSelector.currentNode() is volume_node
    desktop.leave_module("LVMTransfer")


def test_choosing_nodes_in_the_panel_writes_the_parameter_node_and_back(panel):
    volume_node, segmentation_node, _ = labelled_sequence()
    panel.ui.inputVolumeSelector.setCurrentNode(volume_node)
    assert panel.parameters.inputVolume is volume_node
    panel.parameters.segmentation = segmentation_node
    assert panel.ui.segmentationSelector.currentNode() is segmentation_node
    panel.ui.edPhaseSpinBox.value = 3
    assert panel.parameters.edPhase == 3
    panel.parameters.device = type(panel.parameters.device).CPU
    assert panel.ui.deviceComboBox.currentText == "Processor (CPU)"


def test_the_model_that_comes_with_the_software_is_found_beside_the_module_or_in_the_repository(
    panel, bundle, tmp_path
):
    resources = tmp_path / "module" / "Resources"
    resources.mkdir(parents=True)
    assert panel.logic.deliveredModel(str(resources)) is None
    shutil.copytree(bundle, tmp_path / "Resources" / "Site1")
    assert panel.logic.deliveredModel(str(resources)) == tmp_path / "Resources" / "Site1"
    shutil.copytree(bundle, resources / "Site1")
    assert panel.logic.deliveredModel(str(resources)) == resources / "Site1"


def test_a_folder_without_a_model_is_named_and_keeps_predict_off(panel, tmp_path):
    sequence_in_scene()
    panel.ui.bundlePathEdit.currentPath = str(tmp_path)
    assert "no bundle.json" in panel.ui.bundleInfoLabel.text
    assert not panel.ui.predictButton.enabled


def test_predict_segments_every_phase_and_proposes_ed_and_es(panel, bundle):
    volume_node, _, _ = sequence_in_scene()
    panel.parameters.inputVolume = volume_node
    panel.ui.bundlePathEdit.currentPath = str(bundle)
    assert panel.ui.bundleInfoLabel.text.startswith("tiny: 3 mm voxels")
    assert panel.ui.predictButton.enabled
    panel.ui.predictButton.click()
    segmentation_node = panel.parameters.segmentation
    assert segmentation_node is not None, panel.ui.statusLabel.text
    labels = panel.logic.labelsByPhase(volume_node, segmentation_node)
    volumes = volumes_ml(labels)
    assert set(labels) == {0, 1, 2, 3}
    assert volumes[panel.parameters.edPhase] == max(volumes.values())
    assert volumes[panel.parameters.esPhase] == min(volumes.values())
    assert panel.ui.statusLabel.text.startswith("Predicted")
    assert not panel.ui.cancelButton.enabled


def test_cancel_during_prediction_leaves_the_scene_as_it_was(panel, bundle):
    volume_node, _, _ = sequence_in_scene()
    panel.parameters.inputVolume = volume_node
    panel.parameters.bundlePath = bundle
    seen = {}

    def predict(node, path, device, progress, reading=None):
        progress(0.3, "phase 1")
        seen["cancel enabled"] = panel.ui.cancelButton.enabled
        seen["predict enabled"] = panel.ui.predictButton.enabled
        panel.ui.cancelButton.click()
        progress(0.4, "phase 2")
        raise AssertionError("the step went on after Cancel")

    panel.logic.predict = predict
    try:
        panel.ui.predictButton.click()
    finally:
        del panel.logic.predict
    assert seen == {"cancel enabled": True, "predict enabled": False}
    assert panel.ui.statusLabel.text == "Cancelled. Nothing was changed."
    assert panel.parameters.segmentation is None
    assert panel.ui.predictButton.enabled


def test_a_damaged_model_shows_the_libraries_own_message_with_its_remedy(desktop, panel, bundle, tmp_path):
    sequence_in_scene()
    damaged = Path(shutil.copytree(bundle, tmp_path / "damaged"))
    manifest = json.loads((damaged / "bundle.json").read_text())
    manifest["sha256"] = dict.fromkeys(manifest["sha256"], "0" * 64)
    (damaged / "bundle.json").write_text(json.dumps(manifest))
    panel.initializeParameterNode()
    panel.parameters.bundlePath = damaged
    with desktop.expected_messages() as shown:
        panel.ui.predictButton.click()
    assert len(shown) == 1
    assert str(damaged) in shown[0]
    assert panel.ui.statusLabel.text == shown[0]
    assert "expected" in shown[0]


def test_the_view_buttons_turn_the_slice_views_to_the_ventricle_and_back(panel):
    from LVMTransferLib import SceneViews

    volume_node, segmentation_node, _ = labelled_sequence()
    panel.parameters.inputVolume, panel.parameters.segmentation = volume_node, segmentation_node
    panel.ui.leftVentricleViewsButton.click()

    def normal(view):
        matrix = SceneViews.sliceNodeOf(view).GetSliceToRAS()
        return np.array([matrix.GetElement(row, 2) for row in range(3)])

    # The shell's long axis is z: a short-axis plane has z as normal, a long-axis plane contains it.
    assert abs(normal("Red")[2]) > 0.98
    assert abs(normal("Green")[2]) < 0.2
    assert abs(normal("Yellow")[2]) < 0.2
    panel.ui.scannerViewsButton.click()
    assert SceneViews.sliceNodeOf("Green").GetOrientation() == "Coronal"


def test_the_phase_slider_follows_the_sequence_browser(panel):
    volume_node, _, _ = labelled_sequence()
    panel.parameters.inputVolume = volume_node
    browser = panel.logic.browserOf(volume_node)
    panel.parameters.esPhase = 2
    panel.ui.showEsButton.click()
    assert browser.GetSelectedItemNumber() == 2
    assert panel.ui.phaseSeekWidget.slider().value == 2
    panel.ui.phaseSeekWidget.setSelectedItemNumber(1)
    assert browser.GetSelectedItemNumber() == 1


def test_repair_closes_holes_in_every_labelled_phase_of_the_scene(panel):
    volume_node, segmentation_node, _ = labelled_sequence(holes=(0, 2))
    panel.parameters.inputVolume, panel.parameters.segmentation = volume_node, segmentation_node
    panel.ui.repairButton.click()
    after = panel.logic.labelsByPhase(volume_node, segmentation_node)
    for phase in (0, 2):
        assert (after[phase][HOLE] == 1).all()
    assert panel.ui.statusLabel.text.startswith("Repaired 2 phase(s): holes ")
    assert " to 0, gap voxels" in panel.ui.statusLabel.text
    assert "added blood pool: 8" in panel.ui.differenceLabel.text


def test_check_lists_the_findings_and_a_click_moves_the_views_there(panel):
    from LVMTransferLib import SceneViews

    volume_node, segmentation_node, _ = labelled_sequence(holes=(2,))
    panel.parameters.inputVolume, panel.parameters.segmentation = volume_node, segmentation_node
    panel.parameters.edPhase, panel.parameters.esPhase = 0, 2
    panel.ui.checkButton.click()
    table = panel.ui.findingsTable
    assert table.rowCount > 5, panel.ui.statusLabel.text
    findings = panel.checkPanel._findings
    row = next(i for i, finding in enumerate(findings) if finding.where_ras is not None and finding.phase == "ES")
    table.cellClicked(row, 2)
    assert panel.logic.browserOf(volume_node).GetSelectedItemNumber() == 2
    matrix = SceneViews.sliceNodeOf("Red").GetSliceToRAS()
    center = np.array([matrix.GetElement(axis, 3) for axis in range(3)])
    np.testing.assert_allclose(center, findings[row].where_ras, atol=0.1)
    assert panel.ui.statusLabel.text == findings[row].message


def test_a_script_exports_a_case_that_the_work_list_opens_again(panel, tmp_path):
    from LVMLib.cohort import Cohort, open_pairs

    volume_node, segmentation_node, labels = labelled_sequence()
    pair = panel.logic.exportCase(
        volume_node, segmentation_node, cohortPath=tmp_path / "cohort", pairsPath=tmp_path / "pairs", reader="expert",
        ed=0, es=2, spacing=3.0, override="test",
    )  # fmt: skip
    assert tuple(pair.labelled_phases) == (0, 2)
    assert len(open_pairs(tmp_path / "pairs")) == 1
    case = Cohort.open(tmp_path / "cohort").case("case-001")
    np.testing.assert_array_equal(case.labels("expert", 2), labels[2])
    panel.parameters.reader = "expert"
    panel.ui.cohortPathEdit.currentPath = str(tmp_path / "cohort")
    assert panel.ui.worklistTable.item(0, 0).text() == "case-001"
    panel.ui.nextCaseButton.click()
    loaded = panel.parameters.inputVolume
    assert loaded is not volume_node
    assert (panel.parameters.edPhase, panel.parameters.esPhase) == (0, 2)
    found = panel.logic.labelsByPhase(loaded, panel.parameters.segmentation)
    np.testing.assert_array_equal(found[0], labels[0])


def test_closing_the_scene_frees_the_panel_and_reopening_restores_the_parameters(desktop, panel, tmp_path):
    import slicer

    volume_node, segmentation_node, _ = labelled_sequence()
    panel.parameters.inputVolume, panel.parameters.segmentation = volume_node, segmentation_node
    panel.parameters.esPhase, panel.parameters.reader = 2, "second reader"
    panel.parameters.bundlePath = tmp_path
    saved = str(tmp_path / "scene.mrml")
    slicer.mrmlScene.SetURL(saved)
    slicer.mrmlScene.Commit(saved)
    slicer.mrmlScene.Clear(0)
    assert panel.parameters.reader == "reader1"
    desktop.leave_module("LVMTransfer")
    slicer.mrmlScene.Clear(0)
    assert panel.parameters is None
    slicer.mrmlScene.SetURL(saved)
    slicer.mrmlScene.Import()
    desktop.open_module("LVMTransfer")
    assert panel.parameters.reader == "second reader"
    assert panel.ui.esPhaseSpinBox.value == 2
    assert panel.ui.bundlePathEdit.currentPath == str(tmp_path)


def test_emptying_a_folder_field_unchooses_the_folder(panel, tmp_path):
    panel.ui.sourcePathEdit.currentPath = str(tmp_path)
    assert panel.parameters.sourcePath == tmp_path
    panel.ui.sourcePathEdit.currentPath = ""
    assert panel.parameters.sourcePath == Path()
    assert panel.ui.sourcePathEdit.currentPath == ""


def test_folders_that_were_used_are_offered_in_a_later_session_but_no_folder_that_is_not_there(
    desktop, panel, tmp_path
):
    kept = type(panel.ui.cohortPathEdit._object).histories
    for folder in (tmp_path, tmp_path / "missing"):
        panel.ui.cohortPathEdit.currentPath = str(folder)
        desktop.leave_module("LVMTransfer")
        desktop.open_module("LVMTransfer")
    assert kept["LVM/Cohort"][0] == str(tmp_path)
    assert str(tmp_path / "missing") not in kept["LVM/Cohort"]


def test_leaving_the_module_unbinds_the_panel(desktop, panel):
    parameters = panel.parameters
    desktop.leave_module("LVMTransfer")
    panel.ui.readerEdit.text = "nobody"
    assert parameters.reader == "reader1"
    desktop.open_module("LVMTransfer")
    assert panel.ui.readerEdit.text == "reader1"


def test_the_modules_own_self_test_passes(desktop, panel):
    import sys

    sys.modules["LVMTransfer"].LVMTransferTest().runTest()
