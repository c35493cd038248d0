"""PySide6 widgets that play the MRML widgets of the modules, on a real MRML scene."""

from __future__ import annotations

from typing import ClassVar

from PySide6 import QtCore, QtWidgets

from .proxy import Host


class QMRMLWidget(Host, QtWidgets.QWidget):
    """Root of a module's ``.ui``: passes the scene on."""

    slicer_class = "qMRMLWidget"
    mrmlSceneChanged = QtCore.Signal(object)

    def __init__(self, parent: QtWidgets.QWidget | None = None) -> None:
        super().__init__(parent)
        self.scene = None

    def mrmlScene(self) -> object:
        return self.scene

    def setMRMLScene(self, scene: object) -> None:
        self.scene = scene
        self.mrmlSceneChanged.emit(scene)


class QMRMLNodeComboBox(Host, QtWidgets.QWidget):
    """A selector of nodes of the given types, with None and Create entries."""

    slicer_class = "qMRMLNodeComboBox"
    currentNodeChanged = QtCore.Signal(object)
    currentNodeIDChanged = QtCore.Signal(str)
    nodeAddedByUser = QtCore.Signal(object)
    nodeAdded = QtCore.Signal(object)
    nodeActivated = QtCore.Signal(object)
    defaults: ClassVar[dict] = {
        "nodeTypes": [], "noneEnabled": False, "addEnabled": True, "removeEnabled": True, "renameEnabled": False,
        "editEnabled": False, "showHidden": False, "showChildNodeTypes": True, "hideChildNodeTypes": [],
        "selectNodeUponCreation": True, "baseName": "", "noneDisplay": "None",
    }  # fmt: skip

    def __init__(self, parent: QtWidgets.QWidget | None = None) -> None:
        super().__init__(parent)
        row = QtWidgets.QHBoxLayout(self)
        row.setContentsMargins(0, 0, 0, 0)
        self.combo_part = QtWidgets.QComboBox(self)
        row.addWidget(self.combo_part)
        self.scene, self.node_id, self.tags = None, "", []
        self.combo_part.activated.connect(self._picked)

    def setMRMLScene(self, scene: object) -> None:
        if self.scene:
            for tag in self.tags:
                self.scene.RemoveObserver(tag)
        self.scene, self.tags = scene, []
        if scene:
            for event in (
                scene.NodeAddedEvent,
                scene.NodeRemovedEvent,
                scene.EndCloseEvent,
                scene.EndBatchProcessEvent,
            ):
                self.tags.append(scene.AddObserver(event, lambda caller, event: self.refresh()))
        self.refresh()

    def mrmlScene(self) -> object:
        return self.scene

    def nodes(self) -> list[object]:
        """Return the selectable nodes (not reachable from Python in Slicer)."""
        found = []
        for kind in self.host_get("nodeTypes") if self.scene else []:
            for index in range(self.scene.GetNumberOfNodesByClass(kind)):
                node = self.scene.GetNthNodeByClass(index, kind)
                child = node.GetClassName() != kind
                hidden = node.GetHideFromEditors() and not self.host_get("showHidden")
                if hidden or (child and not self.host_get("showChildNodeTypes")):
                    continue
                if node.GetClassName() not in self.host_get("hideChildNodeTypes"):
                    found.append(node)
        return found

    def refresh(self) -> None:
        if self.scene and self.scene.IsClosing():
            nodes = []
        else:
            nodes = self.nodes()
        self.combo_part.clear()
        if self.host_get("noneEnabled") or not nodes:
            self.combo_part.addItem(
                self.host_get("noneDisplay") if self.host_get("noneEnabled") else "Select a node", ""
            )
        for node in nodes:
            self.combo_part.addItem(node.GetName() or node.GetID(), node.GetID())
        known = self.combo_part.findData(self.node_id)
        if self.node_id and known < 0:
            self._set(None)
        elif not self.node_id and nodes and not self.host_get("noneEnabled"):
            self._set(nodes[0])
        self.combo_part.setCurrentIndex(max(self.combo_part.findData(self.node_id), 0))

    def _picked(self, index: int) -> None:
        self._set(self.scene.GetNodeByID(self.combo_part.itemData(index)) if self.combo_part.itemData(index) else None)

    def _set(self, node: object) -> None:
        new = node.GetID() if node else ""
        self.combo_part.setCurrentIndex(max(self.combo_part.findData(new), 0))
        if new != self.node_id:
            self.node_id = new
            self.currentNodeChanged.emit(node)
            self.currentNodeIDChanged.emit(new)

    def currentNode(self) -> object:
        return self.scene.GetNodeByID(self.node_id) if self.scene and self.node_id else None

    def setCurrentNode(self, node: object) -> None:
        self._set(self.scene.GetNodeByID(node) if isinstance(node, str) and node else node or None)

    def get_currentNodeID(self) -> str:
        return self.node_id

    set_currentNodeID = setCurrentNodeID = setCurrentNode
    get_currentNodeId = get_currentNodeID

    def nodeCount(self) -> int:
        return len(self.nodes())

    def addNode(self, kind: str = "") -> object:
        kind = kind or self.host_get("nodeTypes")[0]
        node = self.scene.AddNewNodeByClass(kind, self.host_get("baseName") or kind.replace("vtkMRML", ""))
        if self.host_get("selectNodeUponCreation"):
            self._set(node)
        self.nodeAddedByUser.emit(node)
        return node


class QMRMLSegmentSelectorWidget(QMRMLWidget):
    """A selector of one segment of a segmentation node."""

    slicer_class = "qMRMLSegmentSelectorWidget"
    currentNodeChanged = QtCore.Signal(object)
    currentSegmentChanged = QtCore.Signal(str)
    defaults: ClassVar[dict] = {"noneEnabled": False, "segmentationNodeSelectorVisible": True, "multiSelection": False}

    def __init__(self, parent: QtWidgets.QWidget | None = None) -> None:
        super().__init__(parent)
        row = QtWidgets.QHBoxLayout(self)
        row.setContentsMargins(0, 0, 0, 0)
        self.combo_part = QtWidgets.QComboBox(self)
        row.addWidget(self.combo_part)
        self.node = None
        self.combo_part.currentIndexChanged.connect(lambda: self.currentSegmentChanged.emit(self.currentSegmentID()))

    def setCurrentNode(self, node: object) -> None:
        self.node = node
        self.combo_part.clear()
        if self.host_get("noneEnabled") or node is None:
            self.combo_part.addItem("None", "")
        for name in self.segmentIDs():
            self.combo_part.addItem(node.GetSegmentation().GetSegment(name).GetName(), name)
        self.currentNodeChanged.emit(node)

    def currentNode(self) -> object:
        return self.node

    def segmentIDs(self) -> list[str]:
        return list(self.node.GetSegmentation().GetSegmentIDs()) if self.node else []

    def currentSegmentID(self) -> str:
        return self.combo_part.currentData() or ""

    def setCurrentSegmentID(self, name: str) -> None:
        self.combo_part.setCurrentIndex(max(self.combo_part.findData(name), 0))


class QMRMLSequenceBrowserSeekWidget(QMRMLWidget):
    """The slider over the items of a sequence browser."""

    slicer_class = "qMRMLSequenceBrowserSeekWidget"

    def __init__(self, parent: QtWidgets.QWidget | None = None) -> None:
        super().__init__(parent)
        row = QtWidgets.QHBoxLayout(self)
        row.setContentsMargins(0, 0, 0, 0)
        self.slider_part = QtWidgets.QSlider(QtCore.Qt.Orientation.Horizontal, self)
        self.label_part = QtWidgets.QLabel("", self)
        row.addWidget(self.slider_part, 1)
        row.addWidget(self.label_part)
        self.browser, self.tag = None, None
        self.slider_part.valueChanged.connect(self.setSelectedItemNumber)
        self._show()

    def setMRMLSequenceBrowserNode(self, browser: object) -> None:
        if self.browser:
            self.browser.RemoveObserver(self.tag)
        self.browser = browser
        if browser:
            self.tag = browser.AddObserver("ModifiedEvent", lambda caller, event: self._show())
        self._show()

    def setSelectedItemNumber(self, item: int) -> None:
        if self.browser and self.browser.GetSelectedItemNumber() != item:
            self.browser.SetSelectedItemNumber(item)

    def slider(self) -> QtWidgets.QSlider:
        return self.slider_part

    def _show(self) -> None:
        count = self.browser.GetNumberOfItems() if self.browser else 0
        self.slider_part.setEnabled(count > 0)
        self.slider_part.setMaximum(max(count - 1, 0))
        selected = self.browser.GetSelectedItemNumber() if count else 0
        self.slider_part.setValue(selected)
        master = self.browser.GetMasterSequenceNode() if count else None
        text = f"{master.GetNthIndexValue(selected)} {master.GetIndexUnit() or ''}" if master and selected >= 0 else ""
        self.label_part.setText(text)


class QMRMLTableView(Host, QtWidgets.QTableView):
    """A view of a table node."""

    slicer_class = "qMRMLTableView"
    mrmlSceneChanged = QtCore.Signal(object)
    defaults: ClassVar[dict] = {"transposed": False, "firstColumnLocked": False, "firstRowLocked": False}

    def __init__(self, parent: QtWidgets.QWidget | None = None) -> None:
        super().__init__(parent)
        self.scene, self.table = None, None
        self.cells = QtWidgets.QTableWidget()

    def setMRMLScene(self, scene: object) -> None:
        self.scene = scene
        self.mrmlSceneChanged.emit(scene)

    def mrmlScene(self) -> object:
        return self.scene

    def mrmlTableNode(self) -> object:
        return self.table

    def setMRMLTableNode(self, node: object) -> None:
        self.table = node
        self.cells.clear()
        self.cells.setRowCount(node.GetNumberOfRows() if node else 0)
        self.cells.setColumnCount(node.GetNumberOfColumns() if node else 0)
        for column in range(self.cells.columnCount()):
            title = QtWidgets.QTableWidgetItem(node.GetColumnName(column))
            self.cells.setHorizontalHeaderItem(column, title)
            for row in range(self.cells.rowCount()):
                self.cells.setItem(row, column, QtWidgets.QTableWidgetItem(node.GetCellText(row, column)))
        self.setModel(self.cells.model())
        self.resizeColumnsToContents()


MRML_WIDGETS = (
    QMRMLWidget,
    QMRMLNodeComboBox,
    QMRMLSegmentSelectorWidget,
    QMRMLSequenceBrowserSeekWidget,
    QMRMLTableView,
)
