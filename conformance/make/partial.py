"""Vectors that are cut off, damaged or withdrawn in part, and what editors make of streams."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from itertools import combinations
from typing import Any

import numpy as np

from sdc.errors import SdcError
from sdc.format.chunks import GRPS, HEAD, ICCP, LATN, MASK, OBJS, PROV

from ..adapter import answer, digest, extract_answer
from .book import UNKNOWN, Book
from .streams import (
    FOUR,
    FOUR_MAP,
    Parts,
    blobs,
    chunk,
    compose,
    flipped,
    head_payload,
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
        after=((OBJS, objs(rows)), *unknown),
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
    latents = base.latents()
    latents[2] = flipped(latents[2], 8)
    add(
        "one-damaged",
        base.build(latents=latents),
        [[0, 1, 2, 3], [2], [0, 1]],
        "EDIT-05",
        "a damaged group is written as withdrawn",
        "EDIT-05",
    )
    add(
        "truncated",
        base.build()[: layout(base)[-8][1] + 3],
        [[0, 1, 2, 3], [0]],
        "EDIT-05",
        "a stream that is cut off",
        "EDIT-05",
    )
    hurt = base.build(after=[flipped(chunk(0xCA, b"safe"), 3), chunk(0xCA, b"lost")])
    add(
        "damaged-chunk",
        hurt,
        [[0, 1, 2, 3], [1]],
        "TOOL-12 EDIT-04",
        "a damaged chunk behind the latents is named and counts as missing",
        "TOOL-12",
    )
    bad = replace(base, after=((OBJS, objs([{"group": 9}])), (0xCA, b"safe")))
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
    add(
        "unknown-model",
        replace(compose(1, 1), head=head_payload(1, 1, model=UNKNOWN)).build(
            latents=[chunk(LATN, b"", head_payload(1, 1, model=UNKNOWN) + b"\0\xc0")]
        ),
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
        ("refuse-order", compose(1, 1, after=((ICCP, icc()),)).build(), "EDIT-07"),
        (
            "refuse-map",
            replace(compose(32, 16), mask=map_payload([[1, 1]], 1)).build(),
            "EDIT-07 EDIT-08 CONF-04",
        ),
    ]:
        add(name, data, [[0]], "", "no stream may be written from this", ids)
