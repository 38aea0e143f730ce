"""Which groups are asked for, and which bytes of a file hold them."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from operator import index

from ..errors import SdcError
from ..types import LevelLike, levels_of
from .grps import UNREAD, WITHDRAWN, Group


def select(
    own: Sequence[Group],
    groups: Iterable[int] | None = None,
    levels: LevelLike | Iterable[LevelLike] | None = None,
) -> list[int]:
    """Indices of the groups asked for.

    Args:
        own: all groups of the stream.
        groups: by index.
        levels: by level, one or several; see :class:`sdc.Level`.  Neither of the two asks for all groups
            that are not withdrawn or unread.

    Raises:
        SdcError: ``E_USAGE`` for a group that the stream does not have, for what is no level,
            or when both are given.
    """
    if groups is not None and levels is not None:
        raise SdcError("E_USAGE", "groups are chosen by index or by level, not by both")
    if groups is not None:
        try:
            chosen = sorted({index(k) for k in groups})
        except TypeError:
            raise SdcError("E_USAGE", "groups are a list of whole numbers") from None
        if chosen and not 0 <= chosen[0] <= chosen[-1] < len(own):
            raise SdcError("E_USAGE", f"the stream has groups 0 to {len(own) - 1}")
        return chosen
    if levels is None:
        return [g.index for g in own if g.state not in (WITHDRAWN, UNREAD)]
    wanted = levels_of(levels) or []
    return [g.index for g in own if g.level in wanted]


def _present(
    own: Sequence[Group],
    groups: Iterable[int] | None,
    levels: LevelLike | Iterable[LevelLike] | None,
) -> list[Group]:
    """The groups asked for, all by default, but those that are withdrawn."""
    chosen = range(len(own)) if groups is None and levels is None else select(own, groups, levels)
    return [own[k] for k in chosen if own[k].size]


def byte_ranges(
    own: Sequence[Group],
    groups: Iterable[int] | None = None,
    levels: LevelLike | Iterable[LevelLike] | None = None,
) -> list[tuple[int, int]]:
    """Byte ranges ``(offset, length)`` of some groups' data (all by default), neighbours merged.

    Args:
        own: all groups of the stream.
        groups, levels: as for :func:`sdc.decode`.

    Raises:
        SdcError: ``E_USAGE``.
    """
    merged: list[tuple[int, int]] = []
    for g in _present(own, groups, levels):
        if merged and sum(merged[-1]) == g.offset:
            merged[-1] = (merged[-1][0], merged[-1][1] + g.size)
        else:
            merged.append((g.offset, g.size))
    return merged


def prefix_size(
    own: Sequence[Group],
    groups: Iterable[int] | None = None,
    levels: LevelLike | Iterable[LevelLike] | None = None,
) -> int:
    """Bytes from the start of the file up to the end of some groups' data (all by default).

    That is the preamble at least, also when the stream has none of these groups.

    Args:
        own: all groups of the stream.
        groups, levels: as for :func:`sdc.decode`.

    Raises:
        SdcError: ``E_USAGE``.
    """
    ends = [g.offset + g.size for g in _present(own, groups, levels)]
    return max(ends, default=own[0].offset)
