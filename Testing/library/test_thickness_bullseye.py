"""The bull's-eye: geometry, colours and a picture that other readers of SVG understand."""

from __future__ import annotations

from xml.etree import ElementTree

import numpy as np
import pytest
from LVMLib.errors import LVMError
from LVMLib.thickness import LVFrame, assign_segments, bullseye_geometry, bullseye_svg, write_bullseye_svg
from LVMLib.thickness.bullseye import NO_VALUE, colours_of, nice_limits

SVG = "{http://www.w3.org/2000/svg}"


def _area(polygon):
    x, y = polygon.T
    return 0.5 * float(x @ np.roll(y, -1) - y @ np.roll(x, -1))


@pytest.mark.parametrize("model", [16, 17])
def test_the_fields_tile_the_disk_without_gap_or_overlap(model):
    fields = bullseye_geometry(model)
    assert [field.segment for field in fields] == list(range(1, model + 1))
    areas = [_area(field.polygon) for field in fields]
    assert min(areas) > 0
    assert sum(areas) == pytest.approx(np.pi, rel=2e-3)


def test_a_point_of_the_wall_falls_into_the_field_of_its_segment():
    frame = LVFrame(np.array([0, 0, 60.0]), np.zeros(3), np.array([0, 0, 1.0]), np.array([-1.0, 0, 0]), "estimated")
    for field in bullseye_geometry():
        x, y = field.centre
        radius = np.hypot(x, y)
        height = 80.0 * (1 - radius)  # rings of a quarter each; the cap beyond 60 mm
        point = np.array([[x / max(radius, 1e-9), y / max(radius, 1e-9), height]]) * (20, 20, 1)
        assert assign_segments(point, frame)[0] == field.segment


def test_anterior_is_on_top_and_septal_to_the_left():
    centre = {field.name: field.centre for field in bullseye_geometry()}
    assert centre["basal anterior"][1] > 0.8 and abs(centre["basal anterior"][0]) < 1e-9
    assert centre["apical septal"][0] < -0.3 and centre["apical lateral"][0] > 0.3
    assert centre["mid inferior"][1] < -0.5


def test_the_picture_shows_every_value_and_hatches_what_has_none(tmp_path):
    values = np.linspace(5, 15, 17)
    values[4] = np.nan
    write_bullseye_svg(tmp_path / "eye.svg", values, title="A <title>", note="Orientation estimated")
    root = ElementTree.parse(tmp_path / "eye.svg").getroot()
    polygons = root.findall(f"{SVG}polygon")
    assert len(polygons) == 17
    assert [polygon.get("fill").startswith("url") for polygon in polygons] == [n == 4 for n in range(17)]
    text = " ".join(root.itertext())
    for said in ("5.0", "15.0", "A <title>", "Orientation estimated", "Hatched", "mm", "anterior", "septal"):
        assert said in text
    assert "http" not in bullseye_svg(values).replace("http://www.w3.org/2000/svg", "")


def test_a_bullseye_without_a_single_value_is_still_drawn():
    root = ElementTree.fromstring(bullseye_svg([np.nan] * 16, model=16))
    assert all(polygon.get("fill").startswith("url") for polygon in root.findall(f"{SVG}polygon"))


def test_colours_grow_lighter_with_the_value_and_grey_where_there_is_none():
    rgb = colours_of(np.array([4.0, 6, 8, 10, np.nan, -1, 99]), (4.0, 10.0))
    lightness = rgb @ (0.2126, 0.7152, 0.0722)
    assert np.all(np.diff(lightness[:4]) > 10)
    assert tuple(rgb[4]) == NO_VALUE
    assert np.array_equal(rgb[5], rgb[0]) and np.array_equal(rgb[6], rgb[3])


@pytest.mark.parametrize("values", [[7.0], [7.0, 7.0], [-3, 120.0], [0.1, 0.2], [np.nan], [8.3, 14.9, np.nan]])
def test_limits_are_round_and_hold_all_values(values):
    low, high = nice_limits(values)
    known = np.array(values)[np.isfinite(values)]
    assert low < high and (known >= low).all() and (known <= high).all()
    assert known.size == 0 or high - low <= 2.6 * max(np.ptp(known), 0.01 * abs(known).max())


def test_the_wrong_number_of_values_is_refused():
    with pytest.raises(LVMError, match="17 values"):
        bullseye_svg([1.0] * 16)
