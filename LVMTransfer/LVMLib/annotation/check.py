"""Checks of labels against the consensus protocol: what is wrong, and where."""

from __future__ import annotations

from collections.abc import Collection, Mapping

import numpy as np
from scipy import ndimage

from ..errors import LabelError
from ..grid import BACKGROUND, BLOOD_POOL, LVM, Grid, require_labels
from ..measures import ejection_fraction, mass_g, volumes_ml
from ..pieces import pieces_of
from .axes import LVAxes, find_axes
from .finding import Finding, Report, centre
from .protocol import Protocol
from .repair import count_defects
from .valves import truncate_by_curves
from .wall import beyond_base, outflow_side, papillary_wall, reach_beyond, wall_thickness


def check_labels(
    ed_labels: np.ndarray | None,
    es_labels: np.ndarray | None,
    grid: Grid,
    protocol: Protocol,
    *,
    volume_curve: Mapping[int, float] | None = None,
    ed: int | None = None,
    es: int | None = None,
    valves: Mapping[str, Mapping[str, np.ndarray]] | None = None,
) -> list[Finding]:
    """Check the labels of one case.

    Parameters
    ----------
    ed_labels, es_labels : ndarray (Z, Y, X) or None
        Labels at end-diastole and end-systole; None where a phase is not labelled.
    grid : Grid
        The grid of both.
    protocol : Protocol
        Rules and limits.
    volume_curve : mapping of int to float, optional
        Cavity volume (ml) of each phase, for example of the model's prediction.
    ed, es : int, optional
        Phase index of the labels, for the volume curve and for showing a finding.
    valves : mapping, optional
        ``{"ED": {"mitral": (N, 3), "aortic": (N, 3)}, "ES": …}``, RAS mm: what the reader drew. Without a curve the end
        of cavity and outflow tract is judged by the basal rim of the wall.

    Returns
    -------
    list of Finding
        Every check of every phase; passed ones too.

    Raises
    ------
    LabelError
        Values outside {0, 1, 2}, or both phases are missing or empty.
    CurveError
        A valve curve that cannot be used.
    """
    given = {"ED": ed_labels, "ES": es_labels}
    phases = {name: require_labels(labels, f"labels at {name}") for name, labels in given.items() if labels is not None}
    if not phases:
        raise LabelError(
            "case", expected="labels at ED or ES", found="none", remedy="Predict the case, or draw one phase first."
        )
    indices = {"ED": ed, "ES": es}
    middles = {phase: grid.to_ras(np.argwhere(labels > 0).mean(axis=0)[::-1]) for phase, labels in phases.items()}
    report = Report(protocol, indices, middles)
    for phase, labels in phases.items():
        _check_shape(report, phase, labels, grid, (valves or {}).get(phase, {}))
        _check_amount(report, phase, labels, grid)
    _check_cycle(report, phases, grid)
    _check_extremes(report, volume_curve, indices)
    return report.findings


def _check_shape(report: Report, phase: str, labels: np.ndarray, grid: Grid, curves: Mapping[str, np.ndarray]) -> None:
    box = ndimage.find_objects((labels > 0).astype(np.uint8))[0]
    box = tuple(slice(max(side.start - 1, 0), side.stop + 1) for side in box)
    labels, grid = labels[box], grid.cropped(tuple(side.start for side in box), labels[box].shape)
    limits, voxel_ml = report.limits, grid.voxel_volume / 1000.0
    muscle = papillary_wall(labels)
    amount = float(muscle.sum() * voxel_ml)
    text = f"{amount:.2f} ml of myocardium lies inside the cavity."
    report.add(
        "papillary_inside", phase, text, value=amount, limits=limits.papillary_inside_ml, where=centre(muscle, grid)
    )
    axes = _axes(labels, grid)
    _check_valves(report, phase, labels, grid, curves)
    _check_base(report, phase, labels, grid, axes, drawn=curves)
    _check_wall(report, phase, labels, grid, axes)
    holes, gaps, defects = count_defects(labels, grid)
    where = centre(defects, grid)
    report.add("holes", phase, f"{holes} hole(s) in the mask.", value=holes, limits=(0, 0), where=where)
    text = f"{gaps} voxel(s) of gap between blood pool and myocardium."
    report.add("gaps", phase, text, value=gaps, limits=(0, 0), where=where)
    _check_components(report, phase, labels, grid)
    _check_thickness(report, phase, labels, grid, axes)


def _axes(labels: np.ndarray, grid: Grid) -> LVAxes | None:
    try:
        return find_axes(labels, grid)
    except LabelError:
        return None


VALVE_CHECKS = {"mitral": "base_truncated", "aortic": "outflow_truncated"}


def _check_valves(report: Report, phase: str, labels: np.ndarray, grid: Grid, curves: Mapping[str, np.ndarray]) -> None:
    """Judge the end of the cavity by the curves that the reader drew."""
    cavity, limits = max(int((labels == BLOOD_POOL).sum()), 1), report.limits.beyond_curve_percent
    for valve, curve in curves.items():
        cut = truncate_by_curves(labels, grid, {valve: curve}, where=f"valve curves at {phase}").changed
        percent = 100.0 * np.count_nonzero(cut & (labels == BLOOD_POOL)) / cavity
        text = f"{percent:.1f} % of the cavity lies beyond the {valve} curve."
        report.add(VALVE_CHECKS[valve], phase, text, value=percent, limits=limits, where=centre(cut, grid))


def _check_base(
    report: Report, phase: str, labels: np.ndarray, grid: Grid, axes: LVAxes | None, *, drawn: Collection[str]
) -> None:
    """Judge the end of the cavity by the basal rim of the wall, for the valves whose curve nobody drew."""
    cavity, limits = max(int((labels == BLOOD_POOL).sum()), 1), report.limits
    found = None if axes is None else beyond_base(labels, grid, axes, tolerance_mm=limits.base_tolerance_mm)
    if found is None:
        for check in (check for valve, check in VALVE_CHECKS.items() if valve not in drawn):
            report.add(check, phase, "No base was found; the cavity or the wall is missing.")
        return
    mask, _ = found
    outflow = mask & outflow_side(mask, grid, axes)
    if "mitral" not in drawn:
        percent = 100.0 * np.count_nonzero(mask & ~outflow) / cavity
        text = f"{percent:.1f} % of the cavity lies beyond the annulus, away from the outflow tract (no mitral curve)."
        where = centre(mask & ~outflow, grid)
        report.add("base_truncated", phase, text, value=percent, limits=limits.beyond_base_percent, where=where)
    if "aortic" not in drawn:
        reach = reach_beyond(outflow, grid, axes)
        text = f"The outflow tract reaches {reach:.0f} mm beyond the annulus (no aortic curve)."
        where = centre(outflow, grid)
        report.add("outflow_truncated", phase, text, value=reach, limits=limits.beyond_outflow_mm, where=where)


def _check_wall(report: Report, phase: str, labels: np.ndarray, grid: Grid, axes: LVAxes | None) -> None:
    limits = report.limits
    if axes is None:
        report.add("wall_closed", phase, "No long axis was found; the cavity is missing.")
        return
    padded = np.pad(labels, 1)
    touching = ndimage.binary_dilation(padded == BACKGROUND)[1:-1, 1:-1, 1:-1] & (labels == BLOOD_POOL)
    voxels = np.argwhere(touching)
    depth = (axes.mitral_centre - grid.to_ras(voxels[:, ::-1])) @ axes.base_normal
    below = voxels[depth > limits.open_wall_base_margin_mm]
    open_wall = np.zeros(labels.shape, dtype=bool)
    open_wall[tuple(below.T)] = True
    area = float(len(below) * grid.voxel_volume ** (2 / 3))
    text = f"{area:.0f} mm² of the cavity has no wall below the base."
    report.add("wall_closed", phase, text, value=area, limits=limits.open_wall_mm2, where=centre(open_wall, grid))


def _check_components(report: Report, phase: str, labels: np.ndarray, grid: Grid) -> None:
    extra, islands = 0, np.zeros(labels.shape, dtype=bool)
    for label in (BLOOD_POOL, LVM):
        numbers, sizes = pieces_of(labels == label, corners=True)
        extra += max(len(sizes) - 2, 0)
        islands |= (numbers > 0) & (numbers != sizes.argmax())
    amount = float(islands.sum() * grid.voxel_volume / 1000.0)
    text = f"{extra} detached piece(s) of blood pool or myocardium, {amount:.2f} ml."
    where = centre(islands, grid)
    report.add("components", phase, text, value=amount, limits=report.limits.detached_ml, where=where)


def _check_thickness(report: Report, phase: str, labels: np.ndarray, grid: Grid, axes: LVAxes | None) -> None:
    values = np.empty(0) if axes is None else wall_thickness(labels, grid, axes)
    if not len(values):
        report.add("thickness", phase, "No wall to measure.")
        return
    limits = report.limits
    for name, percentile, accepted in (
        ("median", 50, limits.thickness_median_mm),
        ("95th percentile", 95, limits.thickness_p95_mm),
    ):
        value = float(np.percentile(values, percentile))
        text = f"Wall thickness, {name}: about {value:.1f} mm."
        report.add("thickness", phase, text, value=value, limits=accepted, where=centre(labels == LVM, grid))


def _check_amount(report: Report, phase: str, labels: np.ndarray, grid: Grid) -> None:
    volumes, limits = volumes_ml(labels, grid), report.limits
    accepted = limits.cavity_ed_ml if phase == "ED" else limits.cavity_es_ml
    cavity, mass = volumes[BLOOD_POOL], mass_g(volumes[LVM])
    where = centre(labels > 0, grid)
    report.add("volume", phase, f"Cavity {cavity:.0f} ml.", value=cavity, limits=accepted, where=where)
    report.add("mass", phase, f"Myocardial mass {mass:.0f} g.", value=mass, limits=limits.mass_g, where=where)


def _check_cycle(report: Report, phases: dict[str, np.ndarray], grid: Grid) -> None:
    limits = report.limits
    if set(phases) != {"ED", "ES"}:
        text = "Not applicable: only one of ED and ES is labelled."
        report.add("ejection_fraction", "ED and ES", text)
        report.add("mass_constant", "ED and ES", text)
        return
    ed, es = volumes_ml(phases["ED"], grid), volumes_ml(phases["ES"], grid)
    ef = ejection_fraction(ed[BLOOD_POOL], es[BLOOD_POOL])
    if np.isfinite(ef):
        text = f"Ejection fraction {ef:.0f} %."
        report.add("ejection_fraction", "ED and ES", text, value=ef, limits=limits.ejection_fraction_percent)
    mean = (ed[LVM] + es[LVM]) / 2
    if mean > 0:
        percent = 100.0 * abs(ed[LVM] - es[LVM]) / mean
        text = f"Myocardial mass at ED {mass_g(ed[LVM]):.0f} g and at ES {mass_g(es[LVM]):.0f} g."
        report.add("mass_constant", "ED and ES", text, value=percent, limits=limits.mass_difference_percent)


def _check_extremes(report: Report, curve: Mapping[int, float] | None, chosen: dict[str, int | None]) -> None:
    for phase, index in chosen.items():
        if not curve or index is None or index not in curve:
            report.add("extreme_phases", phase, "Not applicable: no volume curve for this phase.")
            continue
        best = max(curve, key=curve.get) if phase == "ED" else min(curve, key=curve.get)
        largest = max(*curve.values(), 1e-9)
        percent = 100.0 * abs(curve[best] - curve[index]) / largest
        kind = "largest" if phase == "ED" else "smallest"
        text = f"{phase} is phase {index}, {curve[index]:.0f} ml; the {kind} is phase {best}, {curve[best]:.0f} ml."
        accepted = report.limits.extreme_phase_percent
        shown = index if percent <= accepted[1] else best
        report.add("extreme_phases", phase, text, value=percent, limits=accepted, phase_index=shown)
