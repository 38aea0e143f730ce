"""``sdc encode``: image to stream."""

from __future__ import annotations

from typing import Any

from ..codec.encoder import encode
from ..codec.presets import EQUAL, OF_OBJECTS, OF_REGIONS, PRESETS, Preset
from ..errors import SdcError
from ..objects.document import load_analysis
from ..objects.object import Object
from .files import PIPE, check_stream_output, objects_path, read_objects_file, read_source, write_whole
from .messages import Args, Said, shortened


def unused_purpose(args: Args, about: dict[str, Any] | None, what: str) -> Said:
    """A note where no model has ranked by the words after ``--for``; what else they are not."""
    if not args.purpose.strip() or "for" in (about or {}):
        return []
    return [f"--for changes nothing: no model ranks by {shortened(args.purpose)!r}{what}"]


def encode_one(args: Args, source: str, target: str) -> Said:
    """Encode one image file."""
    from ..images.read import read_picture

    if args.metadata_first and args.no_metadata:
        raise SdcError("E_USAGE", "--metadata-first and --no-metadata exclude each other")
    check_stream_output(target)
    picture = read_picture(read_source(source), background=args.background, max_pixels=args.max_pixels)
    height, width = picture.pixels.shape[:2]
    notes: Said = list(picture.notes)
    described: Any = {"objects": []}
    if (path := objects_path(args, source)) is not None:
        described = read_objects_file(path)
    elif args.objects_file is None:
        from ..analysis.cached import analysed

        described, warnings = analysed(picture.pixels, args)
        notes += warnings
    task = args.purpose.strip().casefold()
    preset = PRESETS.get(task)
    about = load_analysis(described)
    found = (about or {}).get("grounding")
    if task in OF_OBJECTS and isinstance(found, dict) and found.get("provider") in OF_REGIONS:
        preset = Preset(model=PRESETS[task].model, effort=PRESETS[task].effort)
        used = "is not used" if preset == EQUAL else "gives the model and the effort alone"
        notes.append(
            f"the preset of {task} {used}: what stands out is no object; name a --detector or --objects"
        )
    if preset is None:
        ranked = None if args.objects_file is not None else about
        notes += unused_purpose(args, ranked, f", and it is no preset ({', '.join(PRESETS)})")
    data = encode(
        picture.pixels,
        objects=Object.load(described, width, height, None if source == PIPE else source),
        provenance=about,
        quality=args.quality,
        preset=preset or EQUAL,
        margin=args.margin,
        group_by=args.group_by,
        icc_profile=picture.icc_profile,
        metadata="first" if args.metadata_first else not args.no_metadata,
        pixel_masks=args.pixel_masks,
        model=args.model,
        effort=args.effort,
    )
    write_whole(target, data)
    return notes
