"""The group of every cell (``spec/objects.md``). Nothing of it concerns a decoder."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import reduce

import numpy as np
import numpy.typing as npt

from ..errors import SdcError
from ..types import Level, largest
from .cells import cell_areas, coverage
from .object import Object
from .ranking import rank_objects
from .values import Bools, objects_error

MAX_OBJECT_GROUPS = largest("HEAD", "count") - 1
"""One group number is kept for the cells that no object covers."""

MAX_MARGIN = 15
"""Cells around objects that may be of their groups."""


@dataclass(frozen=True, eq=False)
class GroupMap:
    """Which cell belongs to which group.

    Attributes:
        labels: uint8 [rows, cols]; k + 1 = group k. 0, no group, does not occur: every cell is transmitted.
        levels: level of each group, the most important first.
        objects: the objects in the order given, with level, rank and group set.
    """

    labels: npt.NDArray[np.uint8]
    levels: tuple[Level, ...]
    objects: tuple[Object, ...]


class _Owners:
    """Which object owns each cell, and which cell is each object's home.

    An object owns cells, or is a guest in one whose owner is of the same unit (level, or object), or, if
    there is no room, shares a cell with a stranger.
    Objects are known by their place in the order of importance.
    """

    def __init__(self, objects: Sequence[Object], units: Sequence[int], width: int, height: int):
        self.objects = objects
        self.units = np.array(units)
        pixels = cell_areas(width, height)
        self.owner = np.full(pixels.shape, -1, np.int32)
        self.hosts = np.zeros(pixels.shape, bool)
        for i, thing in enumerate(objects):
            area, counts = coverage(thing)
            owner = self.owner[area]
            owner[(8 * counts >= pixels[area]) & (owner < 0)] = i
        self.owned = np.bincount(self.owner[self.owner >= 0], minlength=len(objects))
        self.home: dict[int, tuple[int, int]] = {}
        stuck = np.zeros(len(objects), bool)
        for i in np.flatnonzero(self.owned == 0).tolist():
            self._settle(i, stuck)
        # Owners' homes change while others settle, so they are noted at the end.
        for r, c in np.argwhere(self.owner >= 0).tolist():
            self.home.setdefault(int(self.owner[r, c]), (r, c))

    def misplaced(self, levels: Sequence[Level]) -> int:
        """How many objects have their home in a cell of another level."""
        return sum(levels[self.owner[cell]] != levels[i] for i, cell in self.home.items())

    def _settle(self, newcomer: int, stuck: Bools) -> None:
        """Gives an object without cells a home: its best cell among those whose loss makes no object vanish.

        If there is none, the owner of such a cell may move to another cell that it touches, and so on: a
        breadth-first search for the shortest chain of moves. `stuck` marks objects known to have no way out.
        """
        seen = stuck.copy()
        came_from: dict[int, tuple[int, tuple[int, int]] | None] = {newcomer: None}
        queue = [newcomer]
        for i in queue:
            (rows, cols), counts = coverage(self.objects[i])
            owner = self.owner[rows, cols]
            same = (owner >= 0) & (self.units[owner] == self.units[i])
            # The cells of i and of those on the way to it would be taken over.
            k = i
            while (step := came_from[k]) is not None:
                same &= owner != k
                k = step[0]
            spare = (owner < 0) | ((self.owned[owner] > 1) & ~self.hosts[rows, cols])
            # Even counts for pixels, and one more where nothing need change.
            choice = np.where(same | spare, 2 * counts + same, 0) * (counts > 0)
            if choice.any():
                r, c = divmod(int(choice.argmax()), choice.shape[1])
                self._move(i, (rows.start + r, cols.start + c), came_from)
                return
            # Here every cell it touches is the only one of a stranger. Best cell first.
            places = np.flatnonzero((counts > 0) & ~self.hosts[rows, cols] & ~seen[owner])
            best_first = np.argsort(-counts.flat[places].astype(int), kind="stable")
            for place in places[best_first].tolist():
                r, c = divmod(place, counts.shape[1])
                stranger = int(owner[r, c])
                if not seen[stranger]:
                    seen[stranger] = True
                    came_from[stranger] = (i, (rows.start + r, cols.start + c))
                    queue.append(stranger)
        # All of these wait for one another's cells, and always will: nobody outside holds any of them.
        stuck |= seen
        (rows, cols), counts = coverage(self.objects[newcomer])
        r, c = divmod(int(counts.argmax()), counts.shape[1])
        self.home[newcomer] = (rows.start + r, cols.start + c)

    def _move(
        self, i: int, cell: tuple[int, int], came_from: dict[int, tuple[int, tuple[int, int]] | None]
    ) -> None:
        """Settles i in the cell, then the one who wanted i's old cell there, and so on."""
        step: tuple[int, tuple[int, int]] | None = (i, cell)
        while step is not None:
            i, cell = step
            step = came_from[i]
            owner = int(self.owner[cell])
            if owner >= 0 and self.units[owner] == self.units[i]:
                self.hosts[cell] = True
                self.home[i] = cell
            else:
                if owner >= 0:
                    self.owned[owner] -= 1
                self.owned[i] += 1
                self.owner[cell] = i


def _with_margin(owner: npt.NDArray[np.int32], levels: Sequence[Level], margin: int) -> npt.NDArray[np.int32]:
    """The owners of cells, where cells of nobody go to the most important object of L1 to L3 near them.

    Args:
        owner: int32 [rows, cols], objects by importance, -1 = nobody.
        levels: level of each object.
        margin: how near, in cells, in all eight directions.
    """
    nobody = len(levels)
    # The last entry is for owner -1.
    who = np.array(
        [i if level != Level.OTHER else nobody for i, level in enumerate(levels)] + [nobody], np.int32
    )
    near = who[owner]
    for _ in range(2):  # down, then across
        padded = np.pad(near.T, ((0, 0), (margin, margin)), constant_values=nobody)
        near = reduce(np.minimum, (padded[:, k : k + near.shape[0]] for k in range(2 * margin + 1)))
    return np.where((owner < 0) & (near < nobody), near, owner)


def _check(objects: Sequence[Object], width: int, height: int, group_by: str, margin: int) -> None:
    """Refuse what no group map can be made of.

    Raises:
        SdcError: as :func:`group_map`.
    """
    if group_by not in ("level", "object"):
        raise SdcError("E_USAGE", f"groups are by level or by object, not by {group_by!r}", "group_by")
    if type(margin) is not int or not 0 <= margin <= MAX_MARGIN:
        raise SdcError("E_USAGE", f"must be a whole number of 0 to {MAX_MARGIN} cells", "margin")
    if not isinstance(objects, Sequence) or not all(isinstance(thing, Object) for thing in objects):
        message = "must be a list of sdc.Object: see sdc.Object.load, and .objects of an analysis"
        raise SdcError("E_USAGE", message, "objects")
    for i, thing in enumerate(objects):
        x, y, w, h = thing.box
        if x + w > width or y + h > height:
            raise objects_error(f"objects[{i}].box", f"reaches beyond the image of {width} x {height} pixels")


def _numbered(
    levels: Sequence[Level], owned: npt.NDArray[np.int64], by_level: bool, nobody: bool
) -> tuple[npt.NDArray[np.uint8], list[Level]]:
    """Groups, in the order of importance of the objects that own their cells.

    Args:
        levels: of the objects, by importance.
        owned: how many cells each has.
        by_level: whether a group is a level, or else an object.
        nobody: whether there are cells of no object.

    Returns:
        ``(group of each object's cells, and of those of no object, levels of the groups)``.
    """
    # The last entry is for owner -1, nobody.
    group_of = np.zeros(len(levels) + 1, np.uint8)
    group_levels: list[Level] = []
    with_cells = np.flatnonzero(owned).tolist()
    spare = MAX_OBJECT_GROUPS - len({levels[i] for i in with_cells})
    for i in with_cells:
        if levels[i] not in group_levels:
            group_levels.append(levels[i])
        elif not by_level and spare:
            spare -= 1
            group_levels.append(levels[i])
        group_of[i] = len(group_levels) - 1
    if nobody:
        if not by_level or Level.OTHER not in group_levels:
            group_levels.append(Level.OTHER)
        group_of[-1] = len(group_levels) - 1
    return group_of, group_levels


def group_map(
    objects: Sequence[Object], width: int, height: int, group_by: str = "level", margin: int = 0
) -> GroupMap:
    """Gives every cell of an image its group.

    A cell belongs to the most important object that covers at least an eighth of its pixels (at the right and
    bottom edges, of those that exist).
    An object without a cell gets the cell it covers most, unless that is another object's only one: then
    the next best, or the other object moves to a cell that it touches too.
    With level groups it is enough that the cell is of the object's level.
    Where the objects in one place outnumber the cells, the less important share the best cell of theirs
    with its owner, and take on its group and level; none does so if each can have a cell of its own.
    With a margin, cells of no object go to the most important object of L1 to L3 that owns one near them.
    The other cells of no object are of level other.

    Args:
        objects: objects of the image, levels and ranks given or not (see `rank_objects`).
        width: width of the image in pixels, 1 or more.
        height: height of the image in pixels, 1 or more.
        group_by: "level": one group for each level that has cells. "object": one group for each object, most
            important first, and one for the cells of no object, last. Objects beyond 254 go into the last
            group of their level; each level keeps at least one.
        margin: how many cells around the cells of objects of L1 to L3 are of their groups too, 0 to 15.

    Returns:
        The map; a single group of level other when there are no objects.

    Raises:
        SdcError: E_OBJECTS when a box reaches out of the image, E_USAGE for an unknown `group_by` or
            another `margin`.
    """
    _check(objects, width, height, group_by, margin)
    ranked = rank_objects(objects, width, height)
    order = sorted(range(len(ranked)), key=lambda i: ranked[i].rank or 0)
    by_rank = [ranked[i] for i in order]
    levels = [Level.OTHER if thing.level is None else thing.level for thing in by_rank]
    by_level = group_by == "level"
    singles = list(range(len(by_rank)))
    owners = _Owners(by_rank, [level.code for level in levels] if by_level else singles, width, height)
    if by_level and owners.misplaced(levels):
        # Guests pin cells. The other way gives every object a cell of its own if that is possible at all.
        owners = min(owners, _Owners(by_rank, singles, width, height), key=lambda o: o.misplaced(levels))
    owner = _with_margin(owners.owner, levels, margin) if margin and objects else owners.owner
    group_of, group_levels = _numbered(levels, owners.owned, by_level, bool((owner < 0).any()))
    labels = group_of[owner] + np.uint8(1)
    for i, place in enumerate(order):
        group = int(labels[owners.home[i]]) - 1
        ranked[place] = replace(ranked[place], group=group, level=group_levels[group])
    return GroupMap(labels, tuple(group_levels), tuple(ranked))
