"""Runner of integer networks on the compiled core; what the core does not do, NumPy's does."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import lru_cache
from typing import Any
from weakref import WeakKeyDictionary

import numpy as np

from .. import core
from ..errors import SdcError
from ..types import Array
from .numpy_runner import Tape, run_numpy
from .operators import Flow, Modulate, Operator
from .operators.affine import GRADIENT_PEAK, Depthwise, Pointwise
from .operators.quality import Quality
from .operators.residual import Add
from .operators.shuffle import Shuffle, Unshuffle
from .profile import BOUND
from .sites import Sites

PEAK = 32767
"""Largest magnitude of what the core takes."""

MOST_CELLS = (1 << 31) // 16**2 - 1
"""Cells whose sites the core can number."""


def run_core(
    network: Sequence[Operator],
    sites: Sites,
    x: Array,
    *,
    factor: int = 1,
    hyper: Array | None = None,
    only: Array | None = None,
    arithmetic: str = "float32",
    tape: Tape | None = None,
) -> Array:
    """Run a network: :class:`sdc.networks.run.Runner`.

    Networks in floating point, other arithmetics, and networks in which a sum could leave what is exact go to
    NumPy.

    Args:
        tape: is filled with what :func:`sdc.networks.gradient.backward` needs, with all cells wanted.

    Returns:
        ``int16`` from the core.
    """
    path = core.path()
    compiled = None
    if path != core.NUMPY and arithmetic == "float32" and len(sites) <= MOST_CELLS:
        features = (0, 0) if hyper is None else (hyper.shape[1], _peak(hyper))
        compiled = _compiled(path, tuple(network), factor, (x.shape[1], _peak(x)), features)
    if compiled is None or (tape is not None and not _differentiable(path, tuple(network))):
        return run_numpy(
            network, sites, x, factor=factor, hyper=hyper, only=only, arithmetic=arithmetic, tape=tape
        )
    handle, channels, behind = compiled
    wanted = len(sites) if only is None else len(only)
    out = np.empty((wanted * behind**2, channels), np.int16)
    x = core.contiguous(x, np.int16)
    hyper = None if hyper is None else core.contiguous(hyper, np.int16)
    only = None if only is None else core.contiguous(only, np.int32)
    taps, qualities = _cells(sites, network)
    arrays = [core.address(a) for a in (taps, qualities, x, hyper, only)]
    passed = None if tape is None else core.native().tape(handle, len(sites))
    if core.native().run(handle, len(sites), *arrays, wanted, core.threads(), core.address(out), passed):
        raise MemoryError
    if tape is not None:
        tape.append(CoreTape(handle, passed, taps, (len(sites) * factor**2, x.shape[1])))
    return out


@dataclass(frozen=True, eq=False)
class CoreTape:
    """What a run on the core leaves for the gradient.

    Attributes:
        shape: of the input.
    """

    network: Any
    passed: Any
    taps: Array | None
    shape: tuple[int, int]


def core_backward(tape: CoreTape, cells: int, gradient: Array) -> Array:
    """Gradient at the input of a network that ran on the core, ``float32``.

    Args:
        cells: that it ran on.
        gradient: at its output.
    """
    gradient, out = core.contiguous(gradient, np.float32), np.empty(tape.shape, np.float32)
    where = (core.threads(), core.address(gradient), core.address(out))
    if core.native().backward(tape.network, tape.passed, cells, core.address(tape.taps), *where):
        raise MemoryError
    return out


@lru_cache(maxsize=256)
def _differentiable(path: str, network: tuple[Operator, ...]) -> bool:
    """Make a network ready for gradients; ``False`` where one could leave the integers of the core."""
    layers = [op for op in network if isinstance(op, Pointwise | Depthwise)]
    for op in layers:
        largest = np.abs(op.weight.astype(np.int64)).sum(0).max() * GRADIENT_PEAK
        if isinstance(op, Pointwise) and largest >= 1 << 31:
            return False
    for op in layers:
        weight = core.contiguous(op.weight, np.int16)
        if core.native().differentiable(path, _handle(path, op), core.address(weight)):
            raise MemoryError
    return True


def _peak(values: Array) -> int:
    """A power of two, less 1, that no value goes beyond; so few networks are compiled anew."""
    largest = max(abs(int(values.max(initial=0))), abs(int(values.min(initial=0))))
    return int((1 << largest.bit_length()) - 1)


def _cells(sites: Sites, network: Sequence[Operator]) -> tuple[Array | None, Array]:
    """``int32 [n, 9]`` neighbours of the cells, if the network looks at them, and ``uint8 [n]`` qualities."""
    kept = sites.kept
    if "qualities" not in kept:
        kept["qualities"] = core.contiguous(sites.qualities, np.uint8)
    if "taps" not in kept and any(op.radius for op in network):
        taps = np.empty((len(sites), 9), np.int32)
        arrays = [core.contiguous(a, np.int32) for a in (sites.rows, sites.cols, sites.labels)]
        if core.native().neighbours(*map(core.address, arrays), len(sites), core.address(taps)):
            raise MemoryError
        kept["taps"] = taps
    return kept.get("taps"), kept["qualities"]


@lru_cache(maxsize=256)
def _compiled(
    path: str, network: tuple[Operator, ...], factor: int, x: tuple[int, int], hyper: tuple[int, int]
) -> tuple[Any, int, int] | None:
    """A network for the core, with the channels and the factor of its output.

    Args:
        x, hyper: channels of the input and of the hyper features, and their largest magnitude.

    Returns:
        ``None`` for a network that the core does not run.
    """
    flow = Flow(x[0], x[1], hyper, factor=factor)
    if max(x[1], hyper[1]) > PEAK:
        return None
    try:
        for k, op in enumerate(network):
            flow = _flow_behind(op, flow, f"[{k}]")
    except SdcError:
        return None
    handles = tuple(_handle(path, op) for op in network)
    if None in handles:
        return None
    handle = core.native().network(path, x[0], factor, hyper[0], handles)
    return None if handle is None else (handle, flow.channels, flow.factor)


def _flow_behind(op: Operator, flow: Flow, where: str) -> Flow:
    """What flows behind an operator whose sums are exact.

    Raises:
        SdcError: ``E_MODEL_FILE``.
    """
    if isinstance(op, Modulate) and op.gains is not None:
        largest = flow.peak * int(np.abs(op.gains).max()) + (1 << int(op.shift.max()) - 1)
        if largest >= BOUND or len(op.gains) != flow.channels:
            raise SdcError("E_MODEL_FILE", "a product is too large", where)
        return replace(flow, peak=op.peak)
    if isinstance(op, Unshuffle):
        return replace(op.check(flow, where), factor=op.factor_behind(flow.factor))
    return op.check(flow, where)


_handles: WeakKeyDictionary[Operator, dict[str, Any]] = WeakKeyDictionary()


def _handle(path: str, op: Operator) -> Any:
    """An operator with its tensors as a path wants them, made once; ``None`` if the core has no such."""
    own = _handles.setdefault(op, {})
    if path not in own:
        own[path] = _made(path, op)
    return own[path]


def _made(path: str, op: Operator) -> Any:
    channels_in = channels_out = factor = 0
    tensors: tuple[Array, ...] = ()
    clamp = (0, 0)
    if isinstance(op, Pointwise | Depthwise):
        assert op.shift is not None
        tensors = tuple(map(core.contiguous, (op.weight, op.bias, op.shift), (np.int16, np.int32, np.uint8)))
        channels_out, clamp = len(op.weight), op.clamp
        channels_in = op.weight.shape[1] if isinstance(op, Pointwise) else channels_out
    elif isinstance(op, Quality):
        tensors, channels_out, clamp = (core.contiguous(op.table, np.int16),), op.table.shape[1], op.clamp
    elif isinstance(op, Modulate):
        assert op.gains is not None and op.offsets is not None
        types = (np.int32, np.int32, np.uint8)
        tensors = tuple(map(core.contiguous, (op.gains, op.offsets, op.shift), types))
        channels_out, clamp = len(op.gains), op.clamp
    elif isinstance(op, Add):
        clamp = op.clamp
    elif isinstance(op, Shuffle | Unshuffle):
        factor = op.factor
    elif op.kind not in ("push", "hyper"):
        return None
    addresses = [core.address(t) for t in tensors] + [0] * (3 - len(tensors))
    return core.native().operator(path, op.kind, channels_in, channels_out, factor, *addresses, *clamp)
