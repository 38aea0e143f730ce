"""What was read of a file, also of one that is broken."""

from __future__ import annotations

from dataclasses import dataclass

from ..coding.labels import Labels
from ..errors import SdcError
from .fields import Traced
from .head import Head
from .stream import Outline, Stream


@dataclass(frozen=True)
class Place:
    """A chunk as a reader met it.

    Attributes:
        size: bytes of the whole chunk that are in the file.
        state: ``complete``, ``truncated`` or ``damaged``.
    """

    type: int
    offset: int
    size: int
    state: str


@dataclass(frozen=True)
class Reading:
    """What was read of a file, whole or up to an error.

    Attributes:
        size: bytes of the file.
        head: size and model, once they are read.
        outline: what is known of the stream, once the groups of the head are read.
        stream: the whole stream; ``None`` when an error ended the reading.
        header: bytes of magic number and header, 0 until the header is found.
        places: every chunk, in file order.
        fields: every field of the header, in file order.
        error: what ended the reading.
    """

    size: int
    head: Head | None
    outline: Outline | None
    stream: Stream | None
    header: int
    places: tuple[Place, ...]
    fields: tuple[Traced, ...]
    error: SdcError | None

    @property
    def labels(self) -> Labels | None:
        """The group map, once it is decoded."""
        return self.outline.labels if isinstance(self.outline, Stream) else None

    def whole(self) -> Stream:
        """The whole stream.

        Raises:
            SdcError: what ended the reading.
        """
        if self.error is not None:
            raise self.error
        assert self.stream is not None
        return self.stream
