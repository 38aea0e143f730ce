"""Channels to sites and sites to channels (NETW-05).

Sites of a cell follow one another, so both are a change of shape.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any, TypeVar

from ...types import Array
from ..tensors import model_error, whole_number
from .base import BackwardWork, Flow, Operator, Work

Own = TypeVar("Own", bound="_Reshaping")


@dataclass(frozen=True, eq=False)
class _Reshaping(Operator):
    """Attributes: ``factor``, sites per side that one site is or becomes, 1 to 16."""

    factor: int

    @classmethod
    def parse(cls: type[Own], row: Mapping[str, Any], tensors: Mapping[str, Array]) -> Own:
        """See :meth:`Operator.parse`."""
        if not 1 <= whole_number(row["factor"]) <= 16:
            raise model_error(f"a factor of {row['factor']}")
        return cls(row["factor"])

    def _split(self, values: Array) -> Array:
        return values.reshape(len(values) * self.factor**2, -1)

    def _join(self, values: Array) -> Array:
        return values.reshape(len(values) // self.factor**2, -1)


class Shuffle(_Reshaping):
    """Splits each site into ``factor**2`` sites, which share its channels."""

    kind = "shuffle"

    def check(self, flow: Flow, where: str) -> Flow:
        """See :meth:`Operator.check`."""
        if flow.channels % self.factor**2:
            raise model_error("channels cannot be shuffled", where)
        return replace(flow, channels=flow.channels // self.factor**2, factor=self.factor_behind(flow.factor))

    def run(self, x: Array, work: Work) -> Array:
        """See :meth:`Operator.run`."""
        return self._split(x)

    def backward(self, gradient: Array, work: BackwardWork) -> Array:
        """See :meth:`Operator.backward`."""
        return self._join(gradient)

    def factor_behind(self, factor: int) -> int:
        """See :meth:`Operator.factor_behind`."""
        return factor * self.factor


class Unshuffle(_Reshaping):
    """Makes one site of ``factor**2``; in encoders only."""

    kind = "unshuffle"

    def check(self, flow: Flow, where: str) -> Flow:
        """See :meth:`Operator.check`."""
        return replace(flow, channels=flow.channels * self.factor**2)

    def run(self, x: Array, work: Work) -> Array:
        """See :meth:`Operator.run`."""
        return self._join(x)

    def backward(self, gradient: Array, work: BackwardWork) -> Array:
        """See :meth:`Operator.backward`."""
        return self._split(gradient)

    def factor_behind(self, factor: int) -> int:
        """See :meth:`Operator.factor_behind`."""
        return factor // self.factor
