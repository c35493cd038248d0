"""Translated texts, at the speed of a panel that writes a hundred of them after every change.

``slicer.i18n.tr`` of Slicer 5.6 looks at the whole call stack to find the file of a text: several milliseconds for each
text, a second for a panel. From 5.8 on it looks at the caller only, as this module does for every version.
"""

from __future__ import annotations

import sys
from functools import cache

from slicer import i18n

_context = cache(i18n.getContext)


def tr(text: str) -> str:
    """Return the text in the language of the application; the context is the file that calls, as in Slicer."""
    return i18n.translate(_context(sys._getframe(1).f_code.co_filename), text)
