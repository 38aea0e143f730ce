"""What there is to say about the objects of an image, gathered by kind, so that each kind is one line."""

from __future__ import annotations

from ..notes import Notes

MOST = 6
"""Lines about the objects of one image."""


class Gathering:
    """Collects what was assumed, mended or left out while the objects of an image were read."""

    def __init__(self) -> None:
        self._kinds: dict[str, list[str]] = {}

    def add(self, what: str, where: str = "") -> None:
        """Say something, of a field or an item; what is said of several of them is one line."""
        self._kinds.setdefault(what, []).append(where)

    def tell(self, notes: Notes) -> None:
        """Say it all, in the order in which it was first said.

        Raises:
            SdcError: ``E_OBJECTS`` where the notes are strict.
        """
        for k, (what, places) in enumerate(self._kinds.items()):
            if k == MOST - 1 and len(self._kinds) > MOST:
                notes.add(f"{len(self._kinds) - k} more notes of other kinds about the objects")
                return
            more = f" and {len(places) - 1} more" if len(places) > 1 else ""
            notes.add(what, f"{places[0]}{more}" if places[0] else "")
