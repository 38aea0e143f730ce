"""Sums around a part of a network: what ``push`` remembers, ``add`` adds (NETW-06)."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from ...types import Array
from ..tensors import clamp_pair, model_error
from .base import BackwardWork, Clamped, Flow, Operator, Work


class Push(Operator):
    """Remembers the values, which go on."""

    kind = "push"

    @classmethod
    def parse(cls, row: Mapping[str, Any], tensors: Mapping[str, Array]) -> Push:
        """See :meth:`Operator.parse`."""
        return cls()

    def check(self, flow: Flow, where: str) -> Flow:
        """See :meth:`Operator.check`."""
        return replace(flow, pushed=(*flow.pushed, (flow.channels, flow.factor)))

    def run(self, x: Array, work: Work) -> Array:
        """See :meth:`Operator.run`."""
        work.pushed.append(x)
        return x

    def backward(self, gradient: Array, work: BackwardWork) -> Array:
        """See :meth:`Operator.backward`."""
        total: Array = gradient + work.sums.pop()
        return total


@dataclass(frozen=True, eq=False)
class Add(Clamped):
    """Adds the values that were remembered last."""

    clamp: tuple[int, int]

    kind = "add"

    @classmethod
    def parse(cls, row: Mapping[str, Any], tensors: Mapping[str, Array]) -> Add:
        """See :meth:`Operator.parse`."""
        return cls(clamp_pair(row["clamp"]))

    def check(self, flow: Flow, where: str) -> Flow:
        """See :meth:`Operator.check`."""
        if not flow.pushed or flow.pushed[-1] != (flow.channels, flow.factor):
            raise model_error("nothing of that width to add", where)
        return replace(flow, peak=self.peak, pushed=flow.pushed[:-1])

    def run(self, x: Array, work: Work) -> Array:
        """See :meth:`Operator.run`."""
        x = x + work.pushed.pop()  # a new array: what was pushed may be pushed twice
        return np.clip(x, *self.clamp, out=x)

    def backward(self, gradient: Array, work: BackwardWork) -> Array:
        """See :meth:`Operator.backward`."""
        work.sums.append(gradient)
        return gradient
