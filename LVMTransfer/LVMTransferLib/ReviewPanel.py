"""Step 3: the planes of the left ventricle and the cardiac phase."""

from __future__ import annotations

import slicer

from LVMTransferLib import SceneViews
from LVMTransferLib.ContourClicks import clickedAxis
from LVMTransferLib.Panel import Panel, setReady
from LVMTransferLib.Translation import tr as _


class ReviewPanel(Panel):
    """Step 3: planes of the left ventricle, scanner planes, cardiac phase."""

    def setup(self) -> None:
        self._buttons = {
            self.ui.leftVentricleViewsButton: SceneViews.LEFT_VENTRICLE_PLANES,
            self.ui.shortAxisButton: ("short_axis",),
            self.ui.twoChamberButton: ("two_chamber",),
            self.ui.threeChamberButton: ("three_chamber",),
            self.ui.fourChamberButton: ("four_chamber",),
        }
        self._tips = {button: button.toolTip for button in self._buttons}
        for button, planes in self._buttons.items():
            button.connect("clicked()", lambda planes=planes: self.onPlanes(planes))
        self.ui.scannerViewsButton.connect("clicked()", self.onScannerPlanes)
        self.ui.showEdButton.connect("clicked()", lambda: self.onPhase(self.parameters.edPhase))
        self.ui.showEsButton.connect("clicked()", lambda: self.onPhase(self.parameters.esPhase))

    def refresh(self) -> None:
        busy, missing = self.runner.busy, self.missingCase() if clickedAxis() is None else []
        for button, tip in self._tips.items():
            setReady(button, missing, tip, busy=busy)
        volumeNode = self.parameters.inputVolume
        noVolume = [] if volumeNode else [_("a CT volume (step 1)")]
        setReady(self.ui.scannerViewsButton, noVolume, _("Back to axial, coronal and sagittal"), busy=busy)
        browserNode = self.logic.browserOf(volumeNode) if volumeNode else None
        self.ui.phaseSeekWidget.setMRMLSequenceBrowserNode(browserNode)
        no4D = [] if browserNode else [_("a CT with several phases (step 1)")]
        setReady(self.ui.showEdButton, no4D, _("Show end-diastole in the views"), busy=busy)
        setReady(self.ui.showEsButton, no4D, _("Show end-systole in the views"), busy=busy)

    def onPlanes(self, planes: tuple) -> None:
        """Turn slice views to planes of the left ventricle: about the clicked axis, else that of the labels."""
        volumeNode, segmentationNode = self.parameters.inputVolume, self.parameters.segmentation
        clicked = clickedAxis()

        def work(progress: object) -> None:
            if clicked is None:
                SceneViews.showLeftVentricle(volumeNode, segmentationNode, planes)
            else:
                SceneViews.showClickedAxis(clicked, planes)

        self.runner.run(_("Views"), work)

    def onScannerPlanes(self) -> None:
        """Turn the slice views back."""
        SceneViews.showScannerPlanes()
        slicer.util.resetSliceViews()

    def onPhase(self, phase: int) -> None:
        """Show a cardiac phase."""
        self.logic.showPhase(self.parameters.inputVolume, phase)
