"""``slicer.app``, its layout manager and the description of a scripted module, on PySide6 and the real scene."""

from __future__ import annotations

import tempfile
from typing import ClassVar

import slicer
from PySide6 import QtCore, QtWidgets

from .proxy import Host

SLICE_VIEWS = {"Red": "Axial", "Yellow": "Sagittal", "Green": "Coronal"}


class SliceWidget(Host, QtWidgets.QWidget):
    """A slice view: its node, composite node and logic are real, nothing is drawn."""

    slicer_class = "qMRMLSliceWidget"

    def __init__(self, name: str, orientation: str) -> None:
        super().__init__()
        scene, application_logic = slicer.mrmlScene, slicer.app.applicationLogic()
        self.node = scene.GetSingletonNode(name, "vtkMRMLSliceNode")
        if self.node is None:
            self.node = scene.CreateNodeByClass("vtkMRMLSliceNode")
            self.node.UnRegister(None)
            self.node.SetName(name)
            self.node.SetLayoutName(name)
            self.node.SetSingletonTag(name)
            scene.AddNode(self.node)
        self.node.SetDimensions(256, 256, 1)
        self.node.SetOrientation(orientation)
        self.logic_ = slicer.vtkMRMLSliceLogic()
        self.logic_.SetMRMLApplicationLogic(application_logic)
        self.logic_.SetMRMLScene(scene)
        self.logic_.SetSliceNode(self.node)
        if application_logic.GetSliceLogics():
            application_logic.GetSliceLogics().AddItem(self.logic_)

    def mrmlSliceNode(self) -> object:
        return self.node

    def sliceLogic(self) -> object:
        return self.logic_

    def mrmlSliceCompositeNode(self) -> object:
        return self.logic_.GetSliceCompositeNode()

    def fitSliceToBackground(self) -> None:
        self.logic_.FitSliceToAll()


class LayoutManager(Host, QtCore.QObject):
    """The three conventional slice views."""

    slicer_class = "qSlicerLayoutManager"
    defaults: ClassVar[dict] = {"layout": 2, "threeDViewCount": 0, "tableViewCount": 0, "plotViewCount": 0}

    def __init__(self) -> None:
        super().__init__()
        self.views = {name: SliceWidget(name, orientation) for name, orientation in SLICE_VIEWS.items()}

    def sliceViewNames(self) -> list[str]:
        return list(self.views)

    def sliceWidget(self, name: str) -> SliceWidget:
        return self.views[name]

    def mrmlSliceLogics(self) -> object:
        return slicer.app.applicationLogic().GetSliceLogics()

    def resetSliceViews(self) -> None:
        for view in self.views.values():
            view.fitSliceToBackground()

    def resetThreeDViews(self) -> None:
        """No 3D view is drawn."""

    def setLayout(self, layout: int) -> None:
        self.host_set("layout", layout)


class Application(Host, QtWidgets.QApplication):
    """``slicer.app``."""

    slicer_class = "qSlicerApplication"
    startupCompleted = QtCore.Signal()
    mrmlSceneChanged = QtCore.Signal(object)
    defaults: ClassVar[dict] = {
        "majorVersion": 5,
        "minorVersion": 12,
        "mainApplicationMajorVersion": 5,
        "mainApplicationMinorVersion": 12,
    }

    def __init__(self, headless: object) -> None:
        super().__init__(["Slicer"])
        self.headless, self.layout_manager, self.testing = headless, None, False
        self.setApplicationName("Slicer")
        self.settings_folder = tempfile.TemporaryDirectory()

    def get_temporaryPath(self) -> str:
        return self.settings_folder.name

    def testingEnabled(self) -> bool:
        return self.testing

    def mrmlScene(self) -> object:
        return slicer.mrmlScene

    def applicationLogic(self) -> object:
        return self.headless.applicationLogic()

    def moduleManager(self) -> object:
        return self.headless.moduleManager()

    def layoutManager(self) -> LayoutManager:
        if self.layout_manager is None:
            self.layout_manager = LayoutManager()
        return self.layout_manager

    def startupEnvironment(self) -> QtCore.QProcessEnvironment:
        return QtCore.QProcessEnvironment.systemEnvironment()

    def settings(self) -> QtCore.QSettings:
        return QtCore.QSettings(self.settings_folder.name + "/host.ini", QtCore.QSettings.Format.IniFormat)

    def pauseRender(self) -> None:
        """Nothing is drawn."""

    def resumeRender(self) -> None:
        """Nothing is drawn."""

    def setRenderPaused(self, paused: bool) -> None:
        """Nothing is drawn."""


class ModuleWidget(Host, QtWidgets.QWidget):
    """What Slicer hands to a module's widget class: a widget with a box layout and the scene."""

    slicer_class = "qSlicerScriptedLoadableModuleWidget"
    mrmlSceneChanged = QtCore.Signal(object)

    def __init__(self) -> None:
        super().__init__()
        QtWidgets.QVBoxLayout(self)
        self.scripted, self.entered = None, False

    def get_isEntered(self) -> bool:
        return self.entered

    def setMRMLScene(self, scene: object) -> None:
        self.mrmlSceneChanged.emit(scene)

    def self(self) -> object:
        return self.scripted

    def enter(self) -> None:
        self.entered = True
        self.scripted.enter()

    def exit(self) -> None:
        self.entered = False
        self.scripted.exit()


class ModuleParent(Host, QtCore.QObject):
    """What Slicer hands to a module's constructor, and what ``slicer.modules.<name>`` is."""

    slicer_class = "qSlicerScriptedLoadableModule"

    def __init__(self, name: str, path: str) -> None:
        super().__init__()
        self.setObjectName(name)
        self.host_set("name", name)
        self.host_set("path", path)
