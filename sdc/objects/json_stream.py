"""JSON of any size, an item at a time: the members of a document and of the lists in it.

The bytes are taken as Latin-1, in which a character is a byte, so that places in the text are places in the
file; nothing that structures JSON is outside ASCII.  Texts must be decoded anew from their bytes.
"""

from __future__ import annotations

import json
import re
from collections.abc import Collection, Iterator
from typing import Any, BinaryIO, NamedTuple

from .values import not_json, objects_error, parse_json

BLOCK = 1 << 22
MOST = 1 << 28
"""Bytes that one item may have."""

_SPACE = re.compile(r"[ \t\n\r]*")
_DECODER = json.JSONDecoder()


class Member(NamedTuple):
    """A value of the document, or an item of a list in it.

    Attributes:
        key: of the document's member.
        place: in the list, from 0; -1 where the member is no list, and for an empty list.
        value: with texts as Latin-1.
        start, end: where it stands in the file.
    """

    key: str
    place: int
    value: Any
    start: int
    end: int


class _Text:
    """A file's text, of which a part is held."""

    def __init__(self, file: BinaryIO, where: str):
        self.file, self.where = file, where
        self.text, self.base, self.at = "", 0, 0
        self.ended = False
        self.start = file.read(4096)
        file.seek(0)
        self._more()
        if self.text.startswith("\xef\xbb\xbf"):
            self.at = 3

    def _more(self) -> bool:
        """Read on, and let go of what was read; False at the end."""
        block = self.file.read(max(BLOCK, len(self.text) - self.at))
        self.ended = not block
        self.base += self.at
        self.text = self.text[self.at :] + block.decode("latin-1")
        self.at = 0
        return not self.ended

    def wrong(self, message: str) -> Exception:
        """An error at this place."""
        return not_json(f"{message} at byte {self.base + self.at}", self.where, self.start)

    def peek(self) -> str:
        """The next character that is no space; empty at the end."""
        while True:
            found = _SPACE.match(self.text, self.at)
            self.at = found.end() if found else self.at
            if self.at < len(self.text):
                return self.text[self.at]
            if not self._more():
                return ""

    def take(self, wanted: str) -> str:
        """The next character, which must be one of some."""
        character = self.peek()
        if not character or character not in wanted:
            raise self.wrong(f"expecting {' or '.join(wanted)}")
        self.at += 1
        return character

    def value(self, exact: bool = False) -> tuple[Any, int, int]:
        """The next value, with texts as Latin-1 or exact ones, and where it stands in the file."""
        self.peek()
        while True:
            try:
                value, end = _DECODER.raw_decode(self.text, self.at)
                # A number may go on behind what is held.
                if end < len(self.text) or self.ended:
                    break
            except RecursionError:
                raise objects_error(self.where, "the JSON is nested too deeply") from None
            except ValueError as error:
                if self.ended or len(self.text) - self.at > MOST:
                    raise self.wrong(str(error).split(":")[0].lower()) from None
            self._more()
        if exact:
            value = parse_json(self.text[self.at : end].encode("latin-1"), self.where)
        start, self.at = self.at, end
        return value, self.base + start, self.base + end


def members(file: BinaryIO, where: str, exact: Collection[str] = ()) -> Iterator[Member]:
    """The members of the JSON object in a file, the items of those that are lists one by one.

    Args:
        file: in UTF-8, at its start; it can be sought in.
        where: what to call it in errors.
        exact: members whose texts are decoded as UTF-8, which takes twice as long.

    Raises:
        SdcError: ``E_OBJECTS`` where it is no JSON, or an item is too large.
    """
    text = _Text(file, where)
    text.take("{")
    if text.peek() == "}":
        text.at += 1
    else:
        more = True
        while more:
            key, _, _ = text.value()
            if not isinstance(key, str):
                raise text.wrong("expecting a name in quotes")
            text.take(":")
            yield from _items(text, key, key in exact)
            more = text.take(",}") == ","
    if text.peek():
        raise text.wrong("extra data")


def _items(text: _Text, key: str, exact: bool) -> Iterator[Member]:
    """A value, or the items of a list."""
    if text.peek() != "[":
        yield Member(key, -1, *text.value(exact))
        return
    start = text.base + text.at
    text.at += 1
    if text.peek() == "]":
        text.at += 1
        yield Member(key, -1, [], start, text.base + text.at)
        return
    place, more = 0, True
    while more:
        yield Member(key, place, *text.value(exact))
        place += 1
        more = text.take(",]") == ","


def first_item(file: BinaryIO, where: str) -> Any:
    """The first item of the list in a file, or None: enough to tell what it is a list of."""
    text = _Text(file, where)
    if text.peek() != "[":
        return None
    text.at += 1
    return None if text.peek() == "]" else text.value()[0]
