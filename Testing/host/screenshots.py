"""Grab both panels with a phantom case loaded, beside the views, into ``Resources/Screenshots``.

The panels are the modules' own widgets on the stand-in desktop; the views are drawn off-screen by MRML displayable
managers. Run it after a change of a panel: ``.venv/bin/python Testing/host/screenshots.py``.
"""

from __future__ import annotations

import os
import shutil
import sys
import tempfile
import time
from pathlib import Path

import numpy as np

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "Testing"))
OUT = ROOT / "Resources" / "Screenshots"
PANEL_WIDTH, GAP, LARGEST_BYTES = 460, 8, 400_000
THICKNESS_HEIGHT, LATERAL_SEGMENT = 1980, 12
SEED, CASES, PHASES, SPACING_MM = 20, 3, 5, 1.5
FITTING = 0
DRAWING = ("caseSection", "predictSection", "reviewSection", "contoursSection")
JUDGING = ("checkSection", "readersSection", "exportSection", "finetuneSection")
COHORT, MODEL = Path("site2"), Path("Site1")


def main() -> int:
    """Make the pictures; return 0."""
    from host.start import start_desktop

    OUT.mkdir(parents=True, exist_ok=True)
    # The panels show their folders as they were given: relative ones name no machine.
    with tempfile.TemporaryDirectory() as folder:
        os.chdir(folder)
        desktop = start_desktop()
        transfer = transfer_panel(desktop)
        volume, segmentation = transfer.parameters.inputVolume, transfer.parameters.segmentation
        opened(transfer, DRAWING)
        panel = grabbed(desktop, transfer, FITTING)
        save(OUT / "LVMTransfer.png", panel, contour_views(volume, segmentation))
        compared(desktop, transfer)
        opened(transfer, JUDGING)
        panel = grabbed(desktop, transfer, FITTING)
        save(OUT / "LVMTransferReview.png", panel, difference_views(volume, segmentation))
        desktop.leave_module("LVMTransfer")
        thickness = thickness_panel(desktop, segmentation)
        panel = grabbed(desktop, thickness, THICKNESS_HEIGHT)
        views = thickness_views(volume, segmentation, thickness.parameters, panel.height() // 4)
        save(OUT / "LVMThickness.png", panel, views)
        os.chdir(ROOT)
    return 0


def transfer_panel(desktop: object) -> object:
    """Open LVM Transfer on a phantom cohort, and a case of it."""
    from LVMLib.phantom import generate_cohort

    cohort = generate_cohort(COHORT, site="2", cases=CASES, seed=SEED, phases=PHASES, spacing_mm=SPACING_MM)
    for name in cohort.case_ids():
        given_to_readers(cohort.case(name))
    shutil.copytree(ROOT / "Resources" / "Site1", MODEL)
    widget = desktop.open_module("LVMTransfer")
    parameters = widget.parameters
    parameters.reader, parameters.cohortPath, parameters.bundlePath = "anna", COHORT, MODEL
    parameters.pairsPath, parameters.runPath = Path("pairs"), Path("run")
    widget.ui.worklistTable.cellDoubleClicked(0, 0)
    widget.ui.leftVentricleViewsButton.click()
    desktop.process_events()
    return widget


def compared(desktop: object, widget: object) -> None:
    """Compare the readers of the case, and check it."""
    for button in (widget.ui.compareButton, widget.ui.showDifferenceButton, widget.ui.checkButton):
        button.click()
        desktop.process_events()
    widget.ui.findingsTable.cellClicked(1, 0)


def given_to_readers(case: object) -> None:
    """Hand the phantom's labels to the model, to anna, and to bert, who draws two voxels beside them."""
    from LVMLib.cohort.prediction import write_prediction
    from LVMLib.phantom import TRUTH

    found = {phase: case.labels(TRUTH, phase) for phase in case.labelled_phases(TRUTH)}
    write_prediction(case, "phantom", found, jitter_ml=0.0)
    for phase, labels in ((phase, found[phase]) for phase in (case.ed, case.es)):
        for reader, drawn in (("model", labels), ("anna", labels), ("bert", np.roll(labels, 2, axis=2))):
            if reader == "model" or case.id == "case-001":
                case.write_labels(reader, phase, drawn)
    shutil.rmtree(case.folder / "labels" / TRUTH)


def thickness_panel(desktop: object, segmentation: object) -> object:
    """Open LVM Thickness, measure all phases, and set a point on the lateral wall; return the widget."""
    widget = desktop.open_module("LVMThickness")
    widget.parameters.segmentation = segmentation
    widget.ui.phasesComboBox.currentIndex = 1
    widget.ui.applyButton.click()
    settle(desktop)
    widget.ui.esButton.click()
    settle(desktop)
    surface = widget.parameters.surface
    middle = np.flatnonzero(surface_array(surface, "aha_segment") == LATERAL_SEGMENT)
    points = slicer_points(surface)[middle]
    widget.ui.probeButton.click()
    widget.logic.probes(surface).AddControlPoint(*points[np.linalg.norm(points - points.mean(0), axis=1).argmin()])
    widget.refresh()
    settle(desktop)
    return widget


def surface_array(surface: object, name: str) -> np.ndarray:
    """Return a point array of a model."""
    import slicer

    return slicer.util.arrayFromModelPointData(surface, name)


def slicer_points(surface: object) -> np.ndarray:
    """Return the points of a model, RAS mm."""
    import slicer

    return slicer.util.arrayFromModelPoints(surface)


def settle(desktop: object) -> None:
    """Let the panel do what it does a moment after a change."""
    until = time.monotonic() + 0.5
    while time.monotonic() < until:
        desktop.process_events()
        time.sleep(0.02)


def opened(widget: object, names: tuple[str, ...]) -> None:
    """Open these sections of LVM Transfer and fold the others."""
    for name in (*DRAWING, *JUDGING):
        getattr(widget.ui, name).collapsed = name not in names


def difference_views(volume: object, segmentation: object) -> np.ndarray:
    """Return where two readers differ in short axis, 2- and 4-chamber, one below the other, RGB."""
    from LVMLib.annotation import find_axes, view_planes
    from LVMTransferLib import MRMLAdapter, Pictures

    labels, grid = MRMLAdapter.labelsFromSegmentation(segmentation, volume), MRMLAdapter.gridFromVolume(volume)
    planes = view_planes(find_axes(labels, grid))
    names = {"short_axis": "short axis", "two_chamber": "2-chamber", "four_chamber": "4-chamber"}
    return np.vstack(
        [
            Pictures.renderSlice(
                volume, planes[plane], size=(460, 460), caption=f"Phantom, anna - bert, {name}", hide=[segmentation]
            )
            for plane, name in names.items()
        ]
    )


def contour_views(volume: object, segmentation: object) -> np.ndarray:
    """Return short axis, 2- and 3-chamber at end-diastole, one below the other, RGB."""
    from LVMTransferLib import MRMLAdapter
    from LVMTransferLib.CasePictures import contourPicture

    labels, grid = MRMLAdapter.labelsFromSegmentation(segmentation, volume), MRMLAdapter.gridFromVolume(volume)
    row = contourPicture(volume, labels, grid, title="Phantom ED", size=(460, 460))
    return np.vstack([row[:, left : left + 460] for left in np.linspace(0, row.shape[1] - 460, 3).astype(int)])


def thickness_views(volume: object, segmentation: object, parameters: object, height: int) -> np.ndarray:
    """Return what the views show: thickness with a point, outlines on the CT, streamlines, thickening; RGB."""
    import slicer
    from LVMLib.annotation import find_axes, view_planes
    from LVMThicknessLib import MRMLAdapter as Adapter
    from LVMTransferLib import MRMLAdapter, Pictures
    from LVMTransferLib.CasePictures import wallMarks

    surface = parameters.surface
    labels, grid = MRMLAdapter.labelsFromSegmentation(segmentation, volume), MRMLAdapter.gridFromVolume(volume)
    axes = find_axes(labels, grid)
    view = {"viewFrom": axes.direction(20.0) - 0.25 * axes.axis, "viewUp": -axes.axis, "size": (600, height)}
    view |= {"background": (0.1, 0.1, 0.15), "marks": wallMarks(axes, slicer_points(surface), view["viewFrom"])}
    tubes, probes, lines = (
        Adapter.belonging(surface, role) for role in (Adapter.TUBES, Adapter.PROBES, Adapter.PROBE_LINES)
    )
    pictures = [
        Pictures.renderThreeD(caption="Phantom ES", show=[surface, tubes, probes, lines], **view),
        Pictures.renderSlice(
            volume,
            view_planes(axes)["short_axis"],
            size=view["size"],
            caption="Phantom ES, outlines",
            hide=slicer.util.getNodesByClass("vtkMRMLSegmentationNode"),  # the difference of the readers is one, too
        ),
        Pictures.renderThreeD(caption="Phantom ES, streamlines", show=[tubes, probes, lines], **view),
    ]
    surface.GetDisplayNode().SetOpacity(1.0)  # halfway through, the far wall's colours mix with the near one's
    Adapter.showQuantity(surface, "thickening", (parameters.thickeningMinimum, parameters.thickeningMaximum))
    pictures.append(Pictures.renderThreeD(caption="Phantom ES, wall thickening", show=[surface], **view))
    return np.vstack(pictures)


def grabbed(desktop: object, widget: object, height: int) -> object:
    """Return the panel as a QImage; ``FITTING`` = as high as it needs."""
    from host.mrml_widgets import QMRMLNodeComboBox

    panel = widget.parent._object
    for selector in panel.findChildren(QMRMLNodeComboBox):
        selector.refresh()  # The stand-in's selectors do not follow the renaming of a node.
    panel.resize(PANEL_WIDTH, height)
    panel.show()
    desktop.process_events()
    if height == FITTING:  # known only when the sections have folded and the texts have wrapped
        for _ in range(2):
            panel.resize(PANEL_WIDTH, panel.sizeHint().height())
            desktop.process_events()
    image = panel.grab().toImage()
    panel.hide()
    return image


def save(path: Path, panel: object, views: np.ndarray) -> None:
    """Write panel and views side by side in few colours, which keeps the file small."""
    from PySide6.QtGui import QColor, QImage, QPainter

    height, width = views.shape[:2]
    picture = QImage(panel.width() + GAP + width, max(panel.height(), height), QImage.Format.Format_RGB32)
    picture.fill(QColor("#efefef"))
    painter = QPainter(picture)
    painter.drawImage(0, 0, panel)
    pixels = np.ascontiguousarray(views[..., :3], dtype=np.uint8)
    painter.drawImage(
        panel.width() + GAP, 0, QImage(pixels.data, width, height, 3 * width, QImage.Format.Format_RGB888)
    )
    painter.end()
    picture.save(str(path))
    reduce_colours(path)
    print(f"{path.relative_to(ROOT)}: {picture.width()} x {picture.height()}, {path.stat().st_size / 1e3:.0f} kB")


def reduce_colours(path: Path) -> None:
    """Rewrite a PNG with a palette of its own, of as many colours as the size allows."""
    from PIL import Image

    with Image.open(path) as opened:
        image = opened.convert("RGB")
    for colours in (256, 192, 128, 96):
        image.quantize(colours, dither=Image.Dither.NONE).save(path, optimize=True)
        if path.stat().st_size <= LARGEST_BYTES:
            return


if __name__ == "__main__":
    sys.exit(main())
