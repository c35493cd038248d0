"""A full disk, a folder that cannot be written, Ctrl-C: one line, exit status 2, whole files only."""

import errno
import json
import os
import pkgutil
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from cli_helpers import cohort_folder, image_file, mask_file, refused, run, said, snapshot, untrained_bundle
from learning_helpers import ball_pair
from process_helpers import PATIENCE_S, python_process

WRITING = ("phantom", "import", "segment", "predict", "export", "finetune", "evaluate", "thickness", "pack")


@pytest.fixture(scope="module")
def made(tmp_path_factory) -> Path:
    """Everything that the commands start from; never written to."""
    folder = tmp_path_factory.mktemp("made")
    untrained_bundle(folder / "bundle")
    shutil.copytree(folder / "bundle", folder / "run" / "best")
    cohort_folder(folder / "cohort", readers=("ada", "bob"))
    image_file(folder / "heart.nii.gz")
    mask_file(folder / "mask.nii.gz")
    for name in ("a", "b"):
        ball_pair(folder / "pairs", name, size=16, phases=2)
    return folder


@pytest.fixture
def given(made, tmp_path) -> Path:
    shutil.copytree(made, tmp_path / "given")
    return tmp_path / "given"


def command(name: str, given: Path, out: Path) -> tuple:
    """Return a command that reads from ``given`` and writes to ``out``."""
    model = ("--model", given / "bundle")
    return {
        "phantom": ("phantom", out / "new", "--site", 1, "--cases", 1, "--phases", 2, "--spacing", 20),
        "import": ("import", given / "heart.nii.gz", out / "new"),
        "segment": ("segment", given / "heart.nii.gz", out / "labels.nii.gz", *model),
        "predict": ("predict", given / "cohort", *model),
        "check": ("check", given / "cohort"),
        "agree": ("agree", given / "cohort", "--readers", "ada,bob"),
        "export": ("export", given / "cohort", out / "new", "--reader", "ada", "--spacing", 2, "--override", "test"),
        "finetune": (
            "finetune",
            given / "pairs",
            "--from",
            given / "bundle",
            "--out",
            out / "new",
            "--preset",
            "smoke",
        ),
        "evaluate": ("evaluate", given / "pairs", *model, "--split", "all", "--out", out / "new"),
        "thickness": ("thickness", given / "mask.nii.gz", "--out", out / "new"),
        "pack": ("model", "pack", given / "run", out / "new"),
        "verify": ("model", "verify", given / "bundle"),
        "card": ("model", "card", given / "bundle"),
        "bench": ("bench", "import-dicom"),
    }[name]


def require_whole(folder: Path) -> None:
    """Every file that is left has its final name and can be read."""
    for path in folder.rglob("*"):
        assert not path.name.startswith((".part-", ".lock")), path
        if path.suffix == ".json":
            json.loads(path.read_text(encoding="utf-8"))


DEEPEST = {
    "phantom": ("LVMLib.phantom.cohort.render_phase", 2),
    "import": ("LVMLib.imaging.raw.RawFrames.stored", 3),
    "segment": ("LVMLib.learning.models.segment._forward", 2),
    "predict": ("LVMLib.cohort.case.write_segmentation", 2),
    "check": ("LVMLib.evaluation.checking.check_labels", 1),
    "agree": ("LVMLib.evaluation.agreement.compare_readers", 2),
    "export": ("LVMLib.cohort.export.resample_image", 2),
    "finetune": ("LVMLib.learning.training.loop.TrainingLoop._epoch", 1),
    "evaluate": ("LVMLib.evaluation.pairs.label_surface_distances", 2),
    "thickness": ("LVMLib.thickness.vtp._array", 3),
    "pack": ("LVMLib.learning.models.bundle.shutil.copyfile", 2),
    "verify": ("LVMLib.learning.models.bundle.sha256", 2),
    "card": ("LVMLib.learning.models.bundle.load_file", 1),
    "bench": ("LVMLib.evaluation.benchmarks.import_dicom.run", 1),
}


def interrupt_at(monkeypatch, target: str, call: int) -> None:
    """Press Ctrl-C in the ``call``-th call of ``target``."""
    calls, original = [], pkgutil.resolve_name(target)

    def interrupted(*arguments, **options):
        calls.append(1)
        if len(calls) == call:
            raise KeyboardInterrupt
        return original(*arguments, **options)

    monkeypatch.setattr(target, interrupted)


@pytest.mark.parametrize("name", DEEPEST)
def test_control_c_in_any_command_ends_with_one_line_and_whole_files(name, given, tmp_path, monkeypatch, capfd):
    before = snapshot(given)
    interrupt_at(monkeypatch, *DEEPEST[name])
    (tmp_path / "out").mkdir()
    assert run(*command(name, given, tmp_path / "out")) == 2
    captured = capfd.readouterr()
    lines = said(captured.err)
    assert len(lines) == 1 and "stopped" in lines[0] and captured.out == ""
    require_whole(tmp_path)
    changed = {path for path, content in snapshot(given).items() if before.get(path) != content}
    assert set(before) <= set(snapshot(given))
    first_results = {f"cases/case-001/{name}" for name in ("case.json", "labels/model/00.seg.nrrd", "prediction.json")}
    first_results |= {"cases/case-001/checks/ada.json"}
    assert changed <= {"pairs/splits.json", *(f"cohort/{path}" for path in first_results)}
    left = {path.name for path in (tmp_path / "out").iterdir()}
    assert left <= {"phantom": {"new"}, "finetune": {"new"}, "thickness": {"new"}}.get(name, set())


def test_control_c_in_finetune_tells_how_to_go_on(given, tmp_path, monkeypatch, capfd):
    interrupt_at(monkeypatch, "LVMLib.learning.training.loop.TrainingLoop._epoch", 1)
    assert run(*command("finetune", given, tmp_path)) == 2
    assert "continue with --resume" in said(capfd.readouterr().err)[0]
    assert json.loads((tmp_path / "new" / "run.json").read_text())["status"] == "cancelled"


def test_a_real_control_c_stops_a_real_process_in_one_line(tmp_path):
    endless = "-m LVMLib.cli.main phantom cohort --site 1 --cases 99999 --spacing 8".split()
    streams = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE}
    with python_process(*endless, cwd=tmp_path, start_new_session=True, **streams) as process:
        first = process.stderr.readline()
        time.sleep(0.1)  # anywhere in the work
        os.killpg(process.pid, signal.SIGINT)
        output, error = process.communicate(timeout=PATIENCE_S)
    assert process.returncode == 2 and output == ""
    assert said(first) == [] and len(said(error)) == 1 and "stopped" in error
    require_whole(tmp_path)


@pytest.mark.parametrize("name", WRITING)
@pytest.mark.parametrize("code", [errno.ENOSPC, errno.EROFS], ids=["full", "read-only"])
def test_a_disk_that_cannot_be_written_ends_with_one_line(name, code, given, tmp_path, monkeypatch, capfd):  # noqa: PLR0917
    def fail(*arguments, **options):
        raise OSError(code, os.strerror(code))

    monkeypatch.setattr("LVMLib.files._sync", fail)
    monkeypatch.setattr("LVMLib.learning.models.bundle.shutil.copyfile", fail)
    before = snapshot(given)
    line = refused(capfd, *command(name, given, tmp_path / "out"))
    assert os.strerror(code) in line and str(tmp_path) in line
    require_whole(tmp_path)
    assert snapshot(given) == before
    assert not (tmp_path / "out").exists() or name in ("phantom", "finetune")


@pytest.fixture
def small_disk(tmp_path):
    """A disk of 64 KiB, where this machine lets us mount one."""
    folder = tmp_path / "disk"
    folder.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", "size=64k", "tmpfs", str(folder)]
    if shutil.which("mount") is None or subprocess.run(mount, capture_output=True, check=False).returncode != 0:
        pytest.skip("no permission to mount a small disk")
    yield folder
    subprocess.run(["umount", "--lazy", str(folder)], check=True)


@pytest.mark.parametrize("name", [name for name in WRITING if name not in ("phantom", "predict")])
def test_a_disk_that_is_really_full_ends_with_one_line_and_whole_files(name, given, small_disk, capfd):
    (small_disk / "filler").write_bytes(bytes(64 * 1024))
    line = refused(capfd, *command(name, given, small_disk))
    assert "No space left" in line and str(small_disk) in line
    require_whole(small_disk)


def test_a_disk_that_fills_while_a_run_prepares_its_cases_ends_with_one_line(given, small_disk, capfd):
    (small_disk / "filler").write_bytes(bytes(24 * 1024))
    line = refused(capfd, *command("finetune", given, small_disk))
    assert "No space left" in line
    require_whole(small_disk)


def test_a_result_that_standard_output_cannot_take_is_told(given, tmp_path):
    if not Path("/dev/full").exists():
        pytest.skip("no /dev/full")
    with open("/dev/full", "w") as full:
        process = subprocess.run(
            [
                sys.executable,
                "-m",
                "LVMLib.cli.main",
                "import",
                str(given / "heart.nii.gz"),
                str(tmp_path / "new"),
                "--json",
            ],
            stdout=full,
            stderr=subprocess.PIPE,
            text=True,
            check=False,
        )
    assert process.returncode == 2 and len(said(process.stderr)) == 1 and "No space left" in process.stderr


@pytest.mark.parametrize("name", [name for name in WRITING if name != "predict"])
def test_an_output_below_a_file_is_refused_and_the_file_is_kept(name, given, tmp_path, capfd):
    out = tmp_path / "notes.txt"
    out.write_text("notes")
    assert str(out) in refused(capfd, *command(name, given, out))
    assert out.read_text() == "notes"
    require_whole(tmp_path)


@pytest.mark.parametrize("name", ["check", "predict", "agree", "export"])
def test_a_file_where_a_cohort_belongs_is_refused(name, given, tmp_path, capfd):
    shutil.rmtree(given / "cohort")
    (given / "cohort").write_text("notes")
    assert str(given / "cohort") in refused(capfd, *command(name, given, tmp_path / "out"))


def test_an_image_beyond_the_memory_is_told_in_one_line(given, tmp_path, monkeypatch, capfd):
    def too_large(*arguments, **options):
        raise MemoryError("Unable to allocate 29.1 PiB")

    monkeypatch.setattr("LVMLib.cohort.export.resample_image", too_large)
    assert "29.1 PiB" in refused(capfd, *command("export", given, tmp_path / "out"))
