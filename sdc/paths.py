"""Files by their paths: opened for reading, and written whole or not at all."""

from __future__ import annotations

import io
import os
import stat
import sys
import tempfile
from contextlib import suppress
from pathlib import Path
from typing import BinaryIO, cast

from .errors import SdcError
from .remote.file import ORDINARY, Access
from .remote.url import is_url, open_with

STREAM_SUFFIX = ".sdc"

PathLike = str | os.PathLike[str]

_TEMPORARY = ".sdc-"
_mark = ""


def is_stream_name(name: str) -> bool:
    """Whether a name ends as those of streams."""
    return name.lower().endswith(STREAM_SUFFIX)


def cache_folder() -> Path:
    """The user's folder for what can be made anew: ``SDC_CACHE``, or where the system has its caches.

    It need not be there.
    """
    given = os.environ.get("SDC_CACHE")
    if given:
        return Path(given)
    home = Path(os.path.expanduser("~"))
    if not home.is_absolute():  # a user without a home
        return Path(tempfile.gettempdir(), "sdc")
    if sys.platform == "win32":
        return Path(os.environ.get("LOCALAPPDATA") or home / "AppData" / "Local", "sdc", "cache")
    if sys.platform == "darwin":
        return home / "Library" / "Caches" / "sdc"
    return Path(os.environ.get("XDG_CACHE_HOME") or home / ".cache", "sdc")


def open_file(path: PathLike, access: Access = ORDINARY) -> BinaryIO:
    """Open a file for reading; what cannot be sought in, such as a named pipe, is read whole.

    Args:
        path: of the file, or its URL: :func:`.remote.url.open_url`.
        access: what is allowed for a URL.

    Raises:
        SdcError: ``E_INPUT`` where there is no such file, ``E_IO`` where it cannot be read; ``E_USAGE`` for a
            URL that is not read here.
    """
    if is_url(path):
        return cast(BinaryIO, open_with(str(path), access))
    try:
        file = open(path, "rb")
        if file.seekable():
            return file
        with file:
            return io.BytesIO(file.read())
    except (FileNotFoundError, NotADirectoryError, ValueError):  # the last for a path with a NUL
        raise SdcError("E_INPUT", "no such file", os.fspath(path)) from None
    except OSError as error:
        raise SdcError("E_IO", f"could not read: {error.strerror}", os.fspath(path)) from None


def write_file(path: PathLike, data: bytes) -> None:
    """Write a file whole or not at all: to a temporary file beside it, which then takes its name.

    Raises:
        SdcError: ``E_IO``.
    """
    try:
        target = Path(os.path.realpath(path))
        if target.exists() and not target.is_file() and not target.is_dir():
            target.write_bytes(data)  # a device or a named pipe
            return
        handle, temporary = tempfile.mkstemp(prefix=_TEMPORARY + _mark, dir=target.parent)
        try:
            with os.fdopen(handle, "wb") as file:
                file.write(data)
            os.chmod(temporary, _mode(target))
            os.replace(temporary, target)
        except BaseException:
            os.unlink(temporary)
            raise
    except OSError as error:
        raise SdcError("E_IO", f"could not write: {error.strerror}", os.fspath(path)) from None


def mark_temporaries(mark: str) -> None:
    """Put a mark into the names of this process's temporary files, by which another can remove them."""
    global _mark
    _mark = f"{mark}-"


def remove_temporaries(folder: PathLike, mark: str) -> None:
    """Remove what a process with a mark has left in a folder: one that was killed while it wrote."""
    for left in Path(folder).glob(f"{_TEMPORARY}{mark}-*"):
        with suppress(OSError):
            left.unlink()


def _mode(target: Path) -> int:
    """Permissions of a file that is replaced, or those that a new one gets."""
    if target.exists():
        return stat.S_IMODE(target.stat().st_mode)
    mask = os.umask(0)
    os.umask(mask)
    return 0o666 & ~mask
