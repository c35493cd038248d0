"""What the radiologist does with a case, as calls on scene nodes: load, predict, repair, check, export. No Qt.

Usable from the Python console and, after ``startHeadlessCore()``, from a script on the `slicer-core` wheel.
"""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import slicer
from LVMLib.errors import BundleError, LVMError
from LVMLib.progress import Progress, part, silent

COHORT_ATTRIBUTE, CASE_ATTRIBUTE = "LVM.Cohort", "LVM.Case"
SITE_OF_NEW_COHORT = "local"


class LoadedCase:
    """A case in the scene: its volume node, its segmentation node or None, its ED and ES, doubts about a prediction."""

    def __init__(
        self, volumeNode: object, segmentationNode: object, ed: int, es: int, doubts: tuple[str, ...] = ()
    ) -> None:
        self.volumeNode, self.segmentationNode, self.ed, self.es = volumeNode, segmentationNode, ed, es
        self.doubts = doubts


class SceneCases:
    """The steps from a CT in the scene to an image-mask pair on disk."""

    def caseIds(self, cohortPath: Path) -> list[str]:
        """Return the cases of a cohort folder.

        :raises CohortError: the folder holds no cohort.
        """
        from LVMLib.cohort import Cohort

        return list(Cohort.open(cohortPath).case_ids())

    def loadCase(self, cohortPath: Path, caseId: str, *, reader: str | None = None) -> LoadedCase:
        """Load a case with all its phases and the newest labels that ``reader`` may see, only to look at.

        :param reader: None = whoever drew them; a reader of a blinded study sees only the own.
        :raises CohortError: there is no such case, or it is damaged.
        """
        from LVMLib.cohort import Cohort
        from LVMLib.cohort.readers.blind import is_blinded

        cohort = Cohort.open(cohortPath)
        case = cohort.case(caseId)
        blinded = reader is not None and is_blinded(cohort, caseId, reader)
        seen = [name for name in case.readers() if name == reader or not blinded]
        newest = min(seen, key=lambda name: self.newestFirst(case, name), default=None)
        labels = {t: case.labels(newest, t) for t in case.labelled_phases(newest)} if newest else {}
        return self.addCaseToScene(case, labels, cohortPath)

    def addCaseToScene(self, case: object, labels: dict, cohortPath: Path) -> LoadedCase:
        """Add the image of a case to the scene with labels (phase to array, may be none), and show ED."""
        from LVMTransferLib import MRMLAdapter

        volumeNode, _, _ = MRMLAdapter.sequenceToScene(case.image(), case.id)
        self.rememberCase(volumeNode, cohortPath, case.id)
        ed, es = case.ed or 0, case.es or 0
        drawn = labels or {ed: np.zeros(case.grid.shape, np.uint8)}
        segmentationNode = self.showLabels(volumeNode, drawn, f"{case.id} labels")
        self.showPhase(volumeNode, ed)
        return LoadedCase(volumeNode, segmentationNode, ed, es)

    @staticmethod
    def newestFirst(case: object, reader: str) -> int:
        """Return a key that sorts readers by when they last labelled the case, the latest first."""
        times = [case.labels_path(reader, t).stat().st_mtime_ns for t in case.labelled_phases(reader)]
        return -max(times, default=0)

    @staticmethod
    def deliveredModel(resourceFolder: str) -> Path | None:
        """Return the Site 1 model that comes with the software, or None.

        :param resourceFolder: the module's Resources folder; the model lies in it when installed, else in that of the
          repository.
        """
        folder = Path(resourceFolder)
        for place in (folder / "Site1", folder.parent.parent / "Resources" / "Site1"):
            if (place / "bundle.json").is_file():
                return place
        return None

    def describeModel(self, bundlePath: Path) -> str:
        """Return one line on a model bundle, from its manifest alone; prediction verifies every file.

        :raises BundleError: the manifest cannot be read.
        """
        path = bundlePath / "bundle.json"
        try:
            manifest = json.loads(path.read_text(encoding="utf-8"))
            origin = manifest["provenance"][-1] if manifest["provenance"] else {}
            text = "{name}: {spacing:g} mm voxels, {architecture}".format(
                name=manifest["name"], spacing=manifest["spacing_mm"], architecture=manifest["architecture"]["name"]
            )
            cases = (
                "{n} training cases of {site}".format(n=origin["training_cases"], site=origin["site"]) if origin else ""
            )
            phantom = "phantom" if origin.get("phantom") else ""
        except (OSError, ValueError, KeyError, TypeError) as error:
            raise BundleError(
                path, expected="a model manifest", found=repr(error), remedy="Choose the folder of a model bundle."
            ) from error
        return ", ".join(item for item in (text, cases, phantom) if item)

    def predict(
        self,
        volumeNode: object,
        bundlePath: Path,
        device: str | None,
        progress: Progress = silent,
        *,
        reading: object = None,
    ) -> object:
        """Segment every phase, repair it and show the result.

        :param device: "cpu", "cuda" or None for a GPU where there is one.
        :param reading: the `CaseReading` that this volume belongs to: the prediction is kept with the case.
        :return: the :class:`LoadedCase` with the new segmentation and the proposed ED and ES.
        :raises LVMError: the image or the bundle cannot be used.
        :raises LVMCancelled: stopped through ``progress``; the scene is as before.
        """
        from LVMLib.learning import Bundle, predict_sequence

        from LVMTransferLib import MRMLAdapter

        if reading is not None:
            reading.requireProposal()
        progress(0.0, "loading the model")
        sequence, bundle = MRMLAdapter.sequenceFromScene(volumeNode), Bundle.load(bundlePath)
        found = predict_sequence(sequence, bundle, device=device, progress=part(progress, 0.0, 0.95))
        if reading is not None:
            reading.keepPrediction(found, bundle.manifest.name)
        segmentationNode = self.showLabels(volumeNode, found.labels, f"{volumeNode.GetName()} prediction")
        self.showPhase(volumeNode, found.ed)
        return LoadedCase(volumeNode, segmentationNode, found.ed, found.es, found.doubts)

    def showLabels(self, volumeNode: object, labelsByPhase: dict, name: str) -> object:
        """Add labels to the scene: a segmentation in each phase of a 4D CT, or one segmentation of a volume."""
        from LVMTransferLib import MRMLAdapter

        if self.browserOf(volumeNode) is not None:
            return MRMLAdapter.segmentationSequence(
                labelsByPhase, MRMLAdapter.gridFromVolume(volumeNode), name, volumeNode
            )[0]
        labels = next(iter(labelsByPhase.values()))
        return MRMLAdapter.segmentationFromLabels(labels, MRMLAdapter.gridFromVolume(volumeNode), name, volumeNode)

    def labelsByPhase(self, volumeNode: object, segmentationNode: object) -> dict:
        """Return phase to labels ``(Z, Y, X)`` of every labelled phase; phase 0 of a volume that is no sequence.

        :raises LabelError: the two segments are not there.
        """
        from LVMTransferLib import MRMLAdapter

        browserNode = self.browserOf(volumeNode)
        if browserNode is not None and browserNode.GetSequenceNode(segmentationNode) is not None:
            return MRMLAdapter.labelsFromSegmentationSequence(segmentationNode, volumeNode)
        phase = 0 if browserNode is None else browserNode.GetSelectedItemNumber()
        return {phase: MRMLAdapter.labelsFromSegmentation(segmentationNode, volumeNode)}

    def labelsOfPhase(self, volumeNode: object, segmentationNode: object, phase: int) -> object:
        """Return the labels ``(Z, Y, X)`` of one phase, empty ones too; None where the segmentation has no such phase.

        :raises LabelError: the two segments are not there.
        """
        from LVMTransferLib import MRMLAdapter

        grid, node = MRMLAdapter.gridFromVolume(volumeNode), segmentationNode
        browserNode = self.browserOf(volumeNode)
        sequenceNode = browserNode.GetSequenceNode(segmentationNode) if browserNode is not None else None
        if sequenceNode is not None:
            node = sequenceNode.GetDataNodeAtValue(browserNode.GetMasterSequenceNode().GetNthIndexValue(phase))
        elif phase != self.phaseShown(volumeNode):
            return None
        return None if node is None else MRMLAdapter.labelsFromSegmentation(node, grid=grid, allowEmpty=True)

    def phaseShown(self, volumeNode: object) -> int:
        """Return the phase in the views; 0 for a volume that is no sequence."""
        browserNode = self.browserOf(volumeNode)
        return 0 if browserNode is None else browserNode.GetSelectedItemNumber()

    def repair(self, volumeNode: object, segmentationNode: object, radius: int, progress: Progress = silent) -> dict:
        """Close holes and gaps in every labelled phase; return phase to `Repair` with the counts before and after.

        What changed in the phase in the views is shown in colour.
        """
        from LVMLib.annotation import repair_difference, repair_labels

        from LVMTransferLib import MRMLAdapter
        from LVMTransferLib.SceneDifferences import differenceToScene

        grid = MRMLAdapter.gridFromVolume(volumeNode)
        labels = self.labelsByPhase(volumeNode, segmentationNode)
        repairs = {}
        for number, phase in enumerate(labels):
            progress(number / len(labels), f"repairing phase {phase}")
            repairs[phase] = repair_labels(labels[phase], grid, radius_voxels=radius)
        shown = self.phaseShown(volumeNode)
        for phase, repaired in repairs.items():
            if repaired.changed.any():
                self.writeLabels(volumeNode, segmentationNode, phase, repaired.labels)
                if phase == shown:
                    difference = repair_difference(labels[phase], repaired.labels)
                    differenceToScene(difference, grid, f"Repair of phase {phase}")
        return repairs

    def exportCase(
        self,
        volumeNode: object,
        segmentationNode: object,
        *,
        cohortPath: Path,
        pairsPath: Path,
        reader: str,
        ed: int,
        es: int,
        override: str,
        spacing: float = 1.0,
        progress: Progress = silent,
    ) -> object:
        """Store labels that nobody has signed in the cohort and write the image-mask pair, for scripts.

        A volume that did not come from this cohort becomes a new case of it, without patient identity.

        :param override: why they are exported without a signature; kept in the pair.
        :param spacing: isotropic voxel size of the pair, mm.
        :return: the `Pair`.
        :raises LVMError: ED or ES has no labels, or the disk cannot be written.
        """
        from LVMLib.cohort import Cohort
        from LVMLib.evaluation import export_with_checks, protocol_of

        from LVMTransferLib import MRMLAdapter

        labels = self.labelsByPhase(volumeNode, segmentationNode)
        chosen = {phase: self.labelsAt(labels, phase) for phase in sorted({ed, es})}
        cohort = Cohort.open_or_create(cohortPath, site=SITE_OF_NEW_COHORT)
        if volumeNode.GetAttribute(COHORT_ATTRIBUTE) == str(cohortPath):
            case = cohort.case(volumeNode.GetAttribute(CASE_ATTRIBUTE))
        else:
            sequence = MRMLAdapter.sequenceFromScene(volumeNode)
            case = cohort.add_case(sequence, source="3D Slicer scene", progress=part(progress, 0.0, 0.5))
            self.rememberCase(volumeNode, cohortPath, case.id)
        case.set_phases(ed=ed, es=es)
        for phase, mask in chosen.items():
            case.write_labels(reader, phase, mask)
        return export_with_checks(
            case, pairsPath, reader=reader, spacing_mm=spacing, protocol=protocol_of(cohort), override=override,
            progress=part(progress, 0.5, 1.0),
        )  # fmt: skip

    def browserOf(self, volumeNode: object) -> object:
        """Return the sequence browser that shows the phases of a 4D CT, or None.

        The panel asks this before the packages of the library are installed, so the adapter is not used.
        """
        return slicer.modules.sequences.logic().GetFirstBrowserNodeForProxyNode(volumeNode)

    def showPhase(self, volumeNode: object, phase: int) -> None:
        """Show a phase of a 4D CT; a volume that is no sequence has only one."""
        browserNode = self.browserOf(volumeNode)
        if browserNode is not None:
            from LVMTransferLib import MRMLAdapter

            MRMLAdapter.selectPhase(browserNode, phase)

    def writeLabels(self, volumeNode: object, segmentationNode: object, phase: int, labels: object) -> None:
        """Replace the labels of one phase."""
        from LVMTransferLib import MRMLAdapter

        grid = MRMLAdapter.gridFromVolume(volumeNode)
        browserNode = self.browserOf(volumeNode)
        sequenceNode = browserNode.GetSequenceNode(segmentationNode) if browserNode is not None else None
        if sequenceNode is None or browserNode.GetSelectedItemNumber() == phase:
            MRMLAdapter.updateSegmentationFromLabels(segmentationNode, labels, grid)
        if sequenceNode is not None:
            value = browserNode.GetMasterSequenceNode().GetNthIndexValue(phase)
            MRMLAdapter.updateSegmentationFromLabels(sequenceNode.GetDataNodeAtValue(value), labels, grid)

    @staticmethod
    def rememberCase(volumeNode: object, cohortPath: Path, caseId: str) -> None:
        """Note on a volume which case of which cohort it is."""
        volumeNode.SetAttribute(COHORT_ATTRIBUTE, str(cohortPath))
        volumeNode.SetAttribute(CASE_ATTRIBUTE, caseId)

    @staticmethod
    def labelsAt(labels: dict, phase: int) -> object:
        """Return the labels of a phase of ``labelsByPhase``; raise `LVMError` where there are none."""
        if phase not in labels:
            raise LVMError(
                f"phase {phase}",
                expected="LV blood pool and LV myocardium",
                found="labels only at phases " + ", ".join(str(t) for t in sorted(labels)),
                remedy="Choose labelled phases for ED and ES in step 3, or segment this phase.",
            )
        return labels[phase]
