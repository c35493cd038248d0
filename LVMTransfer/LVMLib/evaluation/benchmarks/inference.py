"""Whole-case inference beside MONAI's sliding window over the same weights and the same vectorised convolution."""

from __future__ import annotations

import time
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from ...errors import BundleError
from ...imaging import ArrayFrames, Sequence
from ...learning import Bundle, predict_phases, volume_jitter_ml
from ...learning.models.predict import model_of, to_native
from ...learning.models.segment import Model, keep_one_ventricle
from ...learning.samples.working_grid import to_working, working_grid
from ...measures import dice
from . import Row

_PHASES, _SPACING_MM = 20, 2.0
_SEED, _CASE = 11, 1


def run(*, phases: int = _PHASES, spacing_mm: float = _SPACING_MM) -> list[Row]:
    """Segment a phantom case of Site 1 with the delivered model, both ways, on every phase.

    Each way is warmed up on one phase. Both get the same post-processing (largest ventricle, interpolation to the
    image's grid), so that only the windows differ.

    Parameters
    ----------
    phases : int
        Phases of the case.
    spacing_mm : float
        Voxel size of the case.
    """
    bundle = _delivered()
    sequence, truth = _case(phases, spacing_mm)
    warm = Sequence(sequence.grid, ArrayFrames(np.stack([sequence.frame(0)])))
    for way in (_ours, _monai):
        way(warm, bundle)
    found, seconds = _timed(_ours, sequence, bundle)
    peer_found, peer_seconds = _timed(_monai, sequence, bundle)
    ours, theirs = _mean_dice(found, truth), _mean_dice(peer_found, truth)
    title = f"{phases} phases of {'x'.join(map(str, sequence.grid.shape[::-1]))} (phantom)"
    peer = {"peer": "MONAI sliding_window_inference, defaults"}
    volume = sequence.grid.voxel_volume / 1000
    curve, peer_curve, true_curve = (_curve(labels, volume) for labels in (found, peer_found, truth))
    return [
        Row.at_most(f"inference, {title}", seconds, "s", peer_value=peer_seconds, **peer),
        Row.at_least(f"inference, {title}: times faster", peer_seconds / seconds, "x", goal=2.0),
        Row.at_least("inference: mean Dice over the phases (phantom)", ours, "", peer_value=theirs, **peer),
        Row.at_most("inference: Dice lost to the peer (phantom)", max(theirs - ours, 0.0), "", goal=0.002),
        Row.at_most(
            "inference: jitter of the volume curve (phantom)", volume_jitter_ml(curve), "ml",
            peer_value=volume_jitter_ml(peer_curve), **peer,
        ),
        Row.at_most("inference: jitter of the true volume curve (phantom)", volume_jitter_ml(true_curve), "ml"),
    ]  # fmt: skip


def _delivered() -> Bundle:
    path = Path(__file__).resolve().parents[4] / "Resources" / "Site1"
    if not path.is_dir():
        raise BundleError(path, expected="the delivered model", found="none", remedy="Run the benchmark in a checkout.")
    return Bundle.load(path)


def _case(phases: int, spacing_mm: float) -> tuple[Sequence, dict[int, np.ndarray]]:
    """Return a phantom case, rendered before the clock starts, and its labels."""
    from ...phantom import SITE_1, case_sequence, case_subject, heart_grid

    subject = case_subject(SITE_1, _SEED, _CASE)
    sequence, frames = case_sequence(subject, grid=heart_grid(subject, spacing_mm=spacing_mm), phases=phases)
    image = np.stack([sequence.frame(t) for t in range(phases)])
    return Sequence(sequence.grid, ArrayFrames(image)), {t: frames.labels(t) for t in range(phases)}


def _timed(way, sequence: Sequence, bundle: Bundle) -> tuple[dict[int, np.ndarray], float]:
    start = time.perf_counter()
    found = way(sequence, bundle)
    return found, time.perf_counter() - start


def _ours(sequence: Sequence, bundle: Bundle) -> dict[int, np.ndarray]:
    return dict(predict_phases(sequence, bundle))


def _monai(sequence: Sequence, bundle: Bundle) -> dict[int, np.ndarray]:
    from monai.inferers import sliding_window_inference

    model = model_of(bundle)
    target = working_grid(sequence.grid, bundle.spacing_mm)
    everything = tuple(slice(0, n) for n in target.shape)
    found = {}
    for phase in range(len(sequence)):
        hu = torch.from_numpy(to_working(sequence.frame(phase), sequence.grid, target)).float()
        image = model.normalisation(hu)[None, None].to(model.device.name)
        with torch.no_grad():
            logits = sliding_window_inference(image, bundle.manifest.crop, 1, _per_phase(model))
        probability = logits[0].float().softmax(0).cpu()
        found[phase] = to_native(keep_one_ventricle(probability), target, everything, sequence.grid)
    return found


def _per_phase(model: Model):
    def network(window: Tensor) -> Tensor:
        with model.device.autocast():
            return model.network(window[:, :, None])[:, :, 0].float()

    return network


def _mean_dice(found: dict[int, np.ndarray], truth: dict[int, np.ndarray]) -> float:
    return float(np.mean([list(dice(found[t], truth[t]).values()) for t in truth]))


def _curve(labels: dict[int, np.ndarray], voxel_ml: float) -> dict[int, float]:
    return {t: float(np.count_nonzero(found == 1)) * voxel_ml for t, found in labels.items()}
