"""The compiled core: the same numbers as NumPy's, sooner.

It is written in C (``*.c`` beside this file) and is there where it could be built.  It has *paths*, one for
each kind of processor.  The best that this machine has is in use, or the one that ``SDC_CORE`` names:
``avx512``, ``avx2``, ``sse4``, ``neon``, ``portable``, or ``numpy`` for none.
:mod:`sdc.networks.core_runner` and :mod:`sdc.coding.core_engine` call it.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from functools import cache
from importlib import import_module
from typing import Any

import numpy as np

from ..errors import SdcError
from ..types import Array

_core: Any = None
_missing = "was not built; SDC_BUILD_CORE=1 pip install . says why"
try:
    _core = import_module("._core", __name__)
except ModuleNotFoundError:
    pass
except ImportError as error:
    _missing = f"cannot be loaded: {error}"

NUMPY = "numpy"
"""Name of the path that is none."""


def native() -> Any:
    """The compiled module.  Its functions take addresses and sizes, and check neither."""
    return _core


def paths() -> list[str]:
    """Names of the paths that this machine has, the best first."""
    return [*(_core.names() if _core else ()), NUMPY]


@cache
def path() -> str:
    """Name of the path in use.

    Raises:
        SdcError: ``E_USAGE`` where ``SDC_CORE`` names one that this machine has not.
    """
    wanted = os.environ.get("SDC_CORE", "")
    if wanted and wanted not in paths():
        raise SdcError("E_USAGE", f"SDC_CORE is {wanted!r}; this machine has {', '.join(paths())}")
    return wanted or next(name for name in paths() if name == NUMPY or _answers(name))


def about() -> str:
    """Which path runs, and why, in words."""
    if _core is None:
        return f"{NUMPY}: the compiled core {_missing}"
    why = "SDC_CORE names it" if os.environ.get("SDC_CORE") else "the best"
    return f"{path()}: {why} of {', '.join(paths())}"


def address(array: Array | None) -> int:
    """Where the values of a C-contiguous array begin; 0 for none."""
    if array is None:
        return 0
    begin: int = array.__array_interface__["data"][0]
    return begin


def contiguous(array: Array, dtype: Any) -> Array:
    """An array as the core takes it."""
    return np.ascontiguousarray(array, dtype)


def _answers(name: str) -> bool:
    """Whether a path gives a known answer: it may have been built wrong."""
    weight = np.arange(-32, 32, dtype=np.int16).reshape(2, 32) * 37
    bias, shift = np.array([1000, -3000], np.int32), np.array([3, 5], np.uint8)
    op = _core.operator(name, "pointwise", 32, 2, 1, *map(address, (weight, bias, shift)), -2048, 2047)
    network = _core.network(name, 32, 1, 0, (op,))
    x = (np.arange(96, dtype=np.int16).reshape(3, 32) * 29) % 211 - 105
    x, got = contiguous(x, np.int16), np.empty((3, 2), np.int16)
    _core.run(network, 3, 0, 0, address(x), 0, 0, 3, 1, address(got), None)
    sums = x.astype(np.int64) @ weight.T.astype(np.int64) + bias + (1 << shift.astype(np.int64) - 1)
    return np.array_equal(got, np.clip(sums >> shift, -2048, 2047))


_threads: int | None = None
_here: ContextVar[int | None] = ContextVar("threads", default=None)


def threads() -> int:
    """Threads that the core computes with.

    It is what :func:`using` says, or :func:`use_threads`, or one in a worker of torch's data loader, or what
    the process may use.
    """
    wanted = _here.get() or _threads
    if wanted is not None:
        return wanted
    torch_data = sys.modules.get("torch.utils.data")
    return 1 if torch_data is not None and torch_data.get_worker_info() is not None else _available()


def use_threads(count: int | None) -> int | None:
    """Let all of this process compute with so many threads, ``None`` for what it may use.

    Returns:
        What was said until now.

    Raises:
        SdcError: ``E_USAGE``.
    """
    global _threads
    before, _threads = _threads, _checked(count)
    return before


@contextmanager
def using(count: int | None) -> Iterator[None]:
    """Within it, the core computes with so many threads; ``None`` changes nothing.

    Raises:
        SdcError: ``E_USAGE``.
    """
    if _checked(count) is None:
        yield
        return
    token = _here.set(count)
    try:
        yield
    finally:
        _here.reset(token)


def _checked(count: int | None) -> int | None:
    if count is not None and (type(count) is not int or count < 1):
        raise SdcError("E_USAGE", f"threads are a whole number from 1 on, not {count!r}")
    return count


@cache
def _available() -> int:
    """Processors that this process may use, by affinity and by the quota of its control group."""
    if hasattr(os, "sched_getaffinity"):
        count = len(os.sched_getaffinity(0))
    else:
        count = os.cpu_count() or 1
    try:
        with open("/sys/fs/cgroup/cpu.max") as file:
            quota, period = file.read().split()
        count = min(count, -(-int(quota) // int(period)))
    except (OSError, ValueError):
        pass  # no control group, or no quota
    return max(count, 1)
