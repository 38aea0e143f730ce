"""Puts a path of the compiled core in use for a while, and networks and payloads to try it on."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import numpy as np

from sdc import core
from sdc.coding.core_engine import CoreEngine
from sdc.coding.engine import Engine, PythonEngine, use_engine
from sdc.errors import SdcError
from sdc.networks.core_runner import _flow_behind
from sdc.networks.operators import (
    Add,
    Depthwise,
    Flow,
    Hyper,
    Modulate,
    Operator,
    Pointwise,
    Push,
    Quality,
    Shuffle,
    Unshuffle,
)
from sdc.networks.profile import BOUND
from sdc.networks.sites import Sites
from sdc.types import Array

PATHS = [name for name in core.paths() if name != core.NUMPY]
"""Those of the core that this machine has, the best first."""

CLAMPS = [(-2048, 2047), (-32768, 32767), (0, 255), (0, 900), (7, 7), (-100, -3), (5, 2047)]
WIDTHS = [1, 3, 4, 8, 31, 32, 33, 64, 65, 100]


def engine_of(name: str) -> Engine:
    """The engine that belongs to a path."""
    return PythonEngine() if name == core.NUMPY else CoreEngine()


@contextmanager
def using(name: str, threads: int = 1) -> Iterator[None]:
    """Let all of this process compute by a path, with so many threads."""
    path, before, count = core.path, use_engine(engine_of(name)), core.use_threads(threads)
    core.path = lambda: name  # type: ignore[assignment]
    try:
        yield
    finally:
        core.path = path
        use_engine(before)
        core.use_threads(count)


def weights(rng: np.random.Generator, out: int, fan_in: int, peak: int) -> tuple[Array, Array, Array]:
    """Weights, biases and shifts of a layer whose sums stay below 2^24, many of them only just."""
    shift = rng.choice([1, 2, 5, 9, 13, 24], out) if rng.random() < 0.5 else rng.integers(1, 25, out)
    shift = np.where(rng.random(out) < 0.2, 24, shift)
    half = np.int64(1) << shift.astype(np.int64) - 1
    most = (BOUND - 1 - half) // max(peak, 1)
    some = rng.normal(size=(out, fan_in)) * rng.integers(0, 2, (out, fan_in))
    scale = np.minimum(most * rng.choice([0.01, 0.5, 1.0], out), 1e6) / np.maximum(np.abs(some).sum(1), 1e-9)
    weight = np.clip(np.trunc(some * scale[:, None]), -32768, 32767).astype("<i2")
    room = BOUND - 1 - half - np.abs(weight.astype(np.int64)).sum(1) * peak
    bias = np.where(rng.random(out) < 0.5, room, rng.integers(-100, 101, out).clip(-room, room))
    return weight, (bias * rng.choice([-1, 1], out)).astype("<i4"), shift.astype("u1")


def one_operator(rng: np.random.Generator, flow: Flow) -> Operator:
    """An operator of any kind; it need not fit."""
    kinds = ["pointwise", "depthwise", "quality", "modulate", "push", "add", "hyper", "shuffle", "unshuffle"]
    kind = str(rng.choice(kinds, p=[0.25, 0.2, 0.1, 0.1, 0.1, 0.1, 0.05, 0.05, 0.05]))
    clamp = CLAMPS[int(rng.integers(len(CLAMPS)))]
    width = flow.channels
    if kind == "pointwise":
        return Pointwise(clamp, *weights(rng, int(rng.choice([width, *WIDTHS])), width, flow.peak))
    if kind == "depthwise":
        return Depthwise(clamp, *weights(rng, width, 9, flow.peak))
    if kind == "quality":
        return Quality(clamp, rng.choice([-32768, -300, 0, 4, 32767], (64, width)).astype("<i2"))
    if kind == "modulate":
        shift = rng.integers(1, 24, width).astype("u1")
        most = (BOUND - 1 - (1 << int(shift.max()) - 1)) // max(flow.peak, 1)
        idle = Pointwise((0, 0), np.zeros((width, 1), "<i2"), np.zeros(width, "<i4"), np.ones(width, "u1"))
        op = Modulate(clamp, idle, idle, shift)
        return op.of_group(rng.integers(-most, most + 1, width), rng.integers(-32768, 32768, width))
    if kind == "add":
        return Add(clamp)
    if kind in ("shuffle", "unshuffle"):
        return (Shuffle if kind == "shuffle" else Unshuffle)(int(rng.choice([1, 2, 2])))
    return Push() if kind == "push" else Hyper()


def any_network(rng: np.random.Generator, flow: Flow, length: int = 10) -> tuple[Operator, ...]:
    """A random network that fits what flows into it, whatever operators; nothing remembered is left."""
    ops: list[Operator] = []
    for _ in range(length):
        flow = _extended(ops, one_operator(rng, flow), flow)
    while flow.pushed:
        wide, factor = flow.pushed[-1]
        if flow.factor > factor:
            flow = _extended(ops, Unshuffle(flow.factor // factor), flow, most=10**6)
        elif flow.factor < factor:
            split = factor // flow.factor
            flow = _extended(
                ops, Pointwise(CLAMPS[0], *weights(rng, 4 * split**2, flow.channels, flow.peak)), flow
            )
            flow = _extended(ops, Shuffle(split), flow)
        flow = _extended(ops, Pointwise(CLAMPS[0], *weights(rng, wide, flow.channels, flow.peak)), flow)
        flow = _extended(ops, Add(CLAMPS[0]), flow)
    return tuple(ops)


def _extended(ops: list[Operator], op: Operator, flow: Flow, most: int = 150) -> Flow:
    """What flows behind an operator that is appended, if it fits and has no more channels than ``most``."""
    if isinstance(op, Unshuffle) and (flow.factor % op.factor or flow.channels * op.factor**2 > most):
        return flow
    if isinstance(op, Shuffle) and flow.factor * op.factor > 4:
        return flow
    try:
        behind = _flow_behind(op, flow, "")
    except SdcError:
        return flow
    ops.append(op)
    return behind


def any_sites(rng: np.random.Generator, count: int) -> Sites:
    """So many cells of some groups in random places, row by row."""
    side = int(np.ceil(np.sqrt(2 * count))) + 1
    at = np.sort(rng.permutation(side * side)[:count])
    rows, cols = np.divmod(at, side)
    groups = int(rng.integers(1, 4))
    return Sites(rows + 5, cols + 300, rng.integers(0, groups, count), rng.integers(0, 64, count))
