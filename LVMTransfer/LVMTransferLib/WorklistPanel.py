"""Step 1: the cohort as a list of work, and the case that comes next."""

from __future__ import annotations

from LVMLib.errors import LVMError

from LVMTransferLib.Later import Settled
from LVMTransferLib.Panel import Panel, fillTable, isChosen, setReady
from LVMTransferLib.Translation import tr as _

MILLISECONDS_AFTER_TYPING = 400


class WorklistPanel(Panel):
    """Lists the cases of the cohort with what each needs, and opens one."""

    def setup(self) -> None:
        self._listed = self._worklist = None
        self._relistLater = Settled(self.relist, MILLISECONDS_AFTER_TYPING)
        ui = self.ui
        ui.worklistTable.connect("itemSelectionChanged()", self.refresh)
        ui.worklistTable.connect("cellDoubleClicked(int,int)", lambda row, column: self._open(row))
        ui.openCaseButton.connect("clicked()", lambda: self._open(ui.worklistTable.currentRow()))
        ui.nextCaseButton.connect("clicked()", self.onNext)
        ui.addCaseButton.connect("clicked()", self.onAdd)
        self._show()

    def refresh(self) -> None:
        """List the cases again when another cohort or reader was chosen, and say what can be done."""
        parameters = self.parameters
        if parameters is None:
            return
        wanted = (str(parameters.cohortPath), parameters.reader.strip())
        if self._listed is None or wanted[0] != self._listed[0]:
            self.relist()
        elif wanted != self._listed:
            self._relistLater.request()
        busy, nobody = self.runner.busy, [] if wanted[1] else [_("your name as a reader")]
        chosen = self._worklist is not None and self.ui.worklistTable.currentRow() >= 0
        missing = nobody + ([] if chosen else [_("a case of the list")])
        setReady(self.ui.openCaseButton, missing, _("Open the case chosen in the list"), busy=busy)
        missing = nobody + ([] if self._nextCase() else [_("a case that needs work")])
        setReady(self.ui.nextCaseButton, missing, _("Open the case that the line above names"), busy=busy)
        missing = list(nobody)
        if not isChosen(parameters.cohortPath):
            missing.append(_("a cohort folder"))
        if parameters.inputVolume is None:
            missing.append(_("a CT volume in the scene"))
        elif self.owner.currentReading() is not None:
            missing.append(_("a CT that is not in the cohort yet"))
        setReady(self.ui.addCaseButton, missing, _("Make the CT a new case without the patient's identity"), busy=busy)

    def cohortChanged(self) -> None:
        """List the cases again."""
        self.relist()

    def relist(self) -> None:
        """Read the cohort folder again."""
        if self.parameters is None:
            return
        cohortPath, reader = self.parameters.cohortPath, self.parameters.reader.strip()
        self._listed, self._worklist = (str(cohortPath), reader), None
        if isChosen(cohortPath) and (cohortPath / "cohort.json").is_file():
            try:
                self._worklist = self.logic.worklist(cohortPath, reader)
            except (LVMError, ImportError) as error:
                self.runner.report(str(error))
        self._show()

    def select(self, caseId: str) -> None:
        """Choose a case in the list."""
        items = self._worklist.items if self._worklist else ()
        for row, item in enumerate(items):
            if item.case == caseId:
                self.ui.worklistTable.selectRow(row)

    def onNext(self) -> None:
        """Open the case that comes next."""
        self.owner.readingPanel.open(self._nextCase())

    def onAdd(self) -> None:
        """Make the CT of the scene a case of the cohort, and go on with it."""
        parameters = self.parameters
        volumeNode, segmentationNode = parameters.inputVolume, parameters.segmentation
        cohortPath, ed, es = parameters.cohortPath, parameters.edPhase, parameters.esPhase
        caseId = self.runner.run(
            _("Add case"), lambda progress: self.logic.addCase(volumeNode, cohortPath, ed, es, progress)
        )
        if caseId is not None:
            self.owner.readingPanel.adoptScene(caseId, volumeNode, segmentationNode)
            self.owner.onCohortChanged()

    def _open(self, row: int) -> None:
        if self._worklist is not None and 0 <= row < len(self._worklist.items):
            self.owner.readingPanel.open(self._worklist.items[row].case)

    def _nextCase(self) -> str | None:
        return self._worklist.next_case if self._worklist is not None else None

    def _show(self) -> None:
        items = self._worklist.items if self._worklist is not None else ()
        heads = [_("Case"), _("Status"), _("Reader"), _("Min"), _("Gain"), _("Findings")]
        chosen = self.ui.worklistTable.currentRow()
        fillTable(self.ui.worklistTable, heads, [_row(item, self._listed[1]) for item in items])
        if 0 <= chosen < len(items):
            self.ui.worklistTable.selectRow(chosen)
        if self._worklist is None:
            text = _("No cohort folder with cases is chosen.")
        elif self._worklist.next_case is None:
            text = self._worklist.why
        else:
            text = _("Next: {case}, {why}").format(case=self._worklist.next_case, why=self._worklist.why)
        self.ui.nextCaseLabel.text = text


def _row(item: object, reader: str) -> list:
    gain = "" if item.expected_gain is None else _("{n:.0f} %").format(n=100 * item.expected_gain)
    if item.failed is None:
        findings = ""
    else:
        findings = ", ".join(name.replace("_", " ") for name in item.failed) or _("none")
    minutes = f"{item.minutes:.0f}" if item.minutes else ""
    status = _statusText(item.status)
    if item.open_by not in (None, reader):
        status = _("open by {name}").format(name=item.open_by)
    return [item.case, status, item.reader or "", minutes, gain, findings]


def _statusText(status: str) -> str:
    return {
        "imported": _("imported"),
        "predicted": _("predicted"),
        "in work": _("in work"),
        "failing": _("fails a rule"),
        "changed": _("changed since signed"),
        "to sign": _("to sign"),
        "signed off": _("signed off"),
    }.get(status, status)
