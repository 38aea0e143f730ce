"""Vectors with one fault in OBJS."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from sdc.format.chunks import OBJS

from .book import Book
from .objects import objs
from .streams import (
    compose,
    longer,
    map_payload,
)


def invalid_metadata(book: Book) -> None:
    """One fault in OBJS: ``info`` refuses, ``decode`` gives the pixels all the same."""

    def refuse(
        name: str,
        before: Sequence[tuple[int, bytes]],
        codes: str,
        ids: str,
        why: str,
        size: tuple[int, int] = (8, 8),
    ) -> None:
        book.refuse(
            f"invalid/{name}.sdc",
            compose(*size, before=before).build(),
            codes,
            ids,
            fault="metadata",
            why=why,
            needs=["OBJS"],
            accept="OBJS-18",
        )

    def one(name: str, row: Any, ids: str, why: str, codes: str = "E_OBJS", **more: Any) -> None:
        refuse(f"objs-{name}", ((OBJS, objs([row], **more)),), codes, ids, why)

    pixels = np.ones((8, 8))
    pixels[2:5, 3:6] = 0
    mask = map_payload(pixels, 1)
    masked = {"mask": mask, "width": 8, "height": 8}
    refuse("objs-count-0", ((OBJS, objs([])),), "E_OBJS", "OBJS-01 OBJS-17", "no object")
    refuse(
        "objs-count-4096",
        ((OBJS, objs([{}], change={"count": 4096})),),
        "E_OBJS",
        "OBJS-01",
        "more than 4095 objects, which take no byte",
    )
    for unit in (5, 6, 7):
        one(f"unit-{unit}", {}, "OBJS-19 OBJS-17", "a unit that is not defined", layout=unit)
    for bit in (6, 7):
        one(f"layout-bit-{bit}", {}, "OBJS-19", "a bit of the layout that must be 0", layout=1 << bit)
    for bit, name in ((3, "scores"), (4, "ranks"), (5, "masks")):
        one(f"{name}-needless", {}, "OBJS-19", f"{name} are coded, and none is of its own", layout=1 << bit)
    for name, length, id_, utf8 in (
        ("label", 255, "OBJS-10", "OBJS-11"),
        ("reason", 4095, "OBJS-12", "OBJS-13"),
    ):
        field = f"{name}s"
        one(f"{name}-{length + 1}", {name: b"t" * (length + 1)}, id_, f"a {name} of {length + 1} bytes")
        one(f"{name}-0", {name: b""}, id_, f"a {name} of no byte", change={field: [b""]})
        twice = [{name: b"a"}, {name: b"b"}]
        refuse(
            f"objs-{name}-twice",
            ((OBJS, objs(twice).replace(b"\1b", b"\1a")),),
            "E_OBJS",
            "OBJS-20",
            f"the same {name} twice in its list",
        )
        one(
            f"{name}-unused",
            {name: b"a"},
            "OBJS-21",
            f"a {name} that no object has",
            change={field: [b"a", b"b"]},
        )
        for k, text in enumerate(
            [b"\xff", b"\xc3", b"\xc0\x80", b"\xed\xa0\x80", b"\xf4\x90\x80\x80", b"\xe0\x80\xaf"]
        ):
            one(f"{name}-not-utf8-{k}", {name: text}, f"{utf8} NOTA-06", f"a {name} that is not UTF-8")
    scored = [{"x": k, "y": 6, "width": 3, "height": 2, "score": 70 + k} for k in range(5)]
    right = objs(scored)[5:]
    for name, coded, why in (
        ("state", bytes(len(right)), "objects whose first state is 0 in spite of its bytes"),
        ("cut", right[:-2], "the last word of the objects is missing"),
        ("long", right + bytes(80), "words are left behind the last object"),
    ):
        data = objs(scored, change={"coded": coded})
        refuse(f"objs-coded-{name}", ((OBJS, data),), "E_OBJS", "OBJS-21 OBJS-17", why)
    for name, masks, why in (
        ("short", mask[:-1], "a byte of the pixel masks is missing"),
        ("long", mask + b"\1", "a byte too many behind the pixel masks"),
        ("none", b"", "the pixel masks are missing"),
    ):
        one(f"masks-{name}", masked, "OBJS-15", why, change={"masks": masks})
    one(
        "mask-empty",
        {**masked, "mask": map_payload(np.zeros((8, 8)), 1)},
        "OBJS-16",
        "a pixel mask without a pixel",
    )
    one(
        "mask-trailing",
        {**masked, "mask": mask + bytes(200)},
        "OBJS-16 OBJS-17 MASK-06",
        "words too many in a pixel mask",
    )
    one(
        "mask-cut",
        {**masked, "mask": mask[:-2]},
        "OBJS-16 OBJS-17",
        "the last word of a pixel mask is missing",
    )
    refuse(
        "objs-mask-area",
        ((OBJS, objs([masked] * 5)),),
        "E_OBJS",
        "OBJS-16",
        "pixel masks of five times the picture's area",
    )
    wide = (2064, 2048)
    refuse(
        "objs-mask-2-22",
        ((OBJS, objs([{"width": 2049, "height": 2048, "mask": mask}], wide)),),
        "E_OBJS",
        "OBJS-16 LIMT-01",
        "a pixel mask of more than 2^22 pixels",
        wide,
    )
    refuse(
        "objs-mask-2-22-by-unit",
        ((OBJS, objs([{"width": 2047, "height": 2049, "mask": mask}], (2064, 2064), unit=4)),),
        "E_OBJS",
        "OBJS-16 OBJS-22",
        "a box of at most 2^22 pixels but for its unit",
        (2064, 2064),
    )
    one(
        "short",
        {},
        "CHNK-03 OBJS-17",
        "OBJS ends within its objects",
        "E_PAYLOAD_LENGTH",
        change={"coded_length": 1},
    )
    refuse(
        "objs-cut",
        ((OBJS, objs([{"label": b"cut off"}])[:7]),),
        "E_PAYLOAD_LENGTH",
        "CHNK-03 OBJS-17",
        "OBJS ends within a label",
    )
    refuse(
        "objs-varint",
        ((OBJS, longer(1, 2) + objs([{}])[1:]),),
        "E_VARINT",
        "NOTA-05 OBJS-17",
        "a number of OBJS in a longer form than needed",
    )
