"""What a command on a folder of images leaves out, and why."""

from __future__ import annotations

import os
from collections import Counter, defaultdict
from collections.abc import Callable

from ..errors import SdcError
from ..folders import files_below
from .messages import Args, Said

START = 4096
"""Bytes of a file that are looked at."""
NAMED = 3
"""Files that are named; the others are counted."""


def left_out(args: Args, takes: Callable[[str], bool], suffix: str) -> Said:
    """What to say of the files of a folder that are not taken, one line for each reason.

    Args:
        takes: which files are taken, by name.
        suffix: of the outputs, which are no inputs.

    Returns:
        Notes; with ``--strict`` errors for what seems to be images.
    """
    reasons: defaultdict[str, list[str]] = defaultdict(list)
    others: Counter[str] = Counter()
    own = {os.path.normpath(str(getattr(args, "objects_file", None)))}
    for path, error in files_below(args.input, lambda name: not takes(name)):
        ending = os.path.splitext(path)[1].lower()
        if error is not None or ending == suffix or os.path.normpath(path) in own:
            continue
        reason = _reason(path)
        if reason:
            reasons[reason].append(os.path.relpath(path, args.input))
        else:
            others[ending or "without an extension"] += 1
    said: Said = [_strict(args, f"left out: {_listed(names)}: {why}") for why, names in reasons.items()]
    if others:
        counted = ", ".join(f"{count} {ending}" for ending, count in others.most_common(8))
        said.append(f"left out, no images by their names: {counted}{', ...' if len(others) > 8 else ''}")
    return said


def _strict(args: Args, text: str) -> SdcError | str:
    return SdcError("E_PICTURE", text) if args.strict else text


def _listed(names: list[str]) -> str:
    more = len(names) - NAMED
    return ", ".join(names[:NAMED]) + (f" and {more} more" if more > 0 else "")


def _reason(path: str) -> str:
    """Why a file that seems to be an image is left out; empty for any other file."""
    from ..images.kinds import RAW_SUFFIXES, not_read, raw, read_as

    try:
        with open(path, "rb") as file:
            start = file.read(START)
    except OSError:
        return ""
    if os.path.splitext(path)[1].lower() in RAW_SUFFIXES:
        return str(raw())
    kind = not_read(start)
    if kind is not None:
        return str(kind) if kind.shows else ""
    name = read_as(start)
    return f"it is {name}, and its name does not say so; rename it" if name else ""
