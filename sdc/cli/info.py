"""``sdc info`` and ``sdc-info``: describe a stream."""

from __future__ import annotations

import argparse
import json

from ..errors import SdcError, spec_data
from ..format.report import info
from ..format.text import format_text
from ..types import Limits
from .arguments import Commands, limit_argument, url_arguments
from .files import fetched, open_stream
from .messages import DONE, Args, message_line, print_err, print_out


def add(commands: Commands) -> None:
    """Add the command."""
    command = commands.add_parser(
        "info", help="describe a stream, as sdc-info does", description="Describe a stream."
    )
    add_arguments(command)


def add_arguments(command: argparse.ArgumentParser) -> None:
    """Add the arguments of ``sdc info`` and ``sdc-info``."""
    command.add_argument("input", help="stream, its URL, or - for standard input")
    command.add_argument("--json", action="store_true", help="print the report as JSON")
    command.add_argument("--trace", action="store_true", help="list every field with offset, value and id")
    limit_argument(command)
    url_arguments(command)
    command.set_defaults(run=run)


def run(args: Args) -> int:
    """Describe a stream on standard output; returns the exit status."""
    with open_stream(args, args.input) as file:
        report = info(file, trace=args.trace, limits=Limits(pixels=args.max_pixels))
        about = fetched(file)
    print_out(
        json.dumps(report, indent=2, allow_nan=False) + "\n"
        if args.json
        else format_text({**report, "errors": []})
    )
    for note in about:
        print_err(message_line(args.program, f"note: {note}"))
    for e in report["errors"]:
        print_err(message_line(args.program, SdcError(e["code"], e["message"], e["where"], e["offset"])))
    return int({"valid": DONE, **spec_data("errors.json")["exit_status"]}[report["file_state"]])
