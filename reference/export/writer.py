"""Tensors and operators of a model file, layer by layer."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import numpy as np
import torch
from torch import Tensor

from ..model.layers import STREAM, Block, Depthwise, Pointwise, QualityBias

Tensors = dict[str, np.ndarray[Any, Any]]
Ops = list[dict[str, Any]]


class Writer:
    """Collects the tensors and operators of one file."""

    def __init__(self) -> None:
        self.tensors: Tensors = {}

    def affine(
        self,
        name: str,
        layers: list[Pointwise] | Depthwise,
        rows: Tensor | None = None,
        cols: Tensor | None = None,
    ) -> Ops:
        """A pointwise layer (several side by side become one) or a depthwise one.

        ``rows`` and ``cols`` reorder output and input channels from torch's order to ours.
        """
        parts = [layers] if isinstance(layers, Depthwise) else layers
        weight, bias, shift = (torch.cat(t) for t in zip(*(p.integers() for p in parts), strict=True))
        weight = weight.flatten(1)
        if cols is not None:
            weight = weight[:, cols]
        if rows is not None:
            weight, bias, shift = weight[rows], bias[rows], shift[rows]
        self.tensors[name + ".weight"] = weight.numpy().astype("<i2")
        self.tensors[name + ".bias"] = bias.numpy().astype("<i4")
        self.tensors[name + ".shift"] = shift.numpy().astype("u1")
        lo, hi = min(p.dst.lo for p in parts), max(p.dst.hi for p in parts)
        kind = "depthwise" if isinstance(layers, Depthwise) else "pointwise"
        return [{"op": kind, "name": name, "clamp": [lo, hi]}]

    def quality(self, name: str, layer: QualityBias) -> Ops:
        """A bias by quality, its 64 rows."""
        table = torch.round(layer.rows().detach() * 2.0**layer.dst.frac)
        if float(table.abs().max()) > 32767:
            raise ValueError(f"table of {name} leaves 16 bits: {float(table.abs().max()):.0f}")
        self.tensors[name + ".table"] = table.numpy().astype("<i2")
        return [{"op": "quality", "name": name, "clamp": [layer.dst.lo, layer.dst.hi]}]

    def block(self, name: str, block: Block) -> Ops:
        """A residual block of the transforms."""
        add = {"op": "add", "clamp": [STREAM.lo, STREAM.hi]}
        return [
            {"op": "push"},
            *self.affine(f"{name}.reduce", [block.reduce]),
            *self.affine(f"{name}.spatial", block.spatial),
            *self.affine(f"{name}.project", [block.project]),
            add,
            {"op": "push"},
            *self.affine(f"{name}.expand", [block.expand]),
            *self.affine(f"{name}.contract", [block.contract]),
            add,
        ]

    def blocks(self, name: str, stages: Iterable[tuple[QualityBias | None, Block]]) -> Ops:
        """The blocks of a transform, each behind what tells it the quality."""
        ops: Ops = []
        for k, (bias, block) in enumerate(stages):
            ops += [] if bias is None else self.quality(f"{name}.{k}.quality", bias)
            ops += self.block(f"{name}.{k}", block)
        return ops

    def real(self, name: str, weight: Tensor, bias: Tensor, clamp: list[int]) -> Ops:
        """A pointwise layer of floats, which only encoders may have."""
        self.tensors[name + ".weight"] = weight.detach().flatten(1).numpy().astype("<f4")
        self.tensors[name + ".bias"] = bias.detach().numpy().astype("<f4")
        return [{"op": "pointwise", "name": name, "clamp": clamp}]
