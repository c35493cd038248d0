"""Steps 3 to 5: views and phases, repair and check, export."""

from __future__ import annotations

import qt
import slicer
from slicer.i18n import tr as _

from LVMTransferLib import SceneViews
from LVMTransferLib.Panel import Panel, fitTable, isChosen, setReady


class ReviewPanel(Panel):
    """Step 3: planes of the left ventricle, scanner planes, cardiac phase."""

    def setup(self) -> None:
        self._buttons = {
            self.ui.leftVentricleViewsButton: SceneViews.LEFT_VENTRICLE_PLANES,
            self.ui.shortAxisButton: ("short_axis",),
            self.ui.twoChamberButton: ("two_chamber",),
            self.ui.threeChamberButton: ("three_chamber",),
            self.ui.fourChamberButton: ("four_chamber",),
        }
        self._tips = {button: button.toolTip for button in self._buttons}
        for button, planes in self._buttons.items():
            button.connect("clicked()", lambda planes=planes: self.onPlanes(planes))
        self.ui.scannerViewsButton.connect("clicked()", self.onScannerPlanes)
        self.ui.showEdButton.connect("clicked()", lambda: self.onPhase(self.parameters.edPhase))
        self.ui.showEsButton.connect("clicked()", lambda: self.onPhase(self.parameters.esPhase))

    def refresh(self) -> None:
        missing, busy = self.missingCase(), self.runner.busy
        for button, tip in self._tips.items():
            setReady(button, missing, tip, busy=busy)
        volumeNode = self.parameters.inputVolume
        noVolume = [] if volumeNode else [_("a CT volume (step 1)")]
        setReady(self.ui.scannerViewsButton, noVolume, _("Back to axial, coronal and sagittal"), busy=busy)
        browserNode = self.logic.browserOf(volumeNode) if volumeNode else None
        self.ui.phaseSeekWidget.setMRMLSequenceBrowserNode(browserNode)
        no4D = [] if browserNode else [_("a CT with several phases (step 1)")]
        setReady(self.ui.showEdButton, no4D, _("Show end-diastole in the views"), busy=busy)
        setReady(self.ui.showEsButton, no4D, _("Show end-systole in the views"), busy=busy)

    def onPlanes(self, planes: tuple) -> None:
        """Turn slice views to planes of the left ventricle."""
        volumeNode, segmentationNode = self.parameters.inputVolume, self.parameters.segmentation
        self.runner.run(_("Views"), lambda progress: SceneViews.showLeftVentricle(volumeNode, segmentationNode, planes))

    def onScannerPlanes(self) -> None:
        """Turn the slice views back."""
        SceneViews.showScannerPlanes()
        slicer.util.resetSliceViews()

    def onPhase(self, phase: int) -> None:
        """Show a cardiac phase."""
        self.logic.showPhase(self.parameters.inputVolume, phase)


class CheckPanel(Panel):
    """Step 4: repair of holes and gaps, and the findings of the consensus protocol."""

    def setup(self) -> None:
        self._findings = []
        self.ui.repairButton.connect("clicked()", self.onRepair)
        self.ui.checkButton.connect("clicked()", self.onCheck)
        self.ui.findingsTable.connect("cellClicked(int,int)", self.onFinding)
        self._show([])

    def refresh(self) -> None:
        missing, busy = self.missingCase(), self.runner.busy
        setReady(self.ui.repairButton, missing, _("Close holes and gaps in every labelled phase"), busy=busy)
        setReady(self.ui.checkButton, missing, _("Check ED and ES against the consensus protocol"), busy=busy)

    def forget(self) -> None:
        """Forget the findings of another case."""
        self._show([])

    def onRepair(self) -> None:
        """Repair every labelled phase and report the counts."""
        parameters = self.parameters
        volumeNode, segmentationNode, radius = parameters.inputVolume, parameters.segmentation, parameters.repairRadius
        repairs = self.runner.run(
            _("Repair"), lambda progress: self.logic.repair(volumeNode, segmentationNode, radius, progress)
        )
        if repairs is not None:
            before, after = (
                [sum(getattr(repair, name + when) for repair in repairs.values()) for name in ("holes_", "gaps_")]
                for when in ("before", "after")
            )
            self.runner.report(
                _("Repaired {phases} phase(s): holes {h0} to {h1}, gap voxels {g0} to {g1}.").format(
                    phases=len(repairs), h0=before[0], h1=after[0], g0=before[1], g1=after[1]
                )
            )

    def onCheck(self) -> None:
        """Check ED and ES and list what was found."""
        parameters = self.parameters
        volumeNode, segmentationNode = parameters.inputVolume, parameters.segmentation
        ed, es = parameters.edPhase, parameters.esPhase
        findings = self.runner.run(_("Check"), lambda progress: self.logic.check(volumeNode, segmentationNode, ed, es))
        if findings is not None:
            self._show(findings)
            failed = sum(finding.passed is False for finding in findings)
            self.runner.report(
                _("Checked {count} rules, {failed} to look at.").format(count=len(findings), failed=failed)
            )

    def onFinding(self, row: int, column: int) -> None:
        """Show the phase and the place of a finding."""
        finding = self._findings[row]
        self.runner.report(finding.message)
        # A finding on both phases is shown at end-diastole.
        phase = self.parameters.esPhase if finding.phase == "ES" else self.parameters.edPhase
        self.logic.showPhase(self.parameters.inputVolume, phase)
        if finding.where_ras is not None:
            SceneViews.jumpTo(finding.where_ras)

    def _show(self, findings: list) -> None:
        # What needs a look comes first, what could not be judged last.
        self._findings = sorted(findings, key=lambda finding: (False, True, None).index(finding.passed))
        table = self.ui.findingsTable
        table.clear()
        table.columnCount = 3
        table.setHorizontalHeaderLabels([_("Result"), _("Phase"), _("Finding")])
        table.rowCount = len(self._findings)
        for row, finding in enumerate(self._findings):
            result = {True: _("passed"), False: _("look here")}.get(finding.passed, _("not judged"))
            for column, text in enumerate((result, finding.phase, finding.message)):
                item = qt.QTableWidgetItem(text)
                item.setToolTip(text)
                table.setItem(row, column, item)
        fitTable(table)


class ExportPanel(Panel):
    """Step 5: the case as an image-mask pair."""

    def setup(self) -> None:
        self.ui.exportButton.connect("clicked()", self.onExport)

    def refresh(self) -> None:
        missing = self.missingCase()
        if not isChosen(self.parameters.cohortPath):
            missing.append(_("a cohort folder (step 1)"))
        if not isChosen(self.parameters.pairsPath):
            missing.append(_("a pairs folder"))
        if not self.parameters.reader.strip():
            missing.append(_("the reader"))
        setReady(self.ui.exportButton, missing, _("Store ED and ES labels and write the pair"), busy=self.runner.busy)

    def onExport(self) -> None:
        """Store the labels in the cohort and write the pair."""
        parameters = self.parameters
        volumeNode, segmentationNode = parameters.inputVolume, parameters.segmentation
        options = {
            "cohortPath": parameters.cohortPath,
            "pairsPath": parameters.pairsPath,
            "reader": parameters.reader.strip(),
            "ed": parameters.edPhase,
            "es": parameters.esPhase,
            "spacing": parameters.spacing,
        }

        def work(progress: object) -> object:
            return self.logic.exportCase(volumeNode, segmentationNode, progress=progress, **options)

        pair = self.runner.run(_("Export"), work)
        if pair is not None:
            self.owner.onCohortChanged()
            phases = ", ".join(str(phase) for phase in pair.labelled_phases)
            self.runner.report(_("Exported with labels at the phases {phases}.").format(phases=phases))
