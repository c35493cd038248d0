"""The core without the desktop is complete enough for scripts, and keeps out of the desktop's way."""

from __future__ import annotations

import ctypes.util

import numpy as np
import pytest
import slicer
from LVMTransferLib import HeadlessCore

pytestmark = pytest.mark.usefixtures("scene")


def test_starting_twice_gives_the_same_scene():
    assert HeadlessCore.startHeadlessCore() is slicer.mrmlScene
    assert not HeadlessCore.isDesktop()


def test_inside_the_desktop_nothing_is_replaced(monkeypatch):
    desktop = object()
    monkeypatch.setattr(slicer, "app", desktop)
    assert HeadlessCore.startHeadlessCore() is slicer.mrmlScene
    assert slicer.app is desktop
    assert HeadlessCore.isDesktop()


@pytest.mark.parametrize("name", ["volumes", "segmentations", "sequences", "terminologies", "markups", "colors"])
def test_the_module_logics_work_on_the_scene(name):
    assert getattr(slicer.modules, name).logic().GetMRMLScene() is slicer.mrmlScene
    assert slicer.app.moduleManager().module(name.capitalize()) is getattr(slicer.modules, name)


def test_slicer_util_makes_a_label_volume():
    volume = slicer.util.addVolumeFromArray(np.zeros((3, 4, 5), np.int16))
    assert slicer.modules.volumes.logic().CreateAndAddLabelVolume(volume, "labels").GetDisplayNode() is not None


def test_what_needs_a_window_is_absent_and_never_a_silent_lie():
    assert slicer.app.layoutManager() is None
    with pytest.raises(AttributeError):
        slicer.app.coreIOManager()


@pytest.mark.parametrize(
    ("libraries", "display", "chosen"),
    [
        ({"OSMesa", "EGL"}, "", "vtkOSOpenGLRenderWindow"),
        ({"EGL"}, "", "vtkEGLRenderWindow"),
        ({"EGL"}, ":0", None),
        (set(), "", None),
    ],
)
def test_software_rendering_is_chosen_from_what_is_installed(monkeypatch, libraries, display, chosen):
    monkeypatch.setenv("VTK_DEFAULT_OPENGL_WINDOW", "")
    monkeypatch.setenv("DISPLAY", display)
    monkeypatch.setattr(ctypes.util, "find_library", lambda name: name if name in libraries else None)
    HeadlessCore.chooseSoftwareRendering()
    assert HeadlessCore.os.environ["VTK_DEFAULT_OPENGL_WINDOW"] == (chosen or "")


def test_the_users_own_choice_of_rendering_is_kept(monkeypatch):
    monkeypatch.setenv("VTK_DEFAULT_OPENGL_WINDOW", "vtkXOpenGLRenderWindow")
    HeadlessCore.chooseSoftwareRendering()
    assert HeadlessCore.os.environ["VTK_DEFAULT_OPENGL_WINDOW"] == "vtkXOpenGLRenderWindow"
