"""Errors that tell a person what to do."""

from __future__ import annotations

from os import PathLike


class LVMError(ValueError):
    """Bad input: names the place, what was expected, what was found and the remedy, on one line.

    Parameters
    ----------
    where : str or path
        The file, folder, node or argument at fault.
    expected, found : str
        What the software needs, and what it met.
    remedy : str
        One sentence that tells the person what to do.
    """

    def __init__(self, where: str | PathLike, *, expected: str, found: str, remedy: str) -> None:
        self.where, self.expected, self.found, self.remedy = str(where), expected, found, remedy
        super().__init__(" ".join(f"{where}: expected {expected}, found {found}. {remedy}".split()))

    def at(self, where: str | PathLike) -> LVMError:
        """Return the same error at another place: who knows the file names it where the room below does not."""
        return type(self)(where, expected=self.expected, found=self.found, remedy=self.remedy)


class ImageError(LVMError):
    """An image that cannot be read or used: truncated, NaN, colour, wrong dimension."""


class DicomError(ImageError):
    """A DICOM folder that is not one 4D CT of one patient."""


class GridError(LVMError):
    """Voxel grids that do not match, or an affine that is no orthogonal right-handed grid."""


class LabelError(LVMError):
    """A label map with values outside {0, 1, 2}, empty, or on another grid."""


class CohortError(LVMError):
    """A cohort or case folder that is missing, damaged or in use."""


class PairError(LVMError):
    """An image-mask pair that is missing, damaged or without a labelled phase."""


class InUseError(CohortError):
    """A case that somebody else has open."""


class BlindedError(CohortError):
    """Labels that a blinded reader must not see yet."""


class SignOffError(CohortError):
    """Labels that nobody has signed off, that changed since, or that do not pass the protocol."""


class CurveError(LVMError):
    """A valve curve that is open, crosses, or does not belong to this cavity."""


class ProtocolError(LVMError):
    """A consensus protocol file that cannot be used."""


class BundleError(LVMError):
    """A model bundle that is missing, altered or of another architecture."""


class TrainingError(LVMError):
    """A training run that cannot start or go on."""


class ThicknessError(LVMError):
    """A wall whose thickness cannot be measured."""


class StorageError(LVMError):
    """A disk that is full, read-only or not reachable."""


class LVMCancelled(Exception):
    """The person stopped the work; what is on disk is complete or resumable."""
