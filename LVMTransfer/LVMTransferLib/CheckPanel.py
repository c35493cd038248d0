"""Step 4: the rules of the consensus protocol, repair, and what the check found where."""

from __future__ import annotations

import qt
from LVMLib.errors import LVMError

from LVMTransferLib import SceneViews
from LVMTransferLib.Panel import Panel, fillComboBox, fillTable, isChosen, setReady
from LVMTransferLib.Translation import tr as _

PICTURE_WIDTH = 340


class CheckPanel(Panel):
    """Shows the rules with their pictures, repairs, checks, and leads to the place of a finding."""

    def setup(self) -> None:
        self._findings, self._protocol, self._shownFor = [], None, None
        ui = self.ui
        ui.repairButton.connect("clicked()", self.onRepair)
        ui.checkButton.connect("clicked()", self.onCheck)
        ui.findingsTable.connect("cellClicked(int,int)", self.onFinding)
        ui.ruleComboBox.connect("currentIndexChanged(int)", self._showRule)
        self._show([])

    def refresh(self) -> None:
        missing, busy = self.missingCase(), self.runner.busy
        setReady(self.ui.repairButton, missing, _("Close holes and gaps in every labelled phase"), busy=busy)
        setReady(self.ui.checkButton, missing, _("Check ED and ES against the consensus protocol"), busy=busy)
        if str(self.parameters.cohortPath) != self._shownFor:
            self._shownFor = str(self.parameters.cohortPath)
            self._showProtocol()

    def forget(self) -> None:
        """Forget the findings of another case."""
        self._show([])
        self._shownFor = None

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
            self.owner.noteEdits([phase for phase, repair in repairs.items() if repair.changed.any()])
            self.owner.refresh()
            self.runner.report(
                _("Repaired {phases} phase(s): holes {h0} to {h1}, gap voxels {g0} to {g1}.").format(
                    phases=len(repairs), h0=before[0], h1=after[0], g0=before[1], g1=after[1]
                )
            )

    def onCheck(self) -> None:
        """Check ED and ES and list what was found."""
        parameters, protocol = self.parameters, self._protocol
        volumeNode, segmentationNode = parameters.inputVolume, parameters.segmentation
        ed, es = parameters.edPhase, parameters.esPhase
        findings = self.runner.run(
            _("Check"),
            lambda progress: self.logic.check(volumeNode, segmentationNode, ed, es, protocol=protocol),
        )
        if findings is not None:
            self._show(findings)
            failed = sum(finding.passed is False for finding in findings)
            self.runner.report(
                _("Checked {count} rules, {failed} to look at.").format(count=len(findings), failed=failed)
            )

    def onFinding(self, row: int, column: int) -> None:
        """Show the phase and the place of a finding, and the rule that it belongs to."""
        finding = self._findings[row]
        self.runner.report(finding.message)
        rules = [rule.id for rule in self._protocol.rules] if self._protocol else []
        if finding.rule in rules:
            self.ui.ruleComboBox.currentIndex = rules.index(finding.rule)
        # A finding on both phases is shown at end-diastole.
        phase = self.parameters.esPhase if finding.phase == "ES" else self.parameters.edPhase
        if finding.phase_index is not None:
            phase = finding.phase_index
        self.logic.showPhase(self.parameters.inputVolume, phase)
        if finding.where_ras is not None:
            SceneViews.jumpTo(finding.where_ras)

    def _show(self, findings: list) -> None:
        # What needs a look comes first, what could not be judged last.
        self._findings = sorted(findings, key=lambda finding: (False, True, None).index(finding.passed))
        words = {True: _("passed"), False: _("look here")}
        rows = [
            (words.get(finding.passed, _("not judged")), finding.phase, finding.message) for finding in self._findings
        ]
        fillTable(self.ui.findingsTable, [_("Result"), _("Phase"), _("Finding")], rows)

    def _showProtocol(self) -> None:
        cohortPath = self.parameters.cohortPath
        try:
            self._protocol = self.logic.protocol(cohortPath if isChosen(cohortPath) else None)
        except ImportError:  # the packages of the library are installed by the first step that needs them
            self._protocol = None
        except LVMError as error:
            self._protocol = None
            self.runner.report(str(error))
        rules = self._protocol.rules if self._protocol else ()
        fillComboBox(self.ui.ruleComboBox, [rule.title for rule in rules])
        self._showRule()

    def _showRule(self, index: int = 0) -> None:
        rules, chosen = self._protocol.rules if self._protocol else (), self.ui.ruleComboBox.currentIndex
        rule = rules[chosen] if 0 <= chosen < len(rules) else None
        picture = self._protocol.picture_of(rule) if rule else None
        pixmap = qt.QPixmap(str(picture)) if picture else qt.QPixmap()
        if not pixmap.isNull():
            pixmap = pixmap.scaledToWidth(PICTURE_WIDTH, qt.Qt.SmoothTransformation)
        self.ui.rulePictureLabel.setPixmap(pixmap)
        self.ui.rulePictureLabel.minimumHeight = pixmap.height()
        self.ui.ruleTextLabel.text = (
            _("{text} (protocol {version})").format(text=rule.text, version=self._protocol.version) if rule else ""
        )
