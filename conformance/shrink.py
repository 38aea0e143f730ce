"""Makes a stream smaller as long as it still shows what it showed: delta debugging of structure and bytes.

Most of a stream is guarded by CRCs and sizes, so that hardly a byte can leave it alone.
A stream is therefore taken apart into head, chunks and groups and put together again with right lengths,
sizes and CRCs around what is left; what is wrong in these themselves stays as it is, as bytes.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from typing import Any

from sdc.errors import SdcError
from sdc.format.chunks import CRC_SIZE, MAGIC, build_chunk, right_crc, with_crc
from sdc.format.fields import decode_varint, encode_varint

from .make.streams import header_of

Fails = Callable[[bytes], bool]
"""Whether a stream still shows what it showed."""

Part = tuple[int, bytes]
"""Type and payload of a chunk, ``DATA`` and the payload of a group, or ``RAW`` and bytes that are wrong."""

RAW, DATA = -1, -2
MOST = 2000


@dataclass(frozen=True)
class Pieces:
    """A stream taken apart.

    Attributes:
        start: the head from ``width`` to ``version``, or all of it where the rest does not follow.
        entries: first byte of each group in the head; ``None`` where ``start`` is the whole head.
        map: the coded group map.
        before, groups, after: what stands in front of, at and behind the places of the groups; of a withdrawn
            group ``(RAW, b"")``.
    """

    start: bytes
    entries: tuple[int, ...] | None
    map: bytes
    before: tuple[Part, ...]
    groups: tuple[Part, ...]
    after: tuple[Part, ...]

    def build(self) -> bytes:
        """The stream."""
        before, after = (b"".join(map(_bytes, parts)) for parts in (self.before, self.after))
        own = [_bytes(part, self.seed(k)) for k, part in enumerate(self.groups)]
        head = self.start
        if self.entries is not None:
            rows = (bytes([e]) + encode_varint(len(d)) for e, d in zip(self.entries, own, strict=True))
            head += bytes([len(own)]) + encode_varint(len(before)) + b"".join(rows) + self.map
        return MAGIC + header_of(head) + before + b"".join(own) + after

    def seed(self, k: int) -> bytes:
        """What the CRC of a group's data begins with."""
        return b"" if self.entries is None else self.start + self.map + bytes([k, self.entries[k]])

    def less(self) -> Iterator[Pieces]:
        """The same with one thing left out or made plain."""
        for name in ("after", "before"):
            parts = getattr(self, name)
            for k in range(len(parts)):
                yield replace(self, **{name: parts[:k] + parts[k + 1 :]})
        groups, entries = self.groups, self.entries
        for k, entry in enumerate(entries or ()):
            assert entries is not None
            yield replace(self, entries=entries[:k] + entries[k + 1 :], groups=groups[:k] + groups[k + 1 :])
            if groups[k][1]:
                yield replace(self, groups=(*groups[:k], (RAW, b""), *groups[k + 1 :]))
            if entry & 63:
                yield replace(self, entries=(*entries[:k], entry & 192, *entries[k + 1 :]))

    def texts(self) -> list[tuple[str, int]]:
        """Where payloads stand: attribute and place in it."""
        return [("start", 0), ("map", 0)] + [
            (name, k) for name in ("before", "groups", "after") for k in range(len(getattr(self, name)))
        ]

    def text(self, name: str, k: int) -> bytes:
        """A payload."""
        value = getattr(self, name)
        return bytes(value if isinstance(value, bytes) else value[k][1])

    def with_text(self, name: str, k: int, new: bytes) -> Pieces:
        """The same with another payload."""
        value = getattr(self, name)
        whole: Any = new
        if not isinstance(value, bytes):
            whole = (*value[:k], (value[k][0], new), *value[k + 1 :])
        return replace(self, **{name: whole})


def _bytes(part: Part, seed: bytes = b"") -> bytes:
    if part[0] == RAW:
        return part[1]
    return with_crc(part[1], seed) if part[0] == DATA else build_chunk(*part)


def _first(data: bytes) -> Part | None:
    """The right chunk with which some bytes begin."""
    try:
        size, start = decode_varint(data, 1)
    except (SdcError, IndexError):
        return None
    part = (data[0], data[start : start + size])
    return part if data.startswith(_bytes(part)) else None


def _parts(data: bytes) -> tuple[Part, ...]:
    """Chunk after chunk; from the first that is wrong on, bytes."""
    out: list[Part] = []
    while data:
        part = _first(data) or (RAW, data)
        out.append(part)
        data = data[len(_bytes(part)) :]
    return tuple(out)


def take_apart(data: bytes) -> Pieces | None:
    """A stream in pieces; ``None`` if its header has no right length or CRC."""
    try:
        length, at = decode_varint(data, len(MAGIC))
    except (SdcError, IndexError):
        return None
    head, rest = data[at : at + length], data[at + length + CRC_SIZE :]
    whole = Pieces(head, None, b"", (), (), _parts(rest))
    if whole.build() != data:
        return None
    try:
        pieces = _inner(head, rest)
    except (SdcError, IndexError):
        return whole
    return pieces if pieces.build() == data else whole


def _inner(head: bytes, rest: bytes) -> Pieces:
    """Pieces of a stream from its head and what stands behind the header.

    Raises:
        SdcError: a varint is none.
        IndexError: the head is too short.
    """
    at = 0
    for _ in range(4):
        _, at = decode_varint(head, at)
    start = head[: at + 5]
    count = head[at + 5]
    preamble, at = decode_varint(head, at + 6)
    entries, sizes = [], []
    for _ in range(count):
        size, past = decode_varint(head, at + 1)
        entries.append(head[at])
        sizes.append(size)
        at = past
    before, rest = _parts(rest[:preamble]), rest[preamble:]
    pieces = Pieces(start, tuple(entries), head[at:], before, (), ())
    groups: list[Part] = []
    for k, size in enumerate(sizes):
        own, rest = rest[:size], rest[size:]
        right = len(own) >= CRC_SIZE and right_crc(own, pieces.seed(k))
        groups.append((DATA, own[:-CRC_SIZE]) if right else (RAW, own))
    return replace(pieces, groups=tuple(groups), after=_parts(rest))


def fewer(data: bytes, fails: Fails) -> bytes:
    """Bytes left out in ever smaller runs, then made zero, as long as it fails."""
    size = len(data)
    while size:
        at = 0
        while at < len(data):
            rest = data[:at] + data[at + size :]
            if fails(rest):
                data = rest
            else:
                at += size
        size //= 2
    for at in range(len(data)):
        plain = data[:at] + b"\0" + data[at + 1 :]
        if data[at] and fails(plain):
            data = plain
    return data


def shrink(data: bytes, fails: Fails, most: int = MOST) -> bytes:
    """A smaller stream that still fails.

    Args:
        data: a stream that fails.
        fails: what is asked of each attempt.
        most: number of attempts.
    """
    known: dict[bytes, bool] = {}

    def still(new: bytes) -> bool:
        if new not in known:
            known[new] = len(known) < most and fails(new)
        return known[new]

    before = None
    while data != before and len(known) < most:
        before = data
        pieces = take_apart(data)
        if pieces is not None:
            pieces = _plainer(pieces, still)
            data = pieces.build()
        if data == before:
            data = fewer(data, still)
    return data


def _plainer(pieces: Pieces, still: Fails) -> Pieces:
    """Fewer pieces, and then fewer bytes in each."""
    found: Pieces | None = pieces
    while found is not None:
        pieces = found
        found = next((new for new in pieces.less() if still(new.build())), None)
    for name, k in pieces.texts():

        def fits(text: bytes, name: str = name, k: int = k, own: Pieces = pieces) -> bool:
            return still(own.with_text(name, k, text).build())

        pieces = pieces.with_text(name, k, fewer(pieces.text(name, k), fits))
    return pieces
