"""Peak memory and time of importing a 4D cardiac CT in DICOM, beside SimpleITK's series reader.

The series is a phantom of full size, 512 x 512 x 200 voxels in 20 phases (2.1 GB, 4000 files). Two phases are rendered
at 2 mm and enlarged, because the importer's work does not depend on what the voxels show. Each import
runs in a process of its own, which reports the peak of its resident memory.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import tempfile
from functools import lru_cache
from pathlib import Path
from statistics import median

import numpy as np

from ...grid import Grid
from ...imaging import CallableFrames, Sequence
from . import Row

GOAL_MIB = 2048.0
_REPEATS = 5
_PEER = "SimpleITK + nibabel"

# VmHWM starts anew with the program; getrusage's maximum also counts the parent that started it.
_REPORT = """
import json, sys, time
def report(start):
    try:
        peak = next(int(l.split()[1]) for l in open("/proc/self/status") if l.startswith("VmHWM")) * 1024
    except (OSError, StopIteration):
        import resource
        peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * (1 if sys.platform == "darwin" else 1024)
    sys.stdout.write(json.dumps({"bytes": peak, "seconds": time.monotonic() - start}))
"""
_OURS = (
    _REPORT
    + """
from LVMLib.cohort import Cohort
from LVMLib.imaging import read_image
start = time.monotonic()
Cohort.open_or_create(sys.argv[2], site="bench").add_case(read_image(sys.argv[1]))
report(start)
"""
)
_THEIRS = (
    _REPORT
    + """
import numpy as np, nibabel as nib, SimpleITK as sitk
from pathlib import Path
start = time.monotonic()
folders = sorted(path for path in Path(sys.argv[1]).iterdir() if path.is_dir())
reader, image = sitk.ImageSeriesReader(), None
for t, folder in enumerate(folders):
    reader.SetFileNames(reader.GetGDCMSeriesFileNames(str(folder)))
    volume = sitk.GetArrayFromImage(reader.Execute())
    image = np.empty((len(folders), *volume.shape), np.int16) if image is None else image
    image[t] = volume
nib.save(nib.Nifti1Image(image.T, np.eye(4)), sys.argv[2])
report(start)
"""
)


def run(*, size: int = 512, slices: int = 200, phases: int = 20, folder: Path | None = None) -> list[Row]:
    """Import a phantom series once at full size, and five times with a tenth of the slices for the time.

    Parameters
    ----------
    size, slices, phases : int
        Size of the series; the slices are halved where the disk is short.
    folder : Path, optional
        Where the series is written (three times its size is needed); None = the system's temporary folder.
    """
    with tempfile.TemporaryDirectory(prefix="lvm-bench-", dir=folder) as name:
        place = Path(name)
        if _free_bytes(place) < 3.5 * _bytes(size, slices, phases):
            slices //= 2
        title = f"import of {size}x{size}x{slices}x{phases} DICOM (phantom)"
        ours, theirs = _both(place / "full", size, slices, phases, repeats=1)
        few = max(2, slices // 10)
        quick, slow = _both(place / "few", size, few, phases, repeats=_REPEATS)
    mib = 1024.0**2
    return [
        Row.at_most(
            f"{title}: peak memory",
            ours["bytes"] / mib,
            "MiB",
            goal=GOAL_MIB,
            peer=_PEER,
            peer_value=theirs["bytes"] / mib,
        ),
        Row.at_most(f"{title}: series itself", _bytes(size, slices, phases) / mib, "MiB"),
        Row.at_most(f"{title}: time, one run", ours["seconds"], "s", peer=_PEER, peer_value=theirs["seconds"]),
        Row.at_most(
            f"import of {size}x{size}x{few}x{phases} DICOM (phantom): time, median of {_REPEATS}",
            quick["seconds"],
            "s",
            peer=_PEER,
            peer_value=slow["seconds"],
        ),
    ]


def _both(place: Path, size: int, slices: int, phases: int, *, repeats: int) -> tuple[dict, dict]:
    """Return the medians of ours and of the peer; one run each warms the disk's cache where several are taken."""
    from ...phantom import write_dicom_series

    place.mkdir()
    write_dicom_series(place / "dicom", _series(size, slices, phases), per_phase_series=True)
    results: tuple[list, list] = ([], [])
    for number in range(repeats + (repeats > 1)):
        for code, target, found in ((_OURS, f"cohort-{number}", results[0]), (_THEIRS, "peer.nii", results[1])):
            found.append(_child(code, place / "dicom", place / target))
    kept = [found[1:] if repeats > 1 else found for found in results]
    return tuple({key: median(run[key] for run in runs) for key in ("bytes", "seconds")} for runs in kept)


def _child(code: str, *arguments: Path) -> dict[str, float]:
    library = Path(__file__).resolve().parents[3]
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join([str(library), os.environ.get("PYTHONPATH", "")])}
    command = [sys.executable, "-c", code, *map(str, arguments)]
    done = subprocess.run(command, env=environment, check=True, stdout=subprocess.PIPE)
    return json.loads(done.stdout)


def _series(size: int, slices: int, phases: int) -> Sequence:
    """Return a phantom series of the wanted size: two rendered phases, alternately, enlarged."""
    affine = np.diag([-0.4, -0.4, 0.7, 1.0])
    grid = Grid((slices, size, size), affine)

    @lru_cache(maxsize=2)
    def rendered(fraction: float) -> np.ndarray:
        from ...phantom import SITE_2, case_subject, heart_grid, render_background, render_phase

        subject = case_subject(SITE_2, 0, 1)
        heart = heart_grid(subject, spacing_mm=2.0)
        hu, _ = render_phase(subject, fraction, heart, background=render_background(subject, heart))
        factors = [-(-wanted // found) for wanted, found in zip(grid.shape, hu.shape)]
        for axis, factor in enumerate(factors):
            hu = np.repeat(hu, factor, axis=axis)
        return hu[:slices, :size, :size]

    return Sequence(grid, CallableFrames(phases, lambda t: rendered(0.35 if t % 2 else 0.0)), source="phantom")


def _bytes(size: int, slices: int, phases: int) -> int:
    return 2 * size * size * slices * phases


def _free_bytes(folder: Path) -> int:
    return shutil.disk_usage(folder).free
