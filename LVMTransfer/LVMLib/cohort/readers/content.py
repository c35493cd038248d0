"""What a reader's labels hold, as hashes: to see later whether they are still the same."""

from __future__ import annotations

import hashlib

import numpy as np
from scipy import ndimage

from ...files import sha256
from ...grid import Grid
from ..case import Case


def content_hash(labels: np.ndarray, grid: Grid) -> str:
    """Return the SHA-256 of labels ``(Z, Y, X)`` and the place of their voxels, whatever file they are in."""
    digest = hashlib.sha256(f"{grid.shape} {np.round(grid.affine, 3) + 0.0}".encode())
    box = ndimage.find_objects((labels > 0).astype(np.uint8))
    if box:
        digest.update(str([(side.start, side.stop) for side in box[0]]).encode())
        digest.update(np.ascontiguousarray(labels[box[0]], dtype=np.uint8).tobytes())
    return digest.hexdigest()


def contents(case: Case, reader: str) -> dict[int, str]:
    """Return the `content_hash` of every phase that a reader has labelled."""
    return {phase: content_hash(case.labels(reader, phase), case.grid) for phase in case.labelled_phases(reader)}


def file_hashes(case: Case, reader: str) -> dict[int, str]:
    """Return the SHA-256 of every label file of a reader: quick, but another program may write the same differently."""
    return {phase: sha256(case.labels_path(reader, phase)) for phase in case.labelled_phases(reader)}


def changed_phases(case: Case, reader: str, content: dict[int, str], files: dict[int, str]) -> list[str]:
    """Return in words how a reader's labels differ from what was recorded; empty = they are the same.

    Parameters
    ----------
    case, reader
        Whose labels.
    content, files : dict of int to str
        What `contents` and `file_hashes` returned then. A file that is the same to the byte is not opened.
    """
    now = file_hashes(case, reader)
    words = [f"phase {phase} is gone" for phase in sorted(set(content) - set(now))]
    for phase, digest in now.items():
        if phase not in content:
            words.append(f"phase {phase} was added")
        elif files.get(phase) != digest and content_hash(case.labels(reader, phase), case.grid) != content[phase]:
            words.append(f"phase {phase} was edited")
    return words
