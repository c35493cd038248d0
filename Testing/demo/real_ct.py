"""The whole chain on a real heart CT, with pictures: ``python Testing/demo/real_ct.py IMAGE OUT``.

The pictures in the README come from it.
"""

from __future__ import annotations

import shutil
import sys
from pathlib import Path

from steps import SITE_1, draw_contours, draw_thickness, lvm, say


def main(image: Path, out: Path) -> int:
    """Import, predict, check, export and measure ``image``; draw what was found into ``out``."""
    shutil.rmtree(out, ignore_errors=True)
    cohort, pairs = out / "cohort", out / "pairs"
    lvm("import", image, cohort, "--case", "heart")
    lvm("predict", cohort, "--model", SITE_1)
    for finding in lvm("check", cohort)["findings"]:
        say(f"  {finding['rule']}: {finding['message']}")
    lvm("export", cohort, pairs, "--override", "labels of the model, to measure thickness; nobody corrected them")
    lvm("thickness", pairs / "heart" / "mask.nii.gz", "--out", out / "thickness")
    lvm("segment", image, out / "labels.nii.gz", "--model", SITE_1)

    from LVMLib.imaging import read_image, read_labels

    sequence, (labels, grid) = read_image(image), read_labels(out / "labels.nii.gz")
    draw_contours(out / "contours.png", sequence.frame(0), labels, grid, title="Real CT, Site 1 model untouched")
    draw_thickness(out / "thickness.png", labels, grid, title="Real CT")
    say(f"\n{out}")
    return 0


if __name__ == "__main__":
    sys.exit(main(Path(sys.argv[1]), Path(sys.argv[2])))
