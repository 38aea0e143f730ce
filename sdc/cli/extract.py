"""``sdc extract``: stream of some groups, without decoding pixels."""

from __future__ import annotations

from ..file import SdcFile
from ..paths import STREAM_SUFFIX, is_stream_name
from ..types import Limits
from .arguments import (
    Commands,
    file_arguments,
    jobs_argument,
    limit_argument,
    selection_arguments,
    url_arguments,
)
from .files import fetched, open_stream, write_whole
from .messages import Args, Said
from .refusals import check_stream_output
from .runs import run_all


def add(commands: Commands) -> None:
    """Add the command."""
    command = commands.add_parser(
        "extract",
        help="stream of some groups, without decoding pixels",
        description="Write a stream of some groups; the others are withdrawn. No pixel is decoded, and of a "
        "file only what is kept is read.",
    )
    file_arguments(
        command,
        "stream, its URL, folder, or - for standard input",
        "stream, folder, or - for standard output",
    )
    selection_arguments(command)
    limit_argument(command)
    url_arguments(command)
    jobs_argument(command)
    command.set_defaults(run=run)


def run(args: Args) -> int:
    """Extract from a stream or a folder of them; returns the exit status."""
    return run_all(extract_one, args, is_stream_name, STREAM_SUFFIX)


def extract_one(args: Args, source: str, target: str) -> Said:
    """Write a stream of some groups of one stream."""
    check_stream_output(target)
    with open_stream(args, source) as opened:
        file = SdcFile(opened, limits=Limits(pixels=args.max_pixels))
        choice = file.fetch(args.levels, args.groups)
        data = file.extract(args.levels, args.groups)
        about = fetched(opened)
    write_whole(target, data)
    without = "" if choice.groups else ": every group is withdrawn"
    return [*data.missing, *(note + without if note in choice.notes else note for note in data.notes), *about]
