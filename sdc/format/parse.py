"""Bytes to streams, in the order of spec section 13.3; errors carry the offset of the field."""

from __future__ import annotations

from dataclasses import replace

from ..errors import SdcError
from ..types import Limits
from .chunks import GRPS, HEAD, LATN, MAGIC, MASK, NAMES, Chunk, Order
from .fields import Traced, read_payload
from .found import Found, read_chunk, read_required, read_tolerant
from .group_state import check_size, read_group
from .grps import DAMAGED, TRUNCATED, Group, group_error, parse_groups
from .head import Head, check_area, check_features, parse_head
from .mask import parse_map
from .reading import Place, Reading
from .source import Reader, Source
from .stream import Outline, Stream


def parse(source: Source, *, limits: Limits = Limits(), body: bool = True) -> Stream:
    """Parse a stream.

    Args:
        source: the file's bytes, or a seekable binary reader.
        limits: what the caller agrees to hold in memory.
        body: ``False`` stops after MASK; groups are then ``unread`` and :meth:`Stream.prefix` and
            :meth:`Stream.ranges` say which bytes to fetch.  A prefix that holds so much will do.

    Returns:
        The stream; ``state`` is ``valid`` or ``partial``.

    Raises:
        SdcError: the stream is invalid or unsupported, or breaks ``limits``; ``E_USAGE`` for what is no
            source.
    """
    return read(source, limits=limits, body=body).whole()


def parse_around(reader: Reader, *, limits: Limits, behind: bool) -> Stream:
    """Parse a stream but for its groups, whose bytes are not read (STAT-11).

    Args:
        reader: of the file.
        limits: as for :func:`parse`.
        behind: whether to read the chunks behind the groups too.

    Returns:
        The stream, with all groups ``unread`` that are not withdrawn.

    Raises:
        SdcError: as :func:`parse`.
    """
    parser = _Parser(reader, limits)
    stream, first = parser.front(body=True)
    return parser.body(stream, first, latents=False, behind=behind)


def read(source: Source, *, limits: Limits = Limits(), body: bool = True) -> Reading:
    """Read a stream as far as it is right.

    Args:
        source, limits, body: as for :func:`parse`.

    Returns:
        What was read, and the error that ended the reading if one did.

    Raises:
        SdcError: ``E_USAGE`` for what is no source.
    """
    parser = _Parser(Reader(source), limits)
    try:
        stream, first = parser.front(body)
        return parser.reading(parser.body(stream, first) if body else stream)
    except SdcError as error:
        return parser.reading(error=error)


class _Parser:
    """Reads the parts of one file in their order, and keeps what it has read."""

    def __init__(self, reader: Reader, limits: Limits):
        self.reader, self.limits = reader, limits
        self.order = Order()
        self.places: list[Place] = []
        self.fields: list[Traced] = []
        self.head: Head | None = None
        self.outline: Outline | None = None

    def reading(self, stream: Stream | None = None, error: SdcError | None = None) -> Reading:
        """What has been read, of a whole stream or up to an error."""
        known = self.outline if stream is None else stream
        return Reading(
            self.reader.size, self.head, known, stream, tuple(self.places), tuple(self.fields), error
        )

    def front(self, body: bool) -> tuple[Stream, int]:
        """Read HEAD, GRPS, MASK and, for a body, the rest of the preamble.

        Returns:
            ``(the stream, offset of the first latent chunk)``.
        """
        self._magic()
        chunk = self._required(len(MAGIC), HEAD)
        payload = read_payload("HEAD", chunk.payload, chunk.payload_offset)
        self.fields += payload.fields
        if payload.error is None:
            self.head = parse_head(payload)
        check_features(payload)
        head = parse_head(payload)
        check_area(head, payload, self.limits.pixels)
        chunk = self._required(chunk.end, GRPS)
        payload = read_payload("GRPS", chunk.payload, chunk.payload_offset)
        self.fields += payload.fields
        groups, first = parse_groups(head, payload, chunk.end)
        self.outline = Outline(head, groups, size=self.reader.size, behind=False)
        mask = self._mask(chunk.end, first)
        at = chunk.end if mask is None else mask.end
        before, errors, at = self._preamble(at, first, mask is None and len(groups) > 1, body)
        self.outline = outline = replace(
            self.outline,
            mask=None if mask is None else mask.payload,
            before=tuple(before),
            errors=tuple(errors),
        )
        if mask is None:
            labels = parse_map(head, len(groups), None)
        else:
            labels = parse_map(head, len(groups), mask.payload, mask.payload_offset)
        self.outline = stream = Stream(**vars(outline), labels=labels)
        return stream, first

    def body(
        self,
        stream: Stream,
        first: int,
        latents: bool = True,
        behind: bool = True,
    ) -> Stream:
        """Read the latent chunks, if wanted, and what stands behind them, if wanted."""
        groups = stream.groups
        if latents:
            groups = tuple(self._latents(stream, g) if g.size else g for g in groups)
        missing = tuple(group_error(g) for g in groups if g.state in (TRUNCATED, DAMAGED))
        end = first + sum(g.size for g in groups)
        after, errors = self._behind(end, len(stream.before)) if behind else ([], [])
        return replace(
            stream,
            groups=groups,
            after=tuple(after),
            errors=(*stream.errors, *missing, *errors),
            behind=behind,
        )

    def _magic(self) -> None:
        magic = self.reader.at(0, len(MAGIC))
        if magic == MAGIC:
            return
        if MAGIC.startswith(magic) and magic:
            raise SdcError("E_TRUNCATED", "the file ends within the magic number", offset=len(magic))
        raise SdcError("E_MAGIC", offset=0)

    def _note(self, chunk: Found) -> None:
        self.places.append(Place(chunk.type, chunk.offset, len(chunk.data), chunk.state))

    def _required(self, at: int, kind: int) -> Found:
        """Read HEAD or GRPS, without which nothing can be read."""
        chunk = read_chunk(self.reader, at, self.limits)
        if chunk.data:
            self._note(chunk)
        return read_required(chunk, kind, self.reader.size)

    def _mask(self, at: int, first: int) -> Found | None:
        """Read MASK, which stands at the end of GRPS if it is there (MASK-08)."""
        if at >= first or self.reader.at(at, 1) != bytes([MASK]):
            return None
        chunk = self._required(at, MASK)
        if chunk.end > first:
            raise SdcError("E_GRPS_PREAMBLE", "MASK reaches past the preamble", offset=at)
        self.order.admit(MASK, at)
        return chunk

    def _preamble(
        self, at: int, first: int, lacking: bool, body: bool
    ) -> tuple[list[Chunk], list[SdcError], int]:
        """Read the chunks between MASK and the latent chunks.

        Args:
            lacking: whether MASK is needed and not there.
            body: whether to read them also when nothing is lacking.
        """
        before: list[Chunk] = []
        errors: list[SdcError] = []
        while at < first and (body or lacking):
            chunk = read_tolerant(self.reader, at, self.limits)
            if at < self.reader.size:
                self._note(chunk)
            if not chunk.good:
                if lacking and not chunk.whole:
                    raise SdcError("E_TRUNCATED", "the file ends before MASK", offset=self.reader.size)
                errors.append(_damaged(at))
                break
            if chunk.type == LATN:
                raise SdcError("E_GRPS_PREAMBLE", "a latent chunk within the preamble", offset=at)
            if chunk.end > first:
                name = NAMES.get(chunk.type, "a chunk")
                raise SdcError("E_GRPS_PREAMBLE", f"{name} reaches past the preamble", offset=at)
            self._admit(chunk, len(before))
            before.append(Chunk(chunk.type, chunk.payload, at))
            at = chunk.end
        if lacking:
            raise SdcError("E_MASK_MISSING", offset=at)
        return before, errors, at

    def _admit(self, chunk: Found, count: int) -> None:
        """Take an ancillary chunk, if its order and number and the limit allow."""
        self.order.admit(chunk.type, chunk.offset)
        if count >= self.limits.chunks:
            message = f"more than {self.limits.chunks} ancillary chunks"
            raise SdcError("E_LIMIT", message, offset=chunk.offset)

    def _latents(self, stream: Stream, group: Group) -> Group:
        """Read the chunk of a group that has one."""
        size = self.reader.size
        check_size(group, size, self.limits)
        available = min(group.size, max(0, size - group.offset))
        group = read_group(group, self.reader.at(group.offset, available), stream.seed(group))
        if available:
            self.places.append(Place(LATN, group.offset, available, group.state, group.index))
        return group

    def _behind(self, at: int, count: int) -> tuple[list[Chunk], list[SdcError]]:
        """Read the chunks behind the latent chunks; ``count`` have been read in front of them."""
        self.order.behind_latents()
        after: list[Chunk] = []
        while at < self.reader.size:
            chunk = read_tolerant(self.reader, at, self.limits)
            self._note(chunk)
            if not chunk.good:
                return after, [_damaged(at)]
            self._admit(chunk, count + len(after))
            after.append(Chunk(chunk.type, chunk.payload, at))
            at = chunk.end
        return after, []


def _damaged(at: int) -> SdcError:
    """The error of a damaged chunk in front of or behind the latent chunks (STAT-06)."""
    return SdcError("E_CHUNK_DAMAGED", where=f"chunk at byte {at}", offset=at)
