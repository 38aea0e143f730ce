"""``sdc encode``: image to stream."""

from __future__ import annotations

import argparse
import os
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from ..analysis.choice import check_available
from ..codec.encoder import encode
from ..codec.presets import EQUAL, PRESETS
from ..codec.search import DEFAULT_EFFORT
from ..errors import SdcError
from ..notes import Notes
from ..objects.document import index_large
from ..objects.object import Object, Objects
from ..paths import STREAM_SUFFIX
from .analysis_options import add_main_options, options_of
from .arguments import (
    Commands,
    colour_argument,
    file_arguments,
    jobs_argument,
    limit_argument,
    strict_argument,
    strip_argument,
)
from .files import (
    PIPE,
    is_image_name,
    objects_path,
    open_objects,
    read_image_source,
    write_whole,
)
from .messages import Args, Said, message_line, print_err, shortened
from .refusals import check_stream_output
from .restoration import read_restoration_file
from .runs import run_all

if TYPE_CHECKING:
    from ..images.read import SourceImage


def _quality(text: str) -> int | dict[str, int]:
    """``32``, or ``L1=44,L2=32,other=16``."""
    try:
        if "=" not in text:
            return int(text)
        pairs = [part.split("=") for part in text.split(",")]
        if len({name for name, _ in pairs}) < len(pairs):
            raise ValueError
        return {name: int(value) for name, value in pairs}
    except ValueError:
        raise argparse.ArgumentTypeError(
            f"a quality is 0 to 63, or L1=44,L2=32,other=16, not {text}"
        ) from None


def add(commands: Commands) -> None:
    """Add the command."""
    command = commands.add_parser(
        "encode",
        help="image to stream",
        description="Encode an image. The objects found in it, or given, are coded in order of importance.",
        epilog=f"--for {', '.join(PRESETS)}: also sets qualities by level, margin, model and effort; "
        "--quality is then that of the most important level.",
    )
    file_arguments(
        command, "image, folder, or - for standard input", "stream, folder, or - for standard output"
    )
    encoding_arguments(command)
    jobs_argument(command)
    command.set_defaults(run=run)


def encoding_arguments(command: argparse.ArgumentParser) -> None:
    """Add all options that say how images are encoded."""
    command.add_argument(
        "--objects",
        dest="objects_file",
        metavar="FILE",
        help="objects: JSON, COCO's instances.json, a folder of JSON, or none",
    )
    _coding_arguments(command)
    _description_arguments(command)
    strip_argument(command)
    limit_argument(command)
    strict_argument(command)
    add_main_options(command)


def _coding_arguments(command: argparse.ArgumentParser) -> None:
    add = command.add_argument_group("coding").add_argument
    add(
        "--quality",
        type=_quality,
        default=32,
        metavar="Q",
        help="0 to 63, or L1=44,L2=32,other=16 (default %(default)s)",
    )
    add(
        "--effort",
        type=int,
        metavar="E",
        help=f"0 (fast) to 9: search for smaller streams (default {DEFAULT_EFFORT})",
    )
    add("--margin", type=int, metavar="CELLS", help="0 to 15 cells of 16 pixels around objects (default 0)")
    add(
        "--group-by",
        choices=("level", "object"),
        default="level",
        metavar="WHAT",
        help="a group per level, or per object: level or object (default %(default)s)",
    )
    add("--model", type=int, metavar="N", help="number of the model (default 1)")
    add("--background", type=colour_argument, metavar="#rrggbb", help="colour behind transparent pixels")


def _description_arguments(command: argparse.ArgumentParser) -> None:
    group = command.add_argument_group("metadata")
    group.add_argument(
        "--metadata-first",
        action="store_true",
        help="objects and a colour profile at the start, not at the end",
    )
    group.add_argument(
        "--restoration",
        metavar="FILE",
        help="what restores the image: JSON as info prints it",
    )
    either = group.add_mutually_exclusive_group()
    either.add_argument("--no-metadata", action="store_true", help="do not describe the objects")
    either.add_argument("--pixel-masks", action="store_true", help="describe exact outlines too")
    units = (1, 2, 4, 8, 16)
    group.add_argument(
        "--box-unit",
        type=int,
        default=1,
        choices=units,
        metavar="N",
        help="round boxes to 1, 2, 4, 8, 16 pixels",
    )


def run(args: Args) -> int:
    """Encode an image or a folder of them; returns the exit status."""
    check_useless(args)
    args.objects_index = None
    path = args.objects_file
    if path not in (None, "none", PIPE) and not os.path.isdir(path):
        args.objects_index, unkept = index_large(path)
        if unkept is not None:
            print_err(message_line(args.program, f"note: {unkept}"))
    if path is None:
        check_batch(args)
    return run_all(encode_one, args, is_image_name, STREAM_SUFFIX, record="encode")


def check_batch(args: Args) -> None:
    """Refuse what would keep every image of a folder from being analyzed.

    Raises:
        SdcError: ``E_USAGE`` or ``E_INPUT``.
    """
    if args.input != PIPE and os.path.isdir(args.input):
        check_available(options_of(args))


def check_useless(args: Args) -> None:
    """Refuse options of an analysis that is not made, since the objects are given.

    Raises:
        SdcError: ``E_USAGE``.
    """
    if args.objects_file is None:
        return
    for option, value in (
        ("--find", args.find),
        ("--detector", args.detector),
        ("--chat", args.url),
        ("--chat-model", args.chat_model),
    ):
        if value:
            raise SdcError("E_USAGE", "has no effect: --objects says what is in the image", option)


def unused_purpose(args: Args, provenance: dict[str, Any] | None, what: str) -> Said:
    """A note where no model has ranked by the words after ``--for``; what else they are not."""
    if not args.purpose.strip() or "for" in (provenance or {}):
        return []
    return [f"--for has no effect: no model ranks by {shortened(args.purpose)!r}{what}"]


def encode_one(args: Args, source: str, target: str) -> Said:
    """Encode one image file."""
    check_stream_output(target)
    name = None if source == PIPE else os.path.abspath(source)
    alone = not os.path.isdir(args.input)
    data, said = encode_bytes(args, read_image_source(source), name, objects_path(args, source), alone=alone)
    write_whole(target, data)
    return said


def encode_bytes(
    args: Args, data: bytes, name: str | None, objects_file: str | None, *, alone: bool
) -> tuple[bytes, Said]:
    """Encode the bytes of an image file as the arguments say.

    Args:
        args: the options of the command.
        data: the file.
        name: path of the file, by which a file of objects of many images knows it.
        objects_file: of this image; without one, and unless the arguments ask for none, they are looked for.
        alone: whether this is the only image, so that a file of objects of one image needs no name.

    Returns:
        ``(stream, notes)``.
    """
    from ..images.metadata import stripped
    from ..images.read import read_image

    if args.metadata_first and args.no_metadata:
        raise SdcError("E_USAGE", "--metadata-first and --no-metadata exclude each other; use one")
    image = read_image(data, background=args.background, max_pixels=args.max_pixels, strict=args.strict)
    told = Notes("E_PICTURE", strict=args.strict)
    about = stripped(image.attached, args.strip, told)
    objects, provenance = _described(args, image, name, objects_file, alone)
    notes: Said = [*image.notes, *told]
    task = args.purpose.strip().casefold()
    if task not in PRESETS:
        ranked = None if args.objects_file is not None else provenance
        notes += unused_purpose(args, ranked, f", and it is none of the presets ({', '.join(PRESETS)})")
    stream = encode(
        image.pixels,
        objects=objects,
        provenance=provenance,
        quality=args.quality,
        preset=task if task in PRESETS else EQUAL,
        margin=args.margin,
        group_by=args.group_by,
        icc_profile=image.icc_profile,
        exif=about.exif,
        xmp=about.xmp,
        metadata="first" if args.metadata_first else not args.no_metadata,
        pixel_masks=args.pixel_masks,
        box_unit=args.box_unit,
        restoration=None if args.restoration is None else read_restoration_file(args.restoration),
        model=args.model,
        effort=args.effort,
        strict=args.strict,
    )
    return stream, [*notes, *stream.notes]


def _described(
    args: Args, image: SourceImage, name: str | None, objects_file: str | None, alone: bool
) -> tuple[Sequence[Object], dict[str, Any] | None]:
    """The objects of an image by its file of objects, or by the analysis, with notes; how they were found."""
    if args.objects_file == "none":
        return (), None
    if objects_file is None:
        from ..analysis.cache import analyze_cached

        found = analyze_cached(image.pixels, options_of(args), args.cache, strict=args.strict)
        return Objects(found.objects, found.notes), found.provenance
    described = open_objects(objects_file, args.objects_index)
    height, width = image.pixels.shape[:2]
    loaded = Object.load(described, width, height, name, turned=image.turned, alone=alone, strict=args.strict)
    return loaded, described.provenance
