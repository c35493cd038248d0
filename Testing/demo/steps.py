"""What the demo and the run on the real CT share: running ``lvm`` and drawing a case on real Slicer core."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from pathlib import Path

import numpy as np

ROOT = Path(__file__).resolve().parents[2]
SITE_1 = ROOT / "Resources" / "Site1"
sys.path[:0] = [str(ROOT / "LVMTransfer"), str(ROOT / "LVMThickness")]


def say(text: str) -> None:
    """Print a line at once."""
    print(text, flush=True)


def lvm(*arguments: object) -> dict:
    """Run one ``lvm`` command with its progress on the terminal; return its JSON result, or end with its status."""
    words = [str(argument) for argument in arguments]
    say(f"\n$ lvm {' '.join(words).replace(str(ROOT) + os.sep, '')}")
    started = time.monotonic()
    program = [sys.executable, "-m", "LVMLib.cli.main", *words, "--json"]
    finished = subprocess.run(program, cwd=ROOT, stdout=subprocess.PIPE, text=True, check=False)
    if finished.returncode:
        sys.exit(finished.returncode)
    say(f"  {time.monotonic() - started:.0f} s")
    return json.loads(finished.stdout)


def draw_contours(path: Path, voxels: np.ndarray, labels: np.ndarray, grid, *, truth=None, title: str) -> Path:
    """Draw short axis, 2- and 3-chamber with both contours; ``truth`` in yellow and cyan."""
    import slicer
    from LVMTransferLib.CasePictures import contourPicture
    from LVMTransferLib.HeadlessCore import startHeadlessCore
    from LVMTransferLib.MRMLAdapter import volumeToScene

    startHeadlessCore()
    volume = volumeToScene(voxels, grid, "CT")
    contourPicture(volume, labels, grid, path, other=truth, names=("model", "truth"), title=title)
    slicer.mrmlScene.RemoveNode(volume)
    return path


def draw_thickness(path: Path, labels: np.ndarray, grid, *, title: str) -> Path:
    """Measure the wall thickness and draw it on the epicardium, with the streamlines beside it."""
    from LVMLib.annotation import find_axes
    from LVMLib.thickness import measure_thickness
    from LVMTransferLib.CasePictures import thicknessPicture
    from LVMTransferLib.HeadlessCore import startHeadlessCore

    startHeadlessCore()
    thicknessPicture(measure_thickness(labels, grid.affine), find_axes(labels, grid), path, title=title)
    return path
