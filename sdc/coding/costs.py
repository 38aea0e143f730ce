"""What residuals cost in bits, for encoders that choose among them (not normative)."""

from __future__ import annotations

from collections.abc import Callable
from weakref import WeakKeyDictionary

import numpy as np

from ..networks.model import Model
from ..types import Array
from .rans import TOTAL_BITS
from .symbols import SymbolTables, tables_of

NEAR = 255
"""Residuals up to this magnitude have their bits in a table."""


GRID = 1 << 16
"""Parts of a bit to which bits are rounded.

Sums of them are exact, so the same in every order, and no logarithm of a frequency is so near the middle
between two of them that its last digits could count.
"""


Three = tuple[Array, Array, Array]
"""Of the residuals one below, at and one above some integers."""


class SymbolCosts:
    """Bits of residuals by the tables of a model."""

    def __init__(self, tables: SymbolTables):
        self.tables = tables
        scales = np.arange(len(tables.reach))[:, None]
        near = np.broadcast_arrays(scales, np.arange(-NEAR, NEAR + 1))
        self._near = self._bits(*near).reshape(-1)
        self._by_index = self._slope_by_index(*near).reshape(-1)
        self._by_residual = self._slope_by_residual(*near).reshape(-1)

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

    def around(self, indices: Array, middle: Array) -> Three:
        """Bits of the residuals one below, at and one above some integers.

        Args:
            indices: ``int64`` scale indices.
            middle: ``int64`` of the same shape.

        Returns:
            Three of ``float32``.
        """
        return self._near_by(self._near, indices, middle, self._bits)

    def slopes(self, indices: Array, middle: Array) -> tuple[Three, Three]:
        """How the bits of such residuals change with the scale index, and with the residuals.

        Returns:
            Twice three of ``float32``: bits per index, and per residual.
        """
        by_index = self._near_by(self._by_index, indices, middle, self._slope_by_index)
        return by_index, self._near_by(self._by_residual, indices, middle, self._slope_by_residual)

    def _near_by(self, table: Array, indices: Array, middle: Array, far: Callable[..., Array]) -> Three:
        """Entries of a table for ``middle - 1``, ``middle`` and ``middle + 1``."""
        beyond = np.abs(middle) >= NEAR
        entry = indices * (2 * NEAR + 1) + np.clip(middle, 1 - NEAR, NEAR - 1) + NEAR
        found = table.take(entry - 1), table.take(entry), table.take(entry + 1)
        if beyond.any():
            for change, out in zip((-1, 0, 1), found, strict=True):
                out[beyond] = far(indices[beyond], middle[beyond] + change)
        return found

    def _slope_by_index(self, indices: Array, residuals: Array) -> Array:
        up, down = np.minimum(indices + 1, len(self.tables.reach) - 1), np.maximum(indices - 1, 0)
        slope: Array = ((self._bits(up, residuals) - self._bits(down, residuals)) / (up - down)).astype(
            np.float32
        )
        return slope

    def _slope_by_residual(self, indices: Array, residuals: Array) -> Array:
        slope: Array = (self._bits(indices, residuals + 1) - self._bits(indices, residuals - 1)) / 2
        return slope

    def _bits(self, indices: Array, residuals: Array) -> Array:
        entry, beyond = self.tables.entries(indices, residuals)
        coded = _rounded_bits(self.tables.frequencies[np.where(indices > 0, entry, 0)])
        coded += np.where(beyond > 0, 2 * np.frexp(beyond.astype(np.float64))[1], 0)
        return np.where(indices > 0, coded, 0).astype(np.float32)


def _rounded_bits(frequencies: Array) -> Array:
    """Bits of symbols, in whole parts of :data:`GRID`, ``float64``."""
    rounded: Array = np.rint((TOTAL_BITS - np.log2(frequencies)) * GRID) / GRID
    return rounded


_costs: WeakKeyDictionary[Model, SymbolCosts] = WeakKeyDictionary()


def costs_of(model: Model) -> SymbolCosts:
    """Costs by the tables of a model, made once."""
    costs = _costs.get(model)
    if costs is None:
        costs = _costs[model] = SymbolCosts(tables_of(model))
    return costs
