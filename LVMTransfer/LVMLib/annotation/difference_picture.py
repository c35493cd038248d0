"""A picture of what changed: three slices through the largest change, without a viewer."""

from __future__ import annotations

from os import PathLike
from typing import TYPE_CHECKING

import numpy as np
from scipy import ndimage

from ..files import atomic_file
from ..grid import BLOOD_POOL, LVM, Grid
from .difference import Difference

if TYPE_CHECKING:
    from PIL import Image, ImageDraw

OUTLINES = {BLOOD_POOL: (0.86, 0.12, 0.12), LVM: (0.12, 0.63, 0.35)}
"""Endocardium and epicardium, in the colours of the contours."""
WINDOW_HU = (-100.0, 500.0)
MARGIN_MM, PANEL_PIXELS, GAP_PIXELS = 12.0, 360, 6
OUTLINE_NAMES = {BLOOD_POOL: "endocardium", LVM: "epicardium"}
TEXT_PIXELS, LINE_PIXELS, PAD_PIXELS = 15, 26, 10


def write_difference_picture(
    path: str | PathLike, difference: Difference, labels: np.ndarray, grid: Grid, *, image: np.ndarray | None = None
) -> None:
    """Write a PNG of three orthogonal slices through the largest change, cropped to the heart.

    Changes are filled in the colours of ``difference``; endocardium and epicardium of ``labels`` are outlined red and
    green. The slices run along the voxel axes, each with the patient's head up or anterior side up. A legend below says
    what each colour means and how many voxels it has, or that nothing changed.

    Parameters
    ----------
    path : path
        ``.png``.
    difference : Difference
        What changed; without a change the slices go through the middle of the labels.
    labels : ndarray (Z, Y, X)
        The labels to outline, for example the repaired ones.
    grid : Grid
        Their grid.
    image : ndarray (Z, Y, X), optional
        HU of the same phase as background; None = black.

    Raises
    ------
    StorageError
        The disk is full or read-only.
    """
    centre = difference.centre_index or _middle(labels > 0)
    shown = (labels > 0) | (difference.labels > 0)
    panels = [
        _panel(axis, centre[axis], (difference, labels, shown, image), grid) for axis in range(3) if shown.any()
    ] or [np.zeros((PANEL_PIXELS, PANEL_PIXELS, 3), dtype=np.uint8)]
    height = max(panel.shape[0] for panel in panels)
    gap = np.full((height, GAP_PIXELS, 3), 255, dtype=np.uint8)
    row: list[np.ndarray] = []
    for panel in panels:
        row += [np.pad(panel, ((0, height - panel.shape[0]), (0, 0), (0, 0))), gap]
    picture = _with_legend(np.concatenate(row[:-1], axis=1), difference)
    with atomic_file(path) as temporary:
        picture.save(temporary, format="PNG")


def _with_legend(pixels: np.ndarray, difference: Difference) -> Image.Image:
    """Return the picture with what its colours mean in lines below."""
    from PIL import Image, ImageDraw, ImageFont

    font = ImageFont.load_default(TEXT_PIXELS)
    counts = difference.counts
    entries = [
        (f"{name}: {counts[code]} voxel{'s' * (counts[code] > 1)}", difference.colors[code], True)
        for code, name in difference.names.items()
        if counts[code]
    ] or [("Nothing changed.", None, True)]
    entries += [(OUTLINE_NAMES[label], color, False) for label, color in OUTLINES.items()]
    height, width = pixels.shape[:2]
    places, x, line = [], PAD_PIXELS, 0
    for text, color, _ in entries:
        length = int(font.getlength(text)) + (TEXT_PIXELS + PAD_PIXELS if color else 0) + 2 * PAD_PIXELS
        if x > PAD_PIXELS and x + length > width:
            x, line = PAD_PIXELS, line + 1
        places.append((x, height + line * LINE_PIXELS))
        x += length
    picture = Image.new("RGB", (width, height + (line + 1) * LINE_PIXELS), "white")
    picture.paste(Image.fromarray(pixels), (0, 0))
    draw = ImageDraw.Draw(picture)
    for (text, color, filled), (left, top) in zip(entries, places):
        if color:
            _draw_swatch(draw, (left, top), color, filled=filled)
            left += TEXT_PIXELS + PAD_PIXELS
        draw.text((left, top + LINE_PIXELS // 2), text, fill="black", font=font, anchor="lm")
    return picture


def _draw_swatch(
    draw: ImageDraw.ImageDraw, corner: tuple[int, int], color: tuple[float, float, float], *, filled: bool
) -> None:
    """Draw a square for a filled change, a line for an outline."""
    left, middle = corner[0], corner[1] + LINE_PIXELS // 2
    half = TEXT_PIXELS // 2 if filled else 1
    draw.rectangle((left, middle - half, left + TEXT_PIXELS, middle + half), fill=tuple(round(255 * c) for c in color))


def _middle(mask: np.ndarray) -> tuple[int, int, int]:
    found = np.argwhere(mask)
    middle = found.mean(axis=0) if len(found) else (np.array(mask.shape) - 1) / 2
    return tuple(int(n) for n in np.rint(middle))


def _panel(
    axis: int, number: int, maps: tuple[Difference, np.ndarray, np.ndarray, np.ndarray | None], grid: Grid
) -> np.ndarray:
    """Return one slice across array axis ``axis`` as RGB bytes, square pixels."""
    difference, labels, shown, image = maps
    spacing = np.delete(grid.spacing[::-1], axis)
    box = _flat_box(shown.any(axis=axis), spacing)
    step = float(max((side.stop - side.start) * mm for side, mm in zip(box, spacing))) / PANEL_PIXELS
    take = [np.arange(side.start, side.stop, step / mm).astype(int) for side, mm in zip(box, spacing)]
    plane = np.ix_(*take)
    rgb = np.zeros((len(take[0]), len(take[1]), 3))
    if image is not None:
        grey = (np.take(image, number, axis=axis)[plane] - WINDOW_HU[0]) / (WINDOW_HU[1] - WINDOW_HU[0])
        rgb += np.clip(grey, 0, 1)[..., None]
    changed, drawn = np.take(difference.labels, number, axis=axis)[plane], np.take(labels, number, axis=axis)[plane]
    for code, color in difference.colors.items():
        rgb[changed == code] = 0.35 * rgb[changed == code] + 0.65 * np.array(color)
    for label, color in OUTLINES.items():
        # The epicardium is the outside of wall and cavity together.
        body = drawn == BLOOD_POOL if label == BLOOD_POOL else drawn > 0
        rgb[body & ~ndimage.binary_erosion(body, iterations=2)] = color
    return (255 * _upright(rgb, axis, grid)).astype(np.uint8)


def _flat_box(mask: np.ndarray, spacing: np.ndarray) -> tuple[slice, slice]:
    box = ndimage.find_objects(mask.astype(np.uint8))[0]
    margin = np.ceil(MARGIN_MM / spacing).astype(int)
    return tuple(
        slice(max(side.start - int(m), 0), min(side.stop + int(m), size))
        for side, m, size in zip(box, margin, mask.shape)
    )


def _upright(rgb: np.ndarray, axis: int, grid: Grid) -> np.ndarray:
    """Turn rows so that head or anterior is up, and columns so that the patient's right or anterior is on the left."""
    rows, columns = (grid.directions[:, ::-1][:, a] for a in range(3) if a != axis)
    down = np.array([0.0, -1.0, -1.0]) if axis == 0 else np.array([0.0, 0.0, -1.0])
    rgb = rgb if rows @ down >= 0 else rgb[::-1]
    right = np.array([-1.0, -1.0, 0.0])
    return rgb if columns @ right >= 0 else rgb[:, ::-1]
