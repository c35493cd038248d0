"""Images in and out: 4D sequences, DICOM, NIfTI, NRRD, Slicer segmentations, resampling."""

from .labels import LABEL_SUFFIXES, read_labels, require_label_file, write_code_map, write_label_phases, write_labels
from .nifti import write_sequence_nifti
from .nrrd import write_sequence_nrrd
from .read import read_image
from .resample import resample_image, resample_labels
from .segmentation import read_segmentation, write_segmentation
from .sequence import ArrayFrames, CallableFrames, FrameSource, Sequence, to_int16, uniform_rr_percent

__all__ = [
    "LABEL_SUFFIXES",
    "ArrayFrames",
    "CallableFrames",
    "FrameSource",
    "Sequence",
    "read_image",
    "read_labels",
    "read_segmentation",
    "require_label_file",
    "resample_image",
    "resample_labels",
    "to_int16",
    "uniform_rr_percent",
    "write_code_map",
    "write_label_phases",
    "write_labels",
    "write_segmentation",
    "write_sequence_nifti",
    "write_sequence_nrrd",
]
