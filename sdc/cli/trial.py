"""Tries a chat endpoint on an image: ``python -m sdc.cli.trial URL IMAGE``.

It does what ``sdc analyze IMAGE --chat URL`` does, with the same options of the analysis.
It prints every answer with the seconds that it took, captions, each object with its level and reason, and
warnings.
``--text-only`` is for a model that cannot see; ``--detector FILE`` gives it objects with names.

The exit status is 0 when the model has ranked every object as asked, 3 when there is a warning, and that of
``sdc`` for an error.
"""

from __future__ import annotations

import argparse
import sys
import time
from collections.abc import Sequence
from dataclasses import replace

from ..analysis.pipeline import analyze, provider_of
from ..format.text import printable, provenance_lines
from ..images.read import read_image
from .analysis_options import add_options, options_of
from .arguments import Parser
from .files import read_image_source
from .main import run_command

SHOWN = 300
"""Characters of an answer that are printed."""


def _parser() -> argparse.ArgumentParser:
    parser = Parser(
        "python -m sdc.cli.trial",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("address", metavar="URL", help="such as http://localhost:8080/v1")
    parser.add_argument("image", metavar="IMAGE", help="or - for standard input")
    add_options(parser, without=("--chat", "--ranking", "--cache"))
    parser.set_defaults(run=_try)
    return parser


def _try(args: argparse.Namespace) -> int:
    """Rank by the endpoint, and print what came of it.

    Raises:
        SdcError: from the arguments, the image and :func:`analyze`.
    """
    args.url = args.address
    options = replace(options_of(args), ranking="chat")
    ranking = provider_of("ranking", "chat", options)
    pixels = read_image(read_image_source(args.image), background=(255, 255, 255)).pixels
    began = time.perf_counter()
    result = analyze(pixels, options)
    seconds = time.perf_counter() - began
    for k, (taken, answer) in enumerate(ranking.exchanges, 1):
        print(f"answer {k}: {taken:.1f} s, {len(answer)} characters")
        print(f"  {printable(answer[:SHOWN])}")
    for line in provenance_lines(result.provenance):
        print(line)
    for thing in result.objects:
        print(f"{thing.level}  {printable(thing.label)}: {printable(thing.reason)}")
    print(f"{len(result.objects)} objects in {seconds:.1f} s, {len(result.warnings)} warnings")
    return 3 if result.warnings else 0


def main(argv: Sequence[str] | None = None) -> int:
    """The command; returns its exit status."""
    return run_command(_parser, argv)


if __name__ == "__main__":
    sys.exit(main())
