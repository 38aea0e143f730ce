"""Bytes to streams, in the order of spec section 13.3; errors carry the offset of the field."""

from __future__ import annotations

from dataclasses import replace
from typing import TypeVar

from ..errors import SdcError
from ..types import Limits
from .chunks import MAGIC, NAMES, Chunk, check_type
from .fields import Payload, Traced
from .found import Found, read_chunk
from .group_state import check_size, read_group
from .grps import DAMAGED, TRUNCATED, Group, group_error, parse_groups
from .head import Head, check_area, check_head, find_head
from .header import read_header
from .mask import parse_map
from .reading import Place, Reading
from .source import Reader, Source
from .stream import Outline, Stream

Known = TypeVar("Known", bound=Outline)
"""What is known of a stream, with or without its decoded group map."""


def parse(source: Source, *, limits: Limits = Limits()) -> Stream:
    """Parse a stream; a prefix will do that holds the header.

    Args:
        source: the file's bytes, or a seekable binary reader.
        limits: what the caller agrees to hold in memory.

    Returns:
        The stream; ``state`` is ``valid`` or ``partial``.

    Raises:
        SdcError: the stream is invalid or unsupported, or breaks ``limits``; ``E_USAGE`` for what is no
            source.
    """
    return read(source, limits=limits).whole()


def outline(source: Source, *, limits: Limits = Limits()) -> Outline:
    """What stands around the groups of a stream: header, and chunks in front of them and behind them.

    The group map is not decoded, and no group read; it takes a fraction of the time of :func:`parse`.

    Args:
        source, limits: as for :func:`parse`.

    Raises:
        SdcError: as :func:`parse`.
    """
    return Parser(Reader(source), limits).around()


def read(source: Source, *, limits: Limits = Limits()) -> Reading:
    """Read a stream as far as it is right.

    Args:
        source, limits: as for :func:`parse`.

    Returns:
        What was read, and the error that ended the reading if one did.

    Raises:
        SdcError: ``E_USAGE`` for what is no source.
    """
    parser = Parser(Reader(source), limits)
    try:
        return parser.reading(parser.behind(parser.groups(parser.front())))
    except SdcError as error:
        return parser.reading(error=error)


class Parser:
    """Reads the parts of one file in their order, and keeps what it has read.

    Each part may raise as :func:`parse` does, but for ``E_USAGE``.

    Args:
        reader: of the file.
        limits: as for :func:`parse`.
    """

    def __init__(self, reader: Reader, limits: Limits):
        self.reader, self.limits = reader, limits
        self.seen: list[int] = []
        self.places: list[Place] = []
        self.fields: list[Traced] = []
        self.header = 0
        self.head: Head | None = None
        self.outline: Outline | None = None

    def reading(self, stream: Stream | None = None, error: SdcError | None = None) -> Reading:
        """What has been read, of a whole stream or up to an error."""
        known = self.outline if stream is None else stream
        size, places, fields = self.reader.size, tuple(self.places), tuple(self.fields)
        return Reading(size, self.head, known, stream, self.header, places, fields, error)

    def front(self) -> Stream:
        """Read the header and the preamble; groups are ``unread`` then if they are not withdrawn."""
        outline, payload, first = self._header()
        labels = parse_map(outline.head, len(outline.groups), outline.map, payload.offset("HEAD.map"))
        self.outline = stream = Stream(**vars(outline), labels=labels)
        before, errors = self._chunks(self.header, first)
        return replace(stream, before=before, errors=errors)

    def around(self) -> Outline:
        """Read what stands around the groups, and decode no group map."""
        outline, _, first = self._header()
        before, errors = self._chunks(self.header, first)
        return self.behind(replace(outline, before=before, errors=errors))

    def _header(self) -> tuple[Outline, Payload, int]:
        """Read the header: what it says, its fields, and where the first group's data stands."""
        self._magic()
        header = read_header(self.reader, self.limits)
        payload = header.payload
        self.header = header.end
        self.fields += sorted((*header.fields, *payload.fields), key=lambda field: field.offset)
        self.head = find_head(payload)
        head = check_head(payload)
        check_area(head, payload, self.limits.pixels)
        groups, first = parse_groups(head, payload, header.end)
        size, coded = self.reader.size, payload.values.map
        self.outline = outline = Outline(head, groups, coded, size=size, behind=False)
        return outline, payload, first

    def groups(self, stream: Stream) -> Stream:
        """Read the data of the groups."""
        groups = tuple(self._group(stream, g) if g.size else g for g in stream.groups)
        missing = tuple(group_error(g) for g in groups if g.state in (TRUNCATED, DAMAGED))
        self.outline = stream = replace(stream, groups=groups, errors=(*stream.errors, *missing))
        return stream

    def behind(self, stream: Known) -> Known:
        """Read what stands behind the groups, whether they have been read or not (STAT-11)."""
        self.seen = [chunk.type for chunk in stream.before]
        last = stream.groups[-1]
        after, errors = self._chunks(last.offset + last.size)
        return replace(stream, after=after, errors=(*stream.errors, *errors), behind=True)

    def _magic(self) -> None:
        magic = self.reader.at(0, len(MAGIC))
        if magic == MAGIC:
            return
        if MAGIC.startswith(magic) and magic:
            raise SdcError("E_TRUNCATED", "the file ends within the magic number", offset=len(magic))
        raise SdcError("E_MAGIC", offset=0)

    def _group(self, stream: Stream, group: Group) -> Group:
        """Read the data of a group that has some."""
        check_size(group, self.reader.size, self.limits)
        return read_group(group, self.reader.at(group.offset, group.size), stream.seed(group))

    def _chunks(self, at: int, past: int | None = None) -> tuple[tuple[Chunk, ...], tuple[SdcError, ...]]:
        """Read the chunks from an offset on, up to the first that is damaged.

        Args:
            past: where the preamble ends; none behind the groups, where chunks go on to the end of the file.
        """
        found: list[Chunk] = []
        while at < (self.reader.size if past is None else past):
            chunk = read_chunk(self.reader, at, self.limits)
            if at < self.reader.size:
                self.places.append(Place(chunk.type, at, len(chunk.data), chunk.state))
            if not chunk.good:
                return tuple(found), (SdcError("E_CHUNK_DAMAGED", where=f"chunk at byte {at}", offset=at),)
            if past is not None and chunk.end > past:
                name = NAMES.get(chunk.type, "a chunk")
                raise SdcError("E_GRPS_PREAMBLE", f"{name} reaches past the preamble", offset=at)
            self._admit(chunk)
            found.append(Chunk(chunk.type, chunk.payload, at))
            at = chunk.end
        return tuple(found), ()

    def _admit(self, chunk: Found) -> None:
        """Take a chunk, if its type, its number and the limit allow."""
        check_type(chunk.type, self.seen, chunk.offset)
        if len(self.seen) >= self.limits.chunks:
            message = f"more than {self.limits.chunks} ancillary chunks"
            raise SdcError("E_LIMIT", message, offset=chunk.offset)
        self.seen.append(chunk.type)
