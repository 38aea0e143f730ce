"""``sdc decode``: stream to image."""

from __future__ import annotations

from pathlib import Path

from ..codec.decoder import decode_choice
from ..file import SdcFile
from ..format.stream import WITHDRAWN
from ..types import Limits
from .files import PIPE, open_source, write_whole
from .messages import Args, Said


def decode_one(args: Args, source: str, target: str) -> Said:
    """Decode one stream into an image file."""
    from ..images.write import format_of, write_picture

    suffix = ".png" if target == PIPE else Path(target).suffix
    format_of(suffix)
    with open_source(source) as opened:
        file = SdcFile(opened, limits=Limits(pixels=args.max_pixels))
        icc_profile = file.icc_profile
        choice = file.fetch(args.levels, args.groups, args.objects)
    decoded = decode_choice(file.stream, choice, fill=args.fill or (0, 0, 0))
    if not decoded.groups:
        # There is nothing to show; when every group is withdrawn, none was asked for either.
        missing = decoded.missing
        if not missing and all(g.state == WITHDRAWN for g in file.groups):
            missing = tuple(file.stream.missing(g.index) for g in file.groups)
        told = [f"{note}: no picture is written" if note in choice.notes else note for note in decoded.notes]
        return [*missing, *told]
    covered = decoded.covered if args.fill is None else None
    data, notes = write_picture(decoded.pixels, covered, icc_profile, suffix)
    write_whole(target, data)
    return [*decoded.missing, *decoded.notes, *notes]
