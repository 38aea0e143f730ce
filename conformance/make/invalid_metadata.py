"""Vectors with one fault in OBJS."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from sdc.format.chunks import OBJS

from .book import Book
from .streams import (
    compose,
    longer,
    map_payload,
    objs,
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

    def one(name: str, row: dict[str, Any], ids: str, why: str, codes: str = "E_OBJS") -> None:
        refuse(f"objs-{name}", ((OBJS, objs([row])),), codes, ids, why)

    pixels = np.ones((8, 8))
    pixels[2:5, 3:6] = 0
    full = map_payload(pixels, 1)
    one("group", {"group": 1}, "OBJS-03 OBJS-17", "a group that the stream does not have")
    one("group-255", {"group": 255}, "OBJS-03", "a group that no stream has")
    one("x-65536", {"x": 65536}, "OBJS-04", "a left side beyond 65535")
    one("y-65536", {"y": 65536}, "OBJS-05", "a top side beyond 65535")
    one("width-0", {"width": 0}, "OBJS-06", "a box without width")
    one("height-0", {"height": 0}, "OBJS-07", "a box without height")
    one("width-9", {"width": 9}, "OBJS-06", "a box wider than the picture")
    one("height-9", {"height": 9}, "OBJS-07", "a box higher than the picture")
    one("right-of-picture", {"x": 8, "width": 1}, "OBJS-04 OBJS-06", "a box to the right of the picture")
    one("below-picture", {"y": 7, "height": 2}, "OBJS-05 OBJS-07", "a box that reaches out below")
    one("rank-4095", {"rank": 4095}, "OBJS-09", "a rank beyond 4094")
    one("label-256", {"label": b"l" * 256}, "OBJS-10", "a label of 256 bytes")
    one("reason-4096", {"reason": b"r" * 4096}, "OBJS-12", "a reason of 4096 bytes")
    for k, text in enumerate(
        [b"\xff", b"\xc3", b"\xc0\x80", b"\xed\xa0\x80", b"\xf4\x90\x80\x80", b"\xe0\x80\xaf"]
    ):
        one(f"label-not-utf8-{k}", {"label": text}, "OBJS-11 NOTA-06", "a label that is not UTF-8")
    one("reason-not-utf8", {"reason": b"a\xed\xbf\xbf"}, "OBJS-13 NOTA-06", "a reason with a surrogate")
    one(
        "coding-2",
        {"coding": 2, "mask": full, "width": 8, "height": 8},
        "OBJS-14",
        "an unknown coding of the pixel mask",
    )
    one("mask-without-coding", {"mask": b"\0\0"}, "OBJS-15", "a pixel mask with the coding for none")
    one(
        "mask-empty",
        {"coding": 1, "mask": map_payload(np.zeros((8, 8)), 1), "width": 8, "height": 8},
        "OBJS-16",
        "a pixel mask without a pixel",
    )
    one(
        "mask-trailing",
        {"coding": 1, "mask": full + b"\0\0", "width": 8, "height": 8},
        "OBJS-16 OBJS-17 MASK-06",
        "a word too many in a pixel mask",
    )
    one(
        "mask-odd",
        {"coding": 1, "mask": full + b"\0", "width": 8, "height": 8},
        "OBJS-16 OBJS-17",
        "an odd number of bytes in a pixel mask",
    )
    refuse("objs-count-0", ((OBJS, b"\0"),), "E_OBJS", "OBJS-01", "no object")
    refuse(
        "objs-rank-falls",
        ((OBJS, objs([{"rank": 2}, {"rank": 1}])),),
        "E_OBJS",
        "OBJS-02",
        "a rank below that of the object before",
    )
    rows = [{"width": 8, "height": 8, "coding": 1, "rank": k, "mask": full} for k in range(5)]
    refuse(
        "objs-mask-area",
        ((OBJS, objs(rows)),),
        "E_OBJS",
        "OBJS-16",
        "pixel masks of five times the picture's area",
    )
    refuse(
        "objs-mask-2-22",
        ((OBJS, objs([{"width": 2049, "height": 2048, "coding": 1, "mask": full}])),),
        "E_OBJS",
        "OBJS-16 LIMT-01",
        "a pixel mask of more than 2^22 pixels",
        (2064, 2048),
    )
    refuse(
        "objs-mask-65536",
        ((OBJS, objs([{"width": 8, "height": 8, "coding": 1, "mask": bytes(4) + b"\0" * 65532}])),),
        "E_OBJS",
        "OBJS-15",
        "a pixel mask of 65536 bytes",
    )
    refuse(
        "objs-short",
        ((OBJS, objs([{}])[:-1]),),
        "E_PAYLOAD_LENGTH",
        "CHNK-03 OBJS-17",
        "OBJS without its last byte",
    )
    refuse(
        "objs-long",
        ((OBJS, objs([{}]) + b"\0"),),
        "E_PAYLOAD_LENGTH",
        "CHNK-03 OBJS-17",
        "OBJS with a byte too many",
    )
    refuse(
        "objs-count-too-large",
        ((OBJS, objs([{}], 2)),),
        "E_PAYLOAD_LENGTH",
        "CHNK-03 OBJS-01",
        "OBJS counts more objects than it lists",
    )
    refuse(
        "objs-varint",
        ((OBJS, longer(1, 2) + objs([{}])[1:]),),
        "E_VARINT",
        "NOTA-05 OBJS-17",
        "a number of OBJS in a longer form than needed",
    )
