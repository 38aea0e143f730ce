"""Arguments that commands share, and their types."""

from __future__ import annotations

import argparse
import re
import sys
from typing import Any, NoReturn, TypeAlias

from ..errors import SdcError
from ..images.exif import PARTS
from ..remote.file import ORDINARY
from ..types import Colour, Level, Limits


class Parser(argparse.ArgumentParser):
    """Wrong arguments are an error like others, with exit status 64."""

    def error(self, message: str) -> NoReturn:
        """Raise ``E_USAGE`` where argparse would exit."""
        hint = f"; {self.prog} --help says which" if message.endswith("required: COMMAND") else ""
        raise SdcError("E_USAGE", message + hint)

    def parse_known_args(self, args: Any = None, namespace: Any = None) -> tuple[Any, list[str]]:
        """As argparse does, but ``--strip`` alone takes no value, which could be a file's name."""
        given = sys.argv[1:] if args is None else list(args)
        end = given.index("--") if "--" in given else len(given)
        alone = [f"--strip={EVERYTHING}" if a == "--strip" else a for a in given[:end]]
        return super().parse_known_args(alone + given[end:], namespace)


EVERYTHING = "everything"
"""Value of ``--strip`` where it has none."""

ALLOWED = ("private", "redirects")
"""What is allowed of a URL only where it is asked for."""

Commands: TypeAlias = "argparse._SubParsersAction[Parser]"
"""Where each command adds its own parser."""


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


def count_argument(text: str) -> int:
    """A count of 1 or more."""
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
        type=count_argument,
        default=Limits().pixels,
        metavar="N",
        help="refuse larger images (default %(default)s)",
    )


def jobs_argument(command: argparse.ArgumentParser) -> None:
    """Add ``--jobs`` and ``--threads``."""
    command.add_argument(
        "--jobs", type=count_argument, metavar="N", help="processes for several files (default: one per core)"
    )
    command.add_argument(
        "--threads", type=count_argument, metavar="N", help="threads for one file (likewise)"
    )


def _allowed(text: str) -> frozenset[str]:
    """What is allowed of a URL."""
    allowed = frozenset(text.split(","))
    if not allowed <= set(ALLOWED):
        raise argparse.ArgumentTypeError(f"what can be allowed is {' and '.join(ALLOWED)}, not {text}")
    return allowed


def _seconds(text: str) -> float:
    try:
        seconds = float(text)
    except ValueError:
        seconds = 0.0
    if not 0 < seconds <= 86400:
        raise argparse.ArgumentTypeError(f"a time is a number of seconds above 0, not {text}")
    return seconds


def strict_argument(command: argparse.ArgumentParser) -> None:
    """Add ``--strict``."""
    command.add_argument(
        "--strict",
        action="store_true",
        help="refuse an image where there would be a note on it or its objects",
    )


def url_arguments(command: argparse.ArgumentParser) -> None:
    """Add ``--allow`` and ``--timeout``, for streams at URLs."""
    command.add_argument(
        "--allow",
        type=_allowed,
        default=frozenset(),
        metavar="WHAT",
        help="of a URL: private (hosts of this machine and its network), redirects, or both with a comma",
    )
    command.add_argument(
        "--timeout",
        type=_seconds,
        default=ORDINARY.timeout,
        metavar="S",
        help="of a URL: seconds to wait for an answer (default %(default)g)",
    )


def _parts(text: str) -> tuple[str, ...] | None:
    """What to strip; ``None`` for everything."""
    if text == EVERYTHING:
        return None
    parts = tuple(text.split(","))
    if not set(parts) <= set(PARTS):
        raise argparse.ArgumentTypeError(f"what can be stripped is {' and '.join(PARTS)}, not {text}")
    return parts


def strip_argument(command: argparse.ArgumentParser) -> None:
    """Add ``--strip``."""
    command.add_argument(
        "--strip",
        type=_parts,
        default=(),
        metavar="=WHAT",
        help="leave out EXIF and XMP, or with =gps,thumbnail parts of them",
    )


def levels_argument(command: argparse._ActionsContainer, words: str) -> None:
    """Add ``--levels``."""
    command.add_argument("--levels", type=_levels, metavar="1,2", help=words)


def label_argument(command: argparse.ArgumentParser, words: str, *, required: bool) -> None:
    """Add ``--label``, which may be given several times."""
    command.add_argument("--label", action="append", metavar="LABEL", required=required, help=words)


def selection_arguments(command: argparse.ArgumentParser) -> argparse._MutuallyExclusiveGroup:
    """Add ``--levels`` and ``--groups``, which exclude each other."""
    which = command.add_mutually_exclusive_group()
    levels_argument(which, "some levels: 1, 2, 3, other")
    which.add_argument("--groups", type=_numbers, metavar="0,2", help="some groups, by index")
    return which
