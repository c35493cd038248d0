"""One patient's 4D CT on disk, with the labels of each reader."""

from __future__ import annotations

import logging
import os
import re
from collections.abc import Mapping
from pathlib import Path

import numpy as np

from ..annotation import read_valve_curves, write_valve_curves
from ..errors import CohortError, LabelError
from ..files import sha256, storage_errors
from ..grid import Grid, require_labels
from ..imaging import Sequence, read_segmentation, write_segmentation
from ..imaging.nifti import open_nifti
from .lock import writing
from .manifest import CaseManifest, CohortManifest, read_manifest, write_manifest

log = logging.getLogger(__name__)

IMAGE_NAME = "image.nii"
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}")


class Case:
    """A case folder: ``case.json``, ``image.nii``, ``labels/<reader>/<phase>.seg.nrrd``.

    Parameters
    ----------
    folder : path
        The case folder.
    cohort : CohortManifest
        What the cohort says about site and protocol.

    Raises
    ------
    CohortError
        The manifest is missing or damaged.
    """

    def __init__(self, folder: str | os.PathLike, cohort: CohortManifest) -> None:
        self.folder, self.cohort = Path(folder), cohort
        self.manifest = read_manifest(self.folder / "case.json", CaseManifest, CohortError)

    @property
    def id(self) -> str:
        """Name of the case, without patient identity."""
        return self.manifest.id

    @property
    def grid(self) -> Grid:
        """Grid of the image, RAS mm."""
        return Grid(self.manifest.shape, np.array(self.manifest.affine))

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
        return self.manifest.provenance.phantom

    def image(self) -> Sequence:
        """Open the 4D image; phases are read when asked for.

        Raises
        ------
        ImageError
            The image is truncated.
        """
        frames, _ = open_nifti(self.folder / IMAGE_NAME)
        info = self.manifest.scanner.model_dump(exclude_none=True) | {"phantom": self.is_phantom}
        return Sequence(self.grid, frames, self.rr_percent, info, str(self.folder / IMAGE_NAME))

    def set_phases(self, *, ed: int, es: int) -> None:
        """Set ED and ES by hand or from a proposal.

        Raises
        ------
        CohortError
            The case has no such phase.
        """
        for name, phase in (("ED", ed), ("ES", es)):
            self._require_phase(phase, name)
        self._update(ed=int(ed), es=int(es))

    def write_labels(self, reader: str, phase: int, labels: np.ndarray) -> Path:
        """Write a reader's labels of one phase, atomically, in place of earlier ones.

        Parameters
        ----------
        reader : str
            Letters, digits, '.', '_' and '-'.
        phase : int
            Phase index.
        labels : ndarray (Z, Y, X) uint8
            0 background, 1 LV blood pool, 2 LV myocardium, on the image's grid.

        Returns
        -------
        Path
            The segmentation file.

        Raises
        ------
        LabelError
            Another shape, other values, or an empty mask.
        CohortError
            No such phase, or a reader's name that cannot be a folder.
        StorageError
            The disk is full or read-only.
        """
        path = self.labels_path(reader, phase)
        where = f"case {self.id}, reader {reader}, phase {phase}"
        if np.shape(labels) != self.manifest.shape:
            raise LabelError(
                where,
                expected=f"labels of shape {self.manifest.shape} (Z, Y, X)",
                found=f"{np.shape(labels)}",
                remedy="Resample the mask to the image.",
            )
        labels = require_labels(labels, where)
        digest = write_segmentation(path, labels, self.grid)
        self._update(sha256={str(path.relative_to(self.folder).as_posix()): digest})
        return path

    def labels(self, reader: str, phase: int) -> np.ndarray:
        """Return a reader's labels of one phase, ``(Z, Y, X)`` uint8, on the image's grid.

        Raises
        ------
        CohortError
            The reader has not labelled the phase.
        ImageError, GridError, LabelError
            The file is damaged, on another grid, or without an LV segment.
        """
        path = self.labels_path(reader, phase)
        if not path.is_file():
            done = ", ".join(map(str, self.labelled_phases(reader))) or "no phase"
            raise CohortError(
                path,
                expected=f"labels of phase {phase} by reader {reader}",
                found=f"labels of {done}",
                remedy="Predict or segment this phase first.",
            )
        return read_segmentation(path, reference=self.grid)[0]

    def labels_path(self, reader: str, phase: int) -> Path:
        """Return where a reader's labels of one phase are or would be."""
        self._require_phase(phase, "phase")
        return self.folder / "labels" / require_name(reader, "reader") / f"{phase:02d}.seg.nrrd"

    def write_valves(self, reader: str, phase: int, curves: dict[str, np.ndarray]) -> Path:
        """Write the mitral and aortic curves that a reader drew in a phase; return the file, gone where there are none.

        Raises
        ------
        CurveError
            A curve that cannot be used.
        CohortError
            No such phase, or a reader's name that cannot be a folder.
        StorageError
            The disk is full or read-only.
        """
        path = self._valves_path(reader, phase)
        if curves:
            write_valve_curves(path, curves)
        else:
            with storage_errors(path):
                path.unlink(missing_ok=True)
        return path

    def valves(self, reader: str, phase: int) -> dict[str, np.ndarray]:
        """Return a reader's ``mitral`` and ``aortic`` curves of a phase, (N, 3) RAS mm; empty where nobody drew any.

        Raises
        ------
        CurveError
            The file holds no usable curve.
        """
        path = self._valves_path(reader, phase)
        return read_valve_curves(path) if path.is_file() else {}

    def labelled_phases(self, reader: str) -> list[int]:
        """Return the phases that a reader has labelled, in order."""
        files = (self.folder / "labels" / require_name(reader, "reader")).glob("*.seg.nrrd")
        names = (path.name.removesuffix(".seg.nrrd") for path in files)
        return sorted(int(name) for name in names if name.isdigit())

    def readers(self) -> list[str]:
        """Return the readers with labels, sorted."""
        folders = (self.folder / "labels").glob("*")
        return sorted(path.name for path in folders if path.is_dir() and self.labelled_phases(path.name))

    def altered_files(self) -> list[str]:
        """Return the files whose content is not what was written: missing, damaged, or edited by another program."""
        altered = []
        for name, digest in self.manifest.sha256.items():
            path = self.folder / name
            if not path.is_file() or sha256(path) != digest:
                altered.append(name)
        return altered

    def _valves_path(self, reader: str, phase: int) -> Path:
        self._require_phase(phase, "phase")
        return self.folder / "contours" / require_name(reader, "reader") / f"{phase:02d}-valves.mrk.json"

    def _require_phase(self, phase: int, name: str) -> None:
        if not 0 <= phase < self.manifest.phases:
            raise CohortError(
                f"case {self.id}",
                expected=f"{name} from 0 to {self.manifest.phases - 1}",
                found=str(phase),
                remedy="Choose one of the image's phases.",
            )

    def _update(self, **changes: object) -> None:
        """Change the manifest on disk, keeping what another process wrote meanwhile."""
        with writing(self.folder, wait_s=10.0):
            current = read_manifest(self.folder / "case.json", CaseManifest, CohortError)
            hashes = changes.pop("sha256", None)
            if isinstance(hashes, Mapping):
                changes["sha256"] = {**current.sha256, **hashes}
            self.manifest = current.model_copy(update=changes)
            write_manifest(self.folder / "case.json", self.manifest)


def require_name(name: str, what: str) -> str:
    """Return ``name`` if it can be a folder on every system, else raise `CohortError`."""
    if not _NAME.fullmatch(name) or name.endswith("."):
        raise CohortError(
            f"{what} '{name}'",
            expected="1 to 64 letters, digits, '.', '_' or '-', beginning with a letter or digit",
            found=f"'{name}'",
            remedy=f"Choose another name for the {what}; never the patient's.",
        )
    return name
