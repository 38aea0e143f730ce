"""Hyper features behind the channels of each cell (NETW-09)."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import numpy as np

from ...types import Array
from ..tensors import model_error
from .base import BackwardWork, Flow, Operator, Work


class Hyper(Operator):
    """Appends the hyper features; at cells, not at parts of them."""

    kind = "hyper"

    @classmethod
    def parse(cls, row: Mapping[str, Any], tensors: Mapping[str, Array]) -> Hyper:
        """See :meth:`Operator.parse`."""
        return cls()

    def check(self, flow: Flow, where: str) -> Flow:
        """See :meth:`Operator.check`."""
        if flow.factor != 1:
            raise model_error("operator hyper may not stand here", where)
        channels, peak = flow.hyper
        return replace(flow, channels=flow.channels + channels, peak=max(flow.peak, peak))

    def run(self, x: Array, work: Work) -> Array:
        """See :meth:`Operator.run`."""
        assert work.hyper is not None
        return np.concatenate([x, work.hyper[work.cells]], axis=1)

    def backward(self, gradient: Array, work: BackwardWork) -> Array:
        """See :meth:`Operator.backward`."""
        return gradient[:, : gradient.shape[1] - work.hyper]
