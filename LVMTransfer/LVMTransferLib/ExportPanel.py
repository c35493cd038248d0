"""Step 6: the signed case as an image-mask pair."""

from __future__ import annotations

from LVMTransferLib.Panel import Panel, isChosen, setReady
from LVMTransferLib.Translation import tr as _


class ExportPanel(Panel):
    """Exports the open case: signed off and passing, or for a reason that is kept with the pair."""

    def setup(self) -> None:
        self.ui.exportButton.connect("clicked()", self.onExport)

    def refresh(self) -> None:
        missing = [] if self.owner.currentReading() else [_("an open case (step 1)")]
        if not isChosen(self.parameters.pairsPath):
            missing.append(_("a pairs folder"))
        setReady(self.ui.exportButton, missing, _("Save, and write the pair of ED and ES"), busy=self.runner.busy)

    def onExport(self) -> None:
        """Save what was edited and write the pair."""
        if not self.owner.readingPanel.onSave():
            return
        parameters, reading = self.parameters, self.owner.currentReading()
        pairsPath, spacing, override = parameters.pairsPath, parameters.spacing, parameters.overrideReason

        def work(progress: object) -> object:
            return self.logic.exportReading(reading, pairsPath, spacing, override, progress)

        pair = self.runner.run(_("Export"), work)
        if pair is not None:
            parameters.overrideReason = ""
            phases = ", ".join(str(phase) for phase in pair.labelled_phases)
            self.runner.report(_("Exported with labels at the phases {phases}.").format(phases=phases))
