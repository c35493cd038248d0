"""Readers at the LVMTransfer panel: work list, opening, autosave and crash, signature, export, blinded readings."""

from __future__ import annotations

import json
import shutil
import subprocess
from pathlib import Path

import numpy as np
import pytest
from desktop_helpers import beating_shell, wait_until

ED, ES = 0, 2


@pytest.fixture(scope="module")
def stored(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A cohort of two beating shells; the model labelled ED and ES of the first."""
    from LVMLib.cohort import Cohort
    from LVMLib.imaging import ArrayFrames, Sequence

    folder = tmp_path_factory.mktemp("readers") / "cohort"
    cohort = Cohort.create(folder, site="Test")
    for number in (1, 2):
        voxels, labels, grid = beating_shell(seed=number)
        case = cohort.add_case(Sequence(grid, ArrayFrames(voxels), (), {}, "p"), case_id=f"c{number}", ed=ED, es=ES)
        if number == 1:
            case.write_labels("model", ED, labels[ED])
            case.write_labels("model", ES, labels[ES])
    return folder


@pytest.fixture
def cohort(stored: Path, tmp_path: Path) -> Path:
    """A copy of that cohort which a test may change."""
    return Path(shutil.copytree(stored, tmp_path / "cohort"))


@pytest.fixture
def panel(desktop, cohort):
    """The module's widget, open on the cohort, for reader anna."""
    widget = desktop.open_module("LVMTransfer")
    widget.parameters.reader = "anna"
    widget.ui.cohortPathEdit.currentPath = str(cohort)
    yield widget
    widget.onSceneStartClose(None, None)
    widget.initializeParameterNode()
    desktop.leave_module("LVMTransfer")


def open_case(panel, name: str) -> object:
    """Open a case by its row; return the reading."""
    table = panel.ui.worklistTable
    (row,) = [n for n in range(table.rowCount) if table.item(n, 0).text() == name]
    table.cellDoubleClicked(row, 0)
    return panel.logic.reading


def case_of(cohort: Path, name: str = "c1") -> object:
    """Open a case as another program does."""
    from LVMLib.cohort import Cohort

    return Cohort.open(cohort).case(name)


def test_the_work_list_shows_every_case_and_a_double_click_opens_one(panel):
    table = panel.ui.worklistTable
    assert [table.item(row, 0).text() for row in range(table.rowCount)] == ["c1", "c2"]
    assert [table.item(row, 1).text() for row in range(table.rowCount)] == ["predicted", "imported"]
    reading = open_case(panel, "c1")
    assert reading.reader == "anna", panel.ui.statusLabel.text
    assert reading.shownLabels == "model"
    assert (panel.parameters.edPhase, panel.parameters.esPhase) == (ED, ES)
    assert panel.parameters.inputVolume is reading.volumeNode
    assert table.currentRow() == 0
    assert panel.ui.openCaseLabel.text.startswith("Open: c1, reader anna")


def test_a_case_without_labels_opens_with_empty_segments_to_draw_in(panel):
    reading = open_case(panel, "c2")
    assert reading.shownLabels is None
    assert panel.parameters.segmentation.GetSegmentation().GetNumberOfSegments() == 2
    assert not reading.labels(ED).any()


def test_next_case_opens_the_one_that_the_line_names_and_the_earlier_one_leaves_the_scene(panel, cohort):
    import slicer

    open_case(panel, "c2")
    nodes = slicer.mrmlScene.GetNumberOfNodes()
    assert panel.ui.nextCaseLabel.text.startswith("Next: c1")
    panel.ui.nextCaseButton.click()
    assert panel.logic.reading.case.id == "c1"
    assert slicer.mrmlScene.GetNumberOfNodes() == nodes
    assert case_of(cohort, "c2").readers() == []


def test_looking_at_a_case_writes_no_labels_and_saving_accepts_ed_and_es(panel, cohort):
    open_case(panel, "c1")
    panel.ui.closeCaseButton.click()
    assert case_of(cohort).readers() == ["model"]
    open_case(panel, "c1")
    panel.ui.saveCaseButton.click()
    case = case_of(cohort)
    assert case.labelled_phases("anna") == [ED, ES]
    np.testing.assert_array_equal(case.labels("anna", ES), case.labels("model", ES))


def edited(reading: object, phase: int) -> np.ndarray:
    """Labels of a phase with one more cube of myocardium, which is no edit of the scene yet."""
    labels = reading.labels(phase)
    labels[1:4, 1:4, 1:4] = 2
    return labels


def edit(panel: object, phase: int) -> np.ndarray:
    """Edit a phase in the scene as the Segment Editor does; return its labels."""
    import slicer
    from LVMTransferLib import MRMLAdapter

    reading = panel.logic.reading
    panel.logic.showPhase(reading.volumeNode, phase)
    labels, node = edited(reading, phase), reading.segmentationNode
    slicer.util.updateSegmentBinaryLabelmapFromArray(
        (labels == 2).astype(np.uint8), node, MRMLAdapter.segmentIdOf(node, 2), reading.volumeNode
    )
    return labels


def test_an_edit_is_on_disk_a_moment_later_and_after_a_crash_the_panel_asks_and_goes_on(desktop, panel, cohort):
    reading = open_case(panel, "c1")
    ed = edit(panel, ED)
    es = edit(panel, ES)  # before the first one was saved
    journalled(desktop, panel, "0, 2")
    crash(panel, reading)
    with desktop.expected_messages(answer="Yes") as shown:
        reading = open_case(panel, "c1")
    assert len(shown) == 1
    assert "phase 0: 1 edit(s)" in shown[0]
    np.testing.assert_array_equal(reading.labels(ED), ed)
    np.testing.assert_array_equal(reading.labels(ES), es)
    panel.ui.closeCaseButton.click()
    np.testing.assert_array_equal(case_of(cohort).labels("anna", ED), ed)


def test_recovered_edits_can_be_declined_and_are_set_aside(desktop, panel, cohort):
    reading = open_case(panel, "c1")
    edit(panel, ED)
    journalled(desktop, panel, "0")
    crash(panel, reading)
    with desktop.expected_messages(answer="No"):
        reading = open_case(panel, "c1")
    assert reading.shownLabels == "model"
    assert not reading.labels(ED)[1:4, 1:4, 1:4].any()
    assert len(list((cohort / "cases" / "c1" / "labels" / "anna").glob("*.discarded"))) == 1


def journalled(desktop: object, panel: object, phases: str) -> None:
    """Wait until the panel says that the edits of these phases are on disk."""
    said = f"edits of phase {phases} are in the journal"
    wait_until(desktop, lambda: panel.ui.openCaseLabel.text.endswith(said))


def crash(panel: object, reading: object) -> None:
    """Leave a case as a killed process does: the mark that it is open names a process that is gone."""
    mark = reading.case.folder / ".open"
    owner = json.loads(mark.read_text())
    panel.readingPanel._release()
    reading.removeFromScene()
    panel.logic.reading = None
    mark.write_text(json.dumps({**owner, "pid": 2**22 + 1}))


def test_closing_the_scene_saves_what_was_edited_and_lets_others_open_the_case(panel, cohort):
    import slicer
    from LVMLib.cohort.readers import opened_by

    open_case(panel, "c1")
    labels = edit(panel, ES)
    slicer.mrmlScene.Clear(0)
    assert opened_by(case_of(cohort).folder) is None
    np.testing.assert_array_equal(case_of(cohort).labels("anna", ES), labels)


def test_edits_in_another_module_are_saved_too(desktop, panel, cohort):
    open_case(panel, "c1")
    desktop.leave_module("LVMTransfer")
    edit(panel, ED)
    wait_until(desktop, lambda: panel.logic.reading.unsavedPhases() == [ED])
    desktop.open_module("LVMTransfer")
    panel.ui.closeCaseButton.click()
    assert case_of(cohort).labelled_phases("anna") == [ED]


def test_a_case_that_another_process_has_open_is_named_and_stays_closed(desktop, panel, cohort, request):
    import socket

    other = subprocess.Popen(["sleep", "600"])
    request.addfinalizer(other.wait)
    request.addfinalizer(other.kill)
    mark = cohort / "cases" / "c1" / ".open"
    mark.write_text(json.dumps({"host": socket.gethostname(), "pid": other.pid, "reader": "bert", "since": "now"}))
    with desktop.expected_messages(answer="No") as shown:
        open_case(panel, "c1")
    assert len(shown) == 1
    assert "reader bert on" in shown[0]
    assert panel.logic.reading is None
    assert "bert" in panel.ui.statusLabel.text
    panel.worklistPanel.relist()
    assert panel.ui.worklistTable.item(0, 1).text() == "open by bert"
    with desktop.expected_messages(answer="Yes"):
        open_case(panel, "c1")
    assert panel.logic.reading.case.id == "c1"


def test_a_cohort_that_cannot_be_written_is_shown_to_look_at_and_says_so(desktop, panel, monkeypatch):
    from LVMLib.errors import StorageError

    def refuse(*arguments, **options):
        raise StorageError("cohort", expected="a folder to write to", found="a read-only disk", remedy="Copy it.")

    monkeypatch.setattr("LVMLib.cohort.readers.session.occupy", refuse)
    with desktop.expected_messages() as shown:
        open_case(panel, "c1")
    assert len(shown) == 1
    assert "only be looked at" in shown[0]
    assert panel.parameters.inputVolume.GetName() == "c1"
    assert panel.currentReading() is None
    assert not panel.ui.signButton.enabled


def test_a_full_disk_keeps_the_edit_elsewhere_and_saves_it_when_there_is_room(desktop, panel, cohort, monkeypatch):
    from LVMLib.cohort.readers.journal import Journal
    from LVMLib.errors import StorageError
    from LVMLib.imaging import read_segmentation

    def full(*arguments):
        raise StorageError("journal", expected="room", found="a full disk", remedy="Make room.")

    open_case(panel, "c1")
    with monkeypatch.context() as patch, desktop.expected_messages() as shown:
        patch.setattr(Journal, "append", full)
        labels = edit(panel, ED)
        wait_until(desktop, lambda: desktop.messages)
    assert len(shown) == 1
    assert "Your edits are kept in 1 file(s) in" in shown[0]
    (rescued,) = (Path(shown[0].split("file(s) in ")[1].split(". Make room")[0])).glob("c1-anna-00*")
    np.testing.assert_array_equal(read_segmentation(rescued)[0][rescue_box(labels)], labels[rescue_box(labels)])
    panel.ui.saveCaseButton.click()
    np.testing.assert_array_equal(case_of(cohort).labels("anna", ED), labels)


def rescue_box(labels: np.ndarray) -> tuple:
    """Everything: the rescued file has the image's grid."""
    return tuple(slice(0, n) for n in labels.shape)


def test_an_unsigned_case_is_not_exported_unless_a_reason_is_typed(desktop, panel, cohort, tmp_path):
    open_case(panel, "c1")
    panel.parameters.spacing = 3.0
    panel.ui.pairsPathEdit.currentPath = str(tmp_path / "pairs")
    with desktop.expected_messages() as shown:
        panel.ui.exportButton.click()
    assert "no signature" in shown[0]
    assert not (tmp_path / "pairs").exists()
    panel.ui.overrideEdit.text = "shown to a student"
    panel.ui.exportButton.click()
    assert panel.ui.statusLabel.text.startswith("Exported"), panel.ui.statusLabel.text
    (record,) = (tmp_path / "pairs").glob("*/pair.json")
    assert json.loads(record.read_text())["override"] == "shown to a student"
    assert panel.ui.overrideEdit.text == ""


def test_signing_refuses_a_failed_rule_without_a_reason_and_an_edit_ends_the_signature(desktop, panel, tmp_path):
    open_case(panel, "c1")
    assert panel.ui.signStateLabel.text == "Not signed."
    with desktop.expected_messages() as shown:
        panel.ui.signButton.click()
    assert "failed: plausible_numbers" in shown[0]
    panel.ui.signerEdit.text, panel.ui.reasonEdit.text = "Dr. Berg", "a shell, no heart"
    panel.ui.signButton.click()
    assert panel.ui.signStateLabel.text.startswith("Signed by Dr. Berg on ")
    assert panel.ui.worklistTable.item(0, 1).text() == "signed off"
    panel.ui.pairsPathEdit.currentPath, panel.parameters.spacing = str(tmp_path / "pairs"), 3.0
    panel.ui.exportButton.click()
    (record,) = (tmp_path / "pairs").glob("*/pair.json")
    assert json.loads(record.read_text())["signed_by"] == "Dr. Berg"
    edit(panel, ED)
    panel.ui.saveCaseButton.click()
    assert panel.ui.signStateLabel.text.startswith("No longer valid: ")
    assert panel.ui.worklistTable.item(0, 1).text() == "changed since signed"
    panel.ui.withdrawButton.click()
    assert panel.ui.signStateLabel.text == "Not signed."
    assert not panel.ui.withdrawButton.enabled


def test_a_ct_of_the_scene_becomes_a_case_with_what_was_drawn(panel, cohort):
    from desktop_helpers import labelled_sequence

    volume_node, segmentation_node, labels = labelled_sequence()
    panel.parameters.inputVolume, panel.parameters.segmentation = volume_node, segmentation_node
    panel.parameters.edPhase, panel.parameters.esPhase = ED, ES
    panel.ui.addCaseButton.click()
    reading = panel.currentReading()
    assert reading.case.id == "case-001", panel.ui.statusLabel.text
    panel.ui.closeCaseButton.click()
    np.testing.assert_array_equal(case_of(cohort, "case-001").labels("anna", ES), labels[ES])


def test_two_blinded_readers_are_led_through_their_cases_and_compared_only_at_the_end(desktop, panel, cohort):
    panel.ui.studyReadersEdit.text = "anna, bert"
    panel.parameters.studyCases, panel.parameters.studyProposal = 1, True
    panel.ui.startStudyButton.click()
    assert panel.ui.studyLabel.text == "anna, read c1 next. 0 of 2 readings are finished."
    for reader in ("anna", "bert"):
        panel.parameters.reader = reader
        panel.ui.openReadingButton.click()
        assert panel.logic.reading.shownLabels == "model"
        assert "blinded" in panel.ui.openCaseLabel.text
        if reader == "bert":
            edit(panel, ED)
            with desktop.expected_messages() as shown:
                panel.ui.showDifferenceButton.enabled = True
                panel.agreementPanel.onDifference()
            assert "blinded" in shown[0]
        panel.ui.finishReadingButton.click()
    assert panel.ui.studyLabel.text.startswith("2 of 2 readings") or "2 of 2" in panel.ui.studyLabel.text
    compare(panel)
    assert panel.ui.agreementTable.rowCount == 2
    assert panel.agreementPanel._report.is_file()
    assert "Mean Dice" in panel.ui.agreementLabel.text


def compare(panel: object) -> None:
    """Choose anna and bert and compare them."""
    for combo, name in ((panel.ui.readerAComboBox, "anna"), (panel.ui.readerBComboBox, "bert")):
        combo.currentIndex = [combo.itemText(n) for n in range(combo.count)].index(name)
    panel.ui.compareButton.click()


def test_the_difference_of_two_readers_is_shown_and_their_consensus_written(panel, cohort):
    import slicer

    case = case_of(cohort)
    for reader in ("anna", "bert"):
        for phase in (ED, ES):
            labels = case.labels("model", phase)
            if reader == "bert":
                labels[1:4, 1:4, 1:4] = 2
            case.write_labels(reader, phase, labels)
    panel.agreementPanel.relist()
    reading = open_case(panel, "c1")
    compare(panel)
    panel.ui.agreementTable.cellClicked(1, 0)
    assert panel.logic.phaseShown(reading.volumeNode) == ES
    assert "27 voxels differ at phase 2" in panel.ui.statusLabel.text
    assert "myocardium for bert only: 27" in panel.ui.differenceLabel.text
    panel.ui.hideDifferenceButton.click()
    assert panel.ui.differenceLabel.text == "None is shown"
    assert not [n for n in slicer.util.getNodesByClass("vtkMRMLSegmentationNode") if n.GetAttribute("LVM.Difference")]
    panel.ui.consensusComboBox.currentIndex = 2
    assert panel.ui.consensusComboBox.currentText == "adopt bert"
    panel.ui.consensusButton.click()
    np.testing.assert_array_equal(case_of(cohort).labels("consensus", ED), case.labels("bert", ED))


def test_the_rules_stand_with_their_pictures_and_a_finding_leads_to_its_rule(panel):
    ui = panel.ui
    # The section keeps the rule that was last looked at.
    ui.ruleComboBox.currentIndex = 0
    assert ui.ruleComboBox.currentText == "Papillary muscles belong to the cavity"
    assert ui.rulePictureLabel.pixmap.width() == 340
    open_case(panel, "c1")
    panel.ui.checkButton.click()
    findings = panel.checkPanel._findings
    row = next(n for n, finding in enumerate(findings) if finding.rule == "outflow_tract" and finding.phase == "ES")
    ui.findingsTable.cellClicked(row, 0)
    assert ui.ruleComboBox.currentText == "The outflow tract ends at the aortic leaflets"
    assert "aortic leaflets" in ui.ruleTextLabel.text
    assert panel.logic.phaseShown(panel.parameters.inputVolume) == ES


def circle(height: float, radius: float = 14.0) -> np.ndarray:
    """A closed curve around the shell's opening, RAS mm."""
    turn = np.linspace(0, 2 * np.pi, 12, endpoint=False)
    return np.column_stack([radius * np.cos(turn), radius * np.sin(turn), np.full(12, height)])


def test_valve_curves_cut_the_phase_shown_and_are_saved_and_shown_with_the_case(desktop, panel, cohort):
    import slicer
    from LVMTransferLib.SceneValves import valveNode

    reading = open_case(panel, "c1")
    panel.ui.mitralButton.click()
    node = valveNode(reading.volumeNode, "mitral", ED)
    interaction = slicer.app.applicationLogic().GetInteractionNode()
    assert interaction.GetCurrentInteractionMode() == interaction.Place
    assert not panel.ui.cutButton.enabled
    slicer.util.updateMarkupsControlPointsFromArray(node, circle(0.0, 24.0), world=True)
    wait_until(desktop, lambda: panel.ui.cutButton.enabled)
    before = reading.labels(ED)
    panel.ui.cutButton.click()
    after = reading.labels(ED)
    assert ((before == 1) & (after == 0)).sum() > 50, panel.ui.statusLabel.text
    assert panel.ui.statusLabel.text.startswith("Removed at phase 0: ")
    assert "removed: " in panel.ui.differenceLabel.text
    panel.ui.closeCaseButton.click()
    np.testing.assert_allclose(case_of(cohort).valves("anna", ED)["mitral"], circle(0.0, 24.0), atol=1e-3)
    reading = open_case(panel, "c1")
    np.testing.assert_array_equal(reading.labels(ED), after)
    node = valveNode(reading.volumeNode, "mitral", ED)
    assert node.GetNumberOfControlPoints() == 12
    panel.logic.showPhase(reading.volumeNode, ES)
    panel.readingPanel._phaseChanged()
    assert not node.GetDisplayVisibility()


def test_a_curve_with_a_point_that_is_no_number_changes_nothing_and_is_named(desktop, panel, cohort):
    import slicer
    from LVMTransferLib.SceneValves import newValveNode

    reading = open_case(panel, "c1")
    points = circle(0.0)
    points[3, 1] = np.nan
    node = newValveNode(reading.volumeNode, "aortic", ED)
    slicer.util.updateMarkupsControlPointsFromArray(node, points, world=True)
    panel.refresh()
    before = reading.labels(ED)
    with desktop.expected_messages() as shown:
        panel.ui.cutButton.click()
    assert "aortic curve" in shown[0]
    np.testing.assert_array_equal(reading.labels(ED), before)
    slicer.mrmlScene.RemoveNode(node)
    panel.ui.closeCaseButton.click()
    assert case_of(cohort).valves("anna", ED) == {}


def test_the_sample_data_module_offers_phantom_cases_that_the_panel_makes_and_lists(panel, tmp_path, monkeypatch):
    import sys
    import types

    offered = {}
    logic = types.SimpleNamespace(registerCustomSampleDataSource=lambda **source: offered.update(source))
    monkeypatch.setitem(sys.modules, "SampleData", types.SimpleNamespace(SampleDataLogic=logic))
    module = sys.modules["LVMTransfer"]
    module.registerSampleData()
    assert offered["category"] == "LVM"
    assert offered["customDownloader"] is module.openSampleData
    from LVMTransferLib import SampleCohort

    monkeypatch.setattr(SampleCohort, "sampleFolder", lambda: tmp_path / "LVMPhantom")
    make = SampleCohort.makeSampleCohort
    monkeypatch.setattr(
        SampleCohort, "makeSampleCohort", lambda folder, progress: make(folder, cases=1, phases=2, progress=progress)
    )
    monkeypatch.setattr(SampleCohort, "SAMPLE_SPACING_MM", 5.0)
    panel.makeSampleCohort()
    assert panel.ui.worklistTable.item(0, 0).text() == "phantom-1", panel.ui.statusLabel.text
    assert panel.ui.statusLabel.text.startswith("1 phantom cases are in ")


@pytest.fixture(scope="module")
def bundle(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A model folder."""
    from desktop_helpers import tiny_bundle

    return tiny_bundle(tmp_path_factory.mktemp("model") / "tiny")


def test_a_prediction_of_the_open_case_is_kept_with_it_and_its_expected_gain_is_listed(panel, cohort, bundle):
    open_case(panel, "c2")
    panel.ui.bundlePathEdit.currentPath = str(bundle)
    panel.ui.predictButton.click()
    assert panel.ui.statusLabel.text.startswith("Predicted"), panel.ui.statusLabel.text
    ed, es = panel.parameters.edPhase, panel.parameters.esPhase
    assert case_of(cohort, "c2").labelled_phases("model") == sorted({ed, es})
    assert panel.ui.worklistTable.item(1, 4).text().endswith("%")
    panel.ui.saveCaseButton.click()
    case = case_of(cohort, "c2")
    np.testing.assert_array_equal(case.labels("anna", ed), case.labels("model", ed))


def test_a_blinded_reader_who_draws_alone_gets_no_prediction(desktop, panel, cohort, bundle):
    panel.ui.studyReadersEdit.text, panel.parameters.studyCases = "anna, bert", 2
    panel.ui.startStudyButton.click()
    panel.ui.openReadingButton.click()
    assert panel.logic.reading.shownLabels is None
    panel.ui.bundlePathEdit.currentPath = str(bundle)
    with desktop.expected_messages() as shown:
        panel.ui.predictButton.click()
    assert "blinded reading" in shown[0]
    assert not panel.logic.reading.labels(ED).any()
