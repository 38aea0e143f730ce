"""Vectors with one fault each."""

from __future__ import annotations

import struct
import zlib
from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from sdc.coding.labels import _Models, _neighbours
from sdc.coding.rans import Encoder
from sdc.format.chunks import GRPS, HEAD, ICCP, LATN, MASK, OBJS
from sdc.format.fields import encode_varint
from sdc.format.parse import parse

from .adapter import answer
from .book import MAP_CODES, RANS_CODES, UNKNOWN, Book, accepted
from .mutants import find, planted
from .second_model import NUMBER
from .streams import (
    FOUR,
    FOUR_MAP,
    Draw,
    Library,
    blobs,
    chunk,
    compose,
    ends,
    escaping,
    extreme,
    flipped,
    head_payload,
    icc,
    levels_of,
    longer,
    map_payload,
    objs,
    raw_chunk,
    scattered,
    small,
    within,
)


def invalid_container(book: Book) -> None:
    """One fault in the chunks, in HEAD or in GRPS."""
    base = compose(1, 1)
    good = base.build()
    two = compose(32, 16, ((0, 0), (3, 0)), [[1, 2]])
    own = head_payload(1, 1)
    refuse = book.refuse
    refuse("invalid/magic-empty-file.sdc", b"", "E_MAGIC", "FILE-01", why="an empty file")
    refuse(
        "invalid/magic-bit-7.sdc",
        flipped(good, 0, 0x80),
        "E_MAGIC",
        "FILE-01",
        why="a transfer that clears bit 7",
    )
    refuse(
        "invalid/magic-last-byte.sdc",
        flipped(good, 3, 0x20),
        "E_MAGIC",
        "FILE-01",
        why="the last byte of the magic number in lower case",
    )
    refuse(
        "invalid/magic-png.sdc", b"\x89PNG\r\n\x1a\n" + bytes(20), "E_MAGIC", "FILE-01", why="another format"
    )
    refuse(
        "invalid/magic-two-bytes.sdc",
        b"\xd3D",
        "E_MAGIC",
        "FILE-01 FILE-03",
        why="a short file that does not begin as the magic number does",
    )
    for n in (1, 3):
        refuse(
            f"invalid/truncated-magic-{n}.sdc",
            good[:n],
            "E_TRUNCATED",
            "FILE-03",
            why="cut within the magic number",
        )
    head_end = 4 + len(chunk(HEAD, own))
    for name, n in [
        ("behind-magic", 4),
        ("head-type", 5),
        ("head-payload", 10),
        ("head-crc", head_end - 1),
        ("behind-head", head_end),
        ("grps", head_end + 4),
        ("grps-crc", head_end + 9),
    ]:
        refuse(
            f"invalid/truncated-{name}.sdc",
            good[:n],
            "E_TRUNCATED",
            "FILE-03 FILE-02",
            why="cut before GRPS is complete",
        )
    whole = two.build()
    latents = sum(map(len, two.latents()))
    for back in (1, len(two.preamble()[0]) - 1, len(two.preamble()[0])):
        refuse(
            f"invalid/truncated-mask-{back}.sdc",
            whole[: len(whole) - latents - back],
            "E_TRUNCATED",
            "FILE-03",
            why="cut within MASK, or before it",
        )
    no_mask = replace(two, mask=None, before=((0x8A, b"abc"),)).build()
    refuse(
        "invalid/truncated-preamble.sdc",
        no_mask[: len(no_mask) - latents - 2],
        "E_TRUNCATED",
        "FILE-03",
        why="two groups, and the file ends within the preamble before there is a MASK",
    )
    refuse(
        "invalid/truncated-length-beyond.sdc",
        base.build(head=raw_chunk(HEAD, encode_varint(2**32 - 1), own)),
        "E_TRUNCATED",
        "FILE-03 CHNK-02 LIMT-01",
        why="HEAD of four gigabytes, of which nothing may be allocated",
    )

    for name, head in [
        ("width-longer", longer(1, 2) + own[1:]),
        ("width-five-bytes", longer(1, 5) + own[1:]),
        ("height-longer", own[:1] + longer(1, 2) + own[2:]),
        ("model-longer", own[:3] + longer(0, 2) + own[4:]),
        ("width-33-bits", b"\xff\xff\xff\xff\x1f" + own[1:]),
        ("width-fifth-byte-goes-on", b"\xff\xff\xff\xff\x8f\x00" + own[1:]),
    ]:
        refuse(
            f"invalid/varint-{name}.sdc",
            base.build(head=chunk(HEAD, head)),
            "E_VARINT",
            "NOTA-05 NOTA-04",
            why="a number of HEAD that is not a varint",
        )
    refuse(
        "invalid/varint-features-longer.sdc",
        base.build(head=chunk(HEAD, own[:2] + longer(0, 3) + own[3:])),
        "E_VARINT",
        "NOTA-05",
        why="features in a longer form than needed",
    )
    refuse(
        "invalid/varint-head-length.sdc",
        base.build(head=raw_chunk(HEAD, longer(len(own), 2), own)),
        "E_VARINT",
        "NOTA-05 CHNK-02",
        why="length of HEAD in a longer form than needed",
    )
    grps = base.grps()
    refuse(
        "invalid/varint-grps-length.sdc",
        base.build(grps=raw_chunk(GRPS, longer(len(grps), 2), grps)),
        "E_VARINT",
        "NOTA-05",
        why="length of GRPS in a longer form than needed",
    )
    refuse(
        "invalid/varint-grps-size.sdc",
        base.build(grps=chunk(GRPS, base.grps(sizes=[longer(6, 2)]))),
        "E_VARINT",
        "NOTA-05",
        why="size of a group in a longer form than needed",
    )
    refuse(
        "invalid/varint-grps-preamble.sdc",
        base.build(grps=chunk(GRPS, base.grps(preamble=longer(0, 2)))),
        "E_VARINT",
        "NOTA-05",
        why="preamble in a longer form than needed",
    )
    mask = two.mask or b""
    refuse(
        "invalid/varint-mask-length.sdc",
        two.build(preamble=[raw_chunk(MASK, longer(len(mask), 2), mask)]),
        "E_VARINT",
        "NOTA-05",
        why="length of MASK in a longer form than needed",
    )
    refuse(
        "invalid/varint-latn-length.sdc",
        base.build(latents=[raw_chunk(LATN, longer(0, 2), b"", base.seed(0))]),
        "E_VARINT",
        "NOTA-05 LATN-02",
        why="length of LATN in a longer form than needed, with a right CRC",
    )
    refuse(
        "invalid/varint-latn-length-33-bits.sdc",
        base.build(latents=[raw_chunk(LATN, b"\xff\xff\xff\xff\x7f", b"", base.seed(0))]),
        "E_VARINT",
        "NOTA-05 LATN-02",
        why="length of LATN beyond 32 bits, with a right CRC",
    )

    for name, data, why in [
        ("head-crc", base.build(head=flipped(chunk(HEAD, own), -1)), "one bit of the CRC of HEAD"),
        ("head-payload", base.build(head=flipped(chunk(HEAD, own), -6)), "one bit of the payload of HEAD"),
        (
            "head-type",
            base.build(head=flipped(chunk(HEAD, own), 0, 0x80)),
            "one bit of the type of HEAD: the CRC counts before the type",
        ),
        ("grps-crc", base.build(grps=flipped(chunk(GRPS, grps), -4, 0x10)), "one bit of the CRC of GRPS"),
        ("grps-payload", base.build(grps=flipped(chunk(GRPS, grps), 4, 1)), "one bit of a quality in GRPS"),
        ("mask-crc", two.build(preamble=[flipped(two.preamble()[0], -1)]), "one bit of the CRC of MASK"),
        (
            "mask-payload",
            two.build(preamble=[flipped(two.preamble()[0], 3)]),
            "one bit of the payload of MASK",
        ),
        (
            "head-crc-of-payload-only",
            base.build(head=chunk(HEAD, own)[:-4] + zlib.crc32(own).to_bytes(4, "little")),
            "a CRC over the payload alone",
        ),
        (
            "head-crc-big-endian",
            base.build(head=chunk(HEAD, own)[:-4] + chunk(HEAD, own)[:-5:-1]),
            "the CRC of HEAD with its most significant byte first",
        ),
    ]:
        refuse(
            f"invalid/crc-{name}.sdc",
            data,
            "E_CHUNK_CRC",
            "CHNK-04 CHNK-10" + (" NOTA-01" if "endian" in name else ""),
            why=why,
        )

    head, table = chunk(HEAD, own), chunk(GRPS, grps)
    other = chunk(0x8A, b"x")
    for name, data, ids, why in [
        ("grps-first", base.build(head=table, grps=head), "CHNK-07", "GRPS in front of HEAD"),
        (
            "ancillary-in-place-of-head",
            base.build(head=other + head),
            "CHNK-07",
            "an ancillary chunk in front of HEAD",
        ),
        (
            "ancillary-in-place-of-grps",
            base.build(grps=other + table),
            "CHNK-07",
            "an ancillary chunk in front of GRPS",
        ),
        (
            "critical-in-place-of-head",
            base.build(head=chunk(0x05, b"") + head),
            "CHNK-07 CHNK-05",
            "in the place of HEAD an unknown critical chunk is one out of order",
        ),
        (
            "critical-in-place-of-grps",
            base.build(grps=chunk(0x05, b"") + table),
            "CHNK-07 CHNK-05",
            "in the place of GRPS an unknown critical chunk is one out of order",
        ),
        (
            "head-in-place-of-grps",
            base.build(grps=head + table),
            "CHNK-07",
            "a second HEAD in the place of GRPS is a chunk out of order",
        ),
        (
            "mask-in-place-of-grps",
            two.build(grps=two.preamble()[0] + chunk(GRPS, two.grps(preamble=0)), preamble=[]),
            "CHNK-07",
            "MASK in front of GRPS",
        ),
        (
            "mask-behind-ancillary",
            two.build(preamble=[other, two.preamble()[0]]),
            "CHNK-07 MASK-08",
            "MASK behind another chunk",
        ),
        (
            "mask-behind-latents",
            compose(1, 1, after=((MASK, b""),)).build(),
            "CHNK-07",
            "MASK behind the latents",
        ),
        (
            "iccp-behind-ancillary",
            replace(base, before=((0x8A, b""), (ICCP, icc()))).build(),
            "CHNK-07 CHNK-13",
            "ICCP behind another ancillary chunk",
        ),
        (
            "iccp-behind-preamble",
            compose(1, 1, withdrawn=(0,), after=((ICCP, icc()),)).build(),
            "CHNK-07 CHNK-13",
            "ICCP behind a preamble of no byte, all groups withdrawn",
        ),
        (
            "iccp-behind-latents",
            replace(base, after=((ICCP, icc()),)).build(),
            "CHNK-07 CHNK-13",
            "ICCP behind the latents",
        ),
        (
            "latn-behind-latents",
            replace(base, after=((LATN, b""),)).build(),
            "CHNK-07 CHNK-11",
            "a LATN chunk, with a CRC without a seed, behind the last that GRPS places",
        ),
    ]:
        refuse(f"invalid/order-{name}.sdc", data, "E_CHUNK_ORDER", ids, why=why)

    one = objs([{}])
    for name, parts, why in [
        ("head", replace(base, before=((HEAD, own),)), "a second HEAD"),
        ("head-behind", replace(base, after=((HEAD, own),)), "a second HEAD behind the latents"),
        ("grps", replace(base, before=((GRPS, grps),)), "a second GRPS"),
        ("mask", replace(two, before=((MASK, mask),)), "a second MASK"),
        ("mask-behind", replace(two, after=((MASK, mask),)), "a second MASK behind the latents"),
        ("iccp", replace(base, before=((ICCP, icc()), (ICCP, icc()))), "a second ICCP"),
        (
            "iccp-behind",
            replace(base, before=((ICCP, icc()),), after=((ICCP, icc()),)),
            "a second ICCP behind the latents",
        ),
        ("objs", replace(base, after=((OBJS, one), (OBJS, one))), "a second OBJS"),
        (
            "objs-either-side",
            replace(base, before=((OBJS, one),), after=((OBJS, one),)),
            "OBJS in front of and behind the latents",
        ),
    ]:
        refuse(f"invalid/duplicate-{name}.sdc", parts.build(), "E_CHUNK_DUPLICATE", "CHNK-08", why=why)

    for name, data, why in [
        ("head-short", base.build(head=chunk(HEAD, own[:-1])), "HEAD without its last byte"),
        ("head-empty", base.build(head=chunk(HEAD, b"")), "HEAD without payload"),
        ("head-long", base.build(head=chunk(HEAD, own + b"\0")), "HEAD with a byte too many"),
        ("head-within-varint", base.build(head=chunk(HEAD, b"\x80")), "HEAD ends within a varint"),
        ("grps-short", base.build(grps=chunk(GRPS, grps[:-1])), "GRPS without its last byte"),
        ("grps-empty", base.build(grps=chunk(GRPS, b"")), "GRPS without payload"),
        ("grps-long", base.build(grps=chunk(GRPS, grps + b"\0")), "GRPS with a byte too many"),
        (
            "grps-count",
            two.build(grps=chunk(GRPS, two.grps(count=1))),
            "GRPS lists more groups than it counts",
        ),
    ]:
        refuse(
            f"invalid/payload-{name}.sdc",
            data,
            "E_PAYLOAD_LENGTH",
            "CHNK-03 CHNK-02" + (" GRPS-04" if "grps" in name else ""),
            why=why,
        )

    for w, h, ids in [
        (0, 1, "HEAD-01"),
        (1, 0, "HEAD-02"),
        (65537, 1, "HEAD-01"),
        (1, 65537, "HEAD-02"),
        (2**32 - 1, 1, "HEAD-01"),
        (65536, 16385, "HEAD-02"),
        (32769, 32768, "HEAD-02"),
        (65536, 65536, "HEAD-02 LIMT-01"),
    ]:
        refuse(
            f"invalid/head-size-{w}x{h}.sdc",
            base.build(head=chunk(HEAD, head_payload(w, h))),
            "E_HEAD_SIZE",
            ids,
            why="width, height or their product out of range",
        )

    refuse(
        "invalid/grps-count-0.sdc",
        base.build(grps=chunk(GRPS, b"\0\0"), latents=[]),
        "E_GRPS_COUNT",
        "GRPS-02",
        why="no group",
    )
    refuse(
        "invalid/grps-count-above-cells.sdc",
        two.build(head=chunk(HEAD, own)),
        "E_GRPS_COUNT",
        "GRPS-02 GRPS-01",
        why="two groups in one cell",
    )
    refuse(
        "invalid/grps-count-255-of-1.sdc",
        base.build(grps=chunk(GRPS, base.grps(count=255, entries=[0] * 255, sizes=[0] * 255)), latents=[]),
        "E_GRPS_COUNT",
        "GRPS-02",
        why="255 groups in one cell",
    )
    for a, b in ((1, 0), (3, 0), (2, 1)):
        refuse(
            f"invalid/grps-order-{a}-{b}.sdc",
            two.build(grps=chunk(GRPS, two.grps(entries=[a << 6, b << 6]))),
            "E_GRPS_ORDER",
            "GRPS-05",
            why="a group of higher importance behind one of lower",
        )
    for size in (1, 5):
        refuse(
            f"invalid/grps-size-{size}.sdc",
            base.build(grps=chunk(GRPS, base.grps(sizes=[size]))),
            "E_GRPS_SIZE",
            "GRPS-06",
            why="a size that no LATN chunk can have",
        )
    refuse(
        "invalid/preamble-mask-reaches-behind.sdc",
        two.build(grps=chunk(GRPS, two.grps(preamble=len(two.preamble()[0]) - 1))),
        "E_GRPS_PREAMBLE",
        "GRPS-03",
        why="MASK begins within the preamble and ends behind it",
    )
    named = replace(base, before=((0x8A, b"abcdef"),))
    refuse(
        "invalid/preamble-chunk-reaches-behind.sdc",
        named.build(grps=chunk(GRPS, named.grps(preamble=4))),
        "E_GRPS_PREAMBLE",
        "GRPS-03",
        why="an ancillary chunk begins within the preamble and ends behind it",
    )
    refuse(
        "invalid/preamble-latn.sdc",
        replace(base, before=((LATN, b""),)).build(),
        "E_GRPS_PREAMBLE",
        "GRPS-03 CHNK-11",
        why="a LATN chunk, with a CRC without a seed, within the preamble",
    )
    refuse(
        "invalid/mask-missing.sdc",
        replace(two, mask=None).build(),
        "E_MASK_MISSING",
        "MASK-01",
        why="two groups and no MASK",
    )
    refuse(
        "invalid/mask-missing-with-objs.sdc",
        replace(two, mask=None, before=((OBJS, one),)).build(),
        "E_MASK_MISSING",
        "MASK-01 MASK-08",
        why="two groups, a preamble and no MASK in it",
    )
    refuse(
        "invalid/mask-missing-behind-damage.sdc",
        replace(two, mask=None).build(preamble=[flipped(chunk(0x8A, b"xyz"), 3)]),
        "E_MASK_MISSING",
        "MASK-01 STAT-12",
        why="two groups, no MASK, and a damaged chunk in the preamble",
    )
    for name, bad, why in [
        (
            "type",
            raw_chunk(0x8A, b"\0", b"", base.seed(0)),
            "a chunk of another type where LATN is to stand, with a right CRC",
        ),
        (
            "length-short",
            raw_chunk(LATN, b"\0", b"ab", base.seed(0)),
            "a length that is too small, with a right CRC",
        ),
        (
            "length-long",
            raw_chunk(LATN, b"\3", b"", base.seed(0)),
            "a length that is too large, with a right CRC",
        ),
        (
            "length-goes-on",
            raw_chunk(LATN, b"\x80", b"", base.seed(0)),
            "a length that has not ended where the CRC begins",
        ),
    ]:
        refuse(
            f"invalid/latn-size-{name}.sdc",
            base.build(latents=[bad]),
            "E_LATN_SIZE",
            "LATN-02 LATN-05",
            why=why,
        )


def invalid_map(book: Book) -> None:
    """One fault in the group map."""

    def build(payload: bytes, count: int = 2, width: int = 32, height: int = 16) -> bytes:
        groups = tuple((3, 0) for _ in range(count))
        return replace(
            compose(width, height, ((3, 0),)), groups=groups, payloads=(b"",) * count, mask=payload
        ).build()

    def refuse(name: str, data: bytes, codes: str, ids: str, why: str) -> None:
        book.refuse(f"invalid/{name}.sdc", data, codes, ids, fault="map", why=why)

    good = map_payload([[1, 2]], 2)
    refuse(
        "map-redundant",
        build(map_payload([[1, 1]], 1), 1),
        "E_MASK_REDUNDANT",
        "MASK-02",
        "a MASK that puts every cell into the only group",
    )
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
    refuse("map-rans-length-odd", build(good + b"\0"), "E_RANS_LENGTH", "RANS-02", "an odd number of bytes")
    refuse("map-rans-length-two", build(good[:2]), "E_RANS_LENGTH", "RANS-02", "two bytes")
    refuse(
        "map-rans-state",
        build(bytes.fromhex("ffff0000") + good[4:]),
        "E_RANS_STATE",
        "RANS-03",
        "the first state is below 2^16",
    )
    refuse("map-rans-empty", build(b""), "E_RANS_UNDERRUN", "RANS-05 MASK-06", "a group map without a byte")
    noisy = scattered(9, 4, 4, 2)
    coded = map_payload(noisy, 2)
    refuse(
        "map-rans-underrun",
        build(coded[:-2], 2, 64, 64),
        "E_RANS_UNDERRUN",
        "RANS-05",
        "the last word of a group map is missing",
    )
    refuse(
        "map-rans-trailing",
        build(good + b"\0\0"),
        "E_RANS_TRAILING",
        "RANS-08 MASK-06",
        "a word too many behind a group map",
    )
    encoder = Encoder()
    _put_map(encoder, [[1, 2]], 2)
    refuse(
        "map-rans-final",
        build(finish_from(encoder)),
        "E_RANS_FINAL",
        "RANS-07 MASK-06",
        "a group map whose last state is not 2^16",
    )


def _put_map(encoder: Encoder, labels: Any, count: int, none_at: int | None = None) -> None:
    """Code a label map into an encoder; at label number ``none_at`` every candidate is refused."""
    models, grid = _Models(), np.array(labels).tolist()
    above: list[int] = []
    above2: list[int] = []
    for y, row in enumerate(grid):
        for x, cell in enumerate(row):
            label = None if y * len(row) + x == none_at else int(cell)
            candidates, pattern, context = _neighbours(row, above, above2, x, count)
            tried = [(candidates[0], models.first[context]), *models.behind_first(candidates, pattern)]
            for candidate, bit in tried:
                bit.put(encoder, int(label == candidate))
                if label == candidate:
                    break
            else:
                rest = [k for k in range(count + 1) if k not in candidates]
                if label is None:
                    assert not rest
                    return
                encoder.put_uniform(rest.index(label), len(rest))
        above, above2 = row, above or row


def no_label(labels: Any) -> bytes:
    """A label map of one group in which the last label that can be is neither of the two."""
    flat = np.array(labels)
    for at in range(flat.size - 1, 0, -1):
        encoder = Encoder()
        try:
            _put_map(encoder, labels, 1, at)
        except AssertionError:
            continue
        return encoder.finish()
    raise AssertionError("no such label")


def finish_from(encoder: Encoder, x: int = (1 << 16) + 1) -> bytes:
    """The stream of an encoder that begins, so that a decoder ends, in state ``x``; with no word too many."""
    words = []
    for start, freq in zip(reversed(encoder._starts), reversed(encoder._freqs), strict=True):
        if x >= freq << 17:
            words.append(x & 0xFFFF)
            x >>= 16
        x = ((x // freq) << 15) + x % freq + start
    return x.to_bytes(4, "little") + b"".join(struct.pack("<H", w) for w in reversed(words))


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

    refuse("rans-length-1", given(payload[:1]), "E_RANS_LENGTH", "RANS-02 STAT-08", "one byte")
    refuse("rans-length-2", given(payload[:2]), "E_RANS_LENGTH", "RANS-02", "two bytes")
    refuse("rans-length-3", given(payload[:3]), "E_RANS_LENGTH", "RANS-02", "three bytes")
    refuse("rans-length-odd", given(payload + b"\0"), "E_RANS_LENGTH", "RANS-02", "an odd number of bytes")
    refuse(
        "rans-state",
        given(bytes.fromhex("ffff0000") + payload[4:]),
        "E_RANS_STATE",
        "RANS-03 RANS-01",
        "the first state is below 2^16",
    )
    refuse("rans-state-0", given(bytes(4) + payload[4:]), "E_RANS_STATE", "RANS-03", "the first state is 0")
    refuse(
        "rans-underrun", given(payload[:-2]), "E_RANS_UNDERRUN", "RANS-05 PASS-01", "the last word is missing"
    )
    refuse(
        "rans-underrun-state-only",
        given(payload[:4]),
        "E_RANS_UNDERRUN",
        "RANS-05",
        "the first state and no word",
    )
    refuse(
        "rans-underrun-empty",
        given(b""),
        "E_RANS_UNDERRUN",
        "RANS-05 LATN-03",
        "no byte, though symbols are coded",
    )
    refuse("rans-trailing", given(payload + b"\0\0"), "E_RANS_TRAILING", "RANS-08 PASS-01", "a word too many")
    none = compose(1, 1)
    refuse(
        "rans-trailing-nothing-coded",
        none.with_payload(0, bytes.fromhex("00000100")).build(),
        "E_RANS_TRAILING",
        "RANS-09 LATN-03",
        "no symbol is coded, and yet there is a state",
    )

    def recode(put_last: Callable[[list[int], list[int]], None], draw: Draw, end: int = 1 << 16) -> bytes:
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
        given(recode(lambda s, f: None, within(1), (1 << 16) + 1)),
        "E_RANS_FINAL",
        "RANS-07 PASS-01",
        "the last state is 2^16 + 1",
    )
    refuse(
        "rans-final-large",
        given(recode(lambda s, f: None, within(1), (1 << 31) + 5)),
        "E_RANS_FINAL",
        "RANS-07",
        "the last state is far from 2^16",
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
        bad = four.with_payload(k, (four.payloads[k] or b"") + b"\0\0")
        data = bad.build()
        others = [j for j in range(4) if j != k]
        start = parse(data).groups[k].offset
        refusal = {"exit": 1, "codes": ["E_RANS_TRAILING"], "offsets": [start, start + len(bad.latents()[k])]}
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
            how="a word too many in one group",
            accept=["STAT-08", "STAT-11"],
            reject=["STAT-08", "STAT-10", "STAT-11"],
            seed=0,
        )
    model = replace(base, head=head_payload(1, 1, model=UNKNOWN))
    refuse(
        "model-before-symbols",
        model.with_payload(0, payload + b"\0\0").build(),
        "E_MODEL",
        "STAT-12 STAT-13",
        "no model, and symbols that nobody can look at",
    )


def first_escape() -> Draw:
    """The first residual is an escape, the others 0."""
    count = iter(range(1 << 30))
    return lambda t, reach: reach + 1 if next(count) == 0 else 0


def invalid_metadata(book: Book) -> None:
    """One fault in ICCP or OBJS: ``info`` refuses, ``decode`` gives the pixels all the same."""

    def refuse(
        name: str,
        before: Sequence[tuple[int, bytes]],
        codes: str,
        ids: str,
        why: str,
        size: tuple[int, int] = (8, 8),
        needs: str = "OBJS",
    ) -> None:
        book.refuse(
            f"invalid/{name}.sdc",
            compose(*size, before=before).build(),
            codes,
            ids,
            fault="metadata",
            why=why,
            needs=[needs],
            accept="OBJS-18" if needs == "OBJS" else "",
        )

    for size in (0, 127):
        refuse(
            f"iccp-size-{size}",
            ((ICCP, icc(size)),),
            "E_ICCP_SIZE",
            "ICCP-01",
            "a colour profile that is too small",
            needs="ICCP",
        )
    refuse(
        "iccp-size-1048577",
        ((ICCP, icc() + bytes((1 << 20) - 127)),),
        "E_ICCP_SIZE",
        "ICCP-01",
        "a colour profile that is too large by a byte",
        needs="ICCP",
    )

    def one(name: str, row: dict[str, Any], ids: str, why: str, codes: str = "E_OBJS") -> None:
        refuse(f"objs-{name}", ((OBJS, objs([row])),), codes, ids, why)

    full = map_payload(np.ones((8, 8)), 1)
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
    one("coding-without-mask", {"coding": 1}, "OBJS-15", "the coding of a pixel mask and no mask")
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


FOREIGN = {
    "map": """
    bit-start bit-sides-swapped bit-rate bit-floor bit-rounding map-far-north map-far-east
    map-contexts-shared map-pattern even-rounds-up words-big-endian
    """,
    "symbols": """
    raw-from-below table-one-off escape-length index-zero-is-coded symbol-offset escape-sign
    hyper-rounding hyper-clamp blocks-by-column place-in-block-transposed parity-swapped
    parity-from-group second-half-first context-sees-nothing index-clamp-62 index-rounding mean-rounding
    v-clamp latent-rounding latent-clamp pointwise-rounding pointwise-clamp depthwise-transposed
    edge-repeats quality-table-row quality-unclamped hyper-before
    """,
}
"""Planted bugs with which streams are coded, by the part that shows them."""


def invalid_foreign(book: Book) -> None:
    """Streams as an encoder and a decoder with the same bug would exchange them.

    Each breaks one sentence about numbers, so that the right decoder meets an end that cannot be.
    """
    for name, kind in ((name, kind) for kind, names in FOREIGN.items() for name in names.split()):
        mutant = find(name)
        words = f"coded as a decoder with the planted bug {name} decodes it"
        with planted(mutant):
            lib = Library.load()
        for seed in range(1000):
            if kind == "map":
                # The floor of a probability and its last rate are met in long runs only.
                rows, cols, count = ((4, 6, 5), (24, 60, 1))[name in ("bit-floor", "bit-rate")]
                labels = blobs(seed, rows, cols, count, True)
                if count == 1:
                    labels[:] = 1
                    labels[-1, seed % cols] = 0
                parts = compose(16 * cols, 16 * rows, levels_of(count, lambda k: 0), labels, lib=lib)
            else:
                kinds = (small, within, escaping, extreme, ends)
                side = 32 if seed % 3 else 80
                labels = np.ones((side // 16, side // 16), np.uint8)
                labels[0, 0] = 0
                if side == 80:
                    labels[0, 1:] = 0
                    labels[3, 3:] = 0
                coder = NUMBER if name == "v-unclamped" else 0
                parts = compose(
                    side, side, ((1, 1 + 5 * seed % 63),), labels, kinds[seed % 5](seed), lib=lib, coder=coder
                )
            data = parts.build()
            found = answer("decode", data)
            codes = MAP_CODES if kind == "map" else (*RANS_CODES, "E_ESCAPE")
            if found["exit"] == 1 and found["error"]["code"] in codes and len(data) < 4000:
                break
        else:
            raise AssertionError(f"no stream tells {name}")
        book.refuse(
            f"invalid/coded-with-{name}.sdc",
            data,
            " ".join(codes),
            " ".join(mutant.ids),
            fault=kind,
            why=words,
            how=words,
            seed=seed,
        )
