"""Numbers of Profile 1, and which operators may stand in which of its networks (spec section 10)."""

from __future__ import annotations

QUALITIES = 64
SCALES = 64
BOUND = 1 << 24
"""Magnitude that no sum reaches, so that ``float32`` holds all of them exactly (NETW-12)."""

TABLE_TYPES = {
    "step": "<i2",
    "inverse": "<i2",
    "offset": "<i2",
    "hyper_step": "<i2",
    "hyper_index": "u1",
    "reach": "u1",
    "frequency": "<i2",
}

DECODER_OPERATORS = frozenset({"pointwise", "depthwise", "quality", "shuffle", "push", "add"})


def operators_of(name: str) -> frozenset[str]:
    """Operators that may stand in a network, by its name."""
    if name.startswith("context"):
        return DECODER_OPERATORS | {"hyper"}
    if name == "analysis":  # only encoders have it
        return DECODER_OPERATORS | {"unshuffle"}
    return DECODER_OPERATORS
