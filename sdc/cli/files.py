"""Files of commands: names, reading, and writing whole or not at all."""

from __future__ import annotations

import io
import os
import sys
from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import BinaryIO

from ..errors import SdcError
from ..format.chunks import MAGIC
from ..objects.document import Document, open_document
from ..objects.names import near_names
from ..objects.values import parse_json
from ..paths import open_file, write_file
from ..remote.file import ORDINARY, Access, RemoteFile
from ..remote.url import is_url
from .messages import Args, OutputClosed, need_output

PIPE = "-"


def access_of(args: Args) -> Access:
    """What is allowed of URLs."""
    return Access("private" in args.allow, "redirects" in args.allow, args.timeout)


def open_source(path: str, access: Access = ORDINARY) -> BinaryIO:
    """A file, what is at a URL, or standard input, seekable.

    Raises:
        SdcError: ``E_INPUT`` or ``E_IO``.
    """
    if path == PIPE:
        if sys.stdin is None:
            raise SdcError("E_IO", "standard input is closed")
        return io.BytesIO(sys.stdin.buffer.read())
    return open_file(path, access)


def open_stream(args: Args, path: str) -> BinaryIO:
    """A stream in a file, at a URL or on standard input, seekable.

    Of standard input the first bytes decide: where they are not those of a stream, no more is read, and the
    parser refuses what there is.

    Raises:
        SdcError: ``E_INPUT`` or ``E_IO``.
    """
    if path != PIPE or sys.stdin is None:
        return open_source(path, access_of(args))
    start = sys.stdin.buffer.read(len(MAGIC))
    return io.BytesIO(start + sys.stdin.buffer.read() if start == MAGIC else start)


def fetched(file: BinaryIO) -> list[str]:
    """What it took to read a URL, in words; nothing of a file that is here."""
    return [str(file.transfer)] if isinstance(file, RemoteFile) else []


def read_source(path: str) -> bytes:
    """All bytes of a file or of standard input."""
    with open_source(path) as file:
        return file.read()


def read_image_source(path: str) -> bytes:
    """All bytes of an image file; of standard input no more than the first where these are of no image."""
    from ..images.start import BYTES, may_be_image

    return _read_if(path, BYTES, may_be_image)


def read_json_source(path: str) -> bytes:
    """All bytes of a JSON file; of standard input no more than the first where these are not of an object."""
    return _read_if(
        path, 64, lambda start: start.removeprefix(b"\xef\xbb\xbf").lstrip()[:1] in (b"", b"{", b"[")
    )


def _read_if(path: str, count: int, takes: Callable[[bytes], bool]) -> bytes:
    """All bytes of a file; of standard input only so many where they are not what is wanted.

    Whoever reads the bytes then says what they are; an input that never ends is not read for ever.
    """
    if path != PIPE or sys.stdin is None:
        return read_source(path)
    start = sys.stdin.buffer.read(count)
    return start + sys.stdin.buffer.read() if takes(start) else start


def write_whole(path: str, data: bytes) -> None:
    """Write a whole file or nothing, or to standard output.

    Raises:
        SdcError: ``E_IO``.
        OutputClosed: nobody reads standard output any more.
    """
    if path != PIPE:
        write_file(path, data)
        return
    need_output()
    try:
        sys.stdout.buffer.write(data)
        sys.stdout.buffer.flush()
    except BrokenPipeError:
        raise OutputClosed from None
    except OSError as error:
        raise SdcError("E_IO", f"could not write: {error.strerror}", path) from None


@cache
def open_objects(path: str, index: str | None = None) -> Document:
    """A file of objects, opened once for all images of a folder.

    Args:
        path: of the file, or of standard input.
        index: of a large COCO file, where another process has made it.

    Raises:
        SdcError: ``E_INPUT`` with names that are near, ``E_IO`` or ``E_OBJECTS``.
    """
    if path == PIPE or is_url(path):
        return Document(parse_json(read_json_source(path), path))
    try:
        return open_document(path, index)
    except SdcError as error:
        if error.code != "E_INPUT":
            raise
        try:
            near = near_names(os.path.basename(path), os.listdir(os.path.dirname(path) or "."))
        except (OSError, ValueError):
            raise error from None
        raise SdcError("E_INPUT", f"{error.message}; in its folder {near}", path) from None


def objects_path(args: Args, source: str) -> str | None:
    """The file of objects of an image: the one given, or the one of the image's name in the folder given."""
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
    from ..images.read import is_image

    return is_image(name)
