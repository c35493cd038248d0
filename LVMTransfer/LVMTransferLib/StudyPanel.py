"""Step 5: a blinded second reading, led from one reading to the next."""

from __future__ import annotations

from LVMLib.errors import LVMError

from LVMTransferLib.Panel import Panel, isChosen, setReady
from LVMTransferLib.Translation import tr as _


class StudyPanel(Panel):
    """Starts a blinded study, says what comes next, opens it and records that it was read."""

    def setup(self) -> None:
        self._study = self._state = self._shownFor = None
        self.ui.startStudyButton.connect("clicked()", self.onStart)
        self.ui.openReadingButton.connect("clicked()", self.onOpen)
        self.ui.finishReadingButton.connect("clicked()", self.onFinish)

    def refresh(self) -> None:
        if str(self.parameters.cohortPath) != self._shownFor:
            self.cohortChanged()
        parameters, busy = self.parameters, self.runner.busy
        missing = [] if self._cohort() else [_("a cohort folder (step 1)")]
        if len(self._readers()) < 2:
            missing.append(_("two readers"))
        if self._study is not None:
            missing = [_("a cohort without blinded readings")]
        setReady(self.ui.startStudyButton, missing, _("From now on these readers see only their own labels"), busy=busy)
        step = self._mine()
        missing = [] if step else [_("a reading that is left for {reader}").format(reader=parameters.reader or "?")]
        setReady(self.ui.openReadingButton, missing, _("Open the case that is next for you"), busy=busy)
        reading = self.owner.currentReading()
        blinded = reading is not None and reading.session.blinded
        missing = [] if blinded else [_("an open case of the blinded readings")]
        setReady(self.ui.finishReadingButton, missing, _("Save, and record that you have read it"), busy=busy)
        self.ui.studyLabel.text = self._describe(step)

    def onStart(self) -> None:
        """Begin the study."""
        parameters = self.parameters
        cohortPath, readers = parameters.cohortPath, self._readers()
        cases, proposal = parameters.studyCases, parameters.studyProposal
        study = self.runner.run(
            _("Blinded readings"),
            lambda progress: self.logic.startStudy(cohortPath, readers, cases, proposal=proposal),
        )
        if study is not None:
            self.runner.report(_("Blinded readings of {cases}.").format(cases=", ".join(study.cases)))
            self.owner.onCohortChanged()

    def onOpen(self) -> None:
        """Open the next case of the study for the reader in the panel."""
        self.owner.readingPanel.open(self._mine().case)

    def onFinish(self) -> None:
        """Record that the open case was read."""
        self.owner.readingPanel.flush()
        parameters, reading = self.parameters, self.owner.currentReading()
        ed, es = parameters.edPhase, parameters.esPhase

        def work(progress: object) -> bool:
            reading.finish(ed, es)
            return True

        if self.runner.run(_("Finish reading"), work):
            self.owner.readingPanel.end()
            self.owner.onCohortChanged()
            self.runner.report(self.ui.studyLabel.text)

    def cohortChanged(self) -> None:
        """Read again where the study stands."""
        self._study = self._state = None
        self._shownFor = str(self.parameters.cohortPath)
        if self._cohort():
            try:
                self._study, self._state = self.logic.study(self.parameters.cohortPath)
            except (LVMError, ImportError) as error:
                self.runner.report(str(error))

    def _cohort(self) -> bool:
        cohortPath = self.parameters.cohortPath
        return isChosen(cohortPath) and (cohortPath / "cohort.json").is_file()

    def _readers(self) -> list:
        names = [name.strip() for name in self.parameters.studyReaders.split(",")]
        return [name for name in names if name]

    def _mine(self) -> object:
        steps = self._state.steps if self._state is not None else ()
        mine = [step for step in steps if step.reader == self.parameters.reader.strip() and step.state != "read"]
        return min(mine, key=lambda step: ("altered", "in work", "to read").index(step.state), default=None)

    def _describe(self, step: object) -> str:
        if self._study is None:
            return _("No blinded readings. Name the readers and how many cases, then start.")
        reader = self.parameters.reader.strip()
        done = sum(found.state == "read" for found in self._state.steps)
        text = _("{done} of {count} readings are finished.").format(done=done, count=len(self._state.steps))
        if self._state.complete:
            return text + " " + _("Compare the readers below.")
        if step is not None:
            words = {
                "to read": _("{reader}, read {case} next."),
                "in work": _("{reader}, go on with {case} and finish it."),
                "altered": _("{reader}, {case} changed after you finished it: look at it and finish it again."),
            }[step.state]
            return words.format(reader=reader, case=step.case) + " " + text
        left = ", ".join(dict.fromkeys(found.reader for found in self._state.steps if found.state != "read"))
        return _("Nothing is left for {reader}; readings are left for {left}.").format(reader=reader, left=left) + (
            " " + text
        )
