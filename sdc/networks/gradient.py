"""Gradients through the integer networks, for encoders (not normative).

Rounding counts as the identity, and a clamp passes a gradient where it let the value through.  Products with
weights are of integers (:meth:`.operators.affine.Pointwise.backward`), and all else is in one order, so every
machine has the same gradient.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from ..types import Array
from .core_runner import CoreTape, core_backward
from .network import segments
from .numpy_runner import Passed, Tape
from .operators import BackwardWork, Clamped, Operator
from .sites import Sites, pieces, rows_of
from .threads import one_thread


@one_thread()
def backward(network: Sequence[Operator], sites: Sites, gradient: Array, tape: Tape, hyper: int = 0) -> Array:
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
    if tape and isinstance(tape[0], CoreTape):
        return core_backward(tape[0], len(sites), gradient)
    n, at = len(sites), len(tape)
    g = gradient.astype(np.float32, copy=False)
    sums: list[Array] = []
    parts = list(pieces(n))
    for operators in reversed(segments(network)):
        at -= len(parts)
        done = []
        for piece, passed in zip(parts, tape[at : at + len(parts)], strict=True):
            work = BackwardWork(sites, hyper, [rows_of(s, n, piece) for s in sums])
            done.append((_backward_part(operators, rows_of(g, n, piece), passed, work), work.sums))
        g = np.concatenate([values for values, _ in done])
        sums = [np.concatenate(some) for some in zip(*(s for _, s in done), strict=True)]
        if operators[0].radius:
            g = operators[0].backward(g, BackwardWork(sites, hyper))
    return g


def _backward_part(operators: Sequence[Operator], g: Array, passed: Passed, work: BackwardWork) -> Array:
    """Back through a part of a network for some cells: to the output of its taps before their clamp, if any.

    ``work.sums`` has, at the end, those whose other term was pushed in an earlier part.
    """
    clamps = iter(reversed(passed))
    for op in reversed(operators):
        free = next(clamps) if isinstance(op, Clamped) else None
        if free is not None:
            g = g * free
        if not op.radius:
            g = op.backward(g, work)
    return g
