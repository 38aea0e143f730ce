"""Vectors that are cut off, damaged or withdrawn in part."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from itertools import combinations
from typing import Any

import numpy as np

from sdc.format.chunks import ICCP, OBJS, with_crc

from ..adapter import answer, digest
from .book import Book
from .objects import objs
from .streams import (
    FOUR,
    FOUR_MAP,
    Parts,
    blobs,
    chunk,
    compose,
    flipped,
    header_of,
    icc,
    levels_of,
    map_payload,
    small,
    within,
    zeros,
)


def layout(parts: Parts) -> list[tuple[str, int, int, int]]:
    """``(what, first byte, byte behind, group)`` of everything in a file, from its parts alone."""
    out: list[tuple[str, int, int, int]] = []
    at = 4

    def put(what: str, size: int, group: int = -1) -> None:
        nonlocal at
        out.append((what, at, at + size, group))
        at += size

    put("header", len(header_of(parts.head())))
    for kind, payload in parts.before:
        put("before", len(chunk(kind, payload)))
    for k, data in enumerate(parts.data()):
        if data:
            put("group", len(data), k)
    for kind, payload in parts.after:
        put("after", len(chunk(kind, payload)))
    return out


def prefix(parts: Parts, n: int, damaged: Sequence[int] = ()) -> dict[str, Any]:
    """What the first ``n`` bytes of a stream give, by the rules of section 13 alone."""
    places = layout(parts)
    if n < 4:
        return {"exit": 1, "codes": ["E_TRUNCATED" if n else "E_MAGIC"]}
    if n < places[0][2]:
        return {"exit": 1, "codes": ["E_TRUNCATED"]}
    errors: list[dict[str, Any]] = []
    states = ["withdrawn" if p is None else "complete" for p in parts.payloads]
    for what, start, end, k in places:
        cut = n < end
        if what == "group" and (cut or k in damaged):
            states[k] = "truncated" if cut else "damaged"
            errors.append({"code": f"E_GROUP_{states[k].upper()}", "offset": start})
        elif what == "before" and cut and not any(e["code"] == "E_CHUNK_DAMAGED" for e in errors):
            errors.append({"code": "E_CHUNK_DAMAGED", "offset": start})
        elif what == "after" and start < n < end:
            errors.append({"code": "E_CHUNK_DAMAGED", "offset": start})
    return {
        "exit": 3 if errors else 0,
        "errors": errors,
        "states": states,
        "map": digest(parts.labels.astype(np.uint8)),
    }


def partial_streams() -> Iterator[tuple[str, Parts, tuple[int, ...], str, str]]:
    """``(name, parts, damaged groups, ids, why)`` of the streams of which every part is asked for."""
    four = compose(48, 32, FOUR, FOUR_MAP, [small(k) for k in range(4)])
    rows = [{"group": k, "x": 2 * k, "rank": k, "label": b"o"} for k in range(4)]
    yield (
        "one-group",
        compose(20, 18, ((1, 40),), None, within(1)),
        (),
        "",
        "one group that fills the picture",
    )
    yield (
        "one-group-masked",
        compose(33, 20, ((1, 40),), [[1, 0, 1], [1, 1, 0]], small(2)),
        (),
        "",
        "one group and cells of no group",
    )
    yield (
        "two-groups",
        compose(40, 20, ((0, 50), (3, 10)), [[1, 2, 2], [1, 1, 2]], [within(3), small(4)]),
        (),
        "",
        "two groups",
    )
    yield "four-levels", four, (), "", "one group for each level"
    yield (
        "five-islands",
        compose(80, 64, levels_of(5, lambda k: 11 * k + 3), blobs(3, 4, 5, 5), [small(k) for k in range(5)]),
        (),
        "RECO-05",
        "five groups of several islands",
    )
    yield (
        "same-level-holes",
        compose(
            50,
            35,
            ((0, 30), (0, 31), (0, 31)),
            [[1, 2, 3, 0], [0, 1, 2, 3], [3, 3, 0, 1]],
            [small(k) for k in range(3)],
        ),
        (),
        "RECO-03",
        "three groups of one level, and cells of no group",
    )
    yield "one-withdrawn", four.with_payload(1, None), (), "STAT-02", "one group of four withdrawn"
    yield (
        "all-withdrawn",
        compose(
            40,
            20,
            ((0, 3), (1, 4)),
            [[1, 2, 2], [1, 1, 2]],
            withdrawn=(0, 1),
            before=((OBJS, objs(rows[:1], (40, 20), 2)),),
        ),
        (),
        "STAT-02",
        "all groups withdrawn, objects left",
    )
    yield (
        "profile-and-unknown",
        replace(four, before=((ICCP, icc()), (0x8A, b"xy"))),
        (),
        "STAT-06",
        "chunks in the preamble",
    )
    yield (
        "chunks-behind",
        replace(four, after=((OBJS, objs(rows, (48, 32), 4)), (0xEA, b"abc"), (0x8A, b""))),
        (),
        "STAT-06",
        "chunks behind the groups",
    )
    yield (
        "no-mask-chunks",
        compose(9, 9, ((2, 24),), None, small(1), before=((0xCA, b"abc"),), after=((0xCB, b"de"),)),
        (),
        "STAT-06",
        "an empty map, and a chunk on either side of the group",
    )
    yield (
        "empty-payloads",
        compose(64, 16, ((0, 0), (1, 24), (2, 0)), [[1, 2, 3, 3]], [zeros(), small(5), zeros()]),
        (),
        "LATN-03",
        "groups without a symbol beside one with some",
    )
    yield "one-damaged", four, (2,), "STAT-04", "one group of four damaged"
    yield (
        "first-damaged",
        compose(
            40, 20, ((0, 50), (3, 10)), [[1, 2, 2], [1, 1, 2]], [within(3), small(4)], after=((0x8A, b"q"),)
        ),
        (0,),
        "STAT-04",
        "the first of two groups damaged",
    )


def partial(book: Book) -> None:
    """Streams of which every prefix and every subset of groups is asked for, and damage of all kinds."""
    for name, parts, damaged, ids, why in partial_streams():
        given = parts.data()
        for k in damaged:
            given[k] = flipped(given[k], len(given[k]) // 2, 0x40)
        data = parts.build(data=given)
        complete = [k for k, p in enumerate(parts.payloads) if p is not None and k not in damaged]
        whole = answer("decode", data, complete)
        assert whole["exit"] == 0
        hashes = [{k: v for k, v in row.items() if k not in ("state", "decoded")} for row in whole["groups"]]
        pixels = {}
        for size in range(len(complete) + 1):
            for chosen in combinations(complete, size):
                pixels[",".join(map(str, chosen))] = answer("decode", data, chosen)["pixels"]
        steps: list[dict[str, Any]] = []
        for n in range(len(data) + 1):
            step = prefix(parts, n, damaged)
            if steps and {k: v for k, v in steps[-1].items() if k not in ("from", "to")} == step:
                steps[-1]["to"] = n
            else:
                steps.append({"from": n, "to": n, **step})
        rule = {
            "prefixes": steps,
            "withdrawn": [k for k, p in enumerate(parts.payloads) if p is None],
            "damaged": list(damaged),
            "groups": hashes,
            "pixels": pixels,
        }
        book.add(
            f"partial/{name}.sdc",
            data,
            [],
            why=f"{why}: every prefix, and every subset of its groups",
            how="parts of a right stream; the outcome of each prefix and subset follows from section 13",
            accept=[
                *"TOOL-13 STAT-01 STAT-07 STAT-10 STAT-11 STAT-09 NETW-02 RECO-03 RECO-05 FILE-03".split(),
                *ids.split(),
            ],
            reject=[*"STAT-01 STAT-03 STAT-05 STAT-09 FILE-03".split(), *ids.split()],
            rule=rule,
        )
    four = compose(
        48,
        32,
        FOUR,
        FOUR_MAP,
        [small(k) for k in range(4)],
        before=((0x8A, b"hello"),),
        after=((0xEA, b"there"), (0x8B, b"x")),
    )
    own = four.data()
    chunks = {kind: chunk(kind, payload) for kind, payload in (*four.before, *four.after)}

    def accept(
        name: str,
        data: bytes,
        ids: str,
        why: str,
        selections: Sequence[Sequence[int] | None] = (None,),
        needs: Sequence[str] = (),
    ) -> None:
        book.accept(
            f"partial/{name}.sdc",
            data,
            ids,
            why=why,
            how="one part of a right stream damaged",
            selections=selections,
            needs=needs,
            reject=ids,
        )

    (first,) = four.preamble()
    for name, bad in [
        ("crc", flipped(chunks[0x8A], -1)),
        ("type", flipped(chunks[0x8A], 0, 0x80)),
        ("length", flipped(chunks[0x8A], 1, 0x10)),
        ("length-not-varint", chunks[0x8A][:1] + b"\x85\x00" + chunks[0x8A][3:]),
    ]:
        accept(
            f"damage-in-preamble-{name}",
            four.build(preamble=[bad], header=header_of(four.head())),
            "STAT-06 STAT-12 TOOL-03 TOOL-11 CHNK-02 CHNK-04 CHNK-12 GRPS-07"
            + (" NOTA-05" if "varint" in name else ""),
            "a damaged chunk in the preamble: the groups are found where the head says",
        )
    for name, after in [
        ("crc", [flipped(chunks[0xEA], -1), chunks[0x8B]]),
        ("payload", [flipped(chunks[0xEA], 3), chunks[0x8B]]),
        ("length", [flipped(chunks[0xEA], 1, 0x20), chunks[0x8B]]),
        ("not-varint", [chunks[0xEA][:1] + b"\xff\xff\xff\xff\xff" + chunks[0xEA][2:], chunks[0x8B]]),
        ("last", [chunks[0xEA], flipped(chunks[0x8B], -1)]),
    ]:
        accept(
            f"damage-behind-{name}",
            four.build(after=after),
            "STAT-06 CHNK-02 CHNK-04 CHNK-12",
            "a damaged chunk behind the groups: nothing behind it is read",
        )
    critical = flipped(chunk(0x05, b"abc"), -1)
    accept(
        "damaged-critical-chunk",
        four.build(after=[critical]),
        "CHNK-12 STAT-06 STAT-13",
        "an unknown critical chunk with a wrong CRC is a damaged chunk",
    )
    objects = chunk(OBJS, objs([{}]))
    accept(
        "damaged-second-objs",
        four.build(after=[objects, flipped(objects, 4)]),
        "CHNK-12",
        "a second OBJS with a wrong CRC is a damaged chunk",
        needs=["OBJS"],
    )
    changes: list[tuple[str, int, Callable[[bytes], bytes]]] = [
        ("crc", 1, lambda d: flipped(d, -1)),
        ("payload", 2, lambda d: flipped(d, len(d) // 2)),
        ("first-byte", 0, lambda d: flipped(d, 0, 0x80)),
    ]
    for name, k, change in changes:
        hurt = [change(d) if j == k else d for j, d in enumerate(own)]
        accept(
            f"damaged-group-{name}",
            four.build(data=hurt),
            "STAT-04 STAT-05 LATN-04 GRPS-07",
            "a damaged group: the others decode",
            (None, [j for j in range(4) if j != k], [k]),
        )
    other = compose(47, 32, FOUR, FOUR_MAP, [small(k) for k in range(4)])
    spliced = [other.data()[0], *own[1:]]
    accept(
        "spliced-from-another-size",
        four.build(data=spliced),
        "LATN-04",
        "a group from a picture of another size: its seed is another",
    )
    same = compose(48, 16, ((1, 24), (1, 24), (1, 24)), [[1, 2, 3]], [small(9)] * 3)
    others = same.data()
    accept(
        "spliced-from-another-group",
        same.build(
            data=[others[0], others[0], others[2]],
        ),
        "LATN-04",
        "a group in the place of another: its seed has another index",
    )
    moved = replace(same, groups=((1, 24), (1, 25), (1, 24)))
    accept(
        "quality-changed",
        moved.build(data=others),
        "LATN-04",
        "a head with another quality than the group was coded at: the seed is another",
    )
    masked = replace(same, map=map_payload([[1, 3, 2]], 3))
    accept(
        "mask-changed",
        masked.build(data=others),
        "LATN-04",
        "another group map than the groups were coded with: the seed is another",
    )
    plain = [with_crc(p or b"") for p in same.payloads]
    accept(
        "seed-left-out",
        same.build(data=plain),
        "LATN-04",
        "groups whose CRC has no seed are damaged",
    )
    accept(
        "preamble-too-large",
        four.build(header=header_of(four.head(preamble=len(first) + 3))),
        "GRPS-03 GRPS-07",
        "a preamble that is too large by three: the chunks are looked for where it says",
    )
    accept(
        "strayed-group",
        four.build(after=[own[0]]),
        "STAT-06",
        "a group's data once more behind the groups is a damaged chunk",
    )
    accept(
        "size-beyond-the-file",
        compose(1, 1).build(header=header_of(compose(1, 1).head(sizes=[2**32 - 1]))),
        "STAT-03 LIMT-01 GRPS-06",
        "a group of four gigabytes in a short file is truncated, and nothing is allocated for it",
    )
