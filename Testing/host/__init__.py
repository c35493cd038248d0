"""A stand-in for the desktop side of 3D Slicer: PySide6 and the real Slicer core behind Slicer's Python names.

It lets the module widgets load their ``.ui`` files off-screen, connect and act, and it is stricter than Slicer: what
``qt_subset.json`` does not list as callable from Python raises `AttributeError`. It proves the wiring, not Slicer.
"""
