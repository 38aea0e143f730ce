"""``sdc validate``: check streams against every rule."""

from __future__ import annotations

import os

from ..errors import SdcError
from ..folders import files_below
from ..format.text import printable
from ..format.validate import validate
from ..paths import is_stream_name
from ..types import Limits
from .arguments import Commands, jobs_argument, limit_argument, url_arguments
from .files import PIPE, fetched, open_stream
from .jobs import Job, attempt, refused, show
from .messages import Args, Out, Said, worst_status
from .pool import run_jobs


def add(commands: Commands) -> None:
    """Add the command."""
    command = commands.add_parser(
        "validate",
        help="check streams against every rule",
        description="Check streams against every rule of the specification.",
    )
    command.add_argument(
        "files", nargs="+", metavar="FILE", help="streams, their URLs, folders, or - for standard input"
    )
    command.add_argument(
        "--shallow", action="store_true", help="do not decode the groups' symbols; needs no model"
    )
    limit_argument(command)
    url_arguments(command)
    jobs_argument(command)
    command.set_defaults(run=run)


def run(args: Args) -> int:
    """Validate files and folders; returns the exit status."""
    if args.files.count(PIPE) > 1:
        raise SdcError("E_USAGE", "standard input is named twice and can be read only once")
    if len(args.files) == 1 and not os.path.isdir(args.files[0]):
        return show(attempt(_validate_one, args, Job(args.files[0])))
    jobs: list[Job] = []
    statuses: list[int] = []
    for given in args.files:
        if given == PIPE or not os.path.isdir(given):
            jobs.append(Job(given, name=given))
            continue
        found = list(files_below(given, is_stream_name))
        if not found:
            found = [(given, SdcError("E_INPUT", "the folder holds no file for this command"))]
        for path, error in found:
            if error is None:
                jobs.append(Job(path, name=path))
            else:
                statuses.append(show(refused(args, error, path)))
    return worst_status([*statuses, *run_jobs(_validate_one, args, jobs)])


def _validate_one(args: Args, source: str, target: str) -> Said:
    with open_stream(args, source) as file:
        found = validate(file, deep=not args.shallow, limits=Limits(pixels=args.max_pixels))
        about = fetched(file)
    return [Out(f"{printable(source)}: {found.state}"), *found.errors, *found.notes, *about]
