"""Evaluation: measures of predicted labels, tables over cases and models, the report."""

from ..measures import dice, ejection_fraction, label_surface_distances, mass_g, surface_distances, volumes_ml

__all__ = ["dice", "ejection_fraction", "label_surface_distances", "mass_g", "surface_distances", "volumes_ml"]
