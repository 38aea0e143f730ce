"""Networks: lists of operators, read from a model file, checked, and what is asked of them as a whole."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from ..types import Array
from .operators import OPERATORS, Clamped, Flow, Hyper, Operator, Shuffle
from .profile import operators_of
from .tensors import MALFORMED, model_error

Network = tuple[Operator, ...]


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


def _operator(row: Mapping[str, Any], tensors: Mapping[str, Array]) -> Operator:
    kind = row["op"]
    if not isinstance(kind, str) or kind not in OPERATORS:
        raise model_error(f"unknown operator {kind}")
    return OPERATORS[kind].parse(row, tensors)


def check_network(
    name: str,
    network: Sequence[Operator],
    channels: int,
    peak: int,
    hyper: tuple[int, int] = (0, 0),
    condition: tuple[int, int] = (0, 0),
) -> tuple[int, int]:
    """Check an integer network: its shapes, that no sum reaches 2**24, and that its operators may stand there
    (NETW-10 to NETW-14).

    Args:
        channels, peak: of the input: how many, and their largest magnitude.
        hyper: the same of the hyper features.
        condition: the same of the features of a group's condition.

    Returns:
        ``(channels, peak)`` of the output.

    Raises:
        SdcError: ``E_MODEL_FILE``.
    """
    flow, allowed = Flow(channels, peak, hyper, condition), operators_of(name)
    for k, op in enumerate(network):
        if op.kind not in allowed:
            raise model_error(f"operator {op.kind} may not stand here", f"{name}[{k}]")
        flow = op.check(flow, f"{name}[{k}]")
    if flow.pushed:
        raise model_error("something remembered is never added", name)
    return flow.channels, flow.peak


def segments(network: Sequence[Operator]) -> list[list[Operator]]:
    """Split before every operator with a radius: within a part, cells do not see each other."""
    parts: list[list[Operator]] = [[]]
    for op in network:
        if op.radius:
            parts.append([])
        parts[-1].append(op)
    return [p for p in parts if p]


def receptive_radius(network: Sequence[Operator], factor: int = 1) -> int:
    """Cells to each side of a cell that its output depends on.

    Args:
        factor: sites per side of a cell at the input.
    """
    cells = 0.0
    for op in network:
        cells += op.radius / factor
        factor = op.factor_behind(factor)
    return int(-(-cells // 1))


def shuffle_factors(network: Sequence[Operator]) -> list[int]:
    """Factors of the shuffles of a network, in order."""
    return [op.factor for op in network if isinstance(op, Shuffle)]


def check_pixels(name: str, network: Sequence[Operator]) -> None:
    """Check that a network goes from cells to samples: two shuffles that make 16, no taps behind them, and
    nothing but bytes in the end (NETW-13, RMOD-10).

    Raises:
        SdcError: ``E_MODEL_FILE``.
    """
    factors = shuffle_factors(network)
    if len(factors) != 2 or factors[0] * factors[1] != 16:
        raise model_error(f"the {name} must have two shuffles that make 16", name)
    last = max(k for k, op in enumerate(network) if isinstance(op, Shuffle))
    if any(op.radius for op in network[last:]):
        raise model_error("taps behind the last shuffle", name)
    clamped = [op for op in network if isinstance(op, Clamped)]
    if not clamped or clamped[-1].clamp != (0, 255):
        raise model_error(f"the {name} does not end in bytes", name)


def sees_latents(network: Sequence[Operator]) -> bool:
    """Whether a context looks at latents; one that begins with the hyper features does not (NETW-11)."""
    return not network or not isinstance(network[0], Hyper)
