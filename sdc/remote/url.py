"""URLs: what is one, and the file at it."""

from __future__ import annotations

import re

from .file import FIRST, Access, RemoteFile

_URL = re.compile(r"(?:[A-Za-z][A-Za-z0-9+.-]*::)*([A-Za-z][A-Za-z0-9+.-]+)://", re.ASCII)


def is_url(path: object) -> bool:
    """Whether a path is a URL, also one that is not read here."""
    return isinstance(path, str) and _URL.match(path) is not None


def open_url(
    url: str, *, private: bool = False, redirects: bool = False, timeout: float = 20.0, first: int = FIRST
) -> RemoteFile:
    """Open a file at a URL, whose first bytes are fetched at once, and others when they are read.

    :func:`sdc.open` and all that takes a path take a URL as well; this allows what is not allowed there.

    Args:
        url: of HTTP, HTTPS, or a protocol of :data:`.stores.STORES`, which needs fsspec.
        private: whether hosts of private networks and this machine are allowed.
        redirects: whether answers that name another place are followed.
        timeout: seconds to wait for a connection and for each answer.
        first: bytes of the first request.

    Returns:
        A binary file that can ``seek`` and ``read``, for :func:`sdc.open` or any other function that takes
        one; ``transfer`` says how many requests it took and how many bytes came.

    Raises:
        SdcError: ``E_USAGE`` for a URL that is not read, ``E_INPUT`` where there is no such file, else
            ``E_IO``; reading raises the latter, too.
    """
    return open_with(url, Access(private, redirects, timeout, first))


def open_with(url: str, access: Access) -> RemoteFile:
    """:func:`open_url`, with what is allowed in one value."""
    found = _URL.match(url)
    if found is not None and found.start(1) == 0 and found[1].lower() in ("http", "https"):
        from .http import HttpFile  # which takes its time to load

        return HttpFile(url, access)
    from .stores import StoreFile

    return StoreFile(url, access.first)
