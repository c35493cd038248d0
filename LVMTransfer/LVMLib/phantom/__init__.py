"""Phantom: synthetic 4D contrast CT of a beating heart with labels, for training and for tests."""

from .case import generate_case, heart_grid, render_background, render_phase
from .cohort import TRUTH, PhantomFrames, case_sequence, case_subject, generate_cohort, write_nifti, write_seq_nrrd
from .dicom import write_dicom_series
from .sites import SITE_1, SITE_2, SITES, SiteProfile
from .subject import Subject, sample_subject

__all__ = [
    "SITES",
    "SITE_1",
    "SITE_2",
    "TRUTH",
    "PhantomFrames",
    "SiteProfile",
    "Subject",
    "case_sequence",
    "case_subject",
    "generate_case",
    "generate_cohort",
    "heart_grid",
    "render_background",
    "render_phase",
    "sample_subject",
    "write_dicom_series",
    "write_nifti",
    "write_seq_nrrd",
]
