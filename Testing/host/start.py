"""Start the stand-in desktop and load scripted modules into it, as Slicer's module factory does."""

from __future__ import annotations

import contextlib
import ctypes
import importlib
import logging
import os
import sys
import types
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
MODULES = {"LVMTransfer": ROOT / "LVMTransfer", "LVMThickness": ROOT / "LVMThickness"}

_desktop: Desktop | None = None


# Far more than any run of the tests gives back.
SPARE_REFERENCES = 1 << 40


def keep_singletons() -> None:
    """Keep None, True and False alive before Python 3.12, where they can be freed.

    PySide6 (seen with 6.12) gives back references to them that it never took, one in each call of ``processEvents``; at
    zero the interpreter aborts.
    """
    if sys.version_info < (3, 12):
        for value in (None, True, False):
            ctypes.c_ssize_t.from_address(id(value)).value += SPARE_REFERENCES


def start_desktop() -> Desktop:
    """Return the one stand-in desktop of this process."""
    global _desktop  # noqa: PLW0603  (Qt and the scene are singletons of the process)
    if _desktop is None:
        _desktop = Desktop()
    return _desktop


class Desktop:
    """Slicer's application object, its Python modules and the loaded scripted modules."""

    def __init__(self) -> None:
        keep_singletons()
        os.environ.setdefault("QT_QPA_PLATFORM", "offscreen")
        for folder in MODULES.values():
            if str(folder) not in sys.path:
                sys.path.append(str(folder))
        import slicer
        from LVMTransferLib.HeadlessCore import startHeadlessCore

        startHeadlessCore()
        from . import application, mrml_widgets, proxy, qt_modules, widgets  # noqa: F401  (Qt after the scene)

        self.messages: list[str] = []
        self.answer = "Ok"
        self._widgets: dict[str, object] = {}
        self._closed: list[object] = []
        self.application = application.Application(slicer.app)
        slicer.app = proxy.wrap(self.application)
        self._install_modules(qt_modules)
        proxy.keep_observer_errors()
        self.main_window = self._main_window()
        widgets.CtkMessageBox.answer = self._answer
        slicer.app.layoutManager()

    def _install_modules(self, qt_modules: types.ModuleType) -> None:
        import slicer
        import slicer.util
        import vtk

        sys.modules["qt"], sys.modules["ctk"] = qt_modules.QtModule("qt"), qt_modules.CtkModule("ctk")
        from . import parameter_node, scripted

        provided = {
            "ScriptedLoadableModule": {
                name: getattr(scripted, name) for name in vars(scripted) if name.startswith("Scripted")
            },
            "parameterNodeWrapper": {
                "parameterNodeWrapper": parameter_node.parameterNodeWrapper,
                "WithinRange": parameter_node.WithinRange,
            },
            # Without tr: in Slicer 5.6 it looks at the whole call stack, too slow for a panel.
            "i18n": {"translate": lambda context, text: text, "getContext": lambda path: Path(path).stem},
            "packaging": {"pip_ensure": lambda *a, **k: None, "load_requirements": _load_requirements},
        }
        for name, members in provided.items():
            module = types.ModuleType(f"slicer.{name}")
            module.__dict__.update(members)
            sys.modules[f"slicer.{name}"] = module
            setattr(slicer, name, module)
        slicer.qMRMLWidget = qt_modules.constructible("qMRMLWidget", "slicer")
        vtk.VTK_OBJECT = getattr(vtk, "VTK_OBJECT", 21)

    @staticmethod
    def _main_window() -> object:
        from PySide6 import QtWidgets

        window = QtWidgets.QMainWindow()
        window.setObjectName("qSlicerMainWindow")
        return window

    def _answer(self, box: object) -> int:
        from PySide6 import QtWidgets

        self.messages.append(box.text())
        logging.info("message box: %s", box.text())
        return getattr(QtWidgets.QMessageBox.StandardButton, self.answer)

    def load_module(self, name: str) -> object:
        """Import a module, construct its class and register it in ``slicer.modules``; return the class's parent."""
        import slicer

        from . import application, proxy

        if hasattr(slicer.modules, name.lower()):
            return getattr(slicer.modules, name.lower())
        python = importlib.import_module(name)
        parent = proxy.wrap(application.ModuleParent(name, str(MODULES[name] / f"{name}.py")))
        setattr(slicer.modules, name.lower(), parent)
        getattr(python, name)(parent)
        for dependency in parent.dependencies:
            if dependency in MODULES:
                self.load_module(dependency)
            elif not hasattr(slicer.modules, dependency.lower()):
                raise RuntimeError(f"{name} depends on {dependency}, which is not loaded")
        return parent

    def open_module(self, name: str) -> object:
        """Return the module's widget, set up and entered."""
        from . import application, proxy

        self.load_module(name)
        if name not in self._widgets:
            parent = proxy.wrap(application.ModuleWidget())
            self._widgets[name] = getattr(sys.modules[name], f"{name}Widget")(parent)
            parent._object.scripted = self._widgets[name]
            self._widgets[name].setup()
        self._widgets[name].parent.enter()
        return self._widgets[name]

    def leave_module(self, name: str) -> None:
        """Leave the module, as when another one is opened."""
        self._widgets[name].parent.exit()

    def close_module(self, name: str) -> None:
        """Leave the module and end its widget, as when the application closes; opened again, it is a new one."""
        self.leave_module(name)
        widget = self._widgets.pop(name)
        widget.cleanup()
        # Selectors of the stand-in still hear from the scene.
        self._closed.append(widget)

    def process_events(self) -> None:
        """Let Qt deliver what is waiting."""
        self.application.processEvents()

    @contextlib.contextmanager
    def expected_messages(self, *, answer: str = "Ok") -> Iterator[list[str]]:
        """Yield the list that receives the message boxes shown meanwhile; each is answered with ``answer``."""
        shown, self.answer = len(self.messages), answer
        received: list[str] = []
        try:
            yield received
        finally:
            self.answer = "Ok"
        received.extend(self.messages[shown:])
        del self.messages[shown:]


def _load_requirements(path: str) -> list[str]:
    lines = Path(path).read_text(encoding="utf-8").splitlines()
    return [line.strip() for line in lines if line.strip() and not line.startswith("#")]
