"""The geometry of a stack of DICOM slices, checked slice by slice."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from ..errors import DicomError, GridError
from ..grid import Grid
from .dicom_headers import SliceHeader, slice_normal
from .dicom_phases import Phase

# Scanners round positions to 1e-3 to 1e-2 mm; a missing slice is far beyond this share of the slice distance.
_SPACING_TOLERANCE = 0.05
_ORIENTATION_TOLERANCE = 1e-3
# An in-plane drift of the whole stack by less than this is rounding, more is a gantry tilt.
_DRIFT_TOLERANCE_PIXELS = 0.5
_EXPORT_AGAIN = "Export the series again from the scanner or PACS, with all its slices."


def stack_phases(folder: Path, phases: list[Phase]) -> tuple[Grid, list[tuple[SliceHeader, ...]]]:
    """Return the grid that all phases share, and the slices of each phase in its order of k.

    Raises
    ------
    DicomError
        A missing or doubled slice, or uneven spacing.
    GridError
        A gantry tilt, or phases or slices that differ in matrix, pixel size, orientation or place.
    """
    stacks = [tuple(sorted(phase.slices, key=lambda header: header.depth)) for phase in phases]
    first = max(stacks, key=len)[0]
    for phase, stack in zip(phases, stacks):
        for header in stack:
            _require_same_plane(first, header, phase.name)
    grid = _grid(folder, max(zip(stacks, phases), key=lambda pair: len(pair[0])))
    for phase, stack in zip(phases, stacks):
        _require_stack(folder, phase, stack, grid)
    return grid, stacks


def _require_same_plane(first: SliceHeader, header: SliceHeader, phase: str) -> None:
    found = None
    if (header.rows, header.columns) != (first.rows, first.columns):
        found = f"{header.rows} x {header.columns} pixels instead of {first.rows} x {first.columns}"
    elif not np.allclose(header.spacing, first.spacing, atol=1e-4, rtol=1e-4):
        found = f"pixels of {header.spacing} mm instead of {first.spacing} mm"
    elif not np.allclose(header.orientation, first.orientation, atol=_ORIENTATION_TOLERANCE):
        found = "another image orientation"
    if found:
        raise GridError(
            header.path,
            expected=f"the geometry of the other slices and phases ({first.path.name})",
            found=f"{found} ({phase})",
            remedy="Reconstruct all phases with the same field of view, or name one series with --series.",
        )


def _grid(folder: Path, longest: tuple[tuple[SliceHeader, ...], Phase]) -> Grid:
    stack, phase = longest
    first, last = stack[0], stack[-1]
    depths = np.array([header.depth for header in stack])
    steps = np.diff(depths)
    if not len(steps) or np.max(steps) < 1e-3:
        raise DicomError(
            folder, expected="a volume", found=f"{len(stack)} slice(s) at one position", remedy=_EXPORT_AGAIN
        )
    spacing = float(np.median(steps[steps > 1e-3]))
    _require_even(stack, steps, spacing, phase.name)
    spacing = (depths[-1] - depths[0]) / (len(stack) - 1)
    normal = slice_normal(first.orientation)
    drift = np.subtract(last.position, first.position) - normal * (depths[-1] - depths[0])
    if np.linalg.norm(drift) > _DRIFT_TOLERANCE_PIXELS * min(first.spacing):
        raise GridError(
            folder,
            expected="slices stacked along their normal",
            found=f"a drift of {np.linalg.norm(drift):.1f} mm: an uncorrected gantry tilt",
            remedy="Correct the tilt at the scanner, or let Slicer's DICOM module regularise the volume first.",
        )
    affine = np.eye(4)
    affine[:3, 0] = np.array(first.orientation[:3]) * first.spacing[1]
    affine[:3, 1] = np.array(first.orientation[3:]) * first.spacing[0]
    affine[:3, 2] = normal * spacing
    affine[:3, 3] = first.position
    grid = Grid((len(stack), first.rows, first.columns), np.diag([-1.0, -1.0, 1.0, 1.0]) @ affine)
    grid.require_orthogonal(folder)
    return grid


def _require_even(stack: tuple[SliceHeader, ...], steps: np.ndarray, spacing: float, phase: str) -> None:
    wrong = np.flatnonzero(np.abs(steps - spacing) > _SPACING_TOLERANCE * spacing)
    if not len(wrong):
        return
    n = int(wrong[0])
    step = float(steps[n])
    missing = round(step / spacing) - 1
    if step < _SPACING_TOLERANCE * spacing:
        found = f"two slices at {stack[n].depth:.2f} mm ({stack[n].path.name}, {stack[n + 1].path.name}) in {phase}"
    elif missing >= 1 and abs(step - (missing + 1) * spacing) <= _SPACING_TOLERANCE * spacing * (missing + 1):
        found = f"{missing} missing slice(s) after {stack[n].depth:.2f} mm ({stack[n].path.name}) in {phase}"
    else:
        found = f"uneven spacing, {step:.3f} mm after {stack[n].path.name} in {phase}"
    raise DicomError(
        stack[n].path.parent, expected=f"a slice every {spacing:.3f} mm", found=found, remedy=_EXPORT_AGAIN
    )


def _require_stack(folder: Path, phase: Phase, stack: tuple[SliceHeader, ...], grid: Grid) -> None:
    depths = np.array([header.depth for header in stack])
    lps = np.diag([-1.0, -1.0, 1.0, 1.0]) @ grid.affine
    spacing = float(grid.spacing[2])
    start = float(np.dot(slice_normal(stack[0].orientation), lps[:3, 3]))
    index = (depths - start) / spacing
    whole = np.rint(index).astype(int)
    if len(stack) > 1:
        _require_even(stack, np.diff(depths), spacing, phase.name)
    if len(stack) != grid.shape[0] or whole[0] != 0 or np.abs(index - whole).max() > _SPACING_TOLERANCE:
        raise GridError(
            folder,
            expected=f"{grid.shape[0]} slices from {start:.2f} mm in every phase",
            found=f"{len(stack)} slices from {depths[0]:.2f} mm in {phase.name}",
            remedy="Some slices are missing, or this phase was reconstructed elsewhere: export all phases again.",
        )
    drift = np.subtract(stack[0].position, lps[:3, 3])
    if np.linalg.norm(drift) > _DRIFT_TOLERANCE_PIXELS * min(stack[0].spacing):
        raise GridError(
            folder,
            expected="every phase at the same place",
            found=f"{phase.name} shifted by {np.linalg.norm(drift):.1f} mm",
            remedy="Reconstruct all phases with the same field of view, or name one series with --series.",
        )
