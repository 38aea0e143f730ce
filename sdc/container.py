"""The container: bytes to frozen structures and back (spec sections "Container" to "MASK").

No I/O of its own beyond reading from what it is given: bytes or a seekable binary reader.
"""

from __future__ import annotations

import io
import zlib
from collections.abc import Collection, Iterable
from dataclasses import dataclass, field, replace
from functools import cached_property
from operator import index
from typing import TYPE_CHECKING, BinaryIO, cast

import numpy as np
import numpy.typing as npt

from .errors import SdcError
from .mask import Labels, decode_map
from .structures import Traced, build_payload, decode_varint, encode_varint, parse_payload

if TYPE_CHECKING:
    from .objects import Object

MAGIC = b"\xd3SDC"
VERSION = 0x10
CELL = 16
LEVELS = ("L1", "L2", "L3", "other")
LEVEL_CODES = {"1": 0, "2": 1, "3": 2, **{name.lower(): code for code, name in enumerate(LEVELS)}}
"""Code of each level by what a caller may call it, in lower case."""

HEAD, GRPS, MASK, LATN = 0x01, 0x02, 0x03, 0x04
OBJS, PROV, ICCP = 0x81, 0x82, 0xC1
NAMES = {
    HEAD: "HEAD",
    GRPS: "GRPS",
    MASK: "MASK",
    LATN: "LATN",
    OBJS: "OBJS",
    PROV: "PROV",
    ICCP: "ICCP",
}
ANCILLARY, SAFE_TO_COPY = 0x80, 0x40
FEATURES = 0
"""Required-feature bits this reader knows: none."""
SMALLEST_CHUNK = 6
ICC_BYTES = (128, 1 << 20)
COMPLETE, WITHDRAWN, TRUNCATED, DAMAGED = "complete", "withdrawn", "truncated", "damaged"
UNREAD = "unread"

Source = bytes | bytearray | memoryview | npt.NDArray[np.uint8] | BinaryIO


@dataclass(frozen=True)
class Limits:
    """What a reader agrees to hold in memory; beyond it ``E_LIMIT`` (spec section "Limits")."""

    pixels: int = 1 << 28
    chunk_bytes: int = 1 << 30
    chunks: int = 4096
    """Ancillary chunks."""
    mask_pixels: int = 1 << 26
    """Pixels of all pixel masks of OBJS together."""


@dataclass(frozen=True)
class Head:
    """HEAD: size in pixels, required features, model number and the start of its hash."""

    width: int
    height: int
    model: int
    weights: bytes
    features: int = 0
    version: int = VERSION

    @property
    def rows(self) -> int:
        """Rows of cells."""
        return -(-self.height // CELL)

    @property
    def cols(self) -> int:
        """Columns of cells."""
        return -(-self.width // CELL)


@dataclass(frozen=True)
class Group:
    """A group as GRPS lists it, and the state of its chunk.

    Attributes:
        size: bytes of the whole chunk, 0 when withdrawn.
        offset: of its chunk in the file (where it would stand, when withdrawn).
        state: ``complete``, ``withdrawn``, ``truncated``, ``damaged``, or ``unread`` when a
            reader stopped after MASK or was asked for other groups.
        payload: the rANS stream of a complete group.
    """

    index: int
    level: int
    quality: int
    size: int = 0
    offset: int = 0
    state: str = UNREAD
    payload: bytes | None = field(default=None, repr=False)

    @property
    def level_quality(self) -> int:
        """The byte of GRPS that holds both."""
        return self.level << 6 | self.quality

    @property
    def level_name(self) -> str:
        """``L1``, ``L2``, ``L3`` or ``other``."""
        return LEVELS[self.level]


@dataclass(frozen=True)
class Chunk:
    """A chunk kept byte for byte."""

    type: int
    payload: bytes = field(repr=False)
    offset: int = 0

    @property
    def name(self) -> str:
        """Name of the chunk type, or its number in hex."""
        return NAMES.get(self.type, f"0x{self.type:02X}")

    @property
    def size(self) -> int:
        """Bytes of the whole chunk."""
        return 1 + len(encode_varint(len(self.payload))) + len(self.payload) + 4


@dataclass(frozen=True)
class Stream:
    """A parsed stream.

    Attributes:
        mask: payload of MASK, or ``None`` when one group fills the picture.
        before: chunks between MASK and the first latent chunk.
        after: chunks behind the last latent chunk.
        errors: what is missing or damaged in a partial stream.
        size: bytes of the file.
    """

    head: Head
    groups: tuple[Group, ...]
    mask: bytes | None = None
    before: tuple[Chunk, ...] = ()
    after: tuple[Chunk, ...] = ()
    errors: tuple[SdcError, ...] = ()
    size: int = 0
    mask_offset: int = 0

    @property
    def state(self) -> str:
        """``valid`` or ``partial``; the other states are exceptions."""
        return "partial" if self.errors else "valid"

    @cached_property
    def labels(self) -> Labels:
        """Group map, ``uint8 [rows, cols]``: 0 for no group, ``k + 1`` for group ``k``.

        Raises:
            SdcError: ``E_RANS_*``, ``E_MASK_LABEL``, ``E_MASK_EMPTY_GROUP`` or ``E_MASK_REDUNDANT``.
        """
        rows, cols, count = self.head.rows, self.head.cols, len(self.groups)
        if self.mask is None:
            return np.ones((rows, cols), np.uint8)
        try:
            labels = decode_map(self.mask, rows, cols, count)
        except SdcError as error:
            raise SdcError(error.code, error.message, "MASK", self.mask_offset) from None
        present = np.bincount(labels.reshape(-1), minlength=count + 1)
        for k in range(count):
            if not present[k + 1]:
                raise SdcError("E_MASK_EMPTY_GROUP", f"group {k} has no cell", "MASK", self.mask_offset)
        if count == 1 and not present[0]:
            raise SdcError("E_MASK_REDUNDANT", where="MASK", offset=self.mask_offset)
        return labels

    def chunk(self, kind: int) -> Chunk | None:
        """The first ancillary chunk of a type, if there is one."""
        return next((c for c in self.before + self.after if c.type == kind), None)

    @cached_property
    def objects(self) -> tuple[Object, ...]:
        """Objects that the stream describes, with their pixel masks, in order of rank.

        There are none when it has no OBJS, and when OBJS has not been read: it may stand behind all groups.

        Raises:
            SdcError: as :func:`sdc.metadata.parse_objects`, which can do without the masks.
        """
        from .metadata import parse_objects

        return parse_objects(self)

    def select(
        self, groups: Iterable[int] | None = None, levels: Iterable[int | str] | None = None
    ) -> list[int]:
        """Indices of the groups asked for.

        Args:
            groups: by index.
            levels: by level, as name or code (0 to 3); what a caller gave as levels goes through
                :func:`level_codes` first.  Neither of the two asks for all groups that are not withdrawn or
                unread.

        Raises:
            SdcError: ``E_USAGE`` for a group that the stream does not have, for what is no level,
                or when both are given.
        """
        if groups is not None and levels is not None:
            raise SdcError("E_USAGE", "groups are chosen by index or by level, not by both")
        if groups is not None:
            try:
                chosen = sorted({index(k) for k in groups})
            except TypeError:
                raise SdcError("E_USAGE", "groups are a list of whole numbers") from None
            if chosen and not 0 <= chosen[0] <= chosen[-1] < len(self.groups):
                raise SdcError("E_USAGE", f"the stream has groups 0 to {len(self.groups) - 1}")
            return chosen
        if levels is None:
            return [g.index for g in self.groups if g.state not in (WITHDRAWN, UNREAD)]
        if isinstance(levels, (str, int)):
            raise SdcError("E_USAGE", "levels are a list")
        wanted = {level_code(level) for level in levels}
        return [g.index for g in self.groups if g.level in wanted]

    def missing(self, index: int) -> SdcError:
        """The error of a group that is asked for and not complete."""
        g = self.groups[index]
        where = f"group {g.index}, {g.level_name}"
        if g.state == UNREAD:
            return SdcError("E_GROUP_TRUNCATED", "the group's chunk has not been read", where, g.offset)
        return SdcError(f"E_GROUP_{g.state.upper()}", where=where, offset=g.offset)

    def _chunks(self, groups: Iterable[int] | None, levels: Iterable[str] | None) -> list[Group]:
        """The groups asked for, all by default, but those that are withdrawn."""
        codes = level_codes(levels)
        everything = range(len(self.groups))
        chosen = everything if groups is None and codes is None else self.select(groups, codes)
        return [self.groups[k] for k in chosen if self.groups[k].size]

    def ranges(
        self, groups: Iterable[int] | None = None, levels: Iterable[str] | None = None
    ) -> list[tuple[int, int]]:
        """Byte ranges ``(offset, length)`` of some groups' chunks (all by default), neighbours merged.

        Args:
            groups, levels: as for :func:`sdc.decode`.

        Raises:
            SdcError: ``E_USAGE``.
        """
        merged: list[tuple[int, int]] = []
        for g in self._chunks(groups, levels):
            if merged and sum(merged[-1]) == g.offset:
                merged[-1] = (merged[-1][0], merged[-1][1] + g.size)
            else:
                merged.append((g.offset, g.size))
        return merged

    def prefix(self, groups: Iterable[int] | None = None, levels: Iterable[str] | None = None) -> int:
        """Bytes from the start of the file up to the end of some groups' chunks (all by default).

        That is the preamble at least, also when the stream has none of these groups.

        Args:
            groups, levels: as for :func:`sdc.decode`.

        Raises:
            SdcError: ``E_USAGE``.
        """
        ends = [g.offset + g.size for g in self._chunks(groups, levels)]
        return max(ends, default=self.groups[0].offset)

    def seed(self, group: Group) -> bytes:
        """What the CRC of a latent chunk starts with (LATN-04)."""
        return build_head(self.head) + (self.mask or b"") + bytes([group.index, group.level_quality])

    def with_chunk(self, index: int, data: bytes) -> Stream:
        """This stream with the bytes of one group's chunk, as a byte range brought them.

        Args:
            index: of the group, which becomes complete, truncated or damaged; a withdrawn one stays so.
            data: its chunk; bytes beyond its size are not looked at.

        Raises:
            SdcError: ``E_LATN_SIZE`` or ``E_VARINT``; ``E_USAGE`` for a group that the stream does not have.
        """
        (index,) = self.select([index])
        group = _judge(self, self.groups[index], Reader(data).at(0, self.groups[index].size))
        changed = replace(self, groups=(*self.groups[:index], group, *self.groups[index + 1 :]))
        errors = tuple(e for e in self.errors if e.offset != group.offset)
        if group.state in (TRUNCATED, DAMAGED):
            errors += (changed.missing(index),)
        return _with_labels(replace(changed, errors=errors), self)


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


def build_head(head: Head) -> bytes:
    """Payload of HEAD."""
    return build_payload(
        "HEAD",
        {
            "width": head.width,
            "height": head.height,
            "features": head.features,
            "model": head.model,
            "weights": head.weights,
            "version": head.version,
        },
    )


def build_chunk(kind: int, payload: bytes, seed: bytes = b"") -> bytes:
    """Bytes of a chunk; ``seed`` goes before the CRC of a latent chunk."""
    body = bytes([kind]) + encode_varint(len(payload)) + payload
    return body + zlib.crc32(seed + body).to_bytes(4, "little")


def build(stream: Stream) -> bytes:
    """Bytes of a stream, in canonical form; sizes and offsets in ``stream`` are not looked at.

    Raises:
        SdcError: ``E_GROUP_TRUNCATED`` or ``E_GROUP_DAMAGED`` when a group has no payload to write.
    """
    latents = []
    for g in stream.groups:
        if g.state == WITHDRAWN:
            latents.append(b"")
        elif g.payload is None:
            raise stream.missing(g.index)
        else:
            latents.append(build_chunk(LATN, g.payload, stream.seed(g)))
    before = b"" if stream.mask is None else build_chunk(MASK, stream.mask)
    before += b"".join(build_chunk(c.type, c.payload) for c in stream.before)
    groups = build_payload(
        "GRPS",
        {
            "count": len(stream.groups),
            "preamble": len(before),
            "groups": [
                {"level_quality": g.level_quality, "size": len(c)}
                for g, c in zip(stream.groups, latents, strict=True)
            ],
        },
    )
    return b"".join(
        [
            MAGIC,
            build_chunk(HEAD, build_head(stream.head)),
            build_chunk(GRPS, groups),
            before,
            *latents,
            *(build_chunk(c.type, c.payload) for c in stream.after),
        ]
    )


def level_code(level: int | str) -> int:
    """Code of a level that is given by code or name.

    Raises:
        SdcError: ``E_USAGE``.
    """
    if isinstance(level, str) and level.lower() in LEVEL_CODES:
        return LEVEL_CODES[level.lower()]
    if isinstance(level, int) and 0 <= level < len(LEVELS):
        return level
    raise SdcError("E_USAGE", f"a level is one of {', '.join(LEVELS)}, not {level!r}")


def level_codes(levels: Iterable[str] | None) -> list[int] | None:
    """Codes of levels by name: ``L1``, ``l1`` or ``1``, and so on; ``None`` when no levels are given.

    Raises:
        SdcError: ``E_USAGE``, also for numbers: 1 is L1 on the command line and L2 in GRPS.
    """
    if levels is None:
        return None
    if isinstance(levels, str) or not isinstance(levels, Iterable):
        raise SdcError("E_USAGE", f'levels are a list of names, such as ["L1"], not {levels!r}')
    codes = []
    for level in levels:
        if not isinstance(level, str):
            counted = isinstance(level, (int, np.integer)) and 1 <= level <= 3
            hint = f'; level {level:d} is "L{level:d}"' if counted else ""
            raise SdcError("E_USAGE", f"a level is one of the names {', '.join(LEVELS)}, not {level!r}{hint}")
        codes.append(level_code(level))
    return codes


def _with_labels(stream: Stream, old: Stream) -> Stream:
    """``stream`` with the group map that ``old`` has decoded already."""
    if "labels" in old.__dict__:
        stream.__dict__["labels"] = old.labels
    return stream


class Reader:
    """Reads ranges of a source, whole even where the source gives them in parts.

    Attributes:
        held: whether the source is bytes, of which none need be fetched.
        size: bytes of the source.

    Raises:
        SdcError: ``E_USAGE`` for what is no source.
    """

    def __init__(self, source: Source):
        wrong = SdcError(
            "E_USAGE", f"a stream is bytes or a seekable binary reader, not {type(source).__name__}"
        )
        self.held = not hasattr(source, "seek")
        self.file: BinaryIO
        if not self.held:
            self.file = cast(BinaryIO, source)
        elif isinstance(source, bytes):
            self.file = io.BytesIO(source)
        else:
            try:
                view = memoryview(cast(bytearray, source))
            except TypeError:
                raise wrong from None
            if not (view.ndim == view.itemsize == 1 and view.contiguous):
                raise SdcError("E_USAGE", "bytes of a stream that are an array lie in one row without gaps")
            self.file = io.BytesIO(view)
        if isinstance(source, io.TextIOBase):
            raise wrong
        try:
            end = cast("int | None", self.file.seek(0, io.SEEK_END))
        except io.UnsupportedOperation:
            raise wrong from None
        self.size = self.file.tell() if end is None else end  # mmap has given no place before Python 3.13

    def at(self, offset: int, size: int) -> bytes:
        """``size`` bytes from ``offset`` on, fewer only where the file ends.

        Raises:
            SdcError: ``E_IO`` when the source has nothing to give although it has not ended.
        """
        size = max(0, min(size, self.size - offset))  # a promise is not allocated (LIMT-01)
        self.file.seek(offset)
        parts: list[bytes] = []
        while size:
            part = self.file.read(size)
            if not part:
                raise SdcError("E_IO", "the source ends before the size it stated", offset=offset)
            parts.append(part)
            size -= len(part)
        return parts[0] if len(parts) == 1 else b"".join(parts)


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
    levels: Iterable[str] | None,
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
    codes = level_codes(levels)
    reader, trace = Reader(source), Trace()
    stream, first = _front(reader, limits, True, trace)
    if reader.held or (groups is None and codes is None):
        stream = _body(stream, reader, first, limits, trace)
        return stream, stream.select(groups, codes)
    chosen = stream.select(groups, codes)
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
    trace.stream = stream = Stream(head, groups, size=reader.size)
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
        level, quality = item.level_quality >> 6, item.level_quality & 63
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


def _judge(stream: Stream, group: Group, data: bytes) -> Group:
    """State of a group whose chunk's bytes are ``data`` (fewer than its size at the file's end)."""
    if not group.size:
        return group
    if len(data) < group.size:
        return replace(group, state=TRUNCATED, payload=None)
    if zlib.crc32(stream.seed(group) + data[:-4]) != int.from_bytes(data[-4:], "little"):
        return replace(group, state=DAMAGED, payload=None)
    where = f"group {group.index}"
    try:
        length, used = decode_varint(data[:-4], 1, group.offset)
    except IndexError:
        raise SdcError("E_LATN_SIZE", where=where, offset=group.offset) from None
    if data[0] != LATN or used + length + 4 != group.size:
        raise SdcError("E_LATN_SIZE", where=where, offset=group.offset)
    return replace(group, state=COMPLETE, payload=data[used:-4])


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
            g = _judge(stream, g, reader.at(g.offset, available))
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
    return _with_labels(
        replace(stream, groups=tuple(groups), after=tuple(after), errors=tuple(errors)), stream
    )
