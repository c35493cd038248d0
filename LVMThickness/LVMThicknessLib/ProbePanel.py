"""Points on the wall: the thickness there."""

from __future__ import annotations

import math

import slicer
from LVMTransferLib.Panel import setReady
from LVMTransferLib.Translation import tr as _

from LVMThicknessLib import MRMLAdapter as Adapter
from LVMThicknessLib.SurfacePanel import SurfacePanel

# Adding, dragging and removing of points; labels are written by the panel itself.
PROBE_EVENTS = (
    slicer.vtkMRMLMarkupsNode.PointModifiedEvent,
    slicer.vtkMRMLMarkupsNode.PointPositionDefinedEvent,
    slicer.vtkMRMLMarkupsNode.PointRemovedEvent,
)


class ProbePanel(SurfacePanel):
    """Places points by a click in a view; each shows its thickness, and its streamline is highlighted."""

    def connectWidgets(self) -> None:
        self.ui.probeButton.connect("clicked()", self.onProbe)
        self.ui.clearProbesButton.connect("clicked()", self.onClear)
        self.clear()

    def watched(self) -> list:
        return [*super().watched(), (Adapter.belonging(self.shown.surface, Adapter.PROBES), PROBE_EVENTS)]

    def appliesTo(self, surface: object) -> bool:
        return super().appliesTo(surface) or Adapter.belonging(surface, Adapter.PROBES) is not None

    def update(self, surface: object) -> None:
        points = self.logic.updateProbes(surface, radius=2 * self.shown.tubeRadius)
        setReady(self.ui.probeButton, [], _("Then click on the surface, or drag a point along it"))
        setReady(self.ui.clearProbesButton, [] if points else [_("a point")], _("Remove all points"))
        lines = [_("{number}: {text}").format(number=n, text=self._text(p)) for n, p in enumerate(points, 1)]
        self.ui.probeLabel.text = "\n".join(lines) or _("No point yet")

    def clear(self) -> None:
        self.ui.probeLabel.text = _("No point yet")
        for button, what in (
            (self.ui.probeButton, _("Show the thickness at a point")),
            (self.ui.clearProbesButton, _("Remove all points")),
        ):
            setReady(button, [_("a measurement")], what)

    def onProbe(self) -> None:
        """Let the next click in a view place a point."""
        self.logic.startProbing(self.shown.surface)
        self.refresh()

    def onClear(self) -> None:
        """Remove all points."""
        Adapter.belonging(self.shown.surface, Adapter.PROBES).RemoveAllControlPoints()

    def _text(self, point: object) -> str:
        from LVMLib.thickness import REASONS
        from LVMLib.thickness.segments import SEGMENT_NAMES

        if point.vertex < 0:
            return _("not on the wall")
        where = SEGMENT_NAMES.get(point.segment, "")
        if math.isnan(point.thicknessMm):
            return _("no value: {reason}").format(reason=REASONS[point.reason])
        text = _("{mm:.1f} mm").format(mm=point.thicknessMm)
        if point.potential < 1.0:
            text += _(", inside the wall (potential {potential:.2f})").format(potential=point.potential)
        return f"{text}, {where} ({point.segment})" if where else text
