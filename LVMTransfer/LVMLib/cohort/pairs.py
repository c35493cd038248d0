"""Image-mask pairs: what training reads, and what ITK-SNAP and nnU-Net open as well."""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from ..errors import PairError
from ..files import atomic_folder, sha256
from ..grid import Grid, require_labels
from ..imaging import Sequence, uniform_rr_percent, write_sequence_nifti
from ..imaging.nifti import open_nifti
from ..progress import Progress, silent
from .case import require_name
from .manifest import PairManifest, read_manifest, write_manifest

IMAGE_NAME, MASK_NAME, MANIFEST_NAME = "image.nii.gz", "mask.nii.gz", "pair.json"


@dataclass(frozen=True)
class Pair:
    """A 4D image and its sparsely labelled mask on one grid.

    Phases that are not in ``labelled_phases`` are zero in the mask and mean "not labelled", never "background".

    Parameters
    ----------
    folder : Path
        ``pairs/<id>``.
    manifest : PairManifest
        ``pair.json``.
    """

    folder: Path
    manifest: PairManifest

    @classmethod
    def open(cls, folder: str | os.PathLike) -> Pair:
        """Open a pair and compare the two files' grids; voxels are read later.

        Raises
        ------
        PairError
            Missing, damaged, or not the number of phases that ``pair.json`` says.
        ImageError
            A file is truncated.
        GridError
            The mask or the image lies on another grid.
        """
        folder = Path(folder)
        manifest = read_manifest(folder / MANIFEST_NAME, PairManifest, PairError)
        pair = cls(folder, manifest)
        for name in (IMAGE_NAME, MASK_NAME):
            frames, grid = open_nifti(folder / name)
            pair.grid.require_match(grid, folder / name)
            if len(frames) != manifest.phases:
                raise PairError(
                    folder / name,
                    expected=f"{manifest.phases} phases",
                    found=f"{len(frames)}",
                    remedy="Export the pair again.",
                )
        return pair

    @property
    def id(self) -> str:
        """Name of the case."""
        return self.manifest.id

    @property
    def grid(self) -> Grid:
        """Grid of image and mask, RAS mm."""
        return Grid(self.manifest.shape, np.array(self.manifest.affine))

    @property
    def phases(self) -> int:
        """Number of phases."""
        return self.manifest.phases

    @property
    def labelled_phases(self) -> tuple[int, ...]:
        """Phases with labels, in order."""
        return self.manifest.labelled_phases

    @property
    def rr_percent(self) -> tuple[float, ...]:
        """R-R percentage of each phase."""
        return self.manifest.rr_percent

    @property
    def ed(self) -> int | None:
        """Phase index of end-diastole, or None."""
        return self.manifest.ed

    @property
    def es(self) -> int | None:
        """Phase index of end-systole, or None."""
        return self.manifest.es

    @property
    def is_phantom(self) -> bool:
        """Whether the image is synthetic."""
        return self.manifest.phantom

    def image(self) -> Sequence:
        """Open the image; phases are read when asked for."""
        frames, _ = open_nifti(self.folder / IMAGE_NAME)
        return Sequence(self.grid, frames, self.rr_percent, {"phantom": self.is_phantom}, str(self.folder / IMAGE_NAME))

    def read_image(self) -> np.ndarray:
        """Return the whole image, ``(T, Z, Y, X)`` int16, HU."""
        volume = np.empty((self.phases, *self.manifest.shape), dtype=np.int16)
        for t, frame in enumerate(self.image()):
            volume[t] = frame
        return volume

    def read_mask(self) -> np.ndarray:
        """Return the mask, ``(T, Z, Y, X)`` uint8, zero where not labelled.

        Raises
        ------
        LabelError
            Values outside {0, 1, 2}, or a labelled phase that is empty.
        PairError
            Labels in a phase that ``pair.json`` does not name.
        """
        path = self.folder / MASK_NAME
        frames, _ = open_nifti(path)
        mask = np.zeros((self.phases, *self.manifest.shape), dtype=np.uint8)
        for t in range(self.phases):
            labelled = t in self.labelled_phases
            mask[t] = require_labels(frames.frame(t), f"{path}, phase {t}", allow_empty=not labelled)
            if not labelled and mask[t].any():
                raise PairError(
                    path,
                    expected=f"labels in phases {list(self.labelled_phases)} only, as pair.json says",
                    found=f"labels in phase {t}",
                    remedy="Export the pair again, or add the phase to labelled_phases if it is complete.",
                )
        return mask

    def altered_files(self) -> list[str]:
        """Return the files whose content is not what was exported."""
        return [name for name, digest in self.manifest.sha256.items() if sha256(self.folder / name) != digest]


def write_pair(
    pairs_dir: str | os.PathLike,
    case_id: str,
    image_frames: Iterable[np.ndarray],
    masks: Mapping[int, np.ndarray] | np.ndarray,
    grid: Grid,
    *,
    labelled_phases: Iterable[int] | None = None,
    rr_percent: tuple[float, ...] = (),
    phases: int | None = None,
    progress: Progress = silent,
    **facts: object,
) -> Pair:
    """Write an image-mask pair; its folder appears whole or not at all, in place of an earlier one.

    Parameters
    ----------
    pairs_dir : path
        Folder of all pairs.
    case_id : str
        Name of the pair.
    image_frames : iterable of ndarray (Z, Y, X)
        HU of each phase, taken one at a time; ``(T, Z, Y, X)`` is fine.
    masks : mapping of int to ndarray (Z, Y, X), or ndarray (T, Z, Y, X)
        Labels of each labelled phase.
    grid : Grid
        Grid of all of them.
    labelled_phases : iterable of int, optional
        None = the keys of ``masks``.
    rr_percent : tuple of float
        R-R percentage of each phase; empty = uniform.
    phases : int, optional
        Number of phases, where ``image_frames`` is a generator and ``rr_percent`` is empty.
    **facts
        Further fields of `PairManifest`: ed, es, site, protocol_version, checks, readers, phantom.

    Raises
    ------
    LabelError
        A labelled phase is empty or holds values outside {0, 1, 2}.
    ImageError
        A frame has another shape, or there are fewer than announced.
    PairError
        No labelled phase.
    StorageError
        The disk is full or read-only.
    """
    require_name(case_id, "pair")
    count = phases or len(rr_percent) or len(image_frames)  # type: ignore[arg-type]
    chosen = masks.keys() if labelled_phases is None and isinstance(masks, Mapping) else labelled_phases
    labels = _required_labels(case_id, masks, chosen, grid, count)
    folder = Path(pairs_dir) / case_id
    with atomic_folder(folder, replaces=MANIFEST_NAME) as temporary:
        image = write_sequence_nifti(
            temporary / IMAGE_NAME, _reported(image_frames, count, progress), grid, phases=count
        )
        empty = np.zeros(grid.shape, dtype=np.uint8)
        frames = (labels.get(t, empty) for t in range(count))
        mask = write_sequence_nifti(temporary / MASK_NAME, frames, grid, dtype=np.uint8, phases=count)
        manifest = PairManifest(
            id=case_id,
            shape=grid.shape,
            affine=tuple(tuple(float(x) for x in row) for row in grid.affine),
            spacing_mm=tuple(float(x) for x in grid.spacing),
            phases=count,
            rr_percent=rr_percent or uniform_rr_percent(count),
            labelled_phases=tuple(sorted(labels)),
            sha256={IMAGE_NAME: image, MASK_NAME: mask},
            **facts,
        )
        write_manifest(temporary / MANIFEST_NAME, manifest)
    return Pair(folder, manifest)


def open_pairs(pairs_dir: str | os.PathLike) -> list[Pair]:
    """Open all pairs of a folder, sorted by name.

    Raises
    ------
    PairError
        No pair there, or one is damaged.
    """
    folders = sorted(path.parent for path in Path(pairs_dir).glob(f"[!.]*/{MANIFEST_NAME}"))
    if not folders:
        raise PairError(
            pairs_dir,
            expected="folders with pair.json, image.nii.gz and mask.nii.gz",
            found="none" if Path(pairs_dir).is_dir() else "no such folder",
            remedy="Make them with 'lvm export COHORT PAIRS'.",
        )
    return [Pair.open(folder) for folder in folders]


def _required_labels(
    case_id: str, masks: Mapping[int, np.ndarray] | np.ndarray, chosen: Iterable[int] | None, grid: Grid, count: int
) -> dict[int, np.ndarray]:
    phases = sorted({int(t) for t in chosen}) if chosen is not None else []
    if not phases or phases[0] < 0 or phases[-1] >= count:
        raise PairError(
            f"pair {case_id}",
            expected=f"labelled phases between 0 and {count - 1}",
            found=str(phases or "none"),
            remedy="Label ED and ES before exporting.",
        )
    labels = {}
    for t in phases:
        where = f"pair {case_id}, phase {t}"
        labels[t] = require_labels(masks[t], where)
        grid.require_match(Grid(labels[t].shape, grid.affine), where)
    return labels


def _reported(frames: Iterable[np.ndarray], count: int, progress: Progress) -> Iterator[np.ndarray]:
    for t, frame in enumerate(frames):
        progress(t / count, f"phase {t + 1} of {count}")
        yield frame
