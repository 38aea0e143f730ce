"""Torch runner of integer networks: the same numbers as :func:`sdc.networks.run.run`, on a CPU or a GPU.

It follows spec section 10 operator by operator and knows nothing of the NumPy runner's
chunks: all sites at once, taps by index, one function per operator.  Give it to
:func:`sdc.codec.decoder.decode` or :func:`sdc.codec.encoder.encode` as ``runner``.

Float32 sums are exact because models keep every accumulator below 2**24 (NETW-12), provided that
nothing rounds the factors: TF32 is off, and no fast convolution is used.
A known-answer test at construction refuses a device that computes otherwise.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
from torch import Tensor

from sdc.networks.operators import (
    Add,
    Depthwise,
    Hyper,
    Modulate,
    Operator,
    Pointwise,
    Push,
    Quality,
    Shuffle,
    Unshuffle,
)
from sdc.networks.sites import Sites
from sdc.types import Array

_Weighted = Pointwise | Depthwise | Quality


class InexactDevice(RuntimeError):
    """The device does not add integers below 2**24 exactly in this arithmetic."""


class TorchRunner:
    """Callable as :class:`sdc.networks.run.Runner` says.

    Args:
        device: ``cpu``, ``cuda`` or any torch device.

    Raises:
        InexactDevice: the known-answer test fails.
    """

    def __init__(self, device: str = "cpu"):
        self.device = torch.device(device)
        self._weights: dict[tuple[int, str], tuple[_Weighted, tuple[Tensor, ...]]] = {}
        if self.device.type == "cuda":
            torch.backends.cuda.matmul.allow_tf32 = False
            torch.backends.cuda.matmul.allow_fp16_reduced_precision_reduction = False
        for arithmetic in ("float32", "float64"):
            self._known_answer(arithmetic)

    def _known_answer(self, arithmetic: str) -> None:
        g = torch.Generator().manual_seed(1)
        dtype = getattr(torch, arithmetic)
        # Activations of 12 bits with small weights, and the other way round: a product that keeps
        # only the leading 10 bits of its factors (TF32) fails one of them.
        for x_peak, w_peak in ((2047, 31), (3, 20001)):
            x = torch.randint(-x_peak, x_peak + 1, (300, 256), generator=g)
            w = torch.randint(-w_peak, w_peak + 1, (256, 64), generator=g)
            got = (x.to(self.device, dtype) @ w.to(self.device, dtype)).cpu().long()
            if not np.array_equal(got.numpy(), x.numpy() @ w.numpy()):
                raise InexactDevice(f"{self.device}: {arithmetic} products of integers are not exact")

    @torch.inference_mode()
    def __call__(
        self,
        network: Sequence[Operator],
        sites: Sites,
        x: Array,
        *,
        factor: int = 1,
        hyper: Array | None = None,
        only: Array | None = None,
        arithmetic: str = "float32",
    ) -> Array:
        """See :class:`sdc.networks.run.Runner`; ``int64`` works on CPUs only."""
        dtype = getattr(torch, arithmetic)
        t = torch.from_numpy(x).to(self.device, dtype)
        cells = torch.arange(len(sites), device=self.device)
        qualities = torch.from_numpy(sites.qualities).to(self.device)
        features = None if hyper is None else torch.from_numpy(hyper).to(self.device, dtype)
        taps: dict[int, Tensor] = {}
        stack: list[Tensor] = []
        spatial = [k for k, op in enumerate(network) if isinstance(op, Depthwise)]
        for k, op in enumerate(network):
            area = factor * factor
            if isinstance(op, Depthwise):
                if factor not in taps:
                    taps[factor] = torch.from_numpy(sites.taps(factor)).to(self.device)
                index = taps[factor]
                if only is not None and k == spatial[-1]:
                    # Behind the last taps, sites that nobody asked for are not needed.
                    cells = torch.from_numpy(only).to(self.device)
                    index = index.reshape(9, len(sites), area)[:, cells].reshape(9, -1)
                    stack = [s.reshape(len(sites), -1)[cells].reshape(index.shape[1], -1) for s in stack]
                t = self._depthwise(op, t, index, arithmetic)
            elif isinstance(op, Pointwise):
                t = self._pointwise(op, t, arithmetic)
            elif isinstance(op, Quality):
                (table,) = self._ready(op, arithmetic)
                rows = table[qualities[cells]]
                t = (t.reshape(len(cells), area, -1) + rows[:, None]).reshape(t.shape).clamp_(*op.clamp)
            elif isinstance(op, Modulate):
                t = self._modulate(op, t, arithmetic)
            elif isinstance(op, Push):
                stack.append(t)
            elif isinstance(op, Add):
                t = (t + stack.pop()).clamp_(*op.clamp)
            elif isinstance(op, Shuffle):
                t = t.reshape(t.shape[0] * op.factor**2, -1)
                factor *= op.factor
            elif isinstance(op, Unshuffle):
                t = t.reshape(t.shape[0] // op.factor**2, -1)
                factor //= op.factor
            elif isinstance(op, Hyper):
                assert features is not None
                t = torch.cat([t, features[cells]], 1)
            else:
                raise ValueError(f"unknown operator {op.kind}")
        if only is not None and not spatial:
            t = t.reshape(len(sites), -1)[torch.from_numpy(only).to(self.device)].reshape(
                len(only) * factor**2, -1
            )
        return t.cpu().numpy()

    def _ready(self, op: _Weighted, arithmetic: str) -> tuple[Tensor, ...]:
        key = (id(op), arithmetic)
        if key not in self._weights:
            tensors = tuple(torch.from_numpy(a).to(self.device) for a in op.ready(arithmetic))
            self._weights[key] = (op, tensors)  # the operator is kept so that its id stays its own
        return self._weights[key][1]

    def _requantise(self, op: Pointwise | Depthwise, acc: Tensor, tensors: tuple[Tensor, ...]) -> Tensor:
        if len(tensors) == 3:
            return (acc >> tensors[2]).clamp_(*op.clamp)
        if op.shift is not None:
            acc.floor_()
        return acc.clamp_(*op.clamp)

    def _pointwise(self, op: Pointwise, x: Tensor, arithmetic: str) -> Tensor:
        tensors = self._ready(op, arithmetic)
        if arithmetic == "int64":
            return self._requantise(op, x @ tensors[0] + tensors[1], tensors)
        return self._requantise(op, torch.addmm(tensors[1], x, tensors[0]), tensors)

    def _modulate(self, op: Modulate, x: Tensor, arithmetic: str) -> Tensor:
        # Of one group: not kept, as tensors of the model are.
        gains, half, offsets, *shift = (torch.from_numpy(a).to(self.device) for a in op.ready(arithmetic))
        acc = x * gains + half
        acc = acc >> shift[0] if shift else acc.floor_()
        return (acc + offsets).clamp_(*op.clamp)

    def _depthwise(self, op: Depthwise, x: Tensor, taps: Tensor, arithmetic: str) -> Tensor:
        tensors = self._ready(op, arithmetic)
        x = torch.cat([x, x.new_zeros(1, x.shape[1])])
        acc = tensors[1].repeat(taps.shape[1], 1)
        for k in range(9):
            acc.addcmul_(x[taps[k]], tensors[0][k])
        return self._requantise(op, acc, tensors)
