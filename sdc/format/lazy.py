"""A stream of which each part is fetched when it is asked for, and once only (STAT-11)."""

from __future__ import annotations

from bisect import bisect_right, insort
from collections.abc import Iterable
from dataclasses import replace

from ..types import LevelLike, Limits
from .choice import Choice, ObjectNames, choose
from .chunks import OBJS
from .group_state import check_size
from .grps import UNREAD, Group
from .parse import Parser, parse
from .source import Reader, Source
from .stream import Stream

MERGED = 1 << 22
"""Bytes of neighbouring groups that are fetched in one read."""


class _Kept(Reader):
    """A reader that keeps what was read; a read behind a gap takes a block at least."""

    def __init__(self, source: Source, block: int):
        super().__init__(source)
        self._block = block
        self._starts: list[int] = []
        self._parts: dict[int, bytes] = {}

    def at(self, offset: int, size: int) -> bytes:
        """As of any reader; what is read is kept."""
        return self._pieces(offset, size, True)

    def once(self, offset: int, size: int) -> bytes:
        """The same, but what is read is not kept."""
        return self._pieces(offset, size, False)

    def _pieces(self, offset: int, size: int, keep: bool) -> bytes:
        size = max(0, min(size, self.size - offset))
        parts: list[bytes] = []
        while size:
            part = self._piece(offset, size, keep)
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
        past = self._starts[place] if place < len(self._starts) else self.size
        data = super().at(at, min(past - at, max(size, self._block) if keep else size))
        if keep:
            insort(self._starts, at)
            self._parts[at] = data
        return data[:size]


class LazyStream:
    """What has been read of a stream.

    Bytes, which are here, are parsed whole.
    Of a file, what stands in front of the groups is read at once, a group when it is asked for, and what
    stands behind all groups when :meth:`fetch_behind` is called.

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
        self._reader = _Kept(source, block)
        self._parser = Parser(self._reader, limits)
        self.stream = parse(source, limits=limits) if self._reader.held else self._parser.front()

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
            self.fetch_chunk(OBJS)
        if groups is None and levels is None and objects is None:
            self._fetch_groups([g.index for g in self.stream.groups])
            self.fetch_behind()
            return choose(self.stream)
        choice = choose(self.stream, groups, levels, objects, limits=self.limits)
        self._fetch_groups(choice.groups)
        return choice

    def fetch_chunk(self, kind: int) -> None:
        """Fetch the first chunk of a type, wherever it stands.

        Raises:
            SdcError: as :meth:`fetch_behind`.
        """
        if self.stream.chunk(kind) is None:
            self.fetch_behind()

    def fetch_behind(self) -> None:
        """Fetch what stands behind the groups.

        Raises:
            SdcError: what stands there makes the stream invalid or unsupported; ``E_LIMIT``; ``E_IO``.
        """
        if self.stream.behind:
            return
        self._put(self._parser.behind(self.stream))

    def _put(self, stream: Stream) -> None:
        """Take over a stream of which more is known, with its errors in the order of the file."""
        errors = tuple(sorted(stream.errors, key=lambda error: error.offset or 0))
        self.stream = replace(stream, errors=errors)

    def _fetch_groups(self, indices: Iterable[int]) -> None:
        """Fetch the data of groups that are unread, neighbours in one read."""
        runs: list[list[Group]] = []
        for k in indices:
            g = self.stream.groups[k]
            if g.state != UNREAD:
                continue
            check_size(g, self.stream.size, self.limits)
            last = runs[-1][-1] if runs else None
            near = last is not None and last.offset + last.size == g.offset
            if near and g.offset + g.size - runs[-1][0].offset <= MERGED:
                runs[-1].append(g)
            else:
                runs.append([g])
        for run in runs:
            start = run[0].offset
            data = memoryview(self._reader.once(start, run[-1].offset + run[-1].size - start))
            stream = self.stream
            for g in run:
                stream = stream.with_group(g.index, bytes(data[g.offset - start :][: g.size]))
            self._put(stream)
