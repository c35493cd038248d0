"""Step 3, contours: make them, drag them in any view, and the tools beside the mouse."""

from __future__ import annotations

import numpy as np
import slicer
from LVMLib.errors import LVMError

from LVMTransferLib import SceneViews
from LVMTransferLib.ContourClicks import ContourClicks, clickedAxis
from LVMTransferLib.Later import Later, Settled
from LVMTransferLib.Panel import Panel, setReady
from LVMTransferLib.Translation import tr as _

MILLISECONDS_AFTER_PAINT, MILLISECONDS_AFTER_EDIT = 600, 800


class ContourPanel(Panel):
    """Curves in the slice views that the reader drags; mask, models and the other views follow."""

    def setup(self) -> None:
        self.editor = self.drags = None
        self._refused = self._display = self._files = None
        self._save = Settled(self._writeFiles, MILLISECONDS_AFTER_EDIT)
        self.clicks = ContourClicks(self._showTool)
        self._tools = {self.ui.pushButton: 1.0, self.ui.pullButton: -1.0, self.ui.smoothButton: 0.0}
        self._tips = {}
        for button, call in (
            (self.ui.makeContoursButton, self.onMake),
            (self.ui.clickAxisButton, self.onClickAxis),
            (self.ui.contoursFromClicksButton, self.onMakeFromClicks),
            (self.ui.removeContoursButton, self.onRemove),
            (self.ui.copyToApexButton, lambda: self.onCopySlice(True)),
            (self.ui.copyToBaseButton, lambda: self.onCopySlice(False)),
            (self.ui.interpolateButton, self.onInterpolate),
            (self.ui.copyFromEdButton, lambda: self.onCopyPhase(self.parameters.edPhase)),
            (self.ui.copyFromEsButton, lambda: self.onCopyPhase(self.parameters.esPhase)),
            (self.ui.lockWallButton, lambda: self.onLock(True)),
            (self.ui.lockSliceButton, lambda: self.onLock(True, inSlice=True)),
            (self.ui.unlockButton, lambda: self.onLock(False)),
            (self.ui.undoContourButton, lambda: self._act(lambda editor: editor.undo())),
            (self.ui.redoContourButton, lambda: self._act(lambda editor: editor.redo())),
        ):
            button.connect("clicked()", call)
            self._tips[button] = button.toolTip
        for button in self._tools:
            button.connect("clicked()", lambda button=button: self.onTool(button))
            self._tips[button] = button.toolTip

    def refresh(self) -> None:
        self._attend()
        editor, busy = self._mine(), self.runner.busy
        missingCase, missing = self.missingCase(), [] if editor else [_("contours of this case")]
        here = missing or ([] if editor.current else [_("contours of the phase shown")])
        noVolume = [] if self.parameters.inputVolume else [_("a CT volume (step 1)")]
        noAxis = noVolume or ([] if clickedAxis() is not None else [_("clicks on apex, mitral valve and septum")])
        needs = {self.ui.makeContoursButton: missingCase, self.ui.clickAxisButton: noVolume}
        needs |= {self.ui.contoursFromClicksButton: noAxis, self.ui.removeContoursButton: missing}
        needs |= {self.ui.copyFromEdButton: missing, self.ui.copyFromEsButton: missing}
        history = editor.current.history if editor and editor.current else None
        undo, redo = (history.undo_name, history.redo_name) if history else (None, None)
        needs[self.ui.undoContourButton] = here or ([] if undo else [_("an action to take back")])
        needs[self.ui.redoContourButton] = here or ([] if redo else [_("an action that was taken back")])
        for button, tip in self._tips.items():
            setReady(button, needs.get(button, here), tip, busy=busy)
        if self.drags is not None:
            self.drags.radiusMm, self.drags.turnViews = self.parameters.dragRadius, self.parameters.viewsFollowPhase

    def leave(self) -> None:
        """Contours can be dragged while another module is shown; what it paints is taken over on the way back."""
        self.clicks.stop()
        if self.drags is not None:
            self.drags.takesLabels = False

    def forget(self) -> None:
        self.clicks.stop()
        self._release()
        self._save.drop()
        self.editor = self._refused = self._display = self._files = None

    def cleanup(self) -> None:
        self.forget()

    # -- make and remove -----------------------------------------------------------------------------------------------

    def onMake(self) -> None:
        """Make the contours of the phase shown, of ED and of ES from their labels."""
        text = self.runner.run(_("Contours"), self._make)
        if text is not None:
            self._watch()
            self._say(text)

    def onClickAxis(self) -> None:
        """Wait for clicks on apex, mitral valve and septum, then turn the views."""
        self.clicks.startAxis(self._onAxis)
        self._say(_("Click the apex, the centre of the mitral valve, and the middle of the septum, in any view."))

    def onMakeFromClicks(self) -> None:
        """Make contours of a normal ventricle through the clicked axis."""

        def work(progress: object) -> bool:
            from LVMLib.annotation import find_axes_from_points

            axes = find_axes_from_points(*clickedAxis())
            if self.parameters.segmentation is None:
                self._addSegmentation()
            self._editorOfCase().makeFromClicks(axes)
            return True

        if self.runner.run(_("Contours"), work):
            self._watch()

    def _addSegmentation(self) -> None:
        from LVMTransferLib.ContourMask import emptyLabels

        volumeNode = self.parameters.inputVolume
        labels = {self.logic.phaseShown(volumeNode): emptyLabels(volumeNode)}
        name = _("{name} contours").format(name=volumeNode.GetName())
        self.parameters.segmentation = self.logic.showLabels(volumeNode, labels, name)

    def onRemove(self) -> None:
        """Take the contours out of the scene; the labels stay."""
        self.clicks.stop()
        self._release()
        self.editor.remove()
        self._restoreDisplay()
        self.editor = None
        self.owner.refresh()

    def _make(self, progress: object) -> str:
        editor, shown = self._editorOfCase(), self.logic.phaseShown(self.parameters.inputVolume)
        phases, text = [shown], ""
        if editor.browserNode is not None:
            phases = [*sorted({self.parameters.edPhase, self.parameters.esPhase} - {shown}), shown]
        for number, phase in enumerate(phases):
            progress(number / len(phases), _("contours of phase {number}").format(number=phase))
            if len(phases) > 1:
                self.logic.showPhase(self.parameters.inputVolume, phase)
                editor.enterPhase()
            try:
                text = self._makeHere(editor)
            except LVMError:
                if phase == shown:
                    raise
        return text

    def _makeHere(self, editor: object) -> str:
        """Make the contours of the phase shown: those on disk if its labels came from them, else new ones."""
        reading = self.owner.currentReading()
        if reading is not None:
            known = self._filesOf(reading).matching(editor.phase, reading.labels(editor.phase), editor.grid)
            if known is not None:
                editor.make(known)
                return _("Contours as they were saved with the case.")
        return self._fitText(editor.makeFromLabels())

    def _filesOf(self, reading: object) -> object:
        from LVMTransferLib.ContourFiles import ContourFiles

        if self._files is None or self._files[0] is not reading:
            self._files = reading, ContourFiles(reading)
        return self._files[1]

    def _writeFiles(self) -> None:
        """Put the contours beside the labels of the open case."""
        editor, reading = self._mine(), self.logic.reading
        if editor is None or reading is None or reading.volumeNode is not editor.volumeNode:
            return
        try:
            self._filesOf(reading).write(editor.phases)
        except (LVMError, OSError) as error:
            self._say(str(error))

    def _editorOfCase(self) -> object:
        """Return the editor of the case in the panel, a new one if there is none."""
        from LVMTransferLib.ContourEditor import ContourEditor

        if self._mine() is None:
            self._release()
            if self.editor is not None:
                self.editor.remove()
                self._restoreDisplay()
            self.editor = ContourEditor(self.parameters.inputVolume, self.parameters.segmentation, self._onEdit)
        return self.editor

    # -- actions -------------------------------------------------------------------------------------------------------

    def onTool(self, button: object) -> None:
        """Push, pull or smooth at every click, until the tool is put away."""
        sign = self._tools[button]
        if not button.checked:
            self.clicks.stop()
            return

        def apply(point: np.ndarray) -> None:
            wall, radius = self._wall(), self.parameters.dragRadius
            if sign:
                self._act(lambda editor: editor.push(wall, point, sign * self.parameters.toolStep, radius))
            else:
                self._act(lambda editor: editor.smooth(wall, point, radius))

        self.clicks.start(apply)
        self._showTool(button)
        self._say(_("Click on a contour, in any view; right click ends the tool."))

    def onCopySlice(self, towardsApex: bool) -> None:
        """Copy the contours of the short-axis view to the next slice."""
        step, wall = self.parameters.sliceStep, self._wall()
        view = SceneViews.sliceNodeOf(SceneViews.VIEW_OF_PLANE["short_axis"])
        self._act(lambda editor: editor.copySlice(wall, view, step, towardsApex))

    def onInterpolate(self) -> None:
        """Interpolate between the slices that were edited."""
        wall = self._wall()
        self._act(lambda editor: editor.interpolate(wall))

    def onCopyPhase(self, source: int) -> None:
        """Give the phase shown the shape of another one."""
        self._act(lambda editor: editor.copyPhase(source))

    def onLock(self, locked: bool, *, inSlice: bool = False) -> None:
        """Lock a wall or the short-axis slice shown, or unlock everything."""
        wall = self._wall() if locked else None
        view = SceneViews.sliceNodeOf(SceneViews.VIEW_OF_PLANE["short_axis"])
        plane = SceneViews.planeOf(view) if inSlice else None
        width = self.parameters.sliceStep
        self._act(lambda editor: editor.lock(wall, plane=plane, widthMm=width, locked=locked))

    def _act(self, call: object) -> None:
        """Do an action on the contours; what makes no sense is said, not shown in a box."""
        try:
            call(self.editor)
        except LVMError as error:
            self._say(str(error))

    def _wall(self) -> str | None:
        return self.parameters.contourWall.value or None

    def _onAxis(self, points: np.ndarray) -> None:
        try:
            SceneViews.showClickedAxis(points)
            self._say(_("The views show the clicked axis."))
        except LVMError as error:
            self._say(str(error))
        self.owner.refresh()

    # -- what happens in the scene -------------------------------------------------------------------------------------

    def _attend(self) -> None:
        """Watch the contours of the case in the panel, and only those; take those that a scene file brought."""
        if self.editor is None:
            self._resume()
        elif not self.editor.isWhole:
            self._onGone()
        mine = self._mine()
        if mine is None and self.drags is not None:
            self._release()
            mine = self.editor
            mine.curves.hide()
            mine.models.hide()
        elif mine is not None and self.drags is None and mine.phases:
            self._watch()
            mine.enterPhase()
        if self.drags is not None and not self.drags.takesLabels:
            self.drags.takesLabels = True
            self.drags.suspect()

    def _resume(self) -> None:
        from LVMTransferLib.ContourMemory import ContourMemory

        node = ContourMemory.node()
        if node is None or node is self._refused:
            return
        try:
            from LVMTransferLib.ContourEditor import ContourEditor

            self.editor = ContourEditor.resume(self._onEdit)
        except (LVMError, ImportError) as error:
            self._say(str(error))
        if self.editor is None:
            self._refused = node

    def _mine(self) -> object:
        """Return the editor if it belongs to the case in the panel and its nodes are there."""
        editor, parameters = self.editor, self.parameters
        if editor is None or parameters is None or not editor.isWhole:
            return None
        same = editor.volumeNode is parameters.inputVolume and editor.segmentationNode is parameters.segmentation
        return editor if same else None

    def _watch(self) -> None:
        from LVMTransferLib.ContourDrags import ContourDrags

        self._release()
        self.drags = ContourDrags(
            self.editor,
            later=lambda call: Later(call, 0),
            settled=lambda call: Settled(call, MILLISECONDS_AFTER_PAINT),
            onProblem=self._say,
            onGone=self._onGone,
        )
        self._fadeSegments()
        self.refresh()

    def _release(self) -> None:
        if self.drags is not None:
            self.drags.release()
            self.drags = None

    def _onGone(self) -> None:
        """CT or segmentation were deleted: the contours go with them."""
        self.clicks.stop()
        self._release()
        editor, self.editor = self.editor, None
        editor.remove()

    def _onEdit(self, name: str, message: str) -> None:
        fit = self.editor.current.fit
        if name == "labels of another tool" and fit is not None:
            message = self._fitText(fit)
        self._say(message or name[:1].upper() + name[1:])
        self._save.request()
        if self.parameters is not None:
            self.refresh()

    def _fadeSegments(self) -> None:
        from LVMTransferLib.ContourMask import fadeSegments

        display = self.editor.segmentationNode.GetDisplayNode()
        if display is not None and self._display is None:
            self._display = display, *fadeSegments(self.editor.segmentationNode)

    def _restoreDisplay(self) -> None:
        if self._display is not None and self._display[0].GetScene() is slicer.mrmlScene:
            display, opacity, outline = self._display
            display.SetOpacity2DFill(opacity)
            display.SetVisibility2DOutline(outline)
        self._display = None

    def _showTool(self, button: object = None) -> None:
        for other in self._tools:
            other.checked = other is button

    def _say(self, text: str) -> None:
        self.ui.contourLabel.text = text

    @staticmethod
    def _fitText(fit: object) -> str:
        return _(
            "Contours follow the labels: Dice {pool:.3f} (blood pool), {wall:.3f} (LVM); mean distance {gap:.2f} mm."
        ).format(pool=fit.dice[1], wall=fit.dice[2], gap=max(part.assd_mm for part in fit.distance.values()))
