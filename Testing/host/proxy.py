"""Qt objects as PythonQt shows them to Python: properties are values, slots and public methods are callable.

The lookup order follows PythonQt (``PythonQtClassInfo.cpp``): properties, then slots and signals, then enum keys, then
dynamic properties, then children by object name. Two rules are stricter than PythonQt: the getter and setter of a Qt
property (``isChecked``, and ``setFoo`` that is no slot) are refused, and connecting an unknown signal raises.
"""

from __future__ import annotations

import inspect
import re
import sys
import traceback
from collections.abc import Callable
from typing import ClassVar

import shiboken6
from PySide6 import QtCore

from . import manifest

slot_errors: list[BaseException] = []
"""What slots raised since the last `clear_slot_errors`; Qt swallows exceptions of slots, tests must not."""

_alive: dict[int, Proxy] = {}


class Host:
    """Mixin of a stand-in widget: `slicer_class` names the class in the manifest that it plays.

    A property of the manifest is read by ``get_<name>`` and written by ``set_<name>`` where these exist, else it is
    kept as a plain value.
    """

    slicer_class = ""
    defaults: ClassVar[dict[str, object]] = {}

    def host_get(self, name: str) -> object:
        getter = getattr(self, f"get_{name}", None)
        return getter() if getter else self.__dict__.get(f"value_{name}", self.defaults.get(name))

    def host_set(self, name: str, value: object) -> None:
        setter = getattr(self, f"set_{name}", None)
        if setter:
            setter(value)
        else:
            self.__dict__[f"value_{name}"] = value


def wrap(value: object) -> object:
    """Return the proxy of a Qt object (always the same one), a list of proxies, or the value itself."""
    if isinstance(value, (list, tuple)):
        return type(value)(wrap(item) for item in value)
    if not isinstance(value, QtCore.QObject):
        return value
    address = shiboken6.getCppPointer(value)[0]
    known = _alive.get(address)
    if known is None or not shiboken6.isValid(known._object):
        known = _alive[address] = Proxy(value)
    return known


def unwrap(value: object) -> object:
    """Return the Qt object behind a proxy, in lists too."""
    if isinstance(value, Proxy):
        return value._object
    return [unwrap(item) for item in value] if isinstance(value, list) else value


def keep_observer_errors() -> None:
    """Let exceptions of VTK observers, which VTK prints and swallows, count as those of slots."""
    show = sys.excepthook

    def keep(kind: type, error: BaseException, trace: object) -> None:
        show(kind, error, trace)
        slot_errors.append(error)

    sys.excepthook = keep


def clear_slot_errors() -> list[BaseException]:
    """Forget and return what slots raised."""
    errors = list(slot_errors)
    slot_errors.clear()
    return errors


class Proxy:
    """One Qt object as PythonQt shows it."""

    def __init__(self, target: QtCore.QObject) -> None:
        self.__dict__["_object"] = target
        self.__dict__["_slots"] = {}

    def __repr__(self) -> str:
        return f"{self.className()} ({self._object.objectName()})"

    def __bool__(self) -> bool:
        return shiboken6.isValid(self._object)

    def __getattr__(self, name: str) -> object:  # noqa: PLR0911  (PythonQt's lookup order, a step each)
        target, kind = self._object, getattr(self._object, "slicer_class", "")
        if name.startswith("_"):
            raise AttributeError(name)
        if name.endswith("_"):
            return getattr(self, name[:-1])
        if name == "name":
            return target.objectName()
        if kind and manifest.find(kind, "properties", name):
            return wrap(target.host_get(name))
        if target.metaObject().indexOfProperty(name) >= 0:
            return wrap(target.property(name))
        if kind and (manifest.find(kind, "methods", name) or manifest.find(kind, "signals", name)):
            return self._method(name)
        if kind and name in manifest.enum_keys(kind):
            return name
        if self._qt_method(name):
            return self._method(name)
        if name in [bytes(key).decode() for key in target.dynamicPropertyNames()]:
            return target.property(name)
        child = target.findChild(QtCore.QObject, name)
        if child is not None:
            return wrap(child)
        raise AttributeError(f"{self.className()} has no {name} that Python can reach")

    def __setattr__(self, name: str, value: object) -> None:
        target, kind = self._object, getattr(self._object, "slicer_class", "")
        entry = manifest.find(kind, "properties", name) if kind else None
        index = target.metaObject().indexOfProperty(name)
        if entry:
            if not entry["write"]:
                raise AttributeError(f"{self.className()}.{name} is read-only")
            target.host_set(name, unwrap(value))
        elif index >= 0:
            if not target.metaObject().property(index).isWritable():
                raise AttributeError(f"{self.className()}.{name} is read-only")
            target.setProperty(name, unwrap(value))
        elif name in [bytes(key).decode() for key in target.dynamicPropertyNames()]:
            target.setProperty(name, unwrap(value))
        else:
            raise AttributeError(f"{self.className()} has no property {name}")

    def className(self) -> str:
        """Return the C++ class name."""
        return getattr(self._object, "slicer_class", "") or self._object.metaObject().className()

    def children(self) -> list[Proxy]:
        """Return the direct children."""
        return [wrap(child) for child in self._object.children()]

    def connect(self, signature: str, slot: Callable) -> bool:
        """Connect a signal, given as ``name(type)``, to a Python callable, which gets as many arguments as it takes."""
        name, types = self._signal(signature)
        takes = _positional_limit(slot)

        def call(*arguments: object) -> None:
            values = [bool(value) if kind == "bool" else wrap(value) for kind, value in zip(types, arguments)]
            try:
                slot(*values[:takes])
            except Exception as error:
                traceback.print_exc()
                slot_errors.append(error)

        self._slots.setdefault((name, tuple(types)), []).append((slot, call))
        getattr(self._object, name).connect(call)
        return True

    def disconnect(self, signature: str, slot: Callable) -> bool:
        """Undo `connect`."""
        name, types = self._signal(signature)
        connected = self._slots.get((name, tuple(types)), [])
        for pair in connected:
            if pair[0] == slot:
                connected.remove(pair)
                getattr(self._object, name).disconnect(pair[1])
                return True
        return False

    def _signal(self, signature: str) -> tuple[str, list[str]]:
        match = re.fullmatch(r"(\w+)\((.*)\)", signature.replace(" ", ""))
        if not match:
            raise AttributeError(f"{signature!r} is no signal signature; write name(type)")
        name, types = match.group(1), [part for part in match.group(2).split(",") if part]
        kind = getattr(self._object, "slicer_class", "")
        overloads = manifest.find(kind, "signals", name) if kind else None
        if overloads is not None and types in overloads:
            return name, types
        meta = self._object.metaObject()
        if overloads is None and meta.indexOfSignal(f"{name}({','.join(types)})") >= 0:
            return name, types
        raise AttributeError(f"{self.className()} has no signal {signature}")

    def _qt_method(self, name: str) -> bool:
        native = [base for base in type(self._object).__mro__ if base.__module__.startswith("PySide6")]
        if not any(name in base.__dict__ for base in native) or not callable(getattr(self._object, name)):
            return False
        accessor = re.fullmatch(r"(is|set)([A-Z])(\w*)", name)
        meta = self._object.metaObject()
        if accessor and meta.indexOfProperty(accessor.group(2).lower() + accessor.group(3)) >= 0:
            slots = [meta.method(i) for i in range(meta.methodCount())]
            return any(bytes(slot.name()).decode() == name for slot in slots)
        return True

    def _method(self, name: str) -> Callable:
        function = getattr(self._object, name, None)
        if isinstance(function, QtCore.SignalInstance):
            function = function.emit
        if function is None:
            raise NotImplementedError(f"the stand-in does not play {self.className()}.{name} yet")

        def call(*arguments: object) -> object:
            return wrap(function(*[unwrap(value) for value in arguments]))

        return call


def _positional_limit(slot: Callable) -> int | None:
    """Return how many positional arguments a callable takes; None for any number."""
    try:
        parameters = inspect.signature(slot).parameters.values()
    except (TypeError, ValueError):
        return None
    if any(parameter.kind is parameter.VAR_POSITIONAL for parameter in parameters):
        return None
    return sum(p.kind in (p.POSITIONAL_ONLY, p.POSITIONAL_OR_KEYWORD) for p in parameters)
