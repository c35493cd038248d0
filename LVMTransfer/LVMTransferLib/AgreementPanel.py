"""Step 5: how far two readers agree, where they differ, and their consensus."""

from __future__ import annotations

import math

import qt
from LVMLib.errors import LVMError

from LVMTransferLib import SceneViews
from LVMTransferLib.Panel import Panel, fillComboBox, fillTable, isChosen, setReady
from LVMTransferLib.Translation import tr as _

STAPLE = "staple"


class AgreementPanel(Panel):
    """Compares two readers over the cohort, shows where they differ, and makes one out of both."""

    def setup(self) -> None:
        self._rows, self._report, self._listed = [], None, None
        ui = self.ui
        for comboBox in (ui.readerAComboBox, ui.readerBComboBox):
            comboBox.connect("currentIndexChanged(int)", self._readersChanged)
        ui.compareButton.connect("clicked()", self.onCompare)
        ui.openReportButton.connect("clicked()", self.onOpenReport)
        ui.showDifferenceButton.connect("clicked()", self.onDifference)
        ui.consensusButton.connect("clicked()", self.onConsensus)
        ui.agreementTable.connect("cellClicked(int,int)", self.onRow)
        self._show([], None)

    def refresh(self) -> None:
        cohortPath = self.parameters.cohortPath
        if str(cohortPath) != self._listed:
            self.relist()
        readers, reading, busy = self._readers(), self.owner.currentReading(), self.runner.busy
        two = [] if len(set(readers)) == 2 else [_("two readers who labelled cases")]
        opened = [] if reading else [_("an open case (step 1)")]
        setReady(self.ui.compareButton, two, _("Compare both on all cases, and write the report"), busy=busy)
        setReady(self.ui.showDifferenceButton, two + opened, _("Show where they differ in the phase shown"), busy=busy)
        setReady(self.ui.consensusButton, two + opened, _("Write the labels of reader 'consensus'"), busy=busy)
        noReport = [] if self._report else [_("a comparison")]
        setReady(self.ui.openReportButton, noReport, _("Open the report in the browser"), busy=busy)

    def cohortChanged(self) -> None:
        """List the readers again."""
        self.relist()

    def relist(self) -> None:
        """Read again who labelled cases of the cohort."""
        cohortPath = self.parameters.cohortPath
        self._listed, names = str(cohortPath), []
        if isChosen(cohortPath) and (cohortPath / "cohort.json").is_file():
            try:
                names = self.logic.readersOf(cohortPath)
            except (LVMError, ImportError) as error:
                self.runner.report(str(error))
        people = [name for name in names if name != "consensus"]
        fillComboBox(self.ui.readerAComboBox, people)
        fillComboBox(self.ui.readerBComboBox, people)
        if len(people) > 1 and self.ui.readerBComboBox.currentIndex == self.ui.readerAComboBox.currentIndex:
            self.ui.readerBComboBox.currentIndex = 1 - min(self.ui.readerAComboBox.currentIndex, 1)

    def forget(self) -> None:
        """The scene closes; the comparison on disk stays."""
        self._listed = None

    def onCompare(self) -> None:
        """Compare both readers over the cohort."""
        cohortPath, readers = self.parameters.cohortPath, self._readers()
        found = self.runner.run(_("Agreement"), lambda progress: self.logic.agreement(cohortPath, readers, progress))
        if found is not None:
            rows, summary, self._report = found
            self._show(rows, summary)
            self.runner.report(_("The report was written to {path}.").format(path=self._report))
            self.refresh()

    def onOpenReport(self) -> None:
        """Open the report in the browser."""
        qt.QDesktopServices.openUrl(qt.QUrl.fromLocalFile(str(self._report)))

    def onDifference(self) -> None:
        """Show where both differ in the phase shown."""
        self._difference(self.logic.phaseShown(self.parameters.inputVolume))

    def onRow(self, row: int, column: int) -> None:
        """Show the difference of a row of the open case."""
        reading, found = self.owner.currentReading(), self._rows[row]
        if reading is None or reading.case.id != found["case"]:
            self.runner.report(_("Open case {case} in step 1 to see the difference.").format(case=found["case"]))
            return
        self.logic.showPhase(reading.volumeNode, found["phase"])
        self._difference(found["phase"])

    def onConsensus(self) -> None:
        """Make the consensus of the open case."""
        reading, readers = self.owner.currentReading(), self._readers()
        method = (STAPLE, *readers)[max(self.ui.consensusComboBox.currentIndex, 0)]
        made = self.runner.run(
            _("Consensus"), lambda progress: self.logic.consensus(reading, readers, method, progress)
        )
        if made is not None:
            self.owner.onCohortChanged()
            self.runner.report(
                _("Wrote the consensus at the phases {phases}. Open the case as reader 'consensus' to sign it.").format(
                    phases=", ".join(str(phase) for phase in made.phases)
                )
            )

    def _difference(self, phase: int) -> None:
        reading, readers = self.owner.currentReading(), self._readers()
        found = self.runner.run(
            _("Difference"), lambda progress: self.logic.showReaderDifference(reading, readers, phase)
        )
        if found is not None:
            difference, place = found
            if place is not None:
                SceneViews.jumpTo(place)
            self.owner.refresh()
            self.runner.report(
                _("{count} voxels differ at phase {phase}.").format(count=sum(difference.counts.values()), phase=phase)
            )

    def _readers(self) -> list:
        names = [self.ui.readerAComboBox.currentText, self.ui.readerBComboBox.currentText]
        return [name for name in names if name]

    def _readersChanged(self, index: int) -> None:
        readers = self._readers()
        fillComboBox(
            self.ui.consensusComboBox,
            [_("STAPLE of both"), *(_("adopt {name}").format(name=name) for name in readers)],
        )
        self._report = None
        self._show([], None)
        if self.parameters is not None:
            self.refresh()

    def _show(self, rows: list, summary: dict | None) -> None:
        self._rows = rows
        heads = [_("Case"), _("Phase"), _("Dice cavity"), _("Dice LVM"), _("HD95 LVM"), _("Cavity A, B")]
        texts = [
            [
                row["case"], row["phase_name"], _number(row["dice_blood_pool"], 3), _number(row["dice_lvm"], 3),
                _("{n} mm").format(n=_number(row["hd95_mm_lvm"], 1)),
                _("{a}, {b} ml").format(a=_number(row["cavity_ml_a"], 0), b=_number(row["cavity_ml_b"], 0)),
            ]
            for row in rows
        ]  # fmt: skip
        fillTable(self.ui.agreementTable, heads, texts)
        self.ui.agreementLabel.text = "" if summary is None else _describe(summary)


def _describe(summary: dict) -> str:
    parts = [
        _("Mean Dice {pool} (cavity), {lvm} (LVM) in {count} readings").format(
            pool=_number(summary["dice_blood_pool"]["mean"], 3), lvm=_number(summary["dice_lvm"]["mean"], 3),
            count=summary["readings"],
        )
    ]  # fmt: skip
    for key, text in (
        ("cavity_ml", _("cavity volume A - B {bias} ml, limits {low} to {high}")),
        ("mass_g", _("mass A - B {bias} g, limits {low} to {high}")),
    ):
        bland = summary.get(key, {}).get("bland_altman")
        if bland:
            parts.append(
                text.format(
                    bias=_number(bland["bias"], 1), low=_number(bland["lower"], 1), high=_number(bland["upper"], 1)
                )
            )
    if summary.get("phantom"):
        parts.append(_("phantom data"))
    return "; ".join(parts) + "."


def _number(value: object, digits: int) -> str:
    return f"{value:.{digits}f}" if isinstance(value, (int, float)) and math.isfinite(value) else "-"
