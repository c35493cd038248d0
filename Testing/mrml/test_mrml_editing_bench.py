"""The benchmark of drags in the views runs, and its rows say what they measured."""

from __future__ import annotations

import numpy as np
import pytest
from LVMLib.annotation import find_axes_from_points
from LVMLib.annotation.surfaces import surfaces_from_points
from LVMLib.grid import Grid
from LVMTransferLib import EditingBench

pytestmark = pytest.mark.usefixtures("scene")


def test_drag_and_undo_are_measured_with_views_beside_slicers_own_conversion(monkeypatch):
    monkeypatch.setattr(EditingBench, "DRAGS", 4)
    monkeypatch.setattr(EditingBench, "WARM_UP", 1)
    monkeypatch.setattr(EditingBench, "SIZE", (120, 120))
    surfaces = surfaces_from_points(find_axes_from_points([-30.3, 34.1, -29.7], [10.2, -14.4, 20.1], [18.0, 20.0, 4.0]))
    affine = np.diag([2.0, 2.0, 2.0, 1.0])
    affine[:3, 3] = -65.0
    grid = Grid((65, 65, 65), affine)
    rows = {row.name: row for row in EditingBench.rows(surfaces.to_labels(grid), grid, surfaces)}
    for name in ("drag", "undo"):
        whole = rows[f"{name} with three slice views (phantom, 1 mm), median"]
        parts = [row for label, row in rows.items() if label.startswith(f"of the {name}")]
        assert whole.goal == "<= 100"
        assert 0 < sum(part.value for part in parts) < 2 * whole.value
        assert parts[0].peer_value > 0
