"""Commands on readers' work: protocol, check, blind, agree, sign, worklist."""

from __future__ import annotations

import argparse
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING

from ..progress import Progress, part
from .case_commands import all_cases
from .terminal import Outcome, table

if TYPE_CHECKING:
    from ..cohort import Case, Cohort


def register(commands: argparse._SubParsersAction) -> None:
    """Add this group's commands to the parser."""
    protocol = commands.add_parser("protocol", help="show, copy or set the consensus protocol")
    protocol.add_argument("file", type=Path, nargs="?", help="a site's own protocol (default: the one that is shipped)")
    protocol.add_argument("--copy", type=Path, metavar="FOLDER", help="copy it with its pictures, to edit it")
    protocol.add_argument("--set", type=Path, metavar="COHORT", help="make it the protocol of a cohort")
    protocol.set_defaults(run=run_protocol)
    check = commands.add_parser("check", help="check the labels against the consensus protocol")
    check.add_argument("cohort", type=Path)
    check.add_argument("--reader", help="whose labels (default: every reader's)")
    check.add_argument("--protocol", type=Path, help="a site's own protocol file (default: the cohort's)")
    check.set_defaults(run=run_check)
    _register_readers(commands)


def _register_readers(commands: argparse._SubParsersAction) -> None:
    blind = commands.add_parser("blind", help="lead readers through a blinded second reading of some cases")
    blind.add_argument("cohort", type=Path)
    blind.add_argument("--readers", metavar="A,B", help="begin a study of these readers")
    blind.add_argument("--cases", default="5", metavar="N|ID,ID", help="how many or which cases (default 5)")
    blind.add_argument("--proposal", action="store_true", help="let the readers start from the model's labels")
    blind.add_argument("--finish", metavar="ID", help="a reader has finished this case")
    blind.add_argument("--reader", help="who has finished it")
    blind.set_defaults(run=run_blind)
    agree = commands.add_parser("agree", help="compare two readers of the same cases")
    agree.add_argument("cohort", type=Path)
    agree.add_argument("--readers", required=True, metavar="A,B")
    agree.add_argument("--consensus", metavar="METHOD", help="write reader 'consensus': 'staple', or a reader to adopt")
    agree.add_argument("--out", type=Path, metavar="DIR", help="write the report with its plots")
    agree.set_defaults(run=run_agree)
    sign = commands.add_parser("sign", help="sign off labels that pass the protocol")
    sign.add_argument("cohort", type=Path)
    sign.add_argument("--reader", required=True, help="whose labels")
    sign.add_argument("--case", metavar="ID", help="only this case (default: every case of this reader that passes)")
    sign.add_argument("--by", metavar="NAME", help="who signs (default: the reader)")
    sign.add_argument("--reason", metavar="TEXT", help="sign labels that do not pass, for this reason")
    sign.add_argument("--withdraw", action="store_true", help="take the signature back")
    sign.set_defaults(run=run_sign)
    worklist = commands.add_parser("worklist", help="the cases with their status, and the one to take next")
    worklist.add_argument("cohort", type=Path)
    worklist.add_argument("--reader", help="whose work (default: of each case the last reader's)")
    worklist.set_defaults(run=run_worklist)


def run_protocol(options: argparse.Namespace, progress: Progress) -> Outcome:
    """Show, copy or set a protocol."""
    from ..annotation import Protocol
    from ..cohort import Cohort
    from ..evaluation import set_protocol

    protocol = Protocol.load(options.file) if options.file else Protocol.default()
    result = protocol.model_dump(mode="json") | {"fingerprint": protocol.fingerprint}
    said = []
    if options.copy:
        result["copy"] = str(protocol.copy_to(options.copy))
        said.append(f"copied to {result['copy']}; give it a version of its own")
    if options.set:
        cohort = Cohort.open(options.set)
        if options.file:
            set_protocol(cohort, options.file)
        else:
            protocol.copy_to(cohort.folder / "protocol")
        said.append(f"{options.set} follows version {protocol.version}")
    rules = table(
        ["rule", "title", "checks"], [[rule.id, rule.title, ", ".join(rule.checks)] for rule in protocol.rules]
    )
    return Outcome(result, "\n".join([f"{protocol.title}, version {protocol.version}", rules, *said]))


def run_check(options: argparse.Namespace, progress: Progress) -> Outcome:
    """Check labels against the protocol."""
    from ..cohort import Cohort
    from ..evaluation import check_cohort

    cohort = Cohort.open(options.cohort)
    findings = check_cohort(cohort, reader=options.reader, protocol=options.protocol, progress=progress)
    header = ["case", "reader", "phase", "rule", "passed", "message"]
    failed = sum(row["passed"] is False for row in findings)
    places = ["" if row["passed"] else "({:.0f}, {:.0f}, {:.0f})".format(*row["where_ras"]) for row in findings]
    lines = [[*(row[key] for key in header), place] for row, place in zip(findings, places)]
    text = table([*header, "where (RAS mm)"], lines)
    return Outcome({"findings": findings, "failed": failed}, f"{text}\n{failed} finding(s) to look at")


def run_blind(options: argparse.Namespace, progress: Progress) -> Outcome:
    """Begin a blinded study, finish one reading of it, or say what is next."""
    from ..cohort import Cohort
    from ..cohort.readers import blind_study, finish_reading, start_blind_study, study_state
    from ..errors import CohortError

    cohort = Cohort.open(options.cohort)
    if options.readers:
        cases = int(options.cases) if options.cases.isdecimal() else _names(options.cases)
        start_blind_study(cohort, _names(options.readers), cases, proposal=options.proposal)
    study = blind_study(cohort)
    if study is None:
        raise CohortError(
            cohort.folder, expected="a blinded study", found="none", remedy="Begin one with 'lvm blind --readers A,B'."
        )
    if options.finish:
        if options.reader not in study.readers or options.finish not in study.cases:
            raise CohortError(
                "--finish",
                expected=f"one of {', '.join(study.cases)} by {' or '.join(study.readers)}",
                found=f"{options.finish} by {options.reader}",
                remedy="Give --finish ID --reader NAME.",
            )
        finish_reading(cohort.case(options.finish), options.reader)
    state = study_state(cohort, study)
    result = study.model_dump(mode="json") | {
        "steps": [asdict(step) for step in state.steps],
        "complete": state.complete,
        "next": state.next,
    }
    if state.complete:
        result["next"] = f"{state.next} lvm agree {options.cohort} --readers {','.join(study.readers[:2])}"
    text = table(["case", "reader", "state"], [[step.case, step.reader, step.state] for step in state.steps])
    return Outcome(result, f"{text}\n{result['next']}")


def run_agree(options: argparse.Namespace, progress: Progress) -> Outcome:
    """Compare two readers, and write their consensus and a report where it is asked for."""
    from ..cohort import Cohort
    from ..cohort.readers import blind_study, make_consensus
    from ..evaluation import agree_cohort, write_agreement_report

    names, cohort = _names(options.readers), Cohort.open(options.cohort)
    rows, summary = agree_cohort(cohort, names, progress=part(progress, 0.0, 0.8))
    result: dict[str, object] = {"cases": rows, "summary": summary}
    header = [name for name in rows[0] if name != "thickness_missing"]
    said = [
        f"no thickness of {row['case']}, {row['phase_name']}: {row['thickness_missing']}"
        for row in rows
        if row["thickness_missing"]
    ]
    if options.consensus:
        cases = list(dict.fromkeys(row["case"] for row in rows))
        for number, name in enumerate(cases):
            step = part(progress, 0.8 + 0.2 * number / len(cases), 0.8 + 0.2 * (number + 1) / len(cases))
            make_consensus(cohort.case(name), names, options.consensus, progress=step)
        result["consensus"] = {"method": options.consensus, "cases": cases}
        said.append(f"consensus ({options.consensus}) of {len(cases)} case(s): check and sign it as reader 'consensus'")
    if options.out:
        study = blind_study(cohort)
        blinded = study is not None and set(names) <= set(study.readers)
        facts = {"cohort": cohort.site, "blinded": "yes" if blinded else "no", "consensus": options.consensus or "none"}
        pictures = _difference_pictures(cohort, rows, names, options.out)
        page = write_agreement_report(options.out, rows, summary, readers=names, facts=facts, pictures=pictures)
        result["report"] = str(page)
        said.append(str(page))
    return Outcome(result, "\n".join([table(header, [[row[key] for key in header] for row in rows]), *said]))


def _difference_pictures(cohort: Cohort, rows: list[dict], names: list[str], out: Path) -> list:
    """Draw where two readers differ, for the three readings on which they agree least."""
    from ..annotation import reader_difference, write_difference_picture
    from ..evaluation import Picture

    pictures = []
    for row in sorted(rows, key=lambda row: row["dice_lvm"])[:3]:
        case = cohort.case(row["case"])
        a, b = (case.labels(name, row["phase"]) for name in names)
        path = out / "pictures" / f"{case.id}-{row['phase']:02d}.png"
        difference = reader_difference(a, b, names=(names[0], names[1]))
        write_difference_picture(path, difference, a, case.grid, image=case.image().frame(row["phase"]))
        legend = f"orange and blue: blood pool for {names[0]} or {names[1]} only; mauve and yellow: myocardium"
        pictures.append(Picture(path, f"{case.id}, {row['phase_name']}: {legend}. Outlines: {names[0]}."))
    return pictures


def run_sign(options: argparse.Namespace, progress: Progress) -> Outcome:
    """Sign off one case, or every case of a reader that passes; or take a signature back."""
    from ..cohort import Cohort
    from ..cohort.readers import withdraw
    from ..errors import SignOffError
    from ..evaluation import protocol_of, sign_case

    cohort = Cohort.open(options.cohort)
    cases = [cohort.case(options.case)] if options.case else _labelled_by(cohort, options.reader)
    by, protocol = options.by or options.reader, protocol_of(cohort)
    rows, refused = [], []
    for number, case in enumerate(cases):
        progress(number / len(cases), f"{case.id}: {'withdrawing' if options.withdraw else 'checking'}")
        if options.withdraw:
            withdraw(case, options.reader)
            rows.append({"case": case.id, "reader": options.reader, "state": "unsigned"})
            continue
        try:
            signed = sign_case(case, options.reader, by=by, protocol=protocol, reason=options.reason)
        except SignOffError as error:
            if options.case:
                raise
            refused.append(error)
            rows.append({"case": case.id, "reader": options.reader, "state": "not signed", "found": error.found})
            continue
        rows.append({"state": "signed", **signed.model_dump(mode="json", exclude={"content", "files"})})
    text = table(["case", "reader", "state"], [[row["case"], row["reader"], row["state"]] for row in rows])
    said = [str(error) for error in refused]
    return Outcome({"cases": rows, "signed": len(rows) - len(refused)}, "\n".join([text, *said]))


def run_worklist(options: argparse.Namespace, progress: Progress) -> Outcome:
    """List the cases with their status, and say which comes next."""
    from ..cohort import Cohort
    from ..evaluation import worklist

    found = worklist(Cohort.open(options.cohort), reader=options.reader)
    rows = [asdict(item) for item in found.items]
    header = ["case", "status", "reader", "minutes", "failed", "expected_gain", "signed_by", "open_by"]
    shown = [{**row, "failed": None if row["failed"] is None else ", ".join(row["failed"]) or "none"} for row in rows]
    text = table(header, [[row[key] for key in header] for row in shown])
    last = f"next: {found.next_case} ({found.why})" if found.next_case else found.why
    return Outcome({"cases": rows, "next": found.next_case, "why": found.why}, f"{text}\n{last}")


def _names(text: str) -> list[str]:
    return [name.strip() for name in text.split(",") if name.strip()]


def _labelled_by(cohort: Cohort, reader: str) -> list[Case]:
    """Return the cases that a reader has labelled, or raise `CohortError` where there is none."""
    from ..errors import CohortError

    cases = [case for case in all_cases(cohort) if case.labelled_phases(reader)]
    if not cases:
        raise CohortError(
            cohort.folder, expected=f"labels by reader {reader}", found="none", remedy="Name another reader."
        )
    return cases
