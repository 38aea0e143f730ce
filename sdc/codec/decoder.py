"""Streams to pixels (spec section "Reconstruction")."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from operator import index

import numpy as np
import numpy.typing as npt

from ..coding.passes import sites_of
from ..errors import SdcError
from ..format.grps import COMPLETE
from ..format.latn import decode_symbols
from ..format.objs import parse_objects
from ..format.parse import parse_asked
from ..format.source import Source
from ..format.stream import Stream
from ..networks.registry import model_for
from ..networks.run import Runner, run
from ..objects.object import Object
from ..types import CELL, Limits, Pixels, level_codes
from .transforms import synthesis_transform


@dataclass(frozen=True, eq=False)
class Decoded:
    """A decoded picture.

    Attributes:
        pixels: ``uint8 [H, W, 3]`` RGB; where nothing was decoded, the fill colour.
        covered: ``bool [H, W]``, whether a pixel was decoded.
        groups: indices of the decoded groups.
        missing: requested groups that could not be decoded, with the error of each.
        stream: what was parsed.
    """

    pixels: Pixels
    covered: npt.NDArray[np.bool_]
    groups: tuple[int, ...]
    missing: tuple[SdcError, ...]
    stream: Stream

    @property
    def objects(self) -> tuple[Object, ...]:
        """Objects that the stream describes, of all its groups: :func:`sdc.format.objs.parse_objects`."""
        return parse_objects(self.stream)


def decode(
    source: Source | Stream,
    *,
    groups: Iterable[int] | None = None,
    levels: Iterable[str] | None = None,
    fill: tuple[int, int, int] = (128, 128, 128),
    limits: Limits = Limits(),
    arithmetic: str = "float32",
    runner: Runner = run,
) -> Decoded:
    """Decode a picture, or what can be had of it.

    Of a reader only what is asked for is read, and the chunks in front of the groups; other groups, and
    objects that stand behind all groups, are then unread (STAT-11).

    Args:
        source: the file's bytes, a seekable binary reader, or a stream that was parsed, perhaps
            with only some of its chunks (:meth:`sdc.format.stream.Stream.with_chunk`).
        groups: indices of the groups wanted; all that are there by default.
        levels: or levels wanted, by name: ``L1``, ``l1`` or ``1``, and so on, or ``other``.
        fill: colour of what is not decoded.
        limits: what the caller agrees to hold in memory.
        arithmetic: ``float32``, ``float64`` or ``int64``; the pixels are the same.
        runner: runs networks; :func:`sdc.networks.run.run` by default.

    Returns:
        The picture.  Groups that are withdrawn, truncated or damaged are named in ``missing``.

    Raises:
        SdcError: the stream is invalid or unsupported; ``E_MODEL``, ``E_MODEL_HASH`` or
            ``E_MODEL_FILE`` for its model; ``E_USAGE`` for wrong arguments.
    """
    check_arithmetic(arithmetic)
    try:
        right = len(fill) == 3 and all(0 <= index(v) <= 255 for v in fill)
    except TypeError:
        right = False
    if not right:
        raise SdcError("E_USAGE", f"a fill colour is three whole numbers of 0 to 255, not {fill!r}")
    if isinstance(source, Stream):
        stream, wanted = source, source.select(groups, level_codes(levels))
    else:
        stream, wanted = parse_asked(source, groups, levels, limits=limits, behind=False)
    missing = tuple(stream.missing(k) for k in wanted if stream.groups[k].state != COMPLETE)
    good = [k for k in wanted if stream.groups[k].state == COMPLETE]
    head = stream.head
    if not good:
        pixels = np.broadcast_to(np.array(fill, np.uint8), (head.height, head.width, 3))
        covered = np.broadcast_to(np.bool_(False), (head.height, head.width))
        return Decoded(pixels, covered, (), missing, stream)
    model = model_for(head.model, head.weights)
    sites = sites_of(stream.labels, [g.quality for g in stream.groups], good)
    latents = np.empty((len(sites), model.latents), np.int16)
    for k in good:
        _, symbols = decode_symbols(stream, model, k, arithmetic=arithmetic, runner=runner)
        latents[sites.labels == k] = symbols.latents
        del symbols
    canvas = np.empty((head.rows * CELL, head.cols * CELL, 3), np.uint8)
    canvas[:] = fill
    synthesis_transform(latents, sites, model, canvas, arithmetic=arithmetic, runner=runner)
    cells = np.zeros((head.rows, 1, head.cols, 1), bool)
    cells[sites.rows, 0, sites.cols, 0] = True
    covered = np.empty((head.rows, CELL, head.cols, CELL), bool)
    covered[:] = cells
    covered = covered.reshape(head.rows * CELL, -1)[: head.height, : head.width]
    return Decoded(canvas[: head.height, : head.width], covered, tuple(good), missing, stream)


def check_arithmetic(arithmetic: str) -> None:
    """Refuse an unknown arithmetic."""
    if arithmetic not in ("float32", "float64", "int64"):
        raise SdcError("E_USAGE", f"arithmetic is float32, float64 or int64, not {arithmetic!r}")
