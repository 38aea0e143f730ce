"""Residual symbols: their tables, reading and writing them (spec section "Latents")."""

from __future__ import annotations

from collections.abc import Sequence
from weakref import WeakKeyDictionary

import numpy as np

from ..errors import SdcError
from ..networks.model import Model
from ..types import Array
from .rans import Alphabet, Decoder, Encoder

RESIDUAL_MAX = 32767
ESCAPE_BITS = 15


class SymbolTables:
    """A model's alphabets: one for each scale index, with the symbols ``-reach .. reach`` and an escape.

    Attributes:
        reach: ``int64 [64]`` largest residual without an escape, per scale index.
        base: ``int64 [64]`` where the alphabet of a scale index begins in the next two.
        starts, frequencies: ``int64 [n]`` interval of each symbol, one alphabet after another; that of index
            0 is empty.
    """

    def __init__(self, reach: Array, frequencies: Sequence[Array]):
        self.reach = reach
        self.base = np.cumsum([0, *(len(f) for f in frequencies[:-1])])
        self.starts = np.concatenate([np.cumsum(f) - f for f in frequencies])
        self.frequencies = np.concatenate(frequencies)
        self._alphabets: dict[int, Alphabet] = {}

    def alphabet(self, index: int) -> Alphabet:
        """The alphabet of a scale index as :class:`~sdc.coding.rans.Decoder` takes it; made once."""
        if index not in self._alphabets:
            first = int(self.base[index])
            own = slice(first, first + 2 * int(self.reach[index]) + 2)
            freq = self.frequencies[own]
            lookup = np.repeat(np.arange(len(freq), dtype=np.uint8), freq).tobytes()
            self._alphabets[index] = (lookup, freq.tolist(), self.starts[own].tolist())
        return self._alphabets[index]

    def entries(self, indices: Array, residuals: Array) -> tuple[Array, Array]:
        """Places of residuals in ``starts`` and ``frequencies``.

        Args:
            indices: scale indices above 0.
            residuals: ``int`` of the same shape.

        Returns:
            ``(places, by how much residuals are beyond the alphabet)``; above 0 there stands the escape.
        """
        reach = self.reach[indices]
        beyond = np.abs(residuals) - reach
        return self.base[indices] + np.where(beyond > 0, 2 * reach + 1, residuals + reach), beyond


_tables: WeakKeyDictionary[Model, SymbolTables] = WeakKeyDictionary()


def tables_of(model: Model) -> SymbolTables:
    """Symbol tables of a model, made once."""
    tables = _tables.get(model)
    if tables is None:
        tables = _tables[model] = SymbolTables(model.reach, model.frequencies)
    return tables


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

    Raises:
        SdcError: ``E_ESCAPE``.
    """
    coded = np.flatnonzero(indices)
    out = np.zeros(len(indices), np.int64)
    if not len(coded):
        return out
    order = indices[coded].tolist()
    ready = {t: tables.alphabet(t) for t in set(order)}
    alphabets = map(ready.__getitem__, order)
    symbols: list[int] = []
    escapes: list[tuple[int, int]] = []
    while len(symbols) < len(order):
        decoder.symbols(alphabets, symbols)
        at = len(symbols) - 1
        reach = int(tables.reach[order[at]])
        if symbols[at] == 2 * reach + 1:
            escapes.append((at, _read_escape(decoder, reach)))
    values = np.array(symbols, np.int64) - tables.reach[indices[coded]]
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
    entry, beyond = tables.entries(t, r)
    start_list, freq_list = tables.starts[entry].tolist(), tables.frequencies[entry].tolist()
    begin = 0
    for k in np.flatnonzero(beyond > 0).tolist():
        encoder.put_all(start_list[begin : k + 1], freq_list[begin : k + 1])
        begin = k + 1
        rest = int(beyond[k])  # size - reach - 1, plus 1
        bits = rest.bit_length() - 1
        encoder.put_raw(int(r[k] < 0), 1)
        for _ in range(bits):
            encoder.put_raw(1, 1)
        encoder.put_raw(0, 1)
        encoder.put_raw(rest - (1 << bits), bits)
    encoder.put_all(start_list[begin:], freq_list[begin:])
