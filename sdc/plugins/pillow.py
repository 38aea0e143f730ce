"""SDC as a format of Pillow: after ``import sdc.plugins.pillow``, ``Image.open`` and ``Image.save`` know it.

What stands in front of the groups is read when an image is opened, and what stands behind them; groups are
read when its pixels are needed.
"""

from __future__ import annotations

import threading
import warnings
from collections.abc import Callable, Iterable, Mapping
from dataclasses import replace
from typing import IO, Any, TypeVar

import numpy as np
from PIL import Image, ImageFile, UnidentifiedImageError

from ..codec.encoder import encode
from ..colour.profiles import profile_for
from ..errors import SdcError
from ..file import SdcFile
from ..format.chunks import MAGIC
from ..format.head import MAX_AREA
from ..format.validate import validate
from ..images.colour import in_rgb
from ..images.exif import ORIENTATION, Unreadable, upright, without_orientation
from ..images.metadata import PREFIX
from ..images.read import TURNS
from ..images.write import rgba
from ..notes import Notes
from ..objects.object import Object, Objects
from ..types import Level, LevelLike, Limits, levels_of

FORMAT = "SDC"
MIME = "image/vnd.sdc"
"""Of section 19 of the specification; not yet registered."""

MODES = ("1", "L", "RGB", "RGBX", "CMYK", "YCbCr")
"""Modes that are written, those that Pillow writes as JPEG."""

OPTIONS = (
    *("quality", "preset", "margin", "group_by", "metadata", "pixel_masks", "box_unit", "provenance"),
    *("restoration", "model", "effort"),
)
"""Options of ``save`` that go to :func:`sdc.encode` as they are."""

Found = TypeVar("Found")


def _accept(prefix: bytes) -> bool:
    """Whether a file begins as a stream does."""
    return prefix.startswith(MAGIC)


def _as_pillow(error: SdcError) -> Exception:
    """An error as Pillow's own readers and writers raise it: ``ValueError`` for arguments, or ``OSError``."""
    return ValueError(str(error)) if error.kind == "usage" else OSError(str(error))


def _limits() -> Limits:
    """As many pixels as Pillow allows: twice ``MAX_IMAGE_PIXELS``; it warns from once on."""
    most = Image.MAX_IMAGE_PIXELS
    return Limits(pixels=MAX_AREA if most is None else min(2 * most, MAX_AREA))


class SdcImageFile(ImageFile.ImageFile):
    """A stream, opened by Pillow.

    The mode is RGB, or RGBA where some cells have no pixels: those of groups that are withdrawn, cut off or
    not asked for, and those of no group.  They are transparent then, and black.

    Attributes:
        sdc: the open stream, for all that Pillow has no name for; ``None`` in a copy from another process.
    """

    format: str | None = FORMAT
    format_description: str | None = "Semantic image with groups of importance"
    sdc: SdcFile | None = None
    _levels: list[Level] | None = None
    _pending = False
    _lock: threading.RLock | None = None

    def _open(self) -> None:
        """Read what stands around the groups.

        Raises:
            UnidentifiedImageError: the stream is invalid or unsupported, in words.
            Image.DecompressionBombError: it has more pixels than Pillow allows.
        """
        assert self.fp is not None
        if not _accept(self.fp.read(len(MAGIC))):
            raise SyntaxError("not an SDC stream")
        try:
            self.sdc = SdcFile(self.fp, limits=_limits())  # type: ignore[arg-type]
        except SdcError as error:
            if error.code == "E_LIMIT" and error.where == "HEAD.width":
                raise Image.DecompressionBombError(f"{error}; see Image.MAX_IMAGE_PIXELS") from error
            raise UnidentifiedImageError(str(error)) from error
        self._size = self.sdc.size
        self._mode = self._mode_of(self.sdc)
        self.tile = []  # None before Pillow 11
        self._pending, self._lock = True, threading.RLock()
        self.info.update(_info_of(self.sdc))

    @property
    def levels(self) -> tuple[Level, ...] | None:
        """Levels whose pixels are wanted; ``None`` for all.

        Set before the pixels are loaded, in one of the ways of :class:`sdc.Level`, it leaves the others
        unread, and the mode becomes RGBA where cells are of these.

        Raises:
            ValueError: no such level, or the pixels have been loaded.
        """
        return None if self._levels is None else tuple(self._levels)

    @levels.setter
    def levels(self, wanted: LevelLike | Iterable[LevelLike] | None) -> None:
        if self.sdc is None or not self._pending:
            raise ValueError("levels are chosen before the pixels are loaded; open the image again")
        try:
            self._levels = levels_of(wanted)
        except SdcError as error:
            raise _as_pillow(error) from error
        self._mode = self._mode_of(self.sdc)

    def _mode_of(self, file: SdcFile) -> str:
        """RGB where the groups that are wanted and here have all cells, as far as the header tells."""
        shown = [
            g.index + 1
            for g in file.groups
            if g.size
            and g.offset + g.size <= file.stream.size
            and (self._levels is None or g.level in self._levels)
        ]
        return "RGB" if np.isin(file.stream.labels, shown).all() else "RGBA"

    def verify(self) -> None:
        """Check every CRC and every rule that needs no pixel; the image must be opened anew afterwards.

        Raises:
            OSError: what is wrong, in words.
        """
        found = None
        if self._pending and self.fp is not None:
            found = validate(self.fp, deep=False, limits=_limits())  # type: ignore[arg-type]
        super().verify()
        if found is not None and found.errors:
            raise OSError("; ".join(map(str, found.errors)))

    def load(self) -> Any:
        """Decode the groups of the levels that are wanted.

        Raises:
            OSError: a group is cut off or damaged, and ``ImageFile.LOAD_TRUNCATED_IMAGES`` is not set; or
                its model is not here.
            ValueError: the image has been closed or verified.
        """
        if self._lock is not None:
            with self._lock:
                if self._pending and self.sdc is not None:
                    self._load(self.sdc)
        return Image.Image.load(self)

    def _load(self, file: SdcFile) -> None:
        if self.fp is None:
            raise ValueError("the image is closed, and its pixels have not been loaded")
        try:
            decoded = file.read(self._levels)
        except SdcError as error:
            raise _as_pillow(error) from error
        broken = [error for error in decoded.missing if error.code != "E_GROUP_WITHDRAWN"]
        if broken and not ImageFile.LOAD_TRUNCATED_IMAGES:
            raise OSError(f"image file is truncated: {'; '.join(map(str, broken))}")
        for told in (*map(str, decoded.missing), *decoded.notes):
            warnings.warn(told, stacklevel=3)
        whole = bool(decoded.covered.all())
        image = Image.fromarray(decoded.pixels if whole else rgba(decoded.pixels, decoded.covered))
        self._mode, self.im = image.mode, image.im
        self._pending, self.readonly = False, 0
        if self._exclusive_fp and self._close_exclusive_fp_after_loading and self.fp is not None:
            self.fp.close()
        self.fp = None

    def close(self) -> None:
        """As of any image: its pixels cannot be used afterwards."""
        self._pending = False
        super().close()


def _info_of(file: SdcFile) -> dict[str, Any]:
    """What Pillow keeps beside the pixels; what is damaged of it is left out, with a warning."""
    described = _read(lambda: _objects_of(file))
    info: dict[str, Any] = {
        "levels": tuple(map(str, file.levels)),
        "groups": [{"level": str(g.level), "quality": g.quality, "bytes": g.size} for g in file.groups],
        "objects": described or [],
    }
    block = _read(lambda: file.exif)
    parts = {
        "icc_profile": _read(lambda: profile_for(file.colour, file.icc_profile)),
        "exif": None if block is None else PREFIX + without_orientation(block),
        "xmp": _read(lambda: file.xmp),
    }
    return info | {name: part for name, part in parts.items() if part is not None}


def _objects_of(file: SdcFile) -> list[dict[str, Any]]:
    """Objects as the JSON of ``spec/objects.md`` has them, without masks, and with their groups."""
    return [
        {
            "label": o.label,
            "box": list(o.box),
            "level": str(o.level),
            "score": o.score,
            "reason": o.reason,
            "group": o.group,
        }
        for o in file.fetch_objects(masks=False)
    ]


def _read(read: Callable[[], Found]) -> Found | None:
    """A part of what stands around the groups, or else a warning: it keeps no pixel from being shown."""
    try:
        return read()
    except SdcError as error:
        warnings.warn(str(error), stacklevel=2)
        return None


def _save(im: Image.Image, fp: IO[bytes], filename: str | bytes) -> None:
    """Write an image as a stream, by :func:`sdc.encode`.

    Raises:
        OSError: its mode is not written.
        ValueError: an option is wrong.
    """
    given = im.encoderinfo
    if given.get("append_images"):
        _save_all(im, fp, filename)
    try:
        pixels, icc_profile, notes = _pixels_of(im, given)
        data = encode(
            pixels,
            objects=_objects_to_write(im, given),
            icc_profile=icc_profile,
            exif=_exif_to_write(given.get("exif")),
            xmp=_xmp_to_write(given.get("xmp")),
            **{name: given[name] for name in OPTIONS if name in given},
        )
    except SdcError as error:
        raise _as_pillow(error) from error
    for note in (*notes, *data.notes):
        warnings.warn(note, stacklevel=3)
    fp.write(data)


def _pixels_of(im: Image.Image, given: Mapping[str, Any]) -> tuple[Any, bytes | None, Notes]:
    """Pixels ``uint8 [H, W, 3]``, their profile, and what was done to them that loses something."""
    if im.mode not in MODES:
        raise OSError(
            f"cannot write mode {im.mode} as SDC, which holds RGB without transparency; convert the image "
            "to RGB first"
        )
    notes = Notes("E_PICTURE")
    if "transparency" in im.info:
        notes.add("the transparent colour is not kept")
    plain = im.convert({"1": "L", "RGBX": "RGB"}[im.mode]) if im.mode in ("1", "RGBX") else im
    icc_profile = given.get("icc_profile", im.info.get("icc_profile"))
    image, icc_profile = in_rgb(plain, icc_profile or None, notes)
    return np.asarray(image), icc_profile, notes


def _objects_to_write(im: Image.Image, given: Mapping[str, Any]) -> list[Object] | None:
    """Objects of the options ``objects`` and ``level``.

    ``level`` is that of the objects that have none, or of the whole image where no objects are given.
    """
    objects, level = given.get("objects"), given.get("level")
    if objects is None:
        return None if level is None else [Object("image", (0, 0, *im.size), level)]
    if not (isinstance(objects, (list, tuple)) and all(isinstance(o, Object) for o in objects)):
        objects = Object.load(objects, *im.size)
    notes = getattr(objects, "notes", ())
    return Objects(
        (o if level is None or o.level is not None else replace(o, level=level) for o in objects), notes
    )


def _exif_to_write(exif: Any) -> bytes | None:
    """EXIF of the option ``exif``.

    Raises:
        ValueError: it cannot be read, or says that the image is to be turned, which no stream can.
    """
    if not exif:
        return None
    block = bytes(exif.tobytes() if isinstance(exif, Image.Exif) else exif).removeprefix(PREFIX)
    read = Image.Exif()
    try:
        upright_block = upright(block)
        read.load(block)
    except (Unreadable, SyntaxError):
        raise ValueError(
            "the EXIF cannot be read; leave it out, or give what image.getexif() returns"
        ) from None
    if read.get(ORIENTATION) in TURNS:
        raise ValueError(
            "the EXIF says that the image is to be turned, and a stream holds it upright; use "
            "ImageOps.exif_transpose(image), and the EXIF of what it returns"
        )
    return upright_block


def _xmp_to_write(xmp: Any) -> bytes | None:
    """XMP of the option ``xmp``, a text or bytes."""
    return (xmp.encode() if isinstance(xmp, str) else bytes(xmp)) if xmp else None


def _save_all(im: Image.Image, fp: IO[bytes], filename: str | bytes) -> None:
    """Refuse several images.

    Raises:
        ValueError: always.
    """
    raise ValueError("a stream holds one image: save_all and append_images are not possible for SDC")


def register() -> None:
    """Tell Pillow about the format; done when this module is imported."""
    Image.register_open(FORMAT, SdcImageFile, _accept)
    Image.register_save(FORMAT, _save)
    Image.register_save_all(FORMAT, _save_all)
    Image.register_extension(FORMAT, ".sdc")
    Image.register_mime(FORMAT, MIME)


register()
