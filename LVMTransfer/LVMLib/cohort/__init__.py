"""Cases on disk, image-mask pairs, nested splits."""

from .case import Case
from .export import CONSENSUS_READER, chosen_reader, export_case
from .manifest import CaseManifest, CohortManifest, PairManifest, Provenance, Scanner
from .pairs import Pair, open_pairs, write_pair
from .phases import propose_phases, volume_doubts
from .splits import (
    Splits,
    TrainingSplit,
    nested_splits,
    pairs_of_split,
    read_splits,
    training_groups,
    training_split,
    write_splits,
)
from .store import Cohort

__all__ = [
    "CONSENSUS_READER",
    "Case",
    "CaseManifest",
    "Cohort",
    "CohortManifest",
    "Pair",
    "PairManifest",
    "Provenance",
    "Scanner",
    "Splits",
    "TrainingSplit",
    "chosen_reader",
    "export_case",
    "nested_splits",
    "open_pairs",
    "pairs_of_split",
    "propose_phases",
    "read_splits",
    "training_groups",
    "training_split",
    "volume_doubts",
    "write_pair",
    "write_splits",
]
