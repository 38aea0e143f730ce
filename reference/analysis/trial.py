"""Tries a chat endpoint on a picture: ``python -m sdc_reference.analysis.trial URL PICTURE``.

It does what ``sdc analyze PICTURE --chat URL`` does, with the same options, and prints what came of it: every
answer with the seconds that it took, captions, each object with its level and reason, and the warnings about
what had to be made good.
``--text-only`` is for a model without eyes; ``--detector FILE`` gives it objects with names.

The exit status is 0 when the model has ranked every object as asked, 3 when something had to be made good,
and for an error that of the table of errors.
"""

from __future__ import annotations

import argparse
import sys
import time
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from sdc.container import LEVELS
from sdc.errors import SdcError
from sdc.info import analysis_lines, printable
from sdc.pictures import read_picture

from .command import add_options, options_of
from .pipeline import _provider, analyze

SHOWN = 300
"""Characters of an answer that are printed."""


def main(argv: Sequence[str] | None = None) -> int:
    """The command; returns its exit status."""
    parser = argparse.ArgumentParser(
        prog="python -m sdc_reference.analysis.trial",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("address", metavar="URL", help="such as http://localhost:8080/v1")
    parser.add_argument("picture", type=Path, metavar="PICTURE")
    add_options(parser)
    args = parser.parse_args(argv)
    args.url = args.address
    options = replace(options_of(args), ranking="chat")
    try:
        ranking = _provider("ranking", "chat", options)
        pixels = read_picture(args.picture.read_bytes()).pixels
        began = time.perf_counter()
        result = analyze(pixels, options)
    except OSError as error:
        print(SdcError("E_INPUT", str(error.strerror), str(args.picture)), file=sys.stderr)
        return 66
    except SdcError as error:
        print(error, file=sys.stderr)
        return error.exit_status
    seconds = time.perf_counter() - began
    for k, (taken, answer) in enumerate(ranking.exchanges, 1):
        print(f"answer {k}: {taken:.1f} s, {len(answer)} characters")
        print(f"  {printable(answer[:SHOWN])}")
    for line in analysis_lines(result.about):
        print(line)
    for thing in result.objects:
        print(f"{LEVELS[thing.level or 0]}  {printable(thing.label)}: {printable(thing.reason)}")
    print(f"{len(result.objects)} objects in {seconds:.1f} s, {len(result.warnings)} warnings")
    return 3 if result.warnings else 0


if __name__ == "__main__":
    sys.exit(main())
