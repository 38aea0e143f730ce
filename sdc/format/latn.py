"""The data of a group: its symbols (spec section "Latents")."""

from __future__ import annotations

from ..coding.passes import GroupCoder, Symbols, decode_group, sites_of
from ..errors import SdcError
from ..networks.model import Model
from ..networks.run import Runner, run
from ..networks.sites import Sites
from .stream import Stream


def decode_symbols(
    stream: Stream,
    model: Model,
    index: int,
    *,
    arithmetic: str = "float32",
    runner: Runner = run,
    keep_residuals: bool = False,
) -> tuple[Sites, Symbols]:
    """Decode one complete group up to its latents.

    Raises:
        SdcError: an ``E_RANS_*`` code or ``E_ESCAPE``, with the group and its offset.
    """
    group = stream.groups[index]
    assert group.payload is not None
    coder = GroupCoder(
        sites_of(stream.labels, [g.quality for g in stream.groups], [index]),
        model,
        group.quality,
        arithmetic,
        runner,
    )
    try:
        return coder.sites, decode_group(group.payload, coder, keep_residuals=keep_residuals)
    except SdcError as error:
        raise SdcError(error.code, error.message, f"group {index}", group.offset) from None
