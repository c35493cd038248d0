"""A cohort: the cases of one site in one folder."""

from __future__ import annotations

import logging
import os
from collections.abc import Iterator, Mapping
from contextlib import suppress
from pathlib import Path

import numpy as np

from ..errors import CohortError, LVMError
from ..files import atomic_folder, storage_errors
from ..imaging import Sequence, write_sequence_nifti
from ..progress import Progress, silent
from .case import IMAGE_NAME, Case, require_name
from .lock import writing
from .manifest import CaseManifest, CohortManifest, Provenance, Scanner, read_manifest, write_manifest

log = logging.getLogger(__name__)


class Cohort:
    """A cohort folder: ``cohort.json`` and ``cases/<id>/``.

    Use `create`, `open` or `open_or_create`.
    """

    def __init__(self, folder: Path, manifest: CohortManifest) -> None:
        self.folder, self.manifest = folder, manifest

    @classmethod
    def create(cls, path: str | os.PathLike, *, site: str, protocol_version: str = "1") -> Cohort:
        """Make an empty cohort.

        Raises
        ------
        CohortError
            There is a cohort already, or a folder with other files.
        StorageError
            The disk is full or read-only.
        """
        folder = Path(path)
        if folder.exists() and (not folder.is_dir() or any(folder.iterdir())):
            raise CohortError(
                folder,
                expected="a new or empty folder",
                found="a cohort" if (folder / "cohort.json").exists() else "other files",
                remedy="Open the cohort that is there, or choose another folder.",
            )
        manifest = CohortManifest(site=site, protocol_version=protocol_version)
        write_manifest(folder / "cohort.json", manifest)
        with storage_errors(folder):
            (folder / "cases").mkdir(exist_ok=True)
        return cls(folder, manifest)

    @classmethod
    def open(cls, path: str | os.PathLike) -> Cohort:
        """Open a cohort.

        Raises
        ------
        CohortError
            No cohort there, or its manifest is damaged.
        """
        folder = Path(path)
        return cls(folder, read_manifest(folder / "cohort.json", CohortManifest, CohortError))

    @classmethod
    def open_or_create(cls, path: str | os.PathLike, *, site: str) -> Cohort:
        """Open a cohort, or make it where there is none yet; errors as `open` and `create`."""
        if (Path(path) / "cohort.json").exists():
            return cls.open(path)
        return cls.create(path, site=site)

    def remove_if_empty(self) -> None:
        """Remove a cohort that has no case, such as one that was made for an import that failed."""
        with suppress(OSError, LVMError):  # with a case, or in use, it stays
            with writing(self.folder):
                (self.folder / "cases").rmdir()
                (self.folder / "cohort.json").unlink()
            self.folder.rmdir()

    @property
    def site(self) -> str:
        """Name of the site."""
        return self.manifest.site

    def case_ids(self) -> list[str]:
        """Return the names of the cases, sorted."""
        return sorted(path.parent.name for path in (self.folder / "cases").glob("[!.]*/case.json"))

    def case(self, case_id: str) -> Case:
        """Open a case.

        Raises
        ------
        CohortError
            No such case, or its manifest is damaged.
        """
        ids = self.case_ids()
        if case_id not in ids:
            raise CohortError(
                self.folder,
                expected=f"a case '{case_id}'",
                found=f"{len(ids)} cases" + (f" ({ids[0]} … {ids[-1]})" if ids else ""),
                remedy="Choose one of them, or import the case.",
            )
        return Case(self.folder / "cases" / case_id, self.manifest)

    def add_case(
        self,
        sequence: Sequence,
        *,
        case_id: str | None = None,
        source: str | None = None,
        ed: int | None = None,
        es: int | None = None,
        progress: Progress = silent,
    ) -> Case:
        """Import a sequence, phase by phase; the case appears whole or not at all.

        Parameters
        ----------
        sequence : Sequence
            What `read_image` opened, or a phantom.
        case_id : str, optional
            Name of the case; None = ``case-001`` and so on. Never the patient's name or number.
        source : str, optional
            How a phantom was made. Of anything else only the format is stored, because file and folder names often
            hold the patient's name.
        ed, es : int, optional
            Phase indices, where they are known.
        progress : Progress
            Called for each phase.

        Raises
        ------
        CohortError
            The name is taken or unusable, or another process writes to the cohort.
        ImageError
            A phase cannot be read, or holds NaN.
        StorageError
            The disk is full or read-only.
        """
        with writing(self.folder):
            case_id = self._free_id() if case_id is None else self._require_free(case_id)
            folder = self.folder / "cases" / case_id
            with atomic_folder(folder) as temporary:
                digest = write_sequence_nifti(
                    temporary / IMAGE_NAME, _reported(sequence, progress), sequence.grid, phases=len(sequence)
                )
                manifest = _case_manifest(case_id, sequence, source, digest, phases=(ed, es))
                write_manifest(temporary / "case.json", manifest)
        progress(1.0, f"{case_id}: imported")
        return self.case(case_id)

    def _free_id(self) -> str:
        taken = {path.name for path in (self.folder / "cases").glob("*")}
        return next(name for n in range(1, len(taken) + 2) if (name := f"case-{n:03d}") not in taken)

    def _require_free(self, case_id: str) -> str:
        require_name(case_id, "case")
        if (self.folder / "cases" / case_id).exists():
            raise CohortError(
                self.folder / "cases" / case_id,
                expected="a name that is not taken",
                found="a case with this name",
                remedy="Choose another name, or delete that case's folder first.",
            )
        return case_id


def _reported(sequence: Sequence, progress: Progress) -> Iterator[np.ndarray]:
    for t in range(len(sequence)):
        progress(t / len(sequence), f"phase {t + 1} of {len(sequence)}")
        yield sequence.frame(t)


def _case_manifest(
    case_id: str, sequence: Sequence, source: str | None, digest: str, *, phases: tuple[int | None, int | None]
) -> CaseManifest:
    info: Mapping[str, object] = sequence.info
    kind = str(info.get("format", "unknown"))
    # Only named fields pass: whatever else a source knows, a patient's name among it, stays behind.
    scanner = Scanner.model_validate({name: info[name] for name in Scanner.model_fields if name in info})
    phantom = bool(info.get("phantom", False))
    provenance = Provenance(source=source if phantom and source else kind, format=kind, phantom=phantom)
    return CaseManifest(
        id=case_id,
        shape=sequence.grid.shape,
        affine=tuple(tuple(float(x) for x in row) for row in sequence.grid.affine),
        spacing_mm=tuple(float(x) for x in sequence.grid.spacing),
        phases=len(sequence),
        rr_percent=sequence.rr_percent,
        ed=phases[0],
        es=phases[1],
        scanner=scanner,
        provenance=provenance,
        sha256={IMAGE_NAME: digest},
    )
