"""From a label map as it comes to a cropped, upright, checked one."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy import ndimage

from ...errors import LabelError, ThicknessError
from ...grid import BLOOD_POOL, LVM, Grid, require_labels
from ...pieces import pieces_of
from .base import Base, find_base, given_base
from .lid import numbers
from .scan import below_base, survey

# A second blood pool of this part of the first one is another ventricle, not a pocket between trabeculae.
SECOND_POOL = 0.1
# Voxels about the heart: the solver and the extrapolated field reach no farther than this from the surface; beyond the
# base the mirrored mask must reach as far as the blur.
MARGIN, MARGIN_BEYOND = 7, 4
# No ventricle is open over more of its blood pool's surface: the labels are exchanged, or the wall is missing.
MOST_BARE = 0.5
# Cosine between a given base plane's normal and that of the mask's own opening; below, the plane is upside down.
UPSIDE_DOWN = -0.5
# Millilitres of blood pool and wall together. Those of a newborn have 5 to 10, the largest hearts 1500: outside, the
# voxel size is in metres, centimetres or micrometres, or one of its three numbers is.
LEAST_ML, MOST_ML = 1.0, 3000.0
# So far beyond the base, mm, the wall is continued and Laplace's equation solved: see `continuation`.
BEYOND_MM = 6.0


@dataclass(frozen=True, eq=False)
class Prepared:
    """A label map that is ready to be measured.

    Parameters
    ----------
    labels : ndarray (Z, Y, X) uint8
        Cropped, axes permuted so that the base lies towards the last layers; enclosed background filled.
    filled : ndarray (Z, Y, X) bool
        Enclosed background voxels that were filled.
    spacing : ndarray (3,)
        Voxel size along x, y, z, mm.
    affine : ndarray (4, 4)
        Index ``(i, j, k)`` of ``labels`` to RAS mm.
    to_source : ndarray (4, 4)
        Index ``(i, j, k)`` of ``labels`` to the index of the caller's array.
    base : Base or None
        In the frame ``index * spacing``.
    opening : ndarray (N, 3)
        Faces of the blood pool that form the opening of the ventricle, mm, ``index * spacing``.
    hole_faces : ndarray (M, 3)
        The same for the holes in the wall.
    findings : dict
        What was found: components, holes, filled voxels, and whether the base was given or found.
    """

    labels: np.ndarray
    filled: np.ndarray
    spacing: np.ndarray
    affine: np.ndarray
    to_source: np.ndarray
    base: Base | None
    opening: np.ndarray
    hole_faces: np.ndarray
    findings: dict


def prepare(labels: np.ndarray, affine: np.ndarray, base_plane, base_curves=None) -> Prepared:
    """Check, crop and turn a label map; find its base.

    Raises
    ------
    GridError
        The affine is sheared, not finite or not invertible.
    LabelError
        Values outside {0, 1, 2}, or an array that is not 3D.
    ThicknessError
        No blood pool, no wall, two ventricles, a ventricle of impossible size, or a base plane that misses the heart.
    """
    labels, box = _checked(labels, affine)
    cropped, start = _crop(labels, box, 2)
    shift = np.eye(4)
    shift[:3, 3] = start
    cropped, filled, findings = _fill_enclosed(cropped)
    findings.update(_components(cropped))
    grid = Grid(cropped.shape, np.asarray(affine, float) @ shift)
    spacing = grid.spacing
    rotation, translation = grid.directions, grid.affine[:3, 3]
    found, opening, hole_faces, holes, bare = find_base(cropped, spacing)
    base = given_base(base_plane, base_curves, lambda: _pool_centre(cropped, grid))
    if base is None:
        _require_wall_around(bare)
        base, how = found, "closed" if found is None else "found"
    else:
        base, how = _upright(base.moved(rotation.T, -rotation.T @ translation), found), "given"
    findings.update(base=how, wall_openings=holes)
    turn = _turn(base, cropped.shape)
    cropped, filled = _permuted(cropped, turn), _permuted(filled, turn)
    grid = Grid(cropped.shape, grid.affine @ turn)
    if base is not None:
        local = grid.directions.T @ rotation
        offset = grid.directions.T @ (translation - grid.affine[:3, 3])
        base, opening = base.moved(local, offset), opening @ local.T + offset
        hole_faces = hole_faces @ local.T + offset
    labels_out, filled, pad = _recrop(cropped, filled, grid.spacing, base, given=how == "given")
    if base is not None:
        base = base.moved(np.eye(3), -pad[:3, 3] * grid.spacing)
    start = pad[:3, 3] * grid.spacing
    return Prepared(
        labels_out,
        filled,
        grid.spacing,
        grid.affine @ pad,
        shift @ turn @ pad,
        base,
        opening - start,
        hole_faces - start,
        findings,
    )


def _pool_centre(labels, grid):
    """Centre of the blood pool, RAS mm."""
    return grid.affine[:3, :3] @ np.argwhere(labels == BLOOD_POOL).mean(axis=0)[::-1] + grid.affine[:3, 3]


def _checked(labels, affine):
    labels = np.asarray(labels)
    if labels.ndim != 3:
        raise LabelError(
            "label map",
            expected="a 3D array (Z, Y, X)",
            found=f"{labels.ndim} dimensions",
            remedy="Pass one phase at a time.",
        )
    affine = np.asarray(affine, float)
    if affine.shape != (4, 4):
        raise ThicknessError(
            "affine",
            expected="a (4, 4) matrix from voxel index to RAS mm",
            found=f"shape {affine.shape}",
            remedy="Pass the image's voxel-to-RAS matrix.",
        )
    Grid(labels.shape, affine).require_orthogonal("label map")
    if labels.dtype != np.uint8:
        labels = require_labels(labels, "label map", allow_empty=True)
    counts, box = survey(labels)
    if counts[LVM + 1 :].any():
        require_labels(labels, "label map", allow_empty=True)
    for value, name, remedy in (
        (LVM, "LV myocardium (label 2)", "Segment the myocardium first."),
        (BLOOD_POOL, "LV blood pool (label 1)", "Segment the blood pool first: its surface is the endocardium."),
    ):
        if counts[value] == 0:
            raise ThicknessError("label map", expected=name, found="not one voxel of it", remedy=remedy)
    _require_size(counts[BLOOD_POOL] + counts[LVM], box, affine)
    return labels, box


def _require_size(voxels, box, affine):
    """Refuse a ventricle of a size that no heart has: its voxel size has another unit, or belongs to another image."""
    spacing = np.linalg.norm(affine[:3, :3], axis=0)
    volume = float(voxels * spacing.prod() / 1000.0)
    if LEAST_ML <= volume <= MOST_ML:
        return
    extent = (box[:, 1] - box[:, 0])[::-1] * spacing
    size, step = (" x ".join(f"{each:.3g}" for each in mm) for mm in (extent, spacing))
    raise ThicknessError(
        "label map",
        expected=f"a left ventricle of {LEAST_ML:g} to {MOST_ML:g} ml, wall included",
        found=f"{volume:.3g} ml, {size} mm, by voxels of {step} mm",
        remedy="Give the image its voxel size in mm; label the whole ventricle, not a few slices of it.",
    )


def _crop(volume, bounds, margin, beyond=0):
    """Crop to a box with ``margin`` voxels of zeros about it, ``beyond`` more after the last layer."""
    shape = [high - low + 2 * margin for low, high in bounds]
    shape[0] += beyond
    out = np.zeros(shape, volume.dtype)
    source, target = [], []
    for (low, _), size, length in zip(bounds, volume.shape, shape):
        first, last = max(low - margin, 0), min(low - margin + length, size)
        source.append(slice(first, last))
        target.append(slice(first - low + margin, last - low + margin))
    out[tuple(target)] = volume[tuple(source)]
    return out, np.array([low - margin for low, _ in bounds])[::-1]


def _fill_enclosed(labels):
    """Fill background that is enclosed by labels: in the blood pool with blood, elsewhere with wall."""
    background, count = ndimage.label(labels == 0)
    filled = np.zeros(labels.shape, bool)
    findings = {"enclosed_holes": max(count - 1, 0), "filled_voxels": 0}
    if count <= 1:
        return labels, filled, findings
    labels = labels.copy()
    outer = background[0, 0, 0]
    for number, box in enumerate(ndimage.find_objects(background), start=1):
        if number == outer:
            continue
        box = tuple(slice(s.start - 1, s.stop + 1) for s in box)
        hole = background[box] == number
        ring = ndimage.binary_dilation(hole) & ~hole
        touches_wall = (labels[box][ring] == LVM).any()
        labels[box][hole] = LVM if touches_wall else BLOOD_POOL
        filled[box] |= hole & touches_wall
        findings["filled_voxels"] += int(hole.sum())
    return labels, filled, findings


def _components(labels):
    _, walls = ndimage.label(labels == LVM, np.ones((3, 3, 3)))
    _, sizes = pieces_of(labels == BLOOD_POOL, corners=True)
    count, sizes = len(sizes) - 1, np.sort(sizes[1:])[::-1]
    if count > 1 and sizes[1] >= SECOND_POOL * sizes[0]:
        raise ThicknessError(
            "label map",
            expected="one blood pool (label 1)",
            found=f"{count} separate ones, the second with {sizes[1] / sizes[0]:.0%} of the first",
            remedy="Keep the left ventricle only: in Slicer's Segment Editor, Islands, Keep selected island.",
        )
    return {"wall_components": int(walls), "pool_components": count}


def _turn(base, shape):
    """Index map (4, 4) from an array whose base lies towards its last layers to the present one."""
    turn = np.eye(4)
    if base is None:
        return turn
    normal = base.axes[2]
    axis = int(np.argmax(np.abs(normal)))
    order = [a for a in range(3) if a != axis] + [axis]
    turn[:3, :3] = np.eye(3)[:, order]
    if normal[axis] < 0:
        turn[axis, 2] = -1
        turn[axis, 3] = shape[2 - axis] - 1
    return turn


def _permuted(volume, turn):
    order = [int(np.argmax(np.abs(turn[:3, column]))) for column in range(3)]
    out = volume.transpose([2 - order[2], 2 - order[1], 2 - order[0]])
    return np.ascontiguousarray(out[::-1] if turn[order[2], 2] < 0 else out)


def _require_wall_around(bare):
    if bare <= MOST_BARE:
        return
    raise ThicknessError(
        "label map",
        expected="LV myocardium (label 2) around the LV blood pool (label 1), open at the base only",
        found=f"{bare:.0%} of the blood pool's surface without myocardium",
        remedy="Check that 1 is the blood pool and 2 the myocardium; draw what is missing of the wall, or give a base.",
    )


def _upright(base, found):
    if found is None or base.axes[2] @ found.axes[2] >= UPSIDE_DOWN:
        return base
    raise ThicknessError(
        "base plane",
        expected="a normal away from the apex",
        found="one that points away from the opening of the ventricle, towards the apex",
        remedy="Flip the normal; without a plane the base is found from the mask.",
    )


def _require_hit(below, total, highest, step, given):
    if below > 0.02 * total and highest > -2 * step:
        return
    if not given:
        raise ThicknessError(
            "label map",
            expected="a wall below the base, that is where the blood pool touches the background",
            found="next to none",
            remedy="Label the whole ventricle, not a few slices of it; or give the base as a plane or as valve curves.",
        )
    where = "above it" if below <= 0.02 * total else f"{-highest:.0f} mm below it"
    raise ThicknessError(
        "base plane",
        expected="a plane through the base of the wall, its normal away from the apex",
        found=f"the wall lies {where}: the plane misses the heart",
        remedy="Move the plane to the mitral annulus or flip its normal; without a plane it is found from the mask.",
    )


def _recrop(labels, filled, spacing, base, *, given):
    """Crop to what lies below the base, with a margin for the blur; refuse a base that misses the wall."""
    if base is None:
        box, beyond = survey(labels)[1], 0
    else:
        step, beyond = spacing.max(), MARGIN_BEYOND + round(BEYOND_MM / spacing[2])
        box, wall = below_base(labels, numbers(spacing), base.frame, base.lid, step)
        _require_hit(*wall, step, given)
    out, start = _crop(labels, box, MARGIN, beyond)
    holes = _crop(filled, box, MARGIN, beyond)[0]
    pad = np.eye(4)
    pad[:3, 3] = start
    return out, holes, pad
