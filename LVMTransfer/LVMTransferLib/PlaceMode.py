"""Place mode: the next clicks in the views become points of a markup."""

from __future__ import annotations

import slicer


def startPlacing(node: slicer.vtkMRMLMarkupsNode, *, persistent: bool = False) -> None:
    """Let the next click in a view place a point of a markup; if persistent, every click until a right one."""
    application = slicer.app.applicationLogic()
    selection, interaction = application.GetSelectionNode(), application.GetInteractionNode()
    selection.SetReferenceActivePlaceNodeClassName(node.GetClassName())
    selection.SetActivePlaceNodeID(node.GetID())
    interaction.SetPlaceModePersistence(int(persistent))
    interaction.SetCurrentInteractionMode(interaction.Place)
