"""Step 7: fine-tuning on this hospital's pairs, in a process of its own that outlives Slicer."""

from __future__ import annotations

from pathlib import Path

import qt
import slicer
from LVMLib.learning.training.states import ABSENT, DONE, FAILED, RESUMABLE

from LVMTransferLib import FinetuneText
from LVMTransferLib.Panel import Panel, fitTable, isChosen, setReady
from LVMTransferLib.SceneTraining import trainingChart, updateTrainingChart
from LVMTransferLib.TrainingFollower import TrainingFollower
from LVMTransferLib.TrainingProcess import finetuneArguments, resumeArguments, startedFrom, startsAnew
from LVMTransferLib.Translation import tr as _

# The run that was started last, for a Slicer whose scene was not saved.
LAST_RUN = "LVM/LastTrainingRun"
RUN_NAME = "run-{n:03d}"


class FinetunePanel(Panel):
    """Starts, follows, stops and resumes a training, compares the models before and after, and offers the new one."""

    def setup(self) -> None:
        self.training = TrainingFollower(self.onNews)
        self.ui.finetuneButton.connect("clicked()", self.onStart)
        self.ui.stopFinetuneButton.connect("clicked()", self.onStop)
        self.ui.newRunButton.connect("clicked()", self.onNewRun)
        self.ui.trainingPlotButton.connect("clicked()", self.onPlot)
        self.ui.useModelButton.connect("clicked()", self.onUseModel)
        self._show()

    def recall(self) -> None:
        """Turn to the run that was started last if none is chosen, and look how the chosen one stands."""
        last = slicer.app.settings().value(LAST_RUN) or ""
        if last and not isChosen(self.parameters.runPath) and (Path(last) / "run.json").is_file():
            self.parameters.runPath = Path(last)
        self.training.look()

    def refresh(self) -> None:
        runPath = self.parameters.runPath if isChosen(self.parameters.runPath) else None
        if runPath != self.training.runPath:
            self.training.follow(runPath)
            self._show()
        self._enable()

    def onNewRun(self) -> None:
        """Choose a folder beside the pairs folder that holds no run yet."""
        self.parameters.runPath = newRunPath(self.parameters.pairsPath)

    def onStart(self) -> None:
        """Start the training, or go on with the one in the run folder."""
        runPath, arguments = self.parameters.runPath, self._arguments()

        def work(progress: object) -> bool:
            self.training.start(arguments)
            return True

        if self.runner.run(_("Fine-tune"), work, torch=True):
            slicer.app.settings().setValue(LAST_RUN, str(runPath.absolute()))
            self.runner.report(_("The training was started (step 7)."))
            self._show()
            self._enable()

    def onStop(self) -> None:
        """Ask the training to stop."""
        self.training.stop()
        self._show()
        self._enable()

    def onPlot(self) -> None:
        """Show loss and Dice in a layout with a plot view; from then on the plot follows the training."""
        chart = updateTrainingChart(self.training.runPath, self.training.record)
        slicer.modules.plots.logic().ShowChartInLayout(chart)

    def onUseModel(self) -> None:
        """Take the new model for the next case; the next fine-tuning still starts from this run's source."""
        source = startedFrom(self.parameters.runPath)
        if not isChosen(self.parameters.sourcePath) and source is not None:
            self.parameters.sourcePath = source
        self.parameters.bundlePath = self.parameters.runPath / "best"
        slicer.app.settings().remove(LAST_RUN)

    def onNews(self) -> None:
        """Show what a training told; many events at once come as one call."""
        runPath = self.training.runPath
        if trainingChart(runPath) is not None:
            updateTrainingChart(runPath, self.training.record)
        self._show()
        if not self.training.active:
            slicer.util.showStatusMessage(self.ui.finetuneStatusLabel.text, 10000)
        if self.parameters is not None:
            self._enable()

    def cleanup(self) -> None:
        """Look no more; the training goes on and is found again."""
        self.training.release()

    def _arguments(self) -> list[str]:
        parameters = self.parameters
        free = {"minutes": parameters.timeLimit, "device": parameters.device.torchName()}
        resumed = self._resumable
        if resumed and (arguments := resumeArguments(parameters.runPath, **free)):
            return arguments
        arguments = finetuneArguments(
            parameters.pairsPath,
            self._source(),
            parameters.runPath,
            recipe=parameters.recipe.value,
            cases=parameters.trainingCases,
            epochs=parameters.epochs,
            **free,
        )
        return [*arguments, "--resume"] if resumed else arguments

    @property
    def _resumable(self) -> bool:
        # A run that was refused at once, or failed before its first checkpoint, has left nothing to go on with: what
        # was wrong is put right in the fields above, and it starts anew in its folder.
        state, runPath = self.training.record.state, self.training.runPath
        return state in RESUMABLE and (runPath / "run.json").is_file() and not (state == FAILED and startsAnew(runPath))

    def _source(self) -> Path:
        chosen = self.parameters.sourcePath
        return chosen if isChosen(chosen) else self.parameters.bundlePath

    def _missing(self) -> list[str]:
        parameters, missing = self.parameters, []
        if not isChosen(parameters.runPath):
            missing.append(_("a run folder"))
        if self.training.record.state == DONE:
            missing.append(_("a new run folder, because the training in this one is finished"))
        if self._resumable and resumeArguments(parameters.runPath):
            return missing
        if not (self._source() / "bundle.json").is_file():
            missing.append(_("a model folder (step 2, or Start from)"))
        if not isChosen(parameters.pairsPath) or not parameters.pairsPath.is_dir():
            missing.append(_("a pairs folder with exported cases (step 6)"))
        return missing

    def _enable(self) -> None:
        record, active, ui = self.training.record, self.training.active, self.ui
        resumable = self._resumable
        ui.finetuneButton.text = _("Resume") if resumable else _("Start fine-tuning")
        does = (
            _("Go on with this run, with the recipe and the cases that it was started with")
            if resumable
            else _("Train in the background; you can go on working, and close Slicer")
        )
        setReady(ui.finetuneButton, self._missing(), does, busy=active or self.runner.busy)
        ui.stopFinetuneButton.enabled = active and not self.training.process.stopping
        ui.stopFinetuneButton.toolTip = (
            _("Stop after the current step; the run can be resumed") if active else _("Nothing is training")
        )
        pairs = [] if isChosen(self.parameters.pairsPath) else [_("a pairs folder (step 6)")]
        setReady(ui.newRunButton, pairs, _("Choose a new run folder beside the pairs folder"), busy=active)
        epochs = [] if record.epochs else [_("a run with an epoch")]
        setReady(ui.trainingPlotButton, epochs, _("Show loss and Dice over the epochs in a plot view"))
        setReady(ui.useModelButton, self._notOffered(), _("Put the best model of this run into step 2"), busy=active)
        if record.state == ABSENT and (self._source() / "bundle.json").is_file():
            ui.finetuneStatusLabel.text = _("Not started. It will start from {path}.").format(path=self._source())
        ui.finetuneDeviceValue.text = FinetuneText.deviceText(record, self.parameters.device.label())

    def _notOffered(self) -> list[str]:
        if self.training.record.refused:
            return [_("a model that is better than its source; this one was refused")]
        best = self.training.runPath is not None and (self.training.runPath / "best" / "bundle.json").is_file()
        return [] if best else [_("a finished run")]

    def _show(self) -> None:
        training, record = self.training, self.training.record
        self.ui.finetuneProgressBar.value = FinetuneText.share(record)
        self.ui.finetuneStatusLabel.text = FinetuneText.stateText(
            record,
            asked=training.process is not None and training.process.stopping,
            elsewhere=training.process.elsewhere() if training.active else None,
            runPath=training.runPath,
        )
        self.ui.finetuneDetailLabel.text = FinetuneText.detailText(record)
        self._showComparison(FinetuneText.comparisonRows(record))

    def _showComparison(self, rows: list) -> None:
        table = self.ui.resultTable
        table.clear()
        table.columnCount = 4
        table.setHorizontalHeaderLabels([_("Validation Dice"), _("Source"), _("New model"), _("Change")])
        table.rowCount = len(rows)
        for row, values in enumerate(rows):
            for column, text in enumerate(values):
                table.setItem(row, column, qt.QTableWidgetItem(text))
        fitTable(table)


def newRunPath(pairsPath: Path) -> Path:
    """Return the first folder ``run-NNN`` beside the pairs folder that is not there yet."""
    folder, number = pairsPath.parent, 1
    while (folder / RUN_NAME.format(n=number)).exists():
        number += 1
    return folder / RUN_NAME.format(n=number)
