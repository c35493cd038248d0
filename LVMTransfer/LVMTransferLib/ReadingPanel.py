"""The case that a reader has open: every edit is on disk a moment later, and nothing is lost by a crash."""

from __future__ import annotations

import logging
from pathlib import Path

import slicer
import vtk
from LVMLib.errors import InUseError, LVMError, StorageError

from LVMTransferLib.Later import Later, Settled, Watch
from LVMTransferLib.Panel import Panel, setReady
from LVMTransferLib.SceneValves import showValvesOf, valveNodes
from LVMTransferLib.Translation import tr as _

MILLISECONDS_AFTER_EDIT, MILLISECONDS_AFTER_LOOK = 500, 1000
RESCUE_FOLDER = "LVM rescue"


class _Edits(Settled):
    """Asks for the autosave, and remembers in which phases something changed meanwhile."""

    def __init__(self, call: object, phase: object) -> None:
        super().__init__(call, MILLISECONDS_AFTER_EDIT)
        self.phases, self._phase = set(), phase

    def request(self, caller: object = None, event: object = None) -> None:
        """Note the phase in the views, which the edit belongs to."""
        phase = self._phase()
        if phase is not None:
            self.phases.add(phase)
            super().request(caller, event)


class ReadingPanel(Panel):
    """Opens, saves and closes a case; also works while another module, such as the Segment Editor, is shown."""

    def setup(self) -> None:
        self._edits = _Edits(self.autosave, self._phaseShown)
        self._segments = Watch(self.autosave, self._edits)
        self._curves = Watch(self.autosave, self._edits)
        self._looks = Watch(self._looked, Later(self._looked, MILLISECONDS_AFTER_LOOK))
        self._phases, self._rescued = Watch(self._phaseChanged), False
        self.ui.saveCaseButton.connect("clicked()", self.onSave)
        self.ui.closeCaseButton.connect("clicked()", self.onClose)

    def refresh(self) -> None:
        reading, busy = self.owner.currentReading(), self.runner.busy
        missing = [] if reading else [_("an open case")]
        setReady(self.ui.saveCaseButton, missing, _("Write labels and curves to the cohort"), busy=busy)
        setReady(self.ui.closeCaseButton, missing, _("Save, and let others open the case"), busy=busy)
        if reading is not None and self.parameters.segmentation is not None:
            reading.segmentationNode = self.parameters.segmentation
        self.ui.openCaseLabel.text = self._describe(reading)
        self._follow()

    def open(self, caseId: str, *, takeOver: bool = False) -> None:
        """Close the open case and open another one for the reader who is named in the panel."""
        if not self.end():
            return
        cohortPath, reader = self.parameters.cohortPath, self.parameters.reader.strip()

        def work(progress: object) -> object:
            try:
                return self.logic.openReading(cohortPath, caseId, reader, takeOver=takeOver)
            except (InUseError, StorageError) as error:
                return error

        opened = self.runner.run(_("Open case"), work)
        if isinstance(opened, InUseError):
            self._askToTakeOver(caseId, opened)
        elif isinstance(opened, StorageError):
            self._onlyLook(caseId, opened)
        elif opened is not None:
            self._askAboutRecovered(opened)
            self._show(opened)

    def adoptScene(self, caseId: str, volumeNode: object, segmentationNode: object) -> None:
        """Open a case whose image is in the scene already, with what is drawn there."""
        if not self.end():
            return
        cohortPath, reader = self.parameters.cohortPath, self.parameters.reader.strip()
        opened = self.runner.run(_("Open case"), lambda progress: self.logic.openReading(cohortPath, caseId, reader))
        if opened is not None:
            opened.takeFromScene(volumeNode, segmentationNode)
            self.runner.report(_("The CT is case {name} of the cohort now.").format(name=caseId))
            self.owner.refresh()

    def onSave(self) -> bool:
        """Write the labels, ED and ES of the open case; return whether that worked."""
        self.flush()
        reading, parameters = self.logic.reading, self.parameters
        ed, es = parameters.edPhase, parameters.esPhase

        def work(progress: object) -> bool:
            reading.save(ed, es)
            return True

        saved = self.runner.run(_("Save"), work) is True
        if saved:
            self._rescued = False
            self.runner.report(
                _("Saved case {name} for reader {reader}.").format(name=reading.case.id, reader=reading.reader)
            )
            self.owner.onCohortChanged()
        return saved

    def onClose(self) -> None:
        """Save what was edited and close the case, or close it all the same after asking."""
        if not self.end():
            question = _("This case could not be saved. Close it all the same? The edits stay in its journal.")
            if not slicer.util.confirmYesNoDisplay(question):
                return
            self._dismiss()
        self.owner.onCohortChanged()

    def end(self) -> bool:
        """Save what was edited and close the open case; return whether no case is open now."""
        reading = self.logic.reading
        if reading is None:
            return True
        self.flush()

        def work(progress: object) -> bool:
            reading.keep()
            return True

        if self.runner.run(_("Save"), work) is not True:
            return False
        self._dismiss()
        return True

    def autosave(self) -> None:
        """Put what changed on disk."""
        reading, phases = self.logic.reading, self._edits.phases
        self._edits.phases = set()
        if reading is None or not phases:
            return
        try:
            reading.autosave(phases)
            reading.saveCurves()
        except StorageError as error:
            self._edits.phases |= phases
            self._rescue(reading, error)
        except LVMError as error:
            self.runner.report(str(error))
        else:
            self._rescued = False
        self.ui.openCaseLabel.text = self._describe(reading)

    def noteEdits(self, phases: object) -> None:
        """Put the labels of these phases, which a step of the panel changed, on disk now."""
        if self.logic.reading is not None:
            self._edits.phases |= set(phases)
            self.flush()

    def flush(self) -> None:
        """Put on disk what waits for it."""
        self._edits.drop()
        self.autosave()

    def forget(self) -> None:
        """The scene closes: keep what was edited, and let others open the case."""
        self._finish()

    def cleanup(self) -> None:
        """The application closes, as :meth:`forget`."""
        self._finish()

    def _finish(self) -> None:
        reading = self.logic.reading
        if reading is None:
            return
        self.flush()
        try:
            reading.keep()
        except LVMError as error:
            # The journal, or the rescue folder, still has the edits.
            logging.warning(str(error))
        self._release()
        self.logic.closeReading()

    def _dismiss(self) -> None:
        self._release()
        reading = self.logic.reading
        reading.removeFromScene()
        self.logic.closeReading()
        self.owner.refresh()

    def _release(self) -> None:
        self._edits.phases = set()
        for watch in (self._segments, self._curves, self._looks, self._phases):
            watch.release()

    def _show(self, reading: object) -> None:
        loaded = self.runner.run(_("Open case"), lambda progress: reading.toScene())
        if loaded is None:
            self.logic.closeReading()
            return
        self._rescued = False
        self.owner.adopt(loaded)
        self._phaseChanged()
        text = {
            reading.reader: _("Case {name} is open with your labels."),
            None: _("Case {name} is open without labels: draw them, or predict."),
        }.get(reading.shownLabels, _("Case {name} is open with the labels of {other}, to begin from."))
        self.owner.onCohortChanged()
        self.owner.worklistPanel.select(reading.case.id)
        self.runner.report(text.format(name=reading.case.id, other=reading.shownLabels))

    def _onlyLook(self, caseId: str, error: StorageError) -> None:
        cohortPath, reader = self.parameters.cohortPath, self.parameters.reader.strip()
        loaded = self.runner.run(
            _("Open case"), lambda progress: self.logic.loadCase(cohortPath, caseId, reader=reader)
        )
        if loaded is not None:
            self.owner.adopt(loaded)
        text = _("The case can only be looked at, edits are not kept: {error}").format(error=error)
        self.runner.report(text)
        slicer.util.errorDisplay(text, windowTitle=_("Open case"))

    def _askToTakeOver(self, caseId: str, error: InUseError) -> None:
        self.runner.report(str(error))
        question = _("{error}\n\nOpen it all the same? Do so only if nobody works on it.").format(error=error)
        if slicer.util.confirmYesNoDisplay(question, windowTitle=_("The case is open elsewhere")):
            self.open(caseId, takeOver=True)

    def _askAboutRecovered(self, reading: object) -> None:
        found = reading.session.recovered
        if not found:
            return
        lines = [
            _("phase {phase}: {count} edit(s), the last one '{action}' at {when}").format(
                phase=phase, count=edits.edits, action=edits.action, when=edits.when
            )
            for phase, edits in sorted(found.items())
        ]
        question = _("Edits of this case were not saved when the program ended:\n{lines}\n\nGo on from them?").format(
            lines="\n".join(lines)
        )
        if slicer.util.confirmYesNoDisplay(question, windowTitle=_("Unsaved edits were found")):
            reading.session.keep_recovered()
        else:
            reading.session.discard_recovered()

    def _rescue(self, reading: object, error: StorageError) -> None:
        folder = Path(slicer.app.temporaryPath) / RESCUE_FOLDER
        try:
            files = reading.rescue(folder)
        except (OSError, LVMError) as failure:
            text = _("{error} Nor can they be written to {folder}: {failure} Do not close the program.").format(
                error=error, folder=folder, failure=failure
            )
        else:
            text = _("{error} Your edits are kept in {count} file(s) in {folder}. Make room, then press Save.").format(
                error=error, count=len(files), folder=folder
            )
        self.runner.report(text)
        if not self._rescued:
            self._rescued = True
            slicer.util.errorDisplay(text, windowTitle=_("Edits could not be saved"))

    def _follow(self) -> None:
        reading = self.owner.currentReading()
        if reading is None:
            return
        kinds = slicer.vtkSegmentation
        events = (kinds.SourceRepresentationModified, kinds.SegmentAdded, kinds.SegmentRemoved)
        self._segments.follow((reading.segmentationNode, events))
        points = (slicer.vtkMRMLMarkupsNode.PointModifiedEvent, slicer.vtkMRMLMarkupsNode.PointRemovedEvent)
        self._curves.follow(*((node, points) for node in valveNodes(reading.volumeNode)))
        changed = (vtk.vtkCommand.ModifiedEvent,)
        self._looks.follow(*((node, changed) for node in slicer.util.getNodesByClass("vtkMRMLSliceNode")))
        self._phases.follow((self.logic.browserOf(reading.volumeNode), changed))

    def _looked(self) -> None:
        reading = self.logic.reading
        if reading is not None:
            reading.session.touch()

    def _phaseShown(self) -> int | None:
        reading = self.logic.reading
        return None if reading is None else self.logic.phaseShown(reading.volumeNode)

    def _phaseChanged(self) -> None:
        reading = self.logic.reading
        if reading is not None and reading.volumeNode is not None:
            showValvesOf(reading.volumeNode, self._phaseShown())

    def _describe(self, reading: object) -> str:
        if reading is None:
            return _("No case is open: what is drawn is kept in the scene only.")
        facts = [
            _("Open: {case}").format(case=reading.case.id),
            _("reader {name}").format(name=reading.reader),
            _("{n:.0f} min").format(n=reading.session.seconds / 60),
        ]
        if reading.session.blinded:
            facts.append(_("blinded"))
        unsaved = reading.unsavedPhases()
        if unsaved:
            phases = ", ".join(str(phase) for phase in unsaved)
            facts.append(_("edits of phase {phases} are in the journal").format(phases=phases))
        return ", ".join(facts)
