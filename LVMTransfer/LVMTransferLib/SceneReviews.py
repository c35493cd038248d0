"""Checking, cutting, comparing and signing of the case in the scene. No Qt."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
from LVMLib.errors import CurveError
from LVMLib.progress import Progress, silent

from LVMTransferLib.SceneValves import valveCurves

REPORTS_FOLDER = "reports"


class SceneReviews:
    """What the module's logic adds to judge labels; mixed into it beside `SceneCases` and `SceneReadings`."""

    def check(self, volumeNode: object, segmentationNode: object, ed: int, es: int, *, protocol: object = None) -> list:
        """Return the findings of the consensus protocol on the ED and ES labels in the scene.

        Valve curves in the scene are used. Whether ED and ES are extreme is judged by the other labelled phases, else
        by what the model said about the case that is open.

        :param protocol: None = the one that comes with the software.
        :raises LabelError: ED or ES has no labels.
        :raises CurveError: a valve curve cannot be used.
        """
        from LVMLib.annotation import Protocol, check_labels

        from LVMTransferLib import MRMLAdapter

        labels, grid = self.labelsByPhase(volumeNode, segmentationNode), MRMLAdapter.gridFromVolume(volumeNode)
        edLabels, esLabels = self.labelsAt(labels, ed), self.labelsAt(labels, es)
        curves = {name: valveCurves(volumeNode, phase) for name, phase in (("ED", ed), ("ES", es))}
        return check_labels(
            edLabels, esLabels, grid, protocol or Protocol.default(), volume_curve=self._volumeCurve(labels, grid),
            ed=ed, es=es, valves={name: found for name, found in curves.items() if found},
        )  # fmt: skip

    def truncate(self, volumeNode: object, segmentationNode: object, phase: int) -> tuple:
        """Cut cavity and outflow tract of a phase at its valve curves and show what was cut.

        :return: the library's `Truncation`, and the place of the largest cut, RAS mm, or None.
        :raises CurveError: there is no curve, or one cannot be used; nothing is changed.
        """
        from LVMLib.annotation import repair_difference, truncate_by_curves

        from LVMTransferLib import MRMLAdapter
        from LVMTransferLib.SceneDifferences import differenceToScene

        curves = valveCurves(volumeNode, phase)
        if not curves:
            raise CurveError(
                f"phase {phase}",
                expected="a mitral or an aortic curve",
                found="none",
                remedy="Press Mitral or Aortic and click along the leaflets.",
            )
        before = self.labelsAt(self.labelsByPhase(volumeNode, segmentationNode), phase)
        grid = MRMLAdapter.gridFromVolume(volumeNode)
        cut = truncate_by_curves(before, grid, curves, where=f"valve curves of phase {phase}")
        self.writeLabels(volumeNode, segmentationNode, phase, cut.labels)
        _node, place = differenceToScene(repair_difference(before, cut.labels), grid, f"Cut at phase {phase}")
        return cut, place

    def sign(self, reading: object, by: str, reason: str, progress: Progress = silent) -> object:
        """Check the saved labels of a reading and sign them off; return the `SignOff`.

        :param reason: why labels that do not pass are signed all the same; empty = none.
        :raises SignOffError: a rule failed and there is no reason, or nobody signs.
        """
        from LVMLib.evaluation import protocol_of, sign_case

        progress(0.0, "checking")
        return sign_case(
            reading.case, reading.reader, by=by, protocol=protocol_of(reading.cohort), reason=reason.strip() or None
        )

    def withdraw(self, reading: object) -> None:
        """Take the signature of a reading back.

        :raises SignOffError: there is none.
        """
        from LVMLib.cohort.readers import withdraw

        withdraw(reading.case, reading.reader)

    def signOffState(self, reading: object) -> object:
        """Return the library's `SignOffState` of a reading's labels on disk."""
        from LVMLib.cohort.readers import sign_off_state

        return sign_off_state(reading.case, reading.reader)

    def exportReading(
        self, reading: object, pairsPath: Path, spacing: float, override: str, progress: Progress = silent
    ) -> object:
        """Write the image-mask pair of a case whose labels are signed off and pass; return the `Pair`.

        :param override: why it is exported although they are not; empty = they have to be.
        :raises SignOffError: not signed, changed since, or a rule fails.
        """
        from LVMLib.evaluation import export_with_checks, protocol_of

        return export_with_checks(
            reading.case, pairsPath, reader=reading.reader, spacing_mm=spacing,
            protocol=protocol_of(reading.cohort), override=override.strip() or None, progress=progress,
        )  # fmt: skip

    def study(self, cohortPath: Path) -> tuple:
        """Return the cohort's `BlindStudy` and its `StudyState`; (None, None) where there is none."""
        from LVMLib.cohort import Cohort
        from LVMLib.cohort.readers import blind_study, study_state

        cohort = Cohort.open(cohortPath)
        study = blind_study(cohort)
        return (None, None) if study is None else (study, study_state(cohort, study))

    def startStudy(self, cohortPath: Path, readers: Sequence[str], cases: int, *, proposal: bool) -> object:
        """Begin a blinded study of so many cases; return the `BlindStudy`.

        :raises CohortError: there is one already, fewer than two readers, or too few unlabelled cases.
        """
        from LVMLib.cohort import Cohort
        from LVMLib.cohort.readers import start_blind_study

        return start_blind_study(Cohort.open(cohortPath), readers, cases, proposal=proposal)

    def readersOf(self, cohortPath: Path) -> list[str]:
        """Return everybody who labelled a case of the cohort, sorted."""
        from LVMLib.cohort import Cohort

        cohort = Cohort.open(cohortPath)
        return sorted({reader for name in cohort.case_ids() for reader in cohort.case(name).readers()})

    def agreement(self, cohortPath: Path, readers: Sequence[str], progress: Progress = silent) -> tuple:
        """Compare two readers on all cases; return rows, summary and the HTML report.

        :raises BlindedError: their blinded study is not finished.
        :raises CohortError: no phase that both have labelled.
        """
        from LVMLib.cohort import Cohort
        from LVMLib.evaluation import agree_cohort, write_agreement_report

        rows, summary = agree_cohort(Cohort.open(cohortPath), readers, progress=progress)
        folder = cohortPath / REPORTS_FOLDER / f"agreement-{readers[0]}-{readers[1]}"
        return rows, summary, write_agreement_report(folder, rows, summary, readers=readers)

    def showReaderDifference(self, reading: object, readers: Sequence[str], phase: int) -> tuple:
        """Show where two readers differ at a phase; return the library's `Difference` and the place of the largest.

        :raises BlindedError: this reading is blinded.
        :raises CohortError: one of them has not labelled the phase.
        """
        from LVMLib.annotation import reader_difference

        from LVMTransferLib import MRMLAdapter
        from LVMTransferLib.SceneDifferences import differenceToScene

        a, b = (reading.session.labels_of(name, phase) for name in readers)
        difference = reader_difference(a, b, names=tuple(readers))
        grid = MRMLAdapter.gridFromVolume(reading.volumeNode)
        name = f"{readers[0]} against {readers[1]}, phase {phase}"
        _node, place = differenceToScene(difference, grid, name)
        return difference, place

    def consensus(self, reading: object, readers: Sequence[str], method: str, progress: Progress = silent) -> object:
        """Write the labels of reader "consensus" for the case that is open; return the `Consensus`.

        :param method: "staple", or the reader whose labels are adopted.
        :raises BlindedError: this reading is blinded.
        :raises CohortError: no phase that all of them have labelled.
        """
        from LVMLib.cohort.readers import make_consensus

        for name in readers:
            for phase in reading.case.labelled_phases(name)[:1]:
                reading.session.labels_of(name, phase)
        return make_consensus(reading.case, readers, method, progress=progress)

    def _volumeCurve(self, labels: dict, grid: object) -> dict | None:
        """Return cavity volumes, ml, of three or more phases: of the labels, else of the prediction; None = too few."""
        from LVMLib.cohort.prediction import read_prediction
        from LVMLib.grid import BLOOD_POOL

        if len(labels) > 2:
            voxels = {phase: np.count_nonzero(mask == BLOOD_POOL) for phase, mask in labels.items()}
            return {phase: count * grid.voxel_volume / 1000.0 for phase, count in voxels.items()}
        prediction = read_prediction(self.reading.case) if self.reading is not None else None
        return None if prediction is None or len(prediction.cavity_ml) < 3 else prediction.cavity_ml
