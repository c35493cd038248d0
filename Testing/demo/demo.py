"""The main job on the phantom, from images to a report; run by ``make demo``.

Each step is a command that a person could type. The phantom's own truth stands in for the radiologist's corrections;
everything else is what a hospital would do with its scans.
"""

from __future__ import annotations

import resource
import shutil
import sys
import time
from pathlib import Path

from steps import ROOT, SITE_1, draw_contours, draw_thickness, lvm, say

FOLDER, REPORT = ROOT / "demo", ROOT / "report"
COHORT, PAIRS, RUN = FOLDER / "site2", FOLDER / "pairs", FOLDER / "run"
SEED, CASES, TEST, VALIDATION, PHASES, SPACING_MM = 20, 10, 4, 2, 6, 2.0
EPOCHS, TRAINING_SECONDS = 12, 120


def commands() -> list[tuple[object, ...]]:
    """Return the main job, from images to the trained model."""
    model, spacing = ("--model", SITE_1), ("--spacing", SPACING_MM)
    split = ("--test", TEST, "--validation", VALIDATION, "--seed", SEED)
    return [
        ("phantom", COHORT, "--site", 2, "--cases", CASES, "--seed", SEED, "--phases", PHASES, *spacing),
        ("predict", COHORT, *model),
        ("agree", COHORT, "--readers", "model,truth"),
        ("check", COHORT, "--reader", "truth"),
        (
            "sign",
            COHORT,
            "--reader",
            "truth",
            "--by",
            "phantom",
            "--reason",
            "known to be true, whatever the limits say",
        ),
        ("export", COHORT, PAIRS, "--reader", "truth", *spacing, *split),
        (
            "finetune",
            PAIRS,
            "--from",
            SITE_1,
            "--out",
            RUN,
            "--preset",
            "smoke",
            "--epochs",
            EPOCHS,
            "--seconds",
            TRAINING_SECONDS,
        ),
    ]


def draw_test_case(bundles: dict) -> list:
    """Draw the first test case before and after, at ED and ES, and its thickness after."""
    from LVMLib.cohort import pairs_of_split
    from LVMLib.evaluation import Picture
    from LVMLib.learning import predict_sequence

    pair = pairs_of_split(PAIRS, "test")[0]
    image, truth, folder = pair.image(), pair.read_mask(), FOLDER / "pictures"
    folder.mkdir(parents=True, exist_ok=True)
    shown = []
    for name, bundle in bundles.items():
        labels = predict_sequence(image, bundle).labels
        for phase, label in ((pair.ed, "ED"), (pair.es, "ES")):
            path, title = folder / f"{label} {name}.png", f"Phantom {label}, {name}"
            draw_contours(path, image.frame(phase), labels[phase], pair.grid, truth=truth[phase], title=title)
            colours = "model: endocardium red, epicardium green; truth: yellow and cyan"
            shown.append(Picture(path, f"{title}. {colours}.", f"Contours at {label} (phantom case {pair.id})"))
    path = draw_thickness(folder / "thickness.png", labels[pair.es], pair.grid, title="Phantom ES, fine-tuned")
    caption = "Wall thickness on the epicardium, and the streamlines from epicardium to endocardium."
    return [*shown, Picture(path, caption, "Wall thickness at ES (phantom)")]


def write_demo_report() -> tuple[Path, str]:
    """Evaluate both models on the test cases and write the report; return the page and the table as text."""
    from LVMLib.cli.terminal import ProgressBar
    from LVMLib.cohort import pairs_of_split
    from LVMLib.evaluation import describe_table, evaluate_pairs, write_report
    from LVMLib.learning import Bundle, read_events

    bundles = {"Site 1": Bundle.load(SITE_1), "fine-tuned": Bundle.load(RUN / "best")}
    bar = ProgressBar(sys.stderr)
    table = evaluate_pairs(pairs_of_split(PAIRS, "test"), bundles, progress=bar)
    bar.close()
    facts = {"seed": SEED, "training cases": CASES - TEST - VALIDATION, "command": "make demo"}
    page = write_report(
        REPORT, table=table, pictures=draw_test_case(bundles), run_events=read_events(RUN), provenance=facts
    )
    return page, describe_table(table)


def main() -> int:
    """Run the steps; end with the table on the terminal and the report."""
    started = time.monotonic()
    for folder in (FOLDER, REPORT):
        shutil.rmtree(folder, ignore_errors=True)
    steps = commands()
    for number, command in enumerate(steps, start=1):
        say(f"\n=== step {number} of {len(steps) + 1}, {time.monotonic() - started:.0f} s")
        lvm(*command)
    say(f"\n=== before and after on the test cases, {time.monotonic() - started:.0f} s")
    page, text = write_demo_report()
    peak = max(resource.getrusage(who).ru_maxrss for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)) / 2**20
    say(f"\n{text}\n\n{time.monotonic() - started:.0f} s, largest process {peak:.1f} GiB\n{page}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
