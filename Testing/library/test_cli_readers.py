"""Masks from elsewhere, readers and signatures, as a person types the commands."""

from __future__ import annotations

import json

import numpy as np
import pytest
from cli_helpers import refused
from LVMLib.annotation import Protocol, write_valve_curves
from LVMLib.cli.main import main
from LVMLib.cohort import Cohort
from LVMLib.cohort.readers import ReaderSession
from LVMLib.grid import Grid
from LVMLib.imaging import read_image, read_labels, write_labels
from LVMLib.phantom.dicom import write_dicom_series
from reader_helpers import ED, ES, GRID, heart_cohort
from test_imaging_dicom_seg import labels_of, oblique


def lvm(capfd, *arguments) -> dict:
    """Run a command that must succeed; return its JSON."""
    status = main([str(argument) for argument in (*arguments, "--json")])
    captured = capfd.readouterr()
    assert status == 0, captured.err
    return json.loads(captured.out)


def holed(labels: np.ndarray) -> np.ndarray:
    result = labels.copy()
    result[tuple(slice(n - 2, n + 2) for n in np.rint(np.argwhere(labels == 1).mean(axis=0)).astype(int))] = 0
    return result


def test_a_mask_with_holes_is_repaired_counted_and_drawn(tmp_path, capfd):
    write_labels(tmp_path / "mask.nii.gz", np.stack([holed(ED), ED * 0, ES]), GRID)
    picture, difference = tmp_path / "changed.png", tmp_path / "changed.nrrd"
    found = lvm(
        capfd,
        "repair",
        tmp_path / "mask.nii.gz",
        tmp_path / "out.nii.gz",
        "--picture",
        picture,
        "--difference",
        difference,
    )
    assert [row["phase"] for row in found["phases"]] == [0, 2]
    first = found["phases"][0]
    assert (first["holes_before"], first["holes_after"]) == (1, 0) and first["changed"]["added blood pool"] == 64
    assert picture.is_file() and difference.is_file()
    repaired, _ = read_labels(tmp_path / "out.nii.gz")
    assert (repaired[0] == ED).all() and not repaired[1].any()
    write_valve_curves(
        tmp_path / "far.mrk.json", {"mitral": 15 * np.array([[1, 0, 9], [0, 1, 9], [-1, 0, 9], [0, -1, 9.0]])}
    )
    line = refused(
        capfd, "repair", tmp_path / "mask.nii.gz", tmp_path / "b.nii.gz", "--curves", tmp_path / "far.mrk.json"
    )
    assert "mm from the blood pool" in line and not (tmp_path / "b.nii.gz").exists()


def test_a_mask_of_another_tool_comes_into_its_case_and_one_on_another_grid_only_resampled(tmp_path, capfd):
    case = heart_cohort(tmp_path / "cohort").case("c1")
    into = (tmp_path / "cohort", "--case", "c1", "--reader", "syngo")
    write_labels(tmp_path / "mask.nii.gz", holed(ED), GRID)
    found = lvm(capfd, "labels", tmp_path / "mask.nii.gz", *into, "--phase", "ed")
    assert (found["phase"], found["holes_before"]) == (0, 1) and (case.labels("syngo", 0) == ED).all()
    lvm(capfd, "labels", tmp_path / "mask.nii.gz", *into, "--phase", 1, "--as-drawn")
    assert (case.labels("syngo", 1) == holed(ED)).all()
    with ReaderSession.open(Cohort.open(tmp_path / "cohort"), "c1", "syngo"):
        assert "close it there" in refused(capfd, "labels", tmp_path / "mask.nii.gz", *into, "--phase", "ed")
    turned = Grid(GRID.shape[::-1], GRID.affine[:, [2, 1, 0, 3]])
    write_labels(tmp_path / "turned.nii.gz", ED.transpose(2, 1, 0), turned)
    line = refused(capfd, "labels", tmp_path / "turned.nii.gz", *into, "--phase", "es")
    assert "axes RAS" in line and "axes SAR" in line and "--resample" in line
    lvm(capfd, "labels", tmp_path / "turned.nii.gz", *into, "--phase", "es", "--resample")
    assert (case.labels("syngo", 2) == ED).mean() > 0.9999
    for phase in ("7", "es,ed", "-1"):
        refused(capfd, "labels", tmp_path / "mask.nii.gz", *into, f"--phase={phase}")


def test_a_mask_never_takes_the_place_of_the_models_own_labels(tmp_path, capfd):
    case = heart_cohort(tmp_path / "cohort").case("c1")
    case.write_labels("model", 0, ED)
    write_labels(tmp_path / "mask.nii.gz", holed(ED), GRID)
    into = (tmp_path / "cohort", "--case", "c1", "--phase", "ed", "--as-drawn")
    for name in ("model", "Model"):
        assert "Give another name" in refused(capfd, "labels", tmp_path / "mask.nii.gz", *into, "--reader", name)
    assert (case.labels("model", 0) == ED).all()


def test_five_blinded_cases_from_the_first_reading_to_the_pairs(tmp_path, capfd):
    cohort = heart_cohort(tmp_path / "cohort", cases=2)
    path = tmp_path / "cohort"
    refused(capfd, "blind", path)
    refused(capfd, "blind", path, "--readers", "anna,ben", "--cases", 5)
    begun = lvm(capfd, "blind", path, "--readers", "anna,ben", "--cases", 2)
    assert begun["next"].startswith("Next: anna reads c1") and not begun["complete"]
    assert "finished" in refused(capfd, "agree", path, "--readers", "anna,ben")
    for name in ("c1", "c2"):
        for reader in ("anna", "ben"):
            cohort.case(name).write_labels(reader, 0, ED if reader == "anna" else np.roll(ED, 1, axis=1))
            cohort.case(name).write_labels(reader, 2, ES)
            state = lvm(capfd, "blind", path, "--finish", name, "--reader", reader)
    refused(capfd, "blind", path, "--finish", "c1", "--reader", "carl")
    assert state["complete"] and state["next"].endswith("--readers anna,ben")
    report = tmp_path / "report"
    found = lvm(capfd, "agree", path, "--readers", "anna,ben", "--consensus", "staple", "--out", report)
    assert found["consensus"] == {"method": "staple", "cases": ["c1", "c2"]}
    page = (report / "index.html").read_text()
    assert page.count('src="data:image/png') == 3 and "blinded" in page
    assert "consensus" in refused(capfd, "agree", path, "--readers", "anna,ben", "--consensus", "majority")
    assert "no signature" in refused(capfd, "export", path, tmp_path / "pairs")
    signed = lvm(capfd, "sign", path, "--reader", "consensus", "--by", "Dr A", "--case", "c1")
    assert signed["cases"][0]["protocol_version"] == Protocol.default().version
    assert "c2" in refused(capfd, "export", path, tmp_path / "pairs") and not (tmp_path / "pairs").exists()
    part = lvm(capfd, "export", path, tmp_path / "part", "--spacing", 3, "--signed-only")
    assert [row["case"] for row in part["cases"]] == ["c1"] and "no signature" in part["left_out"]["c2"]
    assert lvm(capfd, "sign", path, "--reader", "consensus", "--by", "Dr A")["signed"] == 2
    listed = lvm(capfd, "worklist", path)
    assert listed["next"] is None and {row["status"] for row in listed["cases"]} == {"signed off"}
    assert len(lvm(capfd, "export", path, tmp_path / "pairs", "--spacing", 3)["cases"]) == 2
    lvm(capfd, "sign", path, "--reader", "consensus", "--case", "c1", "--withdraw")
    assert lvm(capfd, "worklist", path)["next"] is None, "it waits for a signature only"
    refused(capfd, "sign", path, "--reader", "nobody")
    lvm(capfd, "sign", path, "--reader", "consensus", "--case", "c2", "--withdraw")
    assert "no signature" in refused(capfd, "export", path, tmp_path / "no", "--signed-only")
    assert not (tmp_path / "no").exists()


def test_signing_every_case_leaves_out_those_that_fail_and_says_so(tmp_path, capfd):
    cohort = heart_cohort(tmp_path / "cohort", cases=2, readers=("anna",))
    cohort.case("c2").write_labels("anna", 0, holed(ED))
    found = lvm(capfd, "sign", tmp_path / "cohort", "--reader", "anna")
    assert [row["state"] for row in found["cases"]] == ["signed", "not signed"] and found["signed"] == 1
    assert "clean_mask" in refused(capfd, "sign", tmp_path / "cohort", "--reader", "anna", "--case", "c2")
    listed = lvm(capfd, "worklist", tmp_path / "cohort")
    assert (listed["next"], listed["cases"][1]["failed"]) == ("c2", ["clean_mask"])


def test_a_site_copies_edits_and_sets_its_protocol(tmp_path, capfd):
    heart_cohort(tmp_path / "cohort", readers=("anna",))
    copied = lvm(capfd, "protocol", "--copy", tmp_path / "site")["copy"]
    content = json.loads((tmp_path / "site" / "lvm-consensus.json").read_text())
    content["limits"]["mass_g"] = [0, 1]
    (tmp_path / "site" / "lvm-consensus.json").write_text(json.dumps(content))
    assert "version" in refused(capfd, "protocol", copied)
    (tmp_path / "site" / "lvm-consensus.json").write_text(json.dumps(content | {"version": "2.0.0"}))
    assert lvm(capfd, "protocol", copied, "--set", tmp_path / "cohort")["version"] == "2.0.0"
    assert lvm(capfd, "check", tmp_path / "cohort")["failed"] == 2
    assert "plausible_numbers" in refused(capfd, "sign", tmp_path / "cohort", "--reader", "anna", "--case", "c1")


def test_seg_writes_objects_beside_the_dicom_that_was_imported_and_labels_brings_one_back(tmp_path, capfd):
    pytest.importorskip("highdicom")
    from LVMLib.imaging import ArrayFrames, Sequence

    frames = np.random.default_rng(1).integers(-900, 900, (2, *oblique().shape)).astype(np.int16)
    dicom = write_dicom_series(tmp_path / "dicom", Sequence(oblique(), ArrayFrames(frames), info={"phantom": True}))
    case = Cohort.create(tmp_path / "cohort", site="test").add_case(read_image(dicom), case_id="c1", ed=0, es=1)
    for phase in (0, 1):
        case.write_labels("anna", phase, labels_of(phase))
    out = (tmp_path / "cohort", "--case", "c1", "--dicom", dicom, "--out", tmp_path / "seg")
    files = lvm(capfd, "seg", *out)["files"]
    assert [row["phase"] for row in files] == [0, 1]
    lvm(
        capfd,
        "labels",
        files[1]["file"],
        tmp_path / "cohort",
        "--case",
        "c1",
        "--reader",
        "pacs",
        "--phase",
        1,
        "--as-drawn",
    )
    assert (case.labels("pacs", 1) == labels_of(1)).all()
    refused(capfd, "seg", *out[:4], tmp_path, *out[5:])
    assert "lvm labels" in refused(capfd, "repair", files[0]["file"], tmp_path / "x.nii.gz")
