"""What of a stream is asked for: groups by index, by level, or by the objects in them."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from operator import index

from ..errors import SdcError
from ..objects.object import Object
from ..types import LevelLike, Limits, levels_of
from .grps import WITHDRAWN
from .objs import parse_objects
from .stream import Stream

TOLD = 20
"""Labels of objects that an error names."""

ALL_WITHDRAWN = "every group of the stream is withdrawn"
"""A note where everything is asked for and nothing is there."""

ObjectName = str | int | Object
"""An object by its label, by its index in order of rank, or itself."""
ObjectNames = ObjectName | Iterable[ObjectName]
"""One or several; one text may name several, with commas between."""


@dataclass(frozen=True)
class Choice:
    """Groups of a stream that are asked for.

    Attributes:
        groups: their indices, in order.
        objects: the objects by which they were chosen, with their pixel masks.
        notes: what was asked for and is not in the stream, in words.
    """

    groups: tuple[int, ...]
    objects: tuple[Object, ...] = ()
    notes: tuple[str, ...] = ()


def choose(
    stream: Stream,
    groups: Iterable[int] | None = None,
    levels: LevelLike | Iterable[LevelLike] | None = None,
    objects: ObjectNames | None = None,
    *,
    limits: Limits = Limits(),
) -> Choice:
    """The groups asked for; without any of the three, all that are not withdrawn or unread.

    Args:
        groups: by index.
        levels: by level; see :class:`sdc.Level`.
        objects: by what is in them; :attr:`sdc.Object.label`, or the index of an object.

    Raises:
        SdcError: ``E_USAGE`` for a group or an object that the stream does not have, for what is no level,
            or when two of the three are given; for objects also as :func:`.objs.parse_objects`.
    """
    if objects is None:
        named = levels_of(levels)
        has = list(dict.fromkeys(g.level for g in stream.groups))
        lacking = " or ".join(level for level in dict.fromkeys(named or ()) if level not in has)
        notes = [f"the stream has no group of level {lacking}, only {', '.join(has)}"] if lacking else []
        if groups is None and named is None and all(g.state == WITHDRAWN for g in stream.groups):
            notes.append(ALL_WITHDRAWN)
        return Choice(tuple(stream.select(groups, named)), notes=tuple(notes))
    if groups is not None or levels is not None:
        raise SdcError("E_USAGE", "objects are chosen alone, not together with groups or levels")
    found = named_objects(stream, objects, limits)
    return Choice(tuple(sorted({o.group for o in found if o.group is not None})), tuple(found))


def named_objects(stream: Stream, names: ObjectNames, limits: Limits = Limits()) -> list[Object]:
    """Objects by label or index, with their pixel masks.

    Raises:
        SdcError: ``E_USAGE`` when there is no such object, and as :func:`.objs.parse_objects`.
    """
    objects = parse_objects(stream, masks=False, limits=limits)
    if isinstance(names, str):
        whole = _called(objects, names)  # a label may hold commas
        chosen = whole or [k for part in names.split(",") for k in _found(objects, part)]
    elif isinstance(names, Iterable):
        chosen = [k for name in names for k in _found(objects, name)]
    else:
        chosen = _found(objects, names)
    with_masks = parse_objects(stream, masks=set(chosen), limits=limits)
    return [with_masks[k] for k in chosen]


def _called(objects: Sequence[Object], name: ObjectName) -> list[int]:
    """Indices of the objects of a label, or else the index that the name is."""
    if isinstance(name, Object):
        return [
            k for k, o in enumerate(objects) if (o.label, o.box, o.rank) == (name.label, name.box, name.rank)
        ]
    if not isinstance(name, str):
        try:
            number = index(name)
        except TypeError:
            raise SdcError("E_USAGE", f"an object is named by label or index, not by {name!r}") from None
        return [number] if 0 <= number < len(objects) else []
    name = name.strip()
    found = [k for k, o in enumerate(objects) if o.label.strip().casefold() == name.casefold()]
    # No stream has an object of more than four digits.
    if not found and name.isdecimal() and len(name) < 5 and int(name) < len(objects):
        found = [int(name)]
    return found


def _found(objects: Sequence[Object], name: ObjectName) -> list[int]:
    """Indices of the objects that a name is of, one at least.

    Raises:
        SdcError: ``E_USAGE``.
    """
    found = _called(objects, name)
    if not found:
        text = name.label if isinstance(name, Object) else str(name).strip()
        text = text if len(text) <= 64 else text[:61] + "..."
        hint = f", and takes an index, 0 to {len(objects) - 1}" if objects else ""
        raise SdcError("E_USAGE", f"the stream has no object {text}; it has {labels_of(objects)}{hint}")
    return found


def labels_of(objects: Iterable[Object]) -> str:
    """Labels of objects for a message, each once and not too many."""
    given = [o.label for o in objects]
    labels = list(dict.fromkeys(label for label in given if label.strip()))
    unnamed = sum(not label.strip() for label in given)
    more = f" and {len(labels) - TOLD} more" if len(labels) > TOLD else ""
    shown = [", ".join(labels[:TOLD]) + more] if labels else []
    shown += [f"{unnamed} without a name"] if unnamed else []
    return ", ".join(shown) or "none"
