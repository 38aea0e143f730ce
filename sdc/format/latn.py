"""The data of groups: their symbols (spec section "Latents")."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

import numpy as np

from ..coding.passes import GroupCoder, Symbols, decode_groups, side_by_side, sites_of
from ..errors import SdcError
from ..networks.model import Model
from ..networks.run import Runner, run
from ..networks.sites import Sites
from .stream import Stream


def decode_symbols(
    stream: Stream,
    model: Model,
    groups: Iterable[int],
    *,
    arithmetic: str = "float32",
    runner: Runner = run,
    keep_residuals: bool = False,
) -> Iterator[tuple[int, Sites, Symbols | SdcError]]:
    """Decode complete groups up to their latents, small ones side by side.

    Args:
        groups: their indices, ascending.

    Yields:
        ``(index, cells, symbols)`` of each group, in order; for the symbols, where the stream of the group is
        wrong, the error: an ``E_RANS_*`` code or ``E_ESCAPE``, with the group and its offset.
    """
    qualities = [g.quality for g in stream.groups]
    cells = np.bincount(stream.labels.ravel(), minlength=len(stream.groups) + 1)[1:].tolist()
    for some in side_by_side(groups, cells):
        together = sites_of(stream.labels, qualities, some)
        if len(some) > 1:
            together = together.take(np.argsort(together.labels, kind="stable"))
        coder = GroupCoder(together, model, arithmetic, runner)
        payloads = [stream.groups[k].payload or b"" for k in some]
        for k, found in zip(some, decode_groups(payloads, coder, keep_residuals=keep_residuals), strict=True):
            if isinstance(found, SdcError):
                found = SdcError(found.code, found.message, f"group {k}", stream.groups[k].offset)
            yield k, together.take(together.labels == k), found
