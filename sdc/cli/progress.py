"""How far a run over many files has come: a bar on a terminal, else a line every so often.

Of one file that takes long a terminal is told for how long it has been at work.
"""

from __future__ import annotations

import shutil
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from threading import Event, Thread

from .messages import CLEAR, is_terminal, message_line, print_err

BAR = 24
"""Characters of the bar."""

EVERY = 30.0
"""Seconds between two lines where standard error is no terminal."""

PATIENCE = 2.0
"""Seconds after which a terminal is told that one file is still worked on."""


class Progress:
    """Progress of a run.

    Args:
        program: its name, for lines.
        total: files that are to be done.
    """

    def __init__(self, program: str, total: int):
        self._program, self._total = program, total
        self._began = self._said = time.monotonic()
        self._done = self._failed = 0
        self.draw()

    def add(self, failed: int = 0, done: int = 1) -> None:
        """Files are done, some of which have failed."""
        self._done += done
        self._failed += failed

    def clear(self) -> None:
        """Take the bar away, so that something can be printed."""
        if is_terminal():
            _write(CLEAR)

    def draw(self) -> None:
        """Show how far it is, where that is wanted now."""
        if is_terminal():
            self._draw_bar()
        elif 0 < self._done < self._total and time.monotonic() - self._said >= EVERY:
            self._said = time.monotonic()
            print_err(message_line(self._program, f"note: {self._done} of {self._total} files{self._rate()}"))

    def _draw_bar(self) -> None:
        if self._total:
            bar = ("#" * (BAR * self._done // self._total)).ljust(BAR, ".")
            line = f"[{bar}] {self._done}/{self._total}{self._rate()}"
            columns = max(shutil.get_terminal_size().columns, BAR + 16)
            # A line that wraps could not be taken away again.
            _write(line[: columns - 1] + ("\n" if self._done == self._total else ""))

    def _rate(self) -> str:
        """Rate, time left or time taken, and failures, in words."""
        failed = f", {self._failed} failed" if self._failed else ""
        seconds = time.monotonic() - self._began
        if not self._done or seconds <= 0:
            return failed
        each = seconds / self._done
        rate = f"{1 / each:.3g} a second" if each < 1 else f"{each:.3g} s each"
        left = (self._total - self._done) * each
        when = f"about {duration(left)} left" if self._done < self._total else f"{duration(seconds)} in all"
        return f", {rate}, {when}{failed}"


@contextmanager
def at_work() -> Iterator[None]:
    """Tell a terminal, from :data:`PATIENCE` on, for how long what is within has been at work."""
    if not is_terminal():
        yield
        return
    over, began = Event(), time.monotonic()

    def tell() -> None:
        wait = PATIENCE
        while not over.wait(wait):
            _write(f"{CLEAR}at work for {duration(time.monotonic() - began)}")
            wait = 1.0

    teller = Thread(target=tell, daemon=True)
    try:
        with suppress(RuntimeError):  # no more threads: then nothing is told
            teller.start()
        yield
    finally:
        over.set()
        if teller.ident is not None:
            teller.join()
        if time.monotonic() - began >= PATIENCE:
            _write(CLEAR)


def duration(seconds: float) -> str:
    """A time in words, such as ``2 h 5 min``."""
    whole = round(seconds)
    if whole < 60:
        return f"{whole} s"
    if whole < 3600:
        return f"{whole // 60} min {whole % 60} s" if whole < 600 else f"{whole // 60} min"
    hours, minutes = whole // 3600, whole % 3600 // 60
    return f"{hours} h {minutes} min" if hours < 48 else f"{hours // 24} days {hours % 24} h"


def _write(text: str) -> None:
    with suppress(OSError, ValueError):  # a terminal that has gone away
        sys.stderr.write(text)
        sys.stderr.flush()
