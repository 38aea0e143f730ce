"""Layers with weights: pointwise products, and gated 3x3 taps (NETW-03, NETW-07, NETW-08)."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from functools import cached_property
from math import isqrt
from typing import Any, TypeVar

import numpy as np

from ...types import Array
from ..profile import BOUND
from ..sites import pieces, rows_of
from ..tensors import check_types, clamp_pair, model_error, whole_number
from .base import BackwardWork, Clamped, Flow, Work

Own = TypeVar("Own", bound="_Affine")

GRADIENT_BITS = 14
"""Of the magnitude of a gradient where it is multiplied with weights."""

GRADIENT_PEAK = 1 << GRADIENT_BITS

LEAST_GRADIENT = np.float32(1e-30)
"""A smaller one counts as none."""


@dataclass(frozen=True, eq=False)
class _Affine(Clamped):
    """Weighted sums, a bias and a shift to the right for each output channel.

    Attributes:
        weight: ``int16 [out, in]``; of ``depthwise`` ``[C, 9]``.
        bias: ``int32 [out]``.
        shift: ``uint8 [out]``; ``None`` for a layer in floating point, which only encoders have.
    """

    clamp: tuple[int, int]
    weight: Array
    bias: Array
    shift: Array | None = None
    _ready: dict[str, tuple[Array, ...]] = field(default_factory=dict, repr=False)

    @classmethod
    def parse(cls: type[Own], row: Mapping[str, Any], tensors: Mapping[str, Array]) -> Own:
        """See :meth:`.base.Operator.parse`; tensors are ``NAME.weight``, ``NAME.bias`` and ``NAME.shift``."""
        name = row["name"]
        shift = tensors.get(name + ".shift")
        weight, bias = tensors[name + ".weight"], tensors[name + ".bias"]
        if shift is None:
            low, high = (whole_number(v) for v in row["clamp"])
            return cls((low, high), weight, bias)
        check_types(tensors, {name + ".weight": "<i2", name + ".bias": "<i4", name + ".shift": "u1"})
        return cls(clamp_pair(row["clamp"]), weight, bias, shift)

    def _check_shapes(self, flow: Flow, fan_in: int, where: str) -> None:
        out = self.weight.shape[0]
        if (
            self.shift is None
            or self.weight.shape != (out, fan_in)
            or self.bias.shape != (out,)
            or self.shift.shape != (out,)
        ):
            raise model_error(f"shapes do not fit {flow.channels} channels", where)

    @cached_property
    def _magnitudes(self) -> Array:
        """``int64 [out]``: the sum of the magnitudes of each output channel's weights."""
        total: Array = np.abs(self.weight.astype(np.int32)).sum(1, dtype=np.int64)
        return total

    def _check_sums(self, peak: int, where: str) -> None:
        """No sum may leave what ``float32`` holds exactly (NETW-12)."""
        assert self.shift is not None
        shift = self.shift.astype(np.int64)
        if shift.min() < 1 or shift.max() > 24:
            raise model_error("a shift outside 1 to 24", where)
        total = self._magnitudes * peak
        total += np.abs(self.bias.astype(np.int64)) + (np.int64(1) << shift - 1)
        if int(total.max()) >= BOUND:
            raise model_error(
                f"channel {int(total.argmax())} can reach {int(total.max())}, beyond 2^24", where
            )

    def ready(self, arithmetic: str) -> tuple[Array, ...]:
        """Tensors prepared for an arithmetic; made once.

        Returns:
            ``(weight [in, out], bias [out])`` with the rounding of the shift in the bias and, in floating
            point, the shift in both; for ``int64`` the shift too.
        """
        if arithmetic not in self._ready:
            self._ready[arithmetic] = tuple(np.ascontiguousarray(t) for t in self._prepare(arithmetic))
        return self._ready[arithmetic]

    def _prepare(self, arithmetic: str) -> tuple[Array, ...]:
        if self.shift is None:
            return self.weight.T.astype(arithmetic), self.bias.astype(arithmetic)
        half = np.left_shift(np.int64(1), self.shift.astype(np.int64) - 1)
        bias = self.bias.astype(np.int64) + half
        if arithmetic == "int64":
            return self.weight.T.astype(np.int64), bias, self.shift.astype(np.int64)
        # A power of two scales exactly, so the sum arrives already divided by 2**shift.
        scale = np.ldexp(1.0, -self.shift.astype(np.int64))
        return (self.weight.T * scale).astype(arithmetic), (bias * scale).astype(arithmetic)

    def _finish(self, sums: Array, ready: tuple[Array, ...]) -> Array:
        """Bias, shift and clamp, in place."""
        sums += ready[1]
        if len(ready) == 3:
            sums >>= ready[2]
        elif self.shift is not None:
            np.floor(sums, out=sums)
        return np.clip(sums, *self.clamp, out=sums)

    @property
    def multiply_adds(self) -> int:
        """For each site."""
        return self.weight.size


class Pointwise(_Affine):
    """A product of each site's channels with a matrix (NETW-03)."""

    kind = "pointwise"

    def check(self, flow: Flow, where: str) -> Flow:
        """See :meth:`.base.Operator.check`."""
        self._check_shapes(flow, flow.channels, where)
        self._check_sums(flow.peak, where)
        return replace(flow, channels=len(self.weight), peak=self.peak)

    def run(self, x: Array, work: Work) -> Array:
        """See :meth:`.base.Operator.run`."""
        ready = self.ready(work.arithmetic)
        return self._finish(x @ ready[0], ready)

    def backward(self, gradient: Array, work: BackwardWork) -> Array:
        """See :meth:`.base.Operator.backward`.

        Each site's gradient is scaled by a power of two and rounded to an integer of 15 bits, so that the
        products are exact.
        """
        scaled, exponent = self._integers(gradient)
        weight = self.weight.astype(np.float64)
        back = (scaled.astype(np.float64) @ weight).astype(np.float32)
        return np.ldexp(back, exponent)

    def _integers(self, gradient: Array) -> tuple[Array, Array]:
        """``(float32 integers [n, out], power of two of each row [n, 1])``."""
        g = gradient.astype(np.float32, copy=False)
        if self.shift is not None:
            g = np.ldexp(g, -self.shift.astype(np.int32))
        most = np.abs(g).max(1, keepdims=True, initial=0)
        exponent = np.where(most > LEAST_GRADIENT, np.frexp(most)[1] - GRADIENT_BITS, 0)
        up = np.where(most > LEAST_GRADIENT, np.ldexp(np.float32(1), -exponent), np.float32(0))
        g = g * up
        return np.trunc(g + np.copysign(np.float32(0.5), g)), exponent


class Depthwise(_Affine):
    """Each channel of a site and its eight neighbours of the same group, weighted (NETW-07, NETW-08)."""

    kind = "depthwise"
    radius = 1

    def check(self, flow: Flow, where: str) -> Flow:
        """See :meth:`.base.Operator.check`."""
        self._check_shapes(flow, 9, where)
        if len(self.weight) != flow.channels:
            raise model_error(f"{len(self.weight)} filters for {flow.channels} channels", where)
        self._check_sums(flow.peak, where)
        return replace(flow, peak=self.peak)

    def run(self, x: Array, work: Work) -> Array:
        """Values of the cells worked on; the last row of ``x``, behind all sites, is zero."""
        area = work.factor**2
        taps = work.sites.taps(work.factor).reshape(9, len(work.sites), area)
        taps = taps[:, work.cells].reshape(9, -1)
        ready = self.ready(work.arithmetic)
        weight = ready[0]
        acc = x.take(taps[0], axis=0)
        acc *= weight[0]
        buffer = np.empty_like(acc)
        for k in range(1, 9):
            x.take(taps[k], axis=0, out=buffer, mode="clip")
            buffer *= weight[k]
            acc += buffer
        return self._finish(acc, ready)

    def backward(self, gradient: Array, work: BackwardWork) -> Array:
        """Of all sites: where tap k leads to a site, tap 8 - k leads back."""
        n, cells = len(gradient), len(work.sites)
        weight = self.ready("float32")[0]
        taps = work.sites.taps(isqrt(n // cells))
        padded = np.concatenate([gradient, np.zeros((1, gradient.shape[1]), gradient.dtype)])
        out = np.empty((n, gradient.shape[1]), np.float32)
        for piece in pieces(cells):
            back = taps.reshape(9, cells, -1)[:, piece].reshape(9, -1)
            acc = rows_of(out, cells, piece)
            np.multiply(padded.take(back[8], axis=0), weight[0], out=acc)
            buffer = np.empty_like(acc)
            for k in range(1, 9):
                padded.take(back[8 - k], axis=0, out=buffer, mode="clip")
                buffer *= weight[k]
                acc += buffer
        return out
