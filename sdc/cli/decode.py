"""``sdc decode``: stream to image."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING

from ..codec.decoder import decode_choice
from ..errors import SdcError
from ..file import SdcFile
from ..format.choice import ALL_WITHDRAWN, Choice
from ..format.chunks import EXIF, XMPP
from ..notes import Notes
from ..paths import is_stream_name
from ..types import Colour, Limits
from .arguments import (
    Commands,
    colour_argument,
    file_arguments,
    jobs_argument,
    limit_argument,
    selection_arguments,
    strip_argument,
    url_arguments,
)
from .files import PIPE, fetched, open_stream, write_whole
from .messages import Args, Said
from .refusals import is_same
from .runs import run_all

if TYPE_CHECKING:
    from ..images.metadata import Attached


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
        command,
        "stream, its URL, folder, or - for standard input",
        "image, folder, or - for standard output (PNG)",
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
    strip_argument(command)
    where = command.add_mutually_exclusive_group()
    where.add_argument(
        "--restore", action="store_true", help="also write the restored image, as NAME-restored beside NAME"
    )
    where.add_argument("--restored", metavar="FILE", help="also write the restored image, to this file")
    where.add_argument("--restored-only", action="store_true", help="write the restored image, and no other")
    command.add_argument(
        "--strength",
        type=float,
        metavar="S",
        help="how much is restored, 0 to 1 (default 1)",
    )
    command.add_argument(
        "--restoration-model",
        type=int,
        metavar="N",
        help="number of the model that restores (default: that of the stream, or the one for its model)",
    )
    limit_argument(command)
    url_arguments(command)
    jobs_argument(command)
    command.set_defaults(run=run)


def run(args: Args) -> int:
    """Decode a stream or a folder of them; returns the exit status."""
    _check_restored(args)
    return run_all(decode_one, args, is_stream_name, ".png")


def _check_restored(args: Args) -> None:
    """Refuse what makes no sense about a restored image, before anything is decoded.

    Raises:
        SdcError: ``E_USAGE``.
    """
    if args.restored is None:
        for option, value in (("--restoration-model", args.restoration_model), ("--strength", args.strength)):
            if value is not None and not (args.restore or args.restored_only):
                raise SdcError(
                    "E_USAGE", f"{option} wants --restore, --restored-only, or --restored and a file"
                )
        if args.restore and args.output == PIPE:
            raise SdcError("E_USAGE", "--restore writes beside the output; name a file by --restored")
        return
    if args.input != PIPE and os.path.isdir(args.input):
        raise SdcError("E_USAGE", "--restored is one file, and the input is a folder")
    if PIPE in (args.restored, args.output) and args.restored == args.output:
        raise SdcError("E_USAGE", "both images cannot go to standard output; name a file for one")
    for other in (args.input, args.output):
        if PIPE not in (other, args.restored) and is_same(other, args.restored):
            raise SdcError(
                "E_USAGE", "--restored names a file that is read or written already", args.restored
            )


def _restored_target(args: Args, source: str, target: str) -> str | None:
    """Where the restored image goes, if it is wanted.

    Raises:
        SdcError: ``E_USAGE`` where another stream of the folder is decoded to there.
    """
    if not args.restore:
        name: str | None = args.restored
        return name
    path, other = (Path(name).with_stem(f"{Path(name).stem}-restored") for name in (target, source))
    if other.exists():
        raise SdcError("E_USAGE", f"its restored image would be taken for that of {other.name}", str(path))
    return str(path)


def decode_one(args: Args, source: str, target: str) -> Said:
    """Decode one stream into an image file."""
    from ..images.metadata import NOTHING
    from ..images.write import format_of, write_image

    second = _restored_target(args, source, target)
    targets = [target] if second is None else [target, second]
    suffixes = [".png" if name == PIPE else Path(name).suffix for name in targets]
    for suffix in suffixes:
        format_of(suffix)
    restore: bool | int = second is not None or args.restored_only
    if args.restoration_model is not None:
        restore = args.restoration_model
    about = Notes("E_PICTURE")
    with open_stream(args, source) as opened:
        file = SdcFile(opened, limits=Limits(pixels=args.max_pixels))
        icc_profile = _profile(file, about)
        choice = file.fetch(args.levels, args.groups, args.objects)
        attached = _attached(args, file, choice, about)
        if restore is not False:
            file.fetch_restoration()
        about.take(fetched(opened))
    strength = 1.0 if args.strength is None else args.strength
    decoded = decode_choice(
        file.stream,
        choice,
        restore=restore,
        strength=strength,
        captured=not args.restored_only,
        fill=args.fill or (0, 0, 0),
    )
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
        if missing:
            told.append("no group that was asked for is complete: no image is written")
        return [*missing, *told]
    if len(decoded.groups) < len(file.groups) or args.objects is not None:
        if file.stream.chunk(EXIF) or file.stream.chunk(XMPP):
            about.add("EXIF and XMP describe the whole image and are not written with a part of it")
        attached = NOTHING
    covered = decoded.covered if args.fill is None else None
    said: Said = [*decoded.missing, *decoded.notes, *about]
    for name, suffix, pixels in zip(targets, suffixes, (decoded.pixels, decoded.restored), strict=False):
        assert pixels is not None
        data, notes = write_image(pixels, covered, icc_profile, suffix, attached)
        write_whole(name, data)
        said += [note for note in notes if note not in said]
    return said


def _profile(file: SdcFile, notes: Notes) -> bytes | None:
    """Colour profile to write into an image file; ``None`` for sRGB."""
    from ..colour.profiles import profile_for

    colour = file.colour
    if colour is not None and colour.name is None:
        notes.add(f"the colour space {tuple(colour)} is not known: no profile is written")
    return profile_for(colour, file.icc_profile)


def _attached(args: Args, file: SdcFile, choice: Choice, notes: Notes) -> Attached:
    """EXIF and XMP of a stream, as far as they are to be written; not read where they are not."""
    from ..images.metadata import NOTHING, Attached, stripped

    if args.strip is None or len(choice.groups) < len(file.groups):
        return NOTHING
    return stripped(Attached(file.exif, file.xmp), args.strip, notes)
