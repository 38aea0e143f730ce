"""``sdc extract``: stream of some groups, without decoding pixels."""

from __future__ import annotations

from ..format.build import build
from ..format.edit import withdraw
from ..format.parse import parse
from ..types import Limits
from .decode import lacking_levels
from .files import check_stream_output, open_source, write_whole
from .messages import Args, Said


def extract_one(args: Args, source: str, target: str) -> Said:
    """Write a stream of some groups of one stream."""
    check_stream_output(target)
    with open_source(source) as file:
        stream = parse(file, limits=Limits(pixels=args.max_pixels))
    groups = stream.select(args.groups, args.levels)
    kept, missing = withdraw(stream, groups)
    write_whole(target, build(kept))
    without = "" if groups else ": every group is withdrawn"
    return [*missing, *(note + without for note in lacking_levels(stream, args))]
