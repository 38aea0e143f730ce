"""Vectors with one fault in the symbols of a group."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

from sdc.coding.rans import Encoder
from sdc.format.parse import parse

from .book import UNKNOWN, Book, accepted
from .maps import finish_from
from .streams import (
    FOUR,
    FOUR_MAP,
    Draw,
    Library,
    compose,
    head_start,
    small,
    within,
)

CODED = ((3, 24),)
"""A group of one cell that codes few residuals."""


def invalid_symbols(book: Book) -> None:
    """One fault in the symbols of a group."""
    base = compose(1, 1, CODED, None, within(1))
    payload = base.payloads[0] or b""
    assert len(payload) >= 6

    def refuse(name: str, data: bytes, codes: str, ids: str, why: str, **more: Any) -> None:
        book.refuse(f"invalid/{name}.sdc", data, codes, ids, fault="symbols", why=why, **more)

    def given(data: bytes) -> bytes:
        return base.with_payload(0, data).build()

    state = min(len(payload), 4 - len(payload) % 2)
    refuse(
        "rans-state",
        given(payload[: state - 1] + b"\0" + payload[state:]),
        "E_RANS_STATE",
        "RANS-03 RANS-01 STAT-08",
        "the last byte of the first state is 0, and words follow",
    )
    for size in range(1, 7):
        refuse(
            f"rans-state-0-of-{size}",
            given(bytes(size)),
            "E_RANS_STATE",
            "RANS-03 RANS-01",
            f"{size} bytes of 0",
        )
    refuse(
        "rans-word-missing",
        given(payload[:-2]),
        "E_RANS_FINAL",
        "RANS-07 RANS-11 PASS-01",
        "the last word is missing, and what is read without it ends elsewhere",
    )
    refuse(
        "rans-state-only",
        given(payload[:state]),
        "E_RANS_FINAL",
        "RANS-07 RANS-11",
        "the first state and no word",
    )
    refuse(
        "rans-trailing",
        given(payload + bytes(400)),
        "E_RANS_FINAL",
        "RANS-07 PASS-01",
        "many words too many",
    )
    refuse(
        "rans-word-too-many",
        given(payload + bytes(2)),
        "E_RANS_FINAL",
        "RANS-07 PASS-01",
        "a word too many, which the last symbols may use",
    )
    refuse(
        "rans-shifted",
        given(payload + b"\1"),
        "E_RANS_FINAL E_ESCAPE",
        "RANS-01 RANS-07",
        "a byte too many, by which another part of the bytes is the first state",
    )
    none = compose(1, 1)
    for size in range(1, 6):
        refuse(
            f"rans-nothing-coded-{size}",
            none.with_payload(0, bytes([1] * size)).build(),
            "E_RANS_FINAL",
            "RANS-07 LATN-03",
            "no symbol is coded, and yet there are bytes",
        )

    def recode(put_last: Callable[[list[int], list[int]], None], draw: Draw, end: int = 0) -> bytes:
        """Code the group of ``CODED``, change the list of intervals, and end in another state."""
        captured: list[Encoder] = []

        class Captured(Encoder):
            def finish(self) -> bytes:
                captured.append(self)
                return b""

        lib = Library.load()
        keep = lib.rans.Encoder
        setattr(lib.rans, "Encoder", Captured)  # noqa: B010
        try:
            compose(1, 1, CODED, None, draw)
        finally:
            setattr(lib.rans, "Encoder", keep)  # noqa: B010
        (encoder,) = captured
        put_last(encoder._starts, encoder._freqs)
        return finish_from(encoder, end)

    refuse(
        "rans-final",
        given(recode(lambda s, f: None, within(1), 1)),
        "E_RANS_FINAL",
        "RANS-07 PASS-01",
        "the last state is 1",
    )
    refuse(
        "rans-final-large",
        given(recode(lambda s, f: None, within(1), 1 << 16)),
        "E_RANS_FINAL",
        "RANS-07",
        "the last state is 2^16",
    )

    def prefix(bits: int) -> Callable[[list[int], list[int]], None]:
        """Put an escape with a prefix of so many ones where the first residual stood; nothing behind it."""

        def change(starts: list[int], freqs: list[int]) -> None:
            del starts[1:], freqs[1:]
            starts += [0] + [1 << 14] * bits
            freqs += [1 << 14] * (bits + 1)

        return change

    refuse(
        "escape-sixteen-ones",
        given(recode(prefix(16), first_escape())),
        "E_ESCAPE",
        "SYMB-05 SYMB-04",
        "a prefix of sixteen ones",
    )
    for name, bits, rest in [("fifteen-ones", 15, 0), ("above-32767", 14, (1 << 14) - 1)]:

        def change(starts: list[int], freqs: list[int], bits: int = bits, rest: int = rest) -> None:
            del starts[1:], freqs[1:]
            starts += [0] + [1 << 14] * bits + [0] + [rest << 15 - bits]
            freqs += [1 << 14] * (bits + 2) + [1 << 15 - bits]

        refuse(
            f"escape-{name}",
            given(recode(change, first_escape())),
            "E_ESCAPE",
            "SYMB-05",
            "an escaped residual beyond 32767",
        )
    four = compose(48, 32, FOUR, FOUR_MAP, [small(k) for k in range(4)])
    for k in (0, 3):
        bad = four.with_payload(k, (four.payloads[k] or b"") + bytes(400) + b"\1\1")
        data = bad.build()
        others = [j for j in range(4) if j != k]
        start = parse(data).groups[k].offset
        refusal = {"exit": 1, "codes": ["E_RANS_FINAL"], "offsets": [start, start + len(bad.data()[k])]}
        book.add(
            f"invalid/one-group-of-four-{k}.sdc",
            data,
            [
                accepted("info", data),
                {"op": "decode", "tier": "T1", **refusal},
                {"op": "decode", "tier": "T1", "groups": [k], **refusal},
                accepted("decode", data, others),
            ],
            why="a fault in one of four groups: no pixels if it is asked for, all others if not",
            how="many words too many in one group",
            accept=["STAT-08", "STAT-11"],
            reject=["STAT-08", "STAT-10", "STAT-11"],
            seed=0,
        )
    model = replace(base, start=head_start(1, 1, model=UNKNOWN))
    refuse(
        "model-before-symbols",
        model.with_payload(0, payload + bytes(400)).build(),
        "E_MODEL",
        "STAT-12 STAT-13",
        "no model, and symbols that nobody can look at",
    )


def first_escape() -> Draw:
    """The first residual is an escape, the others 0."""
    count = iter(range(1 << 30))
    return lambda t, reach: reach + 1 if next(count) == 0 else 0
