"""Crops for training: drawn from the seed and the step alone, so that a resumed run sees the same ones."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional as F

from ..config import FinetuneConfig
from .augment import change_intensity, deformed_coordinates
from .cache import CachedPair
from .carry import UNKNOWN, carried_labels
from .normalise import AIR_HU, Normalisation


@dataclass(frozen=True)
class Sample:
    """A crop.

    Attributes
    ----------
    image : Tensor (1, 1, n, Z, Y, X) float32
        Normalised.
    labels : Tensor (1, L, Z, Y, X) uint8
        Labels of the labelled phases of the window.
    labelled_phases : tuple of int
        Their indices within the window.
    case : str
        Name of the case.
    guessed : Tensor (1, U, Z, Y, X) uint8
        Labels carried to the other phases of the window, `UNKNOWN` where there are none; U = 0 unless the recipe
        learns from unlabelled phases.
    guessed_phases : tuple of int
        Their indices within the window.
    plain : Tensor (1, 1, n, Z, Y, X) float32 or None
        The same crop before its intensities were changed, for the teacher.
    """

    image: Tensor
    labels: Tensor
    labelled_phases: tuple[int, ...]
    case: str
    guessed: Tensor
    guessed_phases: tuple[int, ...] = ()
    plain: Tensor | None = None


SMALLEST_SIDE = 0.6
"""Crops of several phases have shorter sides, so that they hold about as many voxels, but not less than this part."""


class Sampler:
    """Draws foreground-balanced 4D crops that always hold a labelled phase.

    Parameters
    ----------
    cases : list of CachedPair
        Training cases.
    config : FinetuneConfig
        Crop, windows, augmentation and seed.
    normalisation : Normalisation
        From HU to input.
    batch : int, optional
        Crops a step, of all processes together.
    device : str
        Where crops are interpolated and augmented.
    """

    def __init__(
        self, cases: list[CachedPair], config: FinetuneConfig, normalisation: Normalisation, *,
        batch: int | None = None, device: str = "cpu",
    ) -> None:  # fmt: skip
        self.cases, self.config, self.normalisation = cases, config, normalisation
        self.batch, self.device = batch or config.batch, device

    def draw(self, step: int, *, item: int = 0, shrink: float = 1.0) -> Sample:
        """Return the crop of an optimiser step; ``item`` counts the crops of the step, ``shrink`` scales its sides."""
        rng = np.random.default_rng([self.config.seed, step, item])
        case = self._case(step * self.batch + item)
        index = int(rng.integers(len(case.labelled_phases)))
        count = self._phase_count(step)
        phases = self._window(rng, case, self._anchor(rng, case, index), count)
        size = self._size(rng, case, shrink * max(count ** (-1 / 3), SMALLEST_SIDE))
        centre = self._centre(rng, case, index, size)
        coordinates = deformed_coordinates(rng, centre, size, self.config.augmentation, float(case.grid.spacing[0]))
        coordinates = coordinates.to(self.device)
        box = _box(coordinates, case.grid.shape)
        labelled = [(n, case.labelled_phases.index(t)) for n, t in enumerate(phases) if t in case.labelled_phases]
        mask, image = case.mask, case.image
        labels = _warp_labels([mask[(row, *box)] for _, row in labelled], coordinates, box)
        hu = _warp_image(np.stack([image[(t, *box)] for t in phases]), coordinates, box)
        known = labels if len(labelled) == len(phases) else None
        changed = change_intensity(rng, hu, known, self.config.augmentation)
        others = [] if self.config.unlabelled == "off" else _others(phases, labelled)
        return Sample(
            image=self.normalisation(changed)[None, None],
            labels=labels[None],
            labelled_phases=tuple(n for n, _ in labelled),
            case=case.id,
            guessed=_warp_labels(self._guesses(case, [phases[n] for n in others], box), coordinates, box)[None],
            guessed_phases=tuple(others),
            plain=self.normalisation(hu)[None, None] if others else None,
        )

    def _anchor(self, rng: np.random.Generator, case: CachedPair, index: int) -> int:
        """Return the phase that the window is drawn around: a labelled one, or now and then one beside it."""
        labelled = case.labelled_phases[index]
        if self.config.unlabelled == "off" or rng.random() >= self.config.unlabelled_share:
            return labelled
        total = case.image.shape[0]
        # The nearest labelled phase knows best where the heart is.
        near = [
            t
            for t in range(total)
            if t not in case.labelled_phases
            and _apart(labelled, t, total) == min(_apart(other, t, total) for other in case.labelled_phases)
        ]
        return int(rng.choice(near)) if near else labelled

    def _guesses(self, case: CachedPair, phases: list[int], box) -> list[np.ndarray]:
        shape = tuple(s.stop - s.start for s in box)
        if self.config.unlabelled == "teacher" or not phases:
            return [np.full(shape, UNKNOWN, np.uint8) for _ in phases]
        labels, where = carried_labels(case)
        return [_cut(labels[t], where, box) for t in phases]

    def _case(self, number: int) -> CachedPair:
        """Return the case at a place in the endless list of shuffled rounds over all cases."""
        turn, place = divmod(number, len(self.cases))
        order = np.random.default_rng([self.config.seed, 1, turn, 0]).permutation(len(self.cases))
        return self.cases[order[place]]

    def _phase_count(self, step: int) -> int:
        """Return how many phases the crops of a step have: the same for all, so that no core waits for another."""
        counts = list(self.config.windows)
        weights = np.array([self.config.windows[n] for n in counts], dtype=float)
        return int(np.random.default_rng([self.config.seed, 2, step, 0]).choice(counts, p=weights / weights.sum()))

    def _window(self, rng: np.random.Generator, case: CachedPair, labelled: int, count: int) -> list[int]:
        """Return the phases of the crop, cyclic, with the labelled one at a random place."""
        total = case.image.shape[0]
        count = min(count, total)
        # Neighbours in the window may be several phases apart, up to a window that spans the whole cycle.
        stride = int(rng.integers(1, max(total // count, 1) + 1)) if count > 1 else 1
        first = labelled - stride * int(rng.integers(count))
        return [(first + stride * n) % total for n in range(count)]

    def _size(self, rng: np.random.Generator, case: CachedPair, shrink: float) -> tuple[int, int, int]:
        jitter = self.config.crop_jitter
        sides = [(n + int(rng.integers(-jitter, jitter + 1) if jitter else 0)) * shrink for n in self.config.crop]
        # Sides that halve twice without remainder, which is also the faster memory layout; no larger than the image.
        return tuple(min(max(8, round(side / 4) * 4), -(-n // 4) * 4) for side, n in zip(sides, case.grid.shape))

    def _centre(self, rng: np.random.Generator, case: CachedPair, index: int, size) -> np.ndarray:
        shape = np.array(case.grid.shape)
        if rng.random() < self.config.foreground:
            centre = case.points[index][rng.integers(case.points.shape[1])].astype(float)
            return centre + rng.uniform(-0.25, 0.25, 3) * np.array(size)
        return rng.uniform(0, 1, 3) * (shape - 1)


def _others(phases: list[int], labelled: list[tuple[int, int]]) -> list[int]:
    """Return the indices of the phases of a window that carry no labels."""
    have = {n for n, _ in labelled}
    return [n for n in range(len(phases)) if n not in have]


def _apart(one: int, other: int, total: int) -> int:
    """Return how many phases lie between two, around the cycle."""
    return min((one - other) % total, (other - one) % total)


def _cut(labels: np.ndarray, where, box) -> np.ndarray:
    """Return labels that are known in the box ``where``, background elsewhere, in the box ``box``."""
    result = np.zeros(tuple(s.stop - s.start for s in box), np.uint8)
    common = [(max(a.start, b.start), min(a.stop, b.stop)) for a, b in zip(where, box)]
    if all(start < stop for start, stop in common):
        source = tuple(slice(start - a.start, stop - a.start) for (start, stop), a in zip(common, where))
        target = tuple(slice(start - b.start, stop - b.start) for (start, stop), b in zip(common, box))
        result[target] = labels[source]
    return result


def _box(coordinates: Tensor, shape: tuple[int, int, int]) -> tuple[slice, slice, slice]:
    """Return the smallest box of the volume that interpolation at ``coordinates`` (Z, Y, X, 3) reads."""
    low = coordinates.amin((0, 1, 2)).floor().int().tolist()
    high = coordinates.amax((0, 1, 2)).ceil().int().tolist()
    return tuple(slice(min(max(a, 0), n - 1), max(min(b + 1, n), 1)) for a, b, n in zip(low, high, shape))


def _relative(coordinates: Tensor, box: tuple[slice, slice, slice]) -> Tensor:
    """Map voxel coordinates (z, y, x) of the volume to grid_sample's (x, y, z) in -1 … 1 over the box."""
    start = coordinates.new_tensor([s.start for s in box])
    size = coordinates.new_tensor([max(s.stop - s.start - 1, 1) for s in box])
    return ((coordinates - start) / size * 2 - 1).flip(-1)[None]


def _warp_image(hu: np.ndarray, coordinates: Tensor, box) -> Tensor:
    """Interpolate frames ``(n, z, y, x)`` linearly; air outside the field of view."""
    frames = torch.from_numpy(hu).to(coordinates.device).float()[None] - AIR_HU
    return F.grid_sample(frames, _relative(coordinates, box), mode="bilinear", align_corners=True)[0] + AIR_HU


def _warp_labels(labels: list[np.ndarray], coordinates: Tensor, box) -> Tensor:
    """Interpolate each label's indicator linearly and keep the largest; ``(L, Z, Y, X)`` uint8."""
    relative = _relative(coordinates, box)
    result = torch.zeros((len(labels), *coordinates.shape[:3]), dtype=torch.uint8, device=coordinates.device)
    for n, frame in enumerate(torch.from_numpy(np.array(frame)).to(coordinates.device) for frame in labels):
        if not frame.any():
            continue
        if (frame == UNKNOWN).all():
            result[n] = UNKNOWN
            continue
        shares = torch.stack([frame == 1, frame == 2, frame == UNKNOWN]).float()[None]
        blood, wall, unknown = F.grid_sample(shares, relative, mode="bilinear", align_corners=True)[0]
        outside = 1 - blood - wall - unknown
        result[n][(blood > outside) & (blood >= wall)] = 1
        result[n][(wall > outside) & (wall > blood)] = 2
        result[n][unknown > torch.maximum(outside, torch.maximum(blood, wall))] = UNKNOWN
    return result
