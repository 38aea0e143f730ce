"""Pixels to streams."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import replace
from functools import partial
from operator import index
from typing import Any

import numpy as np

from .. import core
from ..coding.passes import GroupCoder, encode_group, sites_of
from ..errors import SdcError
from ..format.build import build
from ..format.chunks import COLR, EXIF, ICCP, OBJS, PROV, REST, XMPP, Chunk
from ..format.colr import SRGB, UNSPECIFIED, CodePoints, code_points, colour_payload
from ..format.deflated import deflated_payload
from ..format.grps import COMPLETE, Group
from ..format.head import MAX_AREA, Head
from ..format.mask import map_payload
from ..format.objs import objects_payload
from ..format.objs_rows import BOX_UNITS, Bounds
from ..format.prov import provenance_payload
from ..format.rest import Degradation, Restoration, restoration_payload
from ..format.stream import Stream
from ..networks.backbone import load_backbone
from ..networks.model import Encoder, Model
from ..networks.profile import by_quality
from ..networks.registry import load_encoder, load_model, restoration_for
from ..networks.restoration import RestorationModel
from ..networks.run import Runner, run
from ..networks.sites import Sites
from ..notes import Notes
from ..objects.grouping import group_map
from ..objects.object import Object
from ..types import LEVELS, MAX_SIDE, Array, Encoded, ImageLike, Level, Pixels, level_of
from .carried import profile_of_image
from .decoder import check_arithmetic
from .distortion import squared_error
from .features import FeatureDistance, feature_scales, surroundings
from .presets import EQUAL, Preset, preset_for
from .restoration import check_restore, degradations_of, derived_vector
from .search import DEFAULT_EFFORT, EFFORTS, rate_distortion_search
from .tiles import pad_to_cells
from .transforms import analysis_transform, hyper_analysis


def qualities_of(
    quality: int | Mapping[Any, int], preset: Preset = EQUAL, levels: Iterable[Level] = LEVELS
) -> dict[Level, int]:
    """Quality index of each level, cut to 0 to 63 where a preset shifts it.

    Args:
        quality: one index, that of the most important of ``levels``, from which a preset shifts the others;
            or by level, each in one of the ways of :class:`sdc.Level`.  A level not named takes that of the
            next more important one named, or else of the most important, shifted by the difference of their
            offsets in the preset.
        preset: of a task.
        levels: those that the image has.

    Raises:
        SdcError: ``E_USAGE``.
    """
    if not isinstance(quality, Mapping):
        quality = {min(levels): quality}
    if not quality:
        raise SdcError("E_USAGE", f"quality is given for levels {', '.join(LEVELS)}, not none")
    named = {level_of(level): q for level, q in quality.items()}
    if len(named) != len(quality):
        raise SdcError("E_USAGE", "quality is given twice for a level")
    try:
        numbers = {level: index(q) for level, q in named.items() if not isinstance(q, bool)}
    except TypeError:
        numbers = {}
    if len(numbers) != len(quality) or not all(0 <= q <= 63 for q in numbers.values()):
        raise SdcError("E_USAGE", "a quality index is a whole number of 0 to 63")
    known = sorted(numbers)
    shifts = dict(zip(LEVELS, preset.offsets, strict=True))
    rest = {}
    for level, shift in shifts.items():
        near = max((j for j in known if j < level), default=known[0])
        rest[level] = min(max(numbers[near] + shift - shifts[near], 0), 63)
    return {level: numbers.get(level, rest[level]) for level in LEVELS}


def encode(
    image: ImageLike,
    *,
    objects: Sequence[Object] | None = None,
    quality: int | Mapping[Any, int] = 32,
    preset: str | Preset = EQUAL,
    margin: int | None = None,
    group_by: str = "level",
    colour: CodePoints | tuple[int, int] | None = None,
    icc_profile: bytes | None = None,
    exif: bytes | None = None,
    xmp: bytes | None = None,
    metadata: bool | str = True,
    pixel_masks: bool = False,
    box_unit: int = 1,
    provenance: Mapping[str, Any] | None = None,
    restoration: Restoration | int | None = None,
    model: int | None = None,
    effort: int | None = None,
    arithmetic: str = "float32",
    runner: Runner = run,
    threads: int | None = None,
    strict: bool = False,
) -> Encoded:
    """Encode an image.

    Args:
        image: ``uint8 [H, W, 3]`` RGB, an array or an image of Pillow in mode RGB.
        objects: what is in it, with or without levels; none makes one group of level ``other``.  (The
            command finds them first, as :func:`sdc.analyze` does; a library does nothing so long unasked.)
        quality: quality index 0..63 of the most important level that the image has, and of the others as
            far as no preset shifts them; or by level, which no preset changes: :func:`qualities_of`.
        preset: what a task needs, by the task's name (:data:`sdc.codec.presets.PRESETS`) or by itself; by
            name it depends on the provenance, see :func:`.presets.preset_for`.
        margin: cells of background around objects of L1 to L3 that are of their groups, 0 to 15; the
            preset's by default.
        group_by: ``level`` (a group per level) or ``object`` (a group per object).
        colour: colour space of the samples by code points (spec appendix C.4); by default that of the
            profile that an image of Pillow carries, else sRGB.
        icc_profile: or their ICC profile; one that does what code points do is written as those
            (:mod:`sdc.colour.recognise`), any other as it is.
        exif: EXIF of the image, with an orientation of 1 or none; kept as it is, without the six bytes
            ``Exif\\0\\0`` that stand in front of it in JPEG and in Pillow.
        xmp: XMP of the image, XML in UTF-8; kept as it is.
        metadata: whether objects and provenance are described in the stream, behind the groups; ``first``
            puts the objects and a colour profile in front of them, where whoever fetches a prefix has them.
        pixel_masks: whether their exact masks are, too.
        box_unit: 1, 2, 4, 8 or 16: boxes of objects are rounded outward to so many pixels, which takes up to
            two bytes less for each.
        provenance: how the objects were found, what ``spec/objects.md`` calls ``analysis``.
        restoration: what restores the image, and what is wrong with it; it stands in front of the groups.
            With the number of a restoration model the stream names that model, gives several groups one
            vector and, as far as the model can tell, names the degradations of each; the preset's by default.
        model: number of the model in the registry; the preset's by default, or else 1.
        effort: 0 rounds the latents; 1 to 9 search for better ones (:mod:`.search`), ever longer; the
            preset's by default, or else 3.
        arithmetic, runner, threads: as for :func:`decode`; gradients of the search are NumPy's in any case.
        strict: whether notes on the image or the objects are an error.

    Returns:
        The stream's bytes, with ``notes`` on what the caller may want to know, those of
        :meth:`sdc.Object.load` among them.

    Raises:
        SdcError: ``E_USAGE``, ``E_PICTURE``, ``E_OBJECTS``, ``E_MODEL`` or ``E_MODEL_FILE``.
    """
    about_image = Notes("E_PICTURE", strict=strict)
    carried = profile_of_image(image, about_image)
    if colour is None and icc_profile is None:
        icc_profile = carried
    image = checked_image(image)
    in_front, behind = _colour_chunks(colour, icc_profile, metadata == "first")
    block = None if exif is None else exif.removeprefix(b"Exif\0\0")
    about = [Chunk(k, deflated_payload(k, c)) for k, c in ((EXIF, block), (XMPP, xmp)) if c is not None]
    check_arithmetic(arithmetic)
    if metadata not in (True, False, "first"):
        raise SdcError("E_USAGE", f'metadata is True, False or "first", not {metadata!r}')
    if box_unit not in BOX_UNITS:
        raise SdcError("E_USAGE", f"the unit of boxes is 1, 2, 4, 8 or 16 pixels, not {box_unit!r}")
    notes = Notes("E_OBJECTS", strict=strict)
    notes.take(getattr(objects, "notes", ()))
    wanted, about_preset = preset_for(preset, provenance)
    effort = _checked_effort(effort, wanted)
    height, width = image.shape[:2]
    if model is None:
        model = 1 if wanted.model is None else wanted.model
    decoder = load_model(model)
    encoder, about_analysis = _encoder_for(decoder, wanted, effort)
    grouped = group_map(
        () if objects is None else objects,
        width,
        height,
        group_by,
        wanted.margin if margin is None else margin,
    )
    by_level = qualities_of(quality, wanted, grouped.levels)
    groups = tuple(Group(k, level, by_level[level]) for k, level in enumerate(grouped.levels))
    finder = _Degradations(wanted.restoration if restoration is None else restoration, decoder)
    with core.using(threads):
        payloads = _payloads(
            image, grouped.labels, groups, decoder, encoder, effort, arithmetic, runner, finder.note
        )
    head = Head(width, height, model, decoder.weights)
    before, after = in_front, behind
    if finder.said is not None:
        before.append(Chunk(REST, _restoration(finder.said, len(groups), decoder)))
    if metadata and grouped.objects:
        bounds = Bounds(width, height, len(groups), BOX_UNITS.index(box_unit))
        described = objects_payload(grouped.objects, bounds, pixel_masks=pixel_masks)
        (before if metadata == "first" else after).append(Chunk(OBJS, described))
    if metadata and provenance:
        after.append(Chunk(PROV, provenance_payload(provenance)))
    return Encoded(
        assemble(head, groups, payloads, grouped.labels, before, [*after, *about]),
        [*about_image, *notes, *about_preset, *about_analysis],
    )


class _Degradations:
    """What a stream is to say about restoring it.

    Args:
        wanted: that itself, or the number of the model that tells degradations.
        decoder: of the stream.

    Raises:
        SdcError: as :func:`..networks.registry.restoration_for`.
    """

    def __init__(self, wanted: Restoration | int | None, decoder: Model):
        self._model: RestorationModel | None = None
        self._given = None if isinstance(wanted, int) else wanted
        self._vectors: list[tuple[int, tuple[int, ...]]] = []
        self._found: list[Degradation] = []
        if isinstance(wanted, int):
            check_restore(wanted)
            self._model = restoration_for(wanted, None, decoder)

    def note(self, group: Group, latents: Array, sites: Sites) -> None:
        """Look at the latents of a group that was coded, ``int [cells, M]``."""
        if self._model is None:
            return
        vector = derived_vector(latents, sites, self._model)
        self._vectors.append((len(sites), vector))
        found = degradations_of(vector, group.quality, self._model)
        self._found += [Degradation(kind, strength, group.index) for kind, strength in found.items()]

    @property
    def said(self) -> Restoration | None:
        """It, once all groups are coded.

        Several groups are given one vector, the mean of theirs by cells: each by its own, they would differ
        in light and colour where they meet.
        """
        if self._model is None:
            return self._given
        vectors: dict[int | None, Sequence[int]] = {}
        if len(self._vectors) > 1:
            counts, values = zip(*self._vectors, strict=True)
            mean = np.average(np.array(values), axis=0, weights=counts)
            vectors[None] = np.floor(mean + 0.5).astype(int).tolist()
        return Restoration(self._model.number, vectors=vectors, degradations=tuple(self._found))


def _restoration(restoration: Restoration, groups: int, decoder: Model) -> bytes:
    """Payload of REST, whose model must be here and belong to the stream's.

    Raises:
        SdcError: ``E_MODEL``, ``E_MODEL_HASH`` or ``E_MODEL_FILE``; ``E_USAGE`` for what no stream can
            hold, and for vectors of another size than the model wants.
    """
    model = restoration_for(restoration.model, restoration.weights or None, decoder)
    payload = restoration_payload(replace(restoration, weights=model.weights), groups)
    if any(len(values) != model.vector for values in restoration.vectors.values()):
        raise SdcError("E_USAGE", f"a vector of model {model.number} has {model.vector} values")
    return payload


def checked_image(image: Any) -> Pixels:
    """An image as an array, if it can be coded.

    Args:
        image: ``uint8 [H, W, 3]`` RGB, an array or an image of Pillow in mode RGB.

    Raises:
        SdcError: ``E_PICTURE``.
    """
    pixels: Pixels = np.asarray(image)
    if pixels.ndim != 3 or pixels.shape[2] != 3 or pixels.dtype != np.uint8:
        raise SdcError(
            "E_PICTURE", f"an image is uint8 [height, width, 3], not {pixels.dtype} {list(pixels.shape)}"
        )
    height, width = pixels.shape[:2]
    if not (1 <= width <= MAX_SIDE and 1 <= height <= MAX_SIDE and width * height <= MAX_AREA):
        raise SdcError(
            "E_PICTURE",
            f"an image of {width} x {height} pixels; it may have {MAX_SIDE} a side and 2^30 in all",
        )
    return pixels


def _colour_chunks(colour: Any, icc_profile: bytes | None, first: bool) -> tuple[list[Chunk], list[Chunk]]:
    """What says the colour space, in front of the groups and behind them; nothing for sRGB (COLR-04).

    Args:
        first: whether a profile stands in front.

    Raises:
        SdcError: ``E_USAGE`` for what are no code points, or for both; ``E_PICTURE`` for a profile of a size
            that no stream can hold.
    """
    if colour is not None and icc_profile is not None:
        raise SdcError("E_USAGE", "a colour space is given by code points or by a profile, not by both")
    known = None if colour is None else code_points(colour)
    if icc_profile is not None:
        from ..colour.recognise import recognised  # by Pillow, which takes its time to load

        profile = Chunk(ICCP, deflated_payload(ICCP, icc_profile))
        known = recognised(icc_profile)
        if known is None:
            return ([profile], []) if first else ([Chunk(COLR, colour_payload(UNSPECIFIED))], [profile])
    return ([] if known is None or known == SRGB else [Chunk(COLR, colour_payload(known))]), []


def _checked_effort(effort: int | None, preset: Preset) -> int:
    """The effort asked for, or that of the preset.

    Raises:
        SdcError: ``E_USAGE``.
    """
    if effort is None:
        effort = DEFAULT_EFFORT if preset.effort is None else preset.effort
    if type(effort) is not int or effort not in range(len(EFFORTS)):
        raise SdcError("E_USAGE", f"an effort is a whole number of 0 to {len(EFFORTS) - 1}, not {effort!r}")
    return effort


def _encoder_for(model: Model, preset: Preset, effort: int) -> tuple[Encoder, tuple[str, ...]]:
    """What encodes, and what the caller may want to know of it.

    The search compares what decoders show with the image as captured, so it goes with the model's own
    analysis alone.

    Raises:
        SdcError: ``E_MODEL``, also where the analysis belongs to another model, or ``E_MODEL_FILE``.
    """
    if preset.analysis is None:
        return load_encoder(model.number), ()
    restoration_for(preset.analysis, None, model)
    if effort:
        words = f"effort {effort} searches for the image as captured: the analysis for degraded images"
        return load_encoder(model.number), (f"{words} is not used, effort 0 takes it",)
    words = "coded by the analysis for degraded images, to be restored: what it takes for noise is not kept"
    return load_encoder(preset.analysis), (words,)


def _payloads(
    image: Pixels,
    labels: Array,
    groups: Sequence[Group],
    decoder: Model,
    encoder: Encoder,
    effort: int,
    arithmetic: str,
    runner: Runner,
    note: Callable[[Group, Array, Sites], None],
) -> list[bytes]:
    """Payload of each group.

    Args:
        labels: ``uint8 [rows, cols]`` group map.
        decoder, encoder: of the model.
        note: told of each group, of its latents as decoders have them, and of its cells.
    """
    sites = sites_of(labels, [g.quality for g in groups], range(len(groups)))
    padded = pad_to_cells(image)
    latents = analysis_transform(padded, sites, encoder.networks, arithmetic=arithmetic, runner=runner)
    felt = _features_of(padded, labels, groups, encoder) if effort else None
    payloads: list[bytes] = []
    for g in groups:
        own = sites.labels == g.index
        targets = latents[own]
        coder = GroupCoder(sites.take(np.flatnonzero(own)), decoder, arithmetic, runner)
        if g is groups[-1]:
            del latents, own, sites  # of large images, a tenth of all that encoding holds
        hyper = hyper_analysis(targets, coder, encoder.networks, runner)
        residuals = None
        if effort:
            size = (image.shape[0], image.shape[1])
            features = None if felt is None else felt(g, coder.sites)
            measure = partial(
                squared_error, sites=coder.sites, model=decoder, padded=padded, size=size, features=features
            )
            residuals = rate_distortion_search(
                targets, hyper, coder, measure, effort, encoder.error_weights, features
            )
        payload, symbols = encode_group(targets, hyper, coder, residuals, keep_residuals=False)
        payloads.append(payload)
        note(g, symbols.latents, coder.sites)
    return payloads


def _features_of(
    padded: Pixels, labels: Array, groups: Sequence[Group], encoder: Encoder
) -> Callable[[Group, Sites], FeatureDistance] | None:
    """What gives the distance of features for the cells of a group, if features count.

    A group of level other is seen in the image, the others where level other is grey: a receiver may have
    fetched them alone.
    """
    if encoder.feature_weights is None:
        return None
    backbone, weights = load_backbone(), encoder.feature_weights
    scales = feature_scales(backbone, padded)
    other = [g.index + 1 for g in groups if g.level == Level.OTHER]
    alone = surroundings(padded, np.isin(labels, other)) if len(other) < len(groups) else padded

    def features(g: Group, sites: Sites) -> FeatureDistance:
        shown = padded if g.level == Level.OTHER else alone
        return FeatureDistance(backbone, scales, shown, sites, by_quality(weights, g.quality))

    return features


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
        payloads: of the groups.
        labels: ``uint8 [rows, cols]`` group map.
        before, after: chunks in front of and behind the groups.
    """
    coded = map_payload(labels, len(groups))
    done = tuple(replace(g, state=COMPLETE, payload=p) for g, p in zip(groups, payloads, strict=True))
    return build(Stream(head, done, coded, tuple(before), tuple(after), labels=labels))
