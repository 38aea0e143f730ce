"""Vectors with one fault in the group map."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np

from sdc.coding.rans import Encoder

from .book import Book
from .maps import finish_from, put_map
from .streams import (
    compose,
    map_payload,
    scattered,
)


def invalid_map(book: Book) -> None:
    """One fault in the group map."""

    def build(payload: bytes, count: int = 2, width: int = 32, height: int = 16) -> bytes:
        groups = tuple((3, 0) for _ in range(count))
        return replace(
            compose(width, height, ((3, 0),)), groups=groups, payloads=(b"",) * count, map=payload
        ).build()

    def refuse(name: str, data: bytes, codes: str, ids: str, why: str) -> None:
        book.refuse(f"invalid/{name}.sdc", data, codes, ids, fault="map", why=why)

    good = map_payload([[1, 2]], 2)
    refuse(
        "map-empty-group",
        build(map_payload([[1, 1]], 2)),
        "E_MASK_EMPTY_GROUP",
        "MASK-03",
        "the second group has no cell",
    )
    refuse(
        "map-empty-first-group",
        build(map_payload([[2, 2]], 2)),
        "E_MASK_EMPTY_GROUP",
        "MASK-03",
        "the first group has no cell",
    )
    refuse(
        "map-only-holes",
        build(map_payload([[0, 0]], 1), 1),
        "E_MASK_EMPTY_GROUP",
        "MASK-03",
        "the only group has no cell",
    )
    for k, labels in ((0, [[1, 0, 0, 1], [1, 1, 1, 0]]), (1, [[0, 1], [1, 0]])):
        refuse(
            f"map-label-{k}",
            build(no_label(labels), 1, 16 * len(labels[0]), 32),
            "E_MASK_LABEL",
            "MASK-05",
            "all labels are refused where none is left",
        )
    refuse(
        "map-of-no-byte",
        build(b""),
        "E_MASK_EMPTY_GROUP",
        "MASK-03 MASK-06",
        "a group map without a byte, in which all cells are of the last of two groups",
    )
    state = min(len(good), 4 - len(good) % 2)
    refuse(
        "map-rans-state",
        build(good[: state - 1] + b"\0" + good[state:]),
        "E_RANS_STATE",
        "RANS-03",
        "the last byte of the first state is 0",
    )
    noisy = scattered(9, 4, 4, 2)
    coded = map_payload(noisy, 2)
    refuse(
        "map-rans-word-missing",
        build(coded[:-2], 2, 64, 64),
        "E_RANS_FINAL",
        "RANS-07 RANS-11",
        "the last word of a group map is missing",
    )
    refuse(
        "map-rans-trailing",
        build(coded + bytes(200), 2, 64, 64),
        "E_RANS_FINAL",
        "RANS-07 MASK-06",
        "a hundred words too many behind a group map",
    )
    refuse(
        "map-rans-word-too-many",
        build(coded + bytes(2), 2, 64, 64),
        "E_RANS_FINAL",
        "RANS-07 MASK-06",
        "a word too many behind a group map, which the last symbols may use",
    )
    encoder = Encoder()
    put_map(encoder, [[1, 2]], 2)
    refuse(
        "map-rans-final",
        build(finish_from(encoder)),
        "E_RANS_FINAL",
        "RANS-07 MASK-06",
        "a group map whose last state is not 0",
    )


def no_label(labels: Any) -> bytes:
    """A label map of one group in which the last label that can be is neither of the two."""
    flat = np.array(labels)
    for at in range(flat.size - 1, 0, -1):
        encoder = Encoder()
        try:
            put_map(encoder, labels, 1, at)
        except ValueError:
            continue
        return encoder.finish()
    raise AssertionError("no such label")
