"""Labels of a 4D image on its own grid."""

from __future__ import annotations

import logging
from collections.abc import Iterable, Iterator, Mapping

import numpy as np
import torch
from torch import Tensor

from ...errors import TrainingError
from ...grid import Grid
from ...imaging import Sequence
from ...progress import Progress, silent
from ..device import choose_device
from ..samples.working_grid import to_working, working_grid
from .bundle import Bundle
from .find import find_ventricle
from .label_store import LabelStore
from .segment import Model, keep_one_ventricle, with_variants

_log = logging.getLogger(__name__)


def predict_phases(
    sequence: Sequence,
    bundle: Bundle,
    *,
    phases: Iterable[int] | None = None,
    device: str | None = None,
    variants: int | None = None,
    progress: Progress = silent,
) -> Iterator[tuple[int, np.ndarray]]:
    """Segment phases of a 4D image, one after the other.

    The heart is found over the whole field of view first, then segmented in a box of the size that the network was
    trained on, with as many phases at once as the bundle says. Probabilities are interpolated to the image's grid, so
    that surfaces are smooth there. A phase is read when it is needed, and only its box is kept.

    Parameters
    ----------
    sequence : Sequence
        One phase or more, any grid.
    bundle : Bundle
        The model.
    phases : iterable of int, optional
        None = all.
    device : str, optional
        ``cpu``, ``cuda``; None = a GPU where there is one.
    variants : int, optional
        Test-time augmentation: the mean of so many shifted and re-contrasted looks; None = as the bundle says.

    Yields
    ------
    int, ndarray (Z, Y, X) uint8
        Phase, and its labels on the sequence's grid.

    Raises
    ------
    ImageError
        A phase cannot be read.
    TrainingError
        The device or a phase does not exist.
    """
    wanted = _wanted(phases, len(sequence))
    model = model_of(bundle, device)
    cyclic = covers_cycle(sequence.rr_percent)
    if not cyclic:
        _end_time(model)
    variants = variants or bundle.manifest.variants
    target = working_grid(sequence.grid, bundle.spacing_mm)
    frames = _WorkingFrames(sequence, target)
    progress(0.0, "looking for the heart")
    # One phase is enough: the heart moves far less in a beat than the box around it is wide.
    model, box = find_ventricle(model, frames(wanted[0]))
    if model.brighter_hu:
        _log.warning("Little contrast: the model is shown the image %.0f HU brighter.", model.brighter_hu)
    frames.cut(box)
    for number, (phase, probability) in enumerate(_phase_probabilities(model, frames, wanted, variants, cyclic)):
        progress(0.1 + 0.9 * number / len(wanted), f"phase {phase + 1} of {len(sequence)}")
        yield phase, to_native(keep_one_ventricle(probability), target, box, sequence.grid)
    progress(1.0, "segmented")


def predict(sequence: Sequence, bundle: Bundle, **options) -> Mapping[int, np.ndarray]:
    """Segment phases of a 4D image, as `predict_phases`, and keep them all, compressed."""
    result = LabelStore(sequence.grid.shape)
    for phase, labels in predict_phases(sequence, bundle, **options):
        result.put(phase, labels)
    return result


def model_of(bundle: Bundle, device: str | None = None, *, precision: str = "auto") -> Model:
    """Put a bundle's network on a device."""
    chosen = choose_device(device, precision=precision)
    network = bundle.network().to(chosen.name)
    return Model(network, bundle.normalisation, bundle.manifest.crop, bundle.manifest.context, chosen)


def covers_cycle(rr_percent: tuple[float, ...]) -> bool:
    """Whether phases (% of R-R, rising) go around the whole beat, so that the first follows the last."""
    if len(rr_percent) < 3:
        return True
    gaps = np.diff(rr_percent)
    return bool(100.0 + rr_percent[0] - rr_percent[-1] <= 1.5 * gaps.max() + 1e-6)


def _end_time(model: Model) -> None:
    """Let time end at the first and the last phase."""
    for module in model.network.modules():
        if hasattr(module, "cyclic"):
            module.cyclic = False


def _wanted(phases: Iterable[int] | None, count: int) -> list[int]:
    wanted = list(range(count)) if phases is None else sorted({int(t) for t in phases})
    if not wanted or wanted[0] < 0 or wanted[-1] >= count:
        raise TrainingError(
            "phases",
            expected=f"phases between 0 and {count - 1}",
            found=str(wanted),
            remedy="Choose phases of the image.",
        )
    return wanted


class _WorkingFrames:
    """Phases on the working grid, read when asked for; after `cut` only the heart's box is kept."""

    def __init__(self, sequence: Sequence, target: Grid) -> None:
        self._sequence, self._target, self._box = sequence, target, None
        self._kept: dict[int, np.ndarray] = {}

    def forget(self, phases: Iterable[int]) -> None:
        """Drop phases that are not needed any more."""
        for phase in phases:
            self._kept.pop(phase, None)

    def __len__(self) -> int:
        return len(self._sequence)

    def __call__(self, phase: int) -> np.ndarray:
        if phase not in self._kept:
            frame = to_working(self._sequence.frame(phase), self._sequence.grid, self._target)
            self._kept[phase] = frame if self._box is None else frame[self._box].copy()
        return self._kept[phase]

    def cut(self, box: tuple[slice, slice, slice]) -> None:
        """Keep only ``box`` of every phase from now on."""
        self._box = box
        self._kept = {phase: frame[box].copy() for phase, frame in self._kept.items()}


def _phase_probabilities(model: Model, frames: _WorkingFrames, wanted: list[int], variants: int, cyclic: bool):
    """Yield ``(phase, probabilities (C, Z, Y, X))``, with the model's context of phases."""
    count = len(frames)
    context = min(model.context or count, count)
    if context == count > 1:
        together = with_variants(model, np.stack([frames(t) for t in range(count)]), variants)
        for phase in wanted:
            yield phase, together[phase].clone()
        return
    for phase in wanted:
        first = phase - context // 2
        if not cyclic:
            first = min(max(first, 0), count - context)
        window = np.stack([frames((first + n) % count) for n in range(context)])
        yield phase, with_variants(model, window, variants)[phase - first].clone()
        frames.forget([phase] if context == 1 else [])


def to_native(probability: Tensor, target: Grid, box: tuple[slice, slice, slice], grid: Grid) -> np.ndarray:
    """Interpolate probabilities of a working-grid box linearly to the image's grid and take the likeliest label.

    Parameters
    ----------
    probability : Tensor (3, Z, Y, X)
        On ``box`` of the working grid ``target``.
    grid : Grid
        The image's grid; its axes are those of ``target``, permuted, reversed and scaled.

    Returns
    -------
    ndarray (Z, Y, X) uint8
    """
    result = np.zeros(grid.shape, dtype=np.uint8)
    inside = (probability[0] < 0.9).nonzero()
    if not len(inside):
        return result
    # Voxel ijk of the image is voxel  linear @ ijk + offset  of the working grid; linear has one entry a row.
    to_target = np.linalg.inv(target.affine) @ grid.affine
    linear, offset = to_target[:3, :3], to_target[:3, 3]
    low, high = inside.amin(0).tolist(), inside.amax(0).tolist()
    shares = probability[1:]
    native: list[slice] = [slice(0, 0)] * 3
    order = [0, 0, 0]
    for axis in range(3):  # working axis: 0 = z, 1 = y, 2 = x
        row = 2 - axis
        column = int(np.abs(linear[row]).argmax())
        ends = sorted(
            (box[axis].start + edge - offset[row]) / linear[row, column] for edge in (low[axis] - 1, high[axis] + 1)
        )
        size = grid.shape[2 - column]
        extent = slice(max(0, int(np.ceil(ends[0]))), min(size, int(np.floor(ends[1])) + 1))
        at = np.arange(extent.start, extent.stop) * linear[row, column] + offset[row] - box[axis].start
        shares = _interpolate(shares, torch.from_numpy(at), axis + 1)
        native[2 - column], order[2 - column] = extent, axis
    shares = shares.permute(0, *(n + 1 for n in order))
    blood, wall = shares[0], shares[1]
    labels = torch.zeros(blood.shape, dtype=torch.uint8)
    # The ventricle's outline is where blood pool and wall together outweigh the background.
    outside = 1 - blood - wall
    labels[(blood >= wall) & (blood > outside)] = 1
    labels[(wall > blood) & (wall > outside)] = 2
    result[tuple(native)] = labels.numpy()
    return result


def _interpolate(values: Tensor, at: Tensor, dim: int) -> Tensor:
    """Interpolate linearly along one dimension at fractional positions; the ends are repeated."""
    size = values.shape[dim]
    at = at.clamp(0, size - 1)
    low = at.floor().long().clamp(max=max(size - 2, 0))
    fraction = (at - low).to(values.dtype)
    shape = [1] * values.ndim
    shape[dim] = -1
    return torch.lerp(
        values.index_select(dim, low), values.index_select(dim, (low + 1).clamp(max=size - 1)), fraction.view(shape)
    )
