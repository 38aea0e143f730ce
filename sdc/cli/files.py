"""Files of commands: reading, writing whole or not at all, and refusing to lose anything."""

from __future__ import annotations

import io
import json
import os
import stat
import sys
from collections.abc import Callable, Iterator
from functools import cache
from pathlib import Path
from typing import Any, BinaryIO

from ..errors import SdcError
from ..format.chunks import MAGIC
from ..paths import open_file, write_file
from .messages import Args, need_output

PIPE = "-"
STREAM_SUFFIX = ".sdc"


def open_source(path: str) -> BinaryIO:
    """A file or standard input, seekable.

    Raises:
        SdcError: ``E_INPUT`` or ``E_IO``.
    """
    if path == PIPE:
        if sys.stdin is None:
            raise SdcError("E_IO", "standard input is closed")
        return io.BytesIO(sys.stdin.buffer.read())
    return open_file(path)


def read_source(path: str) -> bytes:
    """All bytes of a file or of standard input."""
    with open_source(path) as file:
        return file.read()


def write_whole(path: str, data: bytes) -> None:
    """Write a whole file or nothing, or to standard output.

    Raises:
        SdcError: ``E_IO``.
    """
    if path != PIPE:
        write_file(path, data)
        return
    need_output()
    try:
        sys.stdout.buffer.write(data)
        sys.stdout.buffer.flush()
    except OSError as error:
        raise SdcError("E_IO", f"could not write: {error.strerror}", path) from None


def check_output(args: Args, source: str, target: str) -> None:
    """Refuse to replace a file that is read, and to print bytes on a terminal.

    Raises:
        SdcError: ``E_USAGE`` or ``E_IO``.
    """
    if target == PIPE:
        need_output()
        if sys.stdout.isatty():
            raise SdcError("E_USAGE", "pictures and streams are not written to a terminal")
        return
    original = getattr(args, "original", None)
    for what, path in (
        ("input", source),
        ("original", original),
        ("file of objects", objects_path(args, source)),
    ):
        if path not in (None, PIPE) and is_same(str(path), target):
            raise SdcError("E_USAGE", f"the output is the {what}, which would be lost", target)


def check_stream_output(target: str) -> None:
    """Refuse to give a stream the name of a picture, and to replace a file that is no stream.

    A shell makes ``sdc encode *.png`` into ``sdc encode 1.png 2.png``.

    Raises:
        SdcError: ``E_USAGE``, ``E_INPUT`` or ``E_IO``.
    """
    if target == PIPE:
        return
    if is_image_name(target):
        other = Path(target).with_suffix(STREAM_SUFFIX).name
        raise SdcError(
            "E_USAGE",
            f"a stream gets no picture's name: {other} will do; for several files give their folder",
            target,
        )
    if os.path.isfile(target) and os.path.getsize(target):
        with open_source(target) as file:
            if file.read(len(MAGIC)) != MAGIC:
                raise SdcError(
                    "E_USAGE",
                    "the file there is no stream and would be lost: remove it or name another",
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


def files_below(folder: str, takes: Callable[[str], bool]) -> Iterator[tuple[str, SdcError | None]]:
    """Files of a folder and its folders, sorted; those that cannot be read with the error.

    Names that begin with a dot are left out, and links to folders are not followed.
    """
    unread: list[OSError] = []
    for at, folders, names in os.walk(folder, onerror=unread.append):
        for error in unread:
            yield str(error.filename), SdcError("E_IO", f"could not read the folder: {error.strerror}")
        unread.clear()
        folders[:] = sorted(name for name in folders if not name.startswith("."))
        for name in sorted(names):
            path = os.path.join(at, name)
            if not name.startswith(".") and takes(name):
                yield path, _unreadable(path)
    for error in unread:
        yield str(error.filename), SdcError("E_IO", f"could not read the folder: {error.strerror}")


def _unreadable(path: str) -> SdcError | None:
    """Why what a folder lists is no file that can be read, as far as that shows without opening it."""
    try:
        if stat.S_ISREG(os.stat(path).st_mode):
            return None
        return SdcError("E_INPUT", "not a file")
    except FileNotFoundError:
        return SdcError("E_INPUT", "a link that leads nowhere")
    except OSError as error:
        return SdcError("E_IO", f"could not read: {error.strerror}")


@cache
def read_objects_file(path: str) -> Any:
    """A file of objects, read once for all pictures of a folder."""
    try:
        return json.loads(read_source(path))
    except RecursionError:
        raise SdcError("E_OBJECTS", "nested too deeply", path) from None
    except ValueError as error:
        raise SdcError("E_OBJECTS", f"not JSON: {error}", path) from None


def objects_path(args: Args, source: str) -> str | None:
    """The file of objects of a picture: the one given, or that of the picture's name in the folder given."""
    path: str | None = getattr(args, "objects_file", None)
    if path is None or path == "none":
        return None
    if path != PIPE and os.path.isdir(path):
        folder = os.path.isdir(args.input)
        within = os.path.relpath(source, args.input) if folder else os.path.basename(source)
        return str(Path(path, within).with_suffix(".json"))
    return path


def is_image_name(name: str) -> bool:
    """Whether a name ends as those of images that are read here."""
    from ..images.read import is_picture

    return is_picture(name)


def is_stream_name(name: str) -> bool:
    """Whether a name ends as those of streams."""
    return name.lower().endswith(STREAM_SUFFIX)
