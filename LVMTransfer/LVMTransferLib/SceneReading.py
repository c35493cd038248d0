"""A case of a cohort that a reader has open in the scene: whatever changes there is on disk a moment later. No Qt."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

import numpy as np
import slicer
import vtk
from LVMLib.errors import BlindedError, CurveError

from LVMTransferLib.SceneValves import removeShown, removeValves, valveCurves, valvesToScene


class CaseReading:
    """One reader at one case; made by :meth:`SceneReadings.openReading`, ended by :meth:`close`.

    :ivar session: the library's ``ReaderSession``: journal, lock, time spent.
    :ivar volumeNode, segmentationNode: the case in the scene; the panel may choose another segmentation.
    :ivar shownLabels: the reader whose labels were shown at first; None = nobody's, the reader draws from scratch.
    """

    def __init__(self, logic: object, cohort: object, session: object) -> None:
        self._logic, self.cohort, self.session = logic, cohort, session
        self.volumeNode = self.segmentationNode = self.shownLabels = None
        self._known: dict[int, np.ndarray] = {}
        self._curvesOnDisk: dict[int, dict] = {}

    @property
    def case(self) -> object:
        """The case on disk."""
        return self.session.case

    @property
    def reader(self) -> str:
        """Whose labels these are."""
        return self.session.reader

    def toScene(self) -> object:
        """Add image, labels and valve curves to the scene; return the `LoadedCase`."""
        self.shownLabels, labels = self._labelsToBeginWith()
        loaded = self._logic.addCaseToScene(self.case, labels, self.cohort.folder)
        self.volumeNode, self.segmentationNode = loaded.volumeNode, loaded.segmentationNode
        self._known = labels
        for phase in range(len(self.case.rr_percent)):
            curves = self.case.valves(self.reader, phase)
            if curves:
                self._curvesOnDisk[phase] = curves
                valvesToScene(self.volumeNode, phase, curves)
        return loaded

    def takeFromScene(self, volumeNode: object, segmentationNode: object) -> None:
        """Go on with a CT that is in the scene already; its labels are the reader's first edit."""
        self.volumeNode, self.segmentationNode = volumeNode, segmentationNode
        self._logic.rememberCase(volumeNode, self.cohort.folder, self.case.id)
        if segmentationNode is not None:
            self.autosave(self._logic.labelsByPhase(volumeNode, segmentationNode), "drawn before the case was added")

    def unsavedPhases(self) -> list[int]:
        """Return the phases with edits that are in the journal only."""
        return self.session.unsaved()

    def labels(self, phase: int) -> np.ndarray:
        """Return the labels ``(Z, Y, X)`` of a phase as they are in the scene; zeros where nothing is drawn."""
        found = self._logic.labelsOfPhase(self.volumeNode, self.segmentationNode, phase)
        return np.zeros(self.case.grid.shape, np.uint8) if found is None else found

    def autosave(self, phases: Iterable[int], action: str = "edit") -> list[int]:
        """Put what changed in these phases on disk; return the phases that had changed.

        :raises StorageError: the disk is full or read-only; the edits stay in memory, :meth:`rescue` writes them
          elsewhere.
        """
        changed = []
        for phase in sorted(phases):
            labels = self.labels(phase)
            before = self._known.get(phase)
            if np.array_equal(labels, before) if before is not None else not labels.any():
                continue
            self.session.autosave(phase, labels, action)
            self._known[phase] = labels
            changed.append(phase)
        return changed

    def saveCurves(self) -> None:
        """Write the valve curves that changed beside the case.

        :raises CurveError: a curve cannot be used; the others are written.
        :raises StorageError: the disk is full or read-only.
        """
        refused = None
        for phase in range(len(self.case.rr_percent)):
            curves, before = valveCurves(self.volumeNode, phase), self._curvesOnDisk.get(phase, {})
            same = set(curves) == set(before) and all(np.array_equal(curves[name], before[name]) for name in curves)
            if same:
                continue
            try:
                self.case.write_valves(self.reader, phase, curves)
            except CurveError as error:
                refused = error
            else:
                self._curvesOnDisk[phase] = curves
        if refused is not None:
            raise refused

    def keep(self) -> None:
        """Write what was edited to the cohort under the reader's name.

        :raises LVMError: a phase is empty, a curve cannot be used, or the disk cannot be written; the journal stays.
        """
        self.autosave(self._known, "save")
        self.session.save()
        self.saveCurves()

    def save(self, ed: int, es: int) -> None:
        """Write the labels, also where the reader accepts ED and ES as they were shown, and the choice of ED and ES.

        :raises LVMError: as :meth:`keep`.
        """
        if (self.case.ed, self.case.es) != (ed, es):
            self.case.set_phases(ed=ed, es=es)
        self.autosave({ed, es, *self._known}, "save")
        for phase in {ed, es} - set(self.session.phases()):
            labels = self.labels(phase)
            if labels.any():
                self.session.autosave(phase, labels, "accepted as shown")
                self._known[phase] = labels
        self.keep()

    def finish(self, ed: int, es: int) -> None:
        """Save, and record that the reading is finished.

        :raises CohortError: ED or ES is not labelled.
        """
        self.save(ed, es)
        self.session.finish()

    def rescue(self, folder: Path) -> list[Path]:
        """Write the edits that the cohort's disk does not take to another folder; return the files."""
        folder.mkdir(parents=True, exist_ok=True)
        return self.session.rescue(folder)

    def removeFromScene(self) -> None:
        """Take the case with all its phases, labels and curves out of the scene: a 4D CT fills the memory."""
        removeCase(self.volumeNode, [self.segmentationNode])

    def close(self) -> None:
        """Let others open the case. What is only in the journal is offered when the reader opens the case again."""
        self.session.close()

    def requireProposal(self) -> None:
        """Raise `BlindedError` where this reading has to begin without the model's labels."""
        if not self.session.proposal_allowed:
            raise BlindedError(
                f"case {self.case.id}",
                expected="a blinded reading without the model's proposal",
                found="a prediction asked for",
                remedy="Draw the contours from scratch, or finish the blinded study first.",
            )

    def keepPrediction(self, found: object, model: str) -> None:
        """Keep a model's labels at ED and ES, and what its phases say about each other, with the case."""
        from LVMLib.cohort.prediction import write_prediction
        from LVMLib.learning import MODEL_READER

        for phase in sorted({found.ed, found.es}):
            self.case.write_labels(MODEL_READER, phase, found.labels[phase])
            seen = self.session.labels_of(MODEL_READER, phase)
            if phase not in self.session.phases():
                self._known[phase] = seen
        write_prediction(self.case, model, found.labels, jitter_ml=found.jitter_ml)

    def _labelsToBeginWith(self) -> tuple:
        """Return (whose, phase to labels): the own, else the model's, else the newest that may be seen."""
        session = self.session
        if session.phases():
            return self.reader, {phase: session.labels(phase) for phase in session.phases()}
        others = session.readers()[1:]
        for other in sorted(others, key=lambda name: self._logic.newestFirst(self.case, name)):
            phases = self.case.labelled_phases(other)
            if phases:
                return other, {phase: session.labels_of(other, phase) for phase in phases}
        return None, {}


def removeCase(volumeNode: object, others: Iterable) -> None:
    """Remove a CT, everything that its sequence browser shows, its curves, and some other nodes."""
    browserNode = slicer.modules.sequences.logic().GetFirstBrowserNodeForProxyNode(volumeNode)
    # The browser first: it would make a new proxy for each that goes.
    doomed, shown = [browserNode], [volumeNode, *others]
    if browserNode is not None:
        sequences = vtk.vtkCollection()
        browserNode.GetSynchronizedSequenceNodes(sequences, True)
        for sequenceNode in [sequences.GetItemAsObject(n) for n in range(sequences.GetNumberOfItems())]:
            shown.append(browserNode.GetProxyNode(sequenceNode))
            doomed.append(sequenceNode)
    removeValves(volumeNode)
    for node in doomed:
        if node is not None:
            slicer.mrmlScene.RemoveNode(node)
    for node in shown:
        if node is not None and slicer.mrmlScene.IsNodePresent(node):
            removeShown(node)


class SceneReadings:
    """What the module's logic adds for readers; mixed into it beside `SceneCases`."""

    reading: CaseReading | None = None

    def openReading(self, cohortPath: Path, caseId: str, reader: str, *, takeOver: bool = False) -> CaseReading:
        """Open a case for a reader, without showing it: ``recovered`` edits have to be kept or discarded first.

        The case that was open before is closed; its unsaved edits stay in its journal.

        :raises InUseError: somebody else has the case open.
        :raises StorageError: the cohort cannot be written.
        """
        from LVMLib.cohort import Cohort
        from LVMLib.cohort.readers import ReaderSession

        self.closeReading()
        cohort = Cohort.open(cohortPath)
        session = ReaderSession.open(cohort, caseId, reader, take_over=takeOver)
        self.reading = CaseReading(self, cohort, session)
        return self.reading

    def closeReading(self) -> None:
        """Close the case that is open, if one is."""
        reading, self.reading = self.reading, None
        if reading is not None:
            reading.close()

    def addCase(self, volumeNode: object, cohortPath: Path, ed: int, es: int, progress: object) -> str:
        """Make a CT of the scene a new case of the cohort, which is made where there is none; return the case's name.

        No patient identity is stored.

        :raises LVMError: the disk cannot be written, or another process writes to the cohort.
        """
        from LVMLib.cohort import Cohort

        from LVMTransferLib import MRMLAdapter
        from LVMTransferLib.SceneCases import SITE_OF_NEW_COHORT

        cohort = Cohort.open_or_create(cohortPath, site=SITE_OF_NEW_COHORT)
        sequence = MRMLAdapter.sequenceFromScene(volumeNode)
        case = cohort.add_case(sequence, source="3D Slicer scene", ed=ed, es=es, progress=progress)
        return case.id

    def worklist(self, cohortPath: Path, reader: str) -> object:
        """Return the cohort's `Worklist` for a reader; an empty name stands for whoever labelled a case last."""
        from LVMLib.cohort import Cohort
        from LVMLib.evaluation import worklist

        return worklist(Cohort.open(cohortPath), reader=reader or None)

    def protocol(self, cohortPath: Path | None) -> object:
        """Return the protocol of a cohort; the one that comes with the software where there is no cohort.

        :raises ProtocolError: the cohort's protocol cannot be used.
        """
        from LVMLib.annotation import Protocol
        from LVMLib.cohort import Cohort
        from LVMLib.evaluation import protocol_of

        if cohortPath is None or not (cohortPath / "cohort.json").is_file():
            return Protocol.default()
        return protocol_of(Cohort.open(cohortPath))
