"""Checks of labels against the consensus protocol: what is wrong, and where."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass

import numpy as np
from scipy import ndimage

from ..errors import LabelError
from ..grid import BACKGROUND, BLOOD_POOL, LVM, Grid, require_labels
from ..measures import ejection_fraction, mass_g, volumes_ml
from .axes import LVAxes, find_axes
from .protocol import Protocol
from .repair import count_defects
from .wall import beyond_base, papillary_wall, wall_thickness


@dataclass(frozen=True)
class Finding:
    """The outcome of one check.

    Parameters
    ----------
    rule : str
        Identifier of the protocol's rule.
    check : str
        What was checked, one of `protocol.CHECKS`.
    passed : bool or None
        None = not applicable (for example a check of ED against ES with one phase labelled).
    phase : str
        ``"ED"``, ``"ES"`` or ``"ED and ES"``.
    message : str
        One sentence for the reader.
    where_ras : tuple of float or None
        Where to look, RAS mm.
    value : float or None
        What was measured, in the unit of the limits.
    limits : tuple of float or None
        Lowest and highest value accepted.
    """

    rule: str
    check: str
    passed: bool | None
    phase: str
    message: str
    where_ras: tuple[float, float, float] | None = None
    value: float | None = None
    limits: tuple[float, float] | None = None

    def as_dict(self) -> dict[str, object]:
        """Return the finding for JSON."""
        return asdict(self)


def check_labels(
    ed_labels: np.ndarray | None,
    es_labels: np.ndarray | None,
    grid: Grid,
    protocol: Protocol,
    *,
    volume_curve: Mapping[int, float] | None = None,
    ed: int | None = None,
    es: int | None = None,
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
        Phase index of the labels, for the volume curve.

    Returns
    -------
    list of Finding
        Every check of every phase, in the protocol's order of checks; passed ones too.

    Raises
    ------
    LabelError
        Values outside {0, 1, 2}, or both phases are missing or empty.
    """
    given = {"ED": ed_labels, "ES": es_labels}
    phases = {name: require_labels(labels, f"labels at {name}") for name, labels in given.items() if labels is not None}
    if not phases:
        raise LabelError(
            "case", expected="labels at ED or ES", found="none", remedy="Predict the case, or draw one phase first."
        )
    report = _Report(protocol)
    for phase, labels in phases.items():
        _check_shape(report, phase, labels, grid)
        _check_amount(report, phase, labels, grid)
    _check_cycle(report, phases, grid)
    _check_extremes(report, volume_curve, {"ED": ed, "ES": es})
    return report.findings


class _Report:
    """Collects findings under the rules of a protocol."""

    def __init__(self, protocol: Protocol) -> None:
        self.limits, self._protocol = protocol.limits, protocol
        self.findings: list[Finding] = []

    def add(
        self,
        check: str,
        phase: str,
        message: str,
        *,
        value: float | None = None,
        limits: tuple[float, float] | None = None,
        where: np.ndarray | None = None,
    ) -> None:
        """Add a finding; it passes if the value is within the limits, and without a value it is not applicable."""
        rule = self._protocol.rule_of(check)
        if rule is None:
            return
        passed = None if value is None or limits is None else bool(limits[0] <= value <= limits[1])
        place = None if where is None or passed else tuple(round(float(x), 2) for x in where)
        self.findings.append(Finding(rule.id, check, passed, phase, message, place, value, limits))


def _centre(mask: np.ndarray, grid: Grid) -> np.ndarray | None:
    """Centre (3,) RAS mm of the largest piece of a mask, on a voxel of it."""
    pieces, count = ndimage.label(mask, structure=np.ones((3, 3, 3)))
    if not count:
        return None
    sizes = np.bincount(pieces.ravel())
    sizes[0] = 0
    voxels = np.argwhere(pieces == sizes.argmax())[:, ::-1]
    return grid.to_ras(voxels[np.argmin(np.linalg.norm(voxels - voxels.mean(axis=0), axis=1))])


def _check_shape(report: _Report, phase: str, labels: np.ndarray, grid: Grid) -> None:
    box = ndimage.find_objects((labels > 0).astype(np.uint8))[0]
    box = tuple(slice(max(side.start - 1, 0), side.stop + 1) for side in box)
    labels, grid = labels[box], grid.cropped(tuple(side.start for side in box), labels[box].shape)
    limits, voxel_ml = report.limits, grid.voxel_volume / 1000.0
    muscle = papillary_wall(labels)
    amount = float(muscle.sum() * voxel_ml)
    text = f"{amount:.2f} ml of myocardium lies inside the cavity."
    report.add(
        "papillary_inside", phase, text, value=amount, limits=limits.papillary_inside_ml, where=_centre(muscle, grid)
    )
    axes = _axes(labels, grid)
    _check_base(report, phase, labels, grid, axes)
    _check_wall(report, phase, labels, grid, axes)
    holes, gaps, defects = count_defects(labels, grid)
    where = _centre(defects, grid)
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


def _check_base(report: _Report, phase: str, labels: np.ndarray, grid: Grid, axes: LVAxes | None) -> None:
    limits = report.limits
    found = None if axes is None else beyond_base(labels, grid, axes, tolerance_mm=limits.base_tolerance_mm)
    if found is None:
        report.add("base_truncated", phase, "No base was found; the cavity or the wall is missing.")
        return
    mask, reach = found
    percent = 100.0 * mask.sum() / max(int((labels == BLOOD_POOL).sum()), 1)
    text = f"{percent:.1f} % of the cavity lies beyond the annulus, up to {reach:.0f} mm."
    where = _centre(mask, grid)
    report.add("base_truncated", phase, text, value=percent, limits=limits.beyond_base_percent, where=where)


def _check_wall(report: _Report, phase: str, labels: np.ndarray, grid: Grid, axes: LVAxes | None) -> None:
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
    report.add("wall_closed", phase, text, value=area, limits=limits.open_wall_mm2, where=_centre(open_wall, grid))


def _check_components(report: _Report, phase: str, labels: np.ndarray, grid: Grid) -> None:
    extra, islands = 0, np.zeros(labels.shape, dtype=bool)
    for label in (BLOOD_POOL, LVM):
        pieces, count = ndimage.label(labels == label, structure=np.ones((3, 3, 3)))
        if count > 1:
            sizes = np.bincount(pieces.ravel())
            sizes[0] = 0
            extra += count - 1
            islands |= (pieces > 0) & (pieces != sizes.argmax())
    amount = float(islands.sum() * grid.voxel_volume / 1000.0)
    text = f"{extra} detached piece(s) of blood pool or myocardium, {amount:.2f} ml."
    where = _centre(islands, grid)
    report.add("components", phase, text, value=amount, limits=report.limits.detached_ml, where=where)


def _check_thickness(report: _Report, phase: str, labels: np.ndarray, grid: Grid, axes: LVAxes | None) -> None:
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
        report.add("thickness", phase, text, value=value, limits=accepted, where=_centre(labels == LVM, grid))


def _check_amount(report: _Report, phase: str, labels: np.ndarray, grid: Grid) -> None:
    volumes, limits = volumes_ml(labels, grid), report.limits
    accepted = limits.cavity_ed_ml if phase == "ED" else limits.cavity_es_ml
    cavity, mass = volumes[BLOOD_POOL], mass_g(volumes[LVM])
    where = _centre(labels > 0, grid)
    report.add("volume", phase, f"Cavity {cavity:.0f} ml.", value=cavity, limits=accepted, where=where)
    report.add("mass", phase, f"Myocardial mass {mass:.0f} g.", value=mass, limits=limits.mass_g, where=where)


def _check_cycle(report: _Report, phases: dict[str, np.ndarray], grid: Grid) -> None:
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


def _check_extremes(report: _Report, curve: Mapping[int, float] | None, chosen: dict[str, int | None]) -> None:
    for phase, index in chosen.items():
        if not curve or index is None or index not in curve:
            report.add("extreme_phases", phase, "Not applicable: no volume curve for this phase.")
            continue
        best = max(curve, key=curve.get) if phase == "ED" else min(curve, key=curve.get)
        largest = max(*curve.values(), 1e-9)
        percent = 100.0 * abs(curve[best] - curve[index]) / largest
        kind = "largest" if phase == "ED" else "smallest"
        text = f"{phase} is phase {index}, {curve[index]:.0f} ml; the {kind} is phase {best}, {curve[best]:.0f} ml."
        report.add("extreme_phases", phase, text, value=percent, limits=report.limits.extreme_phase_percent)
