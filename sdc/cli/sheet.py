"""``sdc sheet``: one image that shows a stream level by level."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from ..format.parse import parse
from ..types import Limits
from .arguments import Commands, file_arguments, limit_argument, url_arguments
from .files import PIPE, fetched, open_stream, read_image_source, write_whole
from .messages import Args, Said
from .runs import run_one


def add(commands: Commands) -> None:
    """Add the command."""
    command = commands.add_parser(
        "sheet",
        help="one image that shows a stream level by level",
        description="Draw a stream level by level, with the bytes that each level needs.",
    )
    file_arguments(
        command, "stream, its URL, or - for standard input", "image, or - for standard output (PNG)"
    )
    command.add_argument("--original", metavar="IMAGE", help="what was encoded, shown beside")
    command.add_argument("--restore", action="store_true", help="show the restored image, too")
    limit_argument(command)
    url_arguments(command)
    command.set_defaults(run=run)


def run(args: Args) -> int:
    """Draw the sheet of a stream; returns the exit status."""
    return run_one(sheet_one, args)


def sheet_one(args: Args, source: str, target: str) -> Said:
    """Draw the contact sheet of one stream."""
    from ..images.read import read_image
    from ..images.sheet import sheet
    from ..images.write import format_of, write_image

    suffix = ".png" if target == PIPE else Path(target).suffix
    format_of(suffix)
    limits = Limits(pixels=args.max_pixels)
    with open_stream(args, source) as file:
        stream = parse(file, limits=limits)
        about = fetched(file)
    original = None
    if args.original is not None:
        white = (255, 255, 255)
        original = read_image(
            read_image_source(args.original), background=white, max_pixels=args.max_pixels
        ).pixels
    drawn = sheet(stream, original, restore=args.restore, limits=limits)
    # What a format loses matters little here.
    write_whole(target, write_image(np.asarray(drawn), None, drawn.info.get("icc_profile"), suffix)[0])
    return [*stream.errors, *about]
