"""The consensus protocol as a file that a site can read, edit and version."""

from __future__ import annotations

import hashlib
import json
import shutil
from os import PathLike
from pathlib import Path
from typing import Annotated, Literal, get_args

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, NonNegativeFloat, PrivateAttr, ValidationError

from ..errors import ProtocolError
from ..files import atomic_folder, write_json

FILE_NAME = "lvm-consensus.json"
Check = Literal[
    "papillary_inside",
    "base_truncated",
    "outflow_truncated",
    "wall_closed",
    "holes",
    "gaps",
    "components",
    "volume",
    "ejection_fraction",
    "mass",
    "mass_constant",
    "thickness",
    "extreme_phases",
]
CHECKS: tuple[str, ...] = get_args(Check)


def _ordered(limits: tuple[float, float]) -> tuple[float, float]:
    if limits[0] > limits[1]:
        raise ValueError("the lower limit is above the upper limit")
    return limits


Range = Annotated[tuple[float, float], AfterValidator(_ordered)]


class _Part(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class Rule(_Part):
    """One rule for the reader: what to draw, its picture, and which checks watch over it."""

    id: str = Field(pattern=r"^[a-z][a-z0-9_]*$")
    title: str
    text: str
    picture: str | None = None
    checks: tuple[Check, ...] = ()


class Limits(_Part):
    """What the checks accept, each as lowest and highest value; units in the names."""

    papillary_inside_ml: Range = (0, 0.1)
    beyond_base_percent: Range = (0, 5)
    beyond_outflow_mm: Range = (0, 20)
    beyond_curve_percent: Range = (0, 1)
    base_tolerance_mm: NonNegativeFloat = 5
    open_wall_mm2: Range = (0, 25)
    open_wall_base_margin_mm: NonNegativeFloat = 10
    cavity_ed_ml: Range = (40, 400)
    cavity_es_ml: Range = (10, 350)
    ejection_fraction_percent: Range = (5, 85)
    detached_ml: Range = (0, 0.05)
    mass_g: Range = (40, 400)
    mass_difference_percent: Range = (0, 10)
    thickness_median_mm: Range = (4, 25)
    thickness_p95_mm: Range = (5, 35)
    extreme_phase_percent: Range = (0, 3)


class Protocol(_Part):
    """A consensus protocol: the rules that readers follow and the limits that the checks accept.

    Parameters
    ----------
    format : str
        ``"lvm-consensus-protocol"``.
    version : str
        Three numbers; a site that edits the file gives it a new version.
    title, source : str
        For the reader.
    rules : tuple of Rule
        At least one.
    limits : Limits
        What is left out keeps its default.
    """

    format: Literal["lvm-consensus-protocol"]
    version: str = Field(pattern=r"^\d+\.\d+\.\d+([-+][0-9A-Za-z.-]+)?$")
    title: str
    source: str = ""
    rules: tuple[Rule, ...] = Field(min_length=1)
    limits: Limits = Limits()

    _folder: Path | None = PrivateAttr(None)

    @classmethod
    def load(cls, path: str | PathLike) -> Protocol:
        """Read a protocol file.

        Raises
        ------
        ProtocolError
            The file is missing, is no JSON, an entry is missing, unknown or out of range (the entry is named), a
            picture is missing, or the file was changed and kept the version of the one that comes with the software.
        """
        protocol = cls._read(path)
        protocol._require_pictures(path)
        shipped = cls.default()
        if protocol.version == shipped.version and protocol.fingerprint != shipped.fingerprint:
            raise ProtocolError(
                path,
                expected="a version of its own for rules or limits of its own",
                found=f"version {protocol.version}, which the software's own protocol has",
                remedy=f'Give it a new version, for example "{protocol.version}-yoursite".',
            )
        return protocol

    @classmethod
    def _read(cls, path: str | PathLike) -> Protocol:
        try:
            protocol = cls.model_validate_json(Path(path).read_bytes())
        except OSError as error:
            found, remedy = error.strerror or "an unreadable file", "Give the path of a protocol file."
            raise ProtocolError(path, expected="a protocol file", found=found, remedy=remedy) from error
        except ValidationError as error:
            first = error.errors()[0]
            place = ".".join(str(part) for part in first["loc"]) or "the file"
            raise ProtocolError(
                path,
                expected="a consensus protocol (format lvm-consensus-protocol)",
                found=f"at {place}: {first['msg']}",
                remedy=f"Correct that entry; Resources/Protocol/{FILE_NAME} is an example.",
            ) from error
        protocol._folder = Path(path).resolve().parent
        return protocol

    @classmethod
    def default(cls) -> Protocol:
        """Return the protocol that comes with the software.

        Raises
        ------
        ProtocolError
            The software's Resources folder is missing.
        """
        package = Path(__file__).resolve().parents[1]
        places = [parent / "Resources" / "Protocol" / FILE_NAME for parent in (package, *package.parents[:2])]
        return cls._read(next((place for place in places if place.is_file()), places[-1]))

    @property
    def fingerprint(self) -> str:
        """SHA-256 of rules and limits; a changed protocol has another one, whatever its version says."""
        content = json.dumps(self.model_dump(mode="json"), sort_keys=True)
        return hashlib.sha256(content.encode()).hexdigest()

    def picture_of(self, rule: Rule) -> Path | None:
        """Return the picture of a rule, beside the protocol file; None where it has none."""
        if rule.picture is None or self._folder is None:
            return None
        return self._folder / rule.picture

    def copy_to(self, folder: str | PathLike) -> Path:
        """Write the protocol with its pictures into a folder, for a site to edit; return the file.

        Raises
        ------
        StorageError
            The disk is full or read-only, or the folder holds other files.
        """
        folder = Path(folder)
        with atomic_folder(folder, replaces=FILE_NAME) as temporary:
            write_json(temporary / FILE_NAME, self.model_dump(mode="json"))
            for picture in filter(None, map(self.picture_of, self.rules)):
                shutil.copyfile(picture, temporary / picture.name)
        return folder / FILE_NAME

    def _require_pictures(self, path: str | PathLike) -> None:
        for rule in self.rules:
            picture = self.picture_of(rule)
            if picture is not None and (picture.parent != self._folder or not picture.is_file()):
                raise ProtocolError(
                    path,
                    expected=f"the picture of rule {rule.id} beside the protocol",
                    found=f"no file {rule.picture}",
                    remedy="Copy the picture there, or set it to null.",
                )

    def rule_of(self, check: str) -> Rule | None:
        """Return the first rule that a check watches over."""
        return next((rule for rule in self.rules if check in rule.checks), None)
