"""Where the library's arrays meet the MRML scene: the one door between both.

Library side: arrays ``(Z, Y, X)``, :class:`LVMLib.grid.Grid` in RAS mm, labels 0/1/2. Scene side: MRML nodes. All
places are in world RAS: a linear parent transform of a node is applied, a deforming one is refused with the remedy.
"""

from __future__ import annotations

from .SceneContours import contourFromNode, contourToScene, curveFromNode, updateContour
from .SceneOutlines import outlinesToScene
from .SceneSegmentations import (
    labelsFromSegmentation,
    labelsFromSegmentationSequence,
    segmentationFromLabels,
    segmentationSequence,
    segmentIdOf,
    updateSegmentationFromLabels,
)
from .SceneVolumes import (
    browserOf,
    gridFromVolume,
    selectPhase,
    sequenceFromScene,
    sequenceToScene,
    volumeFromNode,
    volumeToScene,
)

__all__ = [
    "browserOf",
    "contourFromNode",
    "contourToScene",
    "curveFromNode",
    "gridFromVolume",
    "labelsFromSegmentation",
    "labelsFromSegmentationSequence",
    "outlinesToScene",
    "segmentIdOf",
    "segmentationFromLabels",
    "segmentationSequence",
    "selectPhase",
    "sequenceFromScene",
    "sequenceToScene",
    "updateContour",
    "updateSegmentationFromLabels",
    "volumeFromNode",
    "volumeToScene",
]
