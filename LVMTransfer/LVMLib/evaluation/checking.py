"""Cases and cohorts against the consensus protocol."""

from __future__ import annotations

import logging
from os import PathLike

import numpy as np

from ..annotation import Protocol, check_labels
from ..annotation.protocol import FILE_NAME
from ..cohort import Case, Cohort
from ..cohort.prediction import read_prediction
from ..cohort.readers import write_checked
from ..errors import CohortError, StorageError
from ..grid import BLOOD_POOL
from ..measures import volumes_ml
from ..progress import Progress, silent

log = logging.getLogger(__name__)

PROTOCOL_FOLDER = "protocol"


def protocol_of(cohort: Cohort, path: str | PathLike | None = None) -> Protocol:
    """Return the protocol that holds for a cohort: the file given, else the cohort's own, else the shipped one.

    Raises
    ------
    ProtocolError
        The file cannot be used.
    """
    own = cohort.folder / PROTOCOL_FOLDER / FILE_NAME
    if path is None and not own.is_file():
        return Protocol.default()
    return Protocol.load(own if path is None else path)


def set_protocol(cohort: Cohort, path: str | PathLike) -> Protocol:
    """Make a protocol file the cohort's own, with its pictures.

    Raises
    ------
    ProtocolError
        The file cannot be used.
    StorageError
        The disk is full or read-only.
    """
    protocol = Protocol.load(path)
    protocol.copy_to(cohort.folder / PROTOCOL_FOLDER)
    return protocol


def check_cohort(
    cohort: Cohort, *, reader: str | None = None, protocol: str | PathLike | None = None, progress: Progress = silent
) -> list[dict[str, object]]:
    """Check every case's labels at ED and ES against the protocol.

    Parameters
    ----------
    cohort : Cohort
        The cohort.
    reader : str, optional
        Whose labels; None = every reader's.
    protocol : path, optional
        A site's own protocol; None = the cohort's, see `protocol_of`.

    Returns
    -------
    list of dict
        A row for each finding: ``case``, ``reader`` and the fields of `Finding`.

    Raises
    ------
    CohortError
        Nobody (or not this reader) has labelled anything.
    ProtocolError
        The protocol file cannot be used.
    """
    rules = protocol_of(cohort, protocol)
    rows: list[dict[str, object]] = []
    names = cohort.case_ids()
    for number, name in enumerate(names):
        progress(number / len(names), f"checking case {name}")
        case = cohort.case(name)
        for who in case.readers() if reader is None else [reader]:
            if case.labelled_phases(who):
                rows += [{"case": name, "reader": who, **row} for row in check_case(case, who, rules)]
    if not rows:
        raise CohortError(
            "check",
            expected=f"labels by {reader or 'any reader'}",
            found="none",
            remedy="Predict the cases with 'lvm predict', or name another reader.",
        )
    progress(1.0, "checked")
    return rows


def check_case(case: Case, reader: str, protocol: Protocol) -> list[dict[str, object]]:
    """Check one reader's labels of one case, and keep the findings beside the case.

    Without ED and ES set, the first labelled phase counts as ED. Whether ED and ES are extreme is judged by the
    volumes of the reader's own phases where there are more than two, else by those of the model's prediction.

    Returns
    -------
    list of dict
        The fields of `Finding`.

    Raises
    ------
    CohortError
        The reader has labelled neither ED nor ES.
    CurveError
        A valve curve that cannot be used.
    """
    done = case.labelled_phases(reader)
    ed = case.ed if case.ed is not None else next(iter(done), None)
    es = case.es if case.es != ed else None
    labels = {phase: case.labels(reader, phase) for phase in (ed, es) if phase in done}
    if not labels:
        raise CohortError(
            f"case {case.id}, reader {reader}",
            expected=f"labels at ED (phase {ed}) or ES (phase {es})",
            found=f"labels of {', '.join(map(str, done)) or 'no phase'}",
            remedy="Label ED or ES, or set the case's ED and ES phases.",
        )
    curve = _volume_curve(case, reader, labels)
    valves = {name: case.valves(reader, phase) for name, phase in (("ED", ed), ("ES", es)) if phase in labels}
    found = check_labels(
        labels.get(ed), labels.get(es), case.grid, protocol, volume_curve=curve, ed=ed, es=es, valves=valves
    )
    rows = [finding.as_dict() for finding in found]
    try:
        write_checked(case, reader, protocol, rows)
    except StorageError as error:  # a cohort that cannot be written can be checked all the same
        log.warning("the findings were not kept: %s", error)
    return rows


def _volume_curve(case: Case, reader: str, labels: dict[int, np.ndarray]) -> dict[int, float] | None:
    done = case.labelled_phases(reader)
    if len(done) > 2:
        every = {phase: labels[phase] if phase in labels else case.labels(reader, phase) for phase in done}
        return {phase: volumes_ml(mask, case.grid)[BLOOD_POOL] for phase, mask in every.items()}
    prediction = read_prediction(case)
    return None if prediction is None or len(prediction.cavity_ml) < 3 else prediction.cavity_ml
