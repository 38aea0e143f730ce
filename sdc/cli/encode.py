"""``sdc encode``: image to stream."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from ..codec.encoder import encode
from ..codec.presets import EQUAL, PRESETS
from ..errors import SdcError
from ..objects.document import load_analysis, load_objects
from ..objects.object import Object
from ..types import Pixels
from .files import PIPE, check_stream_output, objects_path, read_objects_file, read_source, write_whole
from .messages import Args, Said, shortened


def unused_purpose(args: Args, provenance: dict[str, Any] | None, what: str) -> Said:
    """A note where no model has ranked by the words after ``--for``; what else they are not."""
    if not args.purpose.strip() or "for" in (provenance or {}):
        return []
    return [f"--for changes nothing: no model ranks by {shortened(args.purpose)!r}{what}"]


def encode_one(args: Args, source: str, target: str) -> Said:
    """Encode one image file."""
    from ..images.read import read_picture

    if args.metadata_first and args.no_metadata:
        raise SdcError("E_USAGE", "--metadata-first and --no-metadata exclude each other")
    check_stream_output(target)
    picture = read_picture(read_source(source), background=args.background, max_pixels=args.max_pixels)
    notes: Said = list(picture.notes)
    objects, provenance, warnings = _described(args, source, picture.pixels)
    notes += warnings
    task = args.purpose.strip().casefold()
    if task not in PRESETS:
        ranked = None if args.objects_file is not None else provenance
        notes += unused_purpose(args, ranked, f", and it is no preset ({', '.join(PRESETS)})")
    data = encode(
        picture.pixels,
        objects=objects,
        provenance=provenance,
        quality=args.quality,
        preset=task if task in PRESETS else EQUAL,
        margin=args.margin,
        group_by=args.group_by,
        icc=picture.icc,
        metadata="first" if args.metadata_first else not args.no_metadata,
        pixel_masks=args.pixel_masks,
        model=args.model,
        effort=args.effort,
    )
    write_whole(target, data)
    return [*notes, *data.notes]


def _described(
    args: Args, source: str, pixels: Pixels
) -> tuple[Sequence[Object], dict[str, Any] | None, list[str]]:
    """The objects of an image by its file of objects, or by the analysis.

    Returns:
        ``(objects, how they were found, warnings of the analysis)``.
    """
    if args.objects_file == "none":
        return (), None, []
    path = objects_path(args, source)
    if path is None:
        from ..analysis.cache import analyze_cached
        from .analysis_options import options_of

        found = analyze_cached(pixels, options_of(args), args.cache)
        return found.objects, found.provenance, found.warnings
    described = read_objects_file(path)
    height, width = pixels.shape[:2]
    name = None if source == PIPE else source
    provenance = load_analysis(described)
    return load_objects(described, width, height, name), provenance, []
