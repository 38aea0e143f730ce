"""The groups of the head: their levels, qualities and places (spec section "Groups")."""

from __future__ import annotations

from dataclasses import dataclass, field

from ..errors import SdcError
from ..types import LEVELS, Level
from .fields import Payload, join_bits, split_bits
from .head import Head

COMPLETE, WITHDRAWN, TRUNCATED, DAMAGED = "complete", "withdrawn", "truncated", "damaged"
UNREAD = "unread"


@dataclass(frozen=True)
class Group:
    """A group as the head lists it, and the state of its data.

    Attributes:
        size: bytes of its data with the CRC, 0 when withdrawn.
        offset: of its data in the file (where it would stand, when withdrawn).
        state: ``complete``, ``withdrawn``, ``truncated``, ``damaged``, or ``unread`` when a
            reader was asked for other groups.
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
        """The byte of the head that holds both."""
        return join_bits("GROUP", "level_quality", {"level": self.level.code, "quality": self.quality})


def group_error(group: Group) -> SdcError:
    """The error of a group that is asked for and not complete."""
    where = f"group {group.index}, {group.level}"
    if group.state == UNREAD:
        return SdcError("E_GROUP_TRUNCATED", "the group's data has not been read", where, group.offset)
    return SdcError(f"E_GROUP_{group.state.upper()}", where=where, offset=group.offset)


def parse_groups(head: Head, payload: Payload, end: int) -> tuple[tuple[Group, ...], int]:
    """Groups from the fields of the head.

    Args:
        head: size and model of the same stream.
        payload: the head.
        end: first byte after the header.

    Returns:
        ``(the groups with their offsets, offset of the first one's data)``.

    Raises:
        SdcError: ``E_GRPS_COUNT``, ``E_GRPS_ORDER``, ``E_GRPS_SIZE``, ``E_VARINT`` or ``E_PAYLOAD_LENGTH``.
    """
    values = payload.whole()
    cells = head.rows * head.cols
    if values.count > cells:
        message = f"{values.count} groups in {cells} cells"
        raise SdcError("E_GRPS_COUNT", message, "HEAD.count", payload.offset("HEAD.count"))
    first = at = end + values.preamble
    groups: list[Group] = []
    for k, item in enumerate(values.groups):
        parts = split_bits("GROUP", "level_quality", item.level_quality)
        level, quality = LEVELS[parts["level"]], parts["quality"]
        if groups and level < groups[-1].level:
            where = f"HEAD.groups[{k}].level_quality"
            message = f"group {k} is more important than group {k - 1}"
            raise SdcError("E_GRPS_ORDER", message, where, payload.offset(where))
        groups.append(Group(k, level, quality, item.size, at, UNREAD if item.size else WITHDRAWN))
        at += item.size
    return tuple(groups), first
