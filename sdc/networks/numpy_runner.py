"""Runner of integer networks on NumPy.

Tensors are lists of sites: ``[sites, channels]``, one row per cell (or block, half-cell,
pixel) of the groups at hand, in the order of the cells.  So the cost follows the number of
cells, however they are scattered, and a gated tap is a row index that points to a row of zeros
where the neighbour does not exist or belongs to another group (NETW-08).

Three arithmetics give the same numbers: ``float32`` and ``float64``, exact because a valid model keeps every
sum below 2**24 (NETW-12), and ``int64``.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from ..types import Array
from .network import segments
from .operators import Clamped, Operator, Work
from .sites import Sites, pieces, rows_of
from .threads import one_thread

Passed = list[Array | None]
"""Where each clamp of a part let values through: ``bool`` of its output, or ``None`` for everywhere."""


Tape = list[Any]
"""A :data:`Passed` of every part of a network and every piece of its cells, in the order of the run; or what
another runner leaves.
"""


@one_thread()
def run_numpy(
    network: Sequence[Operator],
    sites: Sites,
    x: Array,
    *,
    factor: int = 1,
    hyper: Array | None = None,
    only: Array | None = None,
    arithmetic: str = "float32",
    tape: Tape | None = None,
) -> Array:
    """Run a network: :class:`sdc.networks.run.Runner`.

    Args:
        tape: is filled with what :func:`sdc.networks.gradient.backward` needs.
    """
    x = x.astype(arithmetic, copy=False)
    if hyper is not None:
        hyper = hyper.astype(arithmetic, copy=False)
    pushed: list[Array] = []
    parts = segments(network)
    if not parts and only is not None and len(sites):
        return rows_of(x, len(sites), only)
    if parts and parts[0][0].radius:
        x = np.concatenate([x, np.zeros((1, x.shape[1]), x.dtype)])
    for number, operators in enumerate(parts):
        last = number + 1 == len(parts)
        wanted = only if last else None
        count = len(sites) if wanted is None else len(wanted)
        out, kept, behind = _Rows(count, spare=not last), list[_Rows](), factor
        for piece in pieces(count):
            work = Work(sites, piece if wanted is None else wanted[piece], factor, hyper, arithmetic)
            values = _run_part(operators, x, pushed, work, tape)
            out.put(piece, values)
            kept = kept or [_Rows(count) for _ in work.pushed]
            for rows, some in zip(kept, work.pushed, strict=True):
                rows.put(piece, some)
            behind = work.factor
        if out.values is None:
            return np.empty((0, 0), arithmetic)
        x, pushed, factor = out.values, [rows.whole for rows in kept], behind
    return x


class _Rows:
    """Values of all cells of a part, put in piece by piece.

    Args:
        count: of the cells.
        spare: whether a row of zeros follows, for taps that lead nowhere.
    """

    def __init__(self, count: int, spare: bool = False):
        self.count, self.spare = count, int(spare)
        self.values: Array | None = None

    def put(self, piece: slice, values: Array) -> None:
        """Put in the values of some cells."""
        area = len(values) // (piece.stop - piece.start)
        if self.values is None:
            self.values = np.empty((self.count * area + self.spare, values.shape[1]), values.dtype)
            self.values[self.count * area :] = 0
        self.values[piece.start * area : piece.stop * area] = values

    @property
    def whole(self) -> Array:
        """All of them."""
        assert self.values is not None
        return self.values


def _run_part(
    operators: Sequence[Operator], x: Array, pushed: Sequence[Array], work: Work, tape: Tape | None
) -> Array:
    """Run a part of a network on some cells.

    Args:
        x: input of all cells.
        pushed: what earlier parts remembered, of all cells.
        work: its ``factor`` becomes that of the output, and its ``pushed`` what is still remembered.
        tape: if any, is given where the clamps let values through.
    """
    count, passed = len(work.sites), Passed()
    work.pushed = [rows_of(values, count, work.cells) for values in pushed]
    if not operators[0].radius:
        x = rows_of(x, count, work.cells)
    for op in operators:
        x = op.run(x, work)
        work.factor = op.factor_behind(work.factor)
        if tape is not None and isinstance(op, Clamped):
            passed.append(op.passes(x))
    if tape is not None:
        tape.append(passed)
    return x
