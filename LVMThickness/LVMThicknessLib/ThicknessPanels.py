"""The sections of the thickness module: measurement, display, statistics."""

from __future__ import annotations

from LVMLib.errors import LVMError
from LVMTransferLib.Panel import Panel, setReady
from slicer.i18n import tr as _


class MeasurePanel(Panel):
    """Inputs, Apply and Cancel."""

    def setup(self) -> None:
        self.ui.applyButton.connect("clicked()", self.onApply)
        self.ui.cancelButton.connect("clicked()", self.runner.cancel)

    def refresh(self) -> None:
        problem = self._showSegments()
        setReady(
            self.ui.applyButton, [problem] if problem else [], _("Measure the wall thickness"), busy=self.runner.busy
        )
        self.ui.cancelButton.enabled = self.runner.busy
        self.ui.cancelButton.toolTip = _("Stop the measurement") if self.runner.busy else _("Nothing is running")

    def onApply(self) -> None:
        """Measure, and show the result."""
        parameters = self.parameters
        segmentationNode, referenceVolume = parameters.segmentation, parameters.referenceVolume
        basePlane = parameters.basePlane

        def work(progress: object) -> object:
            return self.logic.measure(
                segmentationNode, referenceVolume=referenceVolume, basePlane=basePlane, progress=progress
            )

        result = self.runner.run(_("Thickness"), work)
        if result is not None:
            self.owner.adopt(result)
            statistics = result.statistics
            self.runner.report(
                _("Median {median:.1f} mm, 95th percentile {p95:.1f} mm, maximum {maximum:.1f} mm.").format(
                    median=statistics.median_mm, p95=statistics.p95_mm, maximum=statistics.max_mm
                )
            )

    def _showSegments(self) -> str:
        """Show which segments will be measured; return what is missing, or nothing."""
        segmentationNode = self.parameters.segmentation
        if segmentationNode is None:
            self.ui.segmentsLabel.text = ""
            return _("a segmentation")
        try:
            names = self.logic.segmentNames(segmentationNode)
        except ImportError:
            self.ui.segmentsLabel.text = _("Found by terminology; Apply first installs the Python packages for it.")
            return ""
        except LVMError as error:
            self.ui.segmentsLabel.text = str(error)
            return _("segments with the terminology of LV blood pool and LV myocardium")
        self.ui.segmentsLabel.text = " + ".join(names)
        return ""


class DisplayPanel(Panel):
    """How surface and streamlines look, and the table of statistics."""

    def setup(self) -> None:
        self._result, self._drawn = None, None

    def forget(self) -> None:
        """Let go of the measurement of a scene that closes."""
        self._result, self._drawn = None, None

    def show(self, result: object) -> None:
        """Put a new measurement into the output nodes."""
        parameters = self.parameters
        name = parameters.segmentation.GetName()
        self._result, self._drawn = result, self._wanted()
        low, high = self.logic.thicknessRange(result)
        surface = self.logic.showSurface(result, parameters.surface, _("{name} thickness").format(name=name))
        streamlines = self.logic.showStreamlines(
            result, parameters.streamlines, _("{name} streamlines").format(name=name), **self._wanted()
        )
        statistics = self.logic.showStatistics(
            result, parameters.statistics, _("{name} thickness statistics").format(name=name)
        )
        parameters.surface, parameters.streamlines, parameters.statistics = surface, streamlines, statistics
        parameters.rangeMinimum, parameters.rangeMaximum = low, high
        self.refresh()

    def refresh(self) -> None:
        """Bring the nodes in line with the display settings."""
        parameters = self.parameters
        self._showSurfaceRange(parameters)
        self._redrawStreamlines(parameters)
        self.ui.statisticsTableView.setMRMLTableNode(parameters.statistics)
        reason = _("Apply first; the streamlines of a reopened scene keep their look.")
        for widget, tip in (
            (self.ui.tubeRadiusSlider, _("Radius of the streamline tubes")),
            (self.ui.densitySlider, _("Share of the streamlines that is shown")),
            (self.ui.colorByComboBox, _("What the color of a streamline means")),
        ):
            widget.enabled = self._result is not None
            widget.toolTip = tip if self._result is not None else reason

    def _wanted(self) -> dict:
        parameters = self.parameters
        return {
            "radius": parameters.tubeRadius,
            "density": parameters.density / 100,
            "colorBy": parameters.colorBy.value,
        }

    def _showSurfaceRange(self, parameters: object) -> None:
        colors = (parameters.rangeMinimum, parameters.rangeMaximum)
        byThickness = parameters.colorBy.value == "thickness"
        for node in (parameters.surface, parameters.streamlines if byThickness else None):
            display = node.GetDisplayNode() if node else None
            if display is not None and colors[0] < colors[1] and display.GetScalarRange() != colors:
                display.SetScalarRange(*colors)

    def _redrawStreamlines(self, parameters: object) -> None:
        node = parameters.streamlines
        if node is None or node.GetDisplayNode() is None:
            return
        if bool(node.GetDisplayNode().GetVisibility()) != parameters.showStreamlines:
            node.GetDisplayNode().SetVisibility(parameters.showStreamlines)
        if self._result is not None and self._drawn != self._wanted():
            self._drawn = self._wanted()
            self.logic.showStreamlines(self._result, node, node.GetName(), **self._drawn)
            self._showSurfaceRange(parameters)
