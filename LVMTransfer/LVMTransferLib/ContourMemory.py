"""The state of the contours in the scene, so that a saved scene brings them back to the bit."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import TYPE_CHECKING

import numpy as np
import slicer
from LVMLib.errors import LVMError

if TYPE_CHECKING:
    from LVMLib.annotation.surfaces import WallSurfaces

    from .ContourPhase import ContourPhase

ATTRIBUTE, NAME, FORMAT = "LVM.Contours", "LV contours", 1
SEGMENTATION, VOLUME = "LVM.Segmentation", "LVM.Volume"


class ContourMemory:
    """A text node with the control points of every phase, and references to CT and segmentation."""

    def __init__(self) -> None:
        self._texts: dict[int, tuple[WallSurfaces, str]] = {}

    @staticmethod
    def node() -> object:
        """Return the text node of the scene, or None."""
        for node in slicer.util.getNodesByClass("vtkMRMLTextNode"):
            if node.GetAttribute(ATTRIBUTE):
                return node
        return None

    def write(self, volumeNode: object, segmentationNode: object, phases: Mapping[int, ContourPhase]) -> None:
        """Keep the current state of every phase in the scene."""
        node = self.node()
        if node is None:
            node = slicer.mrmlScene.AddNewNodeByClass("vtkMRMLTextNode", NAME)
            node.SetAttribute(ATTRIBUTE, str(FORMAT))
            node.SetForceCreateStorageNode(True)
        node.SetNodeReferenceID(SEGMENTATION, segmentationNode.GetID())
        node.SetNodeReferenceID(VOLUME, volumeNode.GetID())
        parts = ", ".join(f'"{phase}": {self._text(phase, kept)}' for phase, kept in phases.items())
        node.SetText(f'{{"format": {FORMAT}, "phases": {{{parts}}}}}')

    def read(self) -> tuple[object, object, dict[int, tuple[WallSurfaces, list]]]:
        """Return CT node, segmentation node, and of each phase its state and the planes of its edited slices.

        :raises LVMError: the text was made by another version or is damaged.
        """
        from LVMLib.annotation.surfaces.store import from_dict

        node, phases = self.node(), {}
        try:
            stored = json.loads(node.GetText())
            if stored["format"] != FORMAT:
                raise ValueError(f"format {stored['format']}")
            for phase, kept in stored["phases"].items():
                planes = [{name: np.array(plane) for name, plane in one.items()} for one in kept["planes"]]
                phases[int(phase)] = from_dict(kept["surfaces"]), planes
        except (ValueError, KeyError, TypeError) as error:
            raise LVMError(
                f"text node '{node.GetName()}'",
                expected=f"contours of this software, format {FORMAT}",
                found=repr(error),
                remedy="Delete this node and make the contours from the labels again.",
            ) from error
        return node.GetNodeReference(VOLUME), node.GetNodeReference(SEGMENTATION), phases

    def remove(self) -> None:
        """Take the text node out of the scene."""
        self._texts = {}
        if self.node() is not None:
            slicer.mrmlScene.RemoveNode(self.node())

    def _text(self, number: int, phase: ContourPhase) -> str:
        """Return the JSON of a phase; the one that nobody touched is not made again."""
        from LVMLib.annotation.surfaces.store import as_dict

        known = self._texts.get(number)
        if known is None or known[0] is not phase.state:
            planes = [{name: plane.tolist() for name, plane in one.items()} for one in phase.allPlanes()]
            known = phase.state, json.dumps({"surfaces": as_dict(phase.state), "planes": planes})
            self._texts[number] = known
        return known[1]
