"""Coding passes of a group: cells, blocks, entropy parameters, latents (spec section "Latents").

A group is coded alone: its symbols depend on the model, the group's quality, its cells, and
nothing else.  Large groups are worked on in bands of rows, which changes no number.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from ..networks.model import Model
from ..networks.network import receptive_radius, sees_latents
from ..networks.run import Runner, run
from ..networks.sites import Sites
from ..types import Array
from .engine import engine
from .symbols import RESIDUAL_MAX, tables_of

BLOCK = 4
"""Cells per side of a block."""


BAND_CELLS = 8192
V_MIN, V_MAX = -65536, 65535


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


@dataclass(frozen=True, eq=False)
class Band:
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
    runner: Runner = run

    @cached_property
    def blocks(self) -> tuple[int, Array, Array]:
        """``(number, block of each cell, place of each cell in its block)``; blocks in raster order."""
        rows, cols = self.sites.rows, self.sites.cols
        key = (rows // BLOCK) * 65536 + cols // BLOCK
        unique, inverse = np.unique(key, return_inverse=True)
        return len(unique), inverse.reshape(-1), (rows % BLOCK) * BLOCK + cols % BLOCK

    @cached_property
    def bands(self) -> list[Band]:
        """Bands of whole rows with at most about ``BAND_CELLS`` cells."""
        rows = self.sites.rows
        contexts = (n for name, n in self.model.networks.items() if name.startswith("context."))
        margin = max(receptive_radius(n) for n in contexts)
        out: list[Band] = []
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
            out.append(Band(slice(start, stop), slice(first, past), sites, phases, margins))
            start = stop
        return out

    def hyper_values(self, residuals: Array) -> Array:
        """Dequantised hyper-latents of hyper residuals, ``int64 [blocks, K]`` (PASS-03)."""
        m = self.model
        shift = m.shifts["hyper"]
        scaled = residuals * m.hyper_step[self.quality] + (1 << shift - 1) >> shift
        values: Array = np.clip(scaled, *m.hyper_range)
        return values

    def features(self, hyper: Array, band: Band) -> Array:
        """Hyper features of the cells of a band's outer rows, ``[cells, F]``."""
        _, block, place = self.blocks
        block, place = block[band.outer], place[band.outer]
        first, past = int(block.min()), int(block.max()) + 1
        zeros = np.zeros(past - first, np.int64)
        sites = Sites(zeros, zeros, zeros, np.full(past - first, self.quality))
        fine = self.runner(self.model.networks["hyper"], sites, hyper[first:past], arithmetic=self.arithmetic)
        own: Array = fine[(block - first) * BLOCK**2 + place]
        return own

    def parameters(self, k: int, band: Band, latents: Array, features: Array) -> tuple[Array, Array]:
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
            known if sees_latents(network) else known[:, :0],
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

    def coding_passes(self, hyper: Array, latents: Array) -> Iterator[tuple[int, Array, Array, Array]]:
        """Coding passes and bands in coding order.

        Yields:
            ``(pass, cells, scale indices, means)`` with the cells as indices into the group; whoever
            goes through them writes their ``latents`` before it goes on.
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
        payload: of its data.
        coder: the group's cells, model and quality.
        keep_residuals: whether the residuals are wanted too; else they are empty.

    Raises:
        SdcError: ``E_RANS_*`` or ``E_ESCAPE``.
    """
    model, n = coder.model, len(coder.sites)
    reader = engine().reader(payload, tables_of(model))
    blocks = coder.blocks[0]
    index = np.tile(model.hyper_index[coder.quality], blocks)
    hyper = reader.read(index).reshape(blocks, model.hyper)
    latents = np.zeros((n, model.latents), np.int16)
    residuals = np.zeros((n if keep_residuals else 0, model.latents), np.int16)
    for k, cells, t, mean in coder.coding_passes(coder.hyper_values(hyper), latents):
        _, a, b = model.passes[k]
        r = reader.read(t.reshape(-1)).reshape(t.shape)
        latents[cells, a:b] = coder.dequantise(k, r, mean)
        if keep_residuals:
            residuals[cells, a:b] = r
    reader.finish()
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
        residuals: ``int [cells, M]`` chosen by a search (:mod:`sdc.codec.search`); by default those nearest
            to the targets.

    Returns:
        ``(payload, what a decoder will read)``.
    """
    model, q = coder.model, coder.quality
    writer = engine().writer(tables_of(model))
    index = np.tile(model.hyper_index[q], len(hyper))
    writer.write(index, hyper.reshape(-1))
    latents = np.zeros((len(coder.sites), model.latents), np.int16)
    chosen = np.zeros_like(latents)
    scale = (1 << model.shifts["step"]) / np.maximum(model.step[q], 1) / 16.0
    for k, cells, t, mean in coder.coding_passes(coder.hyper_values(hyper), latents):
        _, a, b = model.passes[k]
        if residuals is None:
            units = targets[cells, a:b] * scale[a:b] - mean / 16.0
            nearest = np.clip(np.floor(units + 0.5), -RESIDUAL_MAX, RESIDUAL_MAX)
            r = np.where(t > 0, nearest, 0).astype(np.int64)
        else:
            r = np.where(t > 0, residuals[cells, a:b], 0).astype(np.int64)
        writer.write(t.reshape(-1), r.reshape(-1))
        latents[cells, a:b] = coder.dequantise(k, r, mean)
        chosen[cells, a:b] = r
    return writer.finish(), Symbols(hyper, chosen, latents)


def sites_of(labels: Array, qualities: Sequence[int], chosen: Iterable[int]) -> Sites:
    """Cells of some groups, in raster order, with the group and quality of each.

    Args:
        labels: ``uint8 [rows, cols]`` group map.
        qualities: of all groups of the stream.
        chosen: indices of the groups wanted.
    """
    wanted = np.zeros(256, bool)
    wanted[[k + 1 for k in chosen]] = True
    rows, cols = np.nonzero(wanted[labels])
    own = labels[rows, cols].astype(np.int64) - 1
    return Sites(rows, cols, own, np.array(qualities, np.int64)[own])
