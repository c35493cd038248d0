"""Step 7: fine-tuning on this hospital's pairs, in its own process."""

from __future__ import annotations

import qt
import slicer
from slicer.i18n import tr as _

from LVMTransferLib.Panel import Panel, fitTable, isChosen, setReady
from LVMTransferLib.TrainingProcess import TrainingProcess, finetuneArguments


class FinetunePanel(Panel):
    """Starts, follows and stops a training process, and compares the models before and after."""

    def setup(self) -> None:
        self.training = TrainingProcess(self.onEvent, self.onFinished)
        self._comparison, self._validations, self._stopped = {}, [], False
        self.ui.finetuneButton.connect("clicked()", self.onStart)
        self.ui.stopFinetuneButton.connect("clicked()", self.onStop)
        self.ui.useModelButton.connect("clicked()", self.onUseModel)
        self.ui.finetuneProgressBar.value = 0
        self._showComparison([])

    def refresh(self) -> None:
        parameters, training = self.parameters, self.training.running
        missing = []
        if not (parameters.bundlePath / "bundle.json").is_file():
            missing.append(_("a model folder (step 2)"))
        if not isChosen(parameters.pairsPath) or not parameters.pairsPath.is_dir():
            missing.append(_("a pairs folder with exported cases (step 6)"))
        if not isChosen(parameters.runPath):
            missing.append(_("a run folder"))
        setReady(self.ui.finetuneButton, missing, _("Train in the background"), busy=training or self.runner.busy)
        self.ui.stopFinetuneButton.enabled = training
        self.ui.stopFinetuneButton.toolTip = (
            _("Stop after the current step; the run can be resumed") if training else _("Nothing is training")
        )
        best = isChosen(parameters.runPath) and (parameters.runPath / "best" / "bundle.json").is_file()
        setReady(
            self.ui.useModelButton,
            [] if best else [_("a finished run")],
            _("Put the best model of this run into step 2"),
            busy=training,
        )

    def onStart(self) -> None:
        """Start the training process."""
        parameters = self.parameters
        arguments = finetuneArguments(
            parameters.pairsPath,
            parameters.bundlePath,
            parameters.runPath,
            recipe=parameters.recipe.value,
            epochs=parameters.epochs,
            minutes=parameters.timeLimit,
            device=parameters.device.torchName(),
        )
        runPath = parameters.runPath

        def work(progress: object) -> bool:
            self.training.start(arguments, runPath)
            return True

        if self.runner.run(_("Fine-tune"), work, torch=True):
            self._comparison, self._validations, self._stopped = {}, [], False
            self.ui.finetuneProgressBar.value = 0
            self.ui.finetuneStatusLabel.text = _("Starting...")
            self._showComparison([])
            self.refresh()

    def onStop(self) -> None:
        """Ask the training to stop."""
        self._stopped = True
        self.training.stop()
        self.ui.finetuneStatusLabel.text = _("Stopping...")

    def onUseModel(self) -> None:
        """Take the new model for the next case."""
        self.parameters.bundlePath = self.parameters.runPath / "best"

    def onEvent(self, event: dict) -> None:
        """Show one line of ``events.jsonl``."""
        kind = event.get("event")
        if kind == "source":
            self._comparison["before"] = event["dice"]
        elif kind == "validation":
            self._validations.append(event)
        elif kind == "epoch":
            self._showEpoch(event)
        elif kind == "out_of_memory":
            self.ui.finetuneStatusLabel.text = _("Not enough memory: going on with a smaller crop")
        elif kind == "done":
            self._comparison.update(after=event["dice"], before=event["source_dice"], better=event["better"])
            self._comparison["phantom"] = event.get("phantom", False)

    def onFinished(self, status: int, output: str) -> None:
        """Report how the training ended."""
        if status == 0:
            self.ui.finetuneProgressBar.value = 100
            self._showComparison(comparisonRows(self._comparison, self._validations))
            self.ui.finetuneStatusLabel.text = _verdict(self._comparison)
        else:
            lines = [line for line in output.splitlines() if line.strip()]
            text = lines[-1] if lines else _("The training ended with status {n}.").format(n=status)
            self.ui.finetuneStatusLabel.text = text
            if not self._stopped:
                slicer.util.errorDisplay(text, windowTitle=_("Fine-tune"))
        self.refresh()

    def cleanup(self) -> None:
        """End the process with the application; the run folder stays resumable."""
        self.training.kill()

    def _showEpoch(self, event: dict) -> None:
        self.ui.finetuneProgressBar.value = round(100 * event["epoch"] / max(event["epochs"], 1))
        parts = [_("Epoch {epoch} of {epochs}").format(epoch=event["epoch"], epochs=event["epochs"])]
        for key, text in (
            ("loss", _("loss {value:.3f}")),
            ("best", _("best validation Dice {value:.3f}")),
            ("remaining_seconds", _("{value:.0f} s left")),
            ("device", _("on {value}")),
        ):
            if event.get(key) is not None:
                parts.append(text.format(value=event[key]))
        self.ui.finetuneStatusLabel.text = ", ".join(parts)

    def _showComparison(self, rows: list) -> None:
        table = self.ui.resultTable
        table.clear()
        table.columnCount = 4
        table.setHorizontalHeaderLabels([_("Validation Dice"), _("Before"), _("After"), _("Change")])
        table.rowCount = len(rows)
        for row, values in enumerate(rows):
            for column, text in enumerate(values):
                table.setItem(row, column, qt.QTableWidgetItem(text))
        fitTable(table)


def comparisonRows(comparison: dict, validations: list) -> list:
    """Return (what, before, after, change) as text: the mean Dice, and the two classes of the best model."""
    before, after = comparison.get("before"), comparison.get("after")
    if after is None:
        return []
    change = f"{after - before:+.3f}" if before is not None else ""
    rows = [(_("Mean"), f"{before:.3f}" if before is not None else "", f"{after:.3f}", change)]
    best = max(validations, key=lambda event: event["dice"], default=None)
    if best is not None:
        rows.append((_("LV blood pool"), "", f"{best['blood_pool']:.3f}", ""))
        rows.append((_("LV myocardium"), "", f"{best['lvm']:.3f}", ""))
    return rows


def _verdict(comparison: dict) -> str:
    data = _("phantom validation cases") if comparison.get("phantom") else _("validation cases")
    if comparison.get("better") is False:
        return _("Finished. The new model is not better than its source on the {data}: keep the source.").format(
            data=data
        )
    return _("Finished. The new model is better than its source on the {data}.").format(data=data)
