"""Streams of DEFLATE written bit by bit, right and wrong: always the same bytes, whatever zlib is here."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from sdc.format.fields import encode_varint

ORDER = (16, 17, 18, 0, 8, 7, 9, 6, 10, 5, 11, 4, 12, 3, 13, 2, 14, 1, 15)
"""In which the lengths of codes of lengths stand (RFC 1951, 3.2.7)."""

END = 256
"""Symbol of the end of a block."""

LONGEST = 258
"""Bytes of the longest copy, of symbol 285."""

Lengths = Mapping[int, int]
"""Bits of the code of each symbol that has one."""

FIXED_LITERALS: Lengths = {s: 8 if s < 144 else 9 if s < 256 else 7 if s < 280 else 8 for s in range(288)}
FIXED_DISTANCES: Lengths = dict.fromkeys(range(32), 5)


Coded = int | tuple[int, int, int]
"""A symbol of the code of lengths, or one with a value and its bits behind it."""


class Bits:
    """Bits in the order of DEFLATE, from the lowest of each byte on."""

    def __init__(self) -> None:
        self.bits: list[int] = []

    def put(self, value: int, size: int) -> Bits:
        """A number, its lowest bit first."""
        self.bits += [value >> k & 1 for k in range(size)]
        return self

    def code(self, lengths: Lengths, *symbols: int) -> Bits:
        """Symbols by the codes that belong to some lengths (RFC 1951, 3.2.2)."""
        codes = codes_of(lengths)
        for symbol in symbols:
            self.bits += [int(b) for b in codes[symbol]]
        return self

    def end(self) -> Bits:
        """The end of a block of fixed codes."""
        return self.code(FIXED_LITERALS, END)

    def bytes(self) -> bytes:
        """The bytes, with zeros in bits that are left over."""
        bits = [*self.bits, *[0] * (-len(self.bits) % 8)]
        return bytes(sum(b << k for k, b in enumerate(bits[at : at + 8])) for at in range(0, len(bits), 8))


def codes_of(lengths: Lengths) -> dict[int, str]:
    """The code of each symbol, as its bits from the first to the last."""
    out, code, last = {}, 0, 0
    for size, symbol in sorted((size, symbol) for symbol, size in lengths.items()):
        code <<= size - last
        out[symbol] = f"{code:0{size}b}"[-size:]
        code, last = code + 1, size
    return out


def stored(content: bytes, block: int = 65535) -> bytes:
    """A stream of stored blocks."""
    pieces = [content[at : at + block] for at in range(0, len(content), block)] or [b""]
    out = b""
    for k, piece in enumerate(pieces):
        last = k == len(pieces) - 1
        out += bytes([last]) + len(piece).to_bytes(2, "little") + (len(piece) ^ 0xFFFF).to_bytes(2, "little")
        out += piece
    return out


def begin_fixed() -> Bits:
    """The beginning of a last block of fixed codes."""
    return Bits().put(1, 1).put(1, 2)


def fixed(content: bytes, repeats: int = 0) -> bytes:
    """A stream of one block of fixed codes: literals, the last of them ``LONGEST * repeats`` times more."""
    own = begin_fixed().code(FIXED_LITERALS, *content)
    for _ in range(repeats):
        own.code(FIXED_LITERALS, 285).code(FIXED_DISTANCES, 0)
    return own.end().bytes()


def dynamic_head(
    literals: Lengths,
    distances: Lengths,
    *,
    counts: tuple[int, int] | None = None,
    own: Lengths | None = None,
    coded: Sequence[Coded] | None = None,
) -> Bits:
    """The beginning of a last block with codes of its own.

    Args:
        literals, distances: lengths of the codes.
        counts: how many lengths of either there are, by default as many as are needed.
        own: lengths of the codes of lengths.
        coded: what is coded by them.
    """
    many = counts or (max(257, *(s + 1 for s in literals)), max(1, *(s + 1 for s in distances), 1))
    if coded is None:
        coded = [literals.get(s, 0) for s in range(many[0])] + [distances.get(s, 0) for s in range(many[1])]
    own = dict.fromkeys(range(16), 4) if own is None else own
    out = Bits().put(1, 1).put(2, 2).put(many[0] - 257, 5).put(many[1] - 1, 5).put(19 - 4, 4)
    for symbol in ORDER:
        out.put(own.get(symbol, 0), 3)
    for item in coded:
        symbol, value, size = item if isinstance(item, tuple) else (item, 0, 0)
        out.code(own, symbol).put(value, size)
    return out


def bomb(size: int) -> bytes:
    """A stream of about ``size`` bytes of zero, in two bits for each :data:`LONGEST` of them."""
    literals = {0: 2, END: 2, 285: 1}
    own = dynamic_head(literals, {0: 1}).code(literals, 0)
    for _ in range(size // LONGEST):
        own.code(literals, 285).code({0: 1}, 0)
    return own.code(literals, END).bytes()


def payload(content: bytes, *, size: int | bytes | None = None, stream: bytes | None = None) -> bytes:
    """Payload of a deflated chunk, of which any part may be wrong.

    Args:
        size: that it states, as a number or as bytes.
        stream: of DEFLATE, by default the content in stored blocks.
    """
    number = len(content) if size is None else size
    first = number if isinstance(number, bytes) else encode_varint(number)
    return first + (stored(content) if stream is None else stream)
