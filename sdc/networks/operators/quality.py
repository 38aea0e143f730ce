"""A row of a table that the group's quality chooses, added to each site (NETW-04)."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np

from ...types import Array
from ..profile import QUALITIES
from ..tensors import check_types, clamp_pair, model_error
from .base import BackwardWork, Clamped, Flow, Work


@dataclass(frozen=True, eq=False)
class Quality(Clamped):
    """Adds the row of the site's quality.

    Attributes:
        table: ``int16 [64, C]``.
    """

    clamp: tuple[int, int]
    table: Array
    _ready: dict[str, tuple[Array, ...]] = field(default_factory=dict, repr=False)

    kind = "quality"

    @classmethod
    def parse(cls, row: Mapping[str, Any], tensors: Mapping[str, Array]) -> Quality:
        """See :meth:`.base.Operator.parse`; the tensor is ``NAME.table``."""
        name = row["name"]
        check_types(tensors, {name + ".table": "<i2"})
        return cls(clamp_pair(row["clamp"]), tensors[name + ".table"])

    def check(self, flow: Flow, where: str) -> Flow:
        """See :meth:`.base.Operator.check`."""
        if self.table.shape != (QUALITIES, flow.channels):
            raise model_error("the quality table does not fit", where)
        return replace(flow, peak=self.peak)

    def ready(self, arithmetic: str) -> tuple[Array, ...]:
        """Tensors prepared for an arithmetic, the table alone; made once."""
        if arithmetic not in self._ready:
            self._ready[arithmetic] = (np.ascontiguousarray(self.table.astype(arithmetic)),)
        return self._ready[arithmetic]

    def run(self, x: Array, work: Work) -> Array:
        """See :meth:`.base.Operator.run`."""
        per_cell = self.ready(work.arithmetic)[0][work.sites.qualities[work.cells]]
        x = (x.reshape(len(per_cell), -1, per_cell.shape[1]) + per_cell[:, None]).reshape(x.shape)
        return np.clip(x, *self.clamp, out=x)

    def backward(self, gradient: Array, work: BackwardWork) -> Array:
        """See :meth:`.base.Operator.backward`."""
        return gradient
