"""The commands ``sdc`` and ``sdc-info``: parsers and entry points."""

from __future__ import annotations

import argparse
import io
import os
import sys
from collections.abc import Callable, Sequence

from .. import __version__
from ..codec.presets import PRESETS
from ..codec.search import DEFAULT_EFFORT
from .analyze import analyze_one
from .arguments import (
    Parser,
    analysis_arguments,
    colour_argument,
    file_arguments,
    fill_argument,
    info_arguments,
    jobs_argument,
    limit_argument,
    quality_argument,
    selection_arguments,
)
from .batch import run_all, run_one
from .decode import decode_one
from .encode import encode_one
from .extract import extract_one
from .files import STREAM_SUFFIX, is_image_name, is_stream_name, read_objects_file
from .info import run_info
from .messages import INTERRUPTED, as_error, message_line, print_err, status_of
from .sheet import sheet_one
from .validate import run_validate


def _sdc_parser() -> argparse.ArgumentParser:
    parser = Parser(
        "sdc",
        description="A picture format in which the important things come first and can be decoded alone.",
        epilog="Exit status: 0 done, 1 invalid stream, 2 unsupported, 3 done in part, 64 wrong arguments, "
        "66 no input, 74 could not read or write.",
    )
    parser.add_argument("--version", action="version", version=f"sdc {__version__}")
    commands = parser.add_subparsers(required=True, metavar="COMMAND")

    tasks = ", ".join(PRESETS)
    command = commands.add_parser(
        "encode",
        help="picture to stream",
        epilog=f"What --for names are words for a model that ranks; {tasks} also choose the margin, and how "
        "much lower the qualities of less important levels are than --quality, which is that of the most "
        "important level in the picture. A --quality by level and --margin go before these; levels that it "
        "does not name are as much lower than the most important one that it names.",
    )
    file_arguments(
        command, "picture, folder, or - for standard input", "stream, folder, or - for standard output"
    )
    command.add_argument(
        "--objects",
        dest="objects_file",
        metavar="FILE",
        help="JSON file of objects, COCO instances.json, a folder of files named as the pictures, or none "
        "for one group; without it the picture is analysed",
    )
    command.add_argument(
        "--quality",
        type=quality_argument,
        default=32,
        metavar="Q",
        help="0 to 63, or by level: L1=44,L2=32,other=16 (default %(default)s)",
    )
    command.add_argument(
        "--margin",
        type=int,
        metavar="CELLS",
        help="cells of 16 pixels coded with the objects they surround, 0 to 15 (default 0, or by --for)",
    )
    command.add_argument(
        "--effort",
        type=int,
        metavar="E",
        help="0 to 9: how long to search for fewer bits and smaller errors (default: that of the preset, or "
        f"{DEFAULT_EFFORT})",
    )
    command.add_argument(
        "--group-by", choices=("level", "object"), default="level", help="a group per level, or per object"
    )
    command.add_argument(
        "--metadata-first",
        action="store_true",
        help="describe the objects in front of the groups, where whoever fetches a prefix has them",
    )
    described = command.add_mutually_exclusive_group()
    described.add_argument(
        "--no-metadata", action="store_true", help="do not describe the objects in the stream"
    )
    described.add_argument(
        "--pixel-masks", action="store_true", help="describe the objects' outlines too, pixel by pixel"
    )
    command.add_argument(
        "--model", type=int, metavar="N", help="number of the model (default: that of the preset, or 1)"
    )
    command.add_argument(
        "--background", type=colour_argument, metavar="#rrggbb", help="colour behind transparent pixels"
    )
    limit_argument(command)
    jobs_argument(command)
    analysis_arguments(command)
    command.set_defaults(run=lambda args: run_all(encode_one, args, is_image_name, STREAM_SUFFIX))

    command = commands.add_parser("analyze", help="find and rank the objects of a picture")
    command.add_argument("input", help="picture, folder, or - for standard input")
    command.add_argument(
        "-o", "--output", required=True, metavar="FILE", help="JSON file of objects, folder, or -"
    )
    command.add_argument("--picture", metavar="FILE", help="draw the objects with their levels and reasons")
    limit_argument(command)
    jobs_argument(command)
    analysis_arguments(command)
    command.set_defaults(run=lambda args: run_all(analyze_one, args, is_image_name, ".json"))

    command = commands.add_parser("decode", help="stream to picture")
    file_arguments(
        command, "stream, folder, or - for standard input", "picture, folder, or - for standard output (PNG)"
    )
    which = selection_arguments(command)
    which.add_argument(
        "--objects", metavar="NAME,...", help="objects by label or index: their cells alone, cut out"
    )
    command.add_argument(
        "--fill",
        type=fill_argument,
        metavar="COLOUR",
        help="transparent (default) or #rrggbb, for what is not decoded",
    )
    limit_argument(command)
    jobs_argument(command)
    command.set_defaults(run=lambda args: run_all(decode_one, args, is_stream_name, ".png"))

    command = commands.add_parser("extract", help="stream of some groups, without decoding pixels")
    file_arguments(
        command, "stream, folder, or - for standard input", "stream, folder, or - for standard output"
    )
    selection_arguments(command)
    limit_argument(command)
    jobs_argument(command)
    command.set_defaults(run=lambda args: run_all(extract_one, args, is_stream_name, STREAM_SUFFIX))

    command = commands.add_parser("validate", help="check streams against every rule")
    command.add_argument("files", nargs="+", metavar="FILE", help="streams, folders, or - for standard input")
    command.add_argument(
        "--shallow", action="store_true", help="do not decode the groups' symbols; needs no model"
    )
    limit_argument(command)
    jobs_argument(command)
    command.set_defaults(run=run_validate)

    command = commands.add_parser("info", help="describe a stream, as sdc-info does")
    info_arguments(command)
    command.set_defaults(run=run_info)

    command = commands.add_parser("sheet", help="one picture that shows a stream level by level")
    file_arguments(command, "stream, or - for standard input", "picture, or - for standard output (PNG)")
    command.add_argument("--original", metavar="PICTURE", help="what was encoded, to show beside")
    limit_argument(command)
    command.set_defaults(run=lambda args: run_one(sheet_one, args))
    return parser


def _info_parser() -> argparse.ArgumentParser:
    parser = Parser("sdc-info", description="Describe an SDC stream, also one that is broken.")
    parser.add_argument("--version", action="version", version=f"sdc-info {__version__}")
    info_arguments(parser)
    parser.set_defaults(run=run_info)
    return parser


def _hold_descriptors() -> None:
    """Open those of descriptors 0 to 2 that are closed, or files and pipes of processes get these numbers."""
    for number in range(3):
        try:
            os.fstat(number)
        except OSError:
            os.set_inheritable(os.open(os.devnull, os.O_RDWR), True)


def run_command(make: Callable[[], argparse.ArgumentParser], argv: Sequence[str] | None) -> int:
    """Parse arguments and run the command that they name; returns its exit status."""
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")
    _hold_descriptors()
    read_objects_file.cache_clear()
    parser = make()
    try:
        try:
            args = parser.parse_args(argv)
            args.program = parser.prog
            status = int(args.run(args))
        except SystemExit as end:  # --help and --version
            status = int(end.code or 0)
        if sys.stdout is not None:
            sys.stdout.flush()
        return status
    except KeyboardInterrupt:
        print_err(f"{parser.prog}: interrupted")
        return INTERRUPTED
    except Exception as error:
        known = as_error(error)
        try:
            if sys.stdout is not None:
                sys.stdout.flush()
        except OSError:
            os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())  # or Python complains at its end
        print_err(message_line(parser.prog, known))
        return status_of(known)


def main(argv: Sequence[str] | None = None) -> int:
    """The command ``sdc``; returns its exit status."""
    return run_command(_sdc_parser, argv)


def info_main(argv: Sequence[str] | None = None) -> int:
    """The command ``sdc-info``; returns its exit status."""
    return run_command(_info_parser, argv)
