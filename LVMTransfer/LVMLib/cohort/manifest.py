"""What ``cohort.json``, ``case.json`` and ``pair.json`` hold, validated when read."""

from __future__ import annotations

import os
from datetime import datetime, timezone
from pathlib import Path
from typing import TypeVar

from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from .. import __version__
from ..errors import LVMError
from ..files import write_json
from ..grid import LABEL_NAMES

Manifest = TypeVar("Manifest", bound=BaseModel)


class _Strict(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class Scanner(_Strict):
    """How the image was made; nothing here names or dates a patient."""

    modality: str | None = None
    manufacturer: str | None = None
    model: str | None = None
    software: str | None = None
    kernel: str | None = None
    kvp: float | None = None
    slice_thickness_mm: float | None = None
    heart_rate_bpm: float | None = None
    contrast_agent: bool | None = None


class Provenance(_Strict):
    """Where a case came from, without a path that could name a patient."""

    source: str = "unknown"
    format: str = "unknown"
    phantom: bool = False
    software: str = f"LVMLib {__version__}"
    imported: str = Field(default_factory=lambda: datetime.now(timezone.utc).isoformat(timespec="seconds"))


class CohortManifest(_Strict):
    """``cohort.json``."""

    format: int = 1
    site: str
    protocol_version: str = "1"
    labels: dict[int, str] = Field(default_factory=lambda: dict(LABEL_NAMES))


class CaseManifest(_Strict):
    """``case.json``."""

    format: int = 1
    id: str
    shape: tuple[int, int, int]
    affine: tuple[tuple[float, float, float, float], ...] = Field(min_length=4, max_length=4)
    spacing_mm: tuple[float, float, float]
    phases: int = Field(ge=1)
    rr_percent: tuple[float, ...]
    ed: int | None = None
    es: int | None = None
    scanner: Scanner = Scanner()
    provenance: Provenance = Provenance()
    sha256: dict[str, str] = Field(default_factory=dict)

    @model_validator(mode="after")
    def _phases_agree(self) -> CaseManifest:
        if len(self.rr_percent) != self.phases:
            raise ValueError(f"{self.phases} phases but {len(self.rr_percent)} R-R percentages")
        for name, phase in (("ed", self.ed), ("es", self.es)):
            if phase is not None and not 0 <= phase < self.phases:
                raise ValueError(f"{name} is phase {phase}, beyond the {self.phases} phases")
        return self


class PairManifest(_Strict):
    """``pair.json``; ``override`` is the reason why labels that nobody signed off, or that fail, were exported."""

    format: int = 1
    id: str
    shape: tuple[int, int, int]
    affine: tuple[tuple[float, float, float, float], ...] = Field(min_length=4, max_length=4)
    spacing_mm: tuple[float, float, float]
    phases: int = Field(ge=1)
    rr_percent: tuple[float, ...]
    labelled_phases: tuple[int, ...] = Field(min_length=1)
    ed: int | None = None
    es: int | None = None
    site: str = "unknown"
    protocol_version: str = "1"
    checks: dict[str, bool] = Field(default_factory=dict)
    readers: tuple[str, ...] = ()
    signed_by: str | None = None
    signed_at: str | None = None
    override: str | None = None
    phantom: bool = False
    sha256: dict[str, str] = Field(default_factory=dict)

    @model_validator(mode="after")
    def _phases_agree(self) -> PairManifest:
        beyond = [t for t in self.labelled_phases if not 0 <= t < self.phases]
        if beyond or len(self.rr_percent) != self.phases:
            raise ValueError(f"{self.phases} phases, {len(self.rr_percent)} R-R percentages, labelled {beyond} beyond")
        return self


class SplitsManifest(_Strict):
    """``splits.json``."""

    format: int = 1
    seed: int
    test: tuple[str, ...]
    validation: tuple[str, ...]
    training: tuple[str, ...]
    groups: dict[int, tuple[str, ...]]


def read_manifest(path: Path, kind: type[Manifest], error: type[LVMError]) -> Manifest:
    """Return a validated manifest, or raise ``error`` naming the file and the first field at fault."""
    try:
        return kind.model_validate_json(path.read_bytes())
    except FileNotFoundError as missing:
        raise error(
            path.parent, expected=f"a folder with {path.name}", found="no such file", remedy="Check the path."
        ) from missing
    except OSError as unreadable:
        raise error(
            path,
            expected=f"a readable {path.name}",
            found=unreadable.strerror or "an unreadable file",
            remedy="Check the path, or ask its owner for access.",
        ) from unreadable
    except ValidationError as invalid:
        first = invalid.errors()[0]
        field = ".".join(str(part) for part in first["loc"]) or "the file"
        raise error(
            path,
            expected=f"a valid {path.name}",
            found=f"{field}: {first['msg']}",
            remedy="Restore the file from a copy, or import or export the case again.",
        ) from invalid


def write_manifest(path: str | os.PathLike, manifest: BaseModel) -> None:
    """Write a manifest as JSON, atomically."""
    write_json(path, manifest.model_dump(mode="json"))
