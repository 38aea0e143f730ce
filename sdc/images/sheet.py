"""A contact sheet of a stream: one image that shows what is in it and what each level costs."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from PIL import Image

from ..codec.decoder import decode
from ..colour.profiles import profile_for
from ..errors import SdcError
from ..format.colr import parse_colour
from ..format.metadata import icc_profile
from ..format.objs import parse_objects
from ..format.prov import parse_provenance
from ..format.source import Readable
from ..format.stream import Stream
from ..networks.registry import model_for
from ..objects.grouping import group_map
from ..objects.object import Object
from ..types import Limits, Pixels
from .drawing import draw_objects, frame_size, legend_colour, panel_image, tinted
from .layout import ALARM, INK, Line, Panel, compose
from .panels import bpp_text, bytes_text, level_panel, map_panel, reasons_panel, restored_panels


def sheet(
    source: Readable | Stream,
    original: Pixels | None = None,
    *,
    restore: bool | int = False,
    strength: float = 1.0,
    limits: Limits = Limits(),
) -> Image.Image:
    """Draw the contact sheet of a stream.

    It shows the original if there is one, the group map with the objects, and what a receiver sees that stops
    after each level, with the bytes it has fetched by then: those of the file from its start to the end of
    the level's last group.
    Cells that are not decoded are a checkerboard.
    Groups do not depend on one another, so one decoding serves all panels.

    Args:
        source: a path, the file's bytes, a seekable binary file, or a parsed stream; a partial stream will
            do, and what is missing is named.
        original: ``uint8 [H, W, 3]`` RGB; adds a panel, and the PSNR of the decoded cells to the captions.
        restore, strength: adds the restored image beside what was captured, restored as
            :func:`sdc.codec.decoder.decode` does it.
        limits: as for :func:`sdc.codec.decoder.decode`.

    Returns:
        An RGB image, a size of its own.

    Raises:
        SdcError: the stream is invalid or unsupported; ``E_LIMIT``; ``E_PICTURE`` when the original is of
            another size.
    """
    decoded = decode(source, restore=restore, strength=strength, limits=limits)
    stream = decoded.stream
    head = stream.head
    if original is not None and original.shape != (head.height, head.width, 3):
        found, wanted = list(original.shape), [head.height, head.width, 3]
        raise SdcError("E_PICTURE", f"the original has the shape {found}, the stream {wanted}", "original")
    size = frame_size(head.width, head.height)
    panels = []
    if original is not None:
        words: Line = [(f"{head.width} x {head.height} pixels", INK)]
        panels.append(Panel(panel_image(original, None, size), "original", words))
    trouble: Line = []
    things: tuple[Object, ...] = ()
    try:
        things = parse_objects(stream, masks=False)
    except SdcError as error:
        trouble.append((f"objects unreadable: {error.code}", ALARM))
    panels.append(map_panel(stream, decoded, things, trouble, size))
    panels += reasons_panel(things, parse_provenance(stream), size)
    panels += [level_panel(stream, decoded, k, original, size) for k in stream.levels]
    panels += restored_panels(stream, decoded, original, size)
    out = compose(_title(stream), panels, size)
    profile = profile_for(parse_colour(stream), icc_profile(stream))
    if profile is not None:
        out.info["icc_profile"] = profile
    return out


def _title(stream: Stream) -> Line:
    """What is said of the whole stream."""
    head = stream.head
    title: Line = [
        (f"{head.width} x {head.height} pixels", INK),
        (bytes_text(stream.size), INK),
        (bpp_text(stream.size, head.width * head.height), INK),
        (f"model {head.model} ({model_for(head.model, head.weights).name})", INK),
    ]
    if stream.errors:
        title.append(("partial stream", ALARM))
    return title


def objects_sheet(
    pixels: Pixels, objects: Sequence[Object], provenance: dict[str, Any] | None = None
) -> Image.Image:
    """Draw the objects of an image: boxes, labels, the cells of each level, and the reasons.

    Args:
        pixels: ``uint8 [H, W, 3]`` RGB.
        objects: what is in it.
        provenance: how they were found, what ``spec/objects.md`` calls ``analysis``.

    Returns:
        An RGB image, a size of its own.

    Raises:
        SdcError: ``E_OBJECTS`` for an object that leaves the image.
    """
    height, width = pixels.shape[:2]
    size = frame_size(width, height)
    grouped = group_map(objects, width, height)
    things = sorted(grouped.objects, key=lambda thing: thing.rank or 0)
    image = tinted(panel_image(pixels, None, size), grouped.labels, grouped.levels, width, height)
    draw_objects(image, things, (size[0] / width, size[1] / height))
    counts = np.bincount(grouped.labels.reshape(-1) - 1, minlength=len(grouped.levels))
    items: Line = [
        (f"{level} {100 * count / grouped.labels.size:.0f} % of cells", legend_colour(level))
        for level, count in zip(grouped.levels, counts.tolist(), strict=True)
    ]
    many = f"{len(things)} object" + ("" if len(things) == 1 else "s")
    panels = [Panel(image, many, items), *reasons_panel(things, provenance, size)]
    return compose([(f"{width} x {height} pixels", INK)], panels, size)
