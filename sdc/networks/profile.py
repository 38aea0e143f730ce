"""Networks of a model file, and the checks that Profile 1 makes of them (NETW-10 to NETW-14)."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import numpy as np

from ..types import Array
from .operators import Network, Op
from .tensors import MALFORMED, check_types, clamp_pair, model_error, whole_number

QUALITIES = 64
SCALES = 64
BOUND = 1 << 24

TABLE_TYPES = {
    "step": "<i2",
    "inverse": "<i2",
    "offset": "<i2",
    "hyper_step": "<i2",
    "hyper_index": "u1",
    "reach": "u1",
    "frequency": "<i2",
}


def _operator(row: dict[str, Any], tensors: dict[str, Array]) -> Op:
    kind, part = row["op"], row.get("name", "")
    if kind in ("pointwise", "depthwise"):
        shift = tensors.get(part + ".shift")
        weight, bias = tensors[part + ".weight"], tensors[part + ".bias"]
        if shift is None:  # a float layer, which only encoders have
            low, high = (whole_number(v) for v in row["clamp"])
            return Op(kind, (low, high), weight, bias)
        check_types(tensors, {part + ".weight": "<i2", part + ".bias": "<i4", part + ".shift": "u1"})
        return Op(kind, clamp_pair(row["clamp"]), weight, bias, shift)
    if kind == "quality":
        check_types(tensors, {part + ".table": "<i2"})
        return Op(kind, clamp_pair(row["clamp"]), table=tensors[part + ".table"])
    if kind in ("shuffle", "unshuffle"):
        if not 1 <= whole_number(row["factor"]) <= 16:
            raise model_error(f"a factor of {row['factor']}")
        return Op(kind, factor=row["factor"])
    if kind == "add":
        return Op(kind, clamp_pair(row["clamp"]))
    if kind in ("push", "hyper"):
        return Op(kind)
    raise model_error(f"unknown operator {kind}")


def networks_of(
    tensors: dict[str, Array], description: dict[str, Any], names: Iterable[str]
) -> dict[str, Network]:
    """Networks of a model file, with their tensors.

    Args:
        names: of the networks wanted; others are ignored (MODL-08).

    Raises:
        SdcError: ``E_MODEL_FILE``.
    """
    try:
        return {
            name: tuple(_operator(row, tensors) for row in description["networks"][name]) for name in names
        }
    except MALFORMED as error:
        raise model_error(
            f"networks are not described as they must be ({type(error).__name__}: {error})"
        ) from None


def check_network(
    name: str, network: Network, channels: int, peak: int, hyper: tuple[int, int] = (0, 0)
) -> tuple[int, int]:
    """Check shapes and the 2**24 bound of an integer network (NETW-12).

    Args:
        channels, peak: of the input: how many, and their largest magnitude.
        hyper: the same of the hyper features.

    Returns:
        ``(channels, peak)`` of the output.

    Raises:
        SdcError: ``E_MODEL_FILE``.
    """
    stack: list[tuple[int, int]] = []
    factor = 1
    for k, op in enumerate(network):
        where = f"{name}[{k}]"
        if op.kind in ("pointwise", "depthwise"):
            assert op.weight is not None and op.bias is not None
            out = op.weight.shape[0]
            fan_in = channels if op.kind == "pointwise" else 9
            if (
                op.shift is None
                or op.weight.shape != (out, fan_in)
                or op.bias.shape != (out,)
                or op.shift.shape != (out,)
            ):
                raise model_error(f"shapes do not fit {channels} channels", where)
            if op.kind == "depthwise" and out != channels:
                raise model_error(f"{out} filters for {channels} channels", where)
            shift = op.shift.astype(np.int64)
            if shift.min() < 1 or shift.max() > 24:
                raise model_error("a shift outside 1 to 24", where)
            total = np.abs(op.weight.astype(np.int64)).sum(1) * peak
            total += np.abs(op.bias.astype(np.int64)) + (np.int64(1) << shift - 1)
            if int(total.max()) >= BOUND:
                raise model_error(
                    f"channel {int(total.argmax())} can reach {int(total.max())}, beyond 2^24", where
                )
            channels = out
        elif op.kind == "quality":
            assert op.table is not None
            if op.table.shape != (QUALITIES, channels):
                raise model_error("the quality table does not fit", where)
        elif op.kind == "shuffle":
            if channels % op.factor**2:
                raise model_error("channels cannot be shuffled", where)
            channels //= op.factor**2
            factor *= op.factor
        elif op.kind == "unshuffle" and name == "analysis":
            channels *= op.factor**2
        elif op.kind == "hyper" and name.startswith("context") and factor == 1:
            channels, peak = channels + hyper[0], max(peak, hyper[1])
        elif op.kind == "push":
            stack.append((channels, factor))
        elif op.kind == "add":
            if not stack or stack.pop() != (channels, factor):
                raise model_error("nothing of that width to add", where)
        else:
            raise model_error(f"operator {op.kind} may not stand here", where)
        if op.kind in ("pointwise", "depthwise", "quality", "add"):
            peak = max(abs(op.clamp[0]), abs(op.clamp[1]))
    if stack:
        raise model_error("something remembered is never added", name)
    return channels, peak


def shuffle_factors(network: Network) -> list[int]:
    """Factors of the shuffles of a network, in order."""
    return [op.factor for op in network if op.kind == "shuffle"]
