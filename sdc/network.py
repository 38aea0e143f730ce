"""Runner of integer networks (spec section "Models and integer networks").

Tensors are lists of sites: ``[sites, channels]``, one row per cell (or block, half-cell,
pixel) of the groups at hand, in the order of the cells.  So the cost follows the number of
cells, however they are scattered, and a gated tap is a row index that points to a row of zeros
where the neighbour does not exist or belongs to another group (NETW-08).

Three arithmetics give the same numbers: ``float32`` and ``float64``, exact because a valid model keeps every
sum below 2**24 (NETW-12), and ``int64``.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

import numpy as np
import numpy.typing as npt

Array = npt.NDArray[Any]

CHUNK_CELLS = 512
"""Cells worked on at once: enough for the matrix products, and a bound on memory."""

Passed = list[Array | None]
"""Where each clamp of a part let values through: ``bool`` of its output, or ``None`` for everywhere."""

Tape = list[Passed]
"""Of every part of a network and every piece of its cells, in the order of the run."""

TAPS = [(dy, dx) for dy in (-1, 0, 1) for dx in (-1, 0, 1)]


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


@dataclass(frozen=True, eq=False)
class Sites:
    """The cells that a network runs on.

    Attributes:
        rows, cols: ``int64 [n]`` position of each cell.
        labels: ``[n]`` group of each cell; taps never cross it.
        qualities: ``int64 [n]`` quality of each cell's group.
    """

    rows: Array
    cols: Array
    labels: Array
    qualities: Array

    def __len__(self) -> int:
        return len(self.rows)

    @cached_property
    def _cell_taps(self) -> Array:
        """``[3, 3, n]`` index of the same-group neighbour at each offset, ``n`` where there is none."""
        n = len(self)
        top, left = int(self.rows.min(initial=0)), int(self.cols.min(initial=0))
        r, c = self.rows - top + 1, self.cols - left + 1
        grid = np.full((int(r.max(initial=0)) + 2, int(c.max(initial=0)) + 2), n, np.int64)
        grid[r, c] = np.arange(n)
        labels = np.append(self.labels.astype(np.int64), -1)
        taps = np.empty((3, 3, n), np.int64)
        for dy, dx in TAPS:
            other = grid[r + dy, c + dx]
            taps[dy + 1, dx + 1] = np.where(labels[other] == labels[:n], other, n)
        return taps

    @cached_property
    def _tap_cache(self) -> dict[int, Array]:
        return {}

    def taps(self, factor: int) -> Array:
        """Row of each tap of each site when a cell is split into ``factor**2`` sites.

        Returns:
            ``int64 [9, n * factor**2]``; rows without a site hold ``n * factor**2``.
        """
        if factor not in self._tap_cache:
            n, area = len(self), factor * factor
            out = np.empty((9, n, factor, factor), np.int64)
            for k, (dy, dx) in enumerate(TAPS):
                for sy in range(factor):
                    for sx in range(factor):
                        cy, y = divmod(sy + dy, factor)
                        cx, x = divmod(sx + dx, factor)
                        out[k, :, sy, sx] = self._cell_taps[cy + 1, cx + 1] * area + y * factor + x
            self._tap_cache[factor] = np.minimum(out.reshape(9, n * area), n * area)
        return self._tap_cache[factor]

    def take(self, index: Array | slice) -> Sites:
        """Some of the cells."""
        return Sites(self.rows[index], self.cols[index], self.labels[index], self.qualities[index])


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


def _depthwise(op: Op, x: Array, taps: Array, arithmetic: str) -> Array:
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


def _pointwise(op: Op, x: Array, arithmetic: str) -> Array:
    prepared = op.ready(arithmetic)
    acc = x @ prepared[0]
    if op.shift is None:
        acc += prepared[1]
        return np.clip(acc, *op.clamp, out=acc)
    return _requantise(acc, prepared, op.clamp)


def pieces(count: int) -> Iterator[slice]:
    """Cells worked on at once."""
    for a in range(0, count, CHUNK_CELLS):
        yield slice(a, min(a + CHUNK_CELLS, count))


def run(
    network: Sequence[Op],
    sites: Sites,
    x: Array,
    *,
    factor: int = 1,
    hyper: Array | None = None,
    only: Array | None = None,
    arithmetic: str = "float32",
    tape: Tape | None = None,
) -> Array:
    """Run a network on all sites.

    Args:
        network: its operators.
        sites: cells (or blocks, for networks without taps).
        x: ``[n * factor**2, channels]`` integers in any real dtype.
        factor: sites per cell side of the input.
        hyper: ``[n, F]`` hyper features, for the ``hyper`` operator.
        only: indices of the cells whose output is wanted; all by default.
        arithmetic: ``float32``, ``float64`` or ``int64``.
        tape: is filled with what :func:`sdc.gradient.pull_back` needs.

    Returns:
        ``[m * f**2, channels]`` in the arithmetic's dtype, where m cells are wanted and f is the
        output's factor.  Values are the same integers in every arithmetic.
    """
    x = x.astype(arithmetic, copy=False)
    if hyper is not None:
        hyper = hyper.astype(arithmetic, copy=False)
    stack: list[Array] = []
    parts = segments(network)
    if parts and parts[0][0].kind == "depthwise":
        x = np.concatenate([x, np.zeros((1, x.shape[1]), x.dtype)])
    for number, ops in enumerate(parts):
        last = number + 1 == len(parts)
        wanted = only if last and only is not None else None
        count = len(sites) if wanted is None else len(wanted)
        spare = 0 if last else 1  # a row of zeros behind the sites, for absent taps
        out: Array | None = None
        pushed: list[Array] = []
        start = factor
        for piece in pieces(count):
            cells = piece if wanted is None else wanted[piece]
            passed: Passed | None = None if tape is None else []
            t, local, f = _run_cells(ops, sites, x, hyper, stack, cells, start, arithmetic, passed)
            if tape is not None and passed is not None:
                tape.append(passed)
            area = f * f
            if out is None:
                out = np.empty((count * area + spare, t.shape[1]), arithmetic)
                if spare:
                    out[-1] = 0
                pushed = [np.empty((count * area, s.shape[1]), arithmetic) for s in local]
            rows = slice(piece.start * area, piece.stop * area)
            out[rows] = t
            for whole, s in zip(pushed, local, strict=True):
                whole[rows] = s
            factor = f
        if out is None:
            return np.empty((0, 0), arithmetic)
        x, stack = out, pushed
    return x


def _run_cells(
    ops: Sequence[Op],
    sites: Sites,
    x: Array,
    hyper: Array | None,
    stack: list[Array],
    cells: slice | Array,
    factor: int,
    arithmetic: str,
    passed: Passed | None,
) -> tuple[Array, list[Array], int]:
    """Run one part of a network on some cells; returns output, what is still pushed, and the factor.

    Where clamps let values through is appended to ``passed``, one entry per operator with a clamp.
    """
    area = factor * factor

    def rows_of(source: Array) -> Array:
        if isinstance(cells, slice):
            return source[cells.start * area : cells.stop * area]
        channels = source.shape[1]
        return (
            source[: len(sites) * area]
            .reshape(len(sites), area, channels)[cells]
            .reshape(len(cells) * area, channels)
        )

    def note(op: Op, values: Array) -> None:
        if passed is not None and op.kind in ("pointwise", "depthwise", "quality", "add"):
            free = (values > op.clamp[0]) & (values < op.clamp[1])
            passed.append(None if free.all() else free)

    local = [rows_of(s) for s in stack]
    if ops[0].kind == "depthwise":
        taps = sites.taps(factor).reshape(9, len(sites), area)[:, cells].reshape(9, -1)
        t = _depthwise(ops[0], x, taps, arithmetic)
        note(ops[0], t)
        ops = ops[1:]
    else:
        t = rows_of(x)
    for op in ops:
        if op.kind == "pointwise":
            t = _pointwise(op, t, arithmetic)
        elif op.kind == "push":
            local.append(t)
        elif op.kind == "add":
            t = t + local.pop()  # a new array: what was pushed may be pushed twice
            np.clip(t, *op.clamp, out=t)
        elif op.kind == "quality":
            per_cell = op.ready(arithmetic)[0][sites.qualities[cells]]
            t = (t.reshape(len(per_cell), -1, per_cell.shape[1]) + per_cell[:, None]).reshape(t.shape)
            np.clip(t, *op.clamp, out=t)
        elif op.kind == "shuffle":
            t = t.reshape(len(t) * op.factor**2, -1)
            factor *= op.factor
        elif op.kind == "unshuffle":
            t = t.reshape(len(t) // op.factor**2, -1)
            factor //= op.factor
        elif op.kind == "hyper":
            assert hyper is not None
            t = np.concatenate([t, hyper[cells]], axis=1)
        else:
            raise ValueError(f"unknown operator {op.kind}")
        note(op, t)
    return t, local, factor


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
