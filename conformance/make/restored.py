"""Vectors for restoration: streams with REST and without, restored by several models, and with one fault."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

from sdc.format.chunks import REST
from sdc.format.fields import encode_varint
from sdc.networks.registry import load_model, load_restoration
from sdc.testing.synthetic_restoration import NUMBER as SYNTHETIC

from ..adapter import answer
from . import second_model, second_restoration
from .book import UNKNOWN, Book, accepted
from .streams import Parts, blobs, chunk, compose, escaping, extreme, flipped, levels_of, small, within

GOOD = (
    "RMOD-03 RMOD-05 RMOD-06 RMOD-07 RMOD-13 "
    "RSTR-01 RSTR-02 RSTR-03 RSTR-04 RSTR-05 RSTR-06 RSTR-08 RSTR-09 RSTR-10"
)
SAID = "RSTR-07 REST-01 REST-02 REST-03 REST-04 REST-05 REST-06 REST-07 REST-08 REST-13 REST-14"
FOUND = "REST-09 REST-10 REST-11 REST-12"

Row = tuple[int, Sequence[int]]


def rest(
    vectors: Sequence[Row] = (),
    found: Sequence[tuple[int, int, int]] = (),
    *,
    model: int = SYNTHETIC,
    weights: bytes | None = None,
    counts: tuple[int, int] | None = None,
) -> bytes:
    """Payload of REST, of which anything may be wrong.

    Args:
        vectors: ``(group, values)`` of each.
        found: ``(group, kind, strength)`` of each degradation.
        counts: of both, as they stand there.
    """
    first, second = counts or (len(vectors), len(found))
    out = encode_varint(model) + (load_restoration(model).weights if weights is None else weights)
    out += bytes([first])
    for group, values in vectors:
        out += bytes([group, len(values)]) + bytes(v & 255 for v in values)
    return out + bytes([second]) + b"".join(bytes(row) for row in found)


def two(**more: Any) -> Parts:
    """A picture of two groups with neighbours, and cells of no group."""
    labels = [[1, 1, 2, 2, 1], [2, 1, 0, 2, 1], [2, 2, 2, 1, 1]]
    return compose(76, 41, ((0, 45), (3, 12)), labels, [within(3), within(4)], **more)


def restored(book: Book) -> None:
    """All of them."""
    _restored(book)
    _wrong(book)
    _wrong_models(book)


def _restored(book: Book) -> None:
    def add(
        name: str,
        parts: Parts | bytes,
        ids: str,
        why: str,
        by: Sequence[int | str] = ("stream",),
        selections: Sequence[Sequence[int] | None] = (None,),
    ) -> None:
        book.accept(f"restored/{name}.sdc", parts, f"{GOOD} {ids}", why=why, needs=["REST"])
        data = parts.build() if isinstance(parts, Parts) else parts
        book.entries[-1]["ask"] += [
            accepted("decode", data, groups, restored=one) for one in by for groups in selections
        ]

    add("derived", two(), "", "no REST, so every vector is derived", [SYNTHETIC], [None, [0], [1], []])
    add(
        "derived-one-cell",
        compose(5, 4, ((2, 24),), None, within(1)),
        "",
        "a group of one cell",
        [SYNTHETIC],
    )
    add(
        "derived-large",
        compose(
            170, 100, ((0, 50), (1, 33), (3, 7)), blobs(5, 7, 11, 3, True), [extreme(k) for k in range(3)]
        ),
        "",
        "groups of several islands with the largest residuals",
        [SYNTHETIC],
        [None, [1]],
    )
    sizes = [[1 + (4 * y + x) // 2 for x in range(4)] for y in range(4)]
    add(
        "qualities",
        compose(64, 60, levels_of(8, lambda k: 9 * k), sizes, [escaping(k, 5) for k in range(8)]),
        "",
        "eight groups of different qualities",
        [SYNTHETIC],
    )
    every = (255, (3, -7, 100, -90))
    add(
        "one-vector",
        two(before=((REST, rest([every])),)),
        SAID,
        "one vector for all groups",
        ["stream", SYNTHETIC],
        [None, [1]],
    )
    add(
        "extreme-vectors",
        two(before=((REST, rest([(0, (-128, 127, -128, 127)), (1, (127, -128, 0, -1))])),)),
        SAID,
        "a vector for each group, with the values that are farthest apart",
    )
    add(
        "one-and-others",
        two(before=((REST, rest([(0, (1, 2, 3, 4)), every])),)),
        SAID,
        "a vector for one group, and one for every other",
        selections=(None, [0], [1]),
    )
    add(
        "one-and-derived",
        two(before=((REST, rest([(1, (50, -50, 25, 0))])),)),
        SAID,
        "a vector for one group; that of the other is derived",
        selections=(None, [0], [1]),
    )
    kinds = [(0, 1, 255), (0, 5, 0), (1, 1, 30), (255, 4, 128), (255, 200, 1), (255, 255, 254)]
    add(
        "degradations",
        two(before=((0x8A, b"unknown"), (REST, rest([every], kinds)))),
        f"{SAID} {FOUND}",
        "degradations, private and unknown ones too, of groups and of all others",
    )
    add("no-rows", two(before=((REST, rest()),)), f"{SAID} RMOD-07", "a restoration model and nothing else")
    add(
        "behind-groups",
        two(after=((REST, rest([every], kinds)), (0xEA, b"safe"))),
        f"{SAID} {FOUND}",
        "REST behind the groups",
    )
    add(
        "withdrawn",
        two(before=((REST, rest([(0, (1, 2, 3, 4)), (1, (5, 6, 7, 8))], [(0, 3, 3)])),), withdrawn=(0,)),
        f"{SAID} {FOUND}",
        "a group that is withdrawn, with its vector left",
        selections=(None, [0], [0, 1]),
    )
    add(
        "all-withdrawn",
        two(before=((REST, rest([every], model=UNKNOWN, weights=bytes(4))),), withdrawn=(0, 1)),
        SAID,
        "nothing to restore, so no restoration model is needed",
        ["stream", UNKNOWN],
    )
    own = compose(
        76,
        41,
        ((0, 45), (3, 12)),
        [[1, 1, 2, 2, 1], [2, 1, 0, 2, 1], [2, 2, 2, 1, 1]],
        [within(8), within(9)],
        coder=second_model.NUMBER,
        before=((REST, rest([(1, (-4, 5, 127))], model=second_restoration.NUMBER)),),
    )
    add(
        "private-model",
        own,
        SAID,
        "a private restoration model of a private model",
        ["stream", second_restoration.NUMBER],
        [None, [0]],
    )
    cut = two(before=((REST, rest([every])),)).build()
    _partial(book, "cut-off", cut[:-9], "the last group is cut off, the first is restored", "stream")
    hurt = two()
    broken = hurt.build(preamble=[*hurt.preamble(), flipped(chunk(REST, rest([every])), 8)])
    _partial(book, "damaged-chunk", broken, "a damaged REST is as none, so vectors are derived", SYNTHETIC)


def _partial(book: Book, name: str, data: bytes, why: str, by: int | str) -> None:
    """A vector of which something is missing."""
    ask = [accepted("info", data), accepted("decode", data), accepted("decode", data, restored=by)]
    book.add(
        f"restored/{name}.sdc",
        data,
        ask,
        why=why,
        how="a right stream, cut off or with one byte changed",
        accept=[*GOOD.split(), "STAT-05"],
        needs=["REST"],
    )


def _wrong(book: Book) -> None:
    """One fault in REST: ``info`` refuses, and who restores, but ``decode`` gives the pixels all the same."""

    def refuse(name: str, payload: bytes, codes: str, ids: str, why: str) -> None:
        data = two(before=((REST, payload),)).build()
        book.refuse(
            f"invalid/rest-{name}.sdc",
            data,
            codes,
            ids,
            fault="metadata",
            why=why,
            needs=["REST"],
            accept="REST-14 RSTR-09 RSTR-10",
        )
        found = answer("decode", data, restored="stream")
        assert found["exit"] == 1 and found["error"]["code"] in codes.split(), (name, found)
        book.entries[-1]["ask"].append(_asked("stream", 1, codes))

    values = (1, 2, 3, 4)
    for name, vectors, ids, why in (
        ("vectors-order", [(1, values), (0, values)], "REST-04", "vectors in falling order"),
        ("vector-twice", [(0, values), (0, values)], "REST-04", "two vectors of one group"),
        ("vector-group", [(2, values)], "REST-05", "a vector of a group that is not there"),
        ("vector-254", [(254, values)], "REST-05", "a vector of group 254 of two"),
        ("vector-empty", [(0, ())], "REST-06", "a vector without values"),
        ("vector-65", [(0, (1,) * 65)], "REST-06", "a vector of 65 values"),
        ("vector-sizes", [(0, values), (1, (1, 2, 3))], "REST-06", "vectors of two sizes"),
    ):
        refuse(name, rest(vectors), "E_REST", f"REST-13 {ids}", why)
    for name, found, ids, why in (
        ("degradations-order", [(1, 1, 1), (0, 1, 1)], "REST-09", "degradations in falling order of groups"),
        ("kinds-order", [(0, 3, 1), (0, 2, 1)], "REST-09", "degradations in falling order of kinds"),
        ("kind-twice", [(0, 3, 1), (0, 3, 9)], "REST-09", "a kind of degradation twice in one group"),
        ("degradation-group", [(2, 1, 1)], "REST-10", "a degradation of a group that is not there"),
        ("kind-0", [(255, 0, 1)], "REST-11", "a degradation of kind 0"),
    ):
        refuse(name, rest((), found), "E_REST", f"REST-13 {ids}", why)
    one = [(0, values)]
    for name, rows, counts, ids, why in (
        ("fewer-vectors", [], (1, 0), "REST-03", "a vector fewer than it says"),
        ("fewer-degradations", one, (1, 1), "REST-08", "a degradation fewer than it says"),
    ):
        refuse(name, rest(rows, counts=counts), "E_PAYLOAD_LENGTH", f"{ids} REST-13 CHNK-03", why)
    refuse("more-bytes", rest() + b"\0", "E_PAYLOAD_LENGTH", "REST-08 REST-13 CHNK-03", "a byte too many")
    refuse("empty", b"", "E_PAYLOAD_LENGTH", "REST-13 CHNK-03", "an empty payload")
    refuse("varint", b"\x83\0" + rest()[1:], "E_VARINT", "REST-13 NOTA-05", "a number that is not minimal")
    twice = two(before=((REST, rest()),), after=((REST, rest()),)).build()
    book.refuse("invalid/rest-twice.sdc", twice, "E_CHUNK_DUPLICATE", "CHNK-08", why="a second REST")


def _asked(by: int | str, status: int, codes: str, name: str = "") -> dict[str, Any]:
    """A question that must be refused."""
    return {
        "op": "decode",
        "tier": "R",
        "name": name or f"restored-{by}",
        "restored": by,
        "exit": status,
        "codes": codes.split(),
    }


def _wrong_models(book: Book) -> None:
    """What is right until somebody restores."""

    def refuse(
        name: str, parts: Parts, ask: Sequence[tuple[int | str, int, str]], ids: str, why: str
    ) -> None:
        book.accept(f"restored/{name}.sdc", parts, "RSTR-09 RSTR-10 REST-14", why=why, needs=["REST"])
        for by, status, code in ask:
            found = answer("decode", parts.build(), restored=by)
            assert (found["exit"], found["error"]["code"]) == (status, code), (name, by, found)
            book.entries[-1]["ask"].append(_asked(by, status, code))
        book.entries[-1]["ids"]["reject"] += ids.split()

    values = (255, (1, 2, 3, 4))
    none = "E_MODEL"
    refuse(
        "no-model",
        two(),
        [("stream", 2, none), (0, 2, none), (UNKNOWN, 2, none), (second_restoration.NUMBER, 2, none)],
        "RSTR-05 RSTR-06",
        "no restoration model is named, or one that is none, is not known or is of another model",
    )
    decodes = rest([values], model=0, weights=load_model(0).weights)
    unknown = rest([values], model=UNKNOWN, weights=bytes(4))
    other = rest([values], model=second_restoration.NUMBER)
    weights = rest([values], weights=b"\1\2\3\4")
    for name, payload, code, ids, why in (
        ("names-decoder", decodes, none, "REST-01 RSTR-05", "REST names a model that decodes"),
        ("names-unknown", unknown, none, "RSTR-05", "REST names a model that nobody has"),
        ("names-other", other, none, "REST-01 RSTR-06", "REST names a model that restores another's latents"),
        ("other-weights", weights, "E_MODEL_HASH", "REST-02", "REST names other weights"),
    ):
        refuse(name, two(before=((REST, payload),)), [("stream", 2, code)], ids, why)
    refuse(
        "other-size",
        two(before=((REST, rest([(255, (1, 2, 3))])),)),
        [("stream", 1, "E_REST"), (SYNTHETIC, 1, "E_REST")],
        "RSTR-07",
        "vectors of three values for a model that wants four",
    )
    own = compose(20, 20, ((0, 30),), None, small(1), coder=second_model.NUMBER)
    refuse(
        "other-latents",
        own,
        [(second_restoration.WRONG, 2, "E_MODEL_FILE")],
        "RMOD-03",
        "a restoration model with another range of latents than its base",
    )
    named = replace(own, before=((REST, rest(model=second_restoration.WRONG)),))
    refuse(
        "other-latents-named",
        named,
        [("stream", 2, "E_MODEL_FILE")],
        "RMOD-03",
        "the same, named by REST",
    )
