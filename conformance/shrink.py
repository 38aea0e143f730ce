"""Makes a stream smaller as long as it still shows what it showed: delta debugging of structure and bytes.

Most of a stream is guarded by CRCs and sizes, so that hardly a byte can leave it alone.
A stream is therefore taken apart into chunks and put together again with right lengths, sizes and CRCs
around what is left; what is wrong in these themselves stays as it is, as bytes.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from typing import Any

from sdc.errors import SdcError
from sdc.format.chunks import GRPS, HEAD, MAGIC, MASK
from sdc.format.fields import decode_varint, encode_varint

from .make.streams import chunk

Fails = Callable[[bytes], bool]
"""Whether a stream still shows what it showed."""

Part = tuple[int, bytes]
"""Type and payload of a chunk, or ``RAW`` and the bytes of what is no right chunk."""

RAW = -1
MOST = 2000


@dataclass(frozen=True)
class Pieces:
    """A stream taken apart.

    Attributes:
        head: payload of HEAD.
        grps: payload of GRPS where it does not follow from the rest.
        entries: first byte of each group in GRPS.
        before, latents, after: what stands in front of, at and behind the places of the groups; of a
            withdrawn group ``(RAW, b"")``.
    """

    head: bytes
    grps: bytes | None
    entries: tuple[int, ...]
    before: tuple[Part, ...]
    latents: tuple[Part, ...]
    after: tuple[Part, ...]

    def build(self) -> bytes:
        """The stream."""
        mask = next((payload for kind, payload in self.before if kind == MASK), b"")
        before = b"".join(_bytes(part) for part in self.before)
        own = [
            _bytes(part, self.head + mask + bytes([k, self.entries[k]]))
            for k, part in enumerate(self.latents)
        ]
        rows = (bytes([e]) + encode_varint(len(c)) for e, c in zip(self.entries, own, strict=True))
        grps = bytes([len(self.entries)]) + encode_varint(len(before)) + b"".join(rows)
        first = MAGIC + chunk(HEAD, self.head) + chunk(GRPS, grps if self.grps is None else self.grps)
        return first + before + b"".join(own) + b"".join(_bytes(part) for part in self.after)

    def less(self) -> Iterator[Pieces]:
        """The same with one thing left out or made plain."""
        for name in ("after", "before"):
            parts = getattr(self, name)
            for k in range(len(parts)):
                yield replace(self, **{name: parts[:k] + parts[k + 1 :]})
        if self.grps is None:
            for k, entry in enumerate(self.entries):
                latents, entries = self.latents, self.entries
                yield replace(
                    self, entries=entries[:k] + entries[k + 1 :], latents=latents[:k] + latents[k + 1 :]
                )
                if latents[k][1]:
                    yield replace(self, latents=(*latents[:k], (RAW, b""), *latents[k + 1 :]))
                if entry & 63:
                    yield replace(self, entries=(*entries[:k], entry & 192, *entries[k + 1 :]))

    def texts(self) -> list[tuple[str, int]]:
        """Where payloads stand: attribute and place in it."""
        names = [("head", 0), *([] if self.grps is None else [("grps", 0)])]
        return names + [
            (name, k) for name in ("before", "latents", "after") for k in range(len(getattr(self, name)))
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
    return part[1] if part[0] == RAW else chunk(*part, seed)


def _first(data: bytes, seed: bytes = b"") -> Part | None:
    """The right chunk with which some bytes begin."""
    try:
        size, start = decode_varint(data, 1)
    except (SdcError, IndexError):
        return None
    part = (data[0], data[start : start + size])
    return part if data.startswith(_bytes(part, seed)) else None


def _parts(data: bytes) -> tuple[Part, ...]:
    """Chunk after chunk; from the first that is wrong on, bytes."""
    out: list[Part] = []
    while data:
        part = _first(data) or (RAW, data)
        out.append(part)
        data = data[len(_bytes(part)) :]
    return tuple(out)


def take_apart(data: bytes) -> Pieces | None:
    """A stream in pieces; ``None`` if HEAD or GRPS are no right chunks."""
    head = _first(data[len(MAGIC) :])
    rest = data[len(MAGIC) + len(_bytes(head)) :] if head else b""
    grps = _first(rest)
    if head is None or grps is None:
        return None
    rest = rest[len(_bytes(grps)) :]
    entries, sizes = [], []
    try:
        preamble, at = decode_varint(grps[1], 1)
        for _ in range(grps[1][0]):
            size, past = decode_varint(grps[1], at + 1)
            entries.append(grps[1][at])
            sizes.append(size)
            at = past
    except (SdcError, IndexError):
        preamble, entries, sizes = 0, [], []
    before, rest = _parts(rest[:preamble]), rest[preamble:]
    mask = next((payload for kind, payload in before if kind == MASK), b"")
    latents = []
    for k, size in enumerate(sizes):
        own, rest = rest[:size], rest[size:]
        part = _first(own, head[1] + mask + bytes([k, entries[k]]))
        latents.append(part if part and len(own) == len(_bytes(part)) else (RAW, own))
    pieces = Pieces(head[1], None, tuple(entries), before, tuple(latents), _parts(rest))
    for whole in (pieces, replace(pieces, grps=grps[1])):
        if whole.build() == data:
            return whole
    return None


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
