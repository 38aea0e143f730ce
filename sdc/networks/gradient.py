"""Gradients through the integer networks, for encoders (not normative).

Rounding counts as the identity, and a clamp passes a gradient where it let the value through.
"""

from __future__ import annotations

from collections.abc import Sequence
from math import isqrt

import numpy as np

from ..types import Array
from .operators import Op, segments
from .run import Passed, Tape, pieces
from .sites import Sites


def pull_back(network: Sequence[Op], sites: Sites, gradient: Array, tape: Tape, hyper: int = 0) -> Array:
    """Gradient at the input of a network from that at its output.

    Args:
        network: as it was run.
        sites: the cells that it was run on.
        gradient: ``[n * f**2, channels]`` in any real dtype, f being the factor of the output.
        tape: filled by :func:`sdc.networks.run.run`, with all cells wanted.
        hyper: channels that the operator ``hyper`` appended, whose gradient is not wanted.

    Returns:
        ``float32 [n * factor**2, channels]``, factor being that of the input.
    """
    n, at = len(sites), len(tape)
    g = gradient.astype(np.float32, copy=False)
    sums: list[Array] = []
    parts = list(pieces(n))
    for ops in reversed(segments(network)):
        at -= len(parts)
        done = [
            _pull_cells(ops, _of(g, n, piece), [_of(s, n, piece) for s in sums], passed, hyper)
            for piece, passed in zip(parts, tape[at : at + len(parts)], strict=True)
        ]
        g = np.concatenate([t for t, _ in done])
        sums = [np.concatenate(s) for s in zip(*(s for _, s in done), strict=True)]
        if ops[0].kind == "depthwise":
            g = _pull_taps(ops[0], g, sites)
    return g


def _of(values: Array, cells: int, piece: slice) -> Array:
    """Rows of some cells."""
    area = len(values) // cells
    return values[piece.start * area : piece.stop * area]


def _pull_cells(
    ops: Sequence[Op], g: Array, sums: list[Array], passed: Passed, hyper: int
) -> tuple[Array, list[Array]]:
    """Back through a part of a network, to the sums of its taps.

    Args:
        sums: gradients at sums (``add``) whose other term was pushed in this part or an earlier one.

    Returns:
        ``(gradient, sums whose other term was pushed earlier)``.
    """
    clamps = iter(reversed(passed))
    for op in reversed(ops):
        free = None if op.kind in ("push", "shuffle", "unshuffle", "hyper") else next(clamps)
        if free is not None:
            g = g * free
        if op.kind == "pointwise":
            g = g @ op.ready("float32")[0].T
        elif op.kind == "add":
            sums.append(g)
        elif op.kind == "push":
            g = g + sums.pop()
        elif op.kind == "hyper":
            g = g[:, : g.shape[1] - hyper]
        elif op.kind == "shuffle":
            g = g.reshape(len(g) // op.factor**2, -1)
        elif op.kind == "unshuffle":
            g = g.reshape(len(g) * op.factor**2, -1)
    return g, sums


def _pull_taps(op: Op, g: Array, sites: Sites) -> Array:
    """Back through gated 3x3 taps: where tap k leads to a site, tap 8 - k leads back."""
    n, weight = len(g), op.ready("float32")[0]
    taps = sites.taps(isqrt(n // len(sites)))
    g = np.concatenate([g, np.zeros((1, g.shape[1]), g.dtype)])
    out = np.empty((n, g.shape[1]), np.float32)
    for cells in pieces(len(sites)):
        back = taps.reshape(9, len(sites), -1)[:, cells].reshape(9, -1)
        acc = _of(out, len(sites), cells)
        np.multiply(g.take(back[8], axis=0), weight[0], out=acc)
        buffer = np.empty_like(acc)
        for k in range(1, 9):
            g.take(back[8 - k], axis=0, out=buffer, mode="clip")
            buffer *= weight[k]
            acc += buffer
    return out
