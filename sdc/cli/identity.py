"""Which file it is: by size and time, or else by content."""

from __future__ import annotations

import hashlib
import os
from dataclasses import asdict, dataclass
from typing import Any

_BLOCK = 1 << 20


@dataclass(frozen=True)
class Identity:
    """A file as it was.

    Attributes:
        size: in bytes.
        time: of its last change, in nanoseconds.
        sha256: of its bytes, in hexadecimal digits.
    """

    size: int
    time: int
    sha256: str

    def holds(self, path: str) -> bool:
        """Whether the file at a path is still this one: of its size and time, or else of its bytes."""
        try:
            found = os.stat(path)
        except OSError:
            return False
        if found.st_size != self.size:
            return False
        return found.st_mtime_ns == self.time or sha256_of(path) == self.sha256

    def as_dict(self) -> dict[str, Any]:
        """For JSON; :meth:`from_dict` gives the same again."""
        return asdict(self)

    @classmethod
    def from_dict(cls, described: Any) -> Identity:
        """An identity out of JSON.

        Raises:
            ValueError, TypeError, KeyError: it is none.
        """
        return cls(int(described["size"]), int(described["time"]), str(described["sha256"]))


def identity_of(path: str) -> Identity | None:
    """The file that a path leads to; ``None`` where there is none that can be read."""
    try:
        found = os.stat(path)
    except OSError:
        return None
    sha256 = sha256_of(path)
    return None if sha256 is None else Identity(found.st_size, found.st_mtime_ns, sha256)


def sha256_of(path: str) -> str | None:
    """SHA-256 of a file in hexadecimal digits; ``None`` where it cannot be read."""
    hashed = hashlib.sha256()
    try:
        with open(path, "rb") as file:
            while block := file.read(_BLOCK):
                hashed.update(block)
    except OSError:
        return None
    return hashed.hexdigest()
