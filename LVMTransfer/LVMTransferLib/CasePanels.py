"""Steps 1 and 2: the case, the model and its prediction."""

from __future__ import annotations

import slicer
from LVMLib.errors import LVMError
from slicer.i18n import tr as _

from LVMTransferLib.Panel import Panel, isChosen, setReady


class CasePanel(Panel):
    """Step 1: a volume of the scene, or a case of the cohort."""

    def setup(self) -> None:
        self._listed = None
        self.ui.loadCaseButton.connect("clicked()", self.onLoad)

    def refresh(self) -> None:
        """List the cases of the cohort folder when it changed."""
        cohortPath = self.parameters.cohortPath
        if str(cohortPath) != self._listed:
            self._listed = str(cohortPath)
            self._list(self._caseIds(cohortPath))
        missing = [] if self.ui.caseComboBox.currentText else [_("a cohort folder with cases")]
        setReady(
            self.ui.loadCaseButton, missing, _("Load this case with all its phases and labels"), busy=self.runner.busy
        )

    def relist(self) -> None:
        """Read the cohort folder again."""
        self._listed = None
        self.refresh()

    def onLoad(self) -> None:
        """Load the chosen case and show it."""
        cohortPath, caseId = self.parameters.cohortPath, self.ui.caseComboBox.currentText
        loaded = self.runner.run(_("Load case"), lambda progress: self.logic.loadCase(cohortPath, caseId))
        if loaded is not None:
            self.owner.adopt(loaded)
            self.runner.report(_("Case {name} is loaded.").format(name=caseId))

    def _caseIds(self, cohortPath: object) -> list:
        if not isChosen(cohortPath) or not (cohortPath / "cohort.json").is_file():
            return []
        try:
            return self.logic.caseIds(cohortPath)
        except (LVMError, ImportError) as error:
            self.runner.report(str(error))
            return []

    def _list(self, caseIds: list) -> None:
        self.ui.caseComboBox.clear()
        for caseId in caseIds:
            self.ui.caseComboBox.addItem(caseId)


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

        def work(progress: object) -> object:
            return self.logic.predict(volumeNode, bundlePath, device, progress)

        predicted = self.runner.run(_("Predict"), work, torch=True)
        if predicted is not None:
            self.owner.adopt(predicted)
            self.runner.report(
                _("Predicted. Proposed end-diastole: phase {ed}, end-systole: phase {es}.").format(
                    ed=predicted.ed, es=predicted.es
                )
            )

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
