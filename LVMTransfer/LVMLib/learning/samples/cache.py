"""Pairs at the model's spacing, memory-mapped: a crop touches only its own pages."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from ...cohort import Pair
from ...errors import PairError
from ...files import atomic_folder, write_json
from ...grid import BLOOD_POOL, LVM, Grid, require_labels
from ...progress import Progress, silent
from ..workers import Workers
from .working_grid import labels_to_working, to_working, working_grid

_FORMAT = 1
_POINTS = 4000


@dataclass(frozen=True)
class CachedPair:
    """One pair on the working grid.

    Parameters
    ----------
    folder : Path
        Holds ``image.npy`` (T, Z, Y, X) int16 HU, ``mask.npy`` (L, Z, Y, X) uint8 of the labelled phases only,
        ``points.npy`` (L, N, 3) int16 voxels (z, y, x) of the left ventricle, and ``case.json``.
    id : str
        Name of the case.
    labelled_phases : tuple of int
        Phase of each mask.
    grid : Grid
        Working grid.
    blood_hu, wall_hu : float
        Median HU of the LV blood pool and of the LVM.
    phantom : bool
        Whether the image is synthetic.
    """

    folder: Path
    id: str
    labelled_phases: tuple[int, ...]
    grid: Grid
    blood_hu: float
    wall_hu: float
    phantom: bool

    @classmethod
    def open(cls, folder: Path) -> CachedPair:
        """Open a case that `cache_pair` made."""
        facts = json.loads((folder / "case.json").read_text(encoding="utf-8"))
        return cls(
            folder=folder,
            id=facts["id"],
            labelled_phases=tuple(facts["labelled_phases"]),
            grid=Grid(tuple(facts["shape"]), np.array(facts["affine"])),
            blood_hu=facts["blood_hu"],
            wall_hu=facts["wall_hu"],
            phantom=facts["phantom"],
        )

    # Mapped anew at every use: the pages of a closed map do not count as memory of this process.
    @property
    def image(self) -> np.ndarray:
        """HU, ``(T, Z, Y, X)`` int16, memory-mapped."""
        return np.load(self.folder / "image.npy", mmap_mode="r")

    @property
    def mask(self) -> np.ndarray:
        """Labels of the labelled phases, ``(L, Z, Y, X)`` uint8, memory-mapped."""
        return np.load(self.folder / "mask.npy", mmap_mode="r")

    @property
    def points(self) -> np.ndarray:
        """Voxels of the left ventricle, ``(L, N, 3)`` int16."""
        return np.load(self.folder / "points.npy")


def cache_pairs(
    pairs: list[Pair], spacing_mm: float, folder: str | Path, *, progress: Progress = silent
) -> list[CachedPair]:
    """Bring every pair to the working grid, a few at a time; what is there already is kept.

    Raises
    ------
    PairError
        A pair without labelled phase, with labels on the wrong phase, or whose labels vanish at this spacing.
    """
    cached = []
    with Workers() as workers:
        prepared = workers.map(lambda pair: cache_pair(pair, spacing_mm, Path(folder)), pairs)
        for number, case in enumerate(prepared, start=1):
            progress(number / len(pairs), f"prepared case {case.id}")
            cached.append(case)
    progress(1.0, "cases prepared")
    return cached


def cache_pair(pair: Pair, spacing_mm: float, folder: Path) -> CachedPair:
    """Bring one pair to the working grid; named by its content, so that a changed pair is prepared anew."""
    target = folder / f"{pair.id}-{_key(pair, spacing_mm)}"
    if not (target / "case.json").is_file():
        with atomic_folder(target, replaces="image.npy") as temporary:
            _write(pair, spacing_mm, temporary)
    return CachedPair.open(target)


def _key(pair: Pair, spacing_mm: float) -> str:
    text = f"{_FORMAT} {spacing_mm:.4f} {pair.manifest.model_dump_json()}"
    return hashlib.sha256(text.encode()).hexdigest()[:16]


def _write(pair: Pair, spacing_mm: float, folder: Path) -> None:
    require_labelled(pair)
    grid = working_grid(pair.grid, spacing_mm)
    phases = tuple(pair.labelled_phases)
    native = pair.read_mask()
    _require_systole_smaller(pair, native)
    masks = np.stack([labels_to_working(native[t], pair.grid, grid) for t in phases])
    del native
    blood, wall = [], []

    def frames() -> Iterator[np.ndarray]:
        for t, frame in enumerate(pair.image()):
            image = to_working(frame, pair.grid, grid)
            if t in phases:
                mask = masks[phases.index(t)]
                require_labels(mask, f"{pair.folder}, phase {t} at {spacing_mm} mm")
                blood.append(_median(image[mask == BLOOD_POOL]))
                wall.append(_median(image[mask == LVM]))
            yield image

    _save(folder / "image.npy", frames(), (pair.phases, *grid.shape), np.int16)
    _save(folder / "mask.npy", masks, masks.shape, np.uint8)
    _save(folder / "points.npy", map(_points, masks), (len(masks), _POINTS, 3), np.int16)
    facts = {
        "id": pair.id,
        "labelled_phases": list(phases),
        "shape": list(grid.shape),
        "affine": grid.affine.tolist(),
        "blood_hu": float(np.nanmedian(blood)),
        "wall_hu": float(np.nanmedian(wall)),
        "phantom": bool(pair.is_phantom),
    }
    write_json(folder / "case.json", facts)


def _save(path: Path, parts: Iterable[np.ndarray], shape: tuple[int, ...], dtype: type) -> None:
    """Write a ``.npy`` part by part; a memory map that is written to would end in a bus error on a full disk."""
    with open(path, "wb") as stream:
        header = {"descr": np.dtype(dtype).str, "fortran_order": False, "shape": shape}
        np.lib.format.write_array_header_1_0(stream, header)
        for part in parts:
            stream.write(memoryview(np.ascontiguousarray(part, dtype=dtype)).cast("B"))


def require_labelled(pair: Pair) -> None:
    """Raise `PairError` for a pair without a labelled phase."""
    if not pair.labelled_phases:
        raise PairError(
            pair.folder,
            expected="at least one labelled phase",
            found="none",
            remedy="Label ED and ES, and export the case again.",
        )


def _require_systole_smaller(pair: Pair, labels: np.ndarray) -> None:
    """Raise `PairError` where the cavity is larger at ES than at ED: the labels lie on the wrong phases."""
    if pair.ed == pair.es or not {pair.ed, pair.es} <= set(pair.labelled_phases):
        return
    ed, es = (np.count_nonzero(labels[t] == BLOOD_POOL) * pair.grid.voxel_volume / 1000 for t in (pair.ed, pair.es))
    if ed < es:
        raise PairError(
            pair.folder,
            expected=f"a cavity that is smaller at ES (phase {pair.es}) than at ED (phase {pair.ed})",
            found=f"{es:.0f} ml at ES and {ed:.0f} ml at ED",
            remedy="The labels lie on the wrong phases, or ED and ES are exchanged: correct the case and export again.",
        )


def _median(values: np.ndarray) -> float:
    return float(np.median(values)) if len(values) else float("nan")


def _points(mask: np.ndarray) -> np.ndarray:
    """Return `_POINTS` voxels spread over the left ventricle, repeated where it is smaller."""
    voxels = np.argwhere(mask > 0)
    return voxels[np.linspace(0, len(voxels) - 1, _POINTS).astype(int)].astype(np.int16)
