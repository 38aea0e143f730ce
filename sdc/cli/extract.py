"""``sdc extract``: stream of some groups, without decoding pixels."""

from __future__ import annotations

from ..file import SdcFile
from ..types import Limits
from .files import check_stream_output, open_source, write_whole
from .messages import Args, Said


def extract_one(args: Args, source: str, target: str) -> Said:
    """Write a stream of some groups of one stream."""
    check_stream_output(target)
    with open_source(source) as opened:
        file = SdcFile(opened, limits=Limits(pixels=args.max_pixels))
        chosen = file.fetch(args.levels, args.groups).groups
        data = file.extract(args.levels, args.groups)
    write_whole(target, data)
    without = "" if chosen else ": every group is withdrawn"
    return [*data.missing, *(note + without for note in data.notes)]
