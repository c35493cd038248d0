"""What changed between two label maps, as a map, as numbers and as a picture."""

from __future__ import annotations

import numpy as np
import pytest
import SimpleITK as sitk
from annotation_helpers import cube_grid, grid_centre, half_ellipsoid
from LVMLib.annotation import reader_difference, repair_difference, repair_labels, write_difference_picture
from LVMLib.errors import LabelError

GRID = cube_grid(96, (2.0, 2.0, 2.0))
TRUTH = half_ellipsoid(GRID, grid_centre(GRID) + np.array([15, -15, 12]))


def test_a_repair_says_what_it_added_removed_and_relabelled():
    before = TRUTH.copy()
    hole = np.rint(np.argwhere(before == 1).mean(axis=0)).astype(int)
    box = tuple(slice(n - 1, n + 2) for n in hole)
    before[box] = 0
    before[0, 0, 0] = 2
    after = repair_labels(before, GRID).labels
    found = repair_difference(before, after)
    assert found.counts == {1: 27, 2: 0, 3: 1, 4: 0}
    assert found.names[1] == "added blood pool"
    assert found.centre_index == tuple(hole)
    assert ((found.labels > 0) == (before != after)).all()
    assert repair_difference(before, before).centre_index is None


def test_two_readers_differ_by_name_and_every_differing_voxel_counts_once():
    other = np.roll(TRUTH, 1, axis=2)
    found = reader_difference(TRUTH, other, names=("anna", "ben"))
    assert ((found.labels > 0) == (other != TRUTH)).all()
    assert sum(found.counts.values()) == (other != TRUTH).sum()
    assert found.names[1] == "blood pool for anna only" and found.names[4] == "myocardium for ben only"
    turned = reader_difference(other, TRUTH).counts
    assert (turned[1], turned[3]) == (found.counts[2], found.counts[4])
    with pytest.raises(LabelError):
        reader_difference(TRUTH, TRUTH[1:])
    with pytest.raises(LabelError):
        reader_difference(TRUTH, TRUTH * 3)


def test_the_picture_shows_the_change_in_its_colour_and_needs_no_image(tmp_path):
    before = TRUTH.copy()
    before[TRUTH == 2] = np.where(np.random.default_rng(0).random((TRUTH == 2).sum()) < 0.5, 0, 2)
    difference = repair_difference(before, TRUTH)
    path = tmp_path / "picture.png"
    for image in (None, np.full(TRUTH.shape, 300, dtype=np.int16)):
        write_difference_picture(path, difference, TRUTH, GRID, image=image)
        pixels = sitk.GetArrayFromImage(sitk.ReadImage(str(path)))
        assert pixels.shape[1] > 900 and pixels.shape[2] == 3
        blue = (pixels[..., 2] > 140) & (pixels[..., 0] < 190) & (pixels[..., 2] > pixels[..., 0] + 20)
        assert blue.mean() > 0.02, "added myocardium is blue"
    write_difference_picture(path, repair_difference(TRUTH, TRUTH), TRUTH, GRID)
    write_difference_picture(path, repair_difference(TRUTH * 0, TRUTH * 0), TRUTH * 0, GRID)


def test_the_legend_of_the_picture_names_what_changed_and_says_when_nothing_did(tmp_path, monkeypatch):
    from PIL import Image, ImageDraw

    said = []
    draw = ImageDraw.ImageDraw.text
    monkeypatch.setattr(
        ImageDraw.ImageDraw, "text", lambda self, xy, text, **how: (said.append(text), draw(self, xy, text, **how))
    )
    before = TRUTH.copy()
    before[TRUTH == 1] = 0
    path = tmp_path / "picture.png"
    difference = repair_difference(before, TRUTH)
    write_difference_picture(path, difference, TRUTH, GRID)
    assert said == [f"added blood pool: {(TRUTH == 1).sum()} voxels", "endocardium", "epicardium"]
    strip = np.asarray(Image.open(path))[-20:]
    for color in (difference.colors[1], (0.86, 0.12, 0.12), (0.12, 0.63, 0.35)):
        assert (np.abs(strip - 255 * np.array(color)) < 2).all(axis=-1).sum() > 20, "a swatch beside its name"
    said.clear()
    write_difference_picture(path, repair_difference(TRUTH, TRUTH), TRUTH, GRID)
    assert said == ["Nothing changed.", "endocardium", "epicardium"]
    said.clear()
    write_difference_picture(path, reader_difference(before, TRUTH, names=("anna" * 20, "ben" * 30)), TRUTH, GRID)
    wide = np.asarray(Image.open(path))
    assert (wide[-20:] < 90).all(axis=-1).any(), "a second line below the first, for long names"
