"""``sdc decode``: stream to image."""

from __future__ import annotations

from pathlib import Path

from ..codec.decoder import decode_choice
from ..file import SdcFile
from ..format.choice import ALL_WITHDRAWN
from ..types import Colour, Limits
from .arguments import (
    Commands,
    colour_argument,
    file_arguments,
    jobs_argument,
    limit_argument,
    selection_arguments,
)
from .batch import run_all
from .files import PIPE, is_stream_name, open_stream, write_whole
from .messages import Args, Said


def _fill(text: str) -> Colour | None:
    """A colour, or ``None`` for transparent."""
    return None if text == "transparent" else colour_argument(text)


def add(commands: Commands) -> None:
    """Add the command."""
    command = commands.add_parser(
        "decode",
        help="stream to image",
        description="Decode a stream, or some of it. Of a file only what is asked for is read.",
    )
    file_arguments(
        command, "stream, folder, or - for standard input", "image, folder, or - for standard output (PNG)"
    )
    which = selection_arguments(command)
    which.add_argument(
        "--objects", metavar="NAME,...", help="some objects, by label or index, cut out of the image"
    )
    command.add_argument(
        "--fill",
        type=_fill,
        metavar="COLOUR",
        help="for what is not decoded: transparent (default) or #rrggbb",
    )
    limit_argument(command)
    jobs_argument(command)
    command.set_defaults(run=run)


def run(args: Args) -> int:
    """Decode a stream or a folder of them; returns the exit status."""
    return run_all(decode_one, args, is_stream_name, ".png")


def decode_one(args: Args, source: str, target: str) -> Said:
    """Decode one stream into an image file."""
    from ..images.write import format_of, write_image

    suffix = ".png" if target == PIPE else Path(target).suffix
    format_of(suffix)
    with open_stream(source) as opened:
        file = SdcFile(opened, limits=Limits(pixels=args.max_pixels))
        icc_profile = file.icc_profile
        choice = file.fetch(args.levels, args.groups, args.objects)
    decoded = decode_choice(file.stream, choice, fill=args.fill or (0, 0, 0))
    if not decoded.groups:
        # There is nothing to show; when every group is withdrawn, none was asked for either.
        missing = decoded.missing
        if not missing and not file.levels:
            missing = tuple(file.stream.missing(g.index) for g in file.groups)
        told = [
            f"{note}: no image is written" if note in choice.notes else note
            for note in decoded.notes
            if note != ALL_WITHDRAWN  # each is named
        ]
        return [*missing, *told]
    covered = decoded.covered if args.fill is None else None
    data, notes = write_image(decoded.pixels, covered, icc_profile, suffix)
    write_whole(target, data)
    return [*decoded.missing, *decoded.notes, *notes]
