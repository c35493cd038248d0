"""Entry point of ``lvm``: one parser, one place for errors and exit codes."""

from __future__ import annotations

import argparse
import logging
import signal
import sys
import traceback
from collections.abc import Iterator
from typing import TextIO

from .. import __version__
from ..errors import LVMCancelled, LVMError, StorageError
from . import (
    case_commands,
    export_commands,
    mask_commands,
    measure_commands,
    model_commands,
    review_commands,
    thickness_commands,
)
from .arguments import BAD_INPUT, Parser
from .terminal import Outcome, ProgressBar, clean_standard_output, print_json

DONE, DEFECT = 0, 1
GROUPS = (
    case_commands,
    mask_commands,
    review_commands,
    export_commands,
    model_commands,
    thickness_commands,
    measure_commands,
)


def build_parser() -> argparse.ArgumentParser:
    """Return the parser of all commands."""
    parser = Parser(
        prog="lvm",
        description="Left-ventricular segmentation on 4D cardiac CT: transfer between hospitals, and wall thickness. "
        "Research software, not a medical device.",
    )
    parser.add_argument("--version", action="version", version=f"lvm {__version__}")
    commands = parser.add_subparsers(dest="command", required=True, metavar="COMMAND")
    for group in GROUPS:
        group.register(commands)
    for command in _leaves(parser):
        command.add_argument("--json", action="store_true", help="print one JSON result on standard output")
        command.add_argument("--verbose", action="store_true", help="log what is being done")
    return parser


def _leaves(parser: argparse.ArgumentParser) -> Iterator[argparse.ArgumentParser]:
    """Yield the parsers of commands that have no commands of their own."""
    groups = [action for action in parser._actions if isinstance(action, argparse._SubParsersAction)]
    if not groups:
        yield parser
    for group in groups:
        for command in group.choices.values():
            yield from _leaves(command)


def main(arguments: list[str] | None = None) -> int:
    """Run one command; return 0 done, 1 a defect or a missed goal, 2 bad input or stopped by the person."""
    options = build_parser().parse_args(arguments)
    logging.basicConfig(level=logging.INFO if options.verbose else logging.WARNING, stream=sys.stderr)
    # A job in the background inherits an ignored Ctrl-C; stopping it must work all the same.
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, signal.default_int_handler)
    with clean_standard_output() as output:
        bar = ProgressBar(sys.stderr)
        try:
            outcome = options.run(options, bar)
            bar.close()
            _show(outcome, output, as_json=options.json)
            return DEFECT if outcome.failed else DONE
        except (Exception, KeyboardInterrupt) as error:
            bar.close()
            return _fail(*_told(error, options.command))


def _show(outcome: Outcome, output: TextIO, *, as_json: bool) -> None:
    if as_json:
        print_json(output, outcome.result)
    elif outcome.text:
        output.write(outcome.text + "\n")
    output.flush()


def _told(error: BaseException, command: str) -> tuple[str, int]:
    """Return what a person is told about an error, and the exit status; a defect shows its trace as well."""
    if isinstance(error, LVMError):
        return str(error), BAD_INPUT
    if isinstance(error, (KeyboardInterrupt, LVMCancelled)):
        said = f"lvm {command}: stopped. Nothing half-written was left; run it again."
        return str(error) or said, BAD_INPUT
    if isinstance(error, (OSError, MemoryError)):
        # What no room foresaw: a drive that went away, a pipe that closed, an image beyond this machine.
        logging.getLogger(__name__).info("%s", command, exc_info=error)
        found = getattr(error, "strerror", None) or str(error) or "not enough memory"
        where = getattr(error, "filename", None) or f"lvm {command}"
        remedy = "Check disk, path and memory, and run it again; --verbose shows where it stopped."
        return str(StorageError(where, expected="files and memory to work with", found=found, remedy=remedy)), BAD_INPUT
    traceback.print_exception(error)
    return f"lvm {command}: a defect; please report the lines above.", DEFECT


def _fail(message: str, code: int) -> int:
    sys.stderr.write(message + "\n")
    return code


if __name__ == "__main__":
    sys.exit(main())
