"""Directories of TIFF files: what their tags say about samples, pages and colours (TIFF 6.0, DNG)."""

from __future__ import annotations

import math
import struct
from collections.abc import Iterator
from dataclasses import dataclass

from ..colour.spaces import Primaries
from ..errors import SdcError
from ..notes import Notes
from .facts import Facts, Measured

_FORMS = {
    1: "B", 3: "H", 4: "I", 6: "b", 8: "h", 9: "i", 11: "f", 12: "d", 13: "I", 16: "Q", 17: "q", 18: "Q",
}  # fmt: skip
"""How a value of each type that is one number is packed."""
_RATIONALS = {5: "II", 10: "ii"}
_SIZES = {2: 1, 7: 1, **{kind: struct.calcsize("<" + form) for kind, form in (_FORMS | _RATIONALS).items()}}
"""Bytes of a value of each type."""
MOST_PAGES, MOST_ENTRIES, MOST_VALUES = 4096, 4096, 1 << 22

_SUBFILE, _WIDTH, _HEIGHT, _BITS, _COMPRESSION, _PHOTOMETRIC = 254, 256, 257, 258, 259, 262
_OFFSETS, _SAMPLES, _COUNTS, _PLANAR, _CURVE, _WHITE, _CHROMATICITIES = 273, 277, 279, 284, 301, 318, 319
_PALETTE, _TILE_OFFSETS, _TILE_COUNTS, _SUB_IFDS, _INKS = 320, 324, 325, 330, 332
_EXTRA, _FORMAT, _SUBSAMPLING, _DNG = 338, 339, 530, 50706
_READ = frozenset(
    {_SUBFILE, 255, _WIDTH, _HEIGHT, _BITS, _COMPRESSION, _PHOTOMETRIC, _OFFSETS, _SAMPLES, _COUNTS, _PLANAR}
    | {_CURVE, _WHITE, _CHROMATICITIES, _PALETTE, _TILE_OFFSETS, _TILE_COUNTS, _SUB_IFDS, _INKS, _EXTRA}
    | {_FORMAT, _SUBSAMPLING, _DNG}
)
"""Tags that are looked at."""

_SENSOR = frozenset({32803, 34892})
"""Photometric interpretations of what a camera's sensor gives: colour filter array, linear raw."""
_RAW_COMPRESSIONS = frozenset({32767, 32769, 32770, 32867, 34713, 34892, 65000, 65535})
"""Of Sony, Epson, Samsung, Kodak, Nikon, lossy DNG, Kodak, Pentax."""
_PHOTOMETRICS = {
    0: "grey, its least value white", 1: "grey", 2: "RGB", 3: "palette", 4: "mask", 5: "CMYK", 6: "YCbCr",
    8: "CIELab", 9: "ICC Lab", 10: "ITU Lab", 32803: "colour filter array", 32844: "LogL", 32845: "LogLuv",
    34892: "linear raw",
}  # fmt: skip
_COMPRESSIONS = {
    2: "CCITT", 3: "CCITT group 3", 4: "CCITT group 4", 5: "LZW", 6: "old JPEG", 7: "JPEG", 8: "deflate",
    32773: "PackBits", 32946: "deflate", 33003: "JPEG 2000", 33005: "JPEG 2000", 34712: "JPEG 2000",
    34887: "LERC", 34925: "LZMA", 50000: "Zstandard", 50001: "WebP", 50002: "JPEG XL", 52546: "JPEG XL",
}  # fmt: skip
_FORMATS = {1: "", 2: "signed ", 3: "float ", 4: "untyped ", 5: "complex ", 6: "complex "}
_COLOURS = {0: 1, 1: 1, 2: 3, 3: 1, 4: 1, 5: 4, 6: 3, 8: 3, 9: 3, 10: 3, 34892: 3}
"""Samples of a pixel that are colours."""
_WEBP = 50001
_RATIOS = {1: 1.0, 5: 2800.0, 8: 1032.0, 32946: 1032.0, 32773: 64.0}
"""Bytes that a byte of each compression stands for, at most; others can stand for any number."""
_OF_LIBTIFF = frozenset({2, 3, 4, 5, 7, 8, 32773, 32946, 50000})
"""Compressions of which libtiff refuses what is not all there."""


@dataclass(frozen=True)
class _Page:
    """A directory of tags, those of numbers."""

    tags: dict[int, tuple[float, ...]]
    chained: bool

    def number(self, tag: int, default: int = 0) -> int:
        values = self.tags.get(tag, ())
        return int(values[0]) if values else default

    @property
    def size(self) -> tuple[int, int]:
        return self.number(_WIDTH), self.number(_HEIGHT)

    @property
    def reduced(self) -> bool:
        return bool(self.number(_SUBFILE) & 1) or self.number(255) == 2

    @property
    def whole(self) -> bool:
        """Whether it is an image of its own, no smaller copy and no mask."""
        return not self.reduced and not self.number(_SUBFILE) & 4

    @property
    def bits(self) -> tuple[int, ...]:
        return tuple(int(b) for b in self.tags.get(_BITS, ())) or (1,)

    @property
    def sensor(self) -> bool:
        """Whether it holds what a camera's sensor gives."""
        return (
            self.number(_PHOTOMETRIC) in _SENSOR
            or self.number(_COMPRESSION) in _RAW_COMPRESSIONS
            or _DNG in self.tags
        )

    @property
    def layout(self) -> str:
        """What its samples are, in words."""
        photometric, compression = self.number(_PHOTOMETRIC, -1), self.number(_COMPRESSION, 1)
        form = _FORMATS.get(self.number(_FORMAT, 1), "untyped ")
        words = (
            f"{max(self.bits)}-bit {form}{_PHOTOMETRICS.get(photometric, f'colours of kind {photometric}')}"
        )
        extra = self.extra
        if extra:
            words += f" with {extra} more sample{'s' if extra > 1 else ''}"
        if self.planar:
            words += ", in planes"
        if compression != 1:
            words += f", compressed by {_COMPRESSIONS.get(compression, f'method {compression}')}"
        return words

    @property
    def samples(self) -> int:
        return self.number(_SAMPLES, 1)

    @property
    def extra(self) -> int:
        """Samples of a pixel that are no colours."""
        return max(0, self.samples - _COLOURS.get(self.number(_PHOTOMETRIC), self.samples))

    @property
    def planar(self) -> bool:
        return self.number(_PLANAR, 1) == 2 and self.samples > 1


class _Reader:
    """Directories of a file, as far as they lie within it."""

    def __init__(self, data: bytes):
        self.data = data
        self.order = "<" if data[:2] == b"II" else ">"
        self.big = data[2:4] in (b"+\0", b"\0+")
        self.left = MOST_VALUES

    def _read(self, form: str, place: int) -> tuple[float, ...]:
        try:
            return struct.unpack_from(self.order + form, self.data, place)
        except struct.error:
            return ()

    def _one(self, form: str, place: int) -> int:
        found = self._read(form, place)
        return int(found[0]) if found else 0

    def pages(self) -> Iterator[_Page]:
        """Directories in a row, each with those within it behind it."""
        place = self._one("Q", 8) if self.big else self._one("I", 4)
        seen: set[int] = set()
        while place and place not in seen and len(seen) < MOST_PAGES:
            seen.add(place)
            page, following = self._page(place, chained=True)
            if page is None:
                return
            yield page
            for inner in page.tags.get(_SUB_IFDS, ())[:64]:
                if int(inner) not in seen:
                    seen.add(int(inner))
                    within, _ = self._page(int(inner), chained=False)
                    if within is not None:
                        yield within
            place = following

    def _page(self, place: int, *, chained: bool) -> tuple[_Page | None, int]:
        count = self._one("Q", place) if self.big else self._one("H", place)
        if not 0 < count <= MOST_ENTRIES:
            return None, 0
        head, size, inline, wide = (8, 20, 8, "Q") if self.big else (2, 12, 4, "I")
        tags: dict[int, tuple[float, ...]] = {}
        for k in range(count):
            at = place + head + size * k
            tag, kind = self._one("H", at), self._one("H", at + 2)
            if tag not in _READ:
                continue
            values = self._one(wide, at + 4)
            length = values * _SIZES.get(kind, 1)
            start = at + 4 + inline if length <= inline else self._one(wide, at + 4 + inline)
            if kind in _RATIONALS:
                parts = self._read(_RATIONALS[kind] * values, start) if values < 64 else ()
                tags[tag] = tuple(a / b if b else 0.0 for a, b in zip(parts[::2], parts[1::2], strict=True))
            elif kind in _FORMS and values <= self.left:
                self.left -= values
                tags[tag] = self._read(f"{values}{_FORMS[kind]}", start)
        return _Page(tags, chained), self._one(wide, place + head + size * count)


def tiff_facts(data: bytes, notes: Notes) -> Facts:
    """What a TIFF file says of itself.

    Raises:
        SdcError: ``E_PICTURE`` for a camera raw file, and for samples that have no known range or are laid
            out so that Pillow gives others.
    """
    facts = Facts(data)
    pages = list(_Reader(data).pages())
    if not pages:
        raise SdcError("E_PICTURE", "the TIFF is cut off or damaged: its directory is not in it")
    if any(page.sensor for page in pages):
        raise SdcError(
            "E_PICTURE",
            "a camera raw file is not read here, only its preview could be; develop it with a raw converter "
            "such as dcraw, darktable or RawTherapee",
        )
    chosen = _choose(pages, facts)
    facts.bits = max(chosen.bits)
    _check_layout(chosen, facts, notes)
    _check_size(chosen, len(data))
    _check_whole(chosen, len(data))
    claim = _colours(chosen)
    facts.below += [] if claim is None else [claim]
    return facts


def refused_layout(data: bytes) -> str:
    """The layout of a TIFF file's first page, in words, for one that Pillow does not read."""
    page = next(_Reader(data).pages(), None)
    return "" if page is None else page.layout


def _choose(pages: list[_Page], facts: Facts) -> _Page:
    """The page that is read: the first, or the largest where the first is a smaller copy of another.

    Raises:
        SdcError: ``E_PICTURE`` where the first is a smaller copy of what is not reached.
    """
    row = [page for page in pages if page.chained]
    first = row[0]
    whole = [k for k, page in enumerate(row) if page.whole]
    facts.frames = max(1, len(whole))
    if first.whole:
        largest = max((row[k] for k in whole), key=lambda page: page.size[0] * page.size[1])
        if largest.size[0] * largest.size[1] > 4 * first.size[0] * first.size[1]:
            facts.larger = largest.size
        return first
    best = max(whole, key=lambda k: row[k].size[0] * row[k].size[1], default=None)
    if best is not None:
        facts.frame = (best, f"page {best + 1} of {len(row)} is read; the first is a smaller copy")
        return row[best]
    hidden = [page for page in pages if not page.chained and page.whole and page.size > first.size]
    if hidden:
        width, height = hidden[0].size
        raise SdcError(
            "E_PICTURE",
            f"the first page is a smaller copy of one of {width} x {height} that is not reached (SubIFDs); "
            "convert it with vips",
        )
    return first


def _check_layout(page: _Page, facts: Facts, notes: Notes) -> None:
    """Refuse layouts of which Pillow gives other pixels, and say what it drops."""
    bits, form, photometric = max(page.bits), page.number(_FORMAT, 1), page.number(_PHOTOMETRIC)
    if form != 1 or bits > 16:
        raise SdcError(
            "E_PICTURE", f"TIFF ({page.layout}): samples without a known range; scale them to 8 or 16 bits"
        )
    if len(set(page.bits)) > 1 or (page.planar and bits != 8) or (photometric == 0 and page.extra):
        raise SdcError("E_PICTURE", f"TIFF ({page.layout}) is not read; {_CONTIGUOUS}")
    if page.number(_COMPRESSION, 1) == _WEBP:
        raise SdcError(
            "E_PICTURE", f"TIFF ({page.layout}) is not read; convert it to RGB without compression"
        )
    if photometric == 5 and page.number(_INKS, 1) != 1:
        raise SdcError("E_PICTURE", "TIFF of inks that are not those of CMYK is not read; convert it to RGB")
    if photometric == 6 and page.number(_COMPRESSION, 1) not in (6, 7) and page.samples == 3:
        sub = page.tags.get(_SUBSAMPLING, (2.0, 2.0))
        if tuple(sub) != (1.0, 1.0):
            raise SdcError("E_PICTURE", f"TIFF (subsampled {page.layout}) is not read; convert it to RGB")
    facts.negative = photometric == 0 and bits == 16
    facts.most = 4095 if bits == 12 else 65535
    palette = page.tags.get(_PALETTE, ())
    if photometric == 3 and 0 < max(palette, default=0) < 256:
        # Of 16 bits each by the standard; libtiff takes those that are all small for 8 bits too.
        notes.add("the palette of the TIFF has 8 bits in place of 16")
        third = len(palette) // 3
        facts.palette = bytes(int(palette[k + third * c]) for k in range(third) for c in range(3))
    _check_extra(page, facts, notes)


_CONTIGUOUS = "convert it to samples side by side of one size: tiffcp -p contig (libtiff), or ImageMagick"


def _check_extra(page: _Page, facts: Facts, notes: Notes) -> None:
    """Say what samples beside the colours are, or are taken for."""
    kinds = [int(k) for k in page.tags.get(_EXTRA, ())]
    if page.extra and not kinds:
        notes.add("the sample beside the colours is not described and is taken for alpha")
        return
    alpha = [k for k in kinds if k in (1, 2, 999)]  # 999: Corel Draw 10
    left = page.extra - min(1, len(alpha))
    if left > 0:
        what = "a sample" if left == 1 else f"{left} samples"
        notes.add(f"{what} beside the colours, no alpha by its tag, {'is' if left == 1 else 'are'} left out")


def _check_size(page: _Page, have: int) -> None:
    """Refuse a page that its bytes cannot hold."""
    width, height = page.size
    ratio = _RATIOS.get(page.number(_COMPRESSION, 1))
    if ratio is None or page.number(_PHOTOMETRIC) == 6:
        return
    bits = sum(page.bits) if len(page.bits) == page.samples else page.bits[0] * page.samples
    told = sum(page.tags.get(_COUNTS, ())) or sum(page.tags.get(_TILE_COUNTS, ())) or have
    held = min(told, have)
    if math.ceil(width * bits / 8) * height > ratio * (held + 64):
        raise SdcError("E_PICTURE", f"{int(held)} bytes of data cannot hold {width} x {height} pixels")


def _check_whole(page: _Page, have: int) -> None:
    """Refuse compressed data that the file ends in; of other data :func:`_check_size` knows the size."""
    if page.number(_COMPRESSION, 1) not in _OF_LIBTIFF:
        return
    for places, sizes in ((_OFFSETS, _COUNTS), (_TILE_OFFSETS, _TILE_COUNTS)):
        parts = zip(page.tags.get(places, ()), page.tags.get(sizes, ()), strict=False)
        end = max((place + size for place, size in parts), default=0)
        if end > have:
            raise SdcError("E_PICTURE", f"the TIFF is truncated: its data ends at byte {int(end)} of {have}")


def _colours(page: _Page) -> Measured | None:
    """Chromaticities and a transfer function that is a power; ``None`` where nothing is said."""
    white, colours = page.tags.get(_WHITE, ()), page.tags.get(_CHROMATICITIES, ())
    primaries: Primaries | None = None
    if len(white) == 2 and len(colours) == 6 and all(0 < v < 1 for v in (*white, *colours)):
        primaries = (*white, *colours)
    gamma = _power(page.tags.get(_CURVE, ()), max(page.bits))
    if primaries is None and gamma is None:
        return None
    return Measured(gamma or 2.2, primaries, "tags of TIFF")


def _power(curve: tuple[float, ...], bits: int) -> float | None:
    """The power nearest to a table of light by sample; ``None`` where there is none."""
    size = 1 << bits
    if len(curve) < size or bits < 2:
        return None
    middle = [(k / (size - 1), curve[k] / 65535) for k in range(size // 4, size, max(1, size // 64))]
    powers = [math.log(light) / math.log(v) for v, light in middle if 0 < v < 1 and 0 < light < 1]
    return sum(powers) / len(powers) if powers else None
