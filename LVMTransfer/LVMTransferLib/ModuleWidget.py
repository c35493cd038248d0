"""The life of a module's panel: set up, entered, left, its scene closed, cleaned up. Both modules share it."""

from __future__ import annotations

from collections.abc import Sequence

import slicer
from slicer.ScriptedLoadableModule import ScriptedLoadableModuleWidget
from slicer.util import VTKObservationMixin

from LVMTransferLib.Dependencies import ensurePackages
from LVMTransferLib.Panel import Panel, parameterWidgets
from LVMTransferLib.TaskRunner import TaskRunner


class ModuleWidget(ScriptedLoadableModuleWidget, VTKObservationMixin):
    """A panel made of sections, bound to the typed parameter node of the scene while the module is shown.

    The ``.ui`` file bears the module's name and has a ``progressBar`` and a ``statusLabel``. A module gives its logic
    (:meth:`makeLogic`), its sections (:meth:`makePanels`), and what an untouched scene begins with
    (:meth:`chooseDefaults`).

    :cvar sections: ``.ui`` files of their own, in the order in which they stand in the widget ``sectionsPlace``.
    """

    sections: Sequence[str] = ()

    def __init__(self, parent=None):
        ScriptedLoadableModuleWidget.__init__(self, parent)
        VTKObservationMixin.__init__(self)
        self.logic = None
        self.parameters = None
        self.runner = None
        self.panels = []
        self._guiTag = None

    def makeLogic(self) -> object:
        """Return the module's logic."""
        raise NotImplementedError

    def makePanels(self) -> Sequence[Panel]:
        """Return the sections, in the order in which they are refreshed."""
        raise NotImplementedError

    def chooseDefaults(self) -> None:
        """Choose what can be chosen without asking; ``self.parameters`` is the node of the scene."""

    def setup(self):
        """Load the .ui file, connect it, and observe the scene."""
        ScriptedLoadableModuleWidget.setup(self)
        self.uiWidget = slicer.util.loadUI(self.resourcePath(f"UI/{self.moduleName}.ui"))
        self.layout.addWidget(self.uiWidget)
        self.ui = slicer.util.childWidgetVariables(self.uiWidget)
        self.uiWidget.setMRMLScene(slicer.mrmlScene)
        self._sectionWidgets = [self._loadSection(name) for name in self.sections]
        self.logic = self.makeLogic()
        self.runner = TaskRunner(self.ui.progressBar, self.ui.statusLabel, self.refresh, self.ensurePackages)
        self.panels = list(self.makePanels())
        self.addObserver(slicer.mrmlScene, slicer.mrmlScene.StartCloseEvent, self.onSceneStartClose)
        self.addObserver(slicer.mrmlScene, slicer.mrmlScene.EndCloseEvent, self.onSceneEndClose)
        self.addObserver(slicer.mrmlScene, slicer.mrmlScene.EndImportEvent, self.onSceneEndImport)
        self.initializeParameterNode()

    def _loadSection(self, name):
        """Add the section ``name`` to the panel, and its widgets to ``self.ui``."""
        section = slicer.util.loadUI(self.resourcePath(f"UI/{name}.ui"))
        self.ui.sectionsPlace.layout().addWidget(section)
        vars(self.ui).update(vars(slicer.util.childWidgetVariables(section)))
        section.setMRMLScene(slicer.mrmlScene)
        return section

    def cleanup(self):
        """Called when the application closes the module."""
        self.runner.cancel()
        for panel in self.panels:
            panel.cleanup()
        self.setParameterNode(None)
        self.removeObservers()

    def enter(self):
        """Called each time the user opens the module."""
        self.initializeParameterNode()

    def exit(self):
        """Called each time the user opens another module."""
        for panel in self.panels:
            panel.leave()
        self.setParameterNode(None)

    def onSceneStartClose(self, caller, event):
        """Stop what is running and let go of the scene's nodes."""
        self.runner.cancel()
        for panel in self.panels:
            panel.forget()
        self.setParameterNode(None)

    def onSceneEndClose(self, caller, event):
        """Take the parameter node of the new scene if the module is shown."""
        if self.parent.isEntered:
            self.initializeParameterNode()

    def onSceneEndImport(self, caller, event):
        """Show what a scene file brought, if the module is shown."""
        if self.parent.isEntered:
            self.initializeParameterNode()

    def initializeParameterNode(self):
        """Take the parameter node of the scene, and choose what nobody chose yet."""
        self.setParameterNode(self.logic.getParameterNode())
        self.chooseDefaults()

    def setParameterNode(self, parameters):
        """Bind the panel to a parameter node, or to none."""
        if self.parameters is not None:
            self.parameters.disconnectGui(self._guiTag)
            self.removeObserver(self.parameters.parameterNode, "ModifiedEvent", self.refresh)
        self.parameters = parameters
        if self.parameters is not None:
            self._guiTag = self.parameters.connectParametersToGui(parameterWidgets(self.ui))
            self.addObserver(self.parameters.parameterNode, "ModifiedEvent", self.refresh)
            self.refresh()

    def refresh(self, caller=None, event=None):
        """Let every section show what the parameter node holds."""
        if self.parameters is not None:
            for panel in self.panels:
                panel.refresh()

    def ensurePackages(self, torch=False):
        """Install what this step needs, after asking."""
        ensurePackages(self.resourcePath("requirements.txt"), torch=torch)
