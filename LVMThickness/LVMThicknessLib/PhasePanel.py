"""The phases of the cardiac cycle: slider, ED and ES, animation."""

from __future__ import annotations

import qt
import slicer
from LVMTransferLib.Translation import tr as _

from LVMThicknessLib import MRMLAdapter as Adapter
from LVMThicknessLib.SurfacePanel import SurfacePanel


class PhasePanel(SurfacePanel):
    """Moves the browser that CT, segmentation and surface share, so that all show the same phase."""

    def connectWidgets(self) -> None:
        self.ui.edButton.connect("clicked()", lambda: self._go(0))
        self.ui.esButton.connect("clicked()", lambda: self._go(1))
        self.ui.playButton.connect("toggled(bool)", self.onPlay)
        self._timer = qt.QTimer()
        self._timer.connect("timeout()", self.step)
        self._phases = []
        self.clear()

    def watched(self) -> list:
        browserNode, _sequenceNode = Adapter.browserAndSequence(self.shown.surface)
        return [*super().watched(), (browserNode, ("ModifiedEvent",))]

    def refresh(self) -> None:
        super().refresh()
        if self._timer.active:
            self._timer.start(self._milliseconds())

    def appliesTo(self, surface: object) -> bool:
        return True

    def update(self, surface: object) -> None:
        browserNode, sequenceNode = Adapter.browserAndSequence(surface)
        if browserNode is None:
            self.clear()
            return
        self._phases = Adapter.measuredPhases(surface)
        self.ui.phaseSeekWidget.setMRMLSequenceBrowserNode(browserNode)
        self._enable(len(self._phases) > 1)
        phase, (ed, es) = browserNode.GetSelectedItemNumber(), Adapter.edAndEs(surface)
        roles = {ed: _("end-diastole"), es: _("end-systole")} if ed != es else {ed: _("measured")}
        role = roles.get(phase) if phase in self._phases else _("not measured")
        unit = sequenceNode.GetIndexUnit() or ""
        text = _("Phase {phase} ({value} {unit})").format(
            phase=phase, value=sequenceNode.GetNthIndexValue(phase), unit=unit
        )
        self.ui.phaseLabel.text = f"{text}, {role}" if role else text

    def clear(self) -> None:
        self.ui.playButton.checked = False
        self._phases = []
        self.ui.phaseSeekWidget.setMRMLSequenceBrowserNode(None)
        self.ui.phaseLabel.text = _("Measure all labelled phases of a 4D segmentation to see them move.")
        self._enable(False)

    def leave(self) -> None:
        self.ui.playButton.checked = False

    def cleanup(self) -> None:
        self._timer.stop()
        super().cleanup()

    def onPlay(self, playing: bool) -> None:
        """Start or stop the animation."""
        self.ui.playButton.text = _("Stop") if playing else _("Play")
        if playing:
            self._timer.start(self._milliseconds())
        else:
            self._timer.stop()

    def step(self) -> None:
        """Show the next phase of the animation."""
        browserNode, _sequenceNode = Adapter.browserAndSequence(self.shown.surface if self.shown else None)
        if browserNode is None:
            self.ui.playButton.checked = False
            return
        phases = self._animated()
        now = browserNode.GetSelectedItemNumber()
        following = [phase for phase in phases if phase > now] or phases[:1]
        if following:
            with slicer.util.RenderBlocker():
                Adapter.showPhase(browserNode, following[0])

    def _milliseconds(self) -> int:
        return round(1000 / self.shown.playRate)

    def _animated(self) -> list[int]:
        """Return the phases to play: all that were measured, or those from ED to ES."""
        ends = Adapter.edAndEs(self.shown.surface)
        if not self.shown.playEDToES or ends is None:
            return self._phases
        ed, es = ends
        if ed <= es:
            return [phase for phase in self._phases if ed <= phase <= es]
        return [phase for phase in self._phases if phase >= ed or phase <= es]

    def _go(self, which: int) -> None:
        surface = self.shown.surface
        browserNode, _sequenceNode = Adapter.browserAndSequence(surface)
        Adapter.showPhase(browserNode, Adapter.edAndEs(surface)[which])

    def _enable(self, possible: bool) -> None:
        reason = _("Measure all labelled phases first")
        for widget, tip in (
            (self.ui.edButton, _("Show end-diastole")),
            (self.ui.esButton, _("Show end-systole")),
            (self.ui.playButton, _("Play or stop the measured phases")),
        ):
            widget.enabled = possible
            widget.toolTip = tip if possible else reason
