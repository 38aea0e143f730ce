"""Bytes to streams, in the order of spec section 13.3; errors carry offsets."""

from __future__ import annotations

import zlib
from collections.abc import Collection, Iterable
from dataclasses import dataclass, field, replace

from ..coding.labels import Labels
from ..errors import SdcError
from ..types import LEVELS, LevelLike, Limits, levels_of
from .chunks import (
    ANCILLARY,
    FEATURES,
    GRPS,
    HEAD,
    ICCP,
    LATN,
    MAGIC,
    MASK,
    NAMES,
    OBJS,
    SMALLEST_CHUNK,
    Chunk,
)
from .fields import Traced, decode_varint, parse_payload
from .source import Reader, Source
from .stream import COMPLETE, DAMAGED, TRUNCATED, UNREAD, WITHDRAWN, Group, Head, Stream, judge, with_labels


@dataclass(frozen=True)
class Place:
    """A chunk as a reader met it.

    Attributes:
        size: bytes of the whole chunk that are in the file.
        state: ``complete``, ``truncated`` or ``damaged``.
        group: whose latents it holds.
    """

    type: int
    offset: int
    size: int
    state: str
    group: int | None = None


@dataclass
class Trace:
    """What :func:`parse` met on its way, also when an error ended it.

    Attributes:
        fields: every field of HEAD and GRPS, in file order.
        places: every chunk, in file order.
        head: HEAD, once it is read.
        stream: what is known of the stream, once GRPS is read.
        labels: the group map, once it is decoded.
    """

    fields: list[Traced] = field(default_factory=list)
    places: list[Place] = field(default_factory=list)
    head: Head | None = None
    stream: Stream | None = None
    labels: Labels | None = None

    def note(self, chunk: _Walk) -> None:
        """Add a chunk that was walked over."""
        state = COMPLETE if chunk.good else DAMAGED if chunk.whole else TRUNCATED
        self.places.append(Place(chunk.type, chunk.offset, len(chunk.data), state))


@dataclass
class _Walk:
    """A chunk as found: ``data`` is the whole chunk, ``good`` whether its CRC is right."""

    type: int
    offset: int
    header: int
    data: bytes
    whole: bool
    good: bool

    @property
    def payload(self) -> bytes:
        return self.data[self.header : -4]

    @property
    def end(self) -> int:
        return self.offset + len(self.data)


def _next(reader: Reader, at: int, limits: Limits) -> _Walk:
    """Read the chunk at an offset, whatever is wrong with it; a bad length reads as not whole."""
    head = reader.at(at, 6)
    kind = head[0] if head else 0
    try:
        length, used = decode_varint(head, 1, at)
    except IndexError:
        return _Walk(kind, at, 0, head, False, False)
    if length > limits.chunk_bytes:
        if at + used + length + 4 > reader.size:
            return _Walk(kind, at, used, head, False, False)
        raise SdcError("E_LIMIT", f"a chunk of {length} bytes", offset=at)
    data = reader.at(at, used + length + 4)
    whole = len(data) == used + length + 4
    good = whole and zlib.crc32(data[:-4]) == int.from_bytes(data[-4:], "little")
    return _Walk(kind, at, used, data, whole, good)


def _lenient(reader: Reader, at: int, limits: Limits) -> _Walk:
    """Like :func:`_next`; a length that is no varint makes a damaged chunk (STAT-06)."""
    try:
        return _next(reader, at, limits)
    except SdcError as error:
        if error.code != "E_VARINT":
            raise
        return _Walk(reader.at(at, 1)[0], at, 0, b"", True, False)


def _required(reader: Reader, at: int, kind: int, limits: Limits, trace: Trace) -> _Walk:
    """Read HEAD or GRPS, without which nothing can be read."""
    chunk = _next(reader, at, limits)
    if chunk.data:
        trace.note(chunk)
    if not chunk.whole:
        raise SdcError("E_TRUNCATED", f"the file ends within {NAMES[kind]}", offset=reader.size)
    if not chunk.good:
        raise SdcError("E_CHUNK_CRC", f"CRC-32 of the chunk is wrong where {NAMES[kind]} stands", offset=at)
    if chunk.type != kind:
        raise SdcError("E_CHUNK_ORDER", f"{NAMES[kind]} is missing", offset=at)
    return chunk


def parse(
    source: Source, *, limits: Limits = Limits(), body: bool = True, trace: Trace | None = None
) -> Stream:
    """Parse a stream.

    Args:
        source: the file's bytes, or a seekable binary reader.
        limits: what the caller agrees to hold in memory.
        body: ``False`` stops after MASK; groups are then ``unread`` and :meth:`Stream.prefix` and
            :meth:`Stream.ranges` say which bytes to fetch.  A prefix will do that holds so much
            (:func:`preamble_size`).
        trace: receives what is met on the way, also before an error.

    Returns:
        The stream; ``state`` is ``valid`` or ``partial``.

    Raises:
        SdcError: the stream is invalid or unsupported, or breaks ``limits``; ``E_USAGE`` for what is no
            source.
    """
    reader = Reader(source)
    trace = Trace() if trace is None else trace
    stream, first = _front(reader, limits, body, trace)
    return _body(stream, reader, first, limits, trace) if body else stream


def parse_asked(
    source: Source,
    groups: Iterable[int] | None,
    levels: LevelLike | Iterable[LevelLike] | None,
    *,
    limits: Limits,
    behind: bool,
) -> tuple[Stream, list[int]]:
    """Parse a stream of which some groups are asked for, without reading the others from a reader (STAT-11).

    Bytes, which are here, are parsed whole, and so is a reader when no groups and no levels are given.

    Args:
        groups, levels: as for :func:`sdc.decode`.
        behind: whether chunks behind the groups are read all the same.

    Returns:
        ``(the stream, indices of the groups asked for)``; groups that were not read are ``unread``.

    Raises:
        SdcError: as :func:`parse`; ``E_USAGE`` as :meth:`Stream.select`.
    """
    named = levels_of(levels)
    reader, trace = Reader(source), Trace()
    stream, first = _front(reader, limits, True, trace)
    if reader.held or (groups is None and named is None):
        stream = _body(stream, reader, first, limits, trace)
        return stream, stream.select(groups, named)
    chosen = stream.select(groups, named)
    return _body(stream, reader, first, limits, trace, chosen, behind), chosen


def preamble_size(prefix: bytes) -> int:
    """Bytes from the start of a stream up to its first group, or up to what tells where that is.

    With 64 bytes or more to begin with, the third fetch at the latest has all that stands in front of the
    groups: HEAD, GRPS, MASK, the colour profile, and the objects where they are written first.

    Args:
        prefix: some bytes of the file from its start, at least one.

    Returns:
        The size, which may be less than the prefix has.

    Raises:
        SdcError: as :func:`parse`, but for ``E_TRUNCATED``.
    """
    trace = Trace()
    try:
        return parse(prefix, body=False, trace=trace).groups[0].offset
    except SdcError as error:
        if error.code != "E_TRUNCATED":
            raise
    if trace.stream is not None:
        return trace.stream.groups[0].offset
    at = len(MAGIC) if trace.head is None else trace.places[0].offset + trace.places[0].size
    try:
        length, used = decode_varint(Reader(prefix).at(at, SMALLEST_CHUNK), 1, at)
    except IndexError:
        return at + SMALLEST_CHUNK
    return at + used + length + 4


def _front(reader: Reader, limits: Limits, body: bool, trace: Trace) -> tuple[Stream, int]:
    """Read HEAD, GRPS, MASK and, for a body, the rest of the preamble.

    Returns:
        ``(the stream, offset of the first latent chunk)``.
    """
    magic = reader.at(0, 4)
    if magic != MAGIC:
        if MAGIC.startswith(magic) and magic:
            raise SdcError("E_TRUNCATED", "the file ends within the magic number", offset=len(magic))
        raise SdcError("E_MAGIC", offset=0)
    chunk = _required(reader, 4, HEAD, limits, trace)
    seen = len(trace.fields)
    try:
        v = parse_payload("HEAD", chunk.payload, chunk.offset + chunk.header, trace.fields)
        trace.head = head = Head(v.width, v.height, v.model, v.weights, v.features, v.version)
    finally:
        # An unknown feature may change all that stands behind it, so it counts first (HEAD-03).
        for entry in trace.fields[seen:]:
            if entry.path == "HEAD.features" and entry.value & ~FEATURES:
                raise SdcError(
                    "E_FEATURE", f"required features 0x{entry.value:X}", entry.path, entry.offset
                ) from None
    if v.width * v.height > 1 << 30:
        raise SdcError("E_HEAD_SIZE", f"{v.width} x {v.height} pixels", "HEAD.height", chunk.offset)
    if v.width * v.height > limits.pixels:
        raise SdcError("E_LIMIT", f"{v.width} x {v.height} pixels", "HEAD.width", chunk.offset)
    chunk = _required(reader, chunk.end, GRPS, limits, trace)
    groups, first = _groups(head, chunk, trace)
    trace.stream = stream = Stream(head, groups, size=reader.size, behind=False)
    trace.stream = stream = _preamble(stream, reader, chunk.end, first, limits, body, trace)
    trace.labels = stream.labels
    return stream, first


def _groups(head: Head, chunk: _Walk, trace: Trace) -> tuple[tuple[Group, ...], int]:
    """Groups of GRPS with their offsets, and the offset of the first latent chunk."""
    values = parse_payload("GRPS", chunk.payload, chunk.offset + chunk.header, trace.fields)
    where = chunk.offset
    if values.count > head.rows * head.cols:
        raise SdcError(
            "E_GRPS_COUNT", f"{values.count} groups in {head.rows * head.cols} cells", "GRPS.count", where
        )
    first = at = chunk.end + values.preamble
    groups: list[Group] = []
    for k, item in enumerate(values.groups):
        level, quality = LEVELS[item.level_quality >> 6], item.level_quality & 63
        if groups and level < groups[-1].level:
            raise SdcError(
                "E_GRPS_ORDER", f"group {k} is more important than group {k - 1}", f"GRPS.groups[{k}]", where
            )
        if 0 < item.size < SMALLEST_CHUNK:
            raise SdcError("E_GRPS_SIZE", f"group {k} has {item.size} bytes", f"GRPS.groups[{k}].size", where)
        groups.append(Group(k, level, quality, item.size, at, UNREAD if item.size else WITHDRAWN))
        at += item.size
    return tuple(groups), first


def _preamble(
    stream: Stream, reader: Reader, at: int, first: int, limits: Limits, body: bool, trace: Trace
) -> Stream:
    """Read MASK and what stands between it and the latent chunks."""
    mask: _Walk | None = None
    before: list[Chunk] = []
    errors: list[SdcError] = []
    seen: set[int] = set()
    start = at
    while at < first:
        is_mask = at == start and reader.at(at, 1) == bytes([MASK])
        if not body and not is_mask and (mask is not None or len(stream.groups) == 1):
            break
        chunk = (_next if is_mask else _lenient)(reader, at, limits)
        if at < reader.size:
            trace.note(chunk)
        if is_mask and not chunk.whole:
            raise SdcError("E_TRUNCATED", "the file ends within MASK", offset=reader.size)
        if is_mask and not chunk.good:
            raise SdcError("E_CHUNK_CRC", "CRC-32 of MASK is wrong", offset=at)
        if not chunk.good:
            if len(stream.groups) > 1 and mask is None and not chunk.whole:
                raise SdcError("E_TRUNCATED", "the file ends before MASK", offset=reader.size)
            errors.append(SdcError("E_CHUNK_DAMAGED", where=f"chunk at byte {at}", offset=at))
            break
        if chunk.type == LATN:
            raise SdcError("E_GRPS_PREAMBLE", "a latent chunk within the preamble", offset=at)
        if chunk.end > first:
            raise SdcError(
                "E_GRPS_PREAMBLE", f"{NAMES.get(chunk.type, 'a chunk')} reaches past the preamble", offset=at
            )
        if is_mask:
            mask = chunk
        else:
            _admit(chunk, seen, late=False)
            _count(len(before), limits, at)
            before.append(Chunk(chunk.type, chunk.payload, at))
        seen.add(chunk.type)
        at = chunk.end
    if len(stream.groups) > 1 and mask is None:
        raise SdcError("E_MASK_MISSING", offset=at)
    return replace(
        stream,
        mask=None if mask is None else mask.payload,
        mask_offset=0 if mask is None else mask.offset,
        before=tuple(before),
        errors=tuple(errors),
    )


def _count(chunks: int, limits: Limits, at: int) -> None:
    """Refuse another ancillary chunk beyond the limit."""
    if chunks >= limits.chunks:
        raise SdcError("E_LIMIT", f"more than {limits.chunks} ancillary chunks", offset=at)


def _admit(chunk: _Walk, seen: set[int], late: bool) -> None:
    """Check order and number of a chunk whose CRC is right.

    Args:
        seen: types of the chunks before it, beyond HEAD and GRPS.
        late: whether it stands behind the latent chunks.
    """
    kind, at = chunk.type, chunk.offset
    if kind in (HEAD, GRPS) or (kind in (MASK, OBJS, ICCP) and kind in seen):
        raise SdcError("E_CHUNK_DUPLICATE", f"a second {NAMES[kind]}", offset=at)
    if kind in (MASK, LATN) or (kind == ICCP and (late or seen - {MASK})):
        raise SdcError("E_CHUNK_ORDER", f"{NAMES[kind]} stands too late", offset=at)
    if not kind & ANCILLARY:
        raise SdcError("E_CHUNK_CRITICAL", f"unknown critical chunk type 0x{kind:02X}", offset=at)


def _body(
    stream: Stream,
    reader: Reader,
    first: int,
    limits: Limits,
    trace: Trace,
    chosen: Collection[int] | None = None,
    behind: bool = True,
) -> Stream:
    """Read the latent chunks, of the chosen groups if any are named, and what stands behind them."""
    groups: list[Group] = []
    errors = list(stream.errors)
    at = first
    for g in stream.groups:
        if g.size and (chosen is None or g.index in chosen):
            if g.size > limits.chunk_bytes and g.offset + g.size <= reader.size:
                raise SdcError("E_LIMIT", f"a chunk of {g.size} bytes", f"group {g.index}", g.offset)
            available = min(g.size, max(0, reader.size - g.offset))
            g = judge(stream, g, reader.at(g.offset, available))
            if available:
                trace.places.append(Place(LATN, g.offset, available, g.state, g.index))
        at = g.offset + g.size
        groups.append(g)
    known = replace(stream, groups=tuple(groups))
    errors += [known.missing(g.index) for g in groups if g.state in (TRUNCATED, DAMAGED)]
    after: list[Chunk] = []
    seen = {c.type for c in stream.before} | ({MASK} if stream.mask is not None else set())
    while behind and at < reader.size:
        chunk = _lenient(reader, at, limits)
        trace.note(chunk)
        if not chunk.good:
            errors.append(SdcError("E_CHUNK_DAMAGED", where=f"chunk at byte {at}", offset=at))
            break
        _admit(chunk, seen, late=True)
        seen.add(chunk.type)
        _count(len(stream.before) + len(after), limits, at)
        after.append(Chunk(chunk.type, chunk.payload, at))
        at = chunk.end
    return with_labels(
        replace(stream, groups=tuple(groups), after=tuple(after), errors=tuple(errors), behind=behind), stream
    )
