"""What does the work of entropy coding: the seam for faster implementations.

Whatever reads or writes a stream asks :func:`engine` for it and knows arrays and bytes only.  The compiled
core has one, and the one here is Python's; :func:`use_engine` puts another in their place.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

import numpy as np

from .. import core
from ..errors import SdcError
from ..networks.model import Model
from ..types import Array
from .core_engine import CoreEngine
from .labels import Labels, decode_map, encode_map
from .latents import dequantised, entropy_parameters
from .rans import Decoder, Encoder
from .symbols import SymbolTables, read_symbols, write_symbols


class SymbolReader(Protocol):
    """Reads the residuals of a payload in coding order."""

    def read(self, indices: Array) -> Array:
        """Read the next residuals.

        Args:
            indices: ``int [n]`` scale indices, 0..63.

        Returns:
            ``int [n]``; 0 where the index is 0, for which nothing is coded.

        Raises:
            SdcError: ``E_ESCAPE``.
        """

    def finish(self) -> None:
        """Check that the payload ended where it must.

        Raises:
            SdcError: ``E_RANS_FINAL``.
        """


class SymbolWriter(Protocol):
    """Writes the residuals of a payload in coding order."""

    def write(self, indices: Array, residuals: Array) -> None:
        """Write the next residuals.

        Args:
            indices: ``int [n]`` scale indices, 0..63.
            residuals: ``int [n]``, at most 32767 in magnitude, 0 where the index is 0.
        """

    def finish(self) -> bytes:
        """The payload; empty when nothing was coded, or only symbols that cost nothing."""


class Engine(Protocol):
    """Entropy coding of symbols and label maps."""

    def reader(self, payload: bytes, tables: SymbolTables) -> SymbolReader:
        """Begin to read a payload.

        Raises:
            SdcError: ``E_RANS_STATE``.
        """

    def writer(self, tables: SymbolTables) -> SymbolWriter:
        """Begin to write a payload."""

    def read_side_by_side(
        self, readers: Sequence[SymbolReader | None], indices: Array, bounds: Sequence[int]
    ) -> tuple[Array, dict[int, SdcError]]:
        """Read the next residuals of several payloads, all of one model.

        Args:
            readers: of this engine; ``None`` reads zeros.
            indices: ``int [n]`` scale indices, one payload's after another's.
            bounds: where each payload's begin, and where the last one's end.

        Returns:
            ``(int [n] residuals, errors)``, the errors by the reader's place; residuals of a payload are 0
            behind its error.
        """

    def decode_map(self, data: bytes, rows: int, cols: int, count: int) -> Labels:
        """A map of labels: :func:`sdc.coding.labels.decode_map`."""

    def encode_map(self, labels: Labels, count: int) -> bytes:
        """Code a map of labels: :func:`sdc.coding.labels.encode_map`."""

    def entropy_parameters(self, raw: Array, qualities: Array, model: Model, k: int) -> tuple[Array, Array]:
        """Scale indices and means: :func:`sdc.coding.latents.entropy_parameters`."""

    def dequantise(
        self,
        residuals: Array,
        mean: Array,
        cells: Array,
        qualities: Array,
        model: Model,
        k: int,
        latents: Array,
    ) -> None:
        """Put the latents of a coding pass in place.

        Args:
            residuals, mean: ``int [m, C]`` of the pass's C channels.
            cells: ``int [m]`` rows of ``latents`` that they are of.
            qualities: ``int [m]`` of these cells' groups.
            k: number of the pass.
            latents: ``int16 [cells of the group, M]``, written in place.
        """


class _Reader:
    def __init__(self, payload: bytes, tables: SymbolTables):
        self.decoder, self.tables = Decoder(payload), tables

    def read(self, indices: Array) -> Array:
        return read_symbols(self.decoder, indices, self.tables)

    def finish(self) -> None:
        self.decoder.finish()


class _Writer:
    def __init__(self, tables: SymbolTables):
        self.encoder, self.tables = Encoder(), tables

    def write(self, indices: Array, residuals: Array) -> None:
        write_symbols(self.encoder, indices, residuals, self.tables)

    def finish(self) -> bytes:
        return self.encoder.finish()


class PythonEngine:
    """The engine that is always there."""

    def reader(self, payload: bytes, tables: SymbolTables) -> SymbolReader:
        """See :meth:`Engine.reader`."""
        return _Reader(payload, tables)

    def writer(self, tables: SymbolTables) -> SymbolWriter:
        """See :meth:`Engine.writer`."""
        return _Writer(tables)

    def read_side_by_side(
        self, readers: Sequence[SymbolReader | None], indices: Array, bounds: Sequence[int]
    ) -> tuple[Array, dict[int, SdcError]]:
        """See :meth:`Engine.read_side_by_side`."""
        out, errors = np.zeros(len(indices), np.int64), dict[int, SdcError]()
        for k, (reader, first, past) in enumerate(zip(readers, bounds[:-1], bounds[1:], strict=True)):
            if reader is not None and past > first:
                try:
                    out[first:past] = reader.read(indices[first:past])
                except SdcError as error:
                    errors[k] = error
        return out, errors

    def decode_map(self, data: bytes, rows: int, cols: int, count: int) -> Labels:
        """See :meth:`Engine.decode_map`."""
        return decode_map(data, rows, cols, count)

    def encode_map(self, labels: Labels, count: int) -> bytes:
        """See :meth:`Engine.encode_map`."""
        return encode_map(labels, count)

    def entropy_parameters(self, raw: Array, qualities: Array, model: Model, k: int) -> tuple[Array, Array]:
        """See :meth:`Engine.entropy_parameters`."""
        return entropy_parameters(raw, qualities, model, k)

    def dequantise(
        self,
        residuals: Array,
        mean: Array,
        cells: Array,
        qualities: Array,
        model: Model,
        k: int,
        latents: Array,
    ) -> None:
        """See :meth:`Engine.dequantise`."""
        _, a, b = model.passes[k]
        latents[cells, a:b] = dequantised(residuals, mean, qualities, model, k)


_engine: Engine | None = None


def engine() -> Engine:
    """The engine in use."""
    global _engine
    if _engine is None:
        _engine = PythonEngine() if core.path() == core.NUMPY else CoreEngine()
    return _engine


def use_engine(new: Engine) -> Engine:
    """Let all of this process code by ``new``; returns the engine in use until now."""
    global _engine
    before, _engine = engine(), new
    return before
