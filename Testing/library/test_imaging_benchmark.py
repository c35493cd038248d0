"""The benchmark frame, and the DICOM import benchmark on a few slices."""

from __future__ import annotations

import importlib.util

import numpy as np
import pytest
from LVMLib.errors import LVMError
from LVMLib.evaluation.benchmarks import BENCHMARKS, Row, import_dicom, run_benchmark
from LVMLib.grid import Grid
from LVMLib.imaging import ArrayFrames, Sequence


def test_a_ratio_above_one_is_better_than_the_peer_whichever_way_is_good():
    small = Row.at_most("time", 2.0, "s", goal=3, peer="peer", peer_value=8.0)
    large = Row.at_least("Dice", 0.9, "", goal=0.95, peer="peer", peer_value=0.6)
    assert small.ratio == 4 and small.goal == "<= 3" and small.met is True
    assert large.ratio == pytest.approx(1.5) and large.goal == ">= 0.95" and large.met is False
    alone = Row.at_most("size", 5.0, "MB")
    assert (alone.peer, alone.ratio, alone.goal, alone.met) == (None, None, None, None)


def test_every_registered_benchmark_has_its_module_and_an_unknown_one_is_refused():
    assert all(importlib.util.find_spec(module) for module in BENCHMARKS.values())
    with pytest.raises(LVMError, match="import-dicom"):
        run_benchmark("nothing")


def test_the_import_benchmark_measures_each_import_in_its_own_process(tmp_path, monkeypatch):
    def series(size: int, slices: int, phases: int) -> Sequence:
        volumes = np.zeros((phases, slices, size, size), np.int16)
        return Sequence(Grid((slices, size, size), np.diag([-0.4, -0.4, 0.7, 1.0])), ArrayFrames(volumes))

    monkeypatch.setattr(import_dicom, "_series", series)
    monkeypatch.setattr(import_dicom, "_REPEATS", 1)
    rows = import_dicom.run(size=8, slices=3, phases=2, folder=tmp_path)
    peak = rows[0]
    assert peak.unit == "MiB" and peak.met and 10 < peak.value < 1000 and peak.peer_value > 10
    assert not list(tmp_path.iterdir())
