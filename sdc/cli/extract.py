"""``sdc extract``: stream of some groups, without decoding pixels."""

from __future__ import annotations

from ..format.build import build
from ..format.edit import withdraw
from ..format.parse import parse_asked
from ..types import LEVELS, Limits
from .arguments import Commands, file_arguments, jobs_argument, limit_argument, selection_arguments
from .batch import run_all
from .decode import lacking_levels
from .files import STREAM_SUFFIX, is_stream_name, open_stream, write_whole
from .messages import Args, Said
from .refusals import check_stream_output


def add(commands: Commands) -> None:
    """Add the command."""
    command = commands.add_parser(
        "extract",
        help="stream of some groups, without decoding pixels",
        description="Write a stream of some groups; the others are withdrawn. No pixel is decoded, and of a "
        "file only what is kept is read.",
    )
    file_arguments(
        command, "stream, folder, or - for standard input", "stream, folder, or - for standard output"
    )
    selection_arguments(command)
    limit_argument(command)
    jobs_argument(command)
    command.set_defaults(run=run)


def run(args: Args) -> int:
    """Extract from a stream or a folder of them; returns the exit status."""
    return run_all(extract_one, args, is_stream_name, STREAM_SUFFIX)


def extract_one(args: Args, source: str, target: str) -> Said:
    """Write a stream of some groups of one stream."""
    check_stream_output(target)
    levels = None if args.levels is None else [LEVELS[k] for k in args.levels]
    with open_stream(source) as file:
        stream, groups = parse_asked(
            file, args.groups, levels, limits=Limits(pixels=args.max_pixels), behind=True
        )
    kept, missing = withdraw(stream, groups)
    write_whole(target, build(kept))
    without = "" if groups else ": every group is withdrawn"
    return [*missing, *(note + without for note in lacking_levels(stream, args))]
