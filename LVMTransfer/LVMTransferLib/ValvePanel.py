"""Step 4: the mitral and aortic curves, and the cut that they make."""

from __future__ import annotations

import slicer
import vtk

from LVMTransferLib import SceneViews
from LVMTransferLib.Later import Watch
from LVMTransferLib.Panel import Panel, setReady
from LVMTransferLib.PlaceMode import startPlacing
from LVMTransferLib.SceneDifferences import differenceLegend, removeDifference
from LVMTransferLib.SceneValves import newValveNode, valveCurves, valveNodes
from LVMTransferLib.Translation import tr as _


class ValvePanel(Panel):
    """Places closed curves along the leaflets, ends cavity and outflow tract there, and shows what was cut."""

    def setup(self) -> None:
        self._changes = Watch(self._placed)
        self.ui.mitralButton.connect("clicked()", lambda: self.onPlace("mitral"))
        self.ui.aorticButton.connect("clicked()", lambda: self.onPlace("aortic"))
        self.ui.cutButton.connect("clicked()", self.onCut)
        self.ui.hideDifferenceButton.connect("clicked()", self.onHide)

    def refresh(self) -> None:
        busy, missing = self.runner.busy, self.missingCase()
        noVolume = [] if self.parameters.inputVolume else [_("a CT volume (step 1)")]
        tip = _("Click the curve of the phase shown, point by point along the leaflets; a right click ends it")
        for button in (self.ui.mitralButton, self.ui.aorticButton):
            setReady(button, noVolume, tip, busy=busy)
        if not missing and not valveCurves(self.parameters.inputVolume, self._phase()):
            missing = [_("a valve curve in the phase shown")]
        setReady(self.ui.cutButton, missing, _("End cavity and outflow tract of the phase shown there"), busy=busy)
        self.showLegend()
        self._follow()

    def forget(self) -> None:
        """The difference belongs to another case."""
        self._changes.release()
        removeDifference()
        self.showLegend()

    def onPlace(self, valve: str) -> None:
        """Begin the curve of a valve in the phase shown."""
        startPlacing(newValveNode(self.parameters.inputVolume, valve, self._phase()), persistent=True)
        self.runner.report(
            _("Click along the {valve} leaflets in the views; a right click ends the curve. Then press Cut.").format(
                valve=valve
            )
        )
        self.owner.refresh()

    def onCut(self) -> None:
        """Cut the labels of the phase shown, and go to the largest cut."""
        parameters, phase = self.parameters, self._phase()
        volumeNode, segmentationNode = parameters.inputVolume, parameters.segmentation
        done = self.runner.run(_("Cut"), lambda progress: self.logic.truncate(volumeNode, segmentationNode, phase))
        if done is not None:
            cut, place = done
            self.owner.noteEdits([phase])
            counts = ", ".join(
                _("{count} voxels beyond the {valve} curve").format(count=count, valve=valve)
                for valve, count in cut.removed.items()
            )
            self.runner.report(_("Removed at phase {phase}: {counts}.").format(phase=phase, counts=counts))
            if place is not None:
                SceneViews.jumpTo(place)
            self.showLegend()

    def onHide(self) -> None:
        """Take the difference out of the views."""
        removeDifference()
        self.showLegend()

    def showLegend(self) -> None:
        """Say what the colours over the image mean."""
        legend = differenceLegend()
        self.ui.differenceLabel.text = legend or _("None is shown")
        setReady(self.ui.hideDifferenceButton, [] if legend else [_("a difference in the views")], _("Hide it"))

    def _follow(self) -> None:
        volumeNode = self.parameters.inputVolume
        markups, modified = slicer.vtkMRMLMarkupsNode, (vtk.vtkCommand.ModifiedEvent,)
        points = (markups.PointPositionDefinedEvent, markups.PointRemovedEvent)
        curves = valveNodes(volumeNode) if volumeNode else []
        browserNode = self.logic.browserOf(volumeNode) if volumeNode else None
        self._changes.follow((browserNode, modified), *((node, points) for node in curves))

    def _placed(self) -> None:
        if self.parameters is not None:
            self.refresh()

    def _phase(self) -> int:
        return self.logic.phaseShown(self.parameters.inputVolume)
