"""Streams as files: opened and read in parts, or read and written at once."""

from __future__ import annotations

import os
import warnings
from collections.abc import Iterable
from types import TracebackType
from typing import Any

from .codec.decoder import GREY, Decoded, OnGroup, decode_choice
from .codec.encoder import encode
from .errors import SdcError
from .format.choice import Choice, ObjectNames
from .format.chunks import COLR, EXIF, ICCP, OBJS, REST, XMPP
from .format.colr import UNSPECIFIED, CodePoints, parse_colour, parse_colr
from .format.edit import extract_lazily
from .format.grps import Group
from .format.lazy import LazyStream
from .format.metadata import exif, icc_profile, xmp
from .format.objs import parse_objects
from .format.prov import captions_of, parse_provenance
from .format.rest import Restoration, read_restoration
from .format.source import Readable
from .format.stream import Stream
from .networks.run import Runner, run
from .objects.object import Object
from .paths import PathLike, open_file, write_file
from .remote.file import ORDINARY, Access, RemoteFile, Transfer
from .types import Colour, Encoded, ImageLike, Level, LevelLike, Limits, Pixels

BLOCK = 4096
"""Bytes that are read at least at a time in front of the groups and behind them."""


class SdcFile:
    """An open stream, of which each part is read when it is asked for, and once only.

    What stands in front of the groups is read at once, a group when it is decoded or extracted, and what
    stands behind all groups (mostly objects, provenance, colour profile, EXIF and XMP) when it is asked for
    and has not been found in front of them.
    Of bytes, which are here already, everything is checked at once.

    It is a context manager, and closes the file if it has opened it.

    Args:
        source: a path, a URL, the stream's bytes, or a binary file that can ``seek`` and ``read``, such as
            one of fsspec or :func:`sdc.open_url`.
        limits: what the caller agrees to hold in memory.
        access: what is allowed where the source is a URL.

    Raises:
        SdcError: the stream is invalid or unsupported; ``E_LIMIT``; ``E_USAGE`` for what is no source;
            ``E_INPUT`` or ``E_IO`` for a path.  All that reads may raise the same.
    """

    def __init__(self, source: Readable, *, limits: Limits = Limits(), access: Access = ORDINARY):
        self._opened = open_file(source, access) if isinstance(source, (str, os.PathLike)) else None
        try:
            self._source = source if self._opened is None else self._opened
            self._lazy = LazyStream(self._source, limits, BLOCK)  # type: ignore[arg-type]
        except BaseException:
            self.close()
            raise

    def __enter__(self) -> SdcFile:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def __repr__(self) -> str:
        levels = ", ".join(self.levels) or "all withdrawn"
        return f"<SdcFile {self.width} x {self.height}, {len(self.groups)} groups: {levels}>"

    def close(self) -> None:
        """Close the file, if it was opened here; what has been read can still be used."""
        if self._opened is not None:
            self._opened.close()

    @property
    def transfer(self) -> Transfer | None:
        """Requests and bytes that it took so far to read a URL; ``None`` for what is here."""
        return self._source.transfer if isinstance(self._source, RemoteFile) else None

    @property
    def stream(self) -> Stream:
        """What has been read of the stream so far, in full detail."""
        return self._lazy.stream

    @property
    def width(self) -> int:
        """Width of the image in pixels."""
        return self.stream.head.width

    @property
    def height(self) -> int:
        """Height of the image in pixels."""
        return self.stream.head.height

    @property
    def size(self) -> tuple[int, int]:
        """Width and height in pixels, as Pillow has it."""
        return self.width, self.height

    @property
    def shape(self) -> tuple[int, int, int]:
        """Shape of the whole image as an array: height, width, 3."""
        return self.height, self.width, 3

    @property
    def state(self) -> str:
        """``valid``, or ``partial`` where some of what has been read is cut off or damaged."""
        return self.stream.state

    @property
    def errors(self) -> tuple[SdcError, ...]:
        """What is cut off or damaged, of what has been read."""
        return self.stream.errors

    @property
    def groups(self) -> tuple[Group, ...]:
        """The groups, the most important first, each with level, quality, place, size and state."""
        return self.stream.groups

    @property
    def levels(self) -> tuple[Level, ...]:
        """Levels of the groups that are not withdrawn, the most important first."""
        return self.stream.levels

    @property
    def objects(self) -> tuple[Object, ...]:
        """Objects that the stream describes, with their pixel masks, in order of rank; read when needed.

        Raises:
            SdcError: ``E_OBJS`` or another error of OBJS, which keeps no pixel from being decoded.
        """
        return self.fetch_objects()

    @property
    def provenance(self) -> dict[str, Any] | None:
        """How the objects were found (PROV, see ``spec/objects.md``); ``None`` if nothing says so."""
        self._lazy.fetch_behind()
        return parse_provenance(self.stream)

    @property
    def restoration(self) -> Restoration | None:
        """What the stream says about restoring it (REST); ``None`` if nothing does.

        Raises:
            SdcError: ``E_REST`` or another error of REST, which keeps no pixel from being decoded.
        """
        self.fetch_restoration()
        return read_restoration(self.stream).whole()

    @property
    def captions(self) -> dict[str, str]:
        """What the image shows, in words: ``short`` and ``detailed``, where an analysis has said so."""
        self._lazy.fetch_behind()
        return captions_of(self.stream)

    @property
    def colour(self) -> CodePoints | None:
        """Colour space of the pixels; ``None`` where :attr:`icc_profile` says what it is; read when needed.

        Raises:
            SdcError: ``E_PAYLOAD_LENGTH``.
        """
        self._fetch_colour()
        return parse_colour(self.stream)

    @property
    def icc_profile(self) -> bytes | None:
        """ICC profile of the pixels; ``None`` where :attr:`colour` says what they are; read when needed.

        Raises:
            SdcError: ``E_DEFLATE`` or another error of ICCP.
        """
        self._fetch_colour()
        return icc_profile(self.stream)

    def _fetch_colour(self) -> None:
        """Fetch a profile behind the groups, if what stands in front of them says that there is one."""
        chunk = self.stream.chunk(COLR)
        if chunk is not None and parse_colr(chunk) == UNSPECIFIED:
            self._lazy.fetch_chunk(ICCP)

    @property
    def exif(self) -> bytes | None:
        """EXIF of the whole image, as it begins in a TIFF file; ``None`` if there is none; read when needed.

        Raises:
            SdcError: ``E_DEFLATE`` or another error of EXIF.
        """
        self._lazy.fetch_chunk(EXIF)
        return exif(self.stream)

    @property
    def xmp(self) -> bytes | None:
        """XMP of the whole image, XML in UTF-8; ``None`` if there is none; read when needed.

        Raises:
            SdcError: ``E_DEFLATE`` or another error of XMPP.
        """
        self._lazy.fetch_chunk(XMPP)
        return xmp(self.stream)

    def fetch(
        self,
        levels: LevelLike | Iterable[LevelLike] | None = None,
        groups: Iterable[int] | None = None,
        objects: ObjectNames | None = None,
    ) -> Choice:
        """Read groups that will be needed, as far as they have not been read.

        Args:
            levels, groups, objects: as for :meth:`read`.

        Returns:
            Which groups these are, with a note of levels that the stream does not have.
        """
        return self._lazy.fetch(groups, levels, objects)

    def fetch_objects(self, *, masks: bool = True) -> tuple[Object, ...]:
        """Objects that the stream describes, in order of rank.

        Args:
            masks: whether their pixel masks are decoded, which takes longer; without, all are ``None``.

        Raises:
            SdcError: ``E_OBJS`` or another error of OBJS, which keeps no pixel from being decoded.
        """
        self._lazy.fetch_chunk(OBJS)
        return parse_objects(self.stream, masks=masks)

    def fetch_restoration(self) -> None:
        """Read what the stream says about restoring it (REST), if it has not been read."""
        self._lazy.fetch_chunk(REST)

    def read(
        self,
        levels: LevelLike | Iterable[LevelLike] | None = None,
        groups: Iterable[int] | None = None,
        objects: ObjectNames | None = None,
        *,
        restore: bool | int = False,
        strength: float = 1.0,
        captured: bool = True,
        fill: Colour = GREY,
        arithmetic: str = "float32",
        runner: Runner = run,
        threads: int | None = None,
        on_group: OnGroup | None = None,
    ) -> Decoded:
        """Decode the image, or a part of it; groups that were read before are not read again.

        Args:
            levels: level or levels wanted, each in one of the ways of :class:`sdc.Level`; all by default.
            groups: or indices of the groups wanted.
            objects: or objects wanted, by label or index: their cells alone, cut to the rectangle around
                them.
            restore, strength, captured, fill, arithmetic, runner, threads, on_group: as for
                :func:`sdc.decode`.

        Returns:
            As :func:`sdc.decode`.
        """
        choice = self.fetch(levels, groups, objects)
        if restore is not False:
            self.fetch_restoration()
        return decode_choice(
            self.stream,
            choice,
            restore=restore,
            strength=strength,
            captured=captured,
            fill=fill,
            arithmetic=arithmetic,
            runner=runner,
            threads=threads,
            on_group=on_group,
        )

    def extract(
        self,
        levels: LevelLike | Iterable[LevelLike] | None = None,
        groups: Iterable[int] | None = None,
        objects: ObjectNames | None = None,
    ) -> Encoded:
        """A stream of some groups, with the others withdrawn; no pixel is decoded.

        Args:
            levels, groups, objects: as for :meth:`read`.

        Returns:
            As :func:`sdc.extract`.
        """
        return extract_lazily(self._lazy, levels, groups, objects)

    def ranges(
        self,
        levels: LevelLike | Iterable[LevelLike] | None = None,
        groups: Iterable[int] | None = None,
    ) -> list[tuple[int, int]]:
        """Byte ranges ``(offset, length)`` of some groups' data (all by default), neighbours in one."""
        return self.stream.ranges(groups, levels)

    def prefix_size(
        self,
        levels: LevelLike | Iterable[LevelLike] | None = None,
        groups: Iterable[int] | None = None,
    ) -> int:
        """Bytes from the start of the file up to the end of some groups' data (all by default)."""
        return self.stream.prefix(groups, levels)


def open(source: Readable, *, limits: Limits = Limits(), access: Access = ORDINARY) -> SdcFile:
    """Open a stream; see :class:`SdcFile`.

    Args:
        source: a path, a URL, the stream's bytes, or a binary file that can ``seek`` and ``read``.
        limits: what the caller agrees to hold in memory.
        access: what is allowed where the source is a URL.

    Raises:
        SdcError: as :class:`SdcFile`.
    """
    return SdcFile(source, limits=limits, access=access)


def imread(
    source: Readable,
    levels: LevelLike | Iterable[LevelLike] | None = None,
    *,
    restore: bool | int = False,
    strength: float = 1.0,
    fill: Colour = GREY,
    limits: Limits = Limits(),
) -> Pixels:
    """Read an image, or some levels of it, as captured or restored.

    Groups that are cut off or damaged, and levels that the stream does not have, are filled like what was not
    asked for, with a warning for each.

    Args:
        source: a path, a URL, the stream's bytes, or a binary file that can ``seek`` and ``read``.
        levels: level or levels wanted, each in one of the ways of :class:`sdc.Level`; all by default.
        restore, strength: whether the restored image is wanted, and how much of it, as for
            :func:`sdc.decode`.
        fill: colour of what is not decoded.
        limits: what the caller agrees to hold in memory.

    Returns:
        ``uint8 [H, W, 3]`` RGB.

    Raises:
        SdcError: as :func:`sdc.decode`.
    """
    with SdcFile(source, limits=limits) as file:
        decoded = file.read(levels, restore=restore, strength=strength, captured=restore is False, fill=fill)
    for told in (*map(str, decoded.missing), *decoded.notes):
        warnings.warn(told, stacklevel=2)
    return decoded.pixels


def imwrite(path: PathLike, image: ImageLike, **options: Any) -> Encoded:
    """Encode an image into a file, whole or not at all.

    Args:
        path: of the file; one that is there is replaced.
        image: ``uint8 [H, W, 3]`` RGB, an array or an image of Pillow in mode RGB.
        options: as for :func:`sdc.encode`.

    Returns:
        What was written, with notes as :func:`sdc.encode` gives them.

    Raises:
        SdcError: as :func:`sdc.encode`; ``E_USAGE`` for a name that ends as those of other image formats;
            ``E_IO`` when it cannot be written.
    """
    _refuse_image_name(path)
    data = encode(image, **options)
    write_file(path, data)
    return data


def _refuse_image_name(path: PathLike) -> None:
    """Refuse to write a stream under the name of another image format.

    Raises:
        SdcError: ``E_USAGE``.
    """
    from .images.read import is_image

    name = os.fspath(path)
    if is_image(name):
        stem = os.path.splitext(os.path.basename(name))[0]
        raise SdcError(
            "E_USAGE", f"output {os.path.basename(name)!r} has an image extension; use {stem}.sdc", name
        )
