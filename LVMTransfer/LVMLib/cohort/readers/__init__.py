"""Readers of a cohort: sessions that lose nothing, blinded readings, consensus, sign-off."""

from .blind import BlindStudy, Step, StudyState, blind_study, start_blind_study, study_state
from .checked import Checked, read_checked, write_checked
from .consensus import Consensus, make_consensus, read_consensus
from .occupancy import opened_by, require_not_open
from .reading import Reading, finish_reading, read_reading
from .session import MODEL_READER, ReaderSession
from .signoff import SignOff, SignOffState, sign, sign_off_state, withdraw

__all__ = [
    "MODEL_READER",
    "BlindStudy",
    "Checked",
    "Consensus",
    "ReaderSession",
    "Reading",
    "SignOff",
    "SignOffState",
    "Step",
    "StudyState",
    "blind_study",
    "finish_reading",
    "make_consensus",
    "opened_by",
    "read_checked",
    "read_consensus",
    "read_reading",
    "require_not_open",
    "sign",
    "sign_off_state",
    "start_blind_study",
    "study_state",
    "withdraw",
    "write_checked",
]
