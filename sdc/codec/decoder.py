"""Streams to pixels (spec section "Reconstruction")."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from operator import index

import numpy as np

from .. import core
from ..coding.passes import Symbols, sites_of
from ..errors import SdcError
from ..format.choice import Choice, ObjectNames, choose
from ..format.colr import CodePoints, parse_colour
from ..format.grps import COMPLETE
from ..format.latn import decode_symbols
from ..format.lazy import LazyStream
from ..format.metadata import exif, icc_profile, xmp
from ..format.objs import parse_objects
from ..format.rest import read_restoration
from ..format.source import Readable, opened
from ..format.stream import Stream
from ..networks.registry import model_for
from ..networks.run import Runner, run
from ..networks.sites import Sites
from ..objects.cells import to_pixels
from ..objects.object import Object
from ..objects.values import Bools
from ..types import CELL, Array, Colour, LevelLike, Limits, Pixels
from .restoration import check_restore, restorer_for
from .transforms import synthesis_transform

GREY = (128, 128, 128)
"""Colour of what is not decoded, where no other is asked for."""

OnGroup = Callable[[int, Sites, Symbols], None]
"""Told of each group that is decoded: its index, its cells, and its symbols with their residuals."""


@dataclass(frozen=True, eq=False)
class Decoded:
    """A decoded image, or the part of it that was asked for.

    Attributes:
        pixels: ``uint8 [H, W, 3]`` RGB, an array of its own; where nothing was decoded, the fill colour.
        covered: ``bool [H, W]``, an array of its own: whether a pixel was decoded.
        groups: indices of the decoded groups.
        missing: requested groups that could not be decoded, with the error of each.
        stream: what was read of the stream.
        box: x, y, width, height of the part of the image that ``pixels`` shows: all of it, or the rectangle
            around the cells of the objects that were asked for.
        notes: what the caller may want to know besides, in words.
        restored: where it was asked for, restored pixels, of the same shape and coverage as ``pixels``; the
            same array where the image was not wanted as captured.
        vectors: by group, the vector that conditioned its restoration.
    """

    pixels: Pixels
    covered: Bools
    groups: tuple[int, ...]
    missing: tuple[SdcError, ...]
    stream: Stream
    box: tuple[int, int, int, int]
    notes: tuple[str, ...] = ()
    restored: Pixels | None = None
    vectors: Mapping[int, tuple[int, ...]] = field(default_factory=dict)

    def __repr__(self) -> str:
        height, width = self.covered.shape
        what = f"{width} x {height}, groups {', '.join(map(str, self.groups)) or 'none'}"
        return f"<Decoded {what}, {len(self.missing)} missing, {len(self.notes)} notes>"

    @property
    def objects(self) -> tuple[Object, ...]:
        """Objects that the stream describes, of all its groups: :func:`sdc.format.objs.parse_objects`."""
        return parse_objects(self.stream)

    @property
    def colour(self) -> CodePoints | None:
        """Colour space of the pixels; ``None`` where :attr:`icc_profile` says what it is."""
        return parse_colour(self.stream)

    @property
    def icc_profile(self) -> bytes | None:
        """ICC profile of the pixels; ``None`` where :attr:`colour` says what they are."""
        return icc_profile(self.stream)

    @property
    def exif(self) -> bytes | None:
        """EXIF of the whole image, as it begins in a TIFF file; ``None`` if there is none."""
        return exif(self.stream)

    @property
    def xmp(self) -> bytes | None:
        """XMP of the whole image, XML in UTF-8; ``None`` if there is none."""
        return xmp(self.stream)


def decode(
    source: Readable | Stream,
    *,
    levels: LevelLike | Iterable[LevelLike] | None = None,
    groups: Iterable[int] | None = None,
    objects: ObjectNames | None = None,
    restore: bool | int = False,
    strength: float = 1.0,
    captured: bool = True,
    fill: Colour = GREY,
    limits: Limits = Limits(),
    arithmetic: str = "float32",
    runner: Runner = run,
    threads: int | None = None,
    on_group: OnGroup | None = None,
) -> Decoded:
    """Decode an image, or what can be had of it.

    Of a file only what is asked for is read, and what stands around the groups (STAT-11);
    :func:`sdc.open` reads less, and nothing twice.

    Args:
        source: a path, the file's bytes, a seekable binary file, or a stream that was parsed, perhaps with
            only some of its groups (:meth:`sdc.format.stream.Stream.with_group`).
        levels: level or levels wanted, each in one of the ways of :class:`sdc.Level`; all by default.
        groups: or indices of the groups wanted.
        objects: or objects wanted, by label or index: their cells alone, cut to the rectangle around them.
        restore: whether to restore as well, by the model that the stream names (REST), or else by the one
            that comes with this package for the stream's model; or the number of a restoration model.
        strength: of the restoration, 0 (as captured) to 1; below 1 only with a model that can do less.
        captured: whether the image is wanted as captured, too; without it ``pixels`` are the restored ones,
            in less time.
        fill: colour of what is not decoded.  (The command leaves that transparent.)
        limits: what the caller agrees to hold in memory.
        arithmetic: ``float32``, ``float64`` or ``int64``; the pixels are the same.
        runner: runs networks; :func:`sdc.networks.run.run` by default.
        threads: that the compiled core may use; by default as many as the process may, and one in a worker
            of torch's data loader.
        on_group: told of each group's symbols.

    Returns:
        The image.  Groups that are withdrawn, truncated or damaged are named in ``missing``.

    Raises:
        SdcError: the stream is invalid or unsupported; ``E_MODEL``, ``E_MODEL_HASH`` or
            ``E_MODEL_FILE`` for its model or for that which restores; ``E_USAGE`` for wrong arguments;
            ``E_INPUT`` or ``E_IO``.
    """
    if isinstance(source, Stream):
        stream, choice = source, choose(source, groups, levels, objects, limits=limits)
    else:
        with opened(source) as given:
            lazy = LazyStream(given, limits)
            choice = lazy.fetch(groups, levels, objects)
            lazy.fetch_behind()
            stream = lazy.stream
    return decode_choice(
        stream,
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


def decode_choice(
    stream: Stream,
    choice: Choice,
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
    """Decode the groups that were chosen of a parsed stream, as :func:`decode` does."""
    check_arithmetic(arithmetic)
    _check_colour(fill)
    with core.using(threads):
        decoded = _decoded(stream, choice, restore, strength, captured, fill, arithmetic, runner, on_group)
    return _cropped(decoded, choice.objects, fill) if choice.objects and decoded.groups else decoded


def _decoded(
    stream: Stream,
    choice: Choice,
    restore: bool | int,
    strength: float,
    captured: bool,
    fill: Colour,
    arithmetic: str,
    runner: Runner,
    on_group: OnGroup | None,
) -> Decoded:
    """The whole image with the groups that were chosen, as far as they are complete."""
    check_restore(restore, strength)
    if restore is False and not captured:
        raise SdcError("E_USAGE", "an image is wanted as captured, or restored, or both")
    head = stream.head
    good = [k for k in choice.groups if stream.groups[k].state == COMPLETE]
    missing = tuple(stream.missing(k) for k in choice.groups if stream.groups[k].state != COMPLETE)
    canvas = np.empty((head.rows * CELL, head.cols * CELL, 3), np.uint8)
    canvas[:] = fill[0] if len(set(fill)) == 1 else fill  # a single number is copied ten times as fast
    restored = None if restore is False else canvas.copy() if captured else canvas
    vectors: dict[int, tuple[int, ...]] = {}
    cells = np.zeros((head.rows, head.cols), bool)
    said = None if restored is None else read_restoration(stream).whole()
    if good:
        model = model_for(head.model, head.weights)
        restorer = None if restored is None else restorer_for(stream, said, restore, model, strength)
        sites = sites_of(stream.labels, [g.quality for g in stream.groups], good)
        latents = np.empty((len(sites), model.latents), np.int16)
        keep = on_group is not None
        for k, own, symbols in decode_symbols(
            stream, model, good, arithmetic=arithmetic, runner=runner, keep_residuals=keep
        ):
            if isinstance(symbols, SdcError):
                raise symbols
            latents[sites.labels == k] = symbols.latents
            if on_group is not None:
                on_group(k, own, symbols)
            del symbols
        if captured:
            synthesis = model.networks["synthesis"]
            synthesis_transform(latents, sites, synthesis, canvas, arithmetic=arithmetic, runner=runner)
        if restorer is not None and restored is not None:
            vectors = restorer.restore(latents, sites, restored, arithmetic=arithmetic, runner=runner)
        cells[sites.rows, sites.cols] = True
    covered = to_pixels(cells)
    box = (0, 0, head.width, head.height)
    pixels = _own(canvas, head.height, head.width)
    if restored is not None:
        restored = _own(restored, head.height, head.width) if captured else pixels
    return Decoded(
        pixels,
        _own(covered, head.height, head.width),
        tuple(good),
        missing,
        stream,
        box,
        (*choice.notes, *_notes(stream, missing)),
        restored,
        vectors,
    )


def _own(canvas: Array, height: int, width: int) -> Array:
    """The image without what its edge cells have beyond it, an array of its own."""
    return canvas if canvas.shape[:2] == (height, width) else canvas[:height, :width].copy()


def _notes(stream: Stream, missing: Sequence[SdcError]) -> list[str]:
    """What is damaged or cut off besides the groups that are missing, in words."""
    notes = [str(error) for error in stream.errors if error.code == "E_CHUNK_DAMAGED"]
    last = stream.groups[-1]
    known = any(error.code == "E_GROUP_TRUNCATED" for error in missing)
    if stream.behind and stream.size < last.offset + last.size and not known:
        notes.append(f"the file ends at byte {stream.size}: what stands behind the groups is missing")
    return notes


def _cropped(decoded: Decoded, objects: Sequence[Object], fill: Colour) -> Decoded:
    """The objects' cells alone, cut to the rectangle around them.

    Raises:
        SdcError: ``E_USAGE`` when none of their cells is of their groups.
    """
    labels, head = decoded.stream.labels, decoded.stream.head
    cells = np.zeros(labels.shape, bool)
    for o in objects:
        x, y, w, h = o.box
        touched = np.zeros(labels.shape, bool)
        if o.mask is None:
            touched[y // CELL : (y + h - 1) // CELL + 1, x // CELL : (x + w - 1) // CELL + 1] = True
        else:
            rows, cols = np.nonzero(o.mask)
            touched[(rows + y) // CELL, (cols + x) // CELL] = True
        cells |= touched & (labels == (o.group or 0) + 1)
    if not cells.any():
        raise SdcError("E_USAGE", "the object has no cell in its group")
    rows, cols = cells.any(1).nonzero()[0], cells.any(0).nonzero()[0]
    top, bottom = int(rows[0]) * CELL, min(int(rows[-1] + 1) * CELL, head.height)
    left, right = int(cols[0]) * CELL, min(int(cols[-1] + 1) * CELL, head.width)
    area = (slice(top, bottom), slice(left, right))
    own = to_pixels(cells)[area] & decoded.covered[area]
    box = (left, top, right - left, bottom - top)
    pixels = _cut(decoded.pixels, area, own, fill)
    restored = decoded.restored
    if restored is not None:
        restored = pixels if restored is decoded.pixels else _cut(restored, area, own, fill)
    return replace(decoded, pixels=pixels, restored=restored, covered=own, box=box)


def _cut(whole: Pixels, area: tuple[slice, slice], own: Bools, fill: Colour) -> Pixels:
    """A part of an image, filled where nothing of it is wanted."""
    part = whole[area].copy()
    part[~own] = fill
    return part


def _check_colour(colour: Colour) -> None:
    """Refuse what is no colour."""
    try:
        right = len(colour) == 3 and all(0 <= index(v) <= 255 for v in colour)
    except TypeError:
        right = False
    if not right:
        raise SdcError("E_USAGE", f"a fill colour is three whole numbers of 0 to 255, not {colour!r}")


def check_arithmetic(arithmetic: str) -> None:
    """Refuse an unknown arithmetic."""
    if arithmetic not in ("float32", "float64", "int64"):
        raise SdcError("E_USAGE", f"arithmetic is float32, float64 or int64, not {arithmetic!r}")
