"""LVMTransfer: predict, correct, export and fine-tune left-ventricular segmentation on 4D cardiac CT."""

import enum
import pathlib
from typing import Annotated

import slicer
from LVMTransferLib.ModuleWidget import ModuleWidget
from LVMTransferLib.SceneCases import SceneCases
from LVMTransferLib.SceneReading import SceneReadings
from LVMTransferLib.SceneReviews import SceneReviews
from LVMTransferLib.Translation import tr as _
from slicer import vtkMRMLScalarVolumeNode, vtkMRMLSegmentationNode
from slicer.i18n import translate
from slicer.parameterNodeWrapper import WithinRange, parameterNodeWrapper
from slicer.ScriptedLoadableModule import (
    ScriptedLoadableModule,
    ScriptedLoadableModuleLogic,
    ScriptedLoadableModuleTest,
)


class LVMTransfer(ScriptedLoadableModule):
    """Describes the module to the application."""

    def __init__(self, parent):
        ScriptedLoadableModule.__init__(self, parent)
        self.parent.title = _("LVM Transfer")
        self.parent.categories = [translate("qSlicerAbstractCoreModule", "Cardiac")]
        self.parent.dependencies = ["Segmentations", "Sequences", "Terminologies"]
        self.parent.contributors = ["The SlicerLVM developers"]
        self.parent.helpText = _(
            "Take a left-ventricle model from another hospital, correct its contours on your own 4D cardiac CT,"
            " fine-tune it on this computer and see with numbers that it became better."
            " Nothing is sent anywhere. Research software, not a medical device."
        )
        self.parent.acknowledgementText = _(
            "The workflow follows Gupta et al., Democratizing Artificial Intelligence in Healthcare: A Study of Model"
            " Development Across Two Institutions Incorporating Transfer Learning; the 4D network follows"
            " Myronenko et al. (2019)."
        )
        slicer.app.connect("startupCompleted()", registerSampleData)


def registerSampleData():
    """Offer phantom cases in Slicer's Sample Data module; they are made on this computer, nothing is downloaded."""
    import SampleData

    SampleData.SampleDataLogic.registerCustomSampleDataSource(
        category="LVM",
        sampleName=_("LVM phantom cases"),
        uris="",
        fileNames="LVMPhantom",
        customDownloader=openSampleData,
    )


def openSampleData(source):
    """Show LVM Transfer and make its phantom cases.

    :param source: the entry of the Sample Data module.
    """
    slicer.util.selectModule("LVMTransfer")
    slicer.util.getModuleWidget("LVMTransfer").makeSampleCohort()


class Device(enum.Enum):
    """Where the network computes."""

    AUTOMATIC = "automatic"
    CPU = "cpu"
    GPU = "cuda"

    def label(self) -> str:
        """Return the text in the combo box."""
        return {"automatic": _("Automatic"), "cpu": _("Processor (CPU)"), "cuda": _("Graphics card (GPU)")}[self.value]

    def torchName(self) -> "str | None":
        """Return the name for the library; None lets it choose."""
        return None if self is Device.AUTOMATIC else self.value


class Recipe(enum.Enum):
    """How fine-tuning trains: a preset of the library."""

    SHORT = "smoke"
    BEST = "best"
    PAPER = "paper"

    def label(self) -> str:
        """Return the text in the combo box."""
        return {
            "smoke": _("Short (minutes on a processor)"),
            "best": _("Best of our comparisons (ten minutes or more on a processor)"),
            "paper": _("As in the paper (graphics card)"),
        }[self.value]


class ContourWall(enum.Enum):
    """The wall on which the tools of the contours act."""

    NEARER = ""
    ENDOCARDIUM = "endocardium"
    EPICARDIUM = "epicardium"

    def label(self) -> str:
        """Return the text in the combo box."""
        return {"": _("Nearer one; both for slices"), "endocardium": _("Endocardium"), "epicardium": _("Epicardium")}[
            self.value
        ]


@parameterNodeWrapper
class LVMTransferParameterNode:
    """What the radiologist chose; saved with the scene.

    inputVolume: CT to segment, the volume shown by the browser of a 4D CT.
    cohortPath, bundlePath, pairsPath, runPath: folders of cases, model, training pairs and training run.
    edPhase, esPhase: phase numbers of end-diastole and end-systole, from 0.
    sourcePath: model that fine-tuning starts from; not chosen = bundlePath. recipe: how it trains.
    trainingCases: number of training cases; 0 = all. epochs: 0 = as in the recipe. timeLimit: minutes; 0 = none.
    contourWall, dragRadius, toolStep, sliceStep: on what and how far the tools of the contours act, mm.
    viewsFollowPhase: whether the LV views turn to the axis of each phase.
    repairRadius: closing radius in voxels. spacing: voxel size of the exported pair, mm.
    signer, signReason, overrideReason: who signs, why labels that fail are signed, why unsigned ones are exported.
    studyReaders, studyCases, studyProposal: a blinded second reading: names with commas, how many cases, from what.
    """

    inputVolume: vtkMRMLScalarVolumeNode
    cohortPath: pathlib.Path
    bundlePath: pathlib.Path
    device: Device = Device.AUTOMATIC
    segmentation: vtkMRMLSegmentationNode
    edPhase: Annotated[int, WithinRange(0, 99)] = 0
    esPhase: Annotated[int, WithinRange(0, 99)] = 0
    contourWall: ContourWall = ContourWall.NEARER
    dragRadius: Annotated[float, WithinRange(5.0, 80.0)] = 35.0
    toolStep: Annotated[float, WithinRange(0.5, 10.0)] = 2.0
    sliceStep: Annotated[float, WithinRange(2.0, 20.0)] = 8.0
    viewsFollowPhase: bool = True
    repairRadius: Annotated[int, WithinRange(1, 15)] = 5
    reader: str = "reader1"
    signer: str = ""
    signReason: str = ""
    studyReaders: str = ""
    studyCases: Annotated[int, WithinRange(1, 100)] = 5
    studyProposal: bool = False
    overrideReason: str = ""
    pairsPath: pathlib.Path
    spacing: Annotated[float, WithinRange(0.5, 3.0)] = 1.0
    runPath: pathlib.Path
    sourcePath: pathlib.Path
    recipe: Recipe = Recipe.SHORT
    trainingCases: Annotated[int, WithinRange(0, 10000)] = 0
    epochs: Annotated[int, WithinRange(0, 2000)] = 0
    timeLimit: Annotated[float, WithinRange(0.0, 100000.0)] = 0.0


class LVMTransferWidget(ModuleWidget):
    """The panel: numbered sections, each with a .ui file and a class of LVMTransferLib."""

    sections = ("Cases", "Predict", "Correct", "Contours", "Check", "Readers", "Export", "Finetune")

    def makeLogic(self):
        """Return the module's logic."""
        return LVMTransferLogic()

    def makePanels(self):
        """Return the sections."""
        from LVMTransferLib.AgreementPanel import AgreementPanel
        from LVMTransferLib.CheckPanel import CheckPanel
        from LVMTransferLib.ContourPanel import ContourPanel
        from LVMTransferLib.ExportPanel import ExportPanel
        from LVMTransferLib.FinetunePanel import FinetunePanel
        from LVMTransferLib.Panel import leaveEmptyUntilChosen
        from LVMTransferLib.PredictPanel import PredictPanel
        from LVMTransferLib.ReadingPanel import ReadingPanel
        from LVMTransferLib.ReviewPanel import ReviewPanel
        from LVMTransferLib.SignPanel import SignPanel
        from LVMTransferLib.StudyPanel import StudyPanel
        from LVMTransferLib.ValvePanel import ValvePanel
        from LVMTransferLib.WorklistPanel import WorklistPanel

        for edit in self.pathEdits():
            leaveEmptyUntilChosen(self, edit)
        self.readingPanel, self.worklistPanel = ReadingPanel(self), WorklistPanel(self)
        self.checkPanel, self.agreementPanel = CheckPanel(self), AgreementPanel(self)
        self.finetunePanel = FinetunePanel(self)
        return (
            self.readingPanel,
            self.worklistPanel,
            PredictPanel(self),
            ReviewPanel(self),
            ContourPanel(self),
            self.checkPanel,
            ValvePanel(self),
            SignPanel(self),
            StudyPanel(self),
            self.agreementPanel,
            ExportPanel(self),
            self.finetunePanel,
        )

    def pathEdits(self):
        """Return the fields for folders."""
        ui = self.ui
        return ui.cohortPathEdit, ui.bundlePathEdit, ui.pairsPathEdit, ui.sourcePathEdit, ui.runPathEdit

    def exit(self):
        """Remember the folders that were used, for later sessions, and leave the module."""
        from LVMTransferLib.Panel import rememberPath

        for edit in self.pathEdits():
            rememberPath(edit)
        super().exit()

    def chooseDefaults(self):
        """Choose the first volume, the Site 1 model and the last training run if none was chosen."""
        delivered = self.logic.deliveredModel(self.resourcePath(""))
        if delivered is not None and str(self.parameters.bundlePath) in ("", "."):
            self.parameters.bundlePath = delivered
        if self.parameters.inputVolume is None:
            volumeNode = slicer.mrmlScene.GetFirstNodeByClass("vtkMRMLScalarVolumeNode")
            if volumeNode and not volumeNode.IsA("vtkMRMLLabelMapVolumeNode"):
                self.parameters.inputVolume = volumeNode
        self.finetunePanel.recall()

    def adopt(self, case):
        """Show a loaded or predicted case and remember its nodes."""
        if self.parameters is None:
            return
        from LVMTransferLib.PredictPanel import showInSliceViews

        self.parameters.inputVolume = case.volumeNode
        self.parameters.segmentation = case.segmentationNode
        self.parameters.edPhase, self.parameters.esPhase = case.ed, case.es
        self.checkPanel.forget()
        showInSliceViews(case.volumeNode)

    def currentReading(self):
        """Return the case that a reader has open, if its CT is the one in the panel; else None."""
        reading = self.logic.reading
        if reading is None or reading.volumeNode is None or self.parameters is None:
            return None
        return reading if self.parameters.inputVolume is reading.volumeNode else None

    def noteEdits(self, phases):
        """Put labels that a step changed in these phases on disk."""
        self.readingPanel.noteEdits(phases)

    def onCohortChanged(self):
        """Let the sections read the cohort again after something was written to it."""
        if self.parameters is not None:
            for panel in self.panels:
                panel.cohortChanged()
            self.refresh()

    def makeSampleCohort(self):
        """Make phantom cases on this computer, for the tutorial, and list them; called by the Sample Data module."""
        from LVMTransferLib.SampleCohort import makeSampleCohort, sampleFolder

        folder = sampleFolder()
        made = self.runner.run(_("Phantom cases"), lambda progress: makeSampleCohort(folder, progress=progress))
        if made is not None:
            self.parameters.cohortPath = folder
            self.onCohortChanged()
            self.runner.report(_("{count} phantom cases are in {folder}.").format(count=len(made), folder=folder))


class LVMTransferLogic(ScriptedLoadableModuleLogic, SceneCases, SceneReadings, SceneReviews):
    """The steps on scene nodes, the cases that readers have open, and their judgement, with the parameter node. No Qt.

    From the Python console::

        logic = slicer.util.getModuleLogic("LVMTransfer")
        case = logic.predict(volumeNode, pathlib.Path("/path/to/bundle"), None)
    """

    def __init__(self):
        ScriptedLoadableModuleLogic.__init__(self)

    def getParameterNode(self):
        """Return the typed parameter node of the scene."""
        return LVMTransferParameterNode(super().getParameterNode())


class LVMTransferTest(ScriptedLoadableModuleTest):
    """Runs in Slicer (Reload and Test): repair and check on an analytic left ventricle."""

    def setUp(self):
        """Start from an empty scene."""
        slicer.mrmlScene.Clear()

    def runTest(self):
        """Run every test."""
        self.setUp()
        self.test_repairClosesAHole()

    def test_repairClosesAHole(self):
        """A hole in the blood pool of a spherical shell is closed."""
        from LVMTransferLib.SelfTest import shellInScene

        volumeNode, segmentationNode = shellInScene(hole=True)
        repairs = LVMTransferLogic().repair(volumeNode, segmentationNode, 5)
        self.assertGreater(repairs[0].holes_before, 0)
        self.assertEqual(repairs[0].holes_after, 0)
