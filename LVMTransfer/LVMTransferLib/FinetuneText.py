"""What the fine-tuning section says about a training run: its state, its numbers, the comparison, the verdict."""

from __future__ import annotations

import shutil
from pathlib import Path

from LVMLib.learning.training.states import CANCELLED, CRASHED, DONE, FAILED, RUNNING

from LVMTransferLib.TrainingRecord import STARTING, TrainingRecord
from LVMTransferLib.Translation import tr as _

# Less than a few checkpoints of the largest network need.
LITTLE_SPACE_BYTES = 200e6
MINUTE, HOUR = 60, 3600


def stateText(record: TrainingRecord, *, asked: bool, elsewhere: str | None, runPath: Path) -> str:
    """Return how the run stands, and what to do about it.

    :param asked: the training was asked to stop.
    :param elsewhere: the computer that trains, if it is another one.
    """
    if record.state in (STARTING, RUNNING):
        return _activeText(record, asked, elsewhere)
    if record.state == DONE:
        return verdict(record)
    again = _("Resume goes on after epoch {n}.").format(n=record.last["epoch"] if record.last else 0)
    if record.state == CANCELLED or (record.state == CRASHED and asked):
        return _("Stopped.") + " " + again
    if record.state == FAILED:
        said = record.message or _("The training failed without a word; see output.log in the run folder.")
        return f"{said} {again}" if record.epochs else said
    if record.state == CRASHED:
        found = _("The training was cut short: ended by the system, for example for want of memory, or by a power cut.")
        words = _('It last said "{line}".').format(line=record.message) if record.message else ""
        return " ".join(filter(None, (found, words, spaceText(runPath), again)))
    return _("Not started")


def _activeText(record: TrainingRecord, asked: bool, elsewhere: str | None) -> str:
    if asked:
        return _("Stopping after this step...")
    if elsewhere:
        return _("Training on the computer {name}.").format(name=elsewhere)
    if record.state == STARTING or not (record.epochs or record.source or record.step):
        return _("Starting: reading the cases...")
    text = _("Training. It goes on when Slicer is closed.")
    if record.shortOfMemory:
        text += " " + _("There was not enough memory: it goes on with less, and slower.")
    return text


def spaceText(runPath: Path) -> str:
    """Say so when the disk of the run folder is nearly full: a run cannot write there why it ended."""
    try:
        free = shutil.disk_usage(runPath).free
    except OSError:
        return ""
    if free > LITTLE_SPACE_BYTES:
        return ""
    return _("The disk of the run folder is full ({n} MB left): free disk space first.").format(n=int(free / 1e6))


def detailText(record: TrainingRecord) -> str:
    """Return the numbers of the last epoch, or of a long one that is being trained: loss, Dice, time left, memory."""
    last, now = record.last or {}, record.step or record.last
    if now is None:
        return ""
    parts = [_("Epoch {epoch} of {epochs}").format(epoch=now["epoch"], epochs=now["epochs"])]
    if record.step:
        parts.append(_("step {step} of {steps}").format(step=now["step"], steps=now["steps"]))
    parts.append(_("loss {value:.3f}").format(value=now["loss"]))
    if record.best:
        best = {"value": record.best["dice"], "n": record.best["epoch"]}
        parts.append(_("best validation Dice {value:.3f} in epoch {n}").format(**best))
    if record.source:
        parts.append(_("source {value:.3f}").format(value=record.source["dice"]))
    if last and record.state in (STARTING, RUNNING):
        parts.append(_("{time} left").format(time=duration(last["remaining_seconds"])))
    if last.get("memory_bytes"):
        parts.append(_("{value:.1f} GB of memory").format(value=last["memory_bytes"] / 1e9))
    return ", ".join(parts)


def deviceText(record: TrainingRecord, chosen: str) -> str:
    """Return where the run computes; before it has said so, what was chosen.

    :param chosen: the choice of step 2, translated.
    """
    name = (record.last or record.step or {}).get("device")
    if not name:
        return chosen
    return _("Processor (CPU)") if name == "cpu" else _("Graphics card ({name})").format(name=name)


def duration(seconds: float) -> str:
    """Return a time to wait, no more exact than a person needs it."""
    if seconds < 2 * MINUTE:
        return _("{n} s").format(n=round(seconds))
    if seconds < 2 * HOUR:
        return _("{n} min").format(n=round(seconds / MINUTE))
    return _("{n} h {m} min").format(n=int(seconds // HOUR), m=round(seconds % HOUR / MINUTE))


def share(record: TrainingRecord) -> int:
    """Return how much of the run is done, percent."""
    if record.state == DONE:
        return 100
    now = record.step or record.last
    if now is None:
        return 0
    trained = now["epoch"] - 1 + now["step"] / now["steps"] if record.step else now["epoch"]
    return round(100 * trained / max(now["epochs"], 1))


def comparisonRows(record: TrainingRecord) -> list[tuple[str, str, str, str]]:
    """Return (what, before, after, change) as text: the mean of the classes, each class, each validation case."""
    after, before = record.best, record.source or {}
    if after is None:
        return []
    rows = [
        _row(title, before.get(key), after[key])
        for title, key in ((_("Mean"), "dice"), (_("LV blood pool"), "blood_pool"), (_("LV myocardium"), "lvm"))
    ]
    earlier = before.get("cases", {})
    rows += [
        _row(_("Case {name}").format(name=name), earlier.get(name), dice)
        for name, dice in sorted(after["cases"].items())
    ]
    return rows


def _row(title: str, before: float | None, after: float) -> tuple[str, str, str, str]:
    if before is None:
        return title, "", f"{after:.3f}", ""
    return title, f"{before:.3f}", f"{after:.3f}", f"{after - before:+.3f}"


def verdict(record: TrainingRecord) -> str:
    """Say whether the new model is better than its source; the guard against negative transfer refuses it if not."""
    done = record.done or {}
    data = _("phantom validation cases") if done.get("phantom") else _("validation cases")
    numbers = {"after": done.get("dice", 0.0), "before": done.get("source_dice") or 0.0, "data": data}
    if record.refused:
        return _(
            "REFUSED: the new model is not better than its source on the {data} (mean Dice {after:.3f}, before"
            " {before:.3f}). Keep the source. Look at the labels with Check, add cases, or train longer."
        ).format(**numbers)
    if done.get("better"):
        return _(
            "Finished. The new model is better than its source on the {data}: mean Dice {after:.3f}, before"
            " {before:.3f}."
        ).format(**numbers)
    return _("Finished. There is no source to compare with; mean Dice {after:.3f} on the {data}.").format(**numbers)
