"""Inputs, Apply and Cancel."""

from __future__ import annotations

from LVMLib.errors import LVMError
from LVMTransferLib.Panel import Panel, setReady
from LVMTransferLib.Translation import tr as _


class MeasurePanel(Panel):
    """What is measured, where the ventricle ends, and in which phases."""

    def setup(self) -> None:
        self.ui.applyButton.connect("clicked()", self.onApply)
        self.ui.cancelButton.connect("clicked()", self.runner.cancel)

    def refresh(self) -> None:
        parameters = self.parameters
        byPlane, byCurves = (parameters.baseFrom.value == choice for choice in ("plane", "curves"))
        for shown, *widgets in (
            (byPlane, self.ui.basePlaneSelectorLabel, self.ui.basePlaneSelector),
            (byCurves, self.ui.mitralCurveSelectorLabel, self.ui.mitralCurveSelector),
            (byCurves, self.ui.aorticCurveSelectorLabel, self.ui.aorticCurveSelector),
        ):
            for widget in widgets:
                widget.visible = shown
        problem = self._showSegments()
        missing = [problem] if problem else [*self._missingBase(), *self._missingPhases()]
        setReady(self.ui.applyButton, missing, _("Measure the wall thickness"), busy=self.runner.busy)
        self.ui.cancelButton.enabled = self.runner.busy
        self.ui.cancelButton.toolTip = _("Stop the measurement") if self.runner.busy else _("Nothing is running")

    def onApply(self) -> None:
        """Measure, and show the result."""
        parameters = self.parameters
        segmentationNode = parameters.segmentation
        options = {"referenceVolume": parameters.referenceVolume, "rvInsertion": parameters.rvInsertion}
        measure = self.logic.measureCycle if parameters.phases.value == "all" else self.logic.measure
        if parameters.baseFrom.value == "plane":
            options["basePlane"] = parameters.basePlane
        elif parameters.baseFrom.value == "curves":
            options["baseCurves"] = [node for node in (parameters.mitralCurve, parameters.aorticCurve) if node]
        measurement = self.runner.run(
            _("Thickness"), lambda progress: measure(segmentationNode, progress=progress, **options)
        )
        if measurement is None:
            return
        self.owner.adopt(measurement)
        statistics = measurement.result.statistics
        said = _("Median {median:.1f} mm, 95th percentile {p95:.1f} mm, maximum {maximum:.1f} mm{phases}.").format(
            median=statistics.median_mm,
            p95=statistics.p95_mm,
            maximum=statistics.max_mm,
            phases=_(" at end-diastole; {count} phases measured").format(count=len(measurement.results))
            if len(measurement.results) > 1
            else "",
        )
        self.runner.report(" ".join([said, *measurement.notes]))

    def _missingBase(self) -> list[str]:
        parameters, choice = self.parameters, self.parameters.baseFrom.value
        if choice == "plane" and parameters.basePlane is None:
            return [_("a plane at the base")]
        if choice == "curves" and parameters.mitralCurve is None:
            return [_("a closed curve along the mitral valve")]
        return []

    def _missingPhases(self) -> list[str]:
        if self.parameters.phases.value != "all":
            return []
        missing = []
        if self.logic.phaseCount(self.parameters.segmentation) < 2:
            missing.append(_("a 4D segmentation (or measure the phase shown)"))
        if self.parameters.baseFrom.value != "automatic":
            missing.append(_("an automatic base: a plane or a curve holds for one phase only"))
        return missing

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
