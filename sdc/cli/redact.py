"""``sdc redact``: stream without some objects."""

from __future__ import annotations

from ..format.redact import redact
from ..paths import STREAM_SUFFIX, is_stream_name
from ..types import Limits
from .arguments import Commands, file_arguments, jobs_argument, label_argument, limit_argument, url_arguments
from .files import fetched, open_stream, write_whole
from .messages import Args, Said
from .refusals import check_stream_output
from .runs import run_all


def add(commands: Commands) -> None:
    """Add the command."""
    command = commands.add_parser(
        "redact",
        help="stream without some objects, without decoding pixels",
        description="Withdraw the groups of some objects, with all that the stream says of them. No pixel is "
        "decoded or coded. Streams want a group for each object: sdc encode --group-by object --margin 1.",
    )
    file_arguments(
        command,
        "stream, its URL, folder, or - for standard input",
        "stream, folder, or - for standard output",
    )
    label_argument(command, "what is to go, such as face; may be given again", required=True)
    command.add_argument(
        "--whole-groups", action="store_true", help="also where other objects go with the same groups"
    )
    command.add_argument(
        "--strict",
        action="store_true",
        help="write nothing where an edge of them may be left in other groups, or where there is none",
    )
    limit_argument(command)
    url_arguments(command)
    jobs_argument(command)
    command.set_defaults(run=run)


def run(args: Args) -> int:
    """Redact a stream or a folder of them; returns the exit status."""
    return run_all(redact_one, args, is_stream_name, STREAM_SUFFIX)


def redact_one(args: Args, source: str, target: str) -> Said:
    """Write one stream without some objects."""
    check_stream_output(target)
    limits = Limits(pixels=args.max_pixels)
    with open_stream(args, source) as file:
        data = redact(file, args.label, whole_groups=args.whole_groups, strict=args.strict, limits=limits)
        about = fetched(file)
    write_whole(target, data)
    return [*data.missing, *data.notes, *about]
