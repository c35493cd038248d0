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

_SLICE_MANAGERS = (
    "vtkMRMLModelSliceDisplayableManager",
    "vtkMRMLSegmentationsDisplayableManager2D",
    "vtkMRMLMarkupsDisplayableManager",
    "vtkMRMLOrientationMarkerDisplayableManager",
    "vtkMRMLRulerDisplayableManager",
    "vtkMRMLColorLegendDisplayableManager",
)
_THREE_D_MANAGERS = (
    "vtkMRMLCameraDisplayableManager",
    "vtkMRMLViewDisplayableManager",
    "vtkMRMLModelDisplayableManager",
    "vtkMRMLSegmentationsDisplayableManager3D",
    "vtkMRMLMarkupsDisplayableManager",
    "vtkMRMLOrientationMarkerDisplayableManager",
    "vtkMRMLRulerDisplayableManager",
    "vtkMRMLColorLegendDisplayableManager",
)
_CAPTION_POINTS = 0.042


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
    ruler: bool = True,
    hide: Sequence[slicer.vtkMRMLNode] = (),
) -> np.ndarray:
    """Draw one slice of a volume with all that the scene shows on it (segment outlines, contours, models).

    :param planeToRAS: see :class:`SlicePicture`.
    :param fieldOfViewMm: width of the picture, mm.
    :param size: pixels, (width, height).
    :param path: PNG to write, or None.
    :param hide: displayable nodes not to draw.
    :return: RGB ``(height, width, 3)`` uint8, first row on top.
    """
    chooseSoftwareRendering()
    with _hidden(hide), _sliceView(volumeNode, planeToRAS, fieldOfViewMm, size, ruler) as (window, renderer):
        _addCaption(renderer, caption, size)
        picture = _grab(window)
    return _saved(picture, path)


def renderSliceRow(
    volumeNode: slicer.vtkMRMLVolumeNode,
    pictures: Sequence[SlicePicture],
    *,
    path: str | PathLike | None = None,
    **options,
) -> np.ndarray:
    """Draw several slices side by side, for example short axis, two-chamber and three-chamber; see :func:`renderSlice`."""
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
    return _saved(np.concatenate(parts, axis=0 if vertical else 1), path)


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
) -> np.ndarray:
    """Draw the 3D view: surfaces, tubes, segmentations and their colour legends.

    :param viewFrom: direction from the heart to the eye, RAS; (0, 1, 0) looks from the front.
    :param viewUp: RAS direction that is up in the picture.
    :param focus: RAS mm in the middle of the picture; None = the middle of what is shown.
    :param heightMm: height of the picture, mm; None = as tight as fits.
    :param background: RGB, 0 to 1.
    :param show: the displayable nodes to draw; None = all that are visible in 3D.
    :return: RGB ``(height, width, 3)`` uint8, first row on top.
    """
    chooseSoftwareRendering()
    hide = () if show is None else [node for node in _shownInThreeD() if node not in show]
    with _hidden(hide), _threeDView(size, background) as (window, renderer, cameraNode):
        _frame(renderer, cameraNode, np.asarray(viewFrom, float), np.asarray(viewUp, float), focus, heightMm, size)
        _addCaption(renderer, caption, size, dark=sum(background) > 1.5)
        picture = _grab(window)
    return _saved(picture, path)


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
    with _newNodes():
        logic.SetMRMLScene(slicer.mrmlScene)
        node = logic.AddSliceNode("LVMPicture")
        window, renderer, group = _view(size, slicer.vtkMRMLSliceViewDisplayableManagerFactory, _SLICE_MANAGERS, node)
        renderer.GetActiveCamera().ParallelProjectionOn()
        logic.GetSliceCompositeNode().SetBackgroundVolumeID(volumeNode.GetID())
        logic.ResizeSliceNode(*size)
        _placeSlice(node, planeToRAS, fieldOfViewMm, size)
        if ruler:
            node.SetRulerType(slicer.vtkMRMLAbstractViewNode.RulerTypeThin)
        logic.UpdatePipeline()
        renderer.AddViewProp(_imageActor(logic.GetImageDataConnection()))
        try:
            yield window, renderer
        finally:
            applicationLogic.GetSliceLogics().RemoveItem(logic)
            _close(window, group)
            logic.SetMRMLScene(None)


def _placeSlice(node: slicer.vtkMRMLSliceNode, planeToRAS: np.ndarray, width: float, size: tuple[int, int]) -> None:
    node.SetSliceResolutionMode(slicer.vtkMRMLSliceNode.SliceResolutionMatch2DView)
    node.SetFieldOfView(width, width * size[1] / size[0], 1.0)
    node.SetDimensions(size[0], size[1], 1)
    node.GetSliceToRAS().DeepCopy(slicer.util.vtkMatrixFromArray(np.asarray(planeToRAS, float)))
    node.UpdateMatrices()


def _imageActor(connection: vtk.vtkAlgorithmOutput) -> vtk.vtkActor2D:
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
    with _newNodes():
        node = slicer.vtkMRMLViewNode()
        node.SetLayoutName("LVMPicture")
        node.SetName("LVMPicture")
        node.SetBoxVisible(False)
        node.SetAxisLabelsVisible(False)
        node.SetBackgroundColor(*background)
        node.SetBackgroundColor2(*background)
        node.SetUseDepthPeeling(True)
        node.SetRenderMode(slicer.vtkMRMLViewNode.Orthographic)
        node = slicer.mrmlScene.AddNode(node)
        window, renderer, group = _view(
            size, slicer.vtkMRMLThreeDViewDisplayableManagerFactory, _THREE_D_MANAGERS, node
        )
        cameraNode = group.GetDisplayableManagerByClassName("vtkMRMLCameraDisplayableManager").GetCameraNode()
        try:
            yield window, renderer, cameraNode
        finally:
            _close(window, group)


def _view(
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


def _close(window: vtk.vtkRenderWindow, group: slicer.vtkMRMLDisplayableManagerGroup) -> None:
    group.SetMRMLDisplayableNode(None)
    window.GetInteractor().SetRenderWindow(None)
    window.Finalize()


def _frame(
    renderer: vtk.vtkRenderer,
    cameraNode: slicer.vtkMRMLCameraNode,
    viewFrom: np.ndarray,
    viewUp: np.ndarray,
    focus: Sequence[float] | None,
    heightMm: float | None,
    size: tuple[int, int],
) -> None:
    """Put the camera so that the heart fills the picture, seen in parallel projection."""
    bounds = np.array(renderer.ComputeVisiblePropBounds()).reshape(3, 2)
    viewFrom = viewFrom / np.linalg.norm(viewFrom)
    right = np.cross(viewUp, viewFrom)
    right /= np.linalg.norm(right)
    up = np.cross(viewFrom, right)
    corners = np.array([[x, y, z] for x in bounds[0] for y in bounds[1] for z in bounds[2]])
    centre = bounds.mean(axis=1) if focus is None else np.asarray(focus, float)
    half = np.abs((corners - centre) @ np.column_stack([right, up])).max(axis=0)
    scale = heightMm / 2 if heightMm else 1.06 * max(half[1], half[0] * size[1] / size[0])
    cameraNode.SetFocalPoint(*centre)
    cameraNode.SetPosition(*(centre + 500.0 * viewFrom))
    cameraNode.SetViewUp(*up)
    cameraNode.SetParallelProjection(True)
    cameraNode.SetParallelScale(scale)
    renderer.ResetCameraClippingRange()


def _addCaption(renderer: vtk.vtkRenderer, text: str, size: tuple[int, int], *, dark: bool = False) -> None:
    if not text:
        return
    actor = vtk.vtkTextActor()
    actor.SetInput(text)
    style = actor.GetTextProperty()
    style.SetFontFamilyToArial()
    style.SetFontSize(max(12, round(_CAPTION_POINTS * size[1])))
    style.SetColor(*((0.1, 0.1, 0.1) if dark else (1.0, 1.0, 1.0)))
    style.SetShadow(not dark)
    style.SetVerticalJustificationToTop()
    actor.GetPositionCoordinate().SetCoordinateSystemToNormalizedViewport()
    actor.SetPosition(0.02, 0.98)
    renderer.AddViewProp(actor)


def _grab(window: vtk.vtkRenderWindow) -> np.ndarray:
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


def _saved(picture: np.ndarray, path: str | PathLike | None) -> np.ndarray:
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
def _newNodes() -> Iterator[None]:
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
    shown = [node for node in nodes if node.GetDisplayVisibility()]
    for node in shown:
        node.SetDisplayVisibility(False)
    try:
        yield
    finally:
        for node in shown:
            node.SetDisplayVisibility(True)


def _shownInThreeD() -> list[slicer.vtkMRMLDisplayableNode]:
    nodes = slicer.util.getNodesByClass("vtkMRMLDisplayableNode")
    return [node for node in nodes if not node.IsA("vtkMRMLVolumeNode") and not node.GetHideFromEditors()]
