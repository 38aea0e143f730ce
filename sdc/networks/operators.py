"""Operators of integer networks (spec section "Models and integer networks")."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np

from ..types import Array


@dataclass(frozen=True, eq=False)
class Op:
    """One operator of a network, with its tensors as the model file holds them.

    ``pointwise``: weight ``[out, in]``, bias ``[out]``, shift ``[out]``.
    ``depthwise``: weight ``[C, 9]``, bias and shift ``[C]``.
    ``quality``: table ``[64, C]``.  ``shuffle`` and ``unshuffle``: factor.
    A float pointwise layer (encoders only) has no shift.
    """

    kind: str
    clamp: tuple[int, int] = (0, 0)
    weight: Array | None = None
    bias: Array | None = None
    shift: Array | None = None
    table: Array | None = None
    factor: int = 1
    _ready: dict[str, tuple[Array, ...]] = field(default_factory=dict, repr=False)

    def ready(self, arithmetic: str) -> tuple[Array, ...]:
        """Tensors prepared for an arithmetic; made once."""
        if arithmetic not in self._ready:
            self._ready[arithmetic] = tuple(np.ascontiguousarray(t) for t in self._prepare(arithmetic))
        return self._ready[arithmetic]

    def _prepare(self, arithmetic: str) -> tuple[Array, ...]:
        if self.kind == "quality":
            assert self.table is not None
            return (self.table.astype(arithmetic),)
        assert self.weight is not None and self.bias is not None
        if self.shift is None:
            return self.weight.T.astype(arithmetic), self.bias.astype(arithmetic)
        half = np.left_shift(np.int64(1), self.shift.astype(np.int64) - 1)
        bias = self.bias.astype(np.int64) + half
        if arithmetic == "int64":
            return self.weight.T.astype(np.int64), bias, self.shift.astype(np.int64)
        # A power of two scales exactly, so the sum arrives already divided by 2**shift.
        scale = np.ldexp(1.0, -self.shift.astype(np.int64))
        return (self.weight.T * scale).astype(arithmetic), (bias * scale).astype(arithmetic)


Network = tuple[Op, ...]


def segments(network: Sequence[Op]) -> list[list[Op]]:
    """Split before every depthwise layer: within a part, cells do not see each other."""
    parts: list[list[Op]] = [[]]
    for op in network:
        if op.kind == "depthwise":
            parts.append([])
        parts[-1].append(op)
    return [p for p in parts if p]


def _requantise(acc: Array, prepared: tuple[Array, ...], clamp: tuple[int, int]) -> Array:
    acc += prepared[1]
    if len(prepared) == 3:
        acc >>= prepared[2]
    else:
        np.floor(acc, out=acc)
    return np.clip(acc, *clamp, out=acc)


def depthwise(op: Op, x: Array, taps: Array, arithmetic: str) -> Array:
    """Gated 3x3 taps of some sites; the last row of ``x`` is zero."""
    prepared = op.ready(arithmetic)
    weight = prepared[0]
    acc = x.take(taps[0], axis=0)
    acc *= weight[0]
    buffer = np.empty_like(acc)
    for k in range(1, 9):
        x.take(taps[k], axis=0, out=buffer, mode="clip")
        buffer *= weight[k]
        acc += buffer
    return _requantise(acc, prepared, op.clamp)


def pointwise(op: Op, x: Array, arithmetic: str) -> Array:
    """A pointwise layer of some sites."""
    prepared = op.ready(arithmetic)
    acc = x @ prepared[0]
    if op.shift is None:
        acc += prepared[1]
        return np.clip(acc, *op.clamp, out=acc)
    return _requantise(acc, prepared, op.clamp)


def reach(network: Sequence[Op], factor: int = 1) -> int:
    """Cells to each side of a cell that its output depends on."""
    sites = 0.0
    for op in network:
        if op.kind == "depthwise":
            sites += 1.0 / factor
        elif op.kind == "shuffle":
            factor *= op.factor
        elif op.kind == "unshuffle":
            factor //= op.factor
    return int(-(-sites // 1))
