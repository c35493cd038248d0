"""One long step at a time in the panel: progress, cancel, and errors that tell the radiologist what to do."""

from __future__ import annotations

import time
from collections.abc import Callable

import slicer
from LVMLib.errors import LVMCancelled, LVMError

from LVMTransferLib.Translation import tr as _

# The event loop is served this often while a step runs: often enough for a button, seldom enough to cost nothing.
SECONDS_BETWEEN_EVENTS = 0.1


class TaskRunner:
    """Runs a step of the library in the main thread and keeps the window alive through its progress callback.

    :param onStateChanged: called when a step begins and ends.
    :param ensurePackages: called before each step with ``torch=True`` or False; installs what is missing.
    """

    def __init__(
        self,
        progressBar: object,
        statusLabel: object,
        onStateChanged: Callable[[], None],
        ensurePackages: Callable[..., None],
    ) -> None:
        self.progressBar, self.statusLabel, self.onStateChanged = progressBar, statusLabel, onStateChanged
        self.ensurePackages = ensurePackages
        self.busy, self._cancelled, self._served = False, False, 0.0
        self.progressBar.value = 0

    def run(self, title: str, work: Callable, *, torch: bool = False) -> object:
        """Call ``work(progress)`` and return its result; None when it was cancelled or failed with a message.

        :param torch: the step needs PyTorch.

        An `LVMError` is shown with its remedy. Any other exception is a defect: it is shown with its traceback and
        raised again.
        """
        if self.busy:
            return None
        self.busy, self._cancelled = True, False
        self._show(title)
        self.onStateChanged()
        try:
            with slicer.util.tryWithErrorDisplay(_("This is a defect of the software."), waitCursor=False):
                result = self._attempt(title, work, torch)
        finally:
            self.busy = False
            self.progressBar.value = 0
            self.onStateChanged()
        return result

    def cancel(self) -> None:
        """Stop the running step at its next report of progress."""
        if self.busy:
            self._cancelled = True
            self._show(_("Stopping..."))

    def report(self, message: str) -> None:
        """Show what was done."""
        self._show(message)

    def _attempt(self, title: str, work: Callable, torch: bool) -> object:
        try:
            self.ensurePackages(torch=torch)
            result = work(self._progress)
        except LVMCancelled:
            self._show(_("Cancelled. Nothing was changed."))
            return None
        except LVMError as error:
            self._show(str(error))
            slicer.util.errorDisplay(str(error), windowTitle=title)
            return None
        return result

    def _progress(self, fraction: float, message: str) -> None:
        if self._cancelled:
            raise LVMCancelled
        now = time.monotonic()
        if now - self._served < SECONDS_BETWEEN_EVENTS and fraction < 1:
            return
        self._served = now
        self.progressBar.value = round(100 * min(max(fraction, 0.0), 1.0))
        self._show(message)
        slicer.app.processEvents()
        if self._cancelled:
            raise LVMCancelled

    def _show(self, message: str) -> None:
        self.statusLabel.text = message
