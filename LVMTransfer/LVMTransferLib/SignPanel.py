"""Step 4: who answers for the labels."""

from __future__ import annotations

from LVMLib.errors import LVMError

from LVMTransferLib.Panel import Panel, setReady
from LVMTransferLib.Translation import tr as _


class SignPanel(Panel):
    """Signs the open case off with a name, or takes the signature back."""

    def setup(self) -> None:
        self._state = self._shownFor = None
        self.ui.signButton.connect("clicked()", self.onSign)
        self.ui.withdrawButton.connect("clicked()", self.onWithdraw)

    def refresh(self) -> None:
        reading, busy = self.owner.currentReading(), self.runner.busy
        missing = [] if reading else [_("an open case (step 1)")]
        if reading is not None and not (self.parameters.signer.strip() or self.parameters.reader.strip()):
            missing.append(_("who signs"))
        setReady(self.ui.signButton, missing, _("Save, check, and sign ED and ES"), busy=busy)
        if reading is not self._shownFor:
            self.cohortChanged()
        state = self._state
        missing = [] if state is not None and state.signed else [_("a signature")]
        setReady(self.ui.withdrawButton, missing, _("Take the signature back"), busy=busy)
        self.ui.signStateLabel.text = describeSignature(state)

    def onSign(self) -> None:
        """Save the labels, check them and sign them off."""
        if not self.owner.readingPanel.onSave():
            return
        parameters, reading = self.parameters, self.owner.currentReading()
        by, reason = parameters.signer.strip() or reading.reader, parameters.signReason
        signed = self.runner.run(_("Sign off"), lambda progress: self.logic.sign(reading, by, reason, progress))
        if signed is not None:
            parameters.signReason = ""
            self.runner.report(_("Signed off by {name}.").format(name=signed.signed_by))
        self.owner.onCohortChanged()

    def onWithdraw(self) -> None:
        """Take the signature back."""
        reading = self.owner.currentReading()

        def work(progress: object) -> bool:
            self.logic.withdraw(reading)
            return True

        if self.runner.run(_("Withdraw"), work):
            self.runner.report(_("The signature was taken back."))
            self.owner.onCohortChanged()

    def cohortChanged(self) -> None:
        """Read again whether the open case is signed."""
        self._state, self._shownFor = None, self.owner.currentReading()
        if self._shownFor is not None:
            try:
                self._state = self.logic.signOffState(self._shownFor)
            except LVMError as error:
                self.runner.report(str(error))


def describeSignature(state: object) -> str:
    """Return who signed and what changed since, as a sentence."""
    if state is None:
        return _("No case is open.")
    if state.signed is None:
        return _("Not signed.")
    signed = state.signed
    when = signed.signed_at.replace("T", " ").replace("+00:00", " UTC")
    text = _("Signed by {name} on {when}, protocol {version}.").format(
        name=signed.signed_by,
        when=when,
        version=signed.protocol_version,
    )
    if signed.reason:
        text += " " + _("Reason: {reason}").format(reason=signed.reason)
    if state.changed:
        text = _("No longer valid: {changes}.").format(changes="; ".join(state.changed)) + " " + text
    return text
