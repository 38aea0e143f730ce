"""Arguments that commands share, and their types."""

from __future__ import annotations

import argparse
import re
from typing import NoReturn

from ..errors import SdcError
from ..types import Colour, Level, Limits


class Parser(argparse.ArgumentParser):
    """Wrong arguments are an error like others, with exit status 64."""

    def error(self, message: str) -> NoReturn:
        """Raise ``E_USAGE`` where argparse would exit."""
        raise SdcError("E_USAGE", message)


def quality_argument(text: str) -> int | dict[str, int]:
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


def _numbers(text: str) -> list[int]:
    try:
        return [int(part) for part in text.split(",")]
    except ValueError:
        raise argparse.ArgumentTypeError(f"groups are numbers such as 0,2, not {text}") from None


def _levels(text: str) -> list[Level]:
    try:
        return [Level(part) for part in text.split(",")]
    except ValueError:
        raise argparse.ArgumentTypeError(f"levels are 1, 2, 3 and other, such as 1,2, not {text}") from None


def colour_argument(text: str) -> Colour:
    """A colour such as ``#808080``."""
    if not re.fullmatch("#[0-9a-fA-F]{6}", text):
        raise argparse.ArgumentTypeError(f"a colour is #rrggbb, not {text}")
    red, green, blue = bytes.fromhex(text[1:])
    return red, green, blue


def fill_argument(text: str) -> Colour | None:
    """A colour, or ``None`` for transparent."""
    return None if text == "transparent" else colour_argument(text)


def _count(text: str) -> int:
    if not text.isdecimal() or int(text) < 1:
        raise argparse.ArgumentTypeError(f"a count of 1 or more, not {text}")
    return int(text)


def file_arguments(command: argparse.ArgumentParser, source: str, target: str) -> None:
    """Add an input and an output."""
    command.add_argument("input", help=source)
    command.add_argument("output", help=target)


def limit_argument(command: argparse.ArgumentParser) -> None:
    """Add ``--max-pixels``."""
    command.add_argument(
        "--max-pixels",
        type=_count,
        default=Limits().pixels,
        metavar="N",
        help="refuse larger pictures (default %(default)s)",
    )


def jobs_argument(command: argparse.ArgumentParser) -> None:
    """Add ``--jobs``."""
    command.add_argument(
        "--jobs", type=_count, metavar="N", help="processes for several files (default: one per core)"
    )


def selection_arguments(command: argparse.ArgumentParser) -> argparse._MutuallyExclusiveGroup:
    """Add ``--levels`` and ``--groups``, which exclude each other."""
    which = command.add_mutually_exclusive_group()
    which.add_argument("--levels", type=_levels, metavar="1,2", help="levels: 1, 2, 3, other")
    which.add_argument("--groups", type=_numbers, metavar="0,2", help="groups by index")
    return which


def analysis_arguments(command: argparse.ArgumentParser) -> None:
    """Add the options of the analysis."""
    from .analysis_options import add_options

    add_options(command)


def info_arguments(command: argparse.ArgumentParser) -> None:
    """Add the arguments of ``info``."""
    command.add_argument("input", help="stream, or - for standard input")
    command.add_argument("--json", action="store_true", help="print the report as JSON")
    command.add_argument("--trace", action="store_true", help="list every field with offset, value and id")
    limit_argument(command)
