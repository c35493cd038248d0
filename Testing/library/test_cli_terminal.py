"""What a command shows: progress, tables, JSON, exit codes."""

import io
import json
import os
import subprocess
import sys

import numpy as np
import pytest
from LVMLib.cli.main import main
from LVMLib.cli.terminal import ProgressBar, print_json, table


class Terminal(io.StringIO):
    """A stream that says it is a terminal."""

    def isatty(self) -> bool:
        return True


def test_json_has_null_for_nan_and_plain_numbers_for_numpy():
    stream = io.StringIO()
    print_json(stream, {"a": float("nan"), "b": np.float32(1.5), "c": (np.int64(2), np.inf), 3: np.arange(2)})
    assert json.loads(stream.getvalue()) == {"a": None, "b": 1.5, "c": [2, None], "3": [0, 1]}


def test_table_aligns_numbers_right_and_shows_a_missing_value_as_a_dash():
    lines = table(["case", "ml"], [["a", 7.0], ["long-name", float("nan")]]).splitlines()
    assert lines[2] == "a           7"
    assert lines[3] == "long-name   -"


def test_progress_draws_a_bar_on_a_terminal_and_a_line_per_tenth_elsewhere():
    terminal, file = Terminal(), io.StringIO()
    ProgressBar(terminal)(1.0, "done")
    bar = ProgressBar(file)
    for step in range(101):
        bar(step / 100, "working")
    assert "100% done" in terminal.getvalue()
    assert len(file.getvalue().splitlines()) == 11


def test_json_is_alone_on_standard_output(tmp_path):
    result = subprocess.run(
        [sys.executable, "-m", "LVMLib.cli.main", "phantom", "cohort", *"--site 1 --cases 1".split()]
        + "--phases 1 --spacing 6 --json".split(),
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=False,
    )
    assert result.returncode == 0, result.stderr
    assert json.loads(result.stdout)["cases"] == ["case-001"]


@pytest.mark.parametrize(
    "arguments",
    [
        ["check", "nowhere"],
        ["predict", "nowhere", "--model", "no-bundle"],
        ["segment", "no.nii.gz", "out.nii.gz", "--model", "no-bundle"],
        ["export", "nowhere", "pairs"],
        ["agree", "nowhere", "--readers", "a,b"],
        ["finetune", "nowhere", "--random-init", "--out", "run"],
        ["evaluate", "nowhere", "--model", "no-bundle", "--out", "out"],
        ["thickness", "no.nii.gz", "--out", "out"],
        ["import", "no.nii.gz", "cohort"],
        ["model", "verify", "no-bundle"],
        ["bench", "no-benchmark"],
    ],
)
def test_what_is_not_there_ends_with_one_line_and_exit_status_2(arguments, tmp_path, monkeypatch, capfd):
    monkeypatch.chdir(tmp_path)
    assert main(arguments) == 2
    captured = capfd.readouterr()
    said = [line for line in captured.err.splitlines() if "%" not in line]
    assert captured.out == ""
    assert len(said) == 1 and "expected" in said[0] and "found" in said[0], captured.err
    assert os.listdir(tmp_path) == []


def test_control_c_ends_with_one_line_and_leaves_nothing(tmp_path, monkeypatch, capfd):
    def interrupt(*arguments, **options):
        raise KeyboardInterrupt

    monkeypatch.setattr("LVMLib.phantom.generate_cohort", interrupt)
    assert main(["phantom", str(tmp_path / "c"), "--site", "1", "--cases", "1"]) == 2
    assert "stopped" in capfd.readouterr().err
    assert os.listdir(tmp_path) == []


def test_a_defect_ends_with_exit_status_1_and_its_trace(tmp_path, monkeypatch, capfd):
    def fail(*arguments, **options):
        raise RuntimeError("a defect")

    monkeypatch.setattr("LVMLib.phantom.generate_cohort", fail)
    assert main(["phantom", str(tmp_path / "c"), "--site", "1", "--cases", "1"]) == 1
    assert "please report" in capfd.readouterr().err
