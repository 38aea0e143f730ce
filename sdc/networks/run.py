"""Runner of integer networks (spec section "Models and integer networks").

Tensors are lists of sites: ``[sites, channels]``, one row per cell (or block, half-cell,
pixel) of the groups at hand, in the order of the cells.  So the cost follows the number of
cells, however they are scattered, and a gated tap is a row index that points to a row of zeros
where the neighbour does not exist or belongs to another group (NETW-08).

Three arithmetics give the same numbers: ``float32`` and ``float64``, exact because a valid model keeps every
sum below 2**24 (NETW-12), and ``int64``.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence

import numpy as np

from ..types import Array
from .operators import Op, depthwise, pointwise, segments
from .sites import Sites

CHUNK_CELLS = 512
"""Cells worked on at once: enough for the matrix products, and a bound on memory."""


Passed = list[Array | None]
"""Where each clamp of a part let values through: ``bool`` of its output, or ``None`` for everywhere."""


Tape = list[Passed]
"""Of every part of a network and every piece of its cells, in the order of the run."""


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
        tape: is filled with what :func:`sdc.networks.gradient.pull_back` needs.

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
        t = depthwise(ops[0], x, taps, arithmetic)
        note(ops[0], t)
        ops = ops[1:]
    else:
        t = rows_of(x)
    for op in ops:
        if op.kind == "pointwise":
            t = pointwise(op, t, arithmetic)
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


Runner = Callable[..., Array]
