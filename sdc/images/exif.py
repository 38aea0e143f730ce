"""EXIF: directories of TIFF, changed in place, so that whatever else points into the block stays right.

What a tag means is in Exif 3.0 (CIPA DC-008), the layout in TIFF 6.0.
"""

from __future__ import annotations

import struct
from collections.abc import Collection, Iterator
from dataclasses import dataclass

GPS, THUMBNAIL = "gps", "thumbnail"
PARTS = (GPS, THUMBNAIL)
"""What can be stripped of EXIF, and of XMP."""

ORIENTATION = 0x0112
_EXIF, _GPS, _INTEROPERABILITY, _MAKER_NOTE, _SUB_IFDS = 0x8769, 0x8825, 0xA005, 0x927C, 0x014A
_WIDTH, _HEIGHT = 0xA002, 0xA003
_IMAGE_DATA = ((0x0201, 0x0202), (0x0111, 0x0117))
"""Tags of the place and size of a thumbnail: of JPEG, and of strips."""

_SIZES = {1: 1, 2: 1, 3: 2, 4: 4, 5: 8, 6: 1, 7: 1, 8: 2, 9: 4, 10: 8, 11: 4, 12: 8, 13: 4}
"""Bytes of a value of each type."""


MOST_ENTRIES, MOST_DIRECTORIES = 1024, 16
"""How many entries a directory may have, and how many directories may follow one another."""


class Unreadable(ValueError):
    """A block that is no EXIF, or whose directories lead outside."""


@dataclass(frozen=True)
class _Entry:
    """An entry of a directory: its place, and where its value stands."""

    place: int
    tag: int
    type: int
    count: int
    start: int
    size: int

    def alike(self, other: _Entry) -> bool:
        """Whether both hold one value, of the same type."""
        return self.count == other.count == 1 and self.type == other.type


class _Block:
    """A block of EXIF that is being changed."""

    def __init__(self, block: bytes):
        self.order = {b"II*\0": "<", b"MM\0*": ">"}.get(block[:4], "")
        if not self.order:
            raise Unreadable("no EXIF")
        self.data = bytearray(block)
        self.first = self._number("I", 4)

    def _number(self, form: str, at: int) -> int:
        try:
            return int(struct.unpack_from(self.order + form, self.data, at)[0])
        except struct.error:
            raise Unreadable(f"a directory leads to byte {at}") from None

    def entries(self, directory: int) -> list[_Entry]:
        """The entries of a directory, whose values are all within the block."""
        out = []
        many = self._number("H", directory)
        if many > MOST_ENTRIES:
            raise Unreadable(f"a directory of {many} entries")
        for k in range(many):
            place = directory + 2 + 12 * k
            tag, kind = self._number("H", place), self._number("H", place + 2)
            count = self._number("I", place + 4)
            size = count * _SIZES.get(kind, 1)
            start = place + 8 if size <= 4 else self._number("I", place + 8)
            if start + size > len(self.data):
                raise Unreadable(f"tag 0x{tag:04X} leads outside")
            out.append(_Entry(place, tag, kind, count, start, size))
        return out

    def entry(self, directory: int, tag: int) -> _Entry | None:
        """An entry of a directory, if it is there."""
        return next((e for e in self.entries(directory) if e.tag == tag), None)

    def inner(self, directory: int, tag: int) -> int | None:
        """Place of the directory that an entry leads to, if the entry is there."""
        entry = self.entry(directory, tag)
        return None if entry is None else self._number("I", entry.place + 8)

    def numbers(self, entry: _Entry) -> list[int]:
        """Values of an entry of SHORT or LONG."""
        form = {3: "H", 4: "I"}.get(entry.type)
        if form is None:
            raise Unreadable(f"tag 0x{entry.tag:04X} is no whole number")
        return [self._number(form, entry.start + _SIZES[entry.type] * k) for k in range(entry.count)]

    def put(self, entry: _Entry, value: int) -> None:
        """Set the only value of an entry of SHORT or LONG."""
        struct.pack_into(self.order + {3: "H", 4: "I"}[entry.type], self.data, entry.start, value)

    def wipe(self, start: int, size: int) -> None:
        """Zeros in place of some bytes."""
        end = min(start + size, len(self.data))
        self.data[start:end] = bytes(max(0, end - start))

    def wipe_directory(self, directory: int) -> None:
        """Zeros in place of a directory, its values and the image data that it leads to."""
        entries = self.entries(directory)
        for where, length in _IMAGE_DATA:
            places, sizes = (
                [n for e in entries if e.tag == tag for n in self.numbers(e)] for tag in (where, length)
            )
            for start, size in zip(places, sizes, strict=False):
                self.wipe(start, size)
        for entry in entries:
            self.wipe(entry.start, entry.size)
        self.wipe(directory, 2 + 12 * len(entries) + 4)

    def next_of(self, directory: int) -> tuple[int, int]:
        """Where a directory says which is the next, and what it says; 0 for none."""
        at = directory + 2 + 12 * self._number("H", directory)
        return at, self._number("I", at) if at + 4 <= len(self.data) else 0

    def remove(self, directory: int, tag: int) -> None:
        """Remove an entry and its value; those behind it move up."""
        entry = self.entry(directory, tag)
        if entry is None:
            return
        left = self._number("H", directory) - 1
        end = min(self.next_of(directory)[0] + 4, len(self.data))
        self.wipe(entry.start, entry.size)
        self.data[entry.place : end] = self.data[entry.place + 12 : end] + bytes(12)
        struct.pack_into(self.order + "H", self.data, directory, left)

    def directories(self) -> Iterator[int]:
        """Places of the directories that can be reached: those in a row, and within the first ones."""
        row, seen = self.first, set()
        while row and row not in seen:
            seen.add(row)
            if len(seen) > MOST_DIRECTORIES:
                raise Unreadable("too many directories")
            yield row
            exif = self.inner(row, _EXIF)
            for place in (exif, self.inner(row, _GPS), exif and self.inner(exif, _INTEROPERABILITY)):
                if place:
                    yield place
            row = self.next_of(row)[1]

    def whole(self) -> bytes:
        """The block, without zeros at its end that nothing leads to."""
        used = 8
        for directory in self.directories():
            entries = self.entries(directory)
            used = max(used, self.next_of(directory)[0] + 4, *(e.start + e.size for e in entries), 0)
            for where, length in _IMAGE_DATA:
                place, size = (self.entry(directory, tag) for tag in (where, length))
                if place is not None and size is not None:
                    ends = map(sum, zip(self.numbers(place), self.numbers(size), strict=False))
                    used = max(used, *ends, 0)
        while len(self.data) > used and not self.data[-1]:
            del self.data[-1]
        return bytes(self.data)


def upright(block: bytes) -> bytes:
    """EXIF of an image whose orientation has been applied: it is 1, and sides and thumbnail agree.

    Raises:
        Unreadable: the block cannot be read.
    """
    own = _Block(block)
    entry = own.entry(own.first, ORIENTATION)
    (orientation,) = [1] if entry is None or entry.count != 1 else own.numbers(entry)
    if entry is None or orientation == 1:
        return block
    own.put(entry, 1)
    exif = own.inner(own.first, _EXIF)
    if exif and 5 <= orientation <= 8:
        width, height = own.entry(exif, _WIDTH), own.entry(exif, _HEIGHT)
        if width is not None and height is not None and width.alike(height):
            sides = own.numbers(width) + own.numbers(height)
            own.put(width, sides[1])
            own.put(height, sides[0])
    if 2 <= orientation <= 8:
        _drop_thumbnail(own)
    return own.whole()


def without_orientation(block: bytes) -> bytes:
    """EXIF without an orientation, which is then 1; a block that cannot be read stays as it is."""
    try:
        own = _Block(block)
        own.remove(own.first, ORIENTATION)
    except Unreadable:
        return block
    return bytes(own.data)


def without(block: bytes, parts: Collection[str]) -> bytes:
    """EXIF without some parts, and without maker notes, of which nobody can say what they hold.

    Args:
        parts: of :data:`PARTS`.

    Raises:
        Unreadable: the block cannot be read.
    """
    own = _Block(block)
    place = own.inner(own.first, _GPS)
    if GPS in parts and place:
        own.wipe_directory(place)
        own.remove(own.first, _GPS)
    if THUMBNAIL in parts:
        _drop_thumbnail(own)
        own.remove(own.first, _SUB_IFDS)
    exif = own.inner(own.first, _EXIF)
    if exif:
        own.remove(exif, _MAKER_NOTE)
    return own.whole()


def _drop_thumbnail(own: _Block) -> None:
    at, following = own.next_of(own.first)
    if following:
        own.wipe_directory(following)
        own.wipe(at, 4)
