"""Vectors with one fault in the header or in the chunks."""

from __future__ import annotations

from dataclasses import replace

from sdc.format.chunks import ICCP, OBJS, with_crc
from sdc.format.fields import encode_varint

from .book import Book
from .objects import objs
from .streams import compose, flipped, head_start, header_of, icc, longer


def invalid_container(book: Book) -> None:
    """One fault in the header or in the chunks."""
    base = compose(1, 1)
    good = base.build()
    two = compose(32, 16, ((0, 0), (3, 0)), [[1, 2]])
    own = base.start
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
    header = header_of(base.head())
    large = header_of(own + b"\1\0\xc0\4" + bytes(200))
    for name, data in [
        ("behind-magic", good[:4]),
        ("head-length", good[:4] + large[:1]),
        ("behind-length", good[:5]),
        ("head-payload", good[:10]),
        ("head-crc", good[: 4 + len(header) - 1]),
    ]:
        refuse(
            f"invalid/truncated-{name}.sdc",
            data,
            "E_TRUNCATED",
            "FILE-03 FILE-02",
            why="cut before the header is complete",
        )
    refuse(
        "invalid/truncated-length-beyond.sdc",
        base.build(header=header_of(base.head(), encode_varint(2**32 - 1))),
        "E_TRUNCATED",
        "FILE-03 HEAD-07 LIMT-01",
        why="a head of four gigabytes, of which nothing may be allocated",
    )

    for name, start in [
        ("width-longer", longer(1, 2) + own[1:]),
        ("width-five-bytes", longer(1, 5) + own[1:]),
        ("height-longer", own[:1] + longer(1, 2) + own[2:]),
        ("features-longer", own[:2] + longer(0, 3) + own[3:]),
        ("model-longer", own[:3] + longer(0, 2) + own[4:]),
        ("width-33-bits", b"\xff\xff\xff\xff\x1f" + own[1:]),
        ("width-fifth-byte-goes-on", b"\xff\xff\xff\xff\x8f\x00" + own[1:]),
    ]:
        refuse(
            f"invalid/varint-{name}.sdc",
            base.build(header=header_of(base.head(start=start))),
            "E_VARINT",
            "NOTA-05 NOTA-04",
            why="a number of the head that is not a varint",
        )
    for name, length in [
        ("longer", longer(len(base.head()), 2)),
        ("33-bits", b"\xff\xff\xff\xff\x7f"),
        ("fifth-byte-goes-on", b"\x80\x80\x80\x80\x80"),
    ]:
        refuse(
            f"invalid/varint-head-length-{name}.sdc",
            base.build(header=header_of(base.head(), length)),
            "E_VARINT",
            "NOTA-05 HEAD-07",
            why="the length of the head is not a varint",
        )
    refuse(
        "invalid/varint-grps-size.sdc",
        base.build(header=header_of(base.head(sizes=[longer(4, 2)]))),
        "E_VARINT",
        "NOTA-05",
        why="size of a group in a longer form than needed",
    )
    refuse(
        "invalid/varint-grps-preamble.sdc",
        base.build(header=header_of(base.head(preamble=longer(0, 2)))),
        "E_VARINT",
        "NOTA-05",
        why="preamble in a longer form than needed",
    )

    both = header_of(two.head())
    for name, data, why in [
        ("head-crc", base.build(header=flipped(header, -1)), "one bit of the CRC"),
        ("head-payload", base.build(header=flipped(header, 1)), "one bit of the width"),
        ("head-length", base.build(header=flipped(header, 0)), "one bit of the length, which is in the CRC"),
        ("grps-payload", base.build(header=flipped(header, -6)), "one bit of a quality"),
        ("mask-payload", two.build(header=flipped(both, -5)), "one bit of the group map"),
        (
            "head-crc-of-payload-only",
            base.build(header=header[:1] + with_crc(base.head())),
            "a CRC without the length",
        ),
        (
            "head-crc-big-endian",
            base.build(header=header[:-4] + header[:-5:-1]),
            "the CRC with its most significant byte first",
        ),
    ]:
        refuse(
            f"invalid/crc-{name}.sdc",
            data,
            "E_HEAD_CRC",
            "HEAD-09 CHNK-10" + (" NOTA-01" if "endian" in name else ""),
            why=why,
        )

    one = objs([{}])
    for name, parts, why in [
        ("iccp", replace(base, before=((ICCP, icc()), (ICCP, icc()))), "a second ICCP"),
        (
            "iccp-behind",
            replace(base, before=((ICCP, icc()),), after=((ICCP, icc()),)),
            "a second ICCP behind the groups",
        ),
        ("objs", replace(base, after=((OBJS, one), (OBJS, one))), "a second OBJS"),
        (
            "objs-either-side",
            replace(base, before=((OBJS, one),), after=((OBJS, one),)),
            "OBJS in front of and behind the groups",
        ),
    ]:
        refuse(f"invalid/duplicate-{name}.sdc", parts.build(), "E_CHUNK_DUPLICATE", "CHNK-08", why=why)

    for name, head, why in [
        ("head-short", own[:-1], "the head ends in front of the version"),
        ("head-empty", b"", "a head without a byte"),
        ("head-within-varint", b"\x80", "the head ends within a varint"),
        ("grps-empty", own, "the head ends in front of the number of groups"),
        ("grps-short", base.head()[:-1], "the head ends within the entry of a group"),
        ("grps-count", compose(32, 16).head(count=2), "the head counts more groups than it lists"),
    ]:
        refuse(
            f"invalid/payload-{name}.sdc",
            base.build(header=header_of(head)),
            "E_PAYLOAD_LENGTH",
            "HEAD-08 HEAD-07" + (" GRPS-04" if "grps" in name else ""),
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
            base.build(header=header_of(base.head(start=head_start(w, h)))),
            "E_HEAD_SIZE",
            ids,
            why="width, height or their product out of range",
        )
    refuse(
        "invalid/head-size-before-feature.sdc",
        base.build(header=header_of(base.head(start=head_start(65536, 65536, features=1)))),
        "E_HEAD_SIZE",
        "HEAD-02 STAT-12",
        why="too many pixels, and behind them an unknown feature: the first in the file counts",
    )

    refuse(
        "invalid/grps-count-0.sdc",
        base.build(header=header_of(own + b"\0\0"), data=[]),
        "E_GRPS_COUNT",
        "GRPS-02",
        why="no group",
    )
    refuse(
        "invalid/grps-count-above-cells.sdc",
        two.build(header=header_of(two.head(start=own))),
        "E_GRPS_COUNT",
        "GRPS-02 GRPS-01",
        why="two groups in one cell",
    )
    refuse(
        "invalid/grps-count-255-of-1.sdc",
        base.build(header=header_of(base.head(entries=[0] * 255, sizes=[0] * 255)), data=[]),
        "E_GRPS_COUNT",
        "GRPS-02",
        why="255 groups in one cell",
    )
    for a, b in ((1, 0), (3, 0), (2, 1)):
        refuse(
            f"invalid/grps-order-{a}-{b}.sdc",
            two.build(header=header_of(two.head(entries=[a << 6, b << 6]))),
            "E_GRPS_ORDER",
            "GRPS-05",
            why="a group of higher importance behind one of lower",
        )
    for size in (1, 3):
        refuse(
            f"invalid/grps-size-{size}.sdc",
            base.build(header=header_of(base.head(sizes=[size]))),
            "E_GRPS_SIZE",
            "GRPS-06",
            why="a size that no group's data can have",
        )
    named = replace(base, before=((0x8A, b"abcdef"),))
    refuse(
        "invalid/preamble-chunk-reaches-behind.sdc",
        named.build(header=header_of(named.head(preamble=4))),
        "E_GRPS_PREAMBLE",
        "GRPS-03",
        why="a chunk begins within the preamble and ends behind it",
    )
