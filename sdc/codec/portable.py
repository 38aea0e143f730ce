"""A function whose every bit is the same on all machines, for the rate-distortion search (not normative).

Exponential functions of C libraries and of NumPy differ in their last bits between processors.  Here are
multiplications in one order.
"""

from __future__ import annotations

import numpy as np

from ..types import Array

STEPS = 256
"""Steps of 1 of an exponent."""

FAR = 30
"""Exponents beyond which the odds of a choice are as good as certain."""

_STEP = 1.0039138893383475
"""e to the power of a step."""

_UP = np.cumprod([1.0, *[_STEP] * (FAR * STEPS)])
_POWERS = np.concatenate([1 / _UP[:0:-1], _UP]).astype(np.float32)


def powers_of_e(exponents: Array) -> Array:
    """Powers of e: a table's, so within a part in 500, and of -30 or 30 for exponents beyond.

    Args:
        exponents: ``float32`` in any shape.

    Returns:
        ``float32`` of the same shape.
    """
    places = np.clip(exponents * np.float32(STEPS), -FAR * STEPS, FAR * STEPS)
    places += np.float32(FAR * STEPS + 0.5)
    powers: Array = _POWERS.take(places.astype(np.int32))
    return powers
