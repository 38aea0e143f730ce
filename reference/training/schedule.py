"""How far a run is, and what follows from it: learning rate, size of crops, arithmetic.

A run has a length, in steps or in minutes of computing, or goes on until it is stopped.
Without a length there is no end for the rate to fall towards: it holds.
A second run with ``plateau`` 0 then makes the fall.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

WARM_UP = 0.01
"""Part of a run of some length in which the rate rises from a tenth of its peak."""


WARM_UP_STEPS = 500
"""The same in steps, of a run without a length."""


def learning_rate(part: float, plateau: float = 0.2) -> float:
    """Part of the peak rate at a part of the run: warm-up, a plateau, then a straight line to 1 %.

    Args:
        part: of the run, 0 to 1.
        plateau: part of the run after which the rate falls; with 1 it never does.
    """
    if part < WARM_UP:
        return _rise(part / WARM_UP)
    return 1.0 if part < plateau else max(0.01, (1 - part) / (1 - plateau))


def _rise(part: float) -> float:
    return 0.1 + 0.9 * part


@dataclass(frozen=True)
class Schedule:
    """What a run does when.

    Attributes:
        steps: length of the run in steps, or ``None``.
        minutes: its length in minutes of computing, or ``None``; not looked at where there are ``steps``.
        plateau: part of the run after which the rate falls and crops grow.
        integer_part: last part of the run, with the arithmetic of integers.
        revive: parts of the run at which dead units start anew, rising.
    """

    steps: int | None = None
    minutes: float | None = None
    plateau: float = 0.2
    integer_part: float = 0.0
    revive: Sequence[float] = ()

    def part(self, step: int, seconds: float) -> float:
        """Part of the run that is done, 1 or more at its end; 0 to the end of time without a length."""
        if self.steps is not None:
            return step / self.steps
        return seconds / (60 * self.minutes) if self.minutes is not None else 0.0

    def rate(self, step: int, seconds: float) -> float:
        """Part of the peak learning rate."""
        if self.steps is None and self.minutes is None:
            return _rise(min(1.0, step / WARM_UP_STEPS))
        return learning_rate(self.part(step, seconds), self.plateau)

    def late(self, part: float) -> bool:
        """Whether crops are the large ones."""
        return part >= self.plateau

    def integer(self, part: float) -> bool:
        """Whether the model computes with integers."""
        return part >= 1 - self.integer_part

    def revivals(self, part: float) -> int:
        """How many times dead units should have started anew."""
        return sum(part >= at for at in self.revive)

    def minutes_left(self, step: int, seconds: float) -> float | None:
        """Minutes of computing to the end, at the pace so far; ``None`` without a length."""
        part = self.part(step, seconds)
        return seconds / 60 * (1 / part - 1) if part else None
