"""Whole-case inference beside MONAI's sliding window over the same weights and the same vectorised convolution."""

from __future__ import annotations

import tempfile
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from ...errors import BundleError
from ...grid import Grid
from ...imaging import Sequence
from ...learning import volume_jitter_ml
from ...measures import dice
from . import Row
from .training_memory import run_apart

_PHASES, _SPACING_MM = 20, 2.0
_SEED, _CASE = 11, 1
_PEER = "MONAI sliding_window_inference, defaults"


@dataclass(frozen=True)
class Found:
    """What one way found: labels ``(T, Z, Y, X)``, and at what cost."""

    labels: np.ndarray
    seconds: float
    mib: float


def run(*, phases: int = _PHASES, spacing_mm: float = _SPACING_MM) -> list[Row]:
    """Segment a phantom case of Site 1 with the delivered model, both ways, on every phase, each in its own process.

    Parameters
    ----------
    phases : int
        Phases of the case.
    spacing_mm : float
        Voxel size of the case.
    """
    path = Path(__file__).resolve().parents[4] / "Resources" / "Site1"
    if not path.is_dir():
        raise BundleError(path, expected="the delivered model", found="none", remedy="Run the benchmark in a checkout.")
    sequence, truth = _case(phases, spacing_mm)
    with tempfile.TemporaryDirectory(prefix="lvm-bench-") as folder:
        np.save(Path(folder) / "image.npy", np.stack([sequence.frame(t) for t in range(phases)]))
        np.save(Path(folder) / "affine.npy", sequence.grid.affine)
        ours, peer = (_found(way, path, Path(folder)) for way in ("ours", "monai"))
    return rows(ours, peer, truth, sequence.grid)


def rows(ours: Found, peer: Found, truth: np.ndarray, grid: Grid) -> list[Row]:
    """Compare two ways with each other and with the truth ``(T, Z, Y, X)``."""
    title = f"{len(truth)} phases of {'x'.join(map(str, grid.shape[::-1]))} (phantom)"
    mean, peer_mean = (
        float(np.mean([list(dice(*pair).values()) for pair in zip(w.labels, truth)])) for w in (ours, peer)
    )
    jitter, peer_jitter, true_jitter = (_jitter(labels, grid) for labels in (ours.labels, peer.labels, truth))
    return [
        Row.at_most(f"inference, {title}", ours.seconds, "s", peer=_PEER, peer_value=peer.seconds),
        Row.at_least(f"inference, {title}: times faster", peer.seconds / ours.seconds, "x", goal=2.0),
        Row.at_most("inference: peak memory of the process", ours.mib, "MiB", peer=_PEER, peer_value=peer.mib),
        Row.at_least("inference: mean Dice over the phases (phantom)", mean, "", peer=_PEER, peer_value=peer_mean),
        Row.at_most("inference: Dice lost to the peer (phantom)", max(peer_mean - mean, 0.0), "", goal=0.002),
        Row.at_most(
            "inference: jitter of the volume curve (phantom)", jitter, "ml", peer=_PEER, peer_value=peer_jitter
        ),
        Row.at_most("inference: jitter of the true volume curve (phantom)", true_jitter, "ml"),
    ]


def _case(phases: int, spacing_mm: float) -> tuple[Sequence, np.ndarray]:
    """Return a phantom case and its labels ``(T, Z, Y, X)``."""
    from ...phantom import SITE_1, case_sequence, case_subject, heart_grid

    subject = case_subject(SITE_1, _SEED, _CASE)
    sequence, frames = case_sequence(subject, grid=heart_grid(subject, spacing_mm=spacing_mm), phases=phases)
    return sequence, np.stack([frames.labels(t) for t in range(phases)])


def _found(way: str, bundle: Path, folder: Path) -> Found:
    told = run_apart("inference_process", way, bundle, folder)
    return Found(np.load(folder / f"{way}.npy"), told["seconds"], told["mib"])


def _jitter(labels: np.ndarray, grid: Grid) -> float:
    voxel_ml = grid.voxel_volume / 1000
    return volume_jitter_ml({t: np.count_nonzero(frame == 1) * voxel_ml for t, frame in enumerate(labels)})
