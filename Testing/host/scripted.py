"""``slicer.ScriptedLoadableModule``: the base classes of a scripted module."""

from __future__ import annotations

import os
import unittest

import slicer

from .proxy import Proxy
from .qt_modules import constructible


def _module_name(instance: object, suffix: str) -> str:
    return type(instance).__name__.removesuffix(suffix)


class ScriptedLoadableModule:
    """Describes a module through its ``parent``."""

    def __init__(self, parent: Proxy) -> None:
        self.parent, self.moduleName = parent, _module_name(self, "")
        parent.title, parent.categories, parent.dependencies, parent.contributors = "", [], [], []

    def resourcePath(self, filename: str) -> str:
        return _resource(self.moduleName, filename)


class ScriptedLoadableModuleWidget:
    """The panel of a module."""

    def __init__(self, parent: Proxy | None = None) -> None:
        self.moduleName, self.developerMode = _module_name(self, "Widget"), False
        self.parent = parent or constructible("qMRMLWidget", "slicer")()
        self.layout = self.parent.layout()

    def resourcePath(self, filename: str) -> str:
        return _resource(self.moduleName, filename)

    def setup(self) -> None:
        """Build the panel; Slicer adds the Reload & Test section in developer mode."""

    def cleanup(self) -> None:
        """Called when the application closes."""


class ScriptedLoadableModuleLogic:
    """The computation of a module, with its parameter node in the scene."""

    def __init__(self, parent: object = None) -> None:
        self.moduleName, self.isSingletonParameterNode = _module_name(self, "Logic"), True

    def getParameterNode(self) -> object:
        found = slicer.mrmlScene.GetSingletonNode(self.moduleName, "vtkMRMLScriptedModuleNode")
        return found or self.createParameterNode()

    def createParameterNode(self) -> object:
        node = slicer.mrmlScene.CreateNodeByClass("vtkMRMLScriptedModuleNode")
        node.UnRegister(None)
        node.SetSingletonTag(self.moduleName)
        node.SetModuleName(self.moduleName)
        node.SetName(self.moduleName)
        return slicer.mrmlScene.AddNode(node)


class ScriptedLoadableModuleTest(unittest.TestCase):
    """Runs the ``test_`` methods, as Reload & Test does."""

    def __init__(self, *arguments: object) -> None:
        super().__init__(*(arguments or ("runTest",)))

    def runTest(self) -> None:
        for name in [name for name in dir(self) if name.startswith("test_")]:
            self.setUp()
            getattr(self, name)()
            self.tearDown()

    def delayDisplay(self, message: str, requestedDelay: int | None = None, msec: int | None = None) -> None:
        """Show nothing and do not wait."""


def _resource(module: str, filename: str) -> str:
    return os.path.join(os.path.dirname(slicer.util.modulePath(module)), "Resources", filename)
