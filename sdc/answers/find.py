"""Which streams of many hold what."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import NamedTuple

from ..errors import SdcError
from ..format.objs import parse_objects
from ..objects.object import Object
from ..remote.file import ORDINARY, Access
from ..types import LevelLike, Limits, levels_of
from .streams import OnError, Streams, outlines, warn


class Match(NamedTuple):
    """An object of a stream that was looked for.

    Attributes:
        path: of the stream.
        object: without its mask.
    """

    path: str
    object: Object


def find(
    source: Streams,
    label: str | Iterable[str] | None = None,
    *,
    levels: LevelLike | Iterable[LevelLike] | None = None,
    score: float = 0.0,
    limits: Limits = Limits(),
    access: Access = ORDINARY,
    on_error: OnError = warn,
) -> Iterator[Match]:
    """Objects that streams describe, without decoding pixels or group maps.

    Objects of withdrawn groups are not described; a stream that describes none has no match.

    Args:
        source: a folder, a stream's path or URL, or several.
        label: what the object is, one or several, whatever the case; ``None`` for all.
        levels: its level, one or several; all by default.
        score: at least this score, 0 to 1.
        limits: what the caller agrees to hold in memory.
        access: what is allowed of URLs.
        on_error: told of streams that cannot be read; by default a warning.

    Yields:
        Matches in the order of the paths, and of one stream the most important first.

    Raises:
        SdcError: ``E_INPUT`` for a folder without streams, ``E_USAGE`` for what is no level.
    """
    wanted = _folded(label)
    of_levels = levels_of(levels)
    for path, stream in outlines(source, limits, access, on_error):
        for error in stream.errors:
            on_error(path, error)
        try:
            objects = parse_objects(stream, masks=False, limits=limits)
        except SdcError as error:
            on_error(path, error)
            continue
        for o in objects:
            named = wanted is None or o.label.strip().casefold() in wanted
            if named and (of_levels is None or o.level in of_levels) and o.score >= score:
                yield Match(path, o)


def _folded(label: str | Iterable[str] | None) -> set[str] | None:
    """Labels as they are compared."""
    if label is None:
        return None
    labels = [label] if isinstance(label, str) else label
    return {one.strip().casefold() for one in labels}
