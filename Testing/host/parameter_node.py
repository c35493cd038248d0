"""``slicer.parameterNodeWrapper``: a typed view of a scripted module node, and its connection to widgets.

Covers the types that the modules use: nodes, enum, Path, bool, int, float, str, and `WithinRange`. Values are kept in
the node as Slicer keeps them: nodes as references, enums by name, everything else as text.
"""

from __future__ import annotations

import enum
import pathlib
import typing
from collections.abc import Callable
from dataclasses import dataclass

import slicer

from .proxy import Proxy


@dataclass(frozen=True)
class WithinRange:
    """Annotation: the value lies within ``minimum`` and ``maximum``."""

    minimum: float
    maximum: float

    def validate(self, value: float) -> None:
        if not self.minimum <= value <= self.maximum:
            raise ValueError(f"Value must be within range [{self.minimum}, {self.maximum}], got {value}")


@dataclass(frozen=True)
class _Parameter:
    name: str
    kind: type
    default: object
    checks: tuple

    def read(self, node: object) -> object:
        if self.is_node:
            return node.GetNodeReference(self.name)
        text = node.GetParameter(self.name)
        if not node.GetParameterCount() or self.name not in node.GetParameterNames():
            return self.default
        if issubclass(self.kind, enum.Enum):
            return self.kind[text]
        if self.kind is bool:
            return text == "True"
        return self.kind(text)

    def write(self, node: object, value: object) -> None:
        if self.is_node:
            if value is not None and not value.IsA(self.kind.__name__):
                raise ValueError(f"{self.name} must be a {self.kind.__name__}, got {value.GetClassName()}")
            node.SetNodeReferenceID(self.name, value.GetID() if value else None)
            return
        if self.kind is float and isinstance(value, int):
            value = float(value)
        if not isinstance(value, self.kind):
            raise TypeError(f"{self.name} must be a {self.kind.__name__}, got {type(value).__name__}")
        for check in self.checks:
            check.validate(value)
        text = (
            value.name
            if isinstance(value, enum.Enum)
            else value.as_posix()
            if self.kind is pathlib.Path
            else str(value)
        )
        node.SetParameter(self.name, text)

    @property
    def is_node(self) -> bool:
        return issubclass(self.kind, slicer.vtkMRMLNode)


def _parameters(plain: type) -> dict[str, _Parameter]:
    found = {}
    for name, annotation in typing.get_type_hints(plain, include_extras=True).items():
        kind, checks = annotation, ()
        if typing.get_origin(annotation) is typing.Annotated:
            kind, *extras = typing.get_args(annotation)
            checks = tuple(item for item in extras if isinstance(item, WithinRange))
        if issubclass(kind, slicer.vtkMRMLNode):
            default = None
        elif issubclass(kind, enum.Enum):
            default = getattr(plain, name, next(iter(kind)))
        else:
            default = getattr(plain, name, kind())
        found[name] = _Parameter(name, kind, default, checks)
    return found


class _Wrapper:
    """Base of the classes that `parameterNodeWrapper` makes."""

    _parameters: typing.ClassVar[dict[str, _Parameter]] = {}

    def __init__(self, parameterNode: object) -> None:
        object.__setattr__(self, "parameterNode", parameterNode)
        object.__setattr__(self, "_guis", {})
        object.__setattr__(self, "_observers", {})
        object.__setattr__(self, "_updating", False)
        for parameter in self._parameters.values():
            if not parameter.is_node and parameter.name not in parameterNode.GetParameterNames():
                parameter.write(parameterNode, parameter.default)

    def __setattr__(self, name: str, value: object) -> None:
        if name not in self._parameters:
            raise AttributeError(f"{type(self).__name__} has no parameter {name}")
        self._parameters[name].write(self.parameterNode, value)

    def AddObserver(self, event: object, callback: Callable, priority: float = 0.0) -> int:
        return self.parameterNode.AddObserver(event, callback, priority)

    def RemoveObserver(self, tag: int) -> None:
        self.parameterNode.RemoveObserver(tag)

    def connectParametersToGui(self, mapping: dict[str, Proxy]) -> int:
        """Bind widgets, given by parameter name, both ways; return a tag for `disconnectGui`.

        As in Slicer every change of the node writes every widget, and what widgets signal meanwhile is ignored.
        """
        unknown = set(mapping) - set(self._parameters)
        if unknown:
            raise ValueError(f"{type(self).__name__} has no parameters {sorted(unknown)}")
        tag = len(self._guis)
        self._guis[tag] = [_Binding(self, self._parameters[name], widget) for name, widget in mapping.items()]
        self._observers[tag] = self.parameterNode.AddObserver("ModifiedEvent", lambda caller, event: self._show(tag))
        return tag

    def disconnectGui(self, tag: int) -> None:
        for binding in self._guis[tag]:
            binding.release()
        self._guis[tag] = []
        self.parameterNode.RemoveObserver(self._observers[tag])

    def _show(self, tag: int) -> None:
        if self._updating:
            return
        object.__setattr__(self, "_updating", True)
        try:
            for binding in self._guis[tag]:
                binding.show()
        finally:
            object.__setattr__(self, "_updating", False)


def parameterNodeWrapper(plain: type) -> type:
    """Class decorator: the annotated names become typed properties of a parameter node."""
    parameters = _parameters(plain)
    members = {"_parameters": parameters, "__doc__": plain.__doc__}
    for name in parameters:
        members[name] = property(lambda self, key=name: self._parameters[key].read(self.parameterNode))
    made = type(plain.__name__, (_Wrapper,), members)
    made.__setattr__ = _Wrapper.__setattr__
    return made


class _Binding:
    """One widget bound to one parameter, both ways."""

    def __init__(self, owner: _Wrapper, parameter: _Parameter, widget: Proxy) -> None:
        self.owner, self.parameter, self.widget = owner, parameter, widget
        self.signal, self.read, self.write = _connector(parameter, widget)
        self.show()
        widget.connect(self.signal, self.changed)

    def show(self) -> None:
        self.write(getattr(self.owner, self.parameter.name))

    def changed(self) -> None:
        if not self.owner._updating:
            setattr(self.owner, self.parameter.name, self.read())

    def release(self) -> None:
        self.widget.disconnect(self.signal, self.changed)


def _connector(parameter: _Parameter, widget: Proxy) -> tuple[str, Callable, Callable]:
    """Return (signal, read, write) for the pairs of widget and type that Slicer's own connectors know."""
    kind, name = parameter.kind, widget.className()

    def of(attribute: str, convert: Callable = lambda value: value) -> tuple[Callable, Callable]:
        return lambda: convert(getattr(widget, attribute)), lambda value: setattr(widget, attribute, value)

    if parameter.is_node and name == "qMRMLNodeComboBox":
        return "currentNodeChanged(vtkMRMLNode*)", widget.currentNode, widget.setCurrentNode
    if kind is pathlib.Path and name == "ctkPathLineEdit":
        read, _ = of("currentPath", pathlib.Path)
        return "currentPathChanged(QString)", read, lambda value: setattr(widget, "currentPath", str(value))
    if kind is bool and name in ("QCheckBox", "QPushButton"):
        return "toggled(bool)", *of("checked")
    if kind is str and name == "QLineEdit":
        return "textChanged(QString)", *of("text")
    if kind in (int, float) and name in ("QSpinBox", "QDoubleSpinBox", "ctkSliderWidget"):
        if kind is int and name != "QSpinBox":
            widget.setDecimals(0)
        for check in parameter.checks:
            widget.minimum, widget.maximum = check.minimum, check.maximum
        return f"valueChanged({'int' if name == 'QSpinBox' else 'double'})", *of("value", kind)
    if issubclass(kind, enum.Enum) and name == "QComboBox":
        members = list(kind)
        widget.clear()
        for member in members:
            widget.addItem(member.label() if hasattr(member, "label") else member.name)
        return (
            "currentIndexChanged(int)",
            lambda: members[max(widget.currentIndex, 0)],
            lambda value: setattr(widget, "currentIndex", members.index(value)),
        )
    raise RuntimeError(f"No GUI connector exists for {name} and the type {kind.__name__} of {parameter.name}")
