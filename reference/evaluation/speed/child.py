"""A process that measures with one engine.

It reads requests from standard input, JSON in a line each, and answers each with a line.
"""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from PIL import AvifImagePlugin

from sdc import core

from . import loader, stages
from .jobs import JOBS


def times_of(job: str, items: Sequence[Mapping[str, Any]], count: int) -> list[float]:
    """Seconds of a job, each time with the next item, after one run that warms up.

    Args:
        items: arguments of the job for each of its inputs.
        count: how many times.
    """
    make = JOBS[job]
    make(**items[-1])()
    times: list[float] = []
    for k in range(count):
        work = make(**items[k % len(items)])
        start = time.perf_counter()
        work()
        times.append(time.perf_counter() - start)
    return times


def engine_name() -> str:
    """The path of the core that computes here."""
    return core.path()


def most_multiply_adds() -> float | None:
    """Multiply-adds a second of the path in use, on integers that stay in the first cache.

    Returns:
        The most of some tries; ``None`` of NumPy.
    """
    if core.path() == core.NUMPY:
        return None
    best, count = 0.0, 1
    for _ in range(8):
        start = time.perf_counter()
        done = core.native().multiply_adds(core.path(), count)
        seconds = time.perf_counter() - start
        best = max(best, done / seconds)
        count = max(int(count * 0.05 / max(seconds, 1e-6)), 1)  # that takes 50 ms
    return best


REQUESTS: dict[str, Callable[..., Any]] = {
    "times": times_of,
    "engine": engine_name,
    "limit": most_multiply_adds,
    "stages": stages.stages_of,
    "loader": loader.images_a_second,
}


def main() -> None:
    """Answer until standard input ends."""
    AvifImagePlugin.DEFAULT_MAX_THREADS = 1
    for line in sys.stdin:
        request = json.loads(line)
        answer = REQUESTS[request.pop("what")](**request)
        print(json.dumps(answer), flush=True)


if __name__ == "__main__":
    main()
