"""Operators of integer networks, one class each, and their register by name.

A new operator is a class beside these and a line in :data:`OPERATORS`.  What stands in which network of a
decoder is a matter of the profile (:mod:`sdc.networks.profile`); encoders and analyses may use all.
"""

from __future__ import annotations

from .affine import Depthwise, Pointwise
from .base import BackwardWork, Clamped, Flow, Operator, Work
from .features import Hyper
from .modulate import Modulate
from .pool import Pool
from .quality import Quality
from .residual import Add, Push
from .shuffle import Shuffle, Unshuffle

OPERATORS: dict[str, type[Operator]] = {
    operator.kind: operator
    for operator in (Pointwise, Depthwise, Quality, Push, Add, Hyper, Modulate, Pool, Shuffle, Unshuffle)
}
"""Classes by the name that a model file uses."""

__all__ = [
    "OPERATORS",
    "Add",
    "BackwardWork",
    "Clamped",
    "Depthwise",
    "Flow",
    "Hyper",
    "Modulate",
    "Operator",
    "Pointwise",
    "Pool",
    "Push",
    "Quality",
    "Shuffle",
    "Unshuffle",
    "Work",
]
