"""The stand-in desktop, one for the process; every test starts from an empty scene."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from host.start import Desktop, start_desktop


@pytest.fixture(scope="session")
def started() -> Desktop:
    """The running stand-in."""
    return start_desktop()


@pytest.fixture
def desktop(started: Desktop) -> Iterator[Desktop]:
    """The stand-in with an empty scene; fails the test when a slot raised or a message box was not expected."""
    import slicer
    from host.proxy import clear_slot_errors

    slicer.mrmlScene.Clear(0)
    clear_slot_errors()
    started.messages.clear()
    yield started
    errors, messages = clear_slot_errors(), list(started.messages)
    slicer.mrmlScene.Clear(0)
    assert not errors, f"slots raised {errors}"
    assert not messages, f"unexpected message boxes: {messages}"
