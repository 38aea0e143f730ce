"""One file, or all files of a folder into a folder of the same shape."""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path

from ..errors import SdcError
from ..folders import files_below
from ..paths import is_stream_name
from ..remote.url import is_url
from .files import PIPE, is_image_name, objects_path
from .jobs import Job, attempt, refused, show, told
from .left_out import left_out
from .manifest import Manifest
from .messages import DONE, Args, Work, folder_status, worst_status
from .pool import run_jobs
from .progress import at_work
from .refusals import file_identity, is_same
from .resume import run_what_is_left

Found = Sequence[tuple[str, SdcError | None]]
"""Files of a folder, and why some of them cannot be read."""


def run_one(work: Work, args: Args) -> int:
    """Do one file."""
    if args.output != PIPE and os.path.isdir(args.output):
        raise SdcError("E_USAGE", "the output is a folder and the input is not; name a file", args.output)
    others = (getattr(args, "original", None), objects_path(args, args.input))
    if args.input == PIPE and PIPE in others:
        raise SdcError("E_USAGE", "standard input is named twice and can be read only once")
    job = Job(args.input, args.output)
    if args.output == PIPE:  # which may be the same terminal
        return show(attempt(work, args, job))
    with at_work():
        result = attempt(work, args, job)
    return show(result)


def run_all(
    work: Work, args: Args, takes: Callable[[str], bool], suffix: str, *, record: str | None = None
) -> int:
    """Do one file, into a folder under its own name, or all files of a folder into one of the same shape.

    Args:
        work: what is done with each.
        args: arguments of the command.
        takes: which files of a folder are meant, by name.
        suffix: of the outputs.
        record: name of a command that keeps a record of a folder, so that a second run does only what is
            left to do.

    Raises:
        SdcError: ``E_USAGE`` or ``E_INPUT``.
    """
    if args.input == PIPE or not os.path.isdir(args.input):
        if PIPE not in (args.input, args.output) and os.path.isdir(args.output) and not is_url(args.input):
            args.output = _under_its_name(args.input, args.output, suffix)
        return run_one(work, args)
    if args.output == PIPE or os.path.isfile(args.output):
        raise SdcError("E_USAGE", "the input is a folder and the output is not; name a folder", args.output)
    if getattr(args, "objects_file", None) == PIPE:
        raise SdcError("E_USAGE", "objects for a folder of images are not read from standard input")
    found = list(files_below(args.input, takes))
    _check_folder(args.output)
    if is_same(args.input, args.output):
        _check_in_place(found, suffix)
    jobs, refusals = _plan(args, found, suffix, recorded=record is not None)
    omitted = DONE
    if takes is is_image_name:
        omitted = show(told(args, left_out(args, takes, suffix)))
    if not jobs and not any((omitted, *refusals)):
        raise SdcError("E_INPUT", "the folder holds no file for this command", args.input)
    run = run_jobs if record is None else partial(run_what_is_left, Manifest.of(args, record))
    statuses = run(work, args, jobs)
    before = len(statuses) < len(jobs)  # as the record says
    return worst_status([omitted, folder_status([*refusals, *statuses], some_done=before)])


def _under_its_name(source: str, folder: str, suffix: str) -> str:
    """Where the output of a file goes in a folder.

    Raises:
        SdcError: ``E_USAGE`` where a file would be lost that is no stream, which nobody named.
    """
    target = str(Path(folder, Path(source).name).with_suffix(suffix))
    if not is_stream_name(target) and os.path.exists(target):
        raise SdcError("E_USAGE", "the file in the folder would be lost; name a file", target)
    return target


def _check_folder(folder: str) -> None:
    """Make the folder of outputs, or refuse one in which nothing can be written.

    Raises:
        SdcError: ``E_IO``.
    """
    error = _make_folder_of(os.path.join(folder, "any"))
    if error is None and not os.access(folder, os.W_OK):
        error = SdcError("E_IO", "could not write in the folder", folder)
    if error is not None:
        raise error


def _check_in_place(found: Found, suffix: str) -> None:
    """Refuse outputs beside their inputs that would replace images."""
    for path, error in found:
        target = str(Path(path).with_suffix(suffix))
        if error is None and is_image_name(target) and os.path.exists(target):
            raise SdcError(
                "E_USAGE", "the image beside the stream would be lost; name another folder", target
            )


def _plan(args: Args, found: Found, suffix: str, *, recorded: bool) -> tuple[list[Job], list[int]]:
    """Jobs for the files of a folder, and statuses of those that are refused, which are told at once."""
    jobs: dict[str, Job] = {}
    statuses: list[int] = []
    inputs = {file_identity(path) for path, error in found if error is None} - {None}
    for path, error in found:
        name = os.path.relpath(path, args.input)
        target = str(Path(args.output, name).with_suffix(suffix))
        if error is None and target in jobs:
            error = SdcError("E_USAGE", f"{jobs[target].name} has the same output")
        if error is None and file_identity(target) in inputs:
            error = SdcError("E_USAGE", "the output is an input, which would be lost", target)
        if error is None:
            error = _make_folder_of(target)
        if error is None:
            jobs[target] = Job(path, target, name, _read_for(args, path) if recorded else ())
        else:
            statuses.append(show(refused(args, error, name)))
    return list(jobs.values()), statuses


def _read_for(args: Args, path: str) -> tuple[str, ...]:
    """What is read for one image alone: itself, and the file of its objects in a folder of them."""
    objects = objects_path(args, path)
    return (path,) if objects in (None, getattr(args, "objects_file", None)) else (path, str(objects))


def _make_folder_of(target: str) -> SdcError | None:
    try:
        os.makedirs(Path(target).parent, exist_ok=True)
    except OSError as wrong:
        return SdcError("E_IO", f"could not write: {wrong.strerror}", target)
    return None
