"""The synthetic model, number 0 of the registry: small, made by an integer generator.

It codes no image well.  Its numbers are chosen so that small streams reach every scale
index, clamp and escape; tests and conformance vectors are made on it and outlive retraining.
``python -m sdc.testing.synthetic`` writes its file.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from ..networks.registry import models_folder
from ..networks.tensors import write_tensors
from ..types import Array

LATENTS, HYPER, FEATURES, CHANNELS = 16, 4, 16, 16
SEED = 20260001


class Generator:
    """32-bit linear congruential generator: ``x = (1664525 x + 1013904223) mod 2**32``.

    A draw from ``lo..hi``, at most 65536 values, advances ``x`` and takes
    ``lo + (x >> 16) mod (hi - lo + 1)``.
    """

    def __init__(self, seed: int):
        self.x = seed & 0xFFFFFFFF

    def draw(self, lo: int, hi: int) -> int:
        """One integer of ``lo..hi``."""
        self.x = (1664525 * self.x + 1013904223) & 0xFFFFFFFF
        return lo + (self.x >> 16) % (hi - lo + 1)

    def array(self, shape: tuple[int, ...], lo: int, hi: int, dtype: str) -> Array:
        """An array of draws in C order."""
        count = int(np.prod(shape))
        return np.array([self.draw(lo, hi) for _ in range(count)], dtype).reshape(shape)


def symbol_frequencies(reach: int, scale: int) -> list[int]:
    """Integer frequencies of ``2 * reach + 2`` symbols: falling off from the middle, the escape last.

    Args:
        reach: largest residual without an escape.
        scale: residual at which the weight has halved.
    """
    weights = [65536 * scale // (scale + abs(r)) ** 2 * scale + 1 for r in range(-reach, reach + 1)] + [64]
    room = (1 << 15) - len(weights)
    total = sum(weights)
    freqs = [1 + w * room // total for w in weights]
    freqs[reach] += (1 << 15) - sum(freqs)
    return freqs


def synthetic_model_file() -> bytes:
    """The model file; the same bytes every time."""
    g = Generator(SEED)
    tensors: dict[str, Array] = {}

    def affine(
        name: str,
        out: int,
        fan_in: int,
        peak: int,
        shift: int,
        bias: int,
        low: int | None = None,
        spread: int = 2,
    ) -> None:
        tensors[name + ".weight"] = g.array((out, fan_in), -peak, peak, "<i2")
        tensors[name + ".bias"] = g.array((out,), -bias if low is None else low, bias, "<i4")
        tensors[name + ".shift"] = g.array((out,), shift, shift + spread, "u1")

    def pointwise(
        name: str,
        out: int,
        fan_in: int,
        peak: int,
        shift: int,
        bias: int,
        clamp: list[int],
        low: int | None = None,
        spread: int = 2,
    ) -> Any:
        affine(name, out, fan_in, peak, shift, bias, low, spread)
        return {"op": "pointwise", "name": name, "clamp": clamp}

    def depthwise(name: str, channels: int, peak: int, shift: int, bias: int, clamp: list[int]) -> Any:
        affine(name, channels, 9, peak, shift, bias)
        return {"op": "depthwise", "name": name, "clamp": clamp}

    def quality(name: str, channels: int, peak: int, clamp: list[int]) -> Any:
        tensors[name + ".table"] = g.array((64, channels), -peak, peak, "<i2")
        return {"op": "quality", "name": name, "clamp": clamp}

    signed, positive = [-2048, 2047], [0, 2047]
    half = LATENTS // 2
    passes = [[0, 0, half], [1, 0, half], [0, half, LATENTS], [1, half, LATENTS]]
    networks: dict[str, Any] = {
        "hyper": [
            pointwise("hyper.0", FEATURES, HYPER, 300, 6, 3000, signed),
            quality("hyper.1", FEATURES, 400, positive),
            pointwise("hyper.2", 16 * FEATURES, FEATURES, 120, 6, 20000, positive),
            {"op": "shuffle", "factor": 4},
        ]
    }
    for k in range(4):
        local = (
            [
                pointwise(f"context.{k}.0", FEATURES, LATENTS, 200, 5, 8000, positive),
                depthwise(f"context.{k}.1", FEATURES, 200, 6, 4000, signed),
            ]
            if k
            else []
        )
        networks[f"context.{k}"] = [
            *local,
            {"op": "hyper"},
            pointwise(f"context.{k}.2", FEATURES, FEATURES * (2 if k else 1), 120, 7, 20000, positive),
            pointwise(f"context.{k}.3", 2 * half, FEATURES, 120, 6, 20000, signed, spread=6),
        ]
    networks["synthesis"] = [
        pointwise("synthesis.0", 4 * CHANNELS, LATENTS, 250, 6, 4000, signed),
        {"op": "shuffle", "factor": 2},
        quality("synthesis.1", CHANNELS, 300, signed),
        {"op": "push"},
        pointwise("synthesis.2", CHANNELS, CHANNELS, 250, 7, 9000, positive),
        depthwise("synthesis.3", CHANNELS, 300, 7, 4000, signed),
        pointwise("synthesis.4", CHANNELS, CHANNELS, 250, 8, 9000, signed),
        {"op": "add", "clamp": signed},
        pointwise("synthesis.5", 192, CHANNELS, 15, 7, 65535, [0, 255], low=0),
        {"op": "shuffle", "factor": 8},
    ]
    tensors["step"] = g.array((64, LATENTS), 40, 9000, "<i2")
    tensors["inverse"] = g.array((64, LATENTS), 100, 3000, "<i2")
    tensors["offset"] = g.array((64, LATENTS), -200, 700, "<i2")
    tensors["hyper_step"] = g.array((64, HYPER), 100, 9000, "<i2")
    tensors["hyper_index"] = np.minimum(g.array((64, HYPER), 0, 79, "u1"), 63).astype("u1")
    # At quality 0 nothing is ever coded: every index is 0, so the payload is empty.
    tensors["offset"][0] = -32768
    tensors["hyper_index"][0] = 0
    reach = [0] + [1 + 126 * t // 63 for t in range(1, 64)]
    tensors["reach"] = np.array(reach, "u1")
    tensors["frequency"] = np.array(
        [f for t in range(1, 64) for f in symbol_frequencies(reach[t], 1 + t // 3)], "<i2"
    )
    description = {
        "profile": 1,
        "name": "SDC synthetic",
        "latents": LATENTS,
        "hyper": HYPER,
        "passes": passes,
        "shifts": {"index": 3, "mean": 10, "step": 10, "hyper": 4},
        "ranges": {"latent": signed, "hyper": [-1024, 1023]},
        "networks": networks,
    }
    return write_tensors(tensors, description)


if __name__ == "__main__":
    models_folder().mkdir(exist_ok=True)
    (models_folder() / "sdc-model-0.safetensors").write_bytes(synthetic_model_file())
