"""Outputs that are refused, so that no command loses a file that somebody needs."""

from __future__ import annotations

import os
import sys
from pathlib import Path

from ..errors import SdcError
from ..format.chunks import MAGIC
from ..paths import STREAM_SUFFIX
from .files import PIPE, is_image_name, objects_path, open_source
from .messages import Args, need_output


def check_output(args: Args, source: str, target: str) -> None:
    """Refuse to replace a file that is read, and to print bytes on a terminal.

    Raises:
        SdcError: ``E_USAGE`` or ``E_IO``.
    """
    if target == PIPE:
        need_output()
        if sys.stdout.isatty():
            raise SdcError(
                "E_USAGE",
                "the output is not text for a terminal; redirect it or name a file",
            )
        return
    original = getattr(args, "original", None)
    for what, path in (
        ("input", source),
        ("original", original),
        ("file of objects", objects_path(args, source)),
    ):
        if path not in (None, PIPE) and is_same(str(path), target):
            raise SdcError("E_USAGE", f"the {what} would be lost; name another output", target)


def check_stream_output(target: str) -> None:
    """Refuse to give a stream the name of an image, and to replace a file that is no stream.

    A shell makes ``sdc encode *.png`` into ``sdc encode 1.png 2.png``.

    Raises:
        SdcError: ``E_USAGE``, ``E_INPUT`` or ``E_IO``.
    """
    if target == PIPE:
        return
    if is_image_name(target):
        other = Path(target).with_suffix(STREAM_SUFFIX)
        raise SdcError(
            "E_USAGE", f"output {target!r} has an image extension; use {other}; for several images, a folder"
        )
    if os.path.isfile(target) and os.path.getsize(target):
        with open_source(target) as file:
            if file.read(len(MAGIC)) != MAGIC:
                raise SdcError(
                    "E_USAGE",
                    "the output exists, is no stream, and would be lost; remove it or name another",
                    target,
                )


def is_same(one: str, two: str) -> bool:
    """Whether two paths lead to the same file, which is there."""
    try:
        return os.path.samefile(one, two)
    except (OSError, ValueError):
        return False


def file_identity(path: str) -> object:
    """What two paths to the same file have in common; ``None`` when there is no file."""
    try:
        found = os.stat(path)
    except OSError:
        return None
    return found.st_dev, found.st_ino
