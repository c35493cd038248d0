"""LVMThickness: wall thickness of the left ventricle along heat-flow streamlines."""

import enum
from typing import Annotated

import slicer
from LVMThicknessLib.SceneThickness import SceneThickness
from LVMThicknessLib.ThicknessColors import keepNoValueGrey
from LVMTransferLib.ModuleWidget import ModuleWidget
from LVMTransferLib.Translation import tr as _
from slicer import (
    vtkMRMLMarkupsClosedCurveNode,
    vtkMRMLMarkupsFiducialNode,
    vtkMRMLMarkupsPlaneNode,
    vtkMRMLModelNode,
    vtkMRMLScalarVolumeNode,
    vtkMRMLSegmentationNode,
)
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
        slicer.app.connect("startupCompleted()", keepNoValueGrey)


class Phases(enum.Enum):
    """Which phases are measured."""

    SHOWN = "shown"
    ALL = "all"

    def label(self) -> str:
        """Return the text in the combo box."""
        return {"shown": _("The phase shown"), "all": _("All labelled phases")}[self.value]


class BaseFrom(enum.Enum):
    """Where the ventricle ends."""

    AUTOMATIC = "automatic"
    PLANE = "plane"
    CURVES = "curves"

    def label(self) -> str:
        """Return the text in the combo box."""
        return {"automatic": _("Automatic"), "plane": _("Plane"), "curves": _("Curves along the valves")}[self.value]


class SurfaceShows(enum.Enum):
    """What the color of the surface means."""

    THICKNESS = "thickness"
    THICKENING = "thickening"

    def label(self) -> str:
        """Return the text in the combo box."""
        return {"thickness": _("Wall thickness"), "thickening": _("Wall thickening, ED to ES")}[self.value]


class ColorBy(enum.Enum):
    """What the color of a streamline means."""

    THICKNESS = "thickness"
    POTENTIAL = "potential"
    ARC_LENGTH = "arclength"

    def label(self) -> str:
        """Return the text in the combo box."""
        return {
            "thickness": _("Wall thickness"),
            "potential": _("Potential \u03a8"),
            "arclength": _("Distance from the epicardium"),
        }[self.value]


class SegmentModel(enum.Enum):
    """The AHA model of the segments."""

    SEVENTEEN = "17"
    SIXTEEN = "16"

    def label(self) -> str:
        """Return the text in the combo box."""
        return _("{count} segments").format(count=self.value)

    def count(self) -> int:
        """Return how many segments the model has."""
        return int(self.value)


@parameterNodeWrapper
class LVMThicknessParameterNode:
    """What was chosen; saved with the scene. What was measured belongs to the surface node, by node references.

    segmentation: with LV blood pool and LV myocardium, by terminology.
    phases: which are measured. baseFrom: where the ventricle ends; basePlane, mitralCurve, aorticCurve: there.
    rvInsertion: anterior, then inferior insertion of the right ventricle; None = estimated.
    referenceVolume: volume whose voxels are used; None = the one that was segmented.
    surface: output, to which all other results belong.
    playRate: phases a second. playEDToES: leave out the phases from end-systole to end-diastole.
    rangeMinimum, rangeMaximum: thickness at the ends of the colors, mm; thickeningMinimum, thickeningMaximum: percent.
    showSurface: the epicardium, in the 3D view. showOutline: of both in the slice views. surfaceOpacity: percent.
    tubeRadius: mm. density: share of streamlines shown, percent.
    """

    segmentation: vtkMRMLSegmentationNode
    phases: Phases = Phases.SHOWN
    baseFrom: BaseFrom = BaseFrom.AUTOMATIC
    basePlane: vtkMRMLMarkupsPlaneNode
    mitralCurve: vtkMRMLMarkupsClosedCurveNode
    aorticCurve: vtkMRMLMarkupsClosedCurveNode
    rvInsertion: vtkMRMLMarkupsFiducialNode
    referenceVolume: vtkMRMLScalarVolumeNode
    surface: vtkMRMLModelNode
    playRate: Annotated[float, WithinRange(1.0, 25.0)] = 5.0
    playEDToES: bool = False
    surfaceShows: SurfaceShows = SurfaceShows.THICKNESS
    rangeMinimum: Annotated[float, WithinRange(0.0, 40.0)] = 0.0
    rangeMaximum: Annotated[float, WithinRange(0.0, 40.0)] = 20.0
    thickeningMinimum: Annotated[float, WithinRange(-100.0, 400.0)] = 0.0
    thickeningMaximum: Annotated[float, WithinRange(-100.0, 400.0)] = 100.0
    showSurface: bool = True
    showEndocardium: bool = False
    showOutline: bool = True
    surfaceOpacity: Annotated[float, WithinRange(0.0, 100.0)] = 60.0
    showStreamlines: bool = True
    colorBy: ColorBy = ColorBy.THICKNESS
    tubeRadius: Annotated[float, WithinRange(0.05, 1.0)] = 0.25
    density: Annotated[float, WithinRange(1.0, 100.0)] = 20.0
    segmentModel: SegmentModel = SegmentModel.SEVENTEEN


class LVMThicknessWidget(ModuleWidget):
    """The panel: inputs, outputs, Apply, phases, display, points, segments and statistics."""

    def makeLogic(self):
        """Return the module's logic."""
        return LVMThicknessLogic()

    def makePanels(self):
        """Return the sections."""
        from LVMThicknessLib.DisplayPanel import DisplayPanel
        from LVMThicknessLib.MeasurePanel import MeasurePanel
        from LVMThicknessLib.PhasePanel import PhasePanel
        from LVMThicknessLib.ProbePanel import ProbePanel
        from LVMThicknessLib.ResultPanel import ResultPanel

        return tuple(panel(self) for panel in (MeasurePanel, PhasePanel, DisplayPanel, ProbePanel, ResultPanel))

    def chooseDefaults(self):
        """Choose the first segmentation if none was chosen."""
        if self.parameters.segmentation is None:
            segmentationNode = slicer.mrmlScene.GetFirstNodeByClass("vtkMRMLSegmentationNode")
            if segmentationNode:
                self.parameters.segmentation = segmentationNode

    def adopt(self, measurement):
        """Show a measurement in the output nodes."""
        if self.parameters is None:
            return
        first = self.parameters.surface is None
        self.logic.adopt(self.parameters, measurement)
        if first:
            slicer.app.layoutManager().resetThreeDViews()
        self.refresh()


class LVMThicknessLogic(ScriptedLoadableModuleLogic, SceneThickness):
    """The measurement on scene nodes (:class:`SceneThickness`), with the parameter node of the scene. No Qt.

    From the Python console::

        logic = slicer.util.getModuleLogic("LVMThickness")
        measurement = logic.measure(segmentationNode)
        surfaceNode = logic.show(measurement, "Thickness")
    """

    def __init__(self):
        ScriptedLoadableModuleLogic.__init__(self)

    def getParameterNode(self):
        """Return the typed parameter node of the scene."""
        return LVMThicknessParameterNode(super().getParameterNode())

    def adopt(self, parameters, measurement):
        """Show a measurement in the output node of a parameter node, with colors that suit all its phases.

        The segmentation is hidden in the 3D view: its wall lies where the thickness is.
        """
        name = parameters.segmentation.GetName()
        surface = self.show(
            measurement,
            _("{name} thickness").format(name=name),
            segmentationNode=parameters.segmentation,
            surface=parameters.surface,
            segmentModel=parameters.segmentModel.count(),
        )
        if parameters.segmentation.GetDisplayNode() is not None:
            parameters.segmentation.GetDisplayNode().SetVisibility3D(False)
        low, high = self.thicknessRange(measurement)
        with slicer.util.NodeModify(parameters.parameterNode):
            parameters.surface = surface
            parameters.rangeMinimum, parameters.rangeMaximum = min(low, 40.0), min(high, 40.0)
            if measurement.thickening:
                parameters.thickeningMinimum, parameters.thickeningMaximum = self.thickeningRange(measurement)


class LVMThicknessTest(ScriptedLoadableModuleTest):
    """Runs in Slicer (Reload and Test): thickness of an analytic shell."""

    def setUp(self):
        """Start from an empty scene."""
        slicer.mrmlScene.Clear()

    def runTest(self):
        """Run every test."""
        for test in (self.test_shellThickness, self.test_thicknessAtAPoint):
            self.setUp()
            test()

    def test_shellThickness(self):
        """The wall between spheres of 20 and 30 mm is 10 mm thick."""
        from LVMTransferLib.SelfTest import shellInScene

        _volumeNode, segmentationNode = shellInScene()
        measurement = LVMThicknessLogic().measure(segmentationNode)
        self.assertAlmostEqual(measurement.result.statistics.median_mm, 10.0, delta=0.2)

    def test_thicknessAtAPoint(self):
        """A point on the wall between spheres of 20 and 30 mm shows 10 mm."""
        from LVMTransferLib.SelfTest import shellInScene

        _volumeNode, segmentationNode = shellInScene()
        logic = LVMThicknessLogic()
        surface = logic.show(logic.measure(segmentationNode), "shell")
        logic.probes(surface).AddControlPoint(0.0, 0.0, -30.0)
        (point,) = logic.updateProbes(surface)
        self.assertAlmostEqual(point.thicknessMm, 10.0, delta=0.2)
        self.assertEqual(point.segment, 17)
