"""Step 2: the model bundle and its prediction."""

from __future__ import annotations

import slicer
from LVMLib.errors import LVMError

from LVMTransferLib.Panel import Panel, isChosen, setReady
from LVMTransferLib.Translation import tr as _


class PredictPanel(Panel):
    """Step 2: the model bundle and its prediction on every phase."""

    def setup(self) -> None:
        self._described = None
        self.ui.predictButton.connect("clicked()", self.onPredict)
        self.ui.cancelButton.connect("clicked()", self.runner.cancel)

    def refresh(self) -> None:
        parameters = self.parameters
        if str(parameters.bundlePath) != self._described:
            self._described = str(parameters.bundlePath)
            self.ui.bundleInfoLabel.text = self._describe(parameters.bundlePath)
        missing = [] if parameters.inputVolume else [_("a CT volume (step 1)")]
        if not (parameters.bundlePath / "bundle.json").is_file():
            missing.append(_("a model folder with a bundle.json"))
        setReady(self.ui.predictButton, missing, _("Segment the left ventricle in every phase"), busy=self.runner.busy)
        self.ui.cancelButton.enabled = self.runner.busy
        self.ui.cancelButton.toolTip = _("Stop the running step") if self.runner.busy else _("Nothing is running")

    def onPredict(self) -> None:
        """Segment the volume and adopt the result."""
        parameters = self.parameters
        volumeNode, bundlePath = parameters.inputVolume, parameters.bundlePath
        device = parameters.device.torchName()

        reading = self.owner.currentReading()

        def work(progress: object) -> object:
            return self.logic.predict(volumeNode, bundlePath, device, progress, reading=reading)

        predicted = self.runner.run(_("Predict"), work, torch=True)
        if predicted is not None:
            self.owner.adopt(predicted)
            self.owner.onCohortChanged()
            said = _("Predicted. Proposed end-diastole: phase {ed}, end-systole: phase {es}.").format(
                ed=predicted.ed, es=predicted.es
            )
            if predicted.doubts:
                said += " " + _("Look at the labels before you use them: {doubts}.").format(
                    doubts="; ".join(predicted.doubts)
                )
            self.runner.report(said)

    def _describe(self, bundlePath: object) -> str:
        if not isChosen(bundlePath):
            return _("No model chosen")
        if not (bundlePath / "bundle.json").is_file():
            return _("This folder holds no model: there is no bundle.json in it.")
        try:
            return self.logic.describeModel(bundlePath)
        except (LVMError, ImportError) as error:
            return str(error)


def showInSliceViews(volumeNode: object) -> None:
    """Put the volume into the background of the slice views and fit it."""
    slicer.util.setSliceViewerLayers(background=volumeNode, fit=True)
