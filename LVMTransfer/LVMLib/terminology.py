"""SNOMED CT codes of the segments, and the text in which 3D Slicer keeps them.

One list for every writer and reader (``.seg.nrrd``, DICOM SEG, segmentation nodes), so that a segment is found by what
it is, never by its name or its place.
"""

from __future__ import annotations

from dataclasses import dataclass

from .grid import BLOOD_POOL, LABEL_NAMES, LVM

CATEGORY = ("SCT", "123037004", "Anatomical Structure")
CONTEXT = "Segmentation category and type - 3D Slicer General Anatomy list"
ANATOMIC_CONTEXT = "Anatomic codes - DICOM master list"


@dataclass(frozen=True)
class Term:
    """What a label value means.

    Parameters
    ----------
    label : int
        Label value, 1 or 2.
    code, meaning : str
        SNOMED CT concept and its DICOM code meaning.
    also : tuple of str
        Other SNOMED CT concepts that tools write for the same segment.
    color : tuple of float
        RGB, 0 to 1.
    """

    label: int
    code: str
    meaning: str
    also: tuple[str, ...]
    color: tuple[float, float, float]

    @property
    def name(self) -> str:
        """Name of the segment."""
        return LABEL_NAMES[self.label]

    @property
    def entry(self) -> str:
        """The serialised terminology entry of 3D Slicer (segment tag ``TerminologyEntry``)."""
        return f"{CONTEXT}~{'^'.join(CATEGORY)}~SCT^{self.code}^{self.meaning}~^^~{ANATOMIC_CONTEXT}~^^~^^"


# 87878005 and 49848007 are the codes of DICOM CID 12305 and 3D Slicer; 74281007 "Myocardium" is TotalSegmentator's.
TERMS = {
    BLOOD_POOL: Term(BLOOD_POOL, "87878005", "Left Ventricle", (), (0.85, 0.25, 0.25)),
    LVM: Term(LVM, "49848007", "Left Ventricle Myocardium", ("74281007",), (0.30, 0.75, 0.35)),
}


def label_of_entry(entry: str) -> int | None:
    """Return the label value that a serialised terminology entry means, or None for another structure."""
    fields = entry.split("~")
    code = fields[2].split("^") if len(fields) > 2 else []
    return label_of_code(code[0], code[1]) if len(code) >= 2 else None


def label_of_code(scheme: str, code: str) -> int | None:
    """Return the label value that a code of a coding scheme means, or None for another structure."""
    if scheme not in ("SCT", "SNOMEDCT"):
        return None
    return next((label for label, term in TERMS.items() if code == term.code or code in term.also), None)
