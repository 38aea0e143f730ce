"""Vectors that are cut off, damaged or withdrawn in part."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from itertools import combinations
from typing import Any

import numpy as np

from sdc.format.chunks import GRPS, HEAD, ICCP, LATN, MASK, OBJS

from ..adapter import answer, digest
from .book import Book
from .streams import (
    FOUR,
    FOUR_MAP,
    Parts,
    blobs,
    chunk,
    compose,
    flipped,
    icc,
    levels_of,
    map_payload,
    objs,
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

    put("head", len(chunk(HEAD, parts.head)))
    put("grps", len(chunk(GRPS, parts.grps())))
    if parts.mask is not None:
        put("mask", len(chunk(MASK, parts.mask)))
    for kind, payload in parts.before:
        put("before", len(chunk(kind, payload)))
    for k, data in enumerate(parts.latents()):
        if data:
            put("latn", len(data), k)
    for kind, payload in parts.after:
        put("after", len(chunk(kind, payload)))
    return out


def prefix(parts: Parts, n: int, damaged: Sequence[int] = ()) -> dict[str, Any]:
    """What the first ``n`` bytes of a stream give, by the rules of section 13 alone."""
    places = layout(parts)
    count = len(parts.groups)
    ends_at = {what: end for what, _, end, _ in places}
    if n < 4:
        return {"exit": 1, "codes": ["E_TRUNCATED" if n else "E_MAGIC"]}
    if n < ends_at["grps"]:
        return {"exit": 1, "codes": ["E_TRUNCATED"]}
    masked = parts.mask is not None
    if masked and n < ends_at["mask"] and (count > 1 or n > ends_at["grps"]):
        return {"exit": 1, "codes": ["E_TRUNCATED"]}
    errors: list[dict[str, Any]] = []
    states = ["withdrawn" if p is None else "complete" for p in parts.payloads]
    for what, start, end, k in places:
        cut = n < end
        if what == "latn" and (cut or k in damaged):
            states[k] = "truncated" if cut else "damaged"
            errors.append({"code": f"E_GROUP_{states[k].upper()}", "offset": start})
        elif what in ("mask", "before") and cut and not any(e["code"] == "E_CHUNK_DAMAGED" for e in errors):
            errors.append({"code": "E_CHUNK_DAMAGED", "offset": start})
        elif what == "after" and start < n < end:
            errors.append({"code": "E_CHUNK_DAMAGED", "offset": start})
    labels = np.ones_like(parts.labels) if masked and n < ends_at["mask"] else parts.labels
    return {
        "exit": 3 if errors else 0,
        "errors": errors,
        "states": states,
        "map": digest(labels.astype(np.uint8)),
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
        "MASK-08",
        "one group and a MASK, which a cut at the end of GRPS leaves no trace of",
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
            before=((OBJS, objs(rows[:1])),),
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
        replace(four, after=((OBJS, objs(rows)), (0xEA, b"abc"), (0x8A, b""))),
        (),
        "STAT-06",
        "chunks behind the latents",
    )
    yield (
        "no-mask-chunks",
        compose(9, 9, ((2, 24),), None, small(1), before=((0xCA, b"abc"),), after=((0xCB, b"de"),)),
        (),
        "STAT-06",
        "no MASK, and a chunk on either side of the latents",
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
        latents = parts.latents()
        for k in damaged:
            latents[k] = flipped(latents[k], len(latents[k]) // 2, 0x40)
        data = parts.build(latents=latents)
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
                *"STAT-01 STAT-07 STAT-10 STAT-11 STAT-09 NETW-02 RECO-03 RECO-05 FILE-03".split(),
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
    latents = four.latents()
    chunks = {kind: chunk(kind, payload) for kind, payload in (*four.before, *four.after)}

    def accept(
        name: str, data: bytes, ids: str, why: str, selections: Sequence[Sequence[int] | None] = (None,)
    ) -> None:
        book.accept(
            f"partial/{name}.sdc",
            data,
            ids,
            why=why,
            how="one chunk of a right stream damaged",
            selections=selections,
            reject=ids,
        )

    preamble = four.preamble()
    for name, bad in [
        ("crc", flipped(chunks[0x8A], -1)),
        ("type", flipped(chunks[0x8A], 0, 0x80)),
        ("length", flipped(chunks[0x8A], 1, 0x10)),
        ("length-not-varint", chunks[0x8A][:1] + b"\x85\x00" + chunks[0x8A][3:]),
    ]:
        accept(
            f"damage-in-preamble-{name}",
            four.build(preamble=[preamble[0], bad], grps=chunk(GRPS, four.grps())),
            "STAT-06 STAT-12 TOOL-03 TOOL-11 CHNK-04 CHNK-12 GRPS-07"
            + (" NOTA-05" if "varint" in name else ""),
            "a damaged chunk in the preamble: the groups are found where GRPS says",
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
            "STAT-06 CHNK-04 CHNK-12",
            "a damaged chunk behind the latents: nothing behind it is read",
        )
    critical = flipped(chunk(0x05, b"abc"), -1)
    accept(
        "damaged-critical-chunk",
        four.build(after=[critical]),
        "CHNK-12 STAT-06 STAT-13",
        "an unknown critical chunk with a wrong CRC is a damaged chunk",
    )
    accept(
        "damaged-second-head",
        four.build(after=[flipped(chunk(HEAD, four.head), 4)]),
        "CHNK-12",
        "a second HEAD with a wrong CRC is a damaged chunk",
    )
    changes: list[tuple[str, int, Callable[[bytes], bytes]]] = [
        ("crc", 1, lambda d: flipped(d, -1)),
        ("payload", 2, lambda d: flipped(d, len(d) // 2)),
        ("type", 0, lambda d: flipped(d, 0, 0x80)),
        ("length", 3, lambda d: flipped(d, 1, 3)),
        ("length-long", 1, lambda d: flipped(d, 1, 0x80)),
    ]
    for name, k, change in changes:
        hurt = [change(c) if j == k else c for j, c in enumerate(latents)]
        accept(
            f"damaged-group-{name}",
            four.build(latents=hurt),
            "STAT-04 STAT-05 LATN-04 LATN-05 GRPS-07",
            "a damaged group: the others decode",
            (None, [j for j in range(4) if j != k], [k]),
        )
    other = compose(47, 32, FOUR, FOUR_MAP, [small(k) for k in range(4)])
    spliced = [other.latents()[0], *latents[1:]]
    accept(
        "spliced-from-another-size",
        four.build(latents=spliced),
        "LATN-04",
        "a group from a picture of another size: its seed is another",
    )
    same = compose(48, 16, ((1, 24), (1, 24), (1, 24)), [[1, 2, 3]], [small(9)] * 3)
    chunks_of = same.latents()
    accept(
        "spliced-from-another-group",
        same.build(
            latents=[chunks_of[0], chunks_of[0], chunks_of[2]],
            grps=chunk(GRPS, same.grps(sizes=[len(chunks_of[0]), len(chunks_of[0]), len(chunks_of[2])])),
        ),
        "LATN-04",
        "a group in the place of another: its seed has another index",
    )
    moved = replace(same, groups=((1, 24), (1, 25), (1, 24)))
    accept(
        "quality-changed",
        moved.build(latents=chunks_of),
        "LATN-04",
        "GRPS with another quality than the group was coded at: the seed is another",
    )
    masked = replace(same, mask=map_payload([[1, 3, 2]], 3))
    accept(
        "mask-changed",
        masked.build(latents=chunks_of),
        "LATN-04",
        "another group map than the groups were coded with: the seed is another",
    )
    plain = [chunk(LATN, p or b"") for p in same.payloads]
    accept(
        "seed-left-out",
        same.build(latents=plain),
        "LATN-04 CHNK-04",
        "LATN chunks whose CRC has no seed are damaged",
    )
    accept(
        "preamble-too-large",
        four.build(grps=chunk(GRPS, four.grps(preamble=sum(map(len, preamble)) + 3))),
        "GRPS-03 GRPS-07",
        "a preamble that is too large by three: the chunks are looked for where it says",
    )
    accept(
        "strayed-latn",
        four.build(after=[latents[0]]),
        "CHNK-11 LATN-01",
        "a group's chunk behind the latents is a damaged chunk, since its CRC has a seed",
    )
    accept(
        "size-beyond-the-file",
        compose(1, 1).build(grps=chunk(GRPS, compose(1, 1).grps(sizes=[2**32 - 1]))),
        "STAT-03 LIMT-01 GRPS-06",
        "a group of four gigabytes in a short file is truncated, and nothing is allocated for it",
    )
