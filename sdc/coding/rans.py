"""rANS coder (spec section "Entropy decoding").

The invariants: the state ``x`` is below ``2**32``, and at least ``2**16`` as long as words are
left; words have 16 bits, frequencies of an alphabet sum to ``2**15`` and each is at least 1.
An encoder works backwards from the state 0, so it collects intervals first; the decoder then
reads in natural order, and must end in that state, which makes the coding of a sequence of
symbols unique (RANS-07).
"""

from __future__ import annotations

from array import array
from collections.abc import Iterator

import numpy as np

from ..errors import SdcError

TOTAL_BITS = 15
TOTAL = 1 << TOTAL_BITS
STATE_MIN = 1 << 16

Alphabet = tuple[bytes, list[int], list[int]]
"""``(symbol by slot, frequency by symbol, start by symbol)``."""


class Encoder:
    """Collects coding intervals in decoding order; :meth:`finish` codes them."""

    def __init__(self) -> None:
        self._starts: list[int] = []
        self._freqs: list[int] = []

    def put(self, start: int, freq: int) -> None:
        """Code the interval ``[start, start + freq)`` of the 2**15 slots."""
        self._starts.append(start)
        self._freqs.append(freq)

    def put_all(self, starts: list[int], freqs: list[int]) -> None:
        """Code many intervals."""
        self._starts += starts
        self._freqs += freqs

    def put_raw(self, value: int, bits: int) -> None:
        """Code ``bits`` (at most 15) equiprobable bits."""
        self.put(value << (TOTAL_BITS - bits), 1 << (TOTAL_BITS - bits))

    def put_uniform(self, value: int, count: int) -> None:
        """Code one of ``count`` (at most 2**15) nearly equiprobable values."""
        start = (value << TOTAL_BITS) // count
        self.put(start, ((value + 1 << TOTAL_BITS) // count) - start)

    def put_number(self, value: int, count: int) -> None:
        """Code one of ``count`` (at most 2**16) nearly equiprobable values."""
        if count <= TOTAL:
            self.put_uniform(value, count)
            return
        self.put_uniform(value >> 1, count + 1 >> 1)
        self.put_uniform(value & 1, min(2, count - (value & ~1)))

    def finish(self) -> bytes:
        """The coded stream; empty when nothing was put, or only symbols whose interval begins at slot 0."""
        x = 0
        words: list[int] = []
        for start, freq in zip(reversed(self._starts), reversed(self._freqs), strict=True):
            if x >= freq << 17:
                words.append(x & 0xFFFF)
                x >>= 16
            quotient, remainder = divmod(x, freq)
            x = (quotient << TOTAL_BITS) + remainder + start
        words.reverse()
        return x.to_bytes((x.bit_length() + 7) // 8, "little") + np.array(words, "<u2").tobytes()


class Decoder:
    """Reads intervals from a coded stream; never reads outside it.

    Args:
        data: the stream, possibly empty.

    Raises:
        SdcError: ``E_RANS_STATE``.
    """

    def __init__(self, data: bytes):
        size = min(len(data), 4 - len(data) % 2)
        self.x = int.from_bytes(data[:size], "little")
        if size and not data[size - 1]:
            raise SdcError("E_RANS_STATE")
        self.words = array("H")
        self.words.frombytes(np.frombuffer(data, "<u2", offset=size).astype("u2").tobytes())
        self.used = 0

    def slot(self) -> int:
        """The slot, 0..32767, in which the next symbol's interval lies."""
        return self.x & (TOTAL - 1)

    def advance(self, start: int, freq: int) -> None:
        """Consume the interval that held :meth:`slot`."""
        x = freq * (self.x >> TOTAL_BITS) + (self.x & (TOTAL - 1)) - start
        if x < STATE_MIN and self.used < len(self.words):
            x = x << 16 | self.words[self.used]
            self.used += 1
        self.x = x

    def symbols(self, alphabets: Iterator[Alphabet], out: list[int]) -> None:
        """Append a symbol of each alphabet, up to and with the first that is the last of its alphabet.

        It does for many symbols what :meth:`slot` and :meth:`advance` do for one.
        """
        x, words, used, mask = self.x, self.words, self.used, TOTAL - 1
        past = len(words)
        append = out.append
        for lookup, freqs, starts in alphabets:
            slot = x & mask
            s = lookup[slot]
            x = freqs[s] * (x >> TOTAL_BITS) + slot - starts[s]
            if x < STATE_MIN and used < past:
                x = x << 16 | words[used]
                used += 1
            append(s)
            if s == len(freqs) - 1:
                break
        self.x, self.used = x, used

    def raw(self, bits: int) -> int:
        """Read ``bits`` (0..15) equiprobable bits."""
        shift = TOTAL_BITS - bits
        value = self.slot() >> shift
        self.advance(value << shift, 1 << shift)
        return value

    def uniform(self, count: int) -> int:
        """Read one of ``count`` nearly equiprobable values."""
        value = ((self.slot() + 1) * count - 1) >> TOTAL_BITS
        start = (value << TOTAL_BITS) // count
        self.advance(start, ((value + 1 << TOTAL_BITS) // count) - start)
        return value

    def number(self, count: int) -> int:
        """Read one of ``count`` (at most 2**16) nearly equiprobable values."""
        if count <= TOTAL:
            return self.uniform(count)
        value = 2 * self.uniform(count + 1 >> 1)
        return value + self.uniform(min(2, count - value))

    def finish(self) -> None:
        """Check that the stream ended where it must.

        Raises:
            SdcError: ``E_RANS_FINAL``; so does a stream with words left, whose state is not 0.
        """
        if self.x:
            raise SdcError("E_RANS_FINAL")


class AdaptiveBit:
    """Adaptive binary model: probability of a 1 in units of 2**-15, and how often it was used.

    Args:
        p: probability at the start.
        n: how many uses the start counts for.
    """

    __slots__ = ("n", "p")

    LIMIT = 62
    FLOOR = 64
    RATES = tuple(655360 // (10 * n + 16) for n in range(LIMIT + 1))

    def __init__(self, p: int, n: int) -> None:
        self.p = p
        self.n = n

    def _update(self, bit: int) -> None:
        n = self.n
        p = self.p + (((TOTAL if bit else 0) - self.p) * self.RATES[n] >> 16)
        self.p = self.FLOOR if p < self.FLOOR else min(p, TOTAL - self.FLOOR)
        if n < self.LIMIT:
            self.n = n + 1

    def put(self, encoder: Encoder, bit: int) -> None:
        """Code one bit and adapt."""
        p = self.p
        encoder.put(0, p) if bit else encoder.put(p, TOTAL - p)
        self._update(bit)

    def get(self, decoder: Decoder) -> int:
        """Read one bit and adapt."""
        p = self.p
        bit = int(decoder.slot() < p)
        decoder.advance(0, p) if bit else decoder.advance(p, TOTAL - p)
        self._update(bit)
        return bit
