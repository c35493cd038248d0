"""``qt.QUiLoader`` with the CTK and Slicer widgets: what Designer's plugins do in Slicer."""

from __future__ import annotations

from xml.etree import ElementTree

from PySide6 import QtCore, QtUiTools, QtWidgets

from . import manifest, widgets
from .proxy import Proxy, unwrap, wrap


class _Factory(QtUiTools.QUiLoader):
    """Creates the stand-in widgets; Python keeps them alive through their proxies."""

    def createWidget(self, class_name: str, parent: QtWidgets.QWidget | None = None, name: str = "") -> object:
        if class_name not in manifest.classes():
            return super().createWidget(class_name, parent, name)
        if not manifest.classes()[class_name].get("designer_plugin"):
            raise RuntimeError(f"{class_name} has no Designer plugin: a .ui file cannot create it")
        widget = widgets.PLAYED[class_name](parent)
        widget.setObjectName(name)
        wrap(widget)
        return widget


class UiLoader:
    """Loads a ``.ui`` file; properties and connections of CTK and Slicer classes go through the manifest."""

    def load(self, stream: Proxy) -> Proxy:
        """Load from an open ``qt.QFile``; raise for a property, signal or slot that the class does not have."""
        root = ElementTree.fromstring(bytes(unwrap(stream).readAll()))
        properties = self._take_properties(root)
        connections = root.find("connections")
        if connections is not None:
            root.remove(connections)
        buffer = QtCore.QBuffer()
        buffer.setData(ElementTree.tostring(root))
        buffer.open(QtCore.QIODevice.OpenModeFlag.ReadOnly)
        native = _Factory().load(buffer)
        top = wrap(native)
        for name, key, value in properties:
            setattr(self._named(native, name), key, value)
        for connection in [] if connections is None else connections:
            self._connect(native, connection)
        return top

    @staticmethod
    def _named(native: QtWidgets.QWidget, name: str) -> Proxy:
        return wrap(native if native.objectName() == name else native.findChild(QtCore.QObject, name))

    @staticmethod
    def _take_properties(root: ElementTree.Element) -> list[tuple[str, str, object]]:
        taken = []
        for widget in root.iter("widget"):
            for element in widget.findall("property"):
                if manifest.find(widget.get("class"), "properties", element.get("name")):
                    taken.append((widget.get("name"), element.get("name"), _value(element[0])))
                    widget.remove(element)
        return taken

    def _connect(self, native: QtWidgets.QWidget, connection: ElementTree.Element) -> None:
        sender = self._named(native, connection.findtext("sender"))
        receiver = self._named(native, connection.findtext("receiver"))
        slot = connection.findtext("slot").split("(")[0]
        if slot in (manifest.classes().get(receiver.className(), {}).get("invokable") or []):
            raise AttributeError(f"{receiver.className()}.{slot} is no slot")
        sender.connect(connection.findtext("signal"), getattr(receiver, slot))


def _value(element: ElementTree.Element) -> object:
    text = element.text or ""
    if element.tag == "bool":
        return text == "true"
    if element.tag in ("number", "double"):
        return float(text) if "." in text or element.tag == "double" else int(text)
    if element.tag == "stringlist":
        return [item.text or "" for item in element]
    return text
