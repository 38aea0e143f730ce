"""Processes that measure, and others that only compute."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any

from ..timing import THREADS


def environment(path: str, cache: str) -> dict[str, str]:
    """Variables of a process that computes on a path of the core, and on one thread of linear algebra.

    Args:
        path: its name; empty for the best.
        cache: folder for the bytecode of modules, which an installation has, and a checkout perhaps not.
    """
    kept = {k: v for k, v in os.environ.items() if k not in ("PYTHONDONTWRITEBYTECODE", "SDC_CORE")}
    kept |= dict.fromkeys(THREADS, "1") | {"PYTHONPYCACHEPREFIX": cache}
    return kept | ({"SDC_CORE": path} if path else {})


class Child:
    """A process of :mod:`.child`.

    Attributes:
        name: of the engine, as tables name it.
    """

    def __init__(self, name: str, variables: Mapping[str, str]):
        self.name = name
        command = [sys.executable, "-m", f"{__package__}.child"]
        self._process = subprocess.Popen(
            command, env=variables, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        )

    def ask(self, what: str, **arguments: Any) -> Any:
        """The answer to a request of ``child.REQUESTS``.

        Raises:
            SystemExit: the process has ended.
        """
        assert self._process.stdin is not None and self._process.stdout is not None
        self._process.stdin.write(json.dumps({"what": what, **arguments}) + "\n")
        self._process.stdin.flush()
        line = self._process.stdout.readline()
        if not line:
            sys.exit(f"speed: the process of {self.name} ended at {what!r}")
        return json.loads(line)

    def times(self, job: str, items: Sequence[Mapping[str, Any]], count: int) -> list[float]:
        """Seconds of a job: :func:`.child.times_of`."""
        times: list[float] = self.ask("times", job=job, items=items, count=count)
        return times

    def close(self) -> None:
        """Let it end."""
        assert self._process.stdin is not None and self._process.stdout is not None
        self._process.stdin.close()
        self._process.wait()
        self._process.stdout.close()


@contextmanager
def others(count: int) -> Iterator[None]:
    """Processes that compute and do nothing else."""
    busy = [subprocess.Popen([sys.executable, "-c", "while True: pass"]) for _ in range(count)]
    try:
        if busy:
            time.sleep(0.5)  # until they have begun
        yield
    finally:
        for other in busy:
            other.kill()
            other.wait()
