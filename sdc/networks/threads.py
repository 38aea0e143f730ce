"""Matrix products on one thread.

Threads of linear algebra wait for one another, and on a busy machine the products of this library take ten
times as long on all cores as on one.  So the library holds them to one thread while it computes, whoever
else set what, and gives the setting back afterwards.  The setting belongs to the process: with several
threads that compute, the first to come changes it and the last to leave restores it.
"""

from __future__ import annotations

import os
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from typing import Any

_lock = threading.Lock()
_inside = 0
_own = threading.local()
"""Its ``depth``: how many times this thread is inside."""
_before: list[tuple[Any, int]] = []
"""Libraries held to one thread, and the number of threads of each before."""


@cache
def _libraries() -> list[Any]:
    """Libraries of linear algebra that can be held to one thread; NumPy has loaded its own by now."""
    from threadpoolctl import ThreadpoolController

    return list(ThreadpoolController().select(user_api="blas").lib_controllers)


@contextmanager
def one_thread() -> Iterator[None]:
    """Within it, products of NumPy use one thread; also a decorator.

    It may be entered again, by the same thread or others.  Where the library of linear algebra has no such
    setting (Accelerate) or is not found, it does nothing.
    """
    hold_one_thread()
    try:
        yield
    finally:
        _leave()


def hold_one_thread() -> None:
    """Use one thread from now on, as a worker does that shares the cores with others."""
    global _inside
    with _lock:
        if not _inside:
            _hold()
        _inside += 1
    _own.depth = getattr(_own, "depth", 0) + 1


def _leave() -> None:
    global _inside
    _own.depth -= 1
    with _lock:
        _inside -= 1
        if not _inside:
            _restore()


def _hold() -> None:
    for library in _libraries():
        threads = library.get_num_threads()
        if threads is not None and threads > 1:
            library.set_num_threads(1)
            _before.append((library, threads))


def _restore() -> None:
    while _before:
        library, threads = _before.pop()
        library.set_num_threads(threads)


def _forget_other_threads() -> None:
    """A forked process has only the thread that forked it."""
    global _lock, _inside
    _lock, _inside = threading.Lock(), getattr(_own, "depth", 0)
    if not _inside:
        _restore()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_forget_other_threads)
