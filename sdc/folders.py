"""Files of a folder and of the folders in it."""

from __future__ import annotations

import os
import stat
from collections.abc import Callable, Iterator

from .errors import SdcError


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
        return SdcError("E_INPUT", "not a regular file")
    except FileNotFoundError:
        return SdcError("E_INPUT", "a link whose target does not exist")
    except OSError as error:
        return SdcError("E_IO", f"could not read: {error.strerror}")
