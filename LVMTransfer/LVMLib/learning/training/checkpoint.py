"""Checkpoints: everything that a run needs to go on as if it had never stopped."""

from __future__ import annotations

import io
import pickle
from pathlib import Path

import torch

from ...errors import TrainingError
from ...files import atomic_file


def save_checkpoint(path: Path, state: dict) -> None:
    """Write a checkpoint, whole or not at all.

    Raises
    ------
    StorageError
        The disk is full; the earlier checkpoint is intact.
    """
    content = io.BytesIO()
    torch.save(state, content)
    # torch itself tells of a full disk as a defect of its own; written from here it is an OSError.
    with atomic_file(path) as temporary:
        temporary.write_bytes(content.getbuffer())


def load_checkpoint(path: Path) -> dict:
    """Read a checkpoint without executing code.

    Raises
    ------
    TrainingError
        It is missing or damaged.
    """
    try:
        return torch.load(path, map_location="cpu", weights_only=True)
    except (OSError, RuntimeError, EOFError, pickle.UnpicklingError) as error:
        raise TrainingError(
            path,
            expected="a checkpoint",
            found=str(error).splitlines()[0],
            remedy="Start the run anew in another folder.",
        ) from error
