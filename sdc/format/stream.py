"""A parsed stream: header, groups with their states, map and chunks (spec sections "HEAD" to "MASK")."""

from __future__ import annotations

import zlib
from collections.abc import Iterable
from dataclasses import dataclass, field, replace
from functools import cached_property
from operator import index
from typing import TYPE_CHECKING

import numpy as np

from ..coding.labels import Labels, decode_map
from ..errors import SdcError
from ..types import CELL, Level, LevelLike, levels_of
from .chunks import LATN, OBJS, VERSION, Chunk
from .fields import build_payload, decode_varint
from .source import Reader

if TYPE_CHECKING:
    from ..objects.object import Object


COMPLETE, WITHDRAWN, TRUNCATED, DAMAGED = "complete", "withdrawn", "truncated", "damaged"
UNREAD = "unread"


@dataclass(frozen=True)
class Head:
    """HEAD: size in pixels, required features, model number and the start of its hash."""

    width: int
    height: int
    model: int
    weights: bytes
    features: int = 0
    version: int = VERSION

    @property
    def rows(self) -> int:
        """Rows of cells."""
        return -(-self.height // CELL)

    @property
    def cols(self) -> int:
        """Columns of cells."""
        return -(-self.width // CELL)


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
        return self.level.code << 6 | self.quality


@dataclass(frozen=True)
class Stream:
    """A parsed stream.

    Attributes:
        mask: payload of MASK, or ``None`` when one group fills the picture.
        before: chunks between MASK and the first latent chunk.
        after: chunks behind the last latent chunk.
        errors: what is missing or damaged in a partial stream.
        size: bytes of the file.
        behind: whether the chunks behind the latent chunks have been read.
    """

    head: Head
    groups: tuple[Group, ...]
    mask: bytes | None = None
    before: tuple[Chunk, ...] = ()
    after: tuple[Chunk, ...] = ()
    errors: tuple[SdcError, ...] = ()
    size: int = 0
    mask_offset: int = 0
    behind: bool = True

    @property
    def state(self) -> str:
        """``valid`` or ``partial``; the other states are exceptions."""
        return "partial" if self.errors else "valid"

    @cached_property
    def labels(self) -> Labels:
        """Group map, ``uint8 [rows, cols]``: 0 for no group, ``k + 1`` for group ``k``.

        Raises:
            SdcError: ``E_RANS_*``, ``E_MASK_LABEL``, ``E_MASK_EMPTY_GROUP`` or ``E_MASK_REDUNDANT``.
        """
        rows, cols, count = self.head.rows, self.head.cols, len(self.groups)
        if self.mask is None:
            return np.ones((rows, cols), np.uint8)
        try:
            labels = decode_map(self.mask, rows, cols, count)
        except SdcError as error:
            raise SdcError(error.code, error.message, "MASK", self.mask_offset) from None
        present = np.bincount(labels.reshape(-1), minlength=count + 1)
        for k in range(count):
            if not present[k + 1]:
                raise SdcError("E_MASK_EMPTY_GROUP", f"group {k} has no cell", "MASK", self.mask_offset)
        if count == 1 and not present[0]:
            raise SdcError("E_MASK_REDUNDANT", where="MASK", offset=self.mask_offset)
        return labels

    def chunk(self, kind: int) -> Chunk | None:
        """The first ancillary chunk of a type, if there is one."""
        return next((c for c in self.before + self.after if c.type == kind), None)

    @cached_property
    def objects(self) -> tuple[Object, ...]:
        """Objects that the stream describes, with their pixel masks, in order of rank.

        There are none when it has no OBJS.

        Raises:
            SdcError: as :func:`sdc.format.objs.parse_objects`, which can do without the masks; ``E_USAGE``
                when OBJS may stand behind the groups, and nothing there has been read.
        """
        from .objs import parse_objects

        self.require_objects()
        return parse_objects(self)

    def require_objects(self) -> None:
        """Refuse to say that there are no objects where nobody has looked.

        Raises:
            SdcError: ``E_USAGE``.
        """
        if not self.behind and self.chunk(OBJS) is None:
            raise SdcError(
                "E_USAGE",
                "the objects have not been read: they may stand behind the groups, from where "
                "sdc.open(...).objects fetches them",
            )

    def select(
        self,
        groups: Iterable[int] | None = None,
        levels: LevelLike | Iterable[LevelLike] | None = None,
    ) -> list[int]:
        """Indices of the groups asked for.

        Args:
            groups: by index.
            levels: by level, one or several; see :class:`sdc.types.Level`.  Neither of the two asks for all
                groups that are not withdrawn or unread.

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
            if chosen and not 0 <= chosen[0] <= chosen[-1] < len(self.groups):
                raise SdcError("E_USAGE", f"the stream has groups 0 to {len(self.groups) - 1}")
            return chosen
        if levels is None:
            return [g.index for g in self.groups if g.state not in (WITHDRAWN, UNREAD)]
        wanted = levels_of(levels) or []
        return [g.index for g in self.groups if g.level in wanted]

    def missing(self, index: int) -> SdcError:
        """The error of a group that is asked for and not complete."""
        g = self.groups[index]
        where = f"group {g.index}, {g.level}"
        if g.state == UNREAD:
            return SdcError("E_GROUP_TRUNCATED", "the group's chunk has not been read", where, g.offset)
        return SdcError(f"E_GROUP_{g.state.upper()}", where=where, offset=g.offset)

    def _chunks(
        self, groups: Iterable[int] | None, levels: LevelLike | Iterable[LevelLike] | None
    ) -> list[Group]:
        """The groups asked for, all by default, but those that are withdrawn."""
        everything = range(len(self.groups))
        chosen = everything if groups is None and levels is None else self.select(groups, levels)
        return [self.groups[k] for k in chosen if self.groups[k].size]

    def ranges(
        self,
        groups: Iterable[int] | None = None,
        levels: LevelLike | Iterable[LevelLike] | None = None,
    ) -> list[tuple[int, int]]:
        """Byte ranges ``(offset, length)`` of some groups' chunks (all by default), neighbours merged.

        Args:
            groups, levels: as for :func:`sdc.decode`.

        Raises:
            SdcError: ``E_USAGE``.
        """
        merged: list[tuple[int, int]] = []
        for g in self._chunks(groups, levels):
            if merged and sum(merged[-1]) == g.offset:
                merged[-1] = (merged[-1][0], merged[-1][1] + g.size)
            else:
                merged.append((g.offset, g.size))
        return merged

    def prefix(
        self,
        groups: Iterable[int] | None = None,
        levels: LevelLike | Iterable[LevelLike] | None = None,
    ) -> int:
        """Bytes from the start of the file up to the end of some groups' chunks (all by default).

        That is the preamble at least, also when the stream has none of these groups.

        Args:
            groups, levels: as for :func:`sdc.decode`.

        Raises:
            SdcError: ``E_USAGE``.
        """
        ends = [g.offset + g.size for g in self._chunks(groups, levels)]
        return max(ends, default=self.groups[0].offset)

    def seed(self, group: Group) -> bytes:
        """What the CRC of a latent chunk starts with (LATN-04)."""
        return build_head(self.head) + (self.mask or b"") + bytes([group.index, group.level_quality])

    def with_chunk(self, index: int, data: bytes) -> Stream:
        """This stream with the bytes of one group's chunk, as a byte range brought them.

        Args:
            index: of the group, which becomes complete, truncated or damaged; a withdrawn one stays so.
            data: its chunk; bytes beyond its size are not looked at.

        Raises:
            SdcError: ``E_LATN_SIZE`` or ``E_VARINT``; ``E_USAGE`` for a group that the stream does not have.
        """
        (index,) = self.select([index])
        group = judge(self, self.groups[index], Reader(data).at(0, self.groups[index].size))
        changed = replace(self, groups=(*self.groups[:index], group, *self.groups[index + 1 :]))
        errors = tuple(e for e in self.errors if e.offset != group.offset)
        if group.state in (TRUNCATED, DAMAGED):
            errors += (changed.missing(index),)
        return with_labels(replace(changed, errors=errors), self)


def build_head(head: Head) -> bytes:
    """Payload of HEAD."""
    return build_payload(
        "HEAD",
        {
            "width": head.width,
            "height": head.height,
            "features": head.features,
            "model": head.model,
            "weights": head.weights,
            "version": head.version,
        },
    )


def with_labels(stream: Stream, old: Stream) -> Stream:
    """``stream`` with the group map that ``old`` has decoded already."""
    if "labels" in old.__dict__:
        stream.__dict__["labels"] = old.labels
    return stream


def judge(stream: Stream, group: Group, data: bytes) -> Group:
    """State of a group whose chunk's bytes are ``data`` (fewer than its size at the file's end)."""
    if not group.size:
        return group
    if len(data) < group.size:
        return replace(group, state=TRUNCATED, payload=None)
    if zlib.crc32(stream.seed(group) + data[:-4]) != int.from_bytes(data[-4:], "little"):
        return replace(group, state=DAMAGED, payload=None)
    where = f"group {group.index}"
    try:
        length, used = decode_varint(data[:-4], 1, group.offset)
    except IndexError:
        raise SdcError("E_LATN_SIZE", where=where, offset=group.offset) from None
    if data[0] != LATN or used + length + 4 != group.size:
        raise SdcError("E_LATN_SIZE", where=where, offset=group.offset)
    return replace(group, state=COMPLETE, payload=data[used:-4])
