"""Entropy coding on the compiled core: :class:`sdc.coding.engine.Engine`."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cache
from typing import Any
from weakref import WeakKeyDictionary

import numpy as np

from .. import core
from ..errors import SdcError
from ..networks.model import Model
from ..types import Array
from .labels import Labels
from .symbols import SymbolTables

_tables: WeakKeyDictionary[SymbolTables, Any] = WeakKeyDictionary()


def _tables_of(tables: SymbolTables) -> Any:
    """Symbol tables as the core wants them, made once."""
    if tables not in _tables:
        arrays = [core.contiguous(a, np.int32) for a in (tables.reach, tables.frequencies)]
        _tables[tables] = core.native().tables(*map(core.address, arrays))
    return _tables[tables]


_quality_tables: WeakKeyDictionary[Model, tuple[Array, Array, Array]] = WeakKeyDictionary()


def _quality_tables_of(model: Model) -> tuple[Array, Array, Array]:
    """``int32 [64, M]`` offset, inverse and step of a model, made once."""
    if model not in _quality_tables:
        offset, inverse, step = (
            core.contiguous(t, np.int32) for t in (model.offset, model.inverse, model.step)
        )
        _quality_tables[model] = (offset, inverse, step)
    return _quality_tables[model]


@cache
def _errors() -> dict[int, str]:
    """Codes of errors by those of the core."""
    names = ("RANS_STATE", "RANS_FINAL", "ESCAPE", "MASK_LABEL")
    return {getattr(core.native(), name): f"E_{name}" for name in names}


def _checked(code: int) -> None:
    """Raise what a code of the core means."""
    if code:
        raise SdcError(_errors()[code]) if code in _errors() else MemoryError


class _Reader:
    def __init__(self, payload: bytes, tables: SymbolTables):
        self.handle, self.tables = core.native().reader(bytes(payload)), _tables_of(tables)
        if isinstance(self.handle, int):
            _checked(self.handle)

    def read(self, indices: Array) -> Array:
        indices = core.contiguous(indices, np.uint8)
        out = np.empty(len(indices), np.int16)
        where = (core.address(indices), len(indices), core.address(out))
        _checked(core.native().read_symbols(self.handle, self.tables, *where))
        return out

    def finish(self) -> None:
        _checked(core.native().finish_reader(self.handle))


class _Writer:
    def __init__(self, tables: SymbolTables):
        self.handle, self.tables = core.native().writer(), _tables_of(tables)

    def write(self, indices: Array, residuals: Array) -> None:
        indices, residuals = core.contiguous(indices, np.uint8), core.contiguous(residuals, np.int16)
        where = (core.address(indices), len(indices), core.address(residuals))
        _checked(core.native().write_symbols(self.handle, self.tables, *where))

    def finish(self) -> bytes:
        data: bytes = core.native().finish_writer(self.handle)
        return data


class CoreEngine:
    """The engine of the compiled core."""

    def reader(self, payload: bytes, tables: SymbolTables) -> _Reader:
        """See :meth:`.engine.Engine.reader`."""
        return _Reader(payload, tables)

    def writer(self, tables: SymbolTables) -> _Writer:
        """See :meth:`.engine.Engine.writer`."""
        return _Writer(tables)

    def read_side_by_side(
        self, readers: Sequence[Any], indices: Array, bounds: Sequence[int]
    ) -> tuple[Array, dict[int, SdcError]]:
        """See :meth:`.engine.Engine.read_side_by_side`; the residuals are ``int16``."""
        indices, out = core.contiguous(indices, np.uint8), np.empty(len(indices), np.int16)
        codes = np.array([0 if reader else 1 for reader in readers], np.intc)
        tables = next((reader.tables for reader in readers if reader), None)
        if tables is None:
            return np.zeros(len(indices), np.int16), {}
        handles = tuple(reader and reader.handle for reader in readers)
        arrays = (indices, core.contiguous(np.array(bounds), np.int64), out, codes)
        core.native().read_side_by_side(handles, tables, *map(core.address, arrays))
        found = ((k, code) for k, code in enumerate(codes.tolist()) if code and readers[k])
        return out, {k: SdcError(_errors()[code]) for k, code in found}

    def decode_map(self, data: bytes, rows: int, cols: int, count: int) -> Labels:
        """See :meth:`.engine.Engine.decode_map`."""
        labels = np.empty((rows, cols), np.uint8)
        _checked(core.native().decode_map(bytes(data), rows, cols, count, core.address(labels)))
        return labels

    def encode_map(self, labels: Labels, count: int) -> bytes:
        """See :meth:`.engine.Engine.encode_map`."""
        labels = core.contiguous(labels, np.uint8)
        data = core.native().encode_map(core.address(labels), *labels.shape, count)
        if data == core.native().USAGE:
            raise ValueError(f"a label is beyond {count}")
        if not isinstance(data, bytes):
            raise MemoryError
        return data

    def entropy_parameters(self, raw: Array, qualities: Array, model: Model, k: int) -> tuple[Array, Array]:
        """See :meth:`.engine.Engine.entropy_parameters`; ``uint8`` and ``int32``."""
        raw, qualities = core.contiguous(raw, np.int16), core.contiguous(qualities, np.uint8)
        offset, inverse, _ = _quality_tables_of(model)
        _, a, b = model.passes[k]
        index, mean = np.empty((len(raw), b - a), np.uint8), np.empty((len(raw), b - a), np.int32)
        core.native().parameters(
            *(core.address(raw), core.address(qualities), len(raw), b - a),
            *(core.address(offset) + 4 * a, core.address(inverse) + 4 * a, model.latents),
            *(model.shifts["index"], model.shifts["mean"], core.address(index), core.address(mean)),
        )
        return index, mean

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
        """See :meth:`.engine.Engine.dequantise`."""
        residuals, mean = core.contiguous(residuals, np.int16), core.contiguous(mean, np.int32)
        cells, qualities = core.contiguous(cells, np.int32), core.contiguous(qualities, np.uint8)
        step = _quality_tables_of(model)[2]
        _, a, b = model.passes[k]
        assert latents.dtype == np.int16 and latents.flags.c_contiguous
        core.native().dequantise(
            *map(core.address, (residuals, mean, qualities, cells)),
            *(len(cells), b - a, core.address(step) + 4 * a, model.latents, model.shifts["step"]),
            *(*model.latent_range, core.address(latents) + 2 * a, latents.shape[1]),
        )
