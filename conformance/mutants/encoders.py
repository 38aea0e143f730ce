"""Encoders with a fault, which the suite must fail at tier E."""

from __future__ import annotations

import os
from collections.abc import Callable
from dataclasses import replace
from typing import Any

from sdc import encode, extract
from sdc.format.build import build
from sdc.format.chunks import Chunk
from sdc.format.parse import parse
from sdc.images.read import read_image
from sdc.types import Level

from ..adapter import encode_answer

ENCODERS = {
    "encoder-cuts": "leaves the last column of pixels away",
    "encoder-garbage": "writes nonsense as the last group's payload, with a right CRC",
    "encoder-no-mask": "takes no notice of the objects",
    "encoder-swaps-levels": "puts the most important objects into the last group",
    "encoder-low-quality": "encodes with half the quality and says so",
    "encoder-lies": "encodes with half the quality and says otherwise",
    "encoder-cheats": "encodes a picture of fewer colours under the quality asked for",
    "encoder-bloats": "fills the file up",
    "encoder-random": "writes something else each time",
    "encoder-withdraws": "leaves the last group away",
    "encoder-empty": "writes an empty file",
    "encoder-hides": "encodes the negative and says so in a chunk that decoders may ignore",
    "encoder-tells": "keeps the mean colour in a chunk that is safe to copy",
}

BREAKS = {"encoder-hides": ["EXTN-02"], "encoder-tells": ["EXTN-03"]}
"""Sentences that an encoder breaks, CONF-03 by default."""


def faulty_encoder(name: str) -> Callable[..., tuple[dict[str, Any], bytes]]:
    """What stands in for the adapter's ``encode_answer`` in an encoder with a fault."""

    def coded(image: Any, *, objects: Any, quality: Any) -> bytes:
        if name == "encoder-cuts" and image.shape[1] > 1:
            image = image[:, :-1]
            objects = [o for o in objects if o.box[0] + o.box[2] <= image.shape[1]]
        if name == "encoder-hides":
            image = 255 - image
        if name == "encoder-cheats":
            image = image // 64 * 64
        if name in ("encoder-low-quality", "encoder-lies"):
            half = {level: number // 2 for level, number in quality.items()} if objects else quality // 2
            return encode(image, objects=objects, quality=half)
        if name == "encoder-no-mask" and objects:
            return encode(image, quality=quality["other"])
        if name == "encoder-swaps-levels":
            objects = [replace(o, level=Level.OTHER if o.level == Level.L1 else o.level) for o in objects]
        return encode(image, objects=objects, quality=quality)

    def answer(data: bytes, quality: Any, objects: Any = None) -> tuple[dict[str, Any], bytes]:
        claim, new = encode_answer(data, quality, objects, coded)
        stream = parse(new)
        if name == "encoder-lies":
            for group in claim["groups"]:
                level = ("L1", "L2", "L3", "other")[group["level"]]
                group["quality"] = quality[level] if isinstance(quality, dict) else quality
        if name == "encoder-garbage":
            last = replace(stream.groups[-1], payload=bytes(range(1, 251)) * 40)
            new = build(replace(stream, groups=(*stream.groups[:-1], last)))
        if name in ("encoder-bloats", "encoder-random"):
            extra = Chunk(0xE5, os.urandom(8) if name == "encoder-random" else bytes(20000))
            new = build(replace(stream, after=(*stream.after, extra)))
        if name == "encoder-hides":
            new = build(replace(stream, after=(*stream.after, Chunk(0xA5, b"negative"))))
        if name == "encoder-tells":
            mean = read_image(data).pixels.mean((0, 1)).astype("u1").tobytes()
            new = build(replace(stream, after=(*stream.after, Chunk(0xE5, mean))))
        if name == "encoder-withdraws":
            new = extract(new, groups=range(len(stream.groups) - 1))
        return claim, b"" if name == "encoder-empty" else new

    return answer
