"""The Python modules ``qt`` and ``ctk`` of Slicer, on PySide6."""

from __future__ import annotations

import types

from PySide6 import QtCore, QtGui, QtWidgets

from . import manifest, ui_loader, widgets
from .proxy import unwrap, wrap


class QtClass:
    """A Qt class as PythonQt shows it: callable, with enum keys and static methods as attributes."""

    def __init__(self, native: type) -> None:
        self.__dict__["native"] = native

    def __call__(self, *arguments: object) -> object:
        return wrap(self.native(*[unwrap(value) for value in arguments]))

    def __instancecheck__(self, instance: object) -> bool:
        return isinstance(unwrap(instance), self.native)

    def __getattr__(self, name: str) -> object:
        value = getattr(self.native, name)
        if callable(value) and not isinstance(value, type):
            return lambda *arguments: wrap(value(*[unwrap(item) for item in arguments]))
        return value


class QtModule(types.ModuleType):
    """``qt``: all classes of QtCore, QtGui and QtWidgets in one namespace."""

    def __getattr__(self, name: str) -> object:
        if name == "QUiLoader":
            return ui_loader.UiLoader
        for module in (QtWidgets, QtGui, QtCore):
            native = getattr(module, name, None)
            if isinstance(native, type):
                self.__dict__[name] = QtClass(native)
                return self.__dict__[name]
        raise AttributeError(f"module qt has no {name}")


class CtkModule(types.ModuleType):
    """``ctk``: the classes that can be constructed from Python."""

    def __getattr__(self, name: str) -> object:
        return constructible(name, "ctk")


def constructible(name: str, module: str) -> QtClass:
    """Return the class ``name`` of ``module`` ("ctk" or "slicer"), or raise AttributeError."""
    entry = manifest.classes().get(name)
    if entry is None or entry.get("module") != module or not entry.get("constructors"):
        raise AttributeError(f"module {module} has no class {name} that Python can construct")
    if name not in widgets.PLAYED:
        raise NotImplementedError(f"the stand-in does not play {name} yet")
    return QtClass(widgets.PLAYED[name])
