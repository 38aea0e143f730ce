"""A file at an HTTP or HTTPS URL, read by range requests (RFC 9110 section 14).

Every request after the first carries ``If-Range``, so that nothing is put together of two versions of a file.
(A group's CRC would show that too, since it begins with the header.)
"""

from __future__ import annotations

import http.client
import re
import socket
import ssl
import threading
import warnings
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from urllib.parse import SplitResult, quote, urljoin, urlsplit

from .._version import __version__
from ..errors import SdcError
from .addresses import connect
from .file import ORDINARY, Access, RemoteFile

ATTEMPTS = 3
"""How often a range is asked for whose connection is lost."""

REDIRECTS = 5
"""How many answers that name another place are followed, where that is allowed."""

SLOWEST = 1024
"""Bytes a second that must come at least, beyond the time limit."""

MOST = 1 << 30
"""Bytes that are held of a file whose server knows no ranges."""

NO_RANGES = "a server ignores ranges and sends whole files, of which more comes than is asked for"
"""What is warned of, without a URL, so that it is said once for all of them."""

PIECE = 1 << 16
"""Bytes that are read at a time."""

_LOST = (http.client.HTTPException, OSError)
_MOVED = (301, 302, 303, 307, 308)
_ABSENT = (404, 410)
_RANGE = re.compile(r"bytes (?:(\d{1,19})-(\d{1,19})|\*)/(\d{1,19})")
_SAFE = "/%:@!$&'()*+,;=~?-._"


class _Connection(http.client.HTTPConnection):
    """A connection to an address that has been checked; with TLS, the certificate is of the URL's name."""

    def __init__(self, target: SplitResult, access: Access):
        self.default_port = 443 if target.scheme == "https" else 80
        super().__init__(target.hostname or "", target.port)
        self.access, self.where = access, _shown(target)
        self.tls = ssl.create_default_context() if target.scheme == "https" else None

    def connect(self) -> None:
        """Connect, as the base class does when it sends."""
        allowed = self.access
        self.own = connect(self.host, self.port, allowed.timeout, allowed.private, self.where)
        try:
            if self.tls is not None:
                self.own = self.tls.wrap_socket(self.own, server_hostname=self.host)
        except BaseException:
            self.own.close()
            raise
        self.sock = self.own


class HttpFile(RemoteFile):
    """A file at an HTTP or HTTPS URL; the first request is sent at once.

    A server that answers with the whole file is read on from its first byte as far as is needed, and what has
    been read is held.

    Args:
        url: without user and password.
        access: what is allowed.

    Raises:
        SdcError: ``E_USAGE`` for a URL that is none, ``E_INPUT`` where there is no such file, else ``E_IO``.
    """

    def __init__(self, url: str, access: Access = ORDINARY):
        self._access = access
        self._target = _checked(url)
        super().__init__(_shown(self._target))
        self._connection: _Connection | None = None
        self._whole: http.client.HTTPResponse | None = None
        self._held = bytearray()
        self._known: tuple[str, str] | None = None
        try:
            self._first = self.fetch(0, access.first)
        except BaseException:
            self.close()
            raise

    def close(self) -> None:
        """Close the connection."""
        self._drop()
        super().close()

    def fetch(self, start: int, size: int) -> bytes:
        """Some bytes of the file; what a lost connection leaves out is asked for anew.

        Raises:
            SdcError: as :class:`HttpFile`.
        """
        data = bytearray()
        for _ in range(ATTEMPTS):
            try:
                if self._whole is None:
                    self._ask(start + len(data), size - len(data), data)
                if self._whole is not None:
                    return self._from_whole(start, size)
                if len(data) >= min(size, self.size - start):
                    return bytes(data)
                lost = "the answer holds less than was asked for"
            except TimeoutError:
                self._drop()
                raise self._error(f"nothing came for {self._access.timeout:g} seconds") from None
            except ssl.SSLError as error:
                self._drop()
                raise self._error(f"no secure connection: {error.reason or error}") from None
            except _LOST as error:
                self._drop()
                lost = f"the connection was lost ({_words(error)})"
        raise self._error(f"{lost}, {ATTEMPTS} times, at byte {start + len(data)} of {self.size}")

    def _error(self, words: str) -> SdcError:
        return SdcError("E_IO", words, self.where)

    def _drop(self) -> None:
        """Let go of the connection; the next request makes another."""
        if self._connection is not None:
            self._connection.close()
        self._connection = None

    def _ask(self, start: int, size: int, data: bytearray) -> None:
        """Ask for a range once, and add what comes to ``data``; or find that the whole file comes."""
        response = self._answer(start, size)
        if response.headers.get("Content-Encoding", "identity").lower() != "identity":
            raise self._error("the server sends the file compressed, and so no ranges of it")
        if response.status == http.client.OK:
            self._begin_whole(response)
            if self.size > start + size:
                warnings.warn(NO_RANGES, stacklevel=2)  # which Python says once in a process
        elif response.status == http.client.PARTIAL_CONTENT:
            self._read_range(response, start, size, data)
        elif not self._is_empty(response):
            raise self._refused(response)

    def _answer(self, start: int, size: int) -> http.client.HTTPResponse:
        """The answer to a request, behind those that name another place."""
        for _ in range(REDIRECTS + 1):
            response = self._send(start, size)
            if response.status not in _MOVED:
                return response
            self._follow(response)
        raise self._error(f"more than {REDIRECTS} answers name another place")

    def _send(self, start: int, size: int) -> http.client.HTTPResponse:
        if self._connection is None:
            self._connection = _Connection(self._target, self._access)
        headers = {
            "User-Agent": f"sdc/{__version__}",
            "Accept": "*/*",
            "Accept-Encoding": "identity",
            "Range": f"bytes={start}-{start + size - 1}",
        }
        validator = next(filter(None, self._known or ()), "")
        if validator:
            headers["If-Range"] = validator
        path = (self._target.path or "/") + (f"?{self._target.query}" if self._target.query else "")
        self.requests += 1
        self._connection.request("GET", path, headers=headers)
        with self._within(self._access.timeout):
            return self._connection.getresponse()

    @contextmanager
    def _within(self, seconds: float) -> Iterator[None]:
        """End a connection from which something comes, but too slowly.

        Raises:
            TimeoutError: it was ended.
        """
        assert self._connection is not None
        own, late = self._connection.own, threading.Event()

        def end() -> None:
            late.set()
            with suppress(OSError):
                socket.socket.shutdown(own, socket.SHUT_RDWR)

        timer = threading.Timer(seconds, end)
        timer.daemon = True
        timer.start()
        try:
            yield
        except _LOST:
            if not late.is_set():
                raise
        finally:
            timer.cancel()
        if late.is_set():  # what has been read may end where it was cut
            raise TimeoutError

    def _follow(self, response: http.client.HTTPResponse) -> None:
        """Take the place that an answer names for that of the file.

        Raises:
            SdcError: ``E_IO`` where it is not allowed.
        """
        there = response.headers.get("Location", "")
        if not self._access.redirects:
            raise self._error(
                f"the server names another place ({response.status}); to follow it: --allow redirects; in "
                "Python access=sdc.Access(redirects=True)"
            )
        try:
            target = _checked(urljoin(self._target.geturl(), there))
        except SdcError:
            raise self._error("the server names a place that is no URL") from None
        if (self._target.scheme, target.scheme) == ("https", "http"):
            raise self._error("the server names a place without TLS, which is not followed")
        self._drop()
        self._target = target

    def _refused(self, response: http.client.HTTPResponse) -> SdcError:
        """The error of an answer without the file."""
        self._drop()
        if response.status in _ABSENT:
            return SdcError("E_INPUT", "no such file", self.where)
        return self._error(f"the server answered {response.status} {response.reason}".rstrip())

    def _is_empty(self, response: http.client.HTTPResponse) -> bool:
        """Whether an answer says that the file has no byte."""
        found = _RANGE.fullmatch(response.headers.get("Content-Range", ""))
        empty = response.status == http.client.REQUESTED_RANGE_NOT_SATISFIABLE and found is not None
        return empty and found is not None and found[1] is None and int(found[3]) == 0

    def _begin_whole(self, response: http.client.HTTPResponse) -> None:
        """Read the file from its first byte on, as the server sends it."""
        size = response.length
        self._check_same(response, size)
        if (size or 0) > MOST:
            raise SdcError(
                "E_LIMIT", f"the server knows no ranges, and the file has {size} bytes", self.where
            )
        self._whole, self._held = response, bytearray()
        self.size = MOST + 1 if size is None else size
        if size is None:  # which only the end tells
            self._read_whole(MOST + 1)
            self.size = len(self._held)
            if self.size > MOST:
                raise SdcError("E_LIMIT", f"the server sends more than {MOST} bytes", self.where)

    def _from_whole(self, start: int, size: int) -> bytes:
        end = min(start + size, self.size)
        try:
            self._read_whole(end)
        except TimeoutError:
            raise
        except _LOST as error:
            raise self._error(
                f"the connection was lost ({_words(error)}), and the server knows no ranges"
            ) from None
        if len(self._held) < end:
            raise self._error(
                f"the connection was lost at byte {len(self._held)}, and the server knows no ranges"
            )
        return bytes(self._held[start:end])

    def _read_whole(self, end: int) -> None:
        """Read on until so many bytes are held, or the file ends."""
        assert self._whole is not None
        if len(self._held) < end:
            with self._within(self._access.timeout + end / SLOWEST):
                while len(self._held) < end:
                    part = self._whole.read1(min(PIECE, end - len(self._held)))
                    if not part:
                        return
                    self._held += part
                    self.received += len(part)

    def _read_range(self, response: http.client.HTTPResponse, start: int, size: int, data: bytearray) -> None:
        """Add the bytes of a range to ``data``."""
        found = _RANGE.fullmatch(response.headers.get("Content-Range", ""))
        if found is None or found[1] is None or int(found[1]) != start or int(found[2]) < start:
            self._drop()
            raise self._error("the server does not say which bytes it sends, or sends others")
        self._check_same(response, int(found[3]))
        self.size = int(found[3])
        left = min(size, int(found[2]) + 1 - start)
        exact = left == response.length
        with self._within(self._access.timeout + left / SLOWEST):
            while left:
                part = response.read1(min(PIECE, left))
                if not part:
                    raise http.client.IncompleteRead(bytes(data), left)
                data += part
                self.received += len(part)
                left -= len(part)
        if exact:
            response.read()  # which lets the connection serve another request
        else:
            self._drop()

    def _check_same(self, response: http.client.HTTPResponse, size: int | None) -> None:
        """Refuse an answer about another version of the file than the first one.

        Raises:
            SdcError: ``E_IO``.
        """
        tag, date = (response.headers.get(name, "") for name in ("ETag", "Last-Modified"))
        known = ("" if tag.startswith("W/") else tag, date)
        if self._known is None:
            self._known = known
            return
        differ = any(a and b and a != b for a, b in zip(self._known, known, strict=True))
        if differ or size not in (None, self.size):
            self._drop()
            raise self._error("the file changed while it was read; begin anew")


def _checked(url: str) -> SplitResult:
    """A URL in its parts, with what no request can hold quoted.

    Raises:
        SdcError: ``E_USAGE``.
    """
    try:
        parts = urlsplit(url)
        host = (parts.hostname or "").encode("idna").decode()
        port = parts.port
    except ValueError:
        raise SdcError("E_USAGE", "not a URL", url.partition("?")[0]) from None
    if parts.username is not None or parts.password is not None:
        raise SdcError("E_USAGE", "a URL with a user or a password is not read", _shown(parts))
    if parts.scheme not in ("http", "https") or not host:
        raise SdcError("E_USAGE", "not a URL of HTTP or HTTPS", _shown(parts))
    where = f"[{host}]" if ":" in host else host
    where += "" if port is None else f":{port}"
    return SplitResult(parts.scheme, where, quote(parts.path, _SAFE), quote(parts.query, _SAFE), "")


def _shown(parts: SplitResult) -> str:
    """A URL for messages, without user, password and query, which may be secret."""
    return f"{parts.scheme}://{parts.netloc.rpartition('@')[2]}{parts.path}"


def _words(error: Exception) -> str:
    return getattr(error, "strerror", None) or str(error) or type(error).__name__
