"""What the numbered sections of the module have in common."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import qt

from LVMTransferLib.Translation import tr as _


def isChosen(path: Path) -> bool:
    """Whether a path parameter names a place; an empty path reads back from the scene as the current folder."""
    return str(path) not in ("", ".")


def leaveEmptyUntilChosen(owner: object, pathEdit: object) -> None:
    """Let an empty field mean that no path is chosen.

    The parameter node gives an empty path back as the current folder, ``.``; and a field that is emptied does not
    announce a new path, only that its input is no longer valid.

    :param owner: the module widget, with ``parameters``.
    """
    name = pathEdit.property("SlicerParameterName")

    def clear(path: str) -> None:
        if path == ".":
            pathEdit.currentPath = ""

    def forget(valid: bool) -> None:
        emptied = not valid and not pathEdit.currentPath and owner.parameters is not None
        if emptied and isChosen(getattr(owner.parameters, name)):
            setattr(owner.parameters, name, Path())

    pathEdit.connect("currentPathChanged(QString)", clear)
    pathEdit.connect("validInputChanged(bool)", forget)


def rememberPath(pathEdit: object) -> None:
    """Offer the path in the field again in a later session.

    A path that is offered already stays where it is: to move it, the widget would announce other paths meanwhile.
    """
    path = pathEdit.currentPath
    if path and Path(path).exists() and pathEdit.comboBox().findText(path) < 0:
        pathEdit.addCurrentPathToHistory()


def parameterWidgets(ui: object) -> dict:
    """Return parameter name to widget, for ``connectParametersToGui``.

    ``connectGui`` does the same, but before Slicer 5.12 it returns no tag, so that it cannot be undone and the widgets
    would stay bound to the parameter node of a closed scene.
    """
    named = {widget.property("SlicerParameterName"): widget for widget in vars(ui).values()}
    return {name: widget for name, widget in named.items() if name}


def setReady(button: object, missing: Sequence[str], whatItDoes: str, *, busy: bool = False) -> None:
    """Enable a button, or say in its tooltip what is missing.

    :param missing: what the radiologist still has to give, translated.
    """
    button.enabled = not missing and not busy
    if busy:
        button.toolTip = _("Another step is running.")
    elif missing:
        button.toolTip = _("Still missing: {things}.").format(things=", ".join(missing))
    else:
        button.toolTip = whatItDoes


def fillTable(table: object, heads: Sequence[str], rows: Sequence[Sequence[str]]) -> None:
    """Show rows of text, each also as its own tooltip."""
    table.clear()
    table.columnCount = len(heads)
    table.setHorizontalHeaderLabels(list(heads))
    table.rowCount = len(rows)
    for row, texts in enumerate(rows):
        for column, text in enumerate(texts):
            item = qt.QTableWidgetItem(text)
            item.setToolTip(text)
            table.setItem(row, column, item)
    fitTable(table)


def fillComboBox(comboBox: object, texts: Sequence[str]) -> None:
    """Offer these texts, and keep the one that was chosen if it is among them."""
    chosen = comboBox.currentText
    if [comboBox.itemText(n) for n in range(comboBox.count)] == list(texts):
        return
    comboBox.clear()
    for text in texts:
        comboBox.addItem(text)
    if chosen in texts:
        comboBox.currentIndex = list(texts).index(chosen)


def fitTable(table: object) -> None:
    """Make every text of a table readable in the width of the panel."""
    table.verticalHeader().visible = False
    table.horizontalHeader().stretchLastSection = True
    table.resizeColumnsToContents()
    table.resizeRowsToContents()


class Panel:
    """A section: connects its widgets, acts through the module's logic and shows what the parameter node holds.

    :param owner: the module widget, with ``ui``, ``logic``, ``runner`` and ``parameters``.
    """

    def __init__(self, owner: object) -> None:
        self.owner, self.ui, self.logic, self.runner = owner, owner.ui, owner.logic, owner.runner
        self.setup()

    @property
    def parameters(self) -> object:
        """The typed parameter node, or None while the scene is closing."""
        return self.owner.parameters

    def setup(self) -> None:
        """Connect the widgets of the section."""

    def refresh(self) -> None:
        """Enable and fill the widgets of the section from the parameter node."""

    def cohortChanged(self) -> None:
        """Called when something was written to the cohort: read it again; `refresh` follows."""

    def leave(self) -> None:
        """Called when the user opens another module; the parameter node is still there."""

    def forget(self) -> None:
        """Let go of the nodes of a scene that closes."""

    def cleanup(self) -> None:
        """End what runs beside the panel; the application closes."""

    def missingCase(self) -> list[str]:
        """Return what is missing to work on labels: volume, segmentation or both, translated."""
        missing = []
        if self.parameters.inputVolume is None:
            missing.append(_("a CT volume (step 1)"))
        if self.parameters.segmentation is None:
            missing.append(_("a segmentation (step 2)"))
        return missing
