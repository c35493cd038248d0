"""PySide6 widgets that play the CTK widgets of the modules; the MRML widgets are in `mrml_widgets`."""

from __future__ import annotations

from collections.abc import Callable
from typing import ClassVar

from PySide6 import QtCore, QtGui, QtWidgets

from . import mrml_widgets
from .proxy import Host

HEADER_HEIGHT = 28


class CtkCollapsibleButton(Host, QtWidgets.QAbstractButton):
    """A section with a header that folds its contents."""

    slicer_class = "ctkCollapsibleButton"
    contentsCollapsed = QtCore.Signal(bool)
    defaults: ClassVar[dict] = {"collapsedHeight": 10, "flat": False}

    def __init__(self, parent: QtWidgets.QWidget | None = None) -> None:
        super().__init__(parent)
        self.setCheckable(True)
        self.setChecked(True)
        self.setContentsMargins(1, HEADER_HEIGHT, 1, 1)
        self.setSizePolicy(QtWidgets.QSizePolicy.Policy.Minimum, QtWidgets.QSizePolicy.Policy.Preferred)
        self.toggled.connect(self._fold)

    def get_collapsed(self) -> bool:
        return not self.isChecked()

    def set_collapsed(self, collapsed: bool) -> None:
        self.setChecked(not collapsed)

    def _fold(self, opened: bool) -> None:
        for child in self.findChildren(QtWidgets.QWidget, options=QtCore.Qt.FindChildOption.FindDirectChildrenOnly):
            child.setVisible(opened)
        self.setMaximumHeight(16777215 if opened else HEADER_HEIGHT + 4)
        self.contentsCollapsed.emit(not opened)

    def sizeHint(self) -> QtCore.QSize:
        hint = self.layout().sizeHint() if self.layout() and self.isChecked() else QtCore.QSize(200, HEADER_HEIGHT)
        return hint.expandedTo(QtCore.QSize(200, HEADER_HEIGHT))

    def hitButton(self, position: QtCore.QPoint) -> bool:
        return position.y() < HEADER_HEIGHT

    def paintEvent(self, event: QtGui.QPaintEvent) -> None:
        painter = QtWidgets.QStylePainter(self)
        header = QtWidgets.QStyleOptionButton()
        header.initFrom(self)
        header.rect = QtCore.QRect(0, 0, self.width(), HEADER_HEIGHT - 3)
        painter.drawControl(QtWidgets.QStyle.ControlElement.CE_PushButtonBevel, header)
        arrow = QtWidgets.QStyleOption()
        arrow.initFrom(self)
        arrow.rect = QtCore.QRect(6, 7, 10, 10)
        down, right = (
            QtWidgets.QStyle.PrimitiveElement.PE_IndicatorArrowDown,
            QtWidgets.QStyle.PrimitiveElement.PE_IndicatorArrowRight,
        )
        painter.drawPrimitive(down if self.isChecked() else right, arrow)
        painter.drawText(header.rect.adjusted(22, 0, 0, 0), QtCore.Qt.AlignmentFlag.AlignVCenter, self.text())


class CtkSliderWidget(Host, QtWidgets.QWidget):
    """A slider and a spin box that show one number."""

    slicer_class = "ctkSliderWidget"
    valueChanged = QtCore.Signal(float)
    valueIsChanging = QtCore.Signal(float)
    decimalsChanged = QtCore.Signal(int)
    defaults: ClassVar[dict] = {"tracking": True, "pageStep": 10.0, "spinBoxVisible": True}
    _STEPS = 1000

    def __init__(self, parent: QtWidgets.QWidget | None = None) -> None:
        super().__init__(parent)
        row = QtWidgets.QHBoxLayout(self)
        row.setContentsMargins(0, 0, 0, 0)
        self.slider_part = QtWidgets.QSlider(QtCore.Qt.Orientation.Horizontal, self)
        self.spin_part = QtWidgets.QDoubleSpinBox(self)
        self.slider_part.setRange(0, self._STEPS)
        row.addWidget(self.slider_part, 1)
        row.addWidget(self.spin_part)
        self.spin_part.valueChanged.connect(self._shown)
        self.slider_part.sliderMoved.connect(self._dragged)

    def _span(self) -> float:
        return max(self.spin_part.maximum() - self.spin_part.minimum(), 1e-9)

    def _shown(self, value: float) -> None:
        self.slider_part.setValue(round(self._STEPS * (value - self.spin_part.minimum()) / self._span()))
        self.valueIsChanging.emit(value)
        self.valueChanged.emit(value)

    def _dragged(self, position: int) -> None:
        self.spin_part.setValue(self.spin_part.minimum() + self._span() * position / self._STEPS)

    def setValue(self, value: float) -> None:
        self.spin_part.setValue(value)

    def setDecimals(self, decimals: int) -> None:
        self.spin_part.setDecimals(decimals)

    def setSpinBoxVisible(self, visible: bool) -> None:
        self.spin_part.setVisible(visible)

    def reset(self) -> None:
        self.spin_part.setValue(self.spin_part.minimum())

    def host_get(self, name: str) -> object:
        native = ("value", "minimum", "maximum", "singleStep", "decimals", "suffix", "prefix")
        return self.spin_part.property(name) if name in native else super().host_get(name)

    def host_set(self, name: str, value: object) -> None:
        if name in ("value", "minimum", "maximum", "singleStep", "decimals", "suffix", "prefix"):
            self.spin_part.setProperty(name, value)
        else:
            super().host_set(name, value)


class CtkPathLineEdit(Host, QtWidgets.QWidget):
    """A path with a history and a button that browses."""

    slicer_class = "ctkPathLineEdit"
    currentPathChanged = QtCore.Signal(str)
    validInputChanged = QtCore.Signal(bool)
    defaults: ClassVar[dict] = {"showBrowseButton": True, "showHistoryButton": True}
    histories: ClassVar[dict[str, list[str]]] = {}

    def __init__(self, parent: QtWidgets.QWidget | None = None) -> None:
        super().__init__(parent)
        row = QtWidgets.QHBoxLayout(self)
        row.setContentsMargins(0, 0, 0, 0)
        self.combo_part = QtWidgets.QComboBox(self)
        self.combo_part.setEditable(True)
        self.combo_part.setInsertPolicy(QtWidgets.QComboBox.InsertPolicy.NoInsert)
        self.combo_part.setSizePolicy(QtWidgets.QSizePolicy.Policy.Expanding, QtWidgets.QSizePolicy.Policy.Fixed)
        browse = QtWidgets.QToolButton(self)
        browse.setText("…")
        row.addWidget(self.combo_part, 1)
        row.addWidget(browse)
        self.valid = False
        self.combo_part.editTextChanged.connect(self._edited)

    def _edited(self, path: str) -> None:
        """Announce as CTK does: an empty path is no valid input, and is not announced as a path."""
        before, self.valid = self.valid, bool(path)
        if self.valid:
            self.currentPathChanged.emit(path)
        if self.valid != before:
            self.validInputChanged.emit(self.valid)

    def get_currentPath(self) -> str:
        return self.combo_part.currentText()

    def set_currentPath(self, path: str) -> None:
        self.combo_part.setEditText(str(path))

    setCurrentPath = set_currentPath

    def set_settingKey(self, key: str) -> None:
        self.__dict__["value_settingKey"] = key
        self.retrieveHistory()

    def get_settingKey(self) -> str:
        return self.__dict__.get("value_settingKey", "")

    def comboBox(self) -> QtWidgets.QComboBox:
        return self.combo_part

    def retrieveHistory(self) -> None:
        path = self.combo_part.currentText()
        self.combo_part.clear()
        self.combo_part.addItems(self.histories.get(self.get_settingKey(), []))
        if path:
            self.set_currentPath(path)

    def addCurrentPathToHistory(self) -> None:
        """Put the path first, as CTK does: of a path that is offered already, the old item goes, so others show."""
        path, kept = self.combo_part.currentText(), self.histories.setdefault(self.get_settingKey(), [])
        if not path:
            return
        kept[:] = [path, *(other for other in kept if other != path)]
        if self.combo_part.findText(path) >= 0:
            self.combo_part.removeItem(self.combo_part.findText(path))
        self.combo_part.insertItem(0, path)
        self.combo_part.setCurrentIndex(0)


class CtkMessageBox(Host, QtWidgets.QMessageBox):
    """A message box that never waits: it answers OK."""

    slicer_class = "ctkMessageBox"
    answer: ClassVar[Callable[[QtWidgets.QMessageBox], int] | None] = None

    def exec(self) -> int:
        return type(self).answer(self)


PLAYED: dict[str, type] = {
    kind.slicer_class: kind
    for kind in (
        CtkCollapsibleButton,
        CtkSliderWidget,
        CtkPathLineEdit,
        CtkMessageBox,
        *mrml_widgets.MRML_WIDGETS,
    )
}
