"""Framing and mask bytes."""

from __future__ import annotations

import argparse
import json
import statistics

import numpy as np

from sdc.coding.labels import encode_map
from sdc.format.parse import parse
from sdc.objects.grouping import group_map
from sdc.objects.object import Object

from ..encoders import encoder_of
from ..options import add


def arguments(parser: argparse.ArgumentParser) -> None:
    """The arguments of the command."""
    add(parser, "coco! model")


def run(args: argparse.Namespace) -> None:
    """Framing and mask bytes."""
    source = json.loads((args.coco / "instances.json").read_text())
    coder = encoder_of(args.model)
    masks, framing = [], []
    for row in source["images"]:
        height, width = row["height"], row["width"]
        objects = Object.load(source, width, height, row["file_name"])
        # The budget is stated for 48x32 cells: the objects stretched to 768x512, on their side if upright.
        size = (768, 512) if width >= height else (512, 768)
        grouped = group_map(Object.load(source, *size, row["file_name"]), *size)
        masks.append(len(encode_map(grouped.labels, len(grouped.levels))))
        noise = np.random.default_rng(0).integers(0, 256, (height, width, 3)).astype(np.uint8)
        data = coder(noise, objects=objects, metadata=False)
        stream = parse(data)
        payloads = sum(len(g.payload or b"") for g in stream.groups) + len(stream.mask or b"")
        if len(stream.groups) == 4:
            framing.append(len(data) - payloads)
    print(f"{len(masks)} maps of 48x32 cells: mean {statistics.mean(masks):.1f} bytes, largest {max(masks)}")
    print(
        f"framing of the {len(framing)} streams with four groups: mean {statistics.mean(framing):.1f} bytes, "
        f"largest {max(framing)}"
    )
