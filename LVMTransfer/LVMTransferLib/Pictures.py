"""Pictures as a radiologist sees them in Slicer: slice and 3D views drawn off-screen by MRML displayable managers.

Every picture shows what the scene's display nodes say, in a view of its own that is removed afterwards, so that the
user's layout stays as it is. Software rendering takes about 40 ms a slice view and 1 s a 3D view.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from os import PathLike

import numpy as np
import slicer
import vtk
from LVMLib.files import atomic_file
from vtk.util import numpy_support

from .HeadlessCore import chooseSoftwareRendering
from .PictureText import LEGEND_WIDTH, addCaption, addKey, addLegends, addMarks, shownLegends

SLICE_MANAGERS = (
    "vtkMRMLModelSliceDisplayableManager",
    "vtkMRMLSegmentationsDisplayableManager2D",
    "vtkMRMLMarkupsDisplayableManager",
    "vtkMRMLOrientationMarkerDisplayableManager",
    "vtkMRMLRulerDisplayableManager",
)
_THREE_D_MANAGERS = (
    "vtkMRMLCameraDisplayableManager",
    "vtkMRMLViewDisplayableManager",
    "vtkMRMLModelDisplayableManager",
    "vtkMRMLSegmentationsDisplayableManager3D",
    "vtkMRMLMarkupsDisplayableManager",
    "vtkMRMLOrientationMarkerDisplayableManager",
    "vtkMRMLRulerDisplayableManager",
)
_CAPTION_SHIFT = 0.05  # a 3D picture lies so much lower, for the caption: part of its half height
_VIEW = "LVMPicture"
_AIR = 1.16  # half height of a 3D picture over that of what it shows


@dataclass(frozen=True)
class SlicePicture:
    """A slice view to draw.

    :param planeToRAS: (4, 4), slice plane to RAS mm: columns right, up and normal of the picture, and its centre.
    :param caption: text in the upper left corner.
    """

    planeToRAS: np.ndarray
    caption: str = ""


def renderSlice(
    volumeNode: slicer.vtkMRMLVolumeNode,
    planeToRAS: np.ndarray,
    *,
    fieldOfViewMm: float = 120.0,
    size: tuple[int, int] = (600, 600),
    path: str | PathLike | None = None,
    caption: str = "",
    key: Sequence[tuple[str, Sequence[float]]] = (),
    ruler: bool = True,
    hide: Sequence[slicer.vtkMRMLNode] = (),
) -> np.ndarray:
    """Draw one slice of a volume with all that the scene shows on it (segment outlines, contours, models).

    :param planeToRAS: see :class:`SlicePicture`.
    :param fieldOfViewMm: width of the picture, mm.
    :param size: pixels, (width, height).
    :param path: PNG to write, or None.
    :param key: what a line colour means: texts with their RGB, 0 to 1, written under the caption.
    :param hide: displayable nodes not to draw.
    :return: RGB ``(height, width, 3)`` uint8, first row on top.
    """
    chooseSoftwareRendering()
    with _hidden(hide), _sliceView(volumeNode, planeToRAS, fieldOfViewMm, size, ruler) as (window, renderer):
        addCaption(renderer, caption, size[1])
        addKey(renderer, key, size[1])
        picture = grab(window)
    return savePicture(picture, path)


def renderSliceRow(
    volumeNode: slicer.vtkMRMLVolumeNode,
    pictures: Sequence[SlicePicture],
    *,
    path: str | PathLike | None = None,
    **options,
) -> np.ndarray:
    """Draw several slices side by side, for example the short axis and two long axes; see :func:`renderSlice`."""
    row = [renderSlice(volumeNode, view.planeToRAS, caption=view.caption, **options) for view in pictures]
    return joinPictures(row, path=path)


def joinPictures(
    pictures: Sequence[np.ndarray], *, path: str | PathLike | None = None, vertical: bool = False, gap: int = 4
) -> np.ndarray:
    """Put pictures of one height (or width, when vertical) side by side with a thin black gap."""
    parts = []
    for picture in pictures:
        if parts:
            shape = (gap, picture.shape[1], 3) if vertical else (picture.shape[0], gap, 3)
            parts.append(np.zeros(shape, np.uint8))
        parts.append(picture)
    return savePicture(np.concatenate(parts, axis=0 if vertical else 1), path)


def renderThreeD(
    path: str | PathLike | None = None,
    *,
    viewFrom: Sequence[float] = (0.0, 1.0, 0.0),
    viewUp: Sequence[float] = (0.0, 0.0, 1.0),
    focus: Sequence[float] | None = None,
    heightMm: float | None = None,
    size: tuple[int, int] = (800, 700),
    background: Sequence[float] = (1.0, 1.0, 1.0),
    caption: str = "",
    show: Sequence[slicer.vtkMRMLNode] | None = None,
    marks: Sequence[tuple[str, Sequence[float]]] = (),
) -> np.ndarray:
    """Draw the 3D view: surfaces, tubes, segmentations and their colour legends.

    :param viewFrom: direction from the heart to the eye, RAS; (0, 1, 0) looks from the front.
    :param viewUp: RAS direction that is up in the picture.
    :param focus: RAS mm in the middle of the picture; None = the middle of what is shown.
    :param heightMm: height of the picture, mm; None = as tight as fits.
    :param background: RGB, 0 to 1.
    :param show: the displayable nodes to draw; None = all that are visible in 3D.
    :param marks: texts and the RAS points, mm, over which they are written.
    :return: RGB ``(height, width, 3)`` uint8, first row on top.
    """
    chooseSoftwareRendering()
    hide = () if show is None else [node for node in _shownInThreeD() if node not in show]
    with _hidden(hide), _threeDView(size, background) as (window, renderer, cameraNode):
        _frame(renderer, cameraNode, (viewFrom, viewUp), (focus, heightMm), size[0] / size[1])
        addCaption(renderer, caption, size[1], dark=_isLight(background))
        addLegends(renderer, size[1], dark=_isLight(background))
        addMarks(renderer, marks, size[1])
        picture = grab(window)
    return savePicture(picture, path)


@contextmanager
def _sliceView(
    volumeNode: slicer.vtkMRMLVolumeNode,
    planeToRAS: np.ndarray,
    fieldOfViewMm: float,
    size: tuple[int, int],
    ruler: bool,
) -> Iterator[tuple[vtk.vtkRenderWindow, vtk.vtkRenderer]]:
    """Yield a slice view of the plane; its nodes and logic are gone afterwards."""
    applicationLogic = slicer.app.applicationLogic()
    logic = slicer.vtkMRMLSliceLogic()
    logic.SetMRMLApplicationLogic(applicationLogic)
    applicationLogic.GetSliceLogics().AddItem(logic)
    with temporaryNodes():
        logic.SetMRMLScene(slicer.mrmlScene)
        node = _addViewNode("vtkMRMLSliceNode")
        logic.SetSliceNode(node)
        window, renderer, group = openView(size, slicer.vtkMRMLSliceViewDisplayableManagerFactory, SLICE_MANAGERS, node)
        renderer.GetActiveCamera().ParallelProjectionOn()
        logic.GetSliceCompositeNode().SetBackgroundVolumeID(volumeNode.GetID())
        logic.ResizeSliceNode(*size)
        placeSlice(node, planeToRAS, fieldOfViewMm, size)
        if ruler:
            node.SetRulerType(slicer.vtkMRMLAbstractViewNode.RulerTypeThin)
        logic.UpdatePipeline()
        renderer.AddViewProp(imageActor(logic.GetImageDataConnection()))
        try:
            yield window, renderer
        finally:
            applicationLogic.GetSliceLogics().RemoveItem(logic)
            closeView(window, group)
            logic.SetMRMLScene(None)


def placeSlice(node: slicer.vtkMRMLSliceNode, planeToRAS: np.ndarray, width: float, size: tuple[int, int]) -> None:
    node.SetSliceResolutionMode(slicer.vtkMRMLSliceNode.SliceResolutionMatch2DView)
    node.SetFieldOfView(width, width * size[1] / size[0], 1.0)
    node.SetDimensions(size[0], size[1], 1)
    node.GetSliceToRAS().DeepCopy(slicer.util.vtkMatrixFromArray(np.asarray(planeToRAS, float)))
    node.UpdateMatrices()


def imageActor(connection: vtk.vtkAlgorithmOutput) -> vtk.vtkActor2D:
    """Return the actor of the slice image, whose window and level the slice logic has applied."""
    mapper = vtk.vtkImageMapper()
    mapper.SetInputConnection(connection)
    mapper.SetColorWindow(255)
    mapper.SetColorLevel(127.5)
    actor = vtk.vtkActor2D()
    actor.SetMapper(mapper)
    actor.GetProperty().SetDisplayLocationToBackground()
    return actor


@contextmanager
def _threeDView(
    size: tuple[int, int], background: Sequence[float]
) -> Iterator[tuple[vtk.vtkRenderWindow, vtk.vtkRenderer, slicer.vtkMRMLCameraNode]]:
    """Yield a 3D view with its camera; its nodes are gone afterwards."""
    with temporaryNodes():
        node = _addViewNode("vtkMRMLViewNode")
        node.SetBoxVisible(False)
        node.SetAxisLabelsVisible(False)
        node.SetBackgroundColor(*background)
        node.SetBackgroundColor2(*background)
        node.SetUseDepthPeeling(True)
        node.SetRenderMode(slicer.vtkMRMLViewNode.Orthographic)
        window, renderer, group = openView(
            size, slicer.vtkMRMLThreeDViewDisplayableManagerFactory, _THREE_D_MANAGERS, node
        )
        cameraNode = group.GetDisplayableManagerByClassName("vtkMRMLCameraDisplayableManager").GetCameraNode()
        try:
            yield window, renderer, cameraNode
        finally:
            closeView(window, group)


def _addViewNode(className: str) -> slicer.vtkMRMLAbstractViewNode:
    """Return a new view node that the desktop's layout leaves alone, because it has an owner."""
    owner = slicer.mrmlScene.AddNewNodeByClass("vtkMRMLScriptedModuleNode")
    node = slicer.mrmlScene.CreateNodeByClass(className)
    node.UnRegister(None)
    node.SetName(_VIEW)
    node.SetLayoutName(_VIEW)
    node.SetSingletonTag(_VIEW)
    node.SetAndObserveParentLayoutNodeID(owner.GetID())
    return slicer.mrmlScene.AddNode(node)


def openView(
    size: tuple[int, int], factoryClass: type, managers: Sequence[str], node: slicer.vtkMRMLAbstractViewNode
) -> tuple[vtk.vtkRenderWindow, vtk.vtkRenderer, slicer.vtkMRMLDisplayableManagerGroup]:
    """Return an off-screen window whose displayable managers follow ``node``."""
    renderer = vtk.vtkRenderer()
    window = vtk.vtkRenderWindow()
    window.SetOffScreenRendering(1)
    window.SetMultiSamples(8)
    window.SetSize(*size)
    window.AddRenderer(renderer)
    interactor = vtk.vtkRenderWindowInteractor()
    interactor.SetRenderWindow(window)
    factory = factoryClass.GetInstance()
    for name in managers:
        if not factory.IsDisplayableManagerRegistered(name):
            factory.RegisterDisplayableManager(name)
    group = slicer.vtkMRMLDisplayableManagerGroup()
    group.Initialize(factory, renderer)
    group.SetMRMLDisplayableNode(node)
    return window, renderer, group


def closeView(window: vtk.vtkRenderWindow, group: slicer.vtkMRMLDisplayableManagerGroup) -> None:
    group.SetMRMLDisplayableNode(None)
    window.GetInteractor().SetRenderWindow(None)
    window.Finalize()


def _frame(
    renderer: vtk.vtkRenderer,
    cameraNode: slicer.vtkMRMLCameraNode,
    direction: tuple[Sequence[float], Sequence[float]],
    wanted: tuple[Sequence[float] | None, float | None],
    aspect: float,
) -> None:
    """Put the camera so that what is shown fills the picture, seen in parallel projection."""
    viewFrom, viewUp = (np.asarray(vector, float) for vector in direction)
    viewFrom = viewFrom / np.linalg.norm(viewFrom)
    right = np.cross(viewUp, viewFrom)
    right /= np.linalg.norm(right)
    up = np.cross(viewFrom, right)
    axes = np.column_stack([right, up, viewFrom])
    focus, heightMm = wanted
    low, high = _extent(renderer, axes)
    centre = axes @ ((low + high) / 2) if focus is None else np.asarray(focus, float)
    half = np.maximum(high - centre @ axes, centre @ axes - low)
    room = 1.0 - (LEGEND_WIDTH if shownLegends() else 0.0)
    scale = heightMm / 2 if heightMm else _AIR * max(half[1], half[0] / (aspect * room))
    centre = centre + right * (1.0 - room) * scale * aspect + up * _CAPTION_SHIFT * scale
    cameraNode.SetFocalPoint(*centre)
    cameraNode.SetPosition(*(centre + 500.0 * viewFrom))
    cameraNode.SetViewUp(*up)
    cameraNode.SetParallelProjection(True)
    cameraNode.SetParallelScale(scale)
    renderer.ResetCameraClippingRange()


def _extent(renderer: vtk.vtkRenderer, axes: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return the smallest and largest coordinate along ``axes`` (columns) of all surfaces in the view, mm."""
    extents = []
    for actor in renderer.GetActors():
        mesh = actor.GetMapper().GetInput() if actor.GetVisibility() and actor.GetMapper() else None
        if mesh is None or not mesh.GetNumberOfPoints() or not actor.GetUseBounds():
            continue
        points = numpy_support.vtk_to_numpy(mesh.GetPoints().GetData())
        matrix = slicer.util.arrayFromVTKMatrix(actor.GetMatrix())
        along = (points @ matrix[:3, :3].T + matrix[:3, 3]) @ axes
        extents += [along.min(axis=0), along.max(axis=0)]
    if not extents:
        return np.full(3, -50.0), np.full(3, 50.0)
    return np.min(extents, axis=0), np.max(extents, axis=0)


def _isLight(color: Sequence[float]) -> bool:
    return sum(color) > 1.5


def grab(window: vtk.vtkRenderWindow) -> np.ndarray:
    window.Render()
    grabber = vtk.vtkWindowToImageFilter()
    grabber.SetInput(window)
    grabber.SetInputBufferTypeToRGB()
    grabber.ReadFrontBufferOff()
    grabber.Update()
    image = grabber.GetOutput()
    width, height, _ = image.GetDimensions()
    pixels = numpy_support.vtk_to_numpy(image.GetPointData().GetScalars()).reshape(height, width, 3)
    return pixels[::-1].copy()


def savePicture(picture: np.ndarray, path: str | PathLike | None) -> np.ndarray:
    """Write ``picture`` as PNG when there is a path, and return it."""
    if path is None:
        return picture
    image = vtk.vtkImageData()
    image.SetDimensions(picture.shape[1], picture.shape[0], 1)
    image.GetPointData().SetScalars(numpy_support.numpy_to_vtk(picture[::-1].reshape(-1, 3), deep=True))
    with atomic_file(path) as temporary:
        writer = vtk.vtkPNGWriter()
        writer.SetInputData(image)
        writer.SetFileName(str(temporary))
        writer.Write()
    return picture


@contextmanager
def temporaryNodes() -> Iterator[None]:
    """Remove from the scene every node that is added meanwhile."""
    scene = slicer.mrmlScene
    before = {scene.GetNthNode(n).GetID() for n in range(scene.GetNumberOfNodes())}
    try:
        yield
    finally:
        nodes = [scene.GetNthNode(n) for n in range(scene.GetNumberOfNodes())]
        for node in nodes:
            if node.GetID() not in before:
                scene.RemoveNode(node)


@contextmanager
def _hidden(nodes: Sequence[slicer.vtkMRMLDisplayableNode]) -> Iterator[None]:
    displays = [node.GetNthDisplayNode(n) for node in nodes for n in range(node.GetNumberOfDisplayNodes())]
    shown = [display for display in displays if display is not None and display.GetVisibility()]
    for display in shown:
        display.SetVisibility(False)
    try:
        yield
    finally:
        for display in shown:
            display.SetVisibility(True)


def _shownInThreeD() -> list[slicer.vtkMRMLDisplayableNode]:
    nodes = slicer.util.getNodesByClass("vtkMRMLDisplayableNode")
    return [node for node in nodes if not node.IsA("vtkMRMLVolumeNode") and not node.GetHideFromEditors()]
