"""``sdc analyze``: find and rank the objects of an image."""

from __future__ import annotations

import argparse
import json
import os
from pathlib import Path
from typing import Any

import numpy as np

from ..errors import SdcError
from ..paths import is_stream_name
from .analysis_options import add_options
from .arguments import Commands, jobs_argument, limit_argument, strict_argument
from .encode import check_batch, unused_purpose
from .files import PIPE, is_image_name, read_image_source, write_whole
from .messages import Args, Said
from .refusals import check_output, is_same
from .runs import run_all


class _Detectors(argparse.Action):
    """Prints the layouts of detectors that are known, which are looked at only then."""

    def __call__(self, parser: argparse.ArgumentParser, *args: Any, **kwargs: Any) -> None:
        from ..analysis.detectors.adapters import adapters

        print("".join(f"{adapter.name:<12}{adapter.about}\n" for adapter in adapters()), end="")
        parser.exit()


def add(commands: Commands) -> None:
    """Add the command."""
    command = commands.add_parser(
        "analyze",
        help="find and rank the objects of an image",
        description="Find the objects of an image, rank them by importance, and write them as JSON, which "
        "sdc encode --objects takes.",
    )
    command.add_argument("input", help="image, folder, or - for standard input")
    command.add_argument(
        "-o", "--output", required=True, metavar="FILE", help="JSON file of objects, folder, or -"
    )
    command.add_argument(
        "--draw", dest="image", metavar="FILE", help="draw the objects, with levels and reasons"
    )
    command.add_argument(
        "--detectors",
        action=_Detectors,
        nargs=0,
        help="list the layouts of detectors that are known, and exit",
    )
    limit_argument(command)
    strict_argument(command)
    jobs_argument(command)
    add_options(command)
    command.set_defaults(run=run)


def run(args: Args) -> int:
    """Analyze an image or a folder of them; returns the exit status."""
    check_batch(args)
    return run_all(analyze_one, args, is_image_name, ".json", record="analyze")


def analyze_one(args: Args, source: str, target: str) -> Said:
    """Find and rank the objects of one image, and write them."""
    from ..analysis.cache import analyze_cached
    from ..images.read import read_image
    from ..images.sheet import objects_sheet
    from ..images.write import format_of, write_image
    from .analysis_options import options_of

    if target != PIPE and (is_image_name(target) or is_stream_name(target)):
        kind = "an image" if is_image_name(target) else "a stream"
        other = Path(target).with_suffix(".json")
        raise SdcError("E_USAGE", f"output {target!r} has the extension of {kind}; use {other}")
    if args.image is not None:
        format_of(Path(args.image).suffix)
        if os.path.isdir(args.input):
            raise SdcError("E_USAGE", "draws one image, not a folder", "--draw")
        check_output(args, source, args.image)
        if args.image == target or is_same(args.image, target):
            raise SdcError("E_USAGE", "the drawing and the JSON need two files", args.image)
    image = read_image(
        read_image_source(source), background=(255, 255, 255), max_pixels=args.max_pixels, strict=args.strict
    )
    found = analyze_cached(image.pixels, options_of(args), args.cache, strict=args.strict)
    if args.image is not None:
        drawn = objects_sheet(image.pixels, found.objects, found.provenance)
        data = write_image(np.asarray(drawn), None, None, Path(args.image).suffix)[0]
        write_whole(args.image, data)
    write_whole(target, (json.dumps(found.as_dict(), indent=1, ensure_ascii=False) + "\n").encode())
    return [*image.notes, *found.notes, *unused_purpose(args, found.provenance, "")]
