"""The consensus protocol as a file that a site can read, edit and version."""

from __future__ import annotations

from os import PathLike
from pathlib import Path
from typing import Annotated, Literal, get_args

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, NonNegativeFloat, ValidationError

from ..errors import ProtocolError

FILE_NAME = "lvm-consensus.json"
Check = Literal[
    "papillary_inside",
    "base_truncated",
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
    beyond_base_percent: Range = (0, 15)
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

    @classmethod
    def load(cls, path: str | PathLike) -> Protocol:
        """Read a protocol file.

        Raises
        ------
        ProtocolError
            The file is missing, is no JSON, or an entry is missing, unknown or out of range; the entry is named.
        """
        try:
            return cls.model_validate_json(Path(path).read_bytes())
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
        return cls.load(next((place for place in places if place.is_file()), places[-1]))

    def rule_of(self, check: str) -> Rule | None:
        """Return the first rule that a check watches over."""
        return next((rule for rule in self.rules if check in rule.checks), None)
