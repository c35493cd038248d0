"""From a case to an image-mask pair."""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator, Mapping

import numpy as np

from ..errors import CohortError
from ..imaging import resample_image, resample_labels
from ..progress import Progress, silent
from .case import Case
from .pairs import Pair, write_pair

CONSENSUS_READER = "consensus"


def export_case(
    case: Case,
    pairs_dir: str | os.PathLike,
    *,
    reader: str | None = None,
    spacing_mm: float = 1.0,
    phases: Iterable[int] | None = None,
    checks: Mapping[str, bool] | None = None,
    protocol_version: str | None = None,
    signature: Mapping[str, str | None] | None = None,
    progress: Progress = silent,
) -> Pair:
    """Resample a case to isotropic voxels and write it as an image-mask pair, phase by phase.

    Parameters
    ----------
    case : Case
        With labels of at least one phase.
    pairs_dir : path
        Folder of all pairs.
    reader : str, optional
        Whose labels; None = ``consensus``, or the only reader.
    spacing_mm : float
        Voxel size in mm.
    phases : iterable of int, optional
        Phases whose labels are exported, where the reader has labelled them; None = ED and ES.
    checks : mapping of str to bool, optional
        Results of the consensus protocol, for ``pair.json``.
    protocol_version : str, optional
        Version of the protocol that was checked; None = the cohort's.
    signature : mapping of str to str or None, optional
        ``signed_by``, ``signed_at`` and ``override`` for ``pair.json``.

    Raises
    ------
    CohortError
        No reader or several to choose from, ED and ES not set, or not labelled.
    LabelError
        A mask is empty.
    StorageError
        The disk is full.
    """
    reader = chosen_reader(case, reader)
    labelled = chosen_phases(case, reader, phases)
    target = case.grid.isotropic(spacing_mm)
    masks = {t: resample_labels(case.labels(reader, t), case.grid, target) for t in labelled}

    def frames() -> Iterator[np.ndarray]:
        for volume in case.image():
            yield resample_image(volume, case.grid, target)

    return write_pair(
        pairs_dir,
        case.id,
        frames(),
        masks,
        target,
        rr_percent=case.rr_percent,
        ed=case.ed,
        es=case.es,
        site=case.cohort.site,
        protocol_version=protocol_version or case.cohort.protocol_version,
        checks=dict(checks or {}),
        readers=(reader,),
        phantom=case.is_phantom,
        progress=progress,
        **(signature or {}),
    )


def chosen_reader(case: Case, reader: str | None) -> str:
    """Return the reader whose labels count: the named one, else ``consensus``, else the only one.

    Raises
    ------
    CohortError
        There is no such reader, or several to choose from.
    """
    readers = case.readers()
    if reader in readers:
        return reader
    if reader is None and (CONSENSUS_READER in readers or len(readers) == 1):
        return CONSENSUS_READER if CONSENSUS_READER in readers else readers[0]
    raise CohortError(
        f"case {case.id}",
        expected=f"labels by reader {reader}" if reader else "labels by 'consensus' or by one reader",
        found="labels by " + (", ".join(readers) or "nobody"),
        remedy="Name one of the readers." if readers else "Predict or segment the case first.",
    )


def chosen_phases(case: Case, reader: str, phases: Iterable[int] | None) -> list[int]:
    """Return those of ``phases`` that a reader has labelled; None = ED and ES, which then have to be.

    Raises
    ------
    CohortError
        ED and ES are not set or not labelled, or none of the phases is.
    """
    done = case.labelled_phases(reader)
    if phases is not None:
        chosen = sorted(set(phases) & set(done))
        missing = [] if chosen else sorted(phases)
    elif case.ed is None or case.es is None:
        chosen, missing = [], ["ED and ES, which are not set"]
    else:
        chosen = sorted({case.ed, case.es})
        missing = [t for t in chosen if t not in done]
    if missing:
        raise CohortError(
            f"case {case.id}",
            expected="labels by reader " + reader + " of phases " + ", ".join(map(str, missing)),
            found="labels of " + (", ".join(map(str, done)) or "no phase"),
            remedy="Set ED and ES and label both, or export all labelled phases.",
        )
    return chosen
