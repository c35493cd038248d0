"""What the sections that look at a measured surface have in common."""

from __future__ import annotations

import slicer
from LVMTransferLib.Later import Watch
from LVMTransferLib.Panel import Panel
from LVMTransferLib.Translation import tr as _

from LVMThicknessLib import MRMLAdapter as Adapter

MESH_EVENTS = (slicer.vtkMRMLModelNode.MeshModifiedEvent,)


class SurfacePanel(Panel):
    """A section that follows the surface, also when its phase changes and when another module is shown.

    What it shows comes from the surface node and the nodes that belong to it, so that it works in an opened scene.
    """

    def setup(self) -> None:
        self.watch, self._kept, self._state = Watch(self._update), None, None
        self.connectWidgets()

    def connectWidgets(self) -> None:
        """Connect the widgets of the section."""

    def watched(self) -> list:
        """Return the (node, events) to follow."""
        lines = Adapter.belonging(self._kept.surface, Adapter.LINES)
        return [(self._kept.surface, MESH_EVENTS), (lines, MESH_EVENTS)]

    def appliesTo(self, surface: object) -> bool:
        """Whether there is something to show: in a phase that was not measured the surface is empty."""
        return Adapter.surfaceArray(surface, Adapter.THICKNESS) is not None

    def state(self, surface: object) -> object:
        """Return what :meth:`update` depends on, so that it can be left out; None = never."""

    def update(self, surface: object) -> None:
        """Bring nodes and widgets in line with a measured surface; called once for many changes."""

    def clear(self) -> None:
        """Show that there is no surface."""

    def refresh(self) -> None:
        self._kept = self.parameters
        self.watch.follow(*self.watched())
        self.watch.later.request()

    def forget(self) -> None:
        self.watch.release()
        self._kept = self._state = None
        self.clear()

    def cleanup(self) -> None:
        self.watch.release()

    @property
    def shown(self) -> object:
        """The parameter node, also while another module is shown; None after the scene was closed."""
        return self._kept

    def _update(self) -> None:
        surface = self._kept.surface if self._kept is not None else None
        if surface is None or not self.appliesTo(surface):
            self._state = None
            self.clear()
            return
        state = self.state(surface)
        if state is not None and state == self._state:
            return
        try:
            with slicer.util.RenderBlocker():
                self.update(surface)
            self._state = state
        except ImportError:
            self.runner.report(_("The Python packages for this are missing; Apply installs them."))
