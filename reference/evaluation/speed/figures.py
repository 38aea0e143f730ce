"""Times that were measured, by what, who, and on what."""

from __future__ import annotations

import statistics
from collections.abc import Sequence
from typing import NamedTuple


class Key(NamedTuple):
    """What some times are of.

    Attributes:
        what: ``decode``, ``decode L1``, ``encode, effort 0`` and the like.
        by: the engine, perhaps with its number of threads.
        source: name of the images.
        quality: of SDC; peers have its rate.
        layout: of the groups.
    """

    what: str
    by: str
    source: str
    quality: int
    layout: str


class Times(dict[Key, list[float]]):
    """Seconds of runs, each with another input where there are so many."""

    def note(self, key: Key, seconds: Sequence[float]) -> None:
        """Keep them, and print them."""
        self[key] = list(seconds)
        where = f"{key.source} quality {key.quality} {key.layout}"
        print(f"{key.what:28s} {key.by:22s} {where:36s} {spread(seconds)} ms", flush=True)

    def median(self, key: Key) -> float | None:
        """In seconds; ``None`` where nothing was measured."""
        return statistics.median(self[key]) if self.get(key) else None

    def words(self, key: Key) -> str:
        """Median and spread in milliseconds; empty where nothing was measured."""
        return spread(self[key]) if self.get(key) else ""


def spread(seconds: Sequence[float]) -> str:
    """Median, least and most in milliseconds, as in ``22.1 (21.8 to 23.0)``."""
    ms = [1000 * s for s in seconds]
    return f"{statistics.median(ms):.1f} ({min(ms):.1f} to {max(ms):.1f})"
