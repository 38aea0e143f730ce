"""A parsed stream: header, groups with their states, group map and chunks."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field, replace

from ..coding.labels import Labels
from ..errors import SdcError
from ..types import Level, LevelLike
from .chunks import Chunk
from .group_state import read_group
from .grps import DAMAGED, TRUNCATED, WITHDRAWN, Group, group_error
from .head import Head, seed_of
from .ranges import byte_ranges, prefix_size, select
from .source import Reader


@dataclass(frozen=True)
class Outline:
    """What a stream says but for its decoded group map, which may be broken.

    Attributes:
        map: the coded group map.
        before: chunks in front of the groups, the preamble.
        after: chunks behind the groups.
        errors: what is missing or damaged in a partial stream.
        size: bytes of the file.
        behind: whether the chunks behind the groups have been read.
    """

    head: Head
    groups: tuple[Group, ...]
    map: bytes = b""
    before: tuple[Chunk, ...] = ()
    after: tuple[Chunk, ...] = ()
    errors: tuple[SdcError, ...] = ()
    size: int = 0
    behind: bool = True

    @property
    def state(self) -> str:
        """``valid`` or ``partial``; the other states are exceptions."""
        return "partial" if self.errors else "valid"

    @property
    def levels(self) -> tuple[Level, ...]:
        """Levels of the groups that are not withdrawn, the most important first."""
        return tuple(dict.fromkeys(g.level for g in self.groups if g.state != WITHDRAWN))

    def chunk(self, kind: int) -> Chunk | None:
        """The first ancillary chunk of a type, if there is one."""
        return next((c for c in self.before + self.after if c.type == kind), None)

    def select(
        self,
        groups: Iterable[int] | None = None,
        levels: LevelLike | Iterable[LevelLike] | None = None,
    ) -> list[int]:
        """Indices of the groups asked for: :func:`sdc.format.ranges.select`."""
        return select(self.groups, groups, levels)

    def missing(self, index: int) -> SdcError:
        """The error of a group that is asked for and not complete."""
        return group_error(self.groups[index])

    def ranges(
        self,
        groups: Iterable[int] | None = None,
        levels: LevelLike | Iterable[LevelLike] | None = None,
    ) -> list[tuple[int, int]]:
        """Byte ranges of some groups' data: :func:`sdc.format.ranges.byte_ranges`."""
        return byte_ranges(self.groups, groups, levels)

    def prefix(
        self,
        groups: Iterable[int] | None = None,
        levels: LevelLike | Iterable[LevelLike] | None = None,
    ) -> int:
        """Bytes up to the end of some groups' data: :func:`sdc.format.ranges.prefix_size`."""
        return prefix_size(self.groups, groups, levels)

    def seed(self, group: Group) -> bytes:
        """What the CRC of a group's data starts with (LATN-04)."""
        return seed_of(self.head) + self.map + bytes([group.index, group.level_quality])


@dataclass(frozen=True)
class Stream(Outline):
    """A parsed stream.

    Attributes:
        labels: the group map that ``map`` codes, ``uint8 [rows, cols]``: 0 for no group, ``k + 1`` for
            group ``k``.
    """

    labels: Labels = field(kw_only=True, repr=False, compare=False)

    def with_group(self, index: int, data: bytes) -> Stream:
        """This stream with the data of one group, as a byte range brought them.

        Args:
            index: of the group, which becomes complete, truncated or damaged; a withdrawn one stays so.
            data: its payload and CRC; bytes beyond its size are not looked at.

        Raises:
            SdcError: ``E_USAGE`` for a group that the stream does not have.
        """
        (index,) = self.select([index])
        old = self.groups[index]
        group = read_group(old, Reader(data).at(0, old.size), self.seed(old))
        errors = tuple(e for e in self.errors if e.offset != group.offset)
        if group.state in (TRUNCATED, DAMAGED):
            errors += (group_error(group),)
        return replace(self, groups=(*self.groups[:index], group, *self.groups[index + 1 :]), errors=errors)
