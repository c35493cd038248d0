"""A real MRML scene for every test: `slicer-core` with the project's modules on the path."""

from __future__ import annotations

import os
import sys
from pathlib import Path

import numpy as np
import pytest

ROOT = Path(__file__).resolve().parents[2]
for folder in (ROOT / "LVMTransfer", ROOT / "LVMThickness", Path(__file__).parent):
    if str(folder) not in sys.path:
        sys.path.append(str(folder))

slicer = pytest.importorskip("slicer", reason="needs the slicer-core wheel")


@pytest.fixture
def scene():
    """The scene of the process, emptied."""
    from LVMTransferLib.HeadlessCore import startHeadlessCore

    scene = startHeadlessCore()
    scene.Clear(0)
    yield scene
    scene.Clear(0)


@pytest.fixture
def real_ct():
    """Voxels (Z, Y, X) and grid of the real CT, or skip."""
    path = Path(os.environ.get("LVM_REAL_CT", ROOT.parent / "shared" / "data" / "heart_cta" / "ct.nii.gz"))
    if not path.exists():
        pytest.skip("the real CT is not beside the repository")
    from LVMLib.imaging import read_image

    sequence = read_image(path)
    return np.asarray(sequence.frame(0)), sequence.grid
