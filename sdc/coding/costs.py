"""What residuals cost in bits, for encoders that choose among them (not normative)."""

from __future__ import annotations

from weakref import WeakKeyDictionary

import numpy as np

from ..networks.model import Model
from ..types import Array
from .rans import TOTAL_BITS
from .symbols import SymbolTables, tables_of

NEAR = 255
"""Residuals up to this magnitude have their bits in a table."""


class SymbolCosts:
    """Bits of residuals by the tables of a model."""

    def __init__(self, tables: SymbolTables):
        self.tables = tables
        scales = np.arange(len(tables.reach))[:, None]
        self._near = self._bits(*np.broadcast_arrays(scales, np.arange(-NEAR, NEAR + 1))).reshape(-1)

    def bits(self, indices: Array, residuals: Array) -> Array:
        """Bits that residuals take, but for the coder's rounding.

        Args:
            indices: scale indices.
            residuals: ``int`` of the same shape; take no bits where the index is 0.

        Returns:
            ``float32`` of the same shape.
        """
        indices = indices.astype(np.int64, copy=False)
        entry = indices * (2 * NEAR + 1) + np.clip(residuals, -NEAR, NEAR) + NEAR
        out: Array = self._near.take(entry)
        far = np.abs(residuals) > NEAR
        if far.any():
            out[far] = self._bits(indices[far], residuals[far])
        return out

    def _bits(self, indices: Array, residuals: Array) -> Array:
        entry, beyond = self.tables.entries(indices, residuals)
        coded = TOTAL_BITS - np.log2(self.tables.frequencies[np.where(indices > 0, entry, 0)])
        coded += np.where(beyond > 0, 2 + 2 * np.floor(np.log2(np.maximum(beyond, 1))), 0)
        return np.where(indices > 0, coded, 0).astype(np.float32)


_costs: WeakKeyDictionary[Model, SymbolCosts] = WeakKeyDictionary()


def costs_of(model: Model) -> SymbolCosts:
    """Costs by the tables of a model, made once."""
    costs = _costs.get(model)
    if costs is None:
        costs = _costs[model] = SymbolCosts(tables_of(model))
    return costs
