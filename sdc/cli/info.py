"""``sdc info`` and ``sdc-info``: describe a stream."""

from __future__ import annotations

import json

from ..errors import SdcError, spec_data
from ..format.report import info
from ..format.text import format_text
from ..types import Limits
from .files import open_source
from .messages import DONE, Args, message_line, print_err, print_out


def run_info(args: Args) -> int:
    """Describe a stream on standard output; returns the exit status."""
    with open_source(args.input) as file:
        report = info(file, trace=args.trace, limits=Limits(pixels=args.max_pixels))
    print_out(
        json.dumps(report, indent=2, allow_nan=False) + "\n"
        if args.json
        else format_text({**report, "errors": []})
    )
    for e in report["errors"]:
        print_err(message_line(args.program, SdcError(e["code"], e["message"], e["where"], e["offset"])))
    return int({"valid": DONE, **spec_data("errors.json")["exit_status"]}[report["file_state"]])
