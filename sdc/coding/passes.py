"""Coding passes of a group: cells, blocks, entropy parameters, latents (spec section "Latents").

A group is coded alone: its symbols depend on the model, the group's quality, its cells, and
nothing else.  Small groups are decoded side by side, and large ones are worked on in bands of rows, which
changes no number.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import pairwise

import numpy as np

from ..errors import SdcError
from ..networks.model import Model
from ..networks.network import receptive_radius, sees_latents
from ..networks.run import Runner, run
from ..networks.sites import Sites
from ..types import Array
from .engine import SymbolReader, engine
from .symbols import RESIDUAL_MAX, tables_of

BLOCK = 4
"""Cells per side of a block."""


BAND_CELLS = 8192
"""Cells of a band, and of groups that are decoded side by side, at most."""


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
    """What coding and decoding of groups share: cells, blocks and entropy parameters.

    Attributes:
        sites: the cells of a group in raster order; or those of several, group after group as their labels
            ascend, and no more than ``BAND_CELLS``.
        model: the decoder's model.
    """

    sites: Sites
    model: Model
    arithmetic: str = "float32"
    runner: Runner = run

    @property
    def quality(self) -> int:
        """Of the group, or of the first."""
        return int(self.sites.qualities[0])

    @cached_property
    def blocks(self) -> tuple[int, Array, Array]:
        """``(number, block of each cell, place of each cell in its block)``; blocks in raster order, group
        after group.
        """
        rows, cols = self.sites.rows, self.sites.cols
        group = self.sites.labels.astype(np.int64) << 32
        key = (rows // BLOCK) * 65536 + cols // BLOCK + group
        unique, inverse = np.unique(key, return_inverse=True)
        return len(unique), inverse.reshape(-1), (rows % BLOCK) * BLOCK + cols % BLOCK

    @cached_property
    def block_qualities(self) -> Array:
        """``int64 [blocks]`` quality of the group of each block."""
        count, block, _ = self.blocks
        out = np.empty(count, np.int64)
        out[block] = self.sites.qualities
        return out

    @cached_property
    def bands(self) -> list[Band]:
        """Bands of whole rows with at most about ``BAND_CELLS`` cells."""
        rows = self.sites.rows
        contexts = (n for name, n in self.model.networks.items() if name.startswith("context."))
        margin = max(receptive_radius(n) for n in contexts)
        out: list[Band] = []
        start = 0
        while start < len(rows):
            stop, first, past = len(rows), 0, len(rows)
            if len(rows) > BAND_CELLS:
                stop = int(np.searchsorted(rows, rows[min(start + BAND_CELLS, len(rows)) - 1], "right"))
                first = int(np.searchsorted(rows, rows[start] - margin, "left"))
                past = int(np.searchsorted(rows, rows[stop - 1] + margin, "right"))
            sites = self.sites if past - first == len(rows) else self.sites.take(slice(first, past))
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
        scaled = residuals * m.hyper_step[self.block_qualities] + (1 << shift - 1) >> shift
        values: Array = np.clip(scaled, *m.hyper_range)
        return values

    def features(self, hyper: Array, band: Band) -> Array:
        """Hyper features of the cells of a band's outer rows, ``[cells, F]``."""
        _, block, place = self.blocks
        block, place = block[band.outer], place[band.outer]
        first, past = int(block.min()), int(block.max()) + 1
        zeros = np.zeros(past - first, np.int64)
        sites = Sites(zeros, zeros, zeros, self.block_qualities[first:past])
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
            ``(scale index, mean in 1/16 steps)``, each ``int [cells of the parity, channels of the pass]``.
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
        )
        return engine().entropy_parameters(out, band.sites.qualities[band.phases[parity]], m, k)

    def put_latents(self, k: int, cells: Array, residuals: Array, mean: Array, latents: Array) -> None:
        """Put the latents of a coding pass in place.

        Args:
            k: number of the pass.
            cells: ``int [m]`` rows of ``latents``.
            residuals, mean: ``int [m, channels of the pass]``.
            latents: ``int16 [cells of the group, M]``, written in place.
        """
        qualities = self.sites.qualities[cells]
        engine().dequantise(residuals, mean, cells, qualities, self.model, k, latents)

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


class _Readers:
    """The streams of some groups, read side by side; a group whose stream is wrong reads zeros from then on.

    Attributes:
        errors: what is wrong, by the group's place.
    """

    def __init__(self, payloads: Sequence[bytes], model: Model):
        self.errors: dict[int, SdcError] = {}
        self._engine = engine()
        self._readers: list[SymbolReader | None] = []
        for k, payload in enumerate(payloads):
            try:
                self._readers.append(self._engine.reader(payload, tables_of(model)))
            except SdcError as error:
                self._readers.append(None)
                self.errors[k] = error

    def read(self, indices: Array, bounds: Sequence[int]) -> Array:
        """The next residuals of all groups.

        Args:
            indices: ``int [n, C]`` scale indices, group after group.
            bounds: where each group's rows begin, and where the last one's end.

        Returns:
            ``int [n, C]``.
        """
        flat = [row * indices.shape[1] for row in bounds]
        out, errors = self._engine.read_side_by_side(self._readers, indices.reshape(-1), flat)
        for k, error in errors.items():
            self.errors[k], self._readers[k] = error, None
        return out.reshape(indices.shape)

    def finish(self) -> None:
        """Check the ends of all streams."""
        for k, reader in enumerate(self._readers):
            try:
                if reader is not None:
                    reader.finish()
            except SdcError as error:
                self.errors[k] = error


def decode_groups(
    payloads: Sequence[bytes], coder: GroupCoder, *, keep_residuals: bool = False
) -> list[Symbols | SdcError]:
    """Decode the streams of groups, side by side.

    Args:
        payloads: of their data, in the order of their cells.
        coder: their cells and the model.
        keep_residuals: whether the residuals are wanted too; else they are empty.

    Returns:
        Of each group what its stream says, or what is wrong with it: ``E_RANS_*`` or ``E_ESCAPE``.
    """
    model, n = coder.model, len(coder.sites)
    readers = _Readers(payloads, model)
    labels = coder.sites.labels
    starts = [0, *(np.flatnonzero(labels[1:] != labels[:-1]) + 1).tolist(), n]
    blocks, block, _ = coder.blocks
    of_blocks = [int(block[first:past].min()) for first, past in pairwise(starts)] + [blocks]
    hyper = readers.read(model.hyper_index[coder.block_qualities], of_blocks).astype(np.int64)
    latents = np.zeros((n, model.latents), np.int16)
    residuals = np.zeros((n if keep_residuals else 0, model.latents), np.int16)
    for k, cells, t, mean in coder.coding_passes(coder.hyper_values(hyper), latents):
        r = readers.read(t, np.searchsorted(cells, starts).tolist())
        coder.put_latents(k, cells, r, mean, latents)
        if keep_residuals:
            _, a, b = model.passes[k]
            residuals[cells, a:b] = r
    readers.finish()
    return [
        readers.errors.get(k)
        or Symbols(
            hyper[of_blocks[k] : of_blocks[k + 1]],
            residuals[starts[k] : starts[k + 1]],
            latents[starts[k] : starts[k + 1]],
        )
        for k in range(len(payloads))
    ]


def side_by_side(groups: Iterable[int], cells: Sequence[int]) -> Iterator[list[int]]:
    """Groups in lots of no more than ``BAND_CELLS`` cells, in order; a larger one alone.

    Args:
        groups: their indices.
        cells: of each group of the stream.
    """
    lot: list[int] = []
    for k in groups:
        if lot and sum(cells[other] for other in lot) + cells[k] > BAND_CELLS:
            yield lot
            lot = []
        lot.append(k)
    if lot:
        yield lot


def decode_group(payload: bytes, coder: GroupCoder, *, keep_residuals: bool = False) -> Symbols:
    """Decode a group's stream: :func:`decode_groups` for one.

    Raises:
        SdcError: ``E_RANS_*`` or ``E_ESCAPE``.
    """
    (found,) = decode_groups([payload], coder, keep_residuals=keep_residuals)
    if isinstance(found, SdcError):
        raise found
    return found


def quantise_hyper(values: Array, coder: GroupCoder) -> Array:
    """Hyper residuals of real hyper-latents ``[blocks, K]`` in units of ``hyper_range`` integers."""
    model, q = coder.model, coder.quality
    step = model.hyper_step[q] / (1 << model.shifts["hyper"])
    with np.errstate(divide="ignore", invalid="ignore"):
        r = np.where(step > 0, np.floor(values / step + 0.5), 0)
    return np.where(model.hyper_index[q] > 0, np.clip(r, -RESIDUAL_MAX, RESIDUAL_MAX), 0).astype(np.int64)


def encode_group(
    targets: Array,
    hyper: Array,
    coder: GroupCoder,
    residuals: Array | None = None,
    *,
    keep_residuals: bool = True,
) -> tuple[bytes, Symbols]:
    """Code a group.

    Args:
        targets: ``int [cells, M]`` latents of the analysis, in units of d.
        hyper: ``int64 [blocks, K]`` hyper residuals.
        coder: the group's cells, model and quality.
        residuals: ``int [cells, M]`` chosen by a search (:mod:`sdc.codec.search`); by default those nearest
            to the targets.
        keep_residuals: whether they are wanted as a result too; else they are empty.

    Returns:
        ``(payload, what a decoder will read)``.
    """
    model, q = coder.model, coder.quality
    writer = engine().writer(tables_of(model))
    writer.write(np.tile(model.hyper_index[q], len(hyper)), hyper.reshape(-1))
    latents = np.zeros((len(coder.sites), model.latents), np.int16)
    chosen = np.zeros((len(latents) if keep_residuals else 0, model.latents), np.int16)
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
        coder.put_latents(k, cells, r, mean, latents)
        if keep_residuals:
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
