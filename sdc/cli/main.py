"""The commands ``sdc`` and ``sdc-info``: what they collect, and their entry points."""

from __future__ import annotations

import argparse
import io
import os
import sys
import warnings
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from typing import Any

from .. import core
from .._version import __version__
from ..errors import SdcError
from ..paths import is_stream_name
from . import (
    analyze,
    answers,
    batch,
    decode,
    encode,
    extract,
    info,
    redact,
    share,
    sheet,
    thumbnail,
    validate,
)
from .analysis_options import is_detailed
from .arguments import Parser
from .files import is_image_name, open_objects
from .messages import (
    CLOSED_PIPE,
    INTERRUPTED,
    STATUSES,
    Args,
    OutputClosed,
    as_error,
    message_line,
    print_err,
    status_of,
)
from .signals import Ended, ended_in_order

COMMANDS = (
    *(encode, analyze, decode, extract, redact, validate, info, sheet, thumbnail),
    *(answers, batch, share),
)
"""The commands of ``sdc``, in the order of its help."""


class _Version(argparse._VersionAction):
    """Prints which version it is and what computes, which is looked at only then."""

    def __call__(self, parser: argparse.ArgumentParser, *args: Any, **kwargs: Any) -> None:
        print(f"{parser.prog} {__version__}, {core.about()}")
        parser.exit()


def sdc_parser() -> Parser:
    """The parser of ``sdc`` with all its commands."""
    parser = Parser(
        "sdc",
        description="An image format in which the important things come first and can be decoded alone.",
        epilog=f"Exit status: {', '.join(f'{status} {words}' for status, words in STATUSES.items())}.",
    )
    parser.add_argument("--version", action=_Version)
    commands = parser.add_subparsers(required=True, metavar="COMMAND")
    for command in COMMANDS:
        command.add(commands)
    return parser


def _info_parser() -> Parser:
    parser = Parser("sdc-info", description="Describe an SDC stream, also one that is broken.")
    parser.add_argument("--version", action=_Version)
    info.add_arguments(parser)
    return parser


def _parsed(parser: argparse.ArgumentParser, argv: Sequence[str] | None) -> Args:
    """Arguments, none of which may be unknown."""
    try:
        args, unknown = parser.parse_known_args(argv)
    except SdcError as error:
        raise SdcError(error.code, error.message + _dash_hint(argv)) from None
    for argument in unknown:
        if getattr(args, "run", None) is encode.run and is_detailed(argument):
            option = argument.split("=")[0]
            parser.error(f"{option} is an option of sdc analyze, which writes a file for --objects")
    if unknown:
        parser.error(f"unrecognized arguments: {' '.join(unknown)}{_dash_hint(unknown)}")
    args.program = parser.prog
    return args


def _dash_hint(argv: Sequence[str] | None) -> str:
    """What to do with the name of a file that looks like an option, where there is one."""
    for argument in sys.argv[1:] if argv is None else argv:
        if argument == "--":
            break
        looks = is_image_name(argument) or is_stream_name(argument) or argument.endswith(".json")
        if argument.startswith("-") and "=" not in argument and (looks or os.path.isfile(argument)):
            return f"; a file whose name begins with a dash is ./{argument}"
    return ""


def _hold_descriptors() -> None:
    """Open those of descriptors 0 to 2 that are closed, or files and pipes of processes get these numbers."""
    for number in range(3):
        try:
            os.fstat(number)
        except OSError:
            os.set_inheritable(os.open(os.devnull, os.O_RDWR), True)


@contextmanager
def _warnings_as_notes(program: str) -> Iterator[None]:
    """Say what Python warns of as other notes are said, in one line."""

    def show(message: Warning | str, *_: object, **__: object) -> None:
        print_err(message_line(program, f"note: {message}"))

    with warnings.catch_warnings():
        warnings.showwarning = show
        yield


def run_command(make: Callable[[], argparse.ArgumentParser], argv: Sequence[str] | None) -> int:
    """Parse arguments and run the command that they name; returns its exit status."""
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")
    _hold_descriptors()
    open_objects.cache_clear()
    parser = make()
    try:
        with ended_in_order(), _warnings_as_notes(parser.prog):
            return _run(parser, argv)
    except KeyboardInterrupt:
        print_err(f"{parser.prog}: interrupted")
        return INTERRUPTED
    except Ended as end:
        print_err(f"{parser.prog}: ended by {end.name}")
        return end.exit_status
    except (OutputClosed, BrokenPipeError):  # by a reader that has read enough, such as head
        _drop_output()
        return CLOSED_PIPE
    except Exception as error:
        known = as_error(error)
        try:
            if sys.stdout is not None:
                sys.stdout.flush()
        except OSError:
            _drop_output()
        print_err(message_line(parser.prog, known))
        return status_of(known)


def _run(parser: argparse.ArgumentParser, argv: Sequence[str] | None) -> int:
    """Parse arguments and run the command; returns its exit status when all output is written."""
    try:
        args = _parsed(parser, argv)
        core.use_threads(getattr(args, "threads", None))
        status = int(args.run(args))
    except SystemExit as end:  # --help and --version
        status = int(end.code or 0)
    if sys.stdout is not None:
        sys.stdout.flush()
    return status


def _drop_output() -> None:
    """Leave what was not written unwritten, or Python complains at its end."""
    with suppress(OSError, ValueError):  # the latter where standard output is no file
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


def main(argv: Sequence[str] | None = None) -> int:
    """The command ``sdc``; returns its exit status."""
    return run_command(sdc_parser, argv)


def info_main(argv: Sequence[str] | None = None) -> int:
    """The command ``sdc-info``; returns its exit status."""
    return run_command(_info_parser, argv)
