"""What commands say: errors and notes as one line each, and exit statuses.

Exit status, the same everywhere: 0 done, 1 invalid stream, 2 valid but unsupported, 3 done in part (what is
missing is named), 64 wrong arguments, 66 no input, 74 could not read or write; besides, 70 an internal error,
and 128 and the number of a signal that ended the command: 130 an interrupt, 143 a termination, 141 where
whoever reads standard output has closed it.
Of several files, the first of 70, 74, 66, 64, 1, 2, 3, 0 that one of them gave; but 3 in place of 64 for a
folder of which at least one file was written: the arguments were right.
"""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Callable, Iterable
from contextlib import suppress

from ..errors import SdcError
from ..format.text import printable

Args = argparse.Namespace


class Out(str):
    """A line for standard output."""


Said = list[SdcError | str]
"""What a command has to say of a file: errors, notes, and lines for standard output."""


STATUSES = {
    0: "done",
    1: "invalid stream",
    2: "unsupported",
    3: "done in part",
    64: "wrong arguments",
    66: "no input",
    74: "could not read or write",
}
"""Exit statuses, in words."""

Work = Callable[[Args, str, str], Said]
DONE, IN_PART, REFUSED, INTERNAL, INTERRUPTED = 0, 3, 64, 70, 130
CLOSED_PIPE = 141
"""As shells tell of a program that SIGPIPE ended."""
WORST_FIRST = (INTERNAL, 74, 66, REFUSED, 1, 2, IN_PART, DONE)


class InternalError(Exception):
    """An exception that nobody expected, told in one line."""


class OutputClosed(BaseException):
    """Who reads standard output has closed it; nothing is wrong."""


def as_error(error: BaseException) -> SdcError | InternalError:
    """An exception as an error of the table, or as an internal error."""
    if isinstance(error, SdcError):
        return error
    if isinstance(error, MemoryError):
        return SdcError("E_LIMIT", "not enough memory")
    if isinstance(error, OSError):
        return SdcError("E_IO", error.strerror or str(error), str(error.filename or ""))
    return InternalError(f"internal error: {type(error).__name__}: {error}")


def message_line(program: str, error: object, name: str = "") -> str:
    """An error or a note as one line, with the file's name among the places."""
    if isinstance(error, SdcError):
        told = error.where == name or error.where.endswith(os.sep + name)
        where = error.where if told else ", ".join(part for part in (name, error.where) if part)
        text = f"{error.code}: {error.message}" + (f" ({where})" if where else "")
    else:
        text = f"{error}" + (f" ({name})" if name else "")
    return printable(f"{program}: {' '.join(text.split())}")


def status_of(error: object) -> int:
    """Exit status of an error; 0 for a note."""
    return (
        error.exit_status
        if isinstance(error, SdcError)
        else INTERNAL
        if isinstance(error, InternalError)
        else DONE
    )


def worst_status(statuses: Iterable[int]) -> int:
    """The exit status that counts, of several."""
    return min(statuses, key=WORST_FIRST.index, default=DONE)


def folder_status(statuses: Iterable[int], *, some_done: bool = False) -> int:
    """The exit status of a folder whose files were done one by one.

    Args:
        statuses: of the files.
        some_done: whether others of its files were done before.
    """
    given = list(statuses)
    worst = worst_status(given)
    written = some_done or DONE in given or IN_PART in given
    return IN_PART if worst == REFUSED and written else worst


CLEAR = "\r\x1b[K"
"""What takes away the line of a terminal that says how far something is."""


def is_terminal() -> bool:
    """Whether somebody watches standard error."""
    return sys.stderr is not None and sys.stderr.isatty()


def print_err(text: str) -> None:
    """A line on standard error, or nothing where that is closed: it must not come among the output."""
    if sys.stderr is not None:
        with suppress(OSError):
            print(CLEAR + text if is_terminal() else text, file=sys.stderr)


def print_out(text: str) -> None:
    """Text on standard output.

    Raises:
        SdcError: ``E_IO``.
        OutputClosed: nobody reads it any more.
    """
    need_output()
    try:
        sys.stdout.write(text)
        sys.stdout.flush()
    except BrokenPipeError:
        raise OutputClosed from None


def need_output() -> None:
    """Refuse a standard output that is closed."""
    if sys.stdout is None:
        raise SdcError("E_IO", "standard output is closed")


def shortened(text: str) -> str:
    """A text of at most 64 characters."""
    return text if len(text) <= 64 else text[:61] + "..."
