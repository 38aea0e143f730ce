"""A stream of which each part is fetched when it is asked for, and once only (STAT-11)."""

from __future__ import annotations

import io
from bisect import bisect_right, insort
from collections.abc import Iterable
from dataclasses import replace
from typing import BinaryIO, cast

from ..errors import SdcError
from ..types import LevelLike, Limits
from .choice import Choice, ObjectNames, choose
from .chunks import OBJS
from .grps import UNREAD, Group
from .parse import parse, parse_asked
from .source import Reader, Source
from .stream import Stream

MERGED = 1 << 22
"""Bytes of neighbouring groups that are fetched in one read."""


class _Kept(io.RawIOBase):
    """A source that keeps what was read of it; a read behind a gap takes a block at least."""

    def __init__(self, source: Reader, block: int):
        self._source, self._block = source, block
        self._at = 0
        self._starts: list[int] = []
        self._parts: dict[int, bytes] = {}

    def readable(self) -> bool:
        """It is."""
        return True

    def seekable(self) -> bool:
        """It is."""
        return True

    def seek(self, offset: int, whence: int = io.SEEK_SET) -> int:
        """Go to a place from the start or the end."""
        self._at = offset + (self._source.size if whence == io.SEEK_END else 0)
        return self._at

    def tell(self) -> int:
        """The place of the next read."""
        return self._at

    def readinto(self, buffer: memoryview) -> int:  # type: ignore[override]
        """Bytes from the place on, as far as they were kept or come in one read; they are kept."""
        data = self._piece(self._at, len(buffer), True)
        buffer[: len(data)] = data
        self._at += len(data)
        return len(data)

    def once(self, offset: int, size: int) -> bytes:
        """Bytes that are not kept, all of them but where the file ends."""
        parts: list[bytes] = []
        while size:
            part = self._piece(offset, size, False)
            if not part:
                break
            parts.append(part)
            offset, size = offset + len(part), size - len(part)
        return parts[0] if len(parts) == 1 else b"".join(parts)

    def _piece(self, at: int, size: int, keep: bool) -> bytes:
        """The first bytes of a range: kept ones up to their end, or those up to the next kept ones."""
        place = bisect_right(self._starts, at)
        if place:
            start = self._starts[place - 1]
            if at < start + len(self._parts[start]):
                return self._parts[start][at - start : at - start + size]
        past = self._starts[place] if place < len(self._starts) else self._source.size
        data = self._source.at(at, min(past - at, max(size, self._block) if keep else size))
        if keep and data:
            insort(self._starts, at)
            self._parts[at] = data
        return data[:size]


class LazyStream:
    """What has been read of a stream.

    Bytes, which are here, are parsed whole.
    Of a file, HEAD to the first group is read at once, a group when it is asked for, and what stands behind
    all groups when :meth:`fetch_behind` is called.

    Attributes:
        stream: what is known; groups that were not asked for are ``unread``.

    Args:
        source: the file's bytes, or a seekable binary file, which stays open as long as this is used.
        limits: what the caller agrees to hold in memory.
        block: bytes to read at least at a time, of what is not a group.

    Raises:
        SdcError: the stream is invalid or unsupported; ``E_LIMIT``; ``E_USAGE`` for what is no source.
    """

    def __init__(self, source: Source, limits: Limits = Limits(), block: int = 0):
        self.limits = limits
        reader = Reader(source)
        self._kept = _Kept(reader, block)
        if reader.held:
            self.stream: Stream = parse(source, limits=limits)
        else:
            self.stream = self._parse(behind=False)

    def _parse(self, behind: bool) -> Stream:
        """The stream without any group."""
        return parse_asked(cast(BinaryIO, self._kept), [], None, limits=self.limits, behind=behind)[0]

    def fetch(
        self,
        groups: Iterable[int] | None = None,
        levels: LevelLike | Iterable[LevelLike] | None = None,
        objects: ObjectNames | None = None,
    ) -> Choice:
        """Fetch the groups asked for, as far as they are not here; all of them by default.

        Args:
            groups, levels, objects: as for :func:`.choice.choose`.

        Raises:
            SdcError: as :func:`.choice.choose`; the stream is invalid; ``E_LIMIT``; ``E_IO``.
        """
        if objects is not None:
            self.fetch_objects()
        if groups is None and levels is None and objects is None:
            self._fetch_groups([g.index for g in self.stream.groups])
            self.fetch_behind()
            return choose(self.stream)
        choice = choose(self.stream, groups, levels, objects, limits=self.limits)
        self._fetch_groups(choice.groups)
        return choice

    def fetch_objects(self) -> None:
        """Fetch the description of the objects, wherever it stands.

        Raises:
            SdcError: as :meth:`fetch_behind`.
        """
        if self.stream.chunk(OBJS) is None:
            self.fetch_behind()

    def fetch_behind(self) -> None:
        """Fetch what stands behind the groups.

        Raises:
            SdcError: what stands there makes the stream invalid or unsupported; ``E_LIMIT``; ``E_IO``.
        """
        if self.stream.behind:
            return
        found = self._parse(behind=True)
        new = [error for error in found.errors if error.offset not in {e.offset for e in self.stream.errors}]
        self._put(replace(self.stream, after=found.after, behind=True, errors=(*self.stream.errors, *new)))

    def _put(self, stream: Stream) -> None:
        """Take over a stream of which more is known, with its errors in the order of the file."""
        errors = tuple(sorted(stream.errors, key=lambda error: error.offset or 0))
        self.stream = replace(stream, errors=errors)

    def _fetch_groups(self, indices: Iterable[int]) -> None:
        """Fetch the chunks of groups that are unread, neighbours in one read."""
        runs: list[list[Group]] = []
        for k in indices:
            g = self.stream.groups[k]
            if g.state != UNREAD:
                continue
            if g.size > self.limits.chunk_bytes and g.offset + g.size <= self.stream.size:
                raise SdcError("E_LIMIT", f"a chunk of {g.size} bytes", f"group {g.index}", g.offset)
            last = runs[-1][-1] if runs else None
            near = last is not None and last.offset + last.size == g.offset
            if near and g.offset + g.size - runs[-1][0].offset <= MERGED:
                runs[-1].append(g)
            else:
                runs.append([g])
        for run in runs:
            start = run[0].offset
            data = memoryview(self._kept.once(start, run[-1].offset + run[-1].size - start))
            stream = self.stream
            for g in run:
                stream = stream.with_chunk(g.index, bytes(data[g.offset - start :][: g.size]))
            self._put(stream)
