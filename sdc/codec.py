"""Pictures to streams and streams to pictures (spec section "Reconstruction")."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from itertools import pairwise
from operator import index
from typing import Any

import numpy as np
import numpy.typing as npt

from .container import (
    CELL,
    COMPLETE,
    ICC_BYTES,
    ICCP,
    LEVELS,
    OBJS,
    PROV,
    Chunk,
    Group,
    Head,
    Limits,
    Source,
    Stream,
    build,
    level_codes,
    parse_asked,
)
from .errors import SdcError
from .gradient import pull_back
from .latents import BLOCK, GroupCoder, Symbols, decode_group, encode_group, quantise_hyper
from .mask import encode_map
from .metadata import analysis_payload, objects_payload
from .model import Model, load_encoder, load_model, model_for
from .network import Array, Network, Sites, Tape, reach, run
from .objects import Object, group_map
from .presets import EQUAL, Preset, preset_of
from .refine import DEFAULT_EFFORT, EFFORTS, refine

Pixels = npt.NDArray[np.uint8]
Runner = Callable[..., Array]

TILE_CELLS = 64
"""Cells per side of a synthesis tile; tiles are used once there are more than twice its square."""

HYPER_BLOCKS = 512
"""Blocks of the hyper analysis worked on at once."""

PATCH = 8


@dataclass(frozen=True, eq=False)
class Decoded:
    """A decoded picture.

    Attributes:
        pixels: ``uint8 [H, W, 3]`` RGB; where nothing was decoded, the fill colour.
        covered: ``bool [H, W]``, whether a pixel was decoded.
        groups: indices of the decoded groups.
        missing: requested groups that could not be decoded, with the error of each.
        stream: what was parsed.
    """

    pixels: Pixels
    covered: npt.NDArray[np.bool_]
    groups: tuple[int, ...]
    missing: tuple[SdcError, ...]
    stream: Stream

    @property
    def objects(self) -> tuple[Object, ...]:
        """Objects that the stream describes, of all its groups: :attr:`sdc.container.Stream.objects`."""
        return self.stream.objects


def sites_of(labels: Array, groups: Sequence[Group], chosen: Iterable[int]) -> Sites:
    """Cells of some groups, in raster order, with the group and quality of each.

    Args:
        labels: ``uint8 [rows, cols]`` group map.
        groups: all groups of the stream.
        chosen: indices of the groups wanted.
    """
    wanted = np.zeros(256, bool)
    wanted[[k + 1 for k in chosen]] = True
    rows, cols = np.nonzero(wanted[labels])
    own = labels[rows, cols].astype(np.int64) - 1
    qualities = np.array([g.quality for g in groups], np.int64)
    return Sites(rows, cols, own, qualities[own])


def decode_symbols(
    stream: Stream,
    model: Model,
    index: int,
    *,
    arithmetic: str = "float32",
    runner: Runner = run,
    keep_residuals: bool = False,
) -> tuple[Sites, Symbols]:
    """Decode one complete group up to its latents.

    Raises:
        SdcError: an ``E_RANS_*`` code or ``E_ESCAPE``, with the group and its offset.
    """
    group = stream.groups[index]
    assert group.payload is not None
    coder = GroupCoder(
        sites_of(stream.labels, stream.groups, [index]), model, group.quality, arithmetic, runner
    )
    try:
        return coder.sites, decode_group(group.payload, coder, keep_residuals=keep_residuals)
    except SdcError as error:
        raise SdcError(error.code, error.message, f"group {index}", group.offset) from None


def _tiles(sites: Sites, margin: int) -> Iterator[tuple[Array, Array]]:
    """Split cells into tiles.

    Yields:
        ``(cells of the tile and of a margin around it, which of those are of the tile)``, as indices.
    """
    n = len(sites)
    if n <= 2 * TILE_CELLS**2:
        yield np.arange(n), np.arange(n)
        return
    for top in range(0, int(sites.rows.max()) + 1, TILE_CELLS):
        first = int(np.searchsorted(sites.rows, top - margin, "left"))
        past = int(np.searchsorted(sites.rows, top + TILE_CELLS + margin, "left"))
        rows, cols = sites.rows[first:past], sites.cols[first:past]
        for left in range(0, int(sites.cols.max()) + 1, TILE_CELLS):
            near = np.flatnonzero((cols >= left - margin) & (cols < left + TILE_CELLS + margin))
            r, c = rows[near], cols[near]
            own = (r >= top) & (r < top + TILE_CELLS) & (c >= left) & (c < left + TILE_CELLS)
            if own.any():
                yield near + first, np.flatnonzero(own)


def synthesise(
    latents: Array,
    sites: Sites,
    model: Model,
    canvas: Pixels,
    *,
    arithmetic: str = "float32",
    runner: Runner = run,
) -> None:
    """Run the synthesis and put the cells into a canvas; tiles keep the memory bounded.

    Args:
        latents: ``int [cells, M]``.
        sites: the cells, of one group or several.
        canvas: ``uint8 [rows * 16, cols * 16, 3]``, written in place.
    """
    network = model.networks["synthesis"]
    view = canvas.reshape(canvas.shape[0] // CELL, CELL, canvas.shape[1] // CELL, CELL, 3)
    for near, own in _tiles(sites, reach(network)):
        whole = len(near) == len(sites)
        part = sites if whole else sites.take(near)
        out = runner(
            network,
            part,
            latents if whole else latents[near],
            only=None if whole else own,
            arithmetic=arithmetic,
        )
        pixels = out.astype(np.uint8).reshape(len(own), *_pixel_axes(network), 3)
        pixels = pixels.transpose(0, 1, 3, 2, 4, 5)
        view[part.rows[own], :, part.cols[own]] = pixels.reshape(len(own), CELL, CELL, 3)


def _pixel_axes(network: Network) -> tuple[int, ...]:
    """Axes of the synthesis output of one cell, coarse to fine, as its shuffles nest."""
    a, b = (op.factor for op in network if op.kind == "shuffle")
    return (a, a, b, b)


def decode(
    source: Source | Stream,
    *,
    groups: Iterable[int] | None = None,
    levels: Iterable[str] | None = None,
    fill: tuple[int, int, int] = (128, 128, 128),
    limits: Limits = Limits(),
    arithmetic: str = "float32",
    runner: Runner = run,
) -> Decoded:
    """Decode a picture, or what can be had of it.

    Of a reader only what is asked for is read, and the chunks in front of the groups; other groups, and
    objects that stand behind all groups, are then unread (STAT-11).

    Args:
        source: the file's bytes, a seekable binary reader, or a stream that was parsed, perhaps
            with only some of its chunks (:meth:`sdc.container.Stream.with_chunk`).
        groups: indices of the groups wanted; all that are there by default.
        levels: or levels wanted, by name: ``L1``, ``l1`` or ``1``, and so on, or ``other``.
        fill: colour of what is not decoded.
        limits: what the caller agrees to hold in memory.
        arithmetic: ``float32``, ``float64`` or ``int64``; the pixels are the same.
        runner: runs networks; :func:`sdc.network.run` by default.

    Returns:
        The picture.  Groups that are withdrawn, truncated or damaged are named in ``missing``.

    Raises:
        SdcError: the stream is invalid or unsupported; ``E_MODEL``, ``E_MODEL_HASH`` or
            ``E_MODEL_FILE`` for its model; ``E_USAGE`` for wrong arguments.
    """
    _check_arithmetic(arithmetic)
    try:
        right = len(fill) == 3 and all(0 <= index(v) <= 255 for v in fill)
    except TypeError:
        right = False
    if not right:
        raise SdcError("E_USAGE", f"a fill colour is three whole numbers of 0 to 255, not {fill!r}")
    if isinstance(source, Stream):
        stream, wanted = source, source.select(groups, level_codes(levels))
    else:
        stream, wanted = parse_asked(source, groups, levels, limits=limits, behind=False)
    missing = tuple(stream.missing(k) for k in wanted if stream.groups[k].state != COMPLETE)
    good = [k for k in wanted if stream.groups[k].state == COMPLETE]
    head = stream.head
    if not good:
        pixels = np.broadcast_to(np.array(fill, np.uint8), (head.height, head.width, 3))
        covered = np.broadcast_to(np.bool_(False), (head.height, head.width))
        return Decoded(pixels, covered, (), missing, stream)
    model = model_for(head)
    sites = sites_of(stream.labels, stream.groups, good)
    latents = np.empty((len(sites), model.latents), np.int16)
    for k in good:
        _, symbols = decode_symbols(stream, model, k, arithmetic=arithmetic, runner=runner)
        latents[sites.labels == k] = symbols.latents
        del symbols
    canvas = np.empty((head.rows * CELL, head.cols * CELL, 3), np.uint8)
    canvas[:] = fill
    synthesise(latents, sites, model, canvas, arithmetic=arithmetic, runner=runner)
    cells = np.zeros((head.rows, 1, head.cols, 1), bool)
    cells[sites.rows, 0, sites.cols, 0] = True
    covered = np.empty((head.rows, CELL, head.cols, CELL), bool)
    covered[:] = cells
    covered = covered.reshape(head.rows * CELL, -1)[: head.height, : head.width]
    return Decoded(canvas[: head.height, : head.width], covered, tuple(good), missing, stream)


def _check_arithmetic(arithmetic: str) -> None:
    if arithmetic not in ("float32", "float64", "int64"):
        raise SdcError("E_USAGE", f"arithmetic is float32, float64 or int64, not {arithmetic!r}")


def qualities_of(
    quality: int | Mapping[str, int], preset: Preset = EQUAL, levels: Iterable[int] = range(len(LEVELS))
) -> dict[int, int]:
    """Quality index per level code, cut to 0 to 63 where a preset shifts it.

    Args:
        quality: one index, that of the most important of ``levels``, from which a preset shifts the others;
            or by level name.  A level not named takes that of the next more important one named, or else
            of the most important, shifted by the difference of their offsets in the preset.
        preset: of a task.
        levels: codes of the levels that the picture has.

    Raises:
        SdcError: ``E_USAGE``.
    """
    if not isinstance(quality, Mapping):
        quality = {LEVELS[min(levels)]: quality}
    if not quality or set(quality) - set(LEVELS):
        named = ", ".join(str(name) for name in quality if name not in LEVELS) or "none"
        raise SdcError("E_USAGE", f"quality is given for levels {', '.join(LEVELS)}, not {named}")
    try:
        numbers = {name: index(q) for name, q in quality.items() if not isinstance(q, bool)}
    except TypeError:
        numbers = {}
    if len(numbers) != len(quality) or not all(0 <= q <= 63 for q in numbers.values()):
        raise SdcError("E_USAGE", "a quality index is a whole number of 0 to 63")
    known = sorted(map(LEVELS.index, numbers))
    rest = {}
    for k, shift in enumerate(preset.offsets):
        near = max((j for j in known if j < k), default=known[0])
        rest[k] = min(max(numbers[LEVELS[near]] + shift - preset.offsets[near], 0), 63)
    return {k: numbers.get(name, rest[k]) for k, name in enumerate(LEVELS)}


def pad_to_cells(image: Pixels) -> Pixels:
    """The picture with its edge cells filled up by repeating the last row and column."""
    height, width = image.shape[:2]
    if height % CELL == 0 and width % CELL == 0:
        return np.ascontiguousarray(image)
    return np.pad(image, ((0, -height % CELL), (0, -width % CELL), (0, 0)), "edge")


def patches(padded: Pixels, sites: Sites) -> Array:
    """Input of the analysis: ``int16 [cells * 4, 192]``, pixels of 8x8 patches as ``p - 128``.

    Args:
        padded: from :func:`pad_to_cells`.
    """
    cells = _pixels_of(padded, sites).astype(np.int16)
    cells = cells.reshape(-1, 2, PATCH, 2, PATCH, 3).transpose(0, 1, 3, 2, 4, 5)
    return (cells - 128).reshape(len(sites) * 4, PATCH * PATCH * 3)


def analyse(
    image: Pixels,
    sites: Sites,
    encoder: Mapping[str, Network],
    *,
    arithmetic: str = "float32",
    runner: Runner = run,
) -> Array:
    """Latents of the analysis for some cells, ``int16 [cells, M]``, in tiles."""
    network = encoder["analysis"]
    image = pad_to_cells(image)
    out: Array | None = None
    for near, own in _tiles(sites, reach(network, 2)):
        part = sites if len(near) == len(sites) else sites.take(near)
        only = None if len(near) == len(sites) else own
        y = runner(network, part, patches(image, part), factor=2, only=only, arithmetic=arithmetic)
        if out is None:
            out = np.empty((len(sites), y.shape[1]), np.int16)
        out[near[own]] = y
    assert out is not None
    return out


def analyse_hyper(
    latents: Array, coder: GroupCoder, encoder: Mapping[str, Network], runner: Runner = run
) -> Array:
    """Hyper residuals of a group, ``int64 [blocks, K]``.

    The two small float networks run in float64, so that machines agree but for ties.
    """
    count, block, place = coder.blocks
    order = np.argsort(block, kind="stable")
    bounds = np.searchsorted(block[order], np.arange(0, count + HYPER_BLOCKS, HYPER_BLOCKS))
    out = []
    for first, (start, stop) in enumerate(pairwise(bounds)):
        cells = order[start:stop]
        features = runner(
            encoder["hyper_cells"], coder.sites.take(cells), latents[cells], arithmetic="float64"
        )
        here = min(HYPER_BLOCKS, count - first * HYPER_BLOCKS)
        gathered = np.zeros((here, BLOCK * BLOCK, features.shape[1]))
        gathered[block[cells] - first * HYPER_BLOCKS, place[cells]] = features
        zeros = np.zeros(here, np.int64)
        flat = Sites(zeros, zeros, zeros, zeros)
        out.append(runner(encoder["hyper_blocks"], flat, gathered.reshape(here, -1), arithmetic="float64"))
    return quantise_hyper(np.concatenate(out), coder)


def squared_error(
    latents: Array,
    sites: Sites,
    model: Model,
    padded: Pixels,
    size: tuple[int, int],
    *,
    gradient: bool = True,
) -> tuple[float, Array]:
    """Squared error of the pixels of some cells, and its gradient; tiles keep the memory bounded.

    Pixels outside the picture do not count.

    Args:
        latents: ``[cells, M]`` integers in any real dtype.
        sites: the cells.
        padded: the whole picture, from :func:`pad_to_cells`.
        size: its height and width before that.
        gradient: whether the gradient is wanted; else it is empty.

    Returns:
        ``(sum over pixels of the mean over R, G and B, float32 [cells, M])``.
    """
    network = model.networks["synthesis"]
    far = reach(network)
    error, out = 0.0, np.empty((len(sites) if gradient else 0, model.latents), np.float32)
    # Pixels up to ``far`` cells away change with a latent, and with latents as far beyond.
    for (near, own), (seen, _) in zip(
        _tiles(sites, 2 * far if gradient else far), _tiles(sites, far), strict=True
    ):
        part = sites.take(near)
        tape: Tape | None = [] if gradient else None
        difference = run(network, part, latents[near], tape=tape).reshape(len(near), -1, 3)
        difference -= _in_order_of(_pixels_of(padded, part), network)
        if padded.shape[:2] != size:
            difference *= _in_order_of(_inside(part, *size), network)
        error += float(np.square(difference[own]).sum(dtype=np.float64)) / 3
        if tape is not None:
            difference *= 2 / 3
            difference[np.isin(near, seen, invert=True)] = 0
            out[near[own]] = pull_back(network, part, difference.reshape(-1, 3), tape)[own]
    return error, out


def _pixels_of(padded: Pixels, sites: Sites) -> Pixels:
    """Pixels of cells, ``uint8 [cells, 16, 16, 3]``."""
    view = padded.reshape(padded.shape[0] // CELL, CELL, padded.shape[1] // CELL, CELL, 3)
    return view[sites.rows, :, sites.cols]


def _inside(sites: Sites, height: int, width: int) -> npt.NDArray[np.bool_]:
    """Whether pixels of cells are in the picture, ``bool [cells, 16, 16, 1]``."""
    rows = sites.rows[:, None] * CELL + np.arange(CELL) < height
    cols = sites.cols[:, None] * CELL + np.arange(CELL) < width
    return (rows[:, :, None] & cols[:, None])[..., None]


def _in_order_of(cells: Array, network: Network) -> Array:
    """``[cells, 16, 16, channels]`` as the synthesis orders them: ``[cells, 256, channels]``."""
    a, _, b, _ = _pixel_axes(network)
    channels = cells.shape[-1]
    split = cells.reshape(-1, a, b, a, b, channels).transpose(0, 1, 3, 2, 4, 5)
    return split.reshape(len(cells), CELL * CELL, channels)


def encode(
    image: Pixels,
    *,
    objects: Sequence[Object] = (),
    quality: int | Mapping[str, int] = 32,
    preset: str | Preset = EQUAL,
    margin: int | None = None,
    group_by: str = "level",
    icc: bytes | None = None,
    metadata: bool | str = True,
    pixel_masks: bool = False,
    analysis: Mapping[str, Any] | None = None,
    model: int | None = None,
    effort: int | None = None,
    arithmetic: str = "float32",
    runner: Runner = run,
) -> bytes:
    """Encode a picture.

    Args:
        image: ``uint8 [H, W, 3]`` RGB.
        objects: what is in it, with levels; none makes one group of level ``other``.
        quality: quality index 0..63 of the most important level that the picture has, and of the others as
            far as no preset shifts them; or by level name, which no preset changes: :func:`qualities_of`.
        preset: what a task needs, by the task's name (:data:`sdc.presets.PRESETS`) or by itself.
        margin: cells of background around objects of L1 to L3 that are of their groups, 0 to 15; the
            preset's by default.
        group_by: ``level`` (a group per level) or ``object`` (a group per object).
        icc: ICC profile of the picture, kept as it is.
        metadata: whether objects and analysis are described in the stream, behind the groups; ``first``
            puts the objects in front of them, where whoever fetches a prefix has them.
        pixel_masks: whether their exact masks are, too.
        analysis: how the objects were found, what ``spec/objects.md`` calls ``analysis``.
        model: number of the model in the registry; the preset's by default, or else 1.
        effort: 0 rounds the latents; 1 to 9 search for better ones (:mod:`sdc.refine`), ever longer; the
            preset's by default, or else 3.
        arithmetic, runner: as for :func:`decode`.

    Returns:
        The stream's bytes.

    Raises:
        SdcError: ``E_USAGE``, ``E_PICTURE``, ``E_OBJECTS``, ``E_MODEL`` or ``E_MODEL_FILE``.
    """
    image = np.asarray(image)
    _check_arithmetic(arithmetic)
    if metadata not in (True, False, "first"):
        raise SdcError("E_USAGE", f'metadata is True, False or "first", not {metadata!r}')
    wanted = preset_of(preset)
    if effort is None:
        effort = DEFAULT_EFFORT if wanted.effort is None else wanted.effort
    if type(effort) is not int or effort not in range(len(EFFORTS)):
        raise SdcError("E_USAGE", f"an effort is a whole number of 0 to {len(EFFORTS) - 1}, not {effort!r}")
    if image.ndim != 3 or image.shape[2] != 3 or image.dtype != np.uint8:
        raise SdcError(
            "E_PICTURE", f"a picture is uint8 [height, width, 3], not {image.dtype} {list(image.shape)}"
        )
    height, width = image.shape[:2]
    if not (1 <= width <= 65536 and 1 <= height <= 65536 and width * height <= 1 << 30):
        raise SdcError("E_PICTURE", f"a picture of {width} x {height} pixels cannot be coded")
    if icc is not None and not ICC_BYTES[0] <= len(icc) <= ICC_BYTES[1]:
        raise SdcError("E_PICTURE", f"a colour profile of {len(icc)} bytes")
    if model is None:
        model = 1 if wanted.model is None else wanted.model
    decoder, encoder = load_model(model), load_encoder(model)
    grouped = group_map(objects, width, height, group_by, wanted.margin if margin is None else margin)
    by_level = qualities_of(quality, wanted, grouped.levels)
    groups = tuple(Group(k, level, by_level[level]) for k, level in enumerate(grouped.levels))
    sites = sites_of(grouped.labels, groups, range(len(groups)))
    padded = pad_to_cells(image)
    latents = analyse(padded, sites, encoder.networks, arithmetic=arithmetic, runner=runner)
    payloads: list[bytes] = []
    for g in groups:
        own = sites.labels == g.index
        coder = GroupCoder(sites.take(np.flatnonzero(own)), decoder, g.quality, arithmetic, runner)
        targets = latents[own]
        hyper = analyse_hyper(targets, coder, encoder.networks, runner)
        residuals = None
        if effort:
            measure = partial(
                squared_error, sites=coder.sites, model=decoder, padded=padded, size=(height, width)
            )
            residuals = refine(targets, hyper, coder, measure, effort, encoder.error_weight)
        payloads.append(encode_group(targets, hyper, coder, residuals)[0])
    head = Head(width, height, model, decoder.weights)
    before = [] if icc is None else [Chunk(ICCP, icc)]
    after: list[Chunk] = []
    if metadata and grouped.objects:
        described = objects_payload(grouped.objects, pixel_masks=pixel_masks, mask_pixels=4 * width * height)
        (before if metadata == "first" else after).append(Chunk(OBJS, described))
    if metadata and analysis:
        after.append(Chunk(PROV, analysis_payload(analysis)))
    return assemble(head, groups, payloads, grouped.labels, before, after)


def assemble(
    head: Head,
    groups: Sequence[Group],
    payloads: Sequence[bytes],
    labels: Array,
    before: Sequence[Chunk] = (),
    after: Sequence[Chunk] = (),
) -> bytes:
    """Bytes of a stream from its coded groups.

    Args:
        payloads: of the latent chunks, one per group.
        labels: ``uint8 [rows, cols]`` group map; coded unless one group fills the picture.
        before, after: chunks in front of and behind the latent chunks.
    """
    filled = len(groups) == 1 and bool((labels == 1).all())
    mask = None if filled else encode_map(labels, len(groups))
    done = tuple(replace(g, state=COMPLETE, payload=p) for g, p in zip(groups, payloads, strict=True))
    return build(Stream(head, done, mask, tuple(before), tuple(after)))
