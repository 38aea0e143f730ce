"""``sdc analyze``: find and rank the objects of an image."""

from __future__ import annotations

import json
import os
from pathlib import Path

import numpy as np

from ..errors import SdcError
from ..objects.document import load_analysis
from ..objects.object import Object
from .encode import unused_purpose
from .files import PIPE, check_output, is_image_name, is_same, is_stream_name, read_source, write_whole
from .messages import Args, Said


def analyze_one(args: Args, source: str, target: str) -> Said:
    """Find and rank the objects of one image, and write them."""
    from ..analysis.cached import analysed
    from ..images.read import read_picture
    from ..images.sheet import objects_sheet
    from ..images.write import format_of, write_picture

    if target != PIPE and (is_image_name(target) or is_stream_name(target)):
        other = Path(target).with_suffix(".json").name
        raise SdcError("E_USAGE", f"objects get no name of a picture or stream: {other} will do", target)
    if args.picture is not None:
        format_of(Path(args.picture).suffix)
        if os.path.isdir(args.input):
            raise SdcError("E_USAGE", "a picture is drawn of one picture, not of a folder", "--picture")
        check_output(args, source, args.picture)
        if args.picture == target or is_same(args.picture, target):
            raise SdcError("E_USAGE", "the objects and their picture are the same file", args.picture)
    picture = read_picture(read_source(source), background=(255, 255, 255), max_pixels=args.max_pixels)
    height, width = picture.pixels.shape[:2]
    described, warnings = analysed(picture.pixels, args)
    objects = Object.load(described, width, height)
    if args.picture is not None:
        drawn = objects_sheet(picture.pixels, objects, load_analysis(described))
        data = write_picture(np.asarray(drawn), None, None, Path(args.picture).suffix)[0]
        write_whole(args.picture, data)
    write_whole(target, (json.dumps(described, indent=1, ensure_ascii=False) + "\n").encode())
    return [*picture.notes, *warnings, *unused_purpose(args, load_analysis(described), "")]
