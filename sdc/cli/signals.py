"""Signals that end a command: an orderly end, in which nothing is left half written."""

from __future__ import annotations

import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType
from typing import NoReturn

ENDING = tuple(getattr(signal, name) for name in ("SIGTERM", "SIGHUP") if hasattr(signal, name))
"""What ends a command from outside: ``kill``, a scheduler, a terminal that is closed."""


class Ended(BaseException):
    """A signal has ended the command.

    Attributes:
        number: of the signal.
    """

    def __init__(self, number: int):
        super().__init__(number)
        self.number = number

    @property
    def name(self) -> str:
        """Name of the signal, such as ``SIGTERM``."""
        return signal.Signals(self.number).name

    @property
    def exit_status(self) -> int:
        """As shells tell it: 128 and the number."""
        return 128 + self.number


def _end(number: int, frame: FrameType | None) -> NoReturn:
    for other in ENDING:  # a second one does not disturb the tidying up
        signal.signal(other, signal.SIG_IGN)
    raise Ended(number)


@contextmanager
def ended_in_order() -> Iterator[None]:
    """Within it, signals of :data:`ENDING` raise :class:`Ended`.

    Those that are ignored (``nohup``) or that a program handles stay as they are, and so do all outside of
    the main thread.
    """
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    own = [number for number in ENDING if signal.getsignal(number) is signal.SIG_DFL]
    for number in own:
        signal.signal(number, _end)
    try:
        yield
    finally:
        for number in own:
            signal.signal(number, signal.SIG_DFL)


@contextmanager
def no_interrupts() -> Iterator[None]:
    """Within it, an interrupt is ignored, also by processes that are started."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    before = signal.signal(signal.SIGINT, signal.SIG_IGN)
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, before)
