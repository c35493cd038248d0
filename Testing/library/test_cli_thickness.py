"""`lvm thickness` on masks of one and of several phases."""

from __future__ import annotations

import errno
import importlib
import json
import os
from pathlib import Path
from xml.etree import ElementTree

import nibabel as nib
import numpy as np
import pytest
from cli_helpers import refused
from LVMLib.annotation import write_valve_curves
from LVMLib.cli.main import main
from LVMLib.errors import StorageError
from LVMLib.grid import Grid
from LVMLib.imaging import write_label_phases, write_labels
from thickness_helpers import half_shell


@pytest.fixture
def beat(tmp_path):
    """A 4D mask: not labelled, ES, ED, in between."""
    frames = [half_shell(29, 18), half_shell(32, 24), half_shell(30, 21)]
    grid = Grid(frames[0][0].shape, frames[0][1])
    path = tmp_path / "beat.nii.gz"
    write_label_phases(path, [np.zeros_like(frames[0][0]), *(each[0] for each in frames)], grid)
    return path


def lvm(capfd, *arguments):
    status = main([*map(str, arguments), "--json"])
    captured = capfd.readouterr()
    assert status == 0, captured.err
    return json.loads(captured.out)


def test_a_4d_mask_gives_ed_es_thickening_segments_and_pictures(beat, tmp_path, capfd):
    out = tmp_path / "out"
    found = lvm(capfd, "thickness", beat, "--out", out, "--rv-insertion=-16,28,10;-16,-28,10")
    assert (found["ed"], found["es"], found["not_labelled"]) == (2, 1, [0])
    assert found["median_mm"] == pytest.approx(8, abs=0.25)
    assert found["thickening_percent"] == pytest.approx(37.5, abs=3)
    assert found["orientation"] == "two insertions"
    for name in ("surface", "streamlines", "volume", "segments_csv", "bullseye", "bullseye_es", "bullseye_thickening"):
        assert Path(found[name]).is_file(), name
    assert len(ElementTree.parse(found["bullseye"]).findall("{http://www.w3.org/2000/svg}polygon")) == 17
    assert {path.name for path in out.glob("*.vtp")} == {
        "thickness.vtp", "streamlines.vtp", "endocardium.vtp",
        "thickness_es.vtp", "streamlines_es.vtp", "endocardium_es.vtp",
    }  # fmt: skip
    stored = json.loads((out / "thickness.json").read_text(encoding="utf-8"))
    assert stored == found


def test_the_nifti_of_thickness_lies_on_the_mask_and_is_nan_off_the_wall(beat, tmp_path, capfd):
    found = lvm(capfd, "thickness", beat, "--out", tmp_path / "out", "--phase", 2)
    image, mask = nib.load(found["volume"]), nib.load(beat)
    assert np.allclose(image.affine, mask.affine)
    thickness, wall = image.get_fdata(), np.asarray(mask.dataobj)[..., 2] == 2
    assert np.isnan(thickness[~wall]).all()
    assert np.nanmedian(thickness[wall]) == pytest.approx(8, abs=0.2)
    assert found["thickening_percent"] is None and "bullseye_es" not in found


def test_a_second_measurement_leaves_no_file_of_the_first_and_what_is_not_ours(beat, tmp_path, capfd):
    out = tmp_path / "out"
    lvm(capfd, "thickness", beat, "--out", out, "--every-phase")
    (out / "notes_es.vtp").touch()
    assert (out / "bullseye_es.svg").is_file() and (out / "thickness_03.vtp").is_file()
    found = lvm(capfd, "thickness", beat, "--out", out, "--phase", 2)
    ours = ("surface", "streamlines", "volume", "endocardium", "segments_csv", "bullseye")
    written = {Path(found[name]).name for name in ours} | {"thickness.json"}
    assert {path.name for path in out.iterdir()} == written | {"notes_es.vtp"}


def test_every_phase_is_written_when_asked_for(beat, tmp_path, capfd):
    found = lvm(capfd, "thickness", beat, "--out", tmp_path / "out", "--every-phase", "--segments", 16, "--es", 3)
    assert (found["ed"], found["es"], found["es_from"]) == (2, 3, "given")
    assert (tmp_path / "out" / "thickness_01.vtp").is_file() and (tmp_path / "out" / "streamlines_01.vtp").is_file()
    assert len(found["segments"]) == 16
    assert [row["role"] for row in found["phases"]] == ["", "ED", "ES"]


def test_chosen_phases_alone_are_measured(beat, tmp_path, capfd):
    found = lvm(capfd, "thickness", beat, "--out", tmp_path / "out", "--phases", "1,3")
    assert (found["ed"], found["es"]) == (3, 1)
    assert [row["phase"] for row in found["phases"]] == [1, 3]


def test_a_3d_mask_gives_one_surface_and_says_that_there_is_no_thickening(tmp_path, capfd):
    labels, affine = half_shell(32, 24)
    write_labels(tmp_path / "one.nii.gz", labels, Grid(labels.shape, affine))
    assert main(["thickness", str(tmp_path / "one.nii.gz"), "--out", str(tmp_path / "out")]) == 0
    said = capfd.readouterr().out
    assert said.startswith("median ") and "no thickening" in said and "estimated" in said
    assert "ED" not in said and "ED" not in (tmp_path / "out" / "bullseye.svg").read_text(encoding="utf-8")


@pytest.mark.parametrize(
    ("options", "said"),
    [
        (("--ed", 0), "only zeros"),
        (("--es", 9), "phase from 0 to 3"),
        (("--rv-insertion", "1,2"), "in RAS mm"),
        (("--rv-insertion", "a,b,c"), "in RAS mm"),
        (("--rv-insertion", "0,0,10"), "from the axis"),
        (("--phases", "one"), "whole number"),
        (("--segments", 12), "invalid choice"),
        (("--phase", 1, "--phases", "1,2"), "not allowed with"),
    ],
)
def test_bad_options_are_refused_in_one_line_and_nothing_is_written(beat, tmp_path, capfd, options, said):
    try:
        status = main(["thickness", str(beat), "--out", str(tmp_path / "out"), *map(str, options)])
    except SystemExit as stopped:
        status = stopped.code
    errors = [line for line in capfd.readouterr().err.splitlines() if "%" not in line[:5]]
    assert status == 2
    assert len(errors) == 1 and said in errors[0]
    assert not (tmp_path / "out").exists()


def test_a_broken_phase_is_named_and_the_others_are_measured(beat, tmp_path, capfd):
    mask = nib.load(beat)
    labels = np.asarray(mask.dataobj).copy()
    labels[..., 3][labels[..., 3] == 2] = 0
    nib.save(nib.Nifti1Image(labels, mask.affine), tmp_path / "broken.nii.gz")
    found = lvm(capfd, "thickness", tmp_path / "broken.nii.gz", "--out", tmp_path / "out")
    assert "phase 3" in found["phases"][2]["error"] and any("phase 3" in note for note in found["notes"])
    assert found["thickening_percent"] == pytest.approx(37.5, abs=3)
    assert main(["thickness", str(tmp_path / "broken.nii.gz"), "--out", str(tmp_path / "no"), "--ed", "3"]) == 2
    assert "phase 3" in capfd.readouterr().err and not (tmp_path / "no").exists()


def test_exchanged_ed_and_es_and_a_hole_in_the_wall_are_said(beat, tmp_path, capfd):
    mask = nib.load(beat)
    labels = np.asarray(mask.dataobj).copy()
    hole = labels[16:21, 16:21, :, 2]
    hole[hole == 2] = 0
    path = tmp_path / "hole.nii.gz"
    nib.save(nib.Nifti1Image(labels, mask.affine), path)
    assert main(["thickness", str(path), "--out", str(tmp_path / "out"), "--ed", "1", "--es", "2"]) == 0
    said = capfd.readouterr().out
    assert "does not shrink from ED to ES" in said and "exchanged" in said
    assert "openings besides the base; beside them is no value (phase 2)" in said
    stored = json.loads((tmp_path / "out" / "thickness.json").read_text(encoding="utf-8"))
    assert [row["wall_openings"] for row in stored["phases"]] == [0, 1, 0]
    at_es = stored["phases"][1]
    assert sum(at_es["invalid_reasons"].values()) == at_es["invalid"] > 0
    assert main(["thickness", str(path), "--out", str(tmp_path / "one"), "--phase", "2"]) == 0
    assert "without a value: " in capfd.readouterr().out


def test_a_base_can_be_given_as_a_plane_or_as_valve_curves_for_one_phase(beat, tmp_path, capfd):
    angle = np.linspace(0, 2 * np.pi, 30, endpoint=False)
    ring = np.stack([28 * np.cos(angle), 28 * np.sin(angle), np.full(30, 8.0)], axis=-1)
    write_valve_curves(tmp_path / "valves.mrk.json", {"mitral": ring})
    whole = lvm(capfd, "thickness", beat, "--phase", "2", "--out", tmp_path / "whole")
    plane = lvm(capfd, "thickness", beat, "--phase", "2", "--base-plane=0,0,8;0,0,-1", "--out", tmp_path / "plane")
    curve = lvm(
        capfd,
        "thickness",
        beat,
        "--phase",
        "2",
        "--valve-curves",
        tmp_path / "valves.mrk.json",
        "--out",
        tmp_path / "c",
    )
    assert plane["vertices"] == pytest.approx(curve["vertices"], rel=0.02)
    assert plane["vertices"] < 0.9 * whole["vertices"]
    assert plane["median_mm"] == pytest.approx(8, abs=0.25)


@pytest.mark.parametrize("base", ["--base-plane=0,0,8;0,0,-1", "--base-plane=0,0,8"])
def test_a_base_for_no_phase_in_particular_or_without_a_normal_is_refused(beat, tmp_path, capfd, base):
    arguments = ["thickness", str(beat), "--out", str(tmp_path / "out"), base]
    assert main(arguments if ";" in base else [*arguments, "--phase", "2"]) == 2
    assert "expected" in capfd.readouterr().err


@pytest.mark.parametrize("last", ["LVMLib.thickness.write_bullseye_svg", "LVMLib.files.write_json"])
def test_what_a_full_disk_cut_short_leaves_no_file_that_the_next_run_cannot_tell_from_its_own(
    beat, last, tmp_path, monkeypatch, capfd
):
    out, name = tmp_path / "out", last.rsplit(".", 1)

    def full(path, *_, **__):
        raise StorageError(path, expected="space", found=os.strerror(errno.ENOSPC), remedy="Free disk space.")

    monkeypatch.setattr(importlib.import_module(name[0]), name[1], full)
    assert "Free disk space" in refused(capfd, "thickness", beat, "--out", out, "--phase", 2)
    assert list(out.iterdir()) == []
