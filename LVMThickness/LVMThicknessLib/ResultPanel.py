"""Bull's-eye, segments, statistics and histogram of the phase that is shown."""

from __future__ import annotations

import slicer
from LVMTransferLib.Panel import setReady
from LVMTransferLib.Translation import tr as _

from LVMThicknessLib import MRMLAdapter as Adapter
from LVMThicknessLib.BullseyeView import BullseyeView
from LVMThicknessLib.SurfacePanel import SurfacePanel


class ResultPanel(SurfacePanel):
    """Fills the tables from the surface and shows them."""

    def connectWidgets(self) -> None:
        self.bullseye = BullseyeView(self.ui.bullseyeLabel)
        self.ui.histogramButton.connect("clicked()", self.onHistogram)
        self.ui.cycleButton.connect("clicked()", self.onCycle)
        self.clear()

    def state(self, surface: object) -> object:
        shown = self.shown
        colors = shown.rangeMinimum, shown.rangeMaximum, shown.thickeningMinimum, shown.thickeningMaximum
        return surface.GetID(), surface.GetPolyData().GetMTime(), shown.segmentModel, shown.surfaceShows, colors

    def update(self, surface: object) -> None:
        parameters = self.shown
        model = parameters.segmentModel.count()
        self.logic.summarize(surface, model)
        segments = Adapter.belonging(surface, Adapter.SEGMENT_TABLE)
        self.ui.statisticsTableView.setMRMLTableNode(Adapter.belonging(surface, Adapter.STATISTICS))
        self.ui.segmentTableView.setMRMLTableNode(segments)
        for view in (self.ui.statisticsTableView, self.ui.segmentTableView):
            view.verticalHeader().visible = False
            view.resizeColumnsToContents()
            view.resizeRowsToContents()
        self._showBullseye(parameters, segments, model)
        self.ui.orientationLabel.text = self._orientation(segments)
        counted = Adapter.belonging(surface, Adapter.HISTOGRAM_TABLE) is not None
        setReady(
            self.ui.histogramButton,
            [] if counted else [_("a measurement")],
            _("Show the histogram of the thickness in a plot view"),
        )
        phases = Adapter.belonging(surface, Adapter.CYCLE_TABLE) is not None
        setReady(
            self.ui.cycleButton,
            [] if phases else [_("a measurement of all labelled phases")],
            _("Show median and 95th percentile over the cycle in a plot view"),
        )

    def clear(self) -> None:
        self.ui.statisticsTableView.setMRMLTableNode(None)
        self.ui.segmentTableView.setMRMLTableNode(None)
        self.ui.orientationLabel.text = _("Nothing measured yet")
        self.bullseye.clear()
        for button in (self.ui.histogramButton, self.ui.cycleButton):
            setReady(button, [_("a measurement")], "")

    def onHistogram(self) -> None:
        """Show the histogram in a layout with a plot view."""
        self._plot(self.logic.histogram(self.shown.surface))

    def onCycle(self) -> None:
        """Show the thickness over the cycle in a layout with a plot view."""
        self._plot(self.logic.cycleCurve(self.shown.surface))

    @staticmethod
    def _plot(chart: object) -> None:
        slicer.modules.plots.logic().ShowChartInLayout(chart)

    def _showBullseye(self, parameters: object, segments: object, model: int) -> None:
        thickening = Adapter.segmentValues(segments, Adapter.THICKENING_COLUMN)
        if parameters.surfaceShows.value == "thickening" and len(thickening):
            limits = (parameters.thickeningMinimum, parameters.thickeningMaximum)
            self.bullseye.show(thickening, limits, _("Median wall thickening per segment (%)"), model, decimals=0)
            return
        values = Adapter.segmentValues(segments, "Median mm")
        limits = (parameters.rangeMinimum, parameters.rangeMaximum)
        title = _("Median wall thickness per segment (mm)") + self._phase(parameters.surface)
        self.bullseye.show(values, limits, title, model)

    @staticmethod
    def _phase(surface: object) -> str:
        """Return which phase the numbers belong to, for a title; nothing where one phase alone was measured."""
        browserNode, _sequenceNode = Adapter.browserAndSequence(surface)
        ed, es = Adapter.edAndEs(surface) or (None, None)
        if browserNode is None or ed == es:
            return ""
        phase = browserNode.GetSelectedItemNumber()
        return ", " + {ed: _("ED"), es: _("ES")}.get(phase, _("phase {phase}").format(phase=phase))

    @staticmethod
    def _orientation(segments: object) -> str:
        said = {
            "two insertions": _("Septum between the two RV insertions given."),
            "one insertion": _("Septum from the anterior RV insertion given."),
            "estimated": _(
                "Septum ESTIMATED: no RV insertion was given, so all segments may be turned about the long axis."
            ),
        }
        orientation, notes = (
            segments.GetAttribute(name) if segments is not None else "" for name in (Adapter.ORIENTATION, Adapter.NOTES)
        )
        text = said.get(orientation, _("No segments: the long axis of the ventricle was not found."))
        return f"{text}\n{notes}" if notes else text
