"""Notes: what was assumed, dropped or converted, each in one line; where nothing may be, each is an error."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from .errors import SdcError


class Passing(str):
    """A note of what may go well the next time, though nothing changes: a server that did not answer."""


class Notes:
    """What there is to say about one image, or about the objects of one image.

    Whoever assumes, drops or converts something says so with :meth:`add`, at the time.
    The command prints each on a line of standard error; Python gets them as ``notes`` of its result.

    Args:
        code: the error that a note is where nothing may be assumed: ``E_PICTURE`` or ``E_OBJECTS``.
        strict: whether that is so.
    """

    def __init__(self, code: str, *, strict: bool = False):
        self.code, self.strict = code, strict
        self._told: list[str] = []

    def __iter__(self) -> Iterator[str]:
        return iter(self._told)

    def __len__(self) -> int:
        return len(self._told)

    def __repr__(self) -> str:
        return f"<Notes, {self.code}{', strict' if self.strict else ''}: {self._told}>"

    def add(self, text: str, where: str = "") -> None:
        """Say something; what has been said before is not said again.

        Args:
            text: in one line, without a full stop.
            where: a byte offset or the path of a field, in words.

        Raises:
            SdcError: of the code of these notes, if they are strict.
        """
        if self.strict:
            raise SdcError(self.code, text, where)
        said = f"{text} ({where})" if where else text
        if said not in self._told:
            self._told.append(said)

    def take(self, notes: Iterable[str]) -> None:
        """Say what others have said.

        Raises:
            SdcError: as :meth:`add`.
        """
        for note in notes:
            self.add(note)
