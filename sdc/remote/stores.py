"""A file in a store of objects, such as S3, by fsspec, which is an optional install."""

from __future__ import annotations

from typing import Any

from ..errors import SdcError
from .file import FIRST, RemoteFile

STORES = ("s3", "s3a", "gs", "gcs", "az", "abfs", "adl", "oci", "oss", "hf", "file", "memory")
"""Protocols of fsspec whose URLs name no host, so that nobody can be led to one by a URL."""


class StoreFile(RemoteFile):
    """A file that fsspec finds; the first request is sent at once, behind one for its size.

    Args:
        url: of a protocol of :data:`STORES`, not of several in a chain.
        first: bytes of the first request.

    Raises:
        SdcError: ``E_USAGE`` for another URL, or where fsspec or what it needs is not installed; ``E_INPUT``
            where there is no such file; else ``E_IO``.
    """

    def __init__(self, url: str, first: int = FIRST):
        protocol = url.partition("://")[0]
        if protocol not in STORES or "::" in url:
            raise SdcError(
                "E_USAGE",
                f"{protocol}:// is not read by URL, but http, https and {', '.join(STORES)} are; open others "
                "with fsspec and give the file",
            )
        super().__init__(url.partition("?")[0])
        try:
            from fsspec.core import url_to_fs
        except ImportError:
            raise SdcError(
                "E_USAGE", f"{protocol}:// needs fsspec: install sdc-codec[url]", self.where
            ) from None
        try:
            self._files, self._path = url_to_fs(url)
        except (ImportError, ValueError) as error:
            raise SdcError("E_USAGE", f"fsspec cannot read this: {_words(error)}", self.where) from None
        self.size = int(self._asked(self._files.size, self._path) or 0)
        self._first = self.fetch(0, first)

    def fetch(self, start: int, size: int) -> bytes:
        """Some bytes of the file.

        Raises:
            SdcError: as :class:`StoreFile`.
        """
        end = min(start + size, self.size)
        data = bytes(self._asked(self._files.cat_file, self._path, start=start, end=end)) if size else b""
        self.received += len(data)
        if len(data) != end - start:
            raise SdcError("E_IO", f"{end - start} bytes were asked for and {len(data)} came", self.where)
        return data

    def _asked(self, ask: Any, *args: Any, **options: Any) -> Any:
        """What a function of fsspec returns, which raises whatever the store's own library does."""
        self.requests += 1
        try:
            return ask(*args, **options)
        except FileNotFoundError:
            raise SdcError("E_INPUT", "no such file", self.where) from None
        except Exception as error:
            raise SdcError("E_IO", f"could not read: {_words(error)}", self.where) from None


def _words(error: Exception) -> str:
    return " ".join(str(error).split()) or type(error).__name__
