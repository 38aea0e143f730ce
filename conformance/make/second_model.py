"""A second small model, with a private number, unlike the synthetic one in what Profile 1 leaves open.

Its passes begin with parity 1 and are not halves; operators stand in other places and other numbers; a
shuffle of 8 comes first; ranges are wide and steps small, so that the clamp of ``v`` (PASS-08) shows.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from sdc.networks.tensors import write_tensors
from sdc.testing.synthetic import Generator, symbol_frequencies

NUMBER = 16777293
RESERVED = 16384
"""A number that is neither registered nor private, with this model as its file."""
CUT_OFF = 16777294
"""A private number whose file is this model, less its last byte."""
LATENTS, HYPER, FEATURES = 6, 3, 5
SEED = 77


def second_model_file() -> bytes:
    """The model file; the same bytes every time."""
    g = Generator(SEED)
    tensors: dict[str, Any] = {}

    def affine(name: str, out: int, fan_in: int, peak: int, bias: int, shift: int) -> None:
        tensors[name + ".weight"] = g.array((out, fan_in), -peak, peak, "<i2")
        tensors[name + ".bias"] = g.array((out,), -bias, bias, "<i4")
        tensors[name + ".shift"] = g.array((out,), shift, shift + 2, "u1")

    def pointwise(
        name: str, out: int, fan_in: int, peak: int, bias: int, shift: int, clamp: list[int]
    ) -> Any:
        affine(name, out, fan_in, peak, bias, shift)
        return {"op": "pointwise", "name": name, "clamp": clamp}

    def depthwise(name: str, channels: int, peak: int, bias: int, shift: int, clamp: list[int]) -> Any:
        affine(name, channels, 9, peak, bias, shift)
        return {"op": "depthwise", "name": name, "clamp": clamp}

    def quality(name: str, channels: int, peak: int, clamp: list[int]) -> Any:
        tensors[name + ".table"] = g.array((64, channels), -peak, peak, "<i2")
        return {"op": "quality", "name": name, "clamp": clamp}

    def add(clamp: list[int]) -> Any:
        return {"op": "add", "clamp": clamp}

    push, hyper = {"op": "push"}, {"op": "hyper"}
    wide, raw = [-1500, 1400], [-500, 700]
    networks = {
        "hyper": [
            pointwise("h.first", 8, HYPER, 90, 900, 5, [-700, 701]),
            quality("h.quality", 8, 200, [0, 700]),
            pointwise("h.last", 16 * FEATURES, 8, 60, 9000, 5, [-100, 900]),
            {"op": "shuffle", "factor": 4},
        ],
        "context.0": [hyper, pointwise("c0", 4, FEATURES, 90, 9000, 5, raw)],
        "context.1": [
            pointwise("c1.first", FEATURES, LATENTS, 90, 50000, 9, wide),
            depthwise("c1.taps", FEATURES, 200, 5000, 8, wide),
            push,
            quality("c1.quality", FEATURES, 300, wide),
            add([-1000, 1001]),
            hyper,
            pointwise("c1.last", 6, 2 * FEATURES, 90, 9000, 6, raw),
        ],
        "context.2": [
            hyper,
            push,
            pointwise("c2.first", FEATURES, FEATURES, 90, 5000, 6, wide),
            add(wide),
            hyper,
            pointwise("c2.last", 8, 2 * FEATURES, 90, 9000, 6, raw),
        ],
        "context.3": [
            depthwise("c3.taps", LATENTS, 60, 50000, 9, [-3000, 3001]),
            hyper,
            pointwise("c3.last", 6, LATENTS + FEATURES, 60, 9000, 8, raw),
        ],
        "synthesis": [
            depthwise("s.cells", LATENTS, 60, 50000, 8, wide),
            pointwise("s.first", 192, LATENTS, 90, 9000, 6, wide),
            {"op": "shuffle", "factor": 8},
            push,
            push,
            pointwise("s.second", 3, 3, 90, 9000, 6, wide),
            depthwise("s.taps", 3, 90, 9000, 6, wide),
            add([-1499, 1300]),
            quality("s.quality", 3, 300, wide),
            add(wide),
            pointwise("s.last", 12, 3, 40, 60000, 8, [0, 255]),
            {"op": "shuffle", "factor": 2},
        ],
    }
    tensors["step"] = g.array((64, LATENTS), 1, 60, "<i2")
    tensors["inverse"] = g.array((64, LATENTS), 0, 2000, "<i2")
    tensors["offset"] = g.array((64, LATENTS), -400, 500, "<i2")
    tensors["hyper_step"] = g.array((64, HYPER), 0, 200, "<i2")
    tensors["hyper_index"] = np.minimum(g.array((64, HYPER), 0, 70, "u1"), 63).astype("u1")
    reach = [255] + [37 * t % 128 for t in range(1, 64)]
    tensors["reach"] = np.array(reach, "u1")
    tensors["frequency"] = np.array(
        [f for t in range(1, 64) for f in symbol_frequencies(reach[t], 1 + t // 4)], "<i2"
    )
    description = {
        "profile": 1,
        "name": "private, for vectors",
        "latents": LATENTS,
        "hyper": HYPER,
        "passes": [[1, 0, 2], [0, 0, 3], [1, 2, 6], [0, 3, 6]],
        "shifts": {"index": 4, "mean": 6, "step": 8, "hyper": 3},
        "ranges": {"latent": [-20000, 19000], "hyper": [-500, 501]},
        "networks": networks,
    }
    return write_tensors(tensors, description)
