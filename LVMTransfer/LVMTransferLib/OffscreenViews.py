"""Slice views that stay: red, green and yellow without a desktop, with everything that Slicer draws and drags there.

For scripts, measurements and pictures of work in progress; `Pictures` draws single pictures in views of their own.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import slicer

from .Pictures import SLICE_MANAGERS, closeView, grab, imageActor, openView, placeSlice
from .PictureText import addCaption

USUAL_VIEWS = ("Red", "Green", "Yellow")


class OffscreenView:
    """A slice view with its node, logic and window.

    :param name: layout name of the view.
    :param smooth: smooth lines, for a picture; on a processor rendering takes three times as long then.
    """

    def __init__(
        self, name: str, volumeNode: object, size: tuple[int, int], fieldOfViewMm: float, *, smooth: bool = False
    ) -> None:
        scene, application = slicer.mrmlScene, slicer.app.applicationLogic()
        self.captions = []
        self.logic = slicer.vtkMRMLSliceLogic()
        self.logic.SetMRMLApplicationLogic(application)
        application.GetSliceLogics().AddItem(self.logic)
        self.logic.SetMRMLScene(scene)
        self.node = scene.GetSingletonNode(name, "vtkMRMLSliceNode")
        if self.node is None:
            self.node = slicer.vtkMRMLSliceNode()
            self.node.SetName(name)
            self.node.SetLayoutName(name)
            self.node.SetSingletonTag(name)
            scene.AddNode(self.node)
        self.logic.SetSliceNode(self.node)
        self.window, self.renderer, self.group = openView(
            size, slicer.vtkMRMLSliceViewDisplayableManagerFactory, SLICE_MANAGERS, self.node
        )
        self.window.SetMultiSamples(8 if smooth else 0)
        self.renderer.GetActiveCamera().ParallelProjectionOn()
        self.logic.GetSliceCompositeNode().SetBackgroundVolumeID(volumeNode.GetID())
        self.logic.ResizeSliceNode(*size)
        placeSlice(self.node, slicer.util.arrayFromVTKMatrix(self.node.GetSliceToRAS()), fieldOfViewMm, size)
        self.logic.UpdatePipeline()
        _addUnder(self.renderer, imageActor(self.logic.GetImageDataConnection()))

    def close(self) -> None:
        """Close the window; the slice node stays."""
        slicer.app.applicationLogic().GetSliceLogics().RemoveItem(self.logic)
        closeView(self.window, self.group)
        self.logic.SetMRMLScene(None)


def _addUnder(renderer: object, actor: object) -> None:
    """Add an actor that is drawn before those that are there already."""
    props = list(renderer.GetViewProps())
    renderer.RemoveAllViewProps()
    for prop in (actor, *props):
        renderer.AddViewProp(prop)


class OffscreenViews:
    """The usual three slice views.

    :param volumeNode: in the background of each.
    :param size: pixels of each, (width, height).
    """

    def __init__(
        self,
        volumeNode: object,
        *,
        size: tuple[int, int] = (400, 400),
        fieldOfViewMm: float = 130.0,
        smooth: bool = False,
        names: Sequence[str] = USUAL_VIEWS,
    ) -> None:
        self.views = {name: OffscreenView(name, volumeNode, size, fieldOfViewMm, smooth=smooth) for name in names}

    def __enter__(self) -> OffscreenViews:
        return self

    def __exit__(self, *_: object) -> None:
        for view in self.views.values():
            view.close()

    def render(self) -> None:
        """Draw all of them."""
        for view in self.views.values():
            view.window.Render()

    def zoom(self, fieldOfViewMm: float) -> None:
        """Let each view be so many mm wide, in the plane in which it is."""
        for view in self.views.values():
            plane = slicer.util.arrayFromVTKMatrix(view.node.GetSliceToRAS())
            placeSlice(view.node, plane, fieldOfViewMm, view.window.GetSize())

    def caption(self, texts: dict[str, str]) -> None:
        """Write a text into the upper left corner of views, in place of the one before."""
        for name, text in texts.items():
            view = self.views[name]
            for actor in view.captions:
                view.renderer.RemoveActor2D(actor)
            known = set(view.renderer.GetActors2D())
            addCaption(view.renderer, text, view.window.GetSize()[1])
            view.captions = [actor for actor in view.renderer.GetActors2D() if actor not in known]

    def pictures(self) -> list[np.ndarray]:
        """Return the views as RGB ``(height, width, 3)`` uint8, first row on top."""
        return [grab(view.window) for view in self.views.values()]
