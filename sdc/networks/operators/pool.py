"""The mean over all cells of a group (RMOD-07)."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from ...types import Array
from .base import BackwardWork, Flow, Operator, Work


class Pool(Operator):
    """One vector for a group from those of its cells.

    It sees all cells at once, so a network is split at it, and no runner meets it.
    """

    kind = "pool"

    @classmethod
    def parse(cls, row: Mapping[str, Any], tensors: Mapping[str, Array]) -> Pool:
        """See :meth:`Operator.parse`."""
        return cls()

    def check(self, flow: Flow, where: str) -> Flow:
        """See :meth:`Operator.check`; a mean is no larger than what it is of."""
        return flow

    def run(self, x: Array, work: Work) -> Array:
        """The mean of all rows of ``x``, rounded, halves up: ``[1, channels]``, summed as ``int64``."""
        count = len(x)
        total = x.astype(np.int64).sum(0)
        mean: Array = (2 * total + count) // (2 * count)
        return mean[None].astype(work.arithmetic)

    def backward(self, gradient: Array, work: BackwardWork) -> Array:
        """See :meth:`Operator.backward`."""
        count = len(work.sites)
        return np.repeat(gradient / np.float32(count), count, axis=0)
