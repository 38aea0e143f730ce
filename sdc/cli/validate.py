"""``sdc validate``: check streams against every rule."""

from __future__ import annotations

import os

from ..errors import SdcError
from ..format.text import printable
from ..format.validate import validate
from ..types import Limits
from .batch import Job, attempt, refused, run_jobs, show
from .files import PIPE, files_below, is_stream_name, open_source
from .messages import Args, Out, Said, worst_status


def _validate_one(args: Args, source: str, target: str) -> Said:
    with open_source(source) as file:
        found = validate(file, deep=not args.shallow, limits=Limits(pixels=args.max_pixels))
    return [Out(f"{printable(source)}: {found.state}"), *found.errors, *found.notes]


def run_validate(args: Args) -> int:
    """Validate files and folders; returns the exit status."""
    if args.files.count(PIPE) > 1:
        raise SdcError("E_USAGE", "standard input can be read once only, and is named twice")
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
            found = [(given, SdcError("E_INPUT", "the folder has no file to work on"))]
        for path, error in found:
            if error is None:
                jobs.append(Job(path, name=path))
            else:
                statuses.append(show(refused(args, error, path)))
    return worst_status([*statuses, *run_jobs(_validate_one, args, jobs)])
