"""The GRPS chunk: the groups, their levels, qualities and places (spec section "GRPS")."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

from ..errors import SdcError
from ..types import LEVELS, Level
from .fields import Payload, build_payload, join_bits, split_bits
from .head import Head

COMPLETE, WITHDRAWN, TRUNCATED, DAMAGED = "complete", "withdrawn", "truncated", "damaged"
UNREAD = "unread"


@dataclass(frozen=True)
class Group:
    """A group as GRPS lists it, and the state of its chunk.

    Attributes:
        size: bytes of the whole chunk, 0 when withdrawn.
        offset: of its chunk in the file (where it would stand, when withdrawn).
        state: ``complete``, ``withdrawn``, ``truncated``, ``damaged``, or ``unread`` when a
            reader stopped after MASK or was asked for other groups.
        payload: the rANS stream of a complete group.
    """

    index: int
    level: Level
    quality: int
    size: int = 0
    offset: int = 0
    state: str = UNREAD
    payload: bytes | None = field(default=None, repr=False)

    @property
    def level_quality(self) -> int:
        """The byte of GRPS that holds both."""
        return join_bits("GROUP", "level_quality", {"level": self.level.code, "quality": self.quality})


def group_error(group: Group) -> SdcError:
    """The error of a group that is asked for and not complete."""
    where = f"group {group.index}, {group.level}"
    if group.state == UNREAD:
        return SdcError("E_GROUP_TRUNCATED", "the group's chunk has not been read", where, group.offset)
    return SdcError(f"E_GROUP_{group.state.upper()}", where=where, offset=group.offset)


def parse_groups(head: Head, payload: Payload, end: int) -> tuple[tuple[Group, ...], int]:
    """Groups from the fields of GRPS.

    Args:
        head: of the same stream.
        payload: of GRPS.
        end: first byte after the GRPS chunk.

    Returns:
        ``(the groups with their offsets, offset of the first latent chunk)``.

    Raises:
        SdcError: ``E_GRPS_COUNT``, ``E_GRPS_ORDER``, ``E_GRPS_SIZE``, ``E_VARINT`` or ``E_PAYLOAD_LENGTH``.
    """
    values = payload.whole()
    cells = head.rows * head.cols
    if values.count > cells:
        message = f"{values.count} groups in {cells} cells"
        raise SdcError("E_GRPS_COUNT", message, "GRPS.count", payload.offset("GRPS.count"))
    first = at = end + values.preamble
    groups: list[Group] = []
    for k, item in enumerate(values.groups):
        parts = split_bits("GROUP", "level_quality", item.level_quality)
        level, quality = LEVELS[parts["level"]], parts["quality"]
        if groups and level < groups[-1].level:
            where = f"GRPS.groups[{k}].level_quality"
            message = f"group {k} is more important than group {k - 1}"
            raise SdcError("E_GRPS_ORDER", message, where, payload.offset(where))
        groups.append(Group(k, level, quality, item.size, at, UNREAD if item.size else WITHDRAWN))
        at += item.size
    return tuple(groups), first


def build_groups(groups: Sequence[Group], sizes: Sequence[int], preamble: int) -> bytes:
    """Payload of GRPS.

    Args:
        groups: their levels and qualities count, their sizes and offsets do not.
        sizes: bytes of the groups' chunks, 0 for one that is withdrawn.
        preamble: bytes between the end of GRPS and the first latent chunk.
    """
    rows = [{"level_quality": g.level_quality, "size": n} for g, n in zip(groups, sizes, strict=True)]
    return build_payload("GRPS", {"count": len(rows), "preamble": preamble, "groups": rows})
