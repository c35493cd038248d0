"""Endocardium, epicardium and base of one phase as smooth surfaces that a reader edits."""
