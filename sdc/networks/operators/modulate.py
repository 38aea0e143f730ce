"""A gain and an offset for each channel, which a group's vector chooses (RMOD-05)."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from ...types import Array
from ..profile import BOUND
from ..tensors import check_types, clamp_pair, model_error
from .affine import Pointwise
from .base import BackwardWork, Clamped, Flow, Work


@dataclass(frozen=True, eq=False)
class Modulate(Clamped):
    """Multiplies each channel by a gain, shifts to the right, and adds an offset.

    Attributes:
        gain, offset: layers that give both from the features of the group's condition.
        shift: ``uint8 [C]``.
        gains, offsets: ``int64 [C]`` of one group, once they are known; the operator runs only then.
    """

    clamp: tuple[int, int]
    gain: Pointwise
    offset: Pointwise
    shift: Array
    gains: Array | None = None
    offsets: Array | None = None

    kind = "modulate"

    @classmethod
    def parse(cls, row: Mapping[str, Any], tensors: Mapping[str, Array]) -> Modulate:
        """See :meth:`.base.Operator.parse`; the tensors are ``NAME.shift`` and those of two layers."""
        name = row["name"]
        gain, offset = (
            Pointwise.parse({"name": f"{name}.{part}", "clamp": row[part]}, tensors)
            for part in ("gain", "offset")
        )
        check_types(tensors, {name + ".shift": "u1"})
        return cls(clamp_pair(row["clamp"]), gain, offset, tensors[name + ".shift"])

    def check(self, flow: Flow, where: str) -> Flow:
        """See :meth:`.base.Operator.check`."""
        channels, peak = flow.condition
        for layer in (self.gain, self.offset):
            if layer.check(Flow(channels, peak), where).channels != flow.channels:
                raise model_error(f"gains and offsets do not fit {flow.channels} channels", where)
        shift = self.shift.astype(np.int64)
        if shift.shape != (flow.channels,) or shift.min() < 1 or shift.max() > 24:
            raise model_error("a shift for each channel, of 1 to 24, is wanted", where)
        largest = flow.peak * self.gain.peak + (1 << int(shift.max()) - 1)
        if largest >= BOUND:
            raise model_error(f"a product can reach {largest}, beyond 2^24", where)
        return replace(flow, peak=self.peak)

    def of_group(self, gains: Array, offsets: Array) -> Modulate:
        """The operator of one group.

        Args:
            gains, offsets: ``[C]`` integers in any real dtype.
        """
        return replace(self, gains=gains.astype(np.int64), offsets=offsets.astype(np.int64))

    def ready(self, arithmetic: str) -> tuple[Array, ...]:
        """Numbers of the group, prepared for an arithmetic.

        Returns:
            ``(gains [C], rounding [C], offsets [C])``, the first two divided by ``2**shift`` in floating
            point; for ``int64`` the shift too.
        """
        assert self.gains is not None and self.offsets is not None, "no group is chosen"
        shift = self.shift.astype(np.int64)
        half = np.left_shift(np.int64(1), shift - 1)
        if arithmetic == "int64":
            return self.gains, half, self.offsets, shift
        # A power of two scales exactly, as in the layers.
        scale = np.ldexp(1.0, -shift)
        parts = (self.gains * scale, half * scale, self.offsets)
        return tuple(part.astype(arithmetic) for part in parts)

    def run(self, x: Array, work: Work) -> Array:
        """See :meth:`.base.Operator.run`."""
        gains, half, offsets, *shift = self.ready(work.arithmetic)
        y: Array = x * gains
        y += half
        if shift:
            y >>= shift[0]
        else:
            np.floor(y, out=y)
        y += offsets
        return np.clip(y, *self.clamp, out=y)

    def backward(self, gradient: Array, work: BackwardWork) -> Array:
        """See :meth:`.base.Operator.backward`; that of gains and offsets is not wanted."""
        back: Array = gradient * self.ready("float32")[0]
        return back

    @property
    def multiply_adds(self) -> int:
        """For each site."""
        return self.shift.size
