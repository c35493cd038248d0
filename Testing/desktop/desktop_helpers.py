"""Small cases for the desktop tests: an analytic beating ventricle and a tiny model that is quick to run."""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
from LVMLib.grid import BLOOD_POOL, LVM, Grid

HU = np.array([-100, 400, 110], np.int16)
HALF, VOXEL_MM = 13, 3.0
PATIENCE_S = 600.0
"""After this a test calls it a hang. A busy machine may be ten times slower; waiting ends with its condition."""


def wait_until(desktop: object, condition: Callable[[], object]) -> None:
    """Let Qt run until ``condition()`` holds."""
    started = time.monotonic()
    while not condition():
        assert time.monotonic() - started < PATIENCE_S, "waited in vain"
        desktop.process_events()
        time.sleep(0.005)


def settle(desktop: object) -> None:
    """Wait until the open panels have done what they do a moment after a change."""
    turns(desktop)
    wait_until(desktop, lambda: not _awaited(desktop))


def turns(desktop: object, number: int = 5) -> None:
    """Let Qt take some turns: what follows a change at once is done then, also where it asks for more at once."""
    import qt

    for _ in range(number):
        taken = []
        qt.QTimer.singleShot(0, lambda taken=taken: taken.append(True))
        wait_until(desktop, lambda taken=taken: taken)


def _awaited(desktop: object) -> bool:
    panels = [panel for widget in desktop._widgets.values() for panel in widget.panels]
    return any(panel.watch.later.waiting for panel in panels if hasattr(panel, "watch"))


def beating_shell(*, phases: int = 4, seed: int = 0) -> tuple[np.ndarray, np.ndarray, Grid]:
    """Return noisy HU ``(T, Z, Y, X)``, labels and grid of a half shell, widest at phase 0, narrowest in the middle."""
    z, y, x = np.mgrid[-HALF : HALF + 1, -HALF : HALF + 1, -HALF : HALF + 1] * VOXEL_MM
    radius = np.sqrt(x**2 + y**2 + z**2)
    frames = []
    for phase in range(phases):
        inner = 20.0 + 4.0 * np.cos(2 * np.pi * phase / phases)
        labels = np.where(radius < inner, BLOOD_POOL, np.where(radius < 32.0, LVM, 0)).astype(np.uint8)
        labels[z > 6.0] = 0
        frames.append(labels)
    labels = np.stack(frames)
    affine = np.diag([VOXEL_MM, VOXEL_MM, VOXEL_MM, 1.0])
    affine[:3, 3] = -HALF * VOXEL_MM
    noise = np.random.default_rng(seed).normal(0.0, 20.0, labels.shape)
    return (HU[labels] + noise).astype(np.int16), labels, Grid(labels.shape[1:], affine)


def sequence_in_scene(name: str = "heart", *, seed: int = 0) -> tuple[object, np.ndarray, Grid]:
    """Add the beating shell as a 4D CT; return its volume node, labels ``(T, Z, Y, X)`` and grid."""
    from LVMLib.imaging import ArrayFrames, Sequence
    from LVMTransferLib import MRMLAdapter

    voxels, labels, grid = beating_shell(seed=seed)
    volume_node, _, _ = MRMLAdapter.sequenceToScene(Sequence(grid, ArrayFrames(voxels), (), {}, name), name)
    return volume_node, labels, grid


HOLE = (slice(11, 13), slice(12, 14), slice(12, 14))


def labelled_sequence(
    *, phases: tuple[int, ...] = (0, 2), holes: tuple[int, ...] = (), seed: int = 0
) -> tuple[object, object, np.ndarray]:
    """Add the beating shell with a segmentation at some phases; return volume node, segmentation node and labels.

    The blood pool of the phases in ``holes`` has a hole at `HOLE`.
    """
    from LVMTransferLib import MRMLAdapter

    volume_node, labels, grid = sequence_in_scene(seed=seed)
    for phase in holes:
        labels[phase][HOLE] = 0
    chosen = {phase: labels[phase] for phase in phases}
    segmentation_node, _ = MRMLAdapter.segmentationSequence(chosen, grid, "labels", volume_node)
    return volume_node, segmentation_node, labels


def tiny_bundle(path: Path, *, seed: int = 0, factor: float = 1.0) -> Path:
    """Write a bundle of the smallest network with random weights, all of them times ``factor``."""
    import torch
    from LVMLib.learning import Bundle
    from LVMLib.learning.models.manifest import Architecture, BundleManifest, HUWindow, Origin
    from LVMLib.network import build_network

    torch.manual_seed(seed)
    options = {"widths": [4, 8], "blocks": [1, 1], "groups": 4}
    network = build_network("small", classes=3, **options)
    with torch.no_grad():
        for weight in network.parameters():
            weight.mul_(factor)
    origin = Origin(
        site="Test", training_cases=0, validation_cases=0, phantom=True, init="random", command="test", commit="none",
        version="0", seed=seed, epochs=0, finished="never",
    )  # fmt: skip
    manifest = BundleManifest(
        name="tiny",
        architecture=Architecture(
            name="small", options=options, parameters=sum(value.numel() for value in network.parameters())
        ),
        spacing_mm=VOXEL_MM,
        normalisation=HUWindow(low=-200, high=600, centre=100, scale=250),
        labels={0: "background", 1: "LV blood pool", 2: "LV myocardium"},
        crop=(16, 16, 16),
        provenance=(origin,),
    )
    Bundle.save(path, network, manifest)
    return path
