"""The voxels of DICOM phases, read slice by slice when a phase is asked for."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pydicom

from ..errors import DicomError
from .dicom_headers import PixelLayout, SliceHeader
from .sequence import to_int16


@dataclass(frozen=True)
class DicomFrames:
    """The phases of a DICOM series.

    Parameters
    ----------
    stacks : tuple of tuple of SliceHeader
        For each phase its slices in the order of k.
    """

    stacks: tuple[tuple[SliceHeader, ...], ...]

    def __len__(self) -> int:
        return len(self.stacks)

    def frame(self, t: int) -> np.ndarray:
        """Return phase ``t``, HU, ``(Z, Y, X)`` int16.

        Raises
        ------
        DicomError
            A slice is truncated, or compressed in a way that cannot be read here.
        """
        stack = self.stacks[t]
        volume = np.empty((len(stack), stack[0].rows, stack[0].columns), dtype=np.int16)
        for k, header in enumerate(stack):
            volume[k] = read_slice(header)
        return volume


def read_slice(header: SliceHeader) -> np.ndarray:
    """Return one slice, HU, ``(Y, X)`` int16; errors as `DicomFrames.frame`."""
    layout = header.pixels
    if layout.offset is None:
        return _compressed(header)
    size = header.rows * header.columns
    dtype = np.dtype(f"{layout.byte_order}{'i' if layout.signed else 'u'}{layout.bits_allocated // 8}")
    start = layout.offset + header.frame * size * dtype.itemsize
    stored = np.fromfile(header.path, dtype=dtype, count=size, offset=start)
    if stored.size != size:
        raise _unreadable(header, f"{stored.size} of {size} pixels", "The file is truncated: export the series again.")
    return _hounsfield(_stored_bits(stored, layout).reshape(header.rows, header.columns), layout)


def _stored_bits(stored: np.ndarray, layout: PixelLayout) -> np.ndarray:
    """Drop the bits above BitsStored, which may hold overlays, keeping the sign."""
    unused = layout.bits_allocated - layout.bits_stored
    native = stored.astype(stored.dtype.newbyteorder("="), copy=False)
    return native if unused <= 0 else (native << unused) >> unused


def _hounsfield(stored: np.ndarray, layout: PixelLayout) -> np.ndarray:
    if float(layout.slope).is_integer() and float(layout.intercept).is_integer():
        return to_int16(stored.astype(np.int32) * int(layout.slope) + int(layout.intercept))
    return to_int16(stored * layout.slope + layout.intercept)


def _compressed(header: SliceHeader) -> np.ndarray:
    """Decode with pydicom's plug-ins, else with SimpleITK's GDCM, which knows JPEG, JPEG-LS, JPEG 2000 and RLE."""
    try:
        return _hounsfield(_decoded(header), header.pixels)
    except (NotImplementedError, RuntimeError, AttributeError, ValueError, ImportError) as error:
        reason = error
    import SimpleITK  # half a second to import, and seldom needed

    try:
        volume = SimpleITK.GetArrayFromImage(SimpleITK.ReadImage(str(header.path)))
    except RuntimeError as error:
        remedy = "Export without compression (Explicit VR Little Endian), or decompress with dcmdjpeg or gdcmconv."
        raise _unreadable(header, f"pixels that cannot be decoded ({reason})", remedy) from error
    return to_int16(volume[header.frame])  # GDCM has applied slope and intercept


def _decoded(header: SliceHeader) -> np.ndarray:
    try:
        from pydicom.pixels import pixel_array
    except ImportError:  # pydicom 2 decodes all frames of a file at once
        pixels = pydicom.dcmread(header.path).pixel_array
        return pixels[header.frame] if pixels.ndim == 3 else pixels
    return pixel_array(header.path, index=header.frame)


def _unreadable(header: SliceHeader, found: str, remedy: str) -> DicomError:
    return DicomError(header.path, expected="a readable CT slice", found=found, remedy=remedy)
