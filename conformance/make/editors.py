"""Vectors for editors: streams of which parts are extracted."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from itertools import combinations

from sdc.errors import SdcError
from sdc.format.chunks import EXIF, ICCP, OBJS, PROV, REST, XMPP

from ..adapter import digest, extract_answer
from .book import UNKNOWN, Book
from .metadata import four
from .objects import objs
from .partial import layout
from .restored import rest
from .streams import (
    FOUR,
    FOUR_MAP,
    chunk,
    compose,
    flipped,
    icc,
    map_payload,
    small,
)


def editors(book: Book) -> None:
    """Extraction: the stream that an editor must write."""
    rows = [{"group": k, "x": 2 * k, "rank": k, "label": f"object {k}".encode()} for k in range(4)]
    unknown = ((0x8A, b"not safe"), (0xCA, b"safe"), (0xAB, b""), (0xEB, b"safe too"))
    base = compose(
        48,
        32,
        FOUR,
        FOUR_MAP,
        [small(k) for k in range(4)],
        before=((ICCP, icc()), *unknown),
        after=((OBJS, objs(rows, (48, 32), 4)), *unknown),
    )

    def add(
        name: str, data: bytes, selections: Sequence[Sequence[int]], ids: str, why: str, reject: str = ""
    ) -> None:
        ask = []
        for groups in selections:
            try:
                found, new = extract_answer(data, groups)
                ask.append(
                    {
                        "op": "extract",
                        "tier": "X",
                        "groups": list(groups),
                        "exit": found["exit"],
                        "answer": {"data": digest(new)},
                    }
                )
            except SdcError as error:
                ask.append(
                    {
                        "op": "extract",
                        "tier": "X",
                        "groups": list(groups),
                        "exit": error.exit_status,
                        "codes": [error.code],
                    }
                )
        book.add(
            f"edit/{name}.sdc",
            data,
            ask,
            why=why,
            how="what section 17.1 leaves is one stream only",
            accept=[*ids.split(), "CONF-04"],
            reject=reject.split(),
            seed=0,
        )

    every = [list(c) for n in range(5) for c in combinations(range(4), n)]
    add(
        "everything.sdc"[:-4],
        base.build(),
        every,
        "EDIT-01 EDIT-02 EDIT-03 EDIT-04 EDIT-06",
        "objects, a profile and unknown chunks of all kinds; every subset of four groups",
    )
    add(
        "one-withdrawn-already",
        base.with_payload(1, None).build(),
        [[0, 2, 3], [0, 1], [1]],
        "EDIT-01 EDIT-04",
        "a group that is withdrawn already",
        "EDIT-05",
    )
    own = base.data()
    own[2] = flipped(own[2], 8)
    add(
        "one-damaged",
        base.build(data=own),
        [[0, 1, 2, 3], [2], [0, 1]],
        "EDIT-05 EDIT-11",
        "a damaged group is written as withdrawn, and what may be about it goes",
        "EDIT-05",
    )
    add(
        "truncated",
        base.build()[: layout(base)[-8][1] + 3],
        [[0, 1, 2, 3], [0]],
        "EDIT-05 EDIT-11",
        "a stream that is cut off: groups that are to be kept count as withdrawn",
        "EDIT-05",
    )
    hurt = base.build(after=[flipped(chunk(0xCA, b"safe"), 3), chunk(0xCA, b"lost")])
    add(
        "damaged-chunk",
        hurt,
        [[0, 1, 2, 3], [1]],
        "TOOL-12 EDIT-04",
        "a damaged chunk behind the groups is named and counts as missing",
        "TOOL-12",
    )
    bad = replace(base, after=((OBJS, objs([{"label": b"lost"}], change={"coded": b"\0"})), (0xCA, b"safe")))
    add(
        "objs-unreadable",
        bad.build(),
        [[0, 1, 2, 3], [0, 1]],
        "EDIT-02 EDIT-04 EDIT-08",
        "objects that cannot be read go when a group goes, and stay when none does",
    )
    told = replace(base, before=((PROV, b'{"for": "a"}'), (0xCA, b"safe")), after=((PROV, b"no JSON"),))
    add(
        "provenance",
        told.build(),
        [[0, 1, 2, 3], [0, 1], []],
        "EDIT-09 PROV-02 EDIT-04",
        "PROV, one of them unusable, goes when a group goes, and stays when none does",
        "EDIT-09",
    )
    vectors = [(0, (1, 2, 3, 4)), (2, (-1, -2, -3, -4)), (255, (9, 9, 9, 9))]
    found = [(0, 1, 200), (2, 1, 100), (2, 7, 0), (3, 9, 9), (255, 4, 4)]
    restoring = replace(base, before=((0xCA, b"safe"), (REST, rest(vectors, found))))
    add(
        "restoration",
        restoring.build(),
        every,
        "EDIT-12 EDIT-04",
        "vectors and degradations go with their groups, and all of REST with the last group",
        "EDIT-12",
    )
    unreadable = replace(base, after=((REST, rest([(9, (1,))])), (0xCA, b"safe")))
    add(
        "restoration-unreadable",
        unreadable.build(),
        [[0, 1, 2, 3], [0, 1]],
        "EDIT-12 EDIT-04 EDIT-08",
        "a REST that cannot be read goes when a group goes, and stays when none does",
    )
    add(
        "colour-exif-xmp",
        four().build(),
        [[0, 1, 2, 3], [0, 2], []],
        "EDIT-04 EDIT-10",
        "colour spaces stay when a group goes, EXIF and XMP do not",
        "EDIT-10",
    )
    add(
        "exif-unreadable",
        replace(four(), after=((EXIF, b"\x08"), (XMPP, b""))).build(),
        [[0, 1, 2, 3], [3]],
        "EDIT-08 EDIT-10",
        "EXIF and XMP that cannot be inflated go when a group goes, and stay when none does",
        "EDIT-10",
    )
    add(
        "unknown-model",
        compose(1, 1, model=UNKNOWN).build(),
        [[0], []],
        "EDIT-07 EDIT-01",
        "an editor needs no model",
    )
    add(
        "preamble-no-longer-right",
        compose(48, 32, FOUR, FOUR_MAP, [small(k) for k in range(4)], before=((0x8A, b"x" * 200),)).build(),
        [[0], [0, 1, 2, 3]],
        "EDIT-06",
        "a chunk of the preamble goes, so preamble changes",
    )
    for name, data, ids in [
        ("refuse-feature", compose(1, 1, features=2).build(), "EDIT-07"),
        ("refuse-critical", compose(1, 1, after=((0x05, b""),)).build(), "EDIT-07"),
        ("refuse-duplicate", compose(1, 1, after=((ICCP, icc()), (ICCP, icc()))).build(), "EDIT-07"),
        ("refuse-header", flipped(compose(1, 1).build(), 5), "EDIT-07"),
        (
            "refuse-map",
            replace(compose(32, 16), map=map_payload([[0, 0]], 1)).build(),
            "EDIT-07 EDIT-08 CONF-04",
        ),
    ]:
        add(name, data, [[0]], "", "no stream may be written from this", ids)
