"""Vectors that are accepted, and those of other versions, features and models."""

from __future__ import annotations

import hashlib
import itertools
from dataclasses import replace
from typing import Any

import numpy as np

from sdc.format.chunks import COLR, ICCP, OBJS, PROV
from sdc.format.fields import encode_varint
from sdc.networks.registry import load_model, load_restoration
from sdc.testing.synthetic_restoration import NUMBER as SYNTHETIC

from .book import UNKNOWN, Book, accepted, troubles
from .objects import objs
from .second_model import CUT_OFF, NUMBER, RESERVED, second_model_file
from .streams import (
    FOUR,
    FOUR_MAP,
    Draw,
    Parts,
    blobs,
    compose,
    ends,
    escaping,
    extreme,
    head_start,
    header_of,
    icc,
    levels_of,
    map_payload,
    scattered,
    small,
    within,
    zeros,
)


def valid(book: Book) -> None:
    """Streams as encoders write them."""
    book.accept(
        "valid/minimal.sdc",
        compose(1, 1),
        "LATN-03 RECO-02 CONF-03",
        why="the smallest stream: one pixel, no symbol",
    )
    for seed, (w, h) in enumerate(
        [
            (1, 1),
            (2, 3),
            (15, 17),
            (16, 16),
            (17, 16),
            (33, 47),
            (1, 200),
            (200, 1),
            (63, 65),
            (64, 64),
            (65, 129),
        ]
    ):
        name = f"valid/size-{w}x{h}.sdc"
        book.accept(
            name,
            compose(w, h, ((3, 20 + seed),), None, small(seed)),
            "RECO-02",
            why="one group, an empty map, a size of its own",
            seed=seed,
        )
    for name, draw, why in [
        ("zeros", zeros(), "every residual is 0"),
        ("within", within(31), "any residual that the tables hold"),
        ("ends", ends(32), "the largest residuals of the tables and the smallest escapes"),
        ("escapes", escaping(33), "escapes with prefixes of every length"),
        ("extreme", extreme(34), "the largest residuals, which drive the clamps"),
    ]:
        book.accept(
            f"valid/residuals-{name}.sdc",
            compose(48, 40, ((1, 37),), None, draw),
            "SYMB-04 SYMB-05 RANS-06" if name in ("ends", "escapes", "extreme") else "",
            why=why,
            seed=31,
        )
    book.accept(
        "valid/residuals-free.sdc",
        compose(48, 40, ((1, 37),), None, lambda t, reach: -reach),
        "RANS-01 RANS-11",
        why="every residual is the first of its table, whose slots begin at 0: they take no byte",
    )
    for size, parts in sorted(shortest().items()):
        book.accept(
            f"valid/rans-bytes-{size}.sdc",
            parts,
            "RANS-01 RANS-03 RANS-11",
            why=f"residuals of {size} bytes, of which {min(size, 4 - size % 2)} are the first state",
        )
    for q in range(0, 64, 8):
        groups = tuple((2, q + k) for k in range(8))
        grid = [[1, 2, 3, 4], [5, 6, 7, 8], [5, 2, 3, 8], [1, 1, 4, 4]]
        book.accept(
            f"valid/qualities-{q:02}.sdc",
            compose(64, 64, groups, grid, [escaping(100 + q + k, 5) for k in range(8)]),
            "GRPS-05 SYMB-04 RANS-06",
            why=f"qualities {q} to {q + 7}, each in a group",
            seed=100 + q,
        )
    book.accept(
        "valid/four-levels.sdc",
        compose(48, 32, FOUR, FOUR_MAP, [small(k) for k in range(4)]),
        "GRPS-05",
        why="one group for each level",
        selections=(None, [0], [3, 1]),
        seed=0,
    )
    book.entries[-1]["ask"].append(
        {"op": "decode", "tier": "V", "groups": [4], "exit": 64, "codes": ["E_USAGE"]}
    )
    book.entries[-1]["ids"]["reject"].append("TOOL-05")
    book.accept(
        "valid/islands.sdc",
        compose(120, 100, FOUR, blobs(5, 7, 8, 4), [within(k) for k in range(4)]),
        "NETW-08 RECO-05",
        why="groups of several islands that touch at corners",
        selections=(None, [2]),
        seed=5,
    )
    book.accept(
        "valid/checkerboard.sdc",
        compose(80, 80, ((0, 50), (3, 11)), np.indices((5, 5)).sum(0) % 2 + 1, [within(1), within(2)]),
        "NETW-08 PASS-04",
        why="each group has cells of one parity only, and no cell has a neighbour of its group",
        selections=(None, [1]),
        seed=1,
    )
    book.accept(
        "valid/holes.sdc",
        compose(100, 70, ((0, 33), (2, 12)), blobs(7, 5, 7, 2, True), [within(3), small(4)]),
        "RECO-03",
        why="cells of no group",
        seed=7,
    )
    book.accept(
        "valid/one-group-with-holes.sdc",
        compose(40, 40, ((0, 33),), [[1, 0, 1], [0, 1, 0], [1, 1, 1]], small(9)),
        "RECO-03",
        why="one group and a map, since some cells have no group",
        seed=9,
    )
    book.accept(
        "valid/one-cell-groups.sdc",
        compose(
            48,
            48,
            levels_of(9, lambda k: 7 * k),
            np.arange(1, 10).reshape(3, 3),
            [small(k) for k in range(9)],
        ),
        "GRPS-05",
        why="nine groups of one cell each",
        selections=(None, [4], [0, 8]),
        seed=0,
    )
    book.accept(
        "valid/as-many-groups-as-cells.sdc",
        compose(32, 16, ((0, 0), (0, 0)), [[1, 2]]),
        "GRPS-02",
        why="as many groups as cells",
    )
    book.accept(
        "valid/phase-from-origin.sdc",
        compose(
            64,
            64,
            ((0, 44), (3, 0)),
            [[2, 2, 2, 2], [2, 1, 1, 2], [2, 1, 2, 2], [2, 2, 2, 2]],
            [within(12), zeros()],
        ),
        "PASS-04",
        why="a group that begins away from the origin: the checkerboard counts from the picture's",
        seed=12,
    )
    book.accept(
        "valid/blocks.sdc",
        compose(16 * 10, 16 * 9, ((0, 45), (1, 21)), blobs(21, 9, 10, 2), [within(22), within(23)]),
        "PASS-02 NETW-10",
        why="several blocks with both groups in each",
        seed=21,
    )
    book.accept(
        "valid/iccp.sdc",
        compose(20, 20, ((1, 30),), None, small(1), before=((ICCP, icc()),)),
        "ICCP-01 ICCP-02 DEFL-01 DEFL-03",
        why="a colour profile of the least size, which changes no sample",
        needs=["ICCP"],
        seed=1,
    )
    left = ((COLR, bytes([2, 2])),)
    profiles: list[tuple[str, dict[str, Any]]] = [
        ("behind-ancillary", {"before": ((0x8A, b""), (ICCP, icc()))}),
        ("behind-all-withdrawn", {"withdrawn": (0,), "before": left, "after": ((ICCP, icc()),)}),
    ]
    for name, more in profiles:
        book.accept(
            f"valid/iccp-{name}.sdc",
            compose(20, 20, ((1, 30),), None, small(1), **more),
            "ICCP-01 CHNK-07",
            why="a colour profile behind the groups, or not the first of the chunks",
            needs=["COLR", "ICCP"],
            seed=1,
        )
    rows = [
        {
            "group": 0,
            "x": 3,
            "y": 2,
            "width": 20,
            "height": 14,
            "score": 230,
            "label": b"cat",
            "reason": b"looks at us",
        },
        {
            "group": 1,
            "x": 4,
            "y": 20,
            "width": 4,
            "height": 3,
            "score": 0,
            "rank": 7,
            "label": "Ball \u00e9\u4e2d\U0001f600\0".encode(),
            "mask": map_payload([[0, 1, 1, 0], [1, 1, 1, 1], [0, 1, 1, 0]], 1),
        },
        {"group": 3, "x": 0, "y": 0, "width": 48, "height": 32, "rank": 4094, "reason": b"r" * 200},
    ]
    numbers = (1, *range(8, 14), *range(15, 23))
    ids = " ".join(f"OBJS-{k:02}" for k in numbers) + " NOTA-06 RANS-10 RANS-12"
    four = compose(48, 32, FOUR, FOUR_MAP, [small(k) for k in range(4)])
    book.accept(
        "valid/objs-before.sdc",
        replace(four, before=((OBJS, objs(rows, (48, 32), 4)),)),
        ids,
        why="objects in front of the groups, one with a pixel mask",
        needs=["OBJS"],
        seed=0,
    )
    book.accept(
        "valid/objs-behind.sdc",
        replace(four, after=((OBJS, objs(rows, (48, 32), 4)),)),
        ids,
        why="objects behind the groups",
        needs=["OBJS"],
        seed=0,
    )
    book.accept(
        "valid/objs-mask-full.sdc",
        compose(
            4,
            4,
            after=(
                (
                    OBJS,
                    objs([{"width": 4, "height": 4, "mask": map_payload(np.ones((4, 4)), 1)}], (4, 4)),
                ),
            ),
        ),
        "OBJS-16",
        why="a pixel mask that fills its box",
        needs=["OBJS"],
    )
    said = '{"grounding": {"provider": "salient"}, "captions": {"short": "Fl\u00e4chen \u4e2d"}, "n": [1e3]}'
    told: Any = ((PROV, said.encode()),)
    for place in ("before", "after"):
        book.accept(
            f"valid/prov-{place}.sdc",
            replace(four, **{place: told}),
            "PROV-01 PROV-02 CHNK-07",
            why=f"how the objects were found, {place} the groups",
            seed=0,
        )
    nested = b'{"[{": "\\"[' + b"[" * 40 + b'", "n": ' + b"[" * 31 + b"-%s" + b"]" * 31 + b"}"
    for name, number in (("fraction", b"0." + b"1" * 29), ("largest", b"1e" + b"0" * 26 + b"308")):
        assert len(number) == 31
        book.accept(
            f"valid/prov-bounds-{name}.sdc",
            compose(8, 8, after=((PROV, nested % number),)),
            "PROV-01",
            why="a PROV nested 32 deep, with a number of 32 characters",
        )


UNUSABLE = {
    "empty": b"",
    "cut": b'{"for": "peop',
    "array": b"[{}]",
    "not-utf8": b'{"for": "\xff"}',
    "nan": b'{"n": NaN}',
    "deep": b'{"n": ' + b"[" * 5000,
    "too-long": b"{" + b" " * 65535 + b"}",
    "infinite": b'{"n": 1e999}',
    "above-10-308": b'{"n": -1.1e308}',
    "nested-33": b'{"n": ' + b"[" * 32 + b"]" * 32 + b"}",
    "number-33": b'{"n": ' + b"1" * 33 + b"}",
    "number-5000": b'{"n": ' + b"1" * 5000 + b"}",
}
"""Payloads of PROV that break PROV-01."""


def cheapest_but(count: int, step: int) -> Draw:
    """The residuals that take no byte, but for the first ``count``, which are ``step`` above them."""
    number = itertools.count()
    return lambda t, reach: min(step, reach) - reach if next(number) < count else -reach


def shortest() -> dict[int, Parts]:
    """Streams of one cell by the bytes of its residuals, 1 to 8: those that first are not the cheapest."""
    out: dict[int, Parts] = {}
    for count, step in itertools.product(range(1, 12), range(1, 24)):
        parts = compose(1, 1, ((3, 24),), None, cheapest_but(count, step))
        size = len(parts.payloads[0] or b"")
        if 1 <= size <= 8:
            out.setdefault(size, parts)
    assert len(out) == 8, sorted(out)
    return out


def commands(book: Book) -> None:
    """What a command does about files: one that is not there, and one for which there is no room."""
    data = compose(60, 50, ((0, 30), (2, 12)), [[1, 1, 2, 2]] * 4, [small(8), small(9)]).build()
    book.add(
        "valid/for-commands.sdc",
        data,
        [accepted("decode", data), *troubles(data)],
        why="a command whose input is not there, or whose output finds no room",
        how="parts of a right stream",
        accept=["TOOL-04", "TOOL-06", "TOOL-07"],
        reject=["TOOL-04", "TOOL-06", "TOOL-07"],
        seed=8,
    )


def uncommon(book: Book) -> None:
    """Valid streams that no encoder is likely to write."""
    for count, side in ((100, 10), (255, 16)):
        labels = np.minimum(np.arange(side * side) + 1, count).reshape(side, side)
        book.accept(
            f"uncommon/groups-{count}.sdc",
            compose(
                16 * side,
                16 * side,
                levels_of(count, lambda k: 0 if k % 16 else 1 + k % 63),
                labels,
                small(count),
            ),
            "GRPS-02 RANS-10",
            why=f"{count} groups, most of them without a symbol",
            seed=count,
        )
    book.accept(
        "uncommon/scattered-255.sdc",
        compose(16 * 20, 16 * 20, levels_of(255, lambda k: 0), scattered(3, 20, 20, 255, True)),
        "MASK-05 RANS-10",
        why="a group map in which neighbours rarely agree: every label by an even choice",
        seed=3,
    )
    for count in (1, 2, 3, 5, 8):
        book.accept(
            f"uncommon/map-{count}.sdc",
            compose(16 * 24, 16 * 24, levels_of(count, lambda k: 0), blobs(40 + count, 24, 24, count, True)),
            "MASK-05 MASK-07 BINM-03",
            why=f"a group map of {count} groups with all patterns of neighbours",
            alpha=True,
            seed=40 + count,
        )
        book.accept(
            f"uncommon/map-noise-{count}.sdc",
            compose(
                16 * 16, 16 * 16, levels_of(count, lambda k: 0), scattered(60 + count, 16, 16, count, True)
            ),
            "MASK-05 RANS-10",
            why=f"a random group map of {count} groups",
            seed=60 + count,
        )
    flat = np.ones((64, 256), np.uint8)
    flat[63, 255] = 0
    book.accept(
        "uncommon/map-flat.sdc",
        compose(4096, 1024, ((3, 0),), flat),
        "BINM-03 RECO-03",
        why="a long run of equal labels, which takes the adaptive bits to their bounds",
    )
    book.accept(
        "uncommon/large-and-flat.sdc",
        compose(2048, 1536, ((3, 0),)),
        "LIMT-03",
        why="three million pixels without a symbol",
    )
    sparse = np.zeros((256, 256), np.uint8)
    sparse[255, 255] = 1
    book.accept(
        "uncommon/largest-by-default.sdc",
        compose(4096, 4096, ((3, 30),), sparse, small(2)),
        "LIMT-03 RECO-03",
        why="2^24 pixels, which no decoder may refuse by default, and one cell",
        seed=2,
    )
    book.accept(
        "uncommon/widest.sdc",
        compose(65536, 1, ((0, 9), (3, 0)), [[1] + [2] * 4094 + [1]], [within(8), zeros()]),
        "HEAD-01",
        why="the largest width",
        seed=8,
    )
    book.accept(
        "uncommon/highest.sdc",
        compose(1, 65536, ((0, 9), (3, 0)), [[1]] + [[2]] * 4094 + [[1]], [within(8), zeros()]),
        "HEAD-02",
        why="the largest height",
        seed=8,
    )
    book.accept(
        "uncommon/lowest-level-only.sdc",
        compose(16, 16, ((0, 63),), None, ends(3)),
        "GRPS-05",
        why="the highest quality and the highest level alone",
        seed=3,
    )
    book.accept(
        "uncommon/deep-clamps.sdc",
        compose(96, 96, ((0, 61), (1, 3)), blobs(77, 6, 6, 2), [extreme(78), extreme(79)]),
        "SYMB-04 PASS-03 PASS-08",
        why="residuals so large that values, latents and samples are clamped on either side",
        seed=78,
    )
    unknown = [(0x8A, b"a"), (0xA3, b""), (0xCA, b"bcd"), (0xEE, bytes(200)), (0x8A, b"again")]
    four = compose(48, 32, FOUR, FOUR_MAP, [small(k) for k in range(4)])
    book.accept(
        "uncommon/unknown-before.sdc",
        replace(four, before=((ICCP, icc()), *unknown)),
        "CHNK-01 CHNK-09 GRPS-03",
        why="unknown ancillary chunks of all kinds in front of the groups",
        needs=["ICCP"],
        seed=0,
    )
    book.accept(
        "uncommon/unknown-behind.sdc",
        replace(four, after=tuple(unknown)),
        "CHNK-01 CHNK-09",
        why="unknown ancillary chunks of all kinds behind the groups",
        seed=0,
    )
    book.accept(
        "uncommon/empty-objs-neighbour.sdc",
        compose(1, 1, before=((PROV, b""),)),
        "PROV-01",
        why="an empty PROV, which is no error, in front of the groups; its type is next to OBJS",
    )
    book.accept(
        "uncommon/empty-unknown-below-objs.sdc",
        compose(1, 1, before=((OBJS - 1, b""),)),
        "CHNK-09",
        why="an unknown ancillary chunk without payload whose type is next to OBJS",
    )
    for name, payload in UNUSABLE.items():
        book.accept(
            f"uncommon/prov-{name}.sdc",
            compose(8, 8, after=((PROV, payload),)),
            "PROV-01",
            why="a PROV that is no error, and that no decoder can use",
        )
    book.accept(
        "uncommon/prov-twice.sdc",
        compose(8, 8, before=((PROV, b"{}"),), after=((PROV, b'{"for": "people"}'), (PROV, b""))),
        "PROV-02",
        why="three PROV, of which the first counts, and which are no error",
    )
    book.accept(
        "uncommon/withdrawn-one.sdc",
        four.with_payload(1, None),
        "GRPS-04 STAT-07",
        why="one group of four withdrawn: nothing is missing that was asked for",
        alpha=True,
        selections=(None, [0, 1], [1]),
        reject="STAT-02 STAT-05",
        seed=0,
    )
    book.accept(
        "uncommon/withdrawn-all.sdc",
        compose(40, 20, ((0, 3), (1, 4)), [[1, 2, 2], [1, 1, 2]], withdrawn=(0, 1)),
        "GRPS-03 GRPS-04 HEAD-04",
        why="all groups withdrawn",
        alpha=True,
        selections=(None, [0], []),
        reject="STAT-02",
    )
    book.accept(
        "uncommon/withdrawn-all-chunks-behind.sdc",
        compose(1, 1, withdrawn=(0,), before=((0x8B, b"x"),), after=((0x8C, b"y"),)),
        "GRPS-03",
        why="all groups withdrawn, and preamble ends between two chunks",
    )
    book.accept(
        "uncommon/withdrawn-unknown-model.sdc",
        compose(40, 20, ((0, 3), (1, 4)), [[1, 2, 2], [1, 1, 2]], withdrawn=(0, 1), model=UNKNOWN),
        "HEAD-04",
        why="no symbol is to be decoded, so no model is needed",
        selections=(None, []),
    )
    book.accept(
        "uncommon/objs-many.sdc",
        compose(64, 64, after=((OBJS, objs([{"x": k % 60, "width": 4} for k in range(300)], (64, 64))),)),
        "OBJS-01 OBJS-09",
        why="three hundred objects",
        needs=["OBJS"],
    )
    boxes = [
        {"x": 5, "y": 3, "width": 9, "height": 21, "label": b"a", "reason": b"b"},
        {"x": 96, "y": 40, "width": 3, "height": 9, "label": b"b", "score": 3},
        {"width": 99, "height": 49, "label": b"a", "reason": b"a"},
        {"x": 98, "y": 48, "reason": b"b"},
    ]
    for unit in range(5):
        book.accept(
            f"valid/objs-unit-{unit}.sdc",
            compose(99, 49, after=((OBJS, objs(boxes, (99, 49), unit=unit)),)),
            "OBJS-19 OBJS-20 OBJS-21 OBJS-22",
            why=f"boxes in units of {1 << unit} pixels, some at the edges; texts that several objects share",
            needs=["OBJS"],
        )
    for wide in (32768, 32769, 65535, 65536):
        ends_ = [{"x": x, "width": w} for x, w in ((0, wide), (wide - 1, 1), (wide - 2, 2), (12345, 6789))]
        book.accept(
            f"uncommon/objs-wide-{wide}.sdc",
            compose(wide, 1, after=((OBJS, objs(ends_, (wide, 1))),)),
            "RANS-10 RANS-12 OBJS-22",
            why=f"boxes in a picture of {wide} columns",
            needs=["OBJS"],
        )
    book.accept(
        "uncommon/objs-free.sdc",
        compose(8, 8, after=((OBJS, objs([{}] * 100)),)),
        "OBJS-01 RANS-11",
        why="a hundred objects, each of one pixel in the corner: they take no byte",
        needs=["OBJS"],
    )
    ranked = [{"rank": 1}, {"rank": 1, "x": 2}, {"rank": 4094, "x": 1}]
    book.accept(
        "uncommon/objs-ranks.sdc",
        compose(8, 8, after=((OBJS, objs(ranked)),)),
        "OBJS-09 OBJS-19",
        why="ranks with gaps, and one that two objects have",
        needs=["OBJS"],
    )
    limits = [{"label": b"l" * 255, "reason": b"r" * 4095, "rank": 4094, "score": 1}]
    book.accept(
        "uncommon/objs-longest.sdc",
        compose(1, 1, after=((OBJS, objs(limits, (1, 1))),)),
        "OBJS-10 OBJS-12 OBJS-08",
        why="the longest label and reason, the highest rank",
        needs=["OBJS"],
    )
    pixels = np.ones((8, 8))
    pixels[3, 3:] = 0
    area = [{"width": 8, "height": 8, "mask": map_payload(pixels, 1)}] * 4
    book.accept(
        "uncommon/objs-mask-area.sdc",
        compose(8, 8, after=((OBJS, objs(area)),)),
        "OBJS-16",
        why="pixel masks of four times the picture's area, the most there may be",
        needs=["OBJS"],
    )
    book.accept(
        "uncommon/size-four.sdc",
        compose(1, 1),
        "GRPS-06",
        why="a group of four bytes, the least there can be: a CRC",
    )


def permissive(book: Book) -> None:
    """Streams about which the specification leaves a choice."""
    huge = replace(compose(1, 1), start=head_start(32768, 32768))
    book.add(
        "uncommon/beyond-many-limits.sdc",
        huge.build(),
        [{"op": "info", "tier": "T0", "exit": [0, 2], "codes": ["E_LIMIT"]}],
        why="2^30 pixels, the most there may be: described, or refused as beyond a limit of the decoder",
        how="parts of a right stream",
        accept=["LIMT-02", "HEAD-02"],
        reject=["LIMT-02"],
    )
    book.add(
        "invalid/beyond-many-limits.sdc",
        huge.build(header=header_of(huge.head(sizes=[3]))),
        [{"op": "info", "tier": "T0", "exit": [1, 2], "codes": ["E_GRPS_SIZE", "E_LIMIT"]}],
        why="2^30 pixels and a fault behind: either may be found first",
        how="parts of a right stream, a size of 3",
        accept=["STAT-14"],
        reject=["STAT-14", "GRPS-06"],
    )


def private(book: Book) -> None:
    """Streams on a second model, unlike the first in everything that Profile 1 leaves open."""
    grid = blobs(55, 7, 9, 3, True)
    for name, draws, qualities in [
        ("small", [small(1), small(2), small(3)], (0, 31, 63)),
        ("within", [within(4), within(5), within(6)], (7, 20, 41)),
        ("escapes", [escaping(7), escaping(8), ends(9)], (12, 44, 55)),
        ("extreme", [extreme(10), extreme(11), extreme(12)], (3, 28, 60)),
    ]:
        parts = compose(140, 100, tuple(zip((0, 1, 3), qualities, strict=True)), grid, draws, coder=NUMBER)
        book.accept(
            f"uncommon/private-model-{name}.sdc",
            parts,
            "MODL-06 MODL-15 MODL-02 MODL-03 NETW-14 SYMB-04",
            why="a private model with other sizes, operators and passes than the synthetic one",
            selections=(None, [1]),
            seed=55,
        )
    book.refuse(
        "forward/private-model-other-weights.sdc",
        compose(1, 1, coder=NUMBER, weights=load_model(0).weights).build(),
        "E_MODEL_HASH",
        "HEAD-05 MODL-06",
        fault="symbols",
        why="the private model with the weights of another",
    )


def forward(book: Book) -> None:
    """Streams of other versions, features, models and chunks."""
    for version in (0x11, 0x1F, 0x20, 0x00, 0xFF):
        book.accept(
            f"forward/version-{version:02x}.sdc",
            compose(17, 9, ((1, 30),), None, small(version), version=version),
            "HEAD-06",
            why="another version byte, which changes nothing",
            seed=version,
        )
    for bit in (0, 1, 7, 23, 24, 31):
        book.refuse(
            f"forward/feature-bit-{bit}.sdc",
            compose(1, 1, features=1 << bit).build(),
            "E_FEATURE",
            "HEAD-03 STAT-09 EXTN-01",
            why="an unknown required-feature bit",
        )
    base = compose(1, 1)
    head = encode_varint(1) + encode_varint(1) + encode_varint(1 << 5)
    for name, rest, why in [
        ("behind", b"", "an unknown feature may change all that stands behind it, so the head may end there"),
        ("and-more", bytes(40), "the head may go on behind an unknown feature as it likes"),
        ("and-not-varint", b"\xff\xff\xff\xff\xff", "behind an unknown feature a varint need not be one"),
    ]:
        book.refuse(
            f"forward/feature-{name}.sdc",
            base.build(header=header_of(head + rest)),
            "E_FEATURE",
            "HEAD-03 STAT-12 STAT-13",
            why=why,
        )
    book.refuse(
        "forward/feature-then-no-groups.sdc",
        base.build(header=header_of(head + bytes(6) + b"\0"), data=[]),
        "E_FEATURE",
        "STAT-13",
        why="the unknown feature comes before a number of groups that is 0",
    )
    for number in (1 << 14, UNKNOWN, 2**32 - 1):
        book.refuse(
            f"forward/model-{number}.sdc",
            compose(1, 1, model=number).build(),
            "E_MODEL",
            "HEAD-04 STAT-09 SECU-01 EXTN-01",
            fault="symbols",
            why="a model that nobody has; the structure can be read all the same",
            accept="HEAD-04 SECU-01",
        )
    book.refuse(
        "forward/model-restores.sdc",
        compose(1, 1, model=SYNTHETIC, weights=load_restoration(SYNTHETIC).weights).build(),
        "E_MODEL",
        "HEAD-04 RMOD-13",
        fault="symbols",
        why="a restoration model in HEAD, which decodes nothing",
    )
    book.refuse(
        "forward/model-other-weights.sdc",
        compose(1, 1, weights=b"\0\0\0\0").build(),
        "E_MODEL_HASH",
        "HEAD-05 STAT-09",
        fault="symbols",
        why="other weights of model 0",
        accept="HEAD-05",
    )
    for number, size, code, why in [
        (
            RESERVED,
            None,
            "E_MODEL",
            "a number that is neither registered nor private, of which there is a file",
        ),
        (CUT_OFF, -1, "E_MODEL_FILE", "a private model whose file is cut off"),
    ]:
        book.refuse(
            f"forward/model-{number}-with-file.sdc",
            compose(
                1, 1, model=number, weights=hashlib.sha256(second_model_file()[:size]).digest()[:4]
            ).build(),
            code,
            "MODL-15 HEAD-04",
            fault="symbols",
            why=why,
            accept="HEAD-04",
        )
    weights = bytearray(load_model(0).weights)
    weights[3] ^= 1
    book.refuse(
        "forward/model-weights-last-bit.sdc",
        compose(1, 1, weights=bytes(weights)).build(),
        "E_MODEL_HASH",
        "HEAD-05",
        fault="symbols",
        why="weights that differ in the last byte only",
    )
    for kind, ids, why in [
        (0x05, "CHNK-05 CHNK-01", "an unknown critical chunk of the registered range"),
        (0x00, "CHNK-05", "type 0, which is never assigned"),
        (0x3F, "CHNK-05 CHNK-01", "a private critical chunk"),
        (0x01, "CHNK-05", "the least type, which is not assigned"),
        (0x43, "CHNK-06 CHNK-01", "a critical type with the safe-to-copy bit"),
        (0x41, "CHNK-06", "the least critical type with the safe-to-copy bit"),
        (0x7F, "CHNK-06", "a private critical chunk with the safe-to-copy bit"),
    ]:
        book.refuse(
            f"forward/critical-before-{kind:02x}.sdc",
            replace(base, before=((kind, b""),)).build(),
            "E_CHUNK_CRITICAL",
            ids,
            why=why,
        )
        book.refuse(
            f"forward/critical-behind-{kind:02x}.sdc",
            replace(base, after=((kind, b"abc"),)).build(),
            "E_CHUNK_CRITICAL",
            ids,
            why=why + ", behind the groups",
        )
