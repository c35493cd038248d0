"""How surface and streamlines look."""

from __future__ import annotations

from LVMTransferLib.Translation import tr as _

from LVMThicknessLib import MRMLAdapter as Adapter
from LVMThicknessLib.SurfacePanel import SurfacePanel


class DisplayPanel(SurfacePanel):
    """Colours and opacity of the surface; radius, density and colours of the tubes."""

    def connectWidgets(self) -> None:
        self.clear()

    def clear(self) -> None:
        self._drawn = None
        self._offerThickening(False)

    def appliesTo(self, surface: object) -> bool:
        return super().appliesTo(surface) or Adapter.belonging(surface, Adapter.TUBES) is not None

    def update(self, surface: object) -> None:
        parameters = self.shown
        quantity = self._quantity(parameters)
        if super().appliesTo(surface):
            self._offerThickening(Adapter.surfaceArray(surface, Adapter.THICKENING) is not None)
            used = quantity == "thickness" or parameters.colorBy.value == "thickness"
            for widget in (self.ui.rangeMinimumSpinBoxLabel, self.ui.rangeMinimumSpinBox, self.ui.rangeMaximumSpinBox):
                widget.enabled = used
        low, high = self._range(parameters, quantity)
        endocardium = Adapter.belonging(surface, Adapter.ENDOCARDIUM)
        for node, shown in ((surface, parameters.showSurface), (endocardium, parameters.showEndocardium)):
            if node is None:
                continue
            if low < high:
                Adapter.showQuantity(node, quantity, (low, high), legend=node is surface)
            display = node.GetDisplayNode()
            display.SetVisibility(shown or parameters.showOutline)
            display.SetVisibility3D(shown)
            display.SetVisibility2D(parameters.showOutline)
        surface.GetDisplayNode().SetOpacity(parameters.surfaceOpacity / 100)
        self._drawStreamlines(parameters, surface)

    def _offerThickening(self, known: bool) -> None:
        self.ui.surfaceShowsComboBox.enabled = known
        self.ui.surfaceShowsComboBox.toolTip = (
            _("What the color of the surfaces means")
            if known
            else _("Thickening needs ED and ES: measure all labelled phases of a 4D segmentation")
        )
        for widget in (
            self.ui.thickeningMinimumSpinBoxLabel,
            self.ui.thickeningMinimumSpinBox,
            self.ui.thickeningMaximumSpinBox,
        ):
            widget.visible = known

    def _drawStreamlines(self, parameters: object, surface: object) -> None:
        lines, tubes = (Adapter.belonging(surface, role) for role in (Adapter.LINES, Adapter.TUBES))
        if lines is None or tubes is None:
            return
        low, high = self._range(parameters, "thickness")
        wanted = {
            "radius": parameters.tubeRadius,
            "density": parameters.density / 100,
            "colorBy": parameters.colorBy.value,
            "scalarRange": (low, high) if parameters.colorBy.value == "thickness" and low < high else None,
        }
        mesh = lines.GetPolyData()
        state = (tubes.GetID(), mesh and mesh.GetMTime(), tuple(wanted.values()))
        if parameters.showStreamlines and state != self._drawn:
            self._drawn = state
            # Tubes in the surface's own colours need no legend of their own.
            self.logic.drawStreamlines(surface, legend=parameters.colorBy.value != "thickness", **wanted)
        if tubes.GetDisplayNode() is not None:
            tubes.GetDisplayNode().SetVisibility(parameters.showStreamlines)

    @staticmethod
    def _quantity(parameters: object) -> str:
        thickening = Adapter.surfaceArray(parameters.surface, Adapter.THICKENING) is not None
        return parameters.surfaceShows.value if thickening else "thickness"

    @staticmethod
    def _range(parameters: object, quantity: str) -> tuple[float, float]:
        if quantity == "thickness":
            return parameters.rangeMinimum, parameters.rangeMaximum
        return parameters.thickeningMinimum, parameters.thickeningMaximum
