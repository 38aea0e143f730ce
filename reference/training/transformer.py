"""A frozen vision transformer, of which training takes features: DINOv2's ViT-S/14 (arXiv 2304.07193).

Its weights are a file of torch: ``patch``, ``cls``, ``pos``, ``blocks`` and ``norm``, with ``qkv`` and
``proj`` of the attention, ``fc1`` and ``fc2`` behind it and ``ls1`` and ``ls2`` that scale what either adds.
``pos`` is ``[1, 1 + N, C]``, the place of the class token first, as upstream has it, or ``[1, N, C]``, of a
square of N patches alone; then the class token is its own place.
"""

from __future__ import annotations

import math
from collections.abc import Mapping

import torch
import torch.nn.functional as F
from torch import Tensor, nn

HEAD = 64
"""Channels of a head of attention."""

TAPS = 4
"""Features are taken behind so many blocks, evenly spread; the last is one of them."""


class _Block(nn.Module):
    def __init__(self, width: int):
        super().__init__()
        self.norm1, self.norm2 = nn.LayerNorm(width, eps=1e-6), nn.LayerNorm(width, eps=1e-6)
        self.qkv, self.proj = nn.Linear(width, 3 * width), nn.Linear(width, width)
        self.fc1, self.fc2 = nn.Linear(width, 4 * width), nn.Linear(4 * width, width)
        self.ls1, self.ls2 = nn.Parameter(torch.ones(width)), nn.Parameter(torch.ones(width))

    def forward(self, x: Tensor) -> Tensor:
        heads = self.qkv(self.norm1(x)).view(*x.shape[:2], 3, -1, HEAD).permute(2, 0, 3, 1, 4)
        seen = F.scaled_dot_product_attention(*heads.unbind())
        x = x + self.ls1 * self.proj(seen.transpose(1, 2).flatten(2))
        y: Tensor = x + self.ls2 * self.fc2(F.gelu(self.fc1(self.norm2(x))))
        return y


class VisionTransformer(nn.Module):
    """Features of a vision transformer.

    Args:
        state: its weights, which its sizes are taken from.

    Raises:
        KeyError: a weight is missing.
        ValueError: ``pos`` is of no square of patches.
    """

    def __init__(self, state: Mapping[str, Tensor]):
        super().__init__()
        width, _, stride, _ = state["patch.weight"].shape
        depth = 1 + max(int(name.split(".")[1]) for name in state if name.startswith("blocks."))
        self.patch = nn.Conv2d(3, width, stride, stride)
        self.cls = nn.Parameter(torch.zeros(1, 1, width))
        self.pos = nn.Parameter(torch.zeros_like(state["pos"]))
        places = self.pos.shape[1]
        self.first = next((k for k in (0, 1) if math.isqrt(places - k) ** 2 == places - k), None)
        if self.first is None:
            raise ValueError(f"a table of {places} places is of no square of patches")
        self.blocks = nn.ModuleList(_Block(width) for _ in range(depth))
        self.norm = nn.LayerNorm(width, eps=1e-6)
        self.taps = [depth * (k + 1) // TAPS - 1 for k in range(TAPS)]
        self.strides = (stride,) * TAPS

    def forward(self, image: Tensor) -> list[Tensor]:
        """Features ``[B, C, H / stride, W / stride]`` of normalised images ``[B, 3, H, W]``.

        What is less than a patch at the right and the bottom is left out.
        """
        x = self.patch(image)
        rows, cols = x.shape[2:]
        patches = self.pos[:, self.first :]
        side = math.isqrt(patches.shape[1])
        table = patches.transpose(1, 2).reshape(1, -1, side, side)
        table = F.interpolate(table, (rows, cols), mode="bicubic", antialias=False)
        tokens = (x + table).flatten(2).transpose(1, 2)
        own = self.cls + (self.pos[:, :1] if self.first else self.cls)
        y = torch.cat([own.expand(len(x), 1, -1), tokens], 1)
        out = []
        for k, block in enumerate(self.blocks):
            y = block(y)
            if k in self.taps:
                out.append(self.norm(y)[:, 1:].transpose(1, 2).reshape(*x.shape))
        return out
