"""A file elsewhere, read by ranges and as seldom as can be."""

from __future__ import annotations

import io
from abc import abstractmethod
from dataclasses import dataclass
from typing import NamedTuple

FIRST = 4096
"""Bytes that the first request asks for: header, group map and preamble, and of small images often L1."""

AHEAD = 1024
"""Bytes that a later request asks for at least."""

MOST_AHEAD = 1 << 20
"""Bytes to which that grows, twofold each time, for one who reads on and on."""


@dataclass(frozen=True)
class Access:
    """What a reader of URLs may do.

    Attributes:
        private: reach hosts of private networks and this machine.
        redirects: follow answers that name another place.
        timeout: seconds to wait for a connection and for each answer.
        first: bytes of the first request.
    """

    private: bool = False
    redirects: bool = False
    timeout: float = 20.0
    first: int = FIRST


ORDINARY = Access()
"""What is allowed where nothing else is said."""


class Transfer(NamedTuple):
    """What it took to read of a file elsewhere.

    Attributes:
        requests: that were sent, also those that failed or were sent again.
        received: bytes of the file that came, without headers.
        size: bytes of the whole file.
    """

    requests: int
    received: int
    size: int

    def __str__(self) -> str:
        plural = "" if self.requests == 1 else "s"
        return f"{self.requests} request{plural}, {self.received} of {self.size} bytes fetched"


class RemoteFile(io.RawIOBase):
    """A binary file elsewhere, which can ``seek`` and ``read``.

    Its first bytes are kept, and the last range that was fetched.
    It is not for several threads at once.

    Attributes:
        where: the URL without what may be secret in it, for messages.
        size: bytes of the file.
        requests, received: as of :class:`Transfer`.
    """

    def __init__(self, where: str):
        super().__init__()
        self.where = where
        self.size = 0
        self.requests = self.received = 0
        self._at = 0
        self._first = b""
        self._last = (0, b"")
        self._ahead = AHEAD

    @abstractmethod
    def fetch(self, start: int, size: int) -> bytes:
        """Some bytes of the file, by a request, which counts itself.

        Raises:
            SdcError: ``E_INPUT`` or ``E_IO``.
        """

    @property
    def transfer(self) -> Transfer:
        """What it took to read so far."""
        return Transfer(self.requests, self.received, self.size)

    def readable(self) -> bool:
        """True."""
        return True

    def seekable(self) -> bool:
        """True."""
        return True

    def tell(self) -> int:
        """Where the next byte is read."""
        return self._at

    def seek(self, offset: int, whence: int = io.SEEK_SET) -> int:
        """Go to a place; nothing is fetched."""
        start = {io.SEEK_SET: 0, io.SEEK_CUR: self._at, io.SEEK_END: self.size}[whence]
        self._at = max(0, start + offset)
        return self._at

    def read(self, size: int | None = -1) -> bytes:
        """Bytes from here on, as many as asked for where the file has them.

        Raises:
            SdcError: ``E_INPUT`` or ``E_IO``.
        """
        if self.closed:
            raise ValueError("I/O operation on closed file")
        left = max(0, self.size - self._at)
        left = left if size is None or size < 0 else min(size, left)
        parts: list[bytes] = []
        while left:
            part = self._kept(left) or self._fetched(left)
            parts.append(part)
            self._at += len(part)
            left -= len(part)
        return b"".join(parts)

    def _kept(self, size: int) -> bytes:
        """What is here of the bytes from here on."""
        for start, data in ((0, self._first), self._last):
            if start <= self._at < start + len(data):
                return data[self._at - start : self._at - start + size]
        return b""

    def _fetched(self, size: int) -> bytes:
        """The bytes from here on, and some behind them for who reads on."""
        start, last = self._last
        reads_on = self._at == start + len(last) and start > 0
        self._ahead = min(2 * self._ahead, MOST_AHEAD) if reads_on else AHEAD
        self._last = (self._at, self.fetch(self._at, min(max(size, self._ahead), self.size - self._at)))
        return self._kept(size)
