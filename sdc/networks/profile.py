"""Numbers of the profiles, and which operators may stand in which of its networks (spec section 10)."""

from __future__ import annotations

from decimal import Context, Decimal

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
GROUP_OPERATORS = frozenset({"pointwise", "quality", "push", "add"})
"""Those that may stand where a group has one site."""

VECTOR_RANGE = (-128, 127)
"""Values of a group's vector (RMOD-08)."""
LARGEST_VECTOR = 64

EXACT = Context(prec=40)


def by_quality(ends: tuple[float, float], quality: float) -> float:
    """What a quality has of a geometric series from quality 0 to quality 63.

    Decimal arithmetic has the same last bit on every machine, where powers of C libraries differ.
    """
    low, high = (Decimal(end) for end in ends)
    share = EXACT.divide(Decimal(quality), Decimal(QUALITIES - 1))
    return float(EXACT.multiply(low, EXACT.power(EXACT.divide(high, low), share)))


def operators_of(name: str) -> frozenset[str]:
    """Operators that may stand in a network, by its name."""
    if name == "derive":  # as far as its pool
        return GROUP_OPERATORS | {"depthwise"}
    if name in ("derived", "condition"):  # derived: behind the pool of derive
        return GROUP_OPERATORS
    if name == "restore":
        return DECODER_OPERATORS | {"modulate"}
    if name.startswith("context"):
        return DECODER_OPERATORS | {"hyper"}
    if name == "analysis":  # only encoders have it
        return DECODER_OPERATORS | {"unshuffle"}
    return DECODER_OPERATORS
