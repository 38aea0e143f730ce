"""Vectors with one fault in the chunks, in HEAD or in GRPS."""

from __future__ import annotations

import zlib
from dataclasses import replace

from sdc.format.chunks import GRPS, HEAD, ICCP, LATN, MASK, OBJS
from sdc.format.fields import encode_varint

from .book import Book
from .streams import (
    chunk,
    compose,
    flipped,
    head_payload,
    icc,
    longer,
    objs,
    raw_chunk,
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
