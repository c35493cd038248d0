"""One reader at one case: what may be seen, every edit on disk at once, nothing lost."""

from __future__ import annotations

import os
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np

from ...errors import BlindedError, LabelError, StorageError
from ...grid import require_labels
from ...imaging import write_segmentation
from ..case import Case, require_name
from ..store import Cohort
from .blind import blind_study, is_blinded
from .journal import Journal, Recovered
from .occupancy import occupy, vacate
from .reading import Reading, finish_reading, update_reading

MODEL_READER = "model"
IDLE_SECONDS = 120.0
"""A pause longer than this is not work."""
RECORD_SECONDS = 30.0


class ReaderSession:
    """A case that a reader has open; use `open`, as a context manager or with `close`.

    Attributes
    ----------
    case : Case
    reader : str
    blinded : bool
        Whether other readers' labels are hidden.
    recovered : dict of int to Recovered
        Edits by phase that an earlier session made and did not save; `keep_recovered` or `discard_recovered`.
    seconds : float
        Time that the reader has worked on the case, in all sessions.
    """

    def __init__(self, cohort: Cohort, case: Case, reader: str, clock: Callable[[], float]) -> None:
        self.case, self.reader, self._clock = case, reader, clock
        study = blind_study(cohort)
        self.blinded = is_blinded(cohort, case.id, reader)
        self.proposal_allowed = not self.blinded or bool(study and study.proposal)
        self._journals = {phase: Journal(self._journal_path(phase)) for phase in range(len(case.rr_percent))}
        self._edited: dict[int, np.ndarray] = {}
        found = {phase: journal.read() for phase, journal in self._journals.items() if journal.exists}
        self.recovered: dict[int, Recovered] = {phase: edits for phase, edits in found.items() if edits is not None}
        self._touched = self._recorded = clock()
        self.seconds = update_reading(case, reader, blinded=self.blinded).seconds

    @classmethod
    def open(
        cls,
        cohort: Cohort,
        case_id: str,
        reader: str,
        *,
        take_over: bool = False,
        clock: Callable[[], float] = time.monotonic,
    ) -> ReaderSession:
        """Open a case for a reader.

        Raises
        ------
        InUseError
            Somebody else has it open.
        CohortError
            No such case, or a reader's name that cannot be a folder.
        StorageError
            The cohort cannot be written.
        """
        case = cohort.case(case_id)
        require_name(reader, "reader")
        occupy(case.folder, reader, take_over=take_over)
        try:
            return cls(cohort, case, reader, clock)
        except BaseException:
            vacate(case.folder)
            raise

    def __enter__(self) -> ReaderSession:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def readers(self) -> list[str]:
        """Return the readers whose labels may be seen, the own first."""
        others = [name for name in self.case.readers() if name != self.reader and self._may_see(name)]
        return [self.reader, *others]

    def labels(self, phase: int) -> np.ndarray:
        """Return the reader's own labels ``(Z, Y, X)`` uint8 of a phase as they are now; errors as `Case.labels`."""
        return self._edited[phase] if phase in self._edited else self.case.labels(self.reader, phase)

    def phases(self) -> list[int]:
        """Return the phases that the reader has labelled, saved or not."""
        return sorted({*self.case.labelled_phases(self.reader), *self._edited})

    def unsaved(self) -> list[int]:
        """Return the phases with edits that only the journal holds."""
        return sorted(self._edited)

    def labels_of(self, other: str, phase: int) -> np.ndarray:
        """Return another reader's labels of a phase.

        Raises
        ------
        BlindedError
            This reading is blinded.
        CohortError
            That reader has not labelled the phase.
        """
        if not self._may_see(other):
            raise BlindedError(
                f"case {self.case.id}",
                expected=f"reader {self.reader} to see only the own labels while the blinded study runs",
                found=f"the labels of {other} asked for",
                remedy="Finish every reading of the study first; 'lvm blind COHORT' says what is next.",
            )
        if other == MODEL_READER:
            update_reading(self.case, self.reader, proposal_seen=True)
        return self.labels(phase) if other == self.reader else self.case.labels(other, phase)

    def autosave(self, phase: int, labels: np.ndarray, action: str = "edit") -> None:
        """Put an edit on disk; call it after every one.

        Parameters
        ----------
        phase : int
            Phase index.
        labels : ndarray (Z, Y, X)
            The labels after the edit; may be empty.
        action : str
            What was done, for the message after a crash.

        Raises
        ------
        LabelError
            Another shape or other values.
        StorageError
            The disk is full or read-only. The edit is kept in memory: `save` again later, or `rescue`.
        """
        where = f"case {self.case.id}, reader {self.reader}, phase {phase}"
        if np.shape(labels) != self.case.grid.shape:
            raise LabelError(
                where,
                expected=f"labels of shape {self.case.grid.shape} (Z, Y, X)",
                found=f"{np.shape(labels)}",
                remedy="Resample the mask to the image.",
            )
        self._edited[phase] = require_labels(labels, where, allow_empty=True)
        self.touch()
        if phase in self.recovered:  # the reader goes on without deciding: what was recovered is set aside, not lost
            self._journals[phase].discard()
            del self.recovered[phase]
        self._journals[phase].append(self._edited[phase], action)
        if self._clock() - self._recorded > RECORD_SECONDS:
            self._record()

    def save(self) -> list[Path]:
        """Write every edited phase to its ``.seg.nrrd``; then, and only then, forget its journal.

        Raises
        ------
        LabelError
            A phase has become empty.
        StorageError
            The disk is full or read-only; the journal stays.
        """
        self.touch()
        paths = []
        for phase in sorted(self._edited):
            paths.append(self.case.write_labels(self.reader, phase, self._edited[phase]))
            self._journals[phase].clear()
            del self._edited[phase]
        self._record()
        return paths

    def keep_recovered(self) -> list[int]:
        """Go on from the edits that were recovered; they stay in the journal until `save`. Return their phases."""
        kept, self.recovered = self.recovered, {}
        for phase, found in kept.items():
            self.autosave(phase, found.labels, f"recovered after '{found.action}'")
        return sorted(kept)

    def discard_recovered(self) -> None:
        """Go on from the saved labels; the edits are kept in a ``.discarded`` file until the next time."""
        for phase in self.recovered:
            self._journals[phase].discard()
        self.recovered = {}

    def rescue(self, folder: str | os.PathLike) -> list[Path]:
        """Write the edited phases to another folder, when the cohort's disk is full or gone; return the files.

        Raises
        ------
        StorageError
            That folder cannot be written either.
        """
        paths = []
        for phase, labels in sorted(self._edited.items()):
            path = Path(folder) / f"{self.case.id}-{self.reader}-{phase:02d}.seg.nrrd"
            write_segmentation(path, labels, self.case.grid)
            paths.append(path)
        return paths

    def touch(self) -> None:
        """Count the time since the last sign of work; panels call it when the reader moves or scrolls."""
        at = self._clock()
        if at - self._touched <= IDLE_SECONDS:
            self.seconds += at - self._touched
        self._touched = at

    def finish(self) -> Reading:
        """Save, and record that the reading is finished.

        Raises
        ------
        CohortError
            ED or ES is not labelled.
        """
        self.save()
        return finish_reading(self.case, self.reader)

    def close(self) -> None:
        """Let others open the case; edits that were not saved stay in the journal."""
        self.touch()
        try:
            self._record()
        except StorageError:
            if not self._edited:  # time spent is all that is lost
                return
            raise
        finally:
            vacate(self.case.folder)

    def _record(self) -> None:
        update_reading(self.case, self.reader, seconds=round(self.seconds, 1))
        self._recorded = self._clock()

    def _may_see(self, other: str) -> bool:
        if other == self.reader or not self.blinded:
            return True
        return other == MODEL_READER and self.proposal_allowed

    def _journal_path(self, phase: int) -> Path:
        return self.case.folder / "labels" / self.reader / f".{phase:02d}.journal"
