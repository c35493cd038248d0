"""LVMThickness: wall thickness of the left ventricle along heat-flow streamlines."""

import enum
from typing import Annotated

import slicer
from LVMThicknessLib.SceneThickness import SceneThickness
from LVMTransferLib.ModuleWidget import ModuleWidget
from slicer import (
    vtkMRMLMarkupsPlaneNode,
    vtkMRMLModelNode,
    vtkMRMLScalarVolumeNode,
    vtkMRMLSegmentationNode,
    vtkMRMLTableNode,
)
from slicer.i18n import tr as _
from slicer.i18n import translate
from slicer.parameterNodeWrapper import WithinRange, parameterNodeWrapper
from slicer.ScriptedLoadableModule import (
    ScriptedLoadableModule,
    ScriptedLoadableModuleLogic,
    ScriptedLoadableModuleTest,
)


class LVMThickness(ScriptedLoadableModule):
    """Describes the module to the application."""

    def __init__(self, parent):
        ScriptedLoadableModule.__init__(self, parent)
        self.parent.title = _("LVM Thickness")
        self.parent.categories = [translate("qSlicerAbstractCoreModule", "Cardiac")]
        # The library LVMLib and the scene adapter live in LVMTransfer.
        self.parent.dependencies = ["LVMTransfer"]
        self.parent.contributors = ["The SlicerLVM developers"]
        self.parent.helpText = _(
            "Measure the wall thickness of the left ventricle from a segmentation: Laplace's equation is solved in"
            " the wall, and streamlines run from the epicardium to the endocardium."
            " Research software, not a medical device."
        )
        self.parent.acknowledgementText = _(
            "The measurement follows Gupta et al., Democratizing Artificial Intelligence in Healthcare: A Study of"
            " Model Development Across Two Institutions Incorporating Transfer Learning; Jones et al. (2000);"
            " Yezzi and Prince (2003)."
        )


class ColorBy(enum.Enum):
    """What the color of a streamline means."""

    THICKNESS = "thickness"
    ARC_LENGTH = "arclength"
    DEPTH = "depth"

    def label(self) -> str:
        """Return the text in the combo box."""
        return {
            "thickness": _("Wall thickness"),
            "arclength": _("Distance from the epicardium"),
            "depth": _("Depth in the wall"),
        }[self.value]


@parameterNodeWrapper
class LVMThicknessParameterNode:
    """What was chosen; saved with the scene.

    segmentation: with LV blood pool and LV myocardium, by terminology.
    referenceVolume: volume whose voxels are used; None = the one that was segmented.
    basePlane: plane at the base; None = automatic.
    surface, streamlines, statistics: outputs.
    rangeMinimum, rangeMaximum: thickness at the ends of the colors, mm.
    tubeRadius: mm. density: share of streamlines shown, percent.
    """

    segmentation: vtkMRMLSegmentationNode
    referenceVolume: vtkMRMLScalarVolumeNode
    basePlane: vtkMRMLMarkupsPlaneNode
    surface: vtkMRMLModelNode
    streamlines: vtkMRMLModelNode
    statistics: vtkMRMLTableNode
    rangeMinimum: Annotated[float, WithinRange(0.0, 40.0)] = 0.0
    rangeMaximum: Annotated[float, WithinRange(0.0, 40.0)] = 20.0
    showStreamlines: bool = True
    colorBy: ColorBy = ColorBy.THICKNESS
    tubeRadius: Annotated[float, WithinRange(0.05, 1.0)] = 0.25
    density: Annotated[float, WithinRange(1.0, 100.0)] = 20.0


class LVMThicknessWidget(ModuleWidget):
    """The panel: inputs, outputs, Apply, display and statistics."""

    def makeLogic(self):
        """Return the module's logic."""
        return LVMThicknessLogic()

    def makePanels(self):
        """Return the sections."""
        from LVMThicknessLib.ThicknessPanels import DisplayPanel, MeasurePanel

        self.displayPanel = DisplayPanel(self)
        return MeasurePanel(self), self.displayPanel

    def chooseDefaults(self):
        """Choose the first segmentation if none was chosen."""
        if self.parameters.segmentation is None:
            segmentationNode = slicer.mrmlScene.GetFirstNodeByClass("vtkMRMLSegmentationNode")
            if segmentationNode:
                self.parameters.segmentation = segmentationNode

    def adopt(self, result):
        """Show a measurement in the output nodes."""
        if self.parameters is not None:
            self.displayPanel.show(result)


class LVMThicknessLogic(ScriptedLoadableModuleLogic, SceneThickness):
    """The measurement on scene nodes (:class:`SceneThickness`), with the parameter node of the scene. No Qt.

    From the Python console::

        logic = slicer.util.getModuleLogic("LVMThickness")
        result = logic.measure(segmentationNode)
        surfaceNode = logic.showSurface(result, None, "Thickness")
    """

    def __init__(self):
        ScriptedLoadableModuleLogic.__init__(self)

    def getParameterNode(self):
        """Return the typed parameter node of the scene."""
        return LVMThicknessParameterNode(super().getParameterNode())


class LVMThicknessTest(ScriptedLoadableModuleTest):
    """Runs in Slicer (Reload and Test): thickness of an analytic shell."""

    def setUp(self):
        """Start from an empty scene."""
        slicer.mrmlScene.Clear()

    def runTest(self):
        """Run every test."""
        self.setUp()
        self.test_shellThickness()

    def test_shellThickness(self):
        """The wall between spheres of 20 and 30 mm is 10 mm thick."""
        from LVMTransferLib.SelfTest import shellInScene

        _volumeNode, segmentationNode = shellInScene()
        result = LVMThicknessLogic().measure(segmentationNode)
        self.assertAlmostEqual(result.statistics.median_mm, 10.0, delta=0.2)
