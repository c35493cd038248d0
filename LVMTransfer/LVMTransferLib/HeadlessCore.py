"""Slicer's core without its desktop: what the `slicer-core` wheel leaves to the application.

`startHeadlessCore()` gives ``slicer.mrmlScene``, ``slicer.modules.<name>.logic()`` and a minimal ``slicer.app``, so
that ``slicer.util``, segmentations, markups, sequences and off-screen views work in a batch job, the demo and tests.
Inside the desktop application it does nothing.
"""

from __future__ import annotations

import colorsys
import ctypes.util
import json
import os
import tempfile
from pathlib import Path

from LVMLib.terminology import ANATOMIC_CONTEXT, CATEGORY, CONTEXT, TERMS, Term

# Module name in slicer.modules, as in the desktop: logic class. The order matters: segmentations need terminologies.
_LOGICS = {
    "colors": "vtkSlicerColorLogic",
    "terminologies": "vtkSlicerTerminologiesModuleLogic",
    "subjecthierarchy": "vtkSlicerSubjectHierarchyModuleLogic",
    "units": "vtkSlicerUnitsLogic",
    "cameras": "vtkSlicerCamerasModuleLogic",
    "volumes": "vtkSlicerVolumesLogic",
    "models": "vtkSlicerModelsLogic",
    "markups": "vtkSlicerMarkupsLogic",
    "segmentations": "vtkSlicerSegmentationsModuleLogic",
    "sequences": "vtkSlicerSequencesLogic",
    "tables": "vtkSlicerTablesLogic",
    "plots": "vtkSlicerPlotsLogic",
    "texts": "vtkSlicerTextsLogic",
    "transforms": "vtkSlicerTransformLogic",
    "cropvolume": "vtkSlicerCropVolumeLogic",
    "volumerendering": "vtkSlicerVolumeRenderingLogic",
}


class HeadlessModule:
    """A module of which only the logic exists."""

    def __init__(self, name: str, logic: object) -> None:
        self.name, self._logic = name, logic

    def logic(self) -> object:
        """Return the module's logic."""
        return self._logic


class HeadlessModules:
    """``slicer.modules``: the modules are attributes, by their lower-case names."""


class HeadlessModuleManager:
    """``slicer.app.moduleManager()``, which ``slicer.util.getModule`` asks."""

    def __init__(self, modules: HeadlessModules) -> None:
        self._modules = modules

    def module(self, name: str) -> HeadlessModule | None:
        """Return a module by name, or None."""
        return getattr(self._modules, name.lower(), None)


class HeadlessApplication:
    """``slicer.app`` without windows: every call that needs a window is absent and raises AttributeError."""

    def __init__(self, scene: object, applicationLogic: object, modules: HeadlessModules) -> None:
        self._scene, self._applicationLogic = scene, applicationLogic
        self._moduleManager = HeadlessModuleManager(modules)
        self._temporary = tempfile.TemporaryDirectory(prefix="LVM-")
        self.temporaryPath = self._temporary.name
        self._dataIO = _connectDataIO(scene, applicationLogic, self.temporaryPath)
        self.commandOptions = None

    def applicationLogic(self) -> object:
        """Return the application logic."""
        return self._applicationLogic

    def mrmlScene(self) -> object:
        """Return the scene."""
        return self._scene

    def moduleManager(self) -> HeadlessModuleManager:
        """Return the module manager."""
        return self._moduleManager

    def layoutManager(self) -> None:
        """Return None, as the desktop does without a main window."""
        return None

    def processEvents(self) -> None:
        """Do nothing: there is no event loop."""

    def pauseRender(self) -> None:
        """Do nothing: views render when asked."""

    def resumeRender(self) -> None:
        """Do nothing: views render when asked."""

    def setRenderPaused(self, paused: bool) -> None:
        """Do nothing: views render when asked."""


def isDesktop() -> bool:
    """Whether this Python runs inside the Slicer application."""
    import slicer

    return hasattr(slicer, "app") and not isinstance(slicer.app, HeadlessApplication)


def chooseSoftwareRendering() -> None:
    """Let VTK render off-screen without an X server: OSMesa where it is installed, else EGL.

    Has an effect only before the first render window; ``VTK_DEFAULT_OPENGL_WINDOW`` set by the user is kept, and so is
    a display.
    """
    if os.environ.get("VTK_DEFAULT_OPENGL_WINDOW") or os.name == "nt":
        return
    if ctypes.util.find_library("OSMesa"):
        os.environ["VTK_DEFAULT_OPENGL_WINDOW"] = "vtkOSOpenGLRenderWindow"
    elif not os.environ.get("DISPLAY") and ctypes.util.find_library("EGL"):
        os.environ["VTK_DEFAULT_OPENGL_WINDOW"] = "vtkEGLRenderWindow"


def startHeadlessCore() -> object:
    """Supply what `slicer-core` leaves to the application, once; do nothing inside the desktop.

    :return: the MRML scene.
    """
    import slicer

    if hasattr(slicer, "mrmlScene"):
        return slicer.mrmlScene
    chooseSoftwareRendering()
    scene = slicer.vtkMRMLScene()
    modules = HeadlessModules()
    with tempfile.TemporaryDirectory() as share:
        applicationLogic = _applicationLogic(scene, share)
        _writeTerminologies(Path(share))
        for name, className in _LOGICS.items():
            if hasattr(slicer, className):
                logic = getattr(slicer, className)()
                _register(logic, name, scene, applicationLogic, share)
                setattr(modules, name, HeadlessModule(name, logic))
    slicer.mrmlScene, slicer.modules = scene, modules
    slicer.app = HeadlessApplication(scene, applicationLogic, modules)
    slicer.vtkMRMLSliceNode.AddDefaultSliceOrientationPresets(scene, True)
    return scene


def _applicationLogic(scene: object, home: str) -> object:
    """Return the application logic of ``scene``, with colour nodes, the crosshair and the view factories connected."""
    import slicer
    import vtk

    crosshair = slicer.vtkMRMLCrosshairNode()
    crosshair.SetCrosshairName("default")
    scene.AddNode(crosshair)
    logic = slicer.vtkSlicerApplicationLogic()
    logic.SetHomeDirectory(home)
    _writeColors(Path(home) / "share" / "ColorFiles")
    logic.SetShareDirectory("share")
    logic.SetMRMLScene(scene)
    logic.GetColorLogic().SetMRMLScene(scene)
    logic.GetColorLogic().AddDefaultColorNodes()
    logic.SetSliceLogics(vtk.vtkCollection())
    logic.SetViewLogics(vtk.vtkCollection())
    for factory in (
        slicer.vtkMRMLThreeDViewDisplayableManagerFactory,
        slicer.vtkMRMLSliceViewDisplayableManagerFactory,
    ):
        factory.GetInstance().SetMRMLApplicationLogic(logic)
    return logic


def _connectDataIO(scene: object, applicationLogic: object, folder: str) -> tuple:
    """Give the scene what it needs to open scene bundles (.mrb); return the logics, which the caller keeps alive."""
    import slicer

    remoteIO, dataIO = slicer.vtkMRMLRemoteIOLogic(), slicer.vtkDataIOManagerLogic()
    remoteIO.GetCacheManager().SetRemoteCacheDirectory(folder)
    applicationLogic.SetMRMLSceneDataIO(scene, remoteIO, dataIO)
    return remoteIO, dataIO


def _register(logic: object, name: str, scene: object, applicationLogic: object, share: str) -> None:
    """Give a module logic its application logic, share folder and scene, in this order: some read files at the end."""
    logic.SetMRMLApplicationLogic(applicationLogic)
    if hasattr(logic, "SetModuleShareDirectory"):
        logic.SetModuleShareDirectory(share)
    logic.SetMRMLScene(scene)
    applicationLogic.SetModuleLogic(name.capitalize(), logic)


def _writeColors(folder: Path) -> None:
    """Write the colour file that Slicer's label maps name, with colours a golden angle apart."""
    folder.mkdir(parents=True)
    lines = ["0 Background 0 0 0 0"]
    for index in range(1, 33):
        rgb = colorsys.hsv_to_rgb(index * 0.618034 % 1.0, 0.6, 0.9)
        lines.append(f"{index} Label{index} " + " ".join(str(round(255 * channel)) for channel in rgb) + " 255")
    (folder / "GenericColors.txt").write_text("\n".join(lines) + "\n", encoding="utf-8")


def _writeTerminologies(folder: Path) -> None:
    """Write the terminology files that the wheel lacks, with the terms of this project only."""
    types = [
        _code("SCT", term.code, term.meaning) | {"recommendedDisplayRGBValue": _rgb(term)} for term in TERMS.values()
    ]
    categories = [_code(*CATEGORY) | {"showAnatomy": True, "Type": types}]
    for name in ("SlicerGeneralAnatomy", "DICOM-Master"):
        context = CONTEXT if name == "SlicerGeneralAnatomy" else "Segmentation category and type - DICOM master list"
        _writeSchema(
            folder / f"SegmentationCategoryTypeModifier-{name}.term.json",
            "segment-context-schema.json",
            {"SegmentationCategoryTypeContextName": context, "SegmentationCodes": {"Category": categories}},
        )
    _writeSchema(
        folder / "AnatomicRegionAndModifier-DICOM-Master.term.json",
        "anatomic-context-schema.json",
        {
            "AnatomicContextName": ANATOMIC_CONTEXT,
            "AnatomicCodes": {"AnatomicRegion": [_code("SCT", "80891009", "Heart")]},
        },
    )


def _writeSchema(path: Path, schema: str, content: dict) -> None:
    url = f"https://raw.githubusercontent.com/qiicr/dcmqi/master/doc/{schema}#"
    path.write_text(json.dumps({"@schema": url} | content), encoding="utf-8")


def _code(scheme: str, value: str, meaning: str) -> dict:
    return {"CodingSchemeDesignator": scheme, "CodeValue": value, "CodeMeaning": meaning}


def _rgb(term: Term) -> list[int]:
    return [round(255 * channel) for channel in term.color]
