"""The outcome of checks: what was found, under which rule, and where to look."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass

import numpy as np

from ..grid import Grid
from ..pieces import middle_of_largest
from .protocol import Protocol


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
        Where to look, RAS mm: the middle of what is wrong, else of the ventricle.
    phase_index : int or None
        The phase to look at, where it is known.
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
    phase_index: int | None = None
    value: float | None = None
    limits: tuple[float, float] | None = None

    def as_dict(self) -> dict[str, object]:
        """Return the finding for JSON."""
        return asdict(self)


class Report:
    """Collects findings under the rules of a protocol.

    Parameters
    ----------
    protocol : Protocol
        Rules and limits.
    indices : mapping of str to int or None
        Phase index of ED and ES.
    middles : mapping of str to ndarray (3,)
        Middle of the ventricle in each labelled phase, RAS mm.
    """

    def __init__(
        self, protocol: Protocol, indices: Mapping[str, int | None], middles: Mapping[str, np.ndarray]
    ) -> None:
        self.limits, self._protocol = protocol.limits, protocol
        self._indices, self._middles = indices, middles
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
        phase_index: int | None = None,
    ) -> None:
        """Add a finding; it passes if the value is within the limits, and without a value it is not applicable."""
        rule = self._protocol.rule_of(check)
        if rule is None:
            return
        passed = None if value is None or limits is None else bool(limits[0] <= value <= limits[1])
        shown = phase if phase in self._middles else next(reversed(self._middles))
        place = self._middles[shown] if where is None or passed else where
        index = self._indices.get(shown) if phase_index is None else phase_index
        ras = tuple(round(float(x), 2) for x in place)
        self.findings.append(Finding(rule.id, check, passed, phase, message, ras, index, value, limits))


def centre(mask: np.ndarray, grid: Grid) -> np.ndarray | None:
    """Return the centre (3,) RAS mm of the largest piece of a mask, on a voxel of it; None = empty."""
    voxel = middle_of_largest(mask)
    return None if voxel is None else grid.to_ras(voxel[::-1])
