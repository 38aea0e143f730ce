"""Residual symbols: tables, decoding, encoding, and what they cost (spec section "Latents")."""

from __future__ import annotations

from functools import cached_property

import numpy as np

from ..errors import SdcError
from ..networks.model import Model
from ..types import Array
from .rans import STATE_MIN, TOTAL, TOTAL_BITS, Decoder, Encoder

RESIDUAL_MAX = 32767
ESCAPE_BITS = 15

NEAR = 255
"""Residuals up to this magnitude have their bits in a table."""


class SymbolTables:
    """Look-up tables for coding residuals, made from a model's frequencies when first needed."""

    def __init__(self, model: Model):
        self.model = model
        self._decoding: dict[int, tuple[bytes, list[int], list[int]]] = {}

    def decoding(self, index: int) -> tuple[bytes, list[int], list[int]]:
        """``(symbol by slot, frequency by symbol, start by symbol)`` of a scale index."""
        if index not in self._decoding:
            freq = self.model.frequencies[index]
            lookup = np.repeat(np.arange(len(freq), dtype=np.uint8), freq).tobytes()
            self._decoding[index] = (lookup, freq.tolist(), (np.cumsum(freq) - freq).tolist())
        return self._decoding[index]

    @cached_property
    def encoding(self) -> tuple[Array, Array, Array]:
        """``(base by scale index, starts, frequencies)`` of all tables one after another."""
        sizes = [len(f) for f in self.model.frequencies]
        base = np.cumsum([0, *sizes[:-1]])
        starts = np.concatenate([np.cumsum(f) - f for f in self.model.frequencies])
        return base, starts, np.concatenate(self.model.frequencies)

    @cached_property
    def _near(self) -> Array:
        """Bits of residuals of magnitude ``NEAR`` and less, one scale index after another."""
        return self._bits(np.arange(len(self.model.reach))[:, None], np.arange(-NEAR, NEAR + 1)).reshape(-1)

    def bits(self, indices: Array, residuals: Array) -> Array:
        """Bits that residuals take, but for the coder's rounding.

        Args:
            indices: scale indices.
            residuals: ``int`` of the same shape; take no bits where the index is 0.

        Returns:
            ``float32`` of the same shape.
        """
        entry = indices * (2 * NEAR + 1) + np.clip(residuals, -NEAR, NEAR) + NEAR
        out: Array = self._near.take(entry)
        far = np.abs(residuals) > NEAR
        if far.any():
            out[far] = self._bits(indices[far], residuals[far])
        return out

    def _bits(self, indices: Array, residuals: Array) -> Array:
        base, _, freqs = self.encoding
        reach = self.model.reach[indices]
        beyond = np.abs(residuals) - reach
        entry = base[indices] + np.where(beyond > 0, 2 * reach + 1, residuals + reach)
        coded = TOTAL_BITS - np.log2(freqs[np.where(indices > 0, entry, 0)])
        coded += np.where(beyond > 0, 2 + 2 * np.floor(np.log2(np.maximum(beyond, 1))), 0)
        return np.where(indices > 0, coded, 0).astype(np.float32)


_tables: dict[int, SymbolTables] = {}


def tables_of(model: Model) -> SymbolTables:
    """Symbol tables of a model, made once."""
    return _tables.setdefault(id(model), SymbolTables(model))


def _read_escape(decoder: Decoder, reach: int) -> int:
    """Residual beyond the table: sign, then Exp-Golomb of order 0 (SYMB-04, SYMB-05)."""
    negative = decoder.raw(1)
    bits = 0
    while decoder.raw(1):
        bits += 1
        if bits > ESCAPE_BITS:
            raise SdcError("E_ESCAPE")
    size = reach + 1 + (1 << bits) - 1 + decoder.raw(bits)
    if size > RESIDUAL_MAX:
        raise SdcError("E_ESCAPE")
    return -size if negative else size


def read_symbols(decoder: Decoder, indices: Array, tables: SymbolTables) -> Array:
    """Decode residuals.

    Args:
        decoder: the stream.
        indices: ``[n]`` scale indices, 0..63.

    Returns:
        ``int64 [n]``; 0 where the index is 0, for which nothing is coded.
    """
    coded = np.flatnonzero(indices)
    out = np.zeros(len(indices), np.int64)
    if not len(coded):
        return out
    decoder.slot()  # refuses an empty stream
    order = indices[coded].tolist()
    ready = {t: tables.decoding(t) for t in set(order)}
    symbols: list[int] = []
    append = symbols.append
    escapes: list[tuple[int, int]] = []
    x, words, used, mask = decoder.x, decoder.words, decoder.used, TOTAL - 1
    try:
        for t in order:
            lookup, freqs, starts = ready[t]
            slot = x & mask
            s = lookup[slot]
            x = freqs[s] * (x >> 15) + slot - starts[s]
            if x < STATE_MIN:
                x = x << 16 | words[used]
                used += 1
            append(s)
            if s == len(freqs) - 1:
                decoder.x, decoder.used = x, used
                escapes.append((len(symbols) - 1, _read_escape(decoder, (s - 1) // 2)))
                x, used = decoder.x, decoder.used
    except IndexError:
        raise SdcError("E_RANS_UNDERRUN") from None
    decoder.x, decoder.used = x, used
    values = np.array(symbols, np.int64) - tables.model.reach[indices[coded]]
    for at, value in escapes:
        values[at] = value
    out[coded] = values
    return out


def write_symbols(encoder: Encoder, indices: Array, residuals: Array, tables: SymbolTables) -> None:
    """Code residuals; the inverse of :func:`read_symbols`.

    Args:
        indices: ``[n]`` scale indices.
        residuals: ``int [n]``, at most 32767 in magnitude, 0 where the index is 0.
    """
    coded = np.flatnonzero(indices)
    t, r = indices[coded], residuals[coded].astype(np.int64)
    reach = tables.model.reach[t]
    escaped = np.abs(r) > reach
    base, starts, freqs = tables.encoding
    entry = base[t] + np.where(escaped, 2 * reach + 1, r + reach)
    start_list, freq_list = starts[entry].tolist(), freqs[entry].tolist()
    begin = 0
    for k in np.flatnonzero(escaped).tolist():
        encoder.put_all(start_list[begin : k + 1], freq_list[begin : k + 1])
        begin = k + 1
        rest = abs(int(r[k])) - int(reach[k])  # size - reach - 1, plus 1
        bits = rest.bit_length() - 1
        encoder.put_raw(int(r[k] < 0), 1)
        for _ in range(bits):
            encoder.put_raw(1, 1)
        encoder.put_raw(0, 1)
        encoder.put_raw(rest - (1 << bits), bits)
    encoder.put_all(start_list[begin:], freq_list[begin:])
