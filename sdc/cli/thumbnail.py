"""``sdc thumbnail``: a small image of a stream, for file managers."""

from __future__ import annotations

import argparse
import io
from typing import TYPE_CHECKING

from ..codec.decoder import Decoded, decode_choice
from ..errors import SdcError
from ..file import SdcFile
from ..types import Limits
from .arguments import Commands, file_arguments, limit_argument, url_arguments
from .files import PIPE, open_stream, write_whole
from .messages import Args, Said
from .runs import run_one

if TYPE_CHECKING:
    from PIL import Image

LARGEST = 1024
"""Pixels of a side that can be asked for: desktops ask for 128 to 1024."""


def _size(text: str) -> int:
    size = int(text) if text.isdecimal() else 0
    if not 1 <= size <= LARGEST:
        raise argparse.ArgumentTypeError(f"a size is 1 to {LARGEST} pixels, not {text!r}")
    return size


def add(commands: Commands) -> None:
    """Add the command."""
    command = commands.add_parser(
        "thumbnail",
        help="a small image of a stream",
        description="Decode a stream and reduce it to a PNG, whatever its name ends in. "
        "What is missing is transparent, which is no failure as long as something is to be seen.",
    )
    file_arguments(command, "stream, its URL, or - for standard input", "PNG, or - for standard output")
    command.add_argument(
        "--size", type=_size, default=256, metavar="N", help="pixels of the longer side at the most (256)"
    )
    limit_argument(command)
    url_arguments(command)
    command.set_defaults(run=run)


def run(args: Args) -> int:
    """Write the thumbnail of a stream; returns the exit status."""
    return run_one(thumbnail_one, args)


def thumbnail_one(args: Args, source: str, target: str) -> Said:
    """Write the thumbnail of one stream."""
    from ..colour.profiles import profile_for

    with open_stream(args, source) as opened:
        file = SdcFile(opened, limits=Limits(pixels=args.max_pixels))
        choice = file.fetch()
        profile = profile_for(file.colour, file.icc_profile)
    decoded = decode_choice(file.stream, choice)
    if not decoded.groups:
        return [*(decoded.missing or [file.stream.missing(g.index) for g in file.groups])]
    out = io.BytesIO()
    reduced(decoded, args.size).save(out, "PNG", icc_profile=profile)
    _fill(target, out.getvalue())
    return [str(error) for error in decoded.missing]


def _fill(path: str, data: bytes) -> None:
    """Write into the file that is there: a file manager holds it open, and would not see another of its name.

    Raises:
        SdcError: ``E_IO``.
    """
    if path == PIPE:
        write_whole(path, data)
        return
    try:
        with open(path, "wb") as file:
            file.write(data)
    except OSError as error:
        raise SdcError("E_IO", error.strerror or str(error), path) from None


def reduced(decoded: Decoded, size: int) -> Image.Image:
    """What is decoded, with sides of ``size`` at most; in RGBA where something is missing."""
    from PIL import Image

    from ..images.write import rgba

    whole = decoded.covered.all()
    image = Image.fromarray(decoded.pixels if whole else rgba(decoded.pixels, decoded.covered))
    image.thumbnail((size, size))
    return image
