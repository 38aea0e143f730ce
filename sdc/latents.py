"""Latents of a group: entropy decoding and encoding (spec section "Latents").

A group is coded alone: its symbols depend on the model, the group's quality, its cells, and
nothing else.  Large groups are worked on in bands of rows, which changes no number.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from functools import cached_property

import numpy as np

from .errors import SdcError
from .model import Model
from .network import Array, Sites, reach, run
from .rans import STATE_MIN, TOTAL, TOTAL_BITS, Decoder, Encoder

BLOCK = 4
"""Cells per side of a block."""

BAND_CELLS = 8192
V_MIN, V_MAX = -65536, 65535
RESIDUAL_MAX = 32767
ESCAPE_BITS = 15
NEAR = 255
"""Residuals up to this magnitude have their bits in a table."""


@dataclass(frozen=True, eq=False)
class Symbols:
    """What a group's stream says.

    Attributes:
        hyper: ``int64 [blocks, K]`` hyper residuals.
        residuals: ``int16 [cells, M]`` residuals r.
        latents: ``int16 [cells, M]`` dequantised latents d.
    """

    hyper: Array
    residuals: Array
    latents: Array


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


@dataclass(frozen=True, eq=False)
class _Band:
    """Rows of a group: its cells ``inner``, and with them the neighbours that taps may reach, ``outer``."""

    inner: slice
    outer: slice
    sites: Sites
    phases: tuple[Array, Array]
    """Cells of ``inner`` of either parity, as indices into ``outer``."""
    margins: tuple[Array, Array]
    """The same of the cells that are in ``outer`` only."""


@dataclass(frozen=True, eq=False)
class GroupCoder:
    """What coding and decoding of one group share: its cells, blocks and entropy parameters.

    Attributes:
        sites: the group's cells in raster order.
        model: the decoder's model.
    """

    sites: Sites
    model: Model
    quality: int
    arithmetic: str = "float32"
    runner: Callable[..., Array] = field(default=run)

    @cached_property
    def blocks(self) -> tuple[int, Array, Array]:
        """``(number, block of each cell, place of each cell in its block)``; blocks in raster order."""
        rows, cols = self.sites.rows, self.sites.cols
        key = (rows // BLOCK) * 65536 + cols // BLOCK
        unique, inverse = np.unique(key, return_inverse=True)
        return len(unique), inverse.reshape(-1), (rows % BLOCK) * BLOCK + cols % BLOCK

    @cached_property
    def bands(self) -> list[_Band]:
        """Bands of whole rows with at most about ``BAND_CELLS`` cells."""
        rows = self.sites.rows
        contexts = (n for name, n in self.model.networks.items() if name.startswith("context."))
        margin = max(reach(n) for n in contexts)
        out: list[_Band] = []
        start = 0
        while start < len(rows):
            stop = int(np.searchsorted(rows, rows[min(start + BAND_CELLS, len(rows)) - 1], "right"))
            first = int(np.searchsorted(rows, rows[start] - margin, "left"))
            past = int(np.searchsorted(rows, rows[stop - 1] + margin, "right"))
            sites = self.sites.take(slice(first, past))
            parity = (sites.rows + sites.cols) % 2
            inner = np.zeros(len(sites), bool)
            inner[start - first : stop - first] = True
            phases = (np.flatnonzero(inner & (parity == 0)), np.flatnonzero(inner & (parity == 1)))
            margins = (np.flatnonzero(~inner & (parity == 0)), np.flatnonzero(~inner & (parity == 1)))
            out.append(_Band(slice(start, stop), slice(first, past), sites, phases, margins))
            start = stop
        return out

    def hyper_values(self, residuals: Array) -> Array:
        """Dequantised hyper-latents of hyper residuals, ``int64 [blocks, K]`` (PASS-03)."""
        m = self.model
        shift = m.shifts["hyper"]
        scaled = residuals * m.hyper_step[self.quality] + (1 << shift - 1) >> shift
        values: Array = np.clip(scaled, *m.hyper_range)
        return values

    def features(self, hyper: Array, band: _Band) -> Array:
        """Hyper features of the cells of a band's outer rows, ``[cells, F]``."""
        _, block, place = self.blocks
        block, place = block[band.outer], place[band.outer]
        first, past = int(block.min()), int(block.max()) + 1
        zeros = np.zeros(past - first, np.int64)
        sites = Sites(zeros, zeros, zeros, np.full(past - first, self.quality))
        fine = self.runner(self.model.networks["hyper"], sites, hyper[first:past], arithmetic=self.arithmetic)
        own: Array = fine[(block - first) * BLOCK**2 + place]
        return own

    def parameters(self, k: int, band: _Band, latents: Array, features: Array) -> tuple[Array, Array]:
        """Entropy parameters of a coding pass for the cells of its parity in a band.

        Args:
            k: number of the pass.
            latents: ``int [cells of the group, M]``, 0 where not coded yet.
            features: hyper features of the band.

        Returns:
            ``(scale index, mean in 1/16 steps)``, each ``int64 [cells of the parity, channels of the pass]``.
        """
        m = self.model
        parity, a, b = m.passes[k]
        network = m.networks[f"context.{k}"]
        known = latents[band.outer]
        if len(band.margins[parity]):
            # The band above was coded in this pass too; contexts see earlier passes only (PASS-05).
            known = known.copy()
            known[band.margins[parity], a:b] = 0
        out = self.runner(
            network,
            band.sites,
            known[:, :0] if network[0].kind == "hyper" else known,
            hyper=features,
            only=band.phases[parity],
            arithmetic=self.arithmetic,
        ).astype(np.int64)
        raw, mean = out[:, : b - a], out[:, b - a :]
        s = m.shifts["index"]
        index = np.clip(raw + m.offset[self.quality, a:b] + (1 << s - 1) >> s, 0, 63)
        s = m.shifts["mean"]
        return index, mean * m.inverse[self.quality, a:b] + (1 << s - 1) >> s

    def dequantise(self, k: int, residuals: Array, mean: Array) -> Array:
        """Latents d of residuals r and means m, ``int64`` (PASS-08)."""
        m = self.model
        _, a, b = m.passes[k]
        s = m.shifts["step"]
        v = np.clip((residuals << 4) + mean, V_MIN, V_MAX)
        values: Array = np.clip(v * m.step[self.quality, a:b] + (1 << s - 1) >> s, *m.latent_range)
        return values

    def walk(self, hyper: Array, latents: Array) -> Iterator[tuple[int, Array, Array, Array]]:
        """Coding passes and bands in coding order.

        Yields:
            ``(pass, cells, scale indices, means)`` with the cells as indices into the group; whoever
            drives the walk writes their ``latents`` before it goes on.
        """
        single = len(self.bands) == 1
        kept = self.features(hyper, self.bands[0]) if single else None
        for k, (parity, _, _) in enumerate(self.model.passes):
            for band in self.bands:
                if not len(band.phases[parity]):
                    continue
                features = self.features(hyper, band) if kept is None else kept
                index, mean = self.parameters(k, band, latents, features)
                yield k, band.phases[parity] + band.outer.start, index, mean


def decode_group(payload: bytes, coder: GroupCoder, *, keep_residuals: bool = False) -> Symbols:
    """Decode a group's stream.

    Args:
        payload: of its LATN chunk.
        coder: the group's cells, model and quality.
        keep_residuals: whether the residuals are wanted too; else they are empty.

    Raises:
        SdcError: ``E_RANS_*`` or ``E_ESCAPE``.
    """
    model, n = coder.model, len(coder.sites)
    tables = tables_of(model)
    decoder = Decoder(payload)
    blocks = coder.blocks[0]
    index = np.tile(model.hyper_index[coder.quality], blocks)
    hyper = read_symbols(decoder, index, tables).reshape(blocks, model.hyper)
    latents = np.zeros((n, model.latents), np.int16)
    residuals = np.zeros((n if keep_residuals else 0, model.latents), np.int16)
    for k, cells, t, mean in coder.walk(coder.hyper_values(hyper), latents):
        _, a, b = model.passes[k]
        r = read_symbols(decoder, t.reshape(-1), tables).reshape(t.shape)
        latents[cells, a:b] = coder.dequantise(k, r, mean)
        if keep_residuals:
            residuals[cells, a:b] = r
    decoder.finish()
    return Symbols(hyper, residuals, latents)


def quantise_hyper(values: Array, coder: GroupCoder) -> Array:
    """Hyper residuals of real hyper-latents ``[blocks, K]`` in units of ``hyper_range`` integers."""
    model, q = coder.model, coder.quality
    step = model.hyper_step[q] / (1 << model.shifts["hyper"])
    with np.errstate(divide="ignore", invalid="ignore"):
        r = np.where(step > 0, np.floor(values / step + 0.5), 0)
    return np.where(model.hyper_index[q] > 0, np.clip(r, -RESIDUAL_MAX, RESIDUAL_MAX), 0).astype(np.int64)


def encode_group(
    targets: Array, hyper: Array, coder: GroupCoder, residuals: Array | None = None
) -> tuple[bytes, Symbols]:
    """Code a group.

    Args:
        targets: ``int [cells, M]`` latents of the analysis, in units of d.
        hyper: ``int64 [blocks, K]`` hyper residuals.
        coder: the group's cells, model and quality.
        residuals: ``int [cells, M]`` chosen by :func:`sdc.refine.refine`; by default those nearest to the
            targets.

    Returns:
        ``(payload of LATN, what a decoder will read)``.
    """
    model, q = coder.model, coder.quality
    tables, encoder = tables_of(model), Encoder()
    index = np.tile(model.hyper_index[q], len(hyper))
    write_symbols(encoder, index, hyper.reshape(-1), tables)
    latents = np.zeros((len(coder.sites), model.latents), np.int16)
    chosen = np.zeros_like(latents)
    scale = (1 << model.shifts["step"]) / np.maximum(model.step[q], 1) / 16.0
    for k, cells, t, mean in coder.walk(coder.hyper_values(hyper), latents):
        _, a, b = model.passes[k]
        if residuals is None:
            units = targets[cells, a:b] * scale[a:b] - mean / 16.0
            nearest = np.clip(np.floor(units + 0.5), -RESIDUAL_MAX, RESIDUAL_MAX)
            r = np.where(t > 0, nearest, 0).astype(np.int64)
        else:
            r = np.where(t > 0, residuals[cells, a:b], 0).astype(np.int64)
        write_symbols(encoder, t.reshape(-1), r.reshape(-1), tables)
        latents[cells, a:b] = coder.dequantise(k, r, mean)
        chosen[cells, a:b] = r
    return encoder.finish(), Symbols(hyper, chosen, latents)
