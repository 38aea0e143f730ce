"""``sdc decode``: stream to image."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import numpy.typing as npt

from ..codec.decoder import Decoded, decode
from ..errors import SdcError
from ..format.chunks import ICCP
from ..format.grps import WITHDRAWN
from ..format.iccp import icc_error
from ..format.objs import parse_objects
from ..format.parse import parse_asked
from ..format.stream import Stream
from ..objects.object import Object
from ..types import CELL, LEVELS, Colour, Limits
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
from .messages import Args, Said, shortened

TOLD = 20
"""Labels of objects that an error names."""


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
    from ..images.write import format_of, write_picture

    suffix = ".png" if target == PIPE else Path(target).suffix
    format_of(suffix)
    limits = Limits(pixels=args.max_pixels)
    fill: Colour = args.fill or (0, 0, 0)
    objects: list[Object] = []
    groups = args.groups
    with open_stream(source) as file:
        if args.objects is not None:
            described, _ = parse_asked(file, [], None, limits=limits, behind=True)
            objects = _named_objects(described, args.objects, limits)
            groups = {o.group for o in objects if o.group is not None}
        levels = None if args.levels is None else [LEVELS[k] for k in args.levels]
        stream, groups = parse_asked(file, groups, levels, limits=limits, behind=bool(objects))
    wrong = icc_error(stream)
    if wrong is not None:
        raise wrong
    lacking = lacking_levels(stream, args)
    picture = decode(stream, groups=groups, fill=fill, limits=limits)
    damaged = [str(error) for error in stream.errors if error.code == "E_CHUNK_DAMAGED"]
    if not picture.groups:
        # There is nothing to show; when every group is withdrawn, none was asked for either.
        missing = picture.missing
        if not missing and all(g.state == WITHDRAWN for g in stream.groups):
            missing = tuple(stream.missing(g.index) for g in stream.groups)
        return [*missing, *damaged, *(f"{note}: no image is written" for note in lacking)]
    pixels, covered = picture.pixels, picture.covered
    if objects:
        pixels, covered = _cropped(picture, objects, fill)
    profile = stream.chunk(ICCP)
    icc = None if profile is None else profile.payload
    data, notes = write_picture(pixels, covered if args.fill is None else None, icc, suffix)
    write_whole(target, data)
    return [*picture.missing, *damaged, *lacking, *notes]


def lacking_levels(stream: Stream, args: Args) -> list[str]:
    """A note of the levels that were asked for and that the stream does not have."""
    has = list(dict.fromkeys(g.level_name for g in stream.groups))
    wanted = dict.fromkeys(LEVELS[k] for k in args.levels or [])
    lacking = " or ".join(name for name in wanted if name not in has)
    return [f"the stream has no group of level {lacking}, only {', '.join(has)}"] if lacking else []


def _named_objects(stream: Stream, text: str, limits: Limits) -> list[Object]:
    """Objects by label or index, with their pixel masks: one, or several between commas.

    Raises:
        SdcError: ``E_USAGE`` when there is no such object, and as :func:`sdc.format.objs.parse_objects`.
    """
    objects = parse_objects(stream, masks=False, limits=limits)

    def called(name: str) -> list[int]:
        found = [k for k, o in enumerate(objects) if o.label.strip().casefold() == name.casefold()]
        # No stream has an object of more than four digits.
        if not found and name.isdecimal() and len(name) < 5 and int(name) < len(objects):
            found = [int(name)]
        return found

    chosen = called(text.strip())  # a label may hold commas
    for part in [] if chosen else text.split(","):
        name = part.strip()
        found = called(name)
        if not found:
            labels = list(dict.fromkeys(o.label for o in objects))
            more = f" and {len(labels) - TOLD} more" if len(labels) > TOLD else ""
            has = ", ".join(labels[:TOLD]) or "none"
            raise SdcError("E_USAGE", f"the stream has no object {shortened(name)!r}; it has {has}{more}")
        chosen += found
    with_masks = parse_objects(stream, masks=set(chosen), limits=limits)
    return [with_masks[k] for k in chosen]


def _cropped(
    picture: Decoded, objects: Sequence[Object], fill: Colour
) -> tuple[npt.NDArray[np.uint8], npt.NDArray[np.bool_]]:
    """Pixels and coverage of the objects' cells alone, cut to the rectangle around them."""
    labels, head = picture.stream.labels, picture.stream.head
    cells = np.zeros(labels.shape, bool)
    for o in objects:
        x, y, w, h = o.box
        touched = np.zeros(labels.shape, bool)
        if o.mask is None:
            touched[y // CELL : (y + h - 1) // CELL + 1, x // CELL : (x + w - 1) // CELL + 1] = True
        else:
            rows, cols = np.nonzero(o.mask)
            touched[(rows + y) // CELL, (cols + x) // CELL] = True
        cells |= touched & (labels == (o.group or 0) + 1)
    if not cells.any():
        raise SdcError("E_USAGE", "the object has no cell in its group")
    rows, cols = cells.any(1).nonzero()[0], cells.any(0).nonzero()[0]
    area = (
        slice(int(rows[0]) * CELL, min(int(rows[-1] + 1) * CELL, head.height)),
        slice(int(cols[0]) * CELL, min(int(cols[-1] + 1) * CELL, head.width)),
    )
    own = np.repeat(np.repeat(cells, CELL, 0), CELL, 1)[area] & picture.covered[area]
    pixels = picture.pixels[area].copy()
    pixels[~own] = fill
    return pixels, own
