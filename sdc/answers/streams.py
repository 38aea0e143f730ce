"""The streams of a folder, each with what stands around its groups."""

from __future__ import annotations

import os
import warnings
from collections.abc import Callable, Iterable, Iterator

from ..errors import SdcError
from ..folders import files_below
from ..format.parse import outline
from ..format.stream import Outline
from ..paths import PathLike, is_stream_name, open_file
from ..remote.file import Access
from ..types import Limits

Streams = PathLike | Iterable[PathLike]
"""A folder, of which all files below it that end in ``.sdc`` are meant; a file or a URL; or several."""

OnError = Callable[[str, SdcError], None]
"""Told of a stream that cannot be read, or not to its end, with its path; the others go on."""


def warn(path: str, error: SdcError) -> None:
    """Tell of a stream that cannot be read by a warning."""
    warnings.warn(f"{path}: {error}", stacklevel=2)


def outlines(
    source: Streams, limits: Limits, access: Access, on_error: OnError
) -> Iterator[tuple[str, Outline]]:
    """What stands around the groups of each stream, with its path.

    Raises:
        SdcError: ``E_INPUT`` for a folder without streams.
    """
    for path, error in stream_paths(source):
        if error is None:
            try:
                with open_file(path, access) as file:
                    found = outline(file, limits=limits)
            except SdcError as wrong:
                error = wrong
            except OSError as wrong:
                error = SdcError("E_IO", f"could not read: {wrong.strerror}", path)
        if error is not None:
            on_error(path, error)
        else:
            yield path, found


def stream_paths(source: Streams) -> Iterator[tuple[str, SdcError | None]]:
    """Paths of streams, those of a folder sorted; what a folder lists and cannot be read with the error.

    Raises:
        SdcError: ``E_INPUT`` for a folder without streams.
    """
    if not isinstance(source, (str, os.PathLike)):
        for one in source:
            yield from stream_paths(one)
        return
    path = os.fspath(source)
    if not os.path.isdir(path):
        yield path, None
        return
    found = False
    for found_path in files_below(path, is_stream_name):
        found = True
        yield found_path
    if not found:
        raise SdcError("E_INPUT", "the folder holds no stream", path)


def name_within(source: Streams, path: str) -> str:
    """A path as it is within the folder that was given, or else as it is."""
    if isinstance(source, (str, os.PathLike)) and os.path.isdir(source):
        return os.path.relpath(path, source)
    return path
