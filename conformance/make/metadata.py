"""Vectors of COLR, ICCP, EXIF and XMPP, right and wrong."""

from __future__ import annotations

from dataclasses import replace

from sdc.format.chunks import COLR, EXIF, ICCP, XMPP

from .book import Book
from .deflate import (
    END,
    FIXED_DISTANCES,
    FIXED_LITERALS,
    LONGEST,
    Bits,
    Coded,
    begin_fixed,
    bomb,
    dynamic_head,
    fixed,
    payload,
    stored,
)
from .streams import FOUR, FOUR_MAP, Parts, compose, content, icc, longer, small

DISPLAY_P3 = bytes([12, 13])
LARGEST = 1 << 20


def exif(orientation: int = 1) -> bytes:
    """The least EXIF with an orientation."""
    entry = (0x0112).to_bytes(2, "big") + (3).to_bytes(2, "big") + (1).to_bytes(4, "big")
    entry += orientation.to_bytes(2, "big") + bytes(2)
    return b"MM\0*" + (8).to_bytes(4, "big") + (1).to_bytes(2, "big") + entry + bytes(4)


PACKET = '<x:xmpmeta xmlns:x="adobe:ns:meta/">Stra\u00dfe</x:xmpmeta>'.encode()


def metadata(book: Book) -> None:
    """What is said of the whole image."""
    _colour(book)
    _attached(book)
    _deflate(book)
    _refused(book)


def _pictured(seed: int) -> Parts:
    """A small picture that has samples, so that a change of them shows."""
    return compose(20, 20, ((1, 30),), None, small(seed))


def _colour(book: Book) -> None:
    base = _pictured(1)
    for name, parts, ids, why in [
        ("colr", replace(base, before=((COLR, DISPLAY_P3),)), "COLR-01 COLR-02 ICCP-02", "Display P3"),
        (
            "colr-behind",
            replace(base, after=((COLR, bytes([192, 192])),)),
            "COLR-01 COLR-02 ICCP-02",
            "Adobe RGB, of registered numbers, behind the groups",
        ),
    ]:
        book.accept(f"valid/{name}.sdc", parts, ids, why=why, needs=["COLR"], seed=1)
    for name, codes in [
        ("unspecified", (2, 2)),
        ("primaries", (99, 13)),
        ("transfer", (1, 77)),
        ("both", (0, 255)),
    ]:
        book.accept(
            f"uncommon/colr-unknown-{name}.sdc",
            replace(base, before=((COLR, bytes(codes)),)),
            "COLR-03",
            why="a colour space that nobody knows: the same samples, and no error",
            needs=["COLR"],
            seed=1,
        )
    both = ((COLR, DISPLAY_P3), (ICCP, icc()))
    half = ((COLR, bytes([2, 13])), (ICCP, icc()))
    for name, parts in [
        ("before", replace(base, before=both)),
        ("behind", replace(base, before=both[1:], after=both[:1])),
        ("half", replace(base, before=half)),
    ]:
        book.accept(
            f"uncommon/colr-and-iccp-{name}.sdc",
            parts,
            "COLR-04",
            why="code points and a profile, which no encoder writes together: the code points hold",
            needs=["COLR", "ICCP"],
            seed=1,
        )
    left = (COLR, bytes([2, 2]))
    for name, parts in [
        ("behind", replace(base, before=(left,), after=((ICCP, icc(300)),))),
        ("before", replace(base, before=((ICCP, icc(300)), left))),
    ]:
        book.accept(
            f"valid/iccp-{name}.sdc",
            parts,
            "ICCP-01 ICCP-02 COLR-04 CHNK-07 DEFL-01 DEFL-03",
            why=f"a colour profile {name} the groups, to which code points leave the colour space",
            needs=["COLR", "ICCP"],
            seed=1,
        )


def _largest(said: bytes, size: int) -> bytes:
    """A stream of some bytes and as many zeros behind them as make a size."""
    rest = size - len(said)
    return fixed(said + bytes(rest % LONGEST or LONGEST), (rest - 1) // LONGEST)


def _attached(book: Book) -> None:
    base = _pictured(2)
    outside = exif()[:4] + (1 << 20).to_bytes(4, "big")
    for name, kind, said, ids, why in [
        ("valid/exif", EXIF, exif(), "EXIF-01 EXIF-02 EXIF-03", "EXIF with an orientation of 1"),
        ("uncommon/exif-turned", EXIF, exif(6), "EXIF-03", "an orientation that no decoder applies"),
        (
            "uncommon/exif-outside",
            EXIF,
            outside,
            "EXIF-01 EXIF-02",
            "EXIF that leads outside, which is no error",
        ),
        ("uncommon/exif-not-tiff", EXIF, bytes(8), "EXIF-02", "EXIF that is none, which is no error"),
        ("valid/xmpp", XMPP, PACKET, "XMPP-01 XMPP-02", "XMP"),
        ("uncommon/xmpp-not-xml", XMPP, b"\xff", "XMPP-01 XMPP-02", "XMP that is no XML, no error"),
    ]:
        book.accept(
            f"{name}.sdc",
            replace(base, after=((kind, payload(said)),)),
            f"{ids} DEFL-01 DEFL-03",
            why=why,
            needs=["EXIF" if kind == EXIF else "XMPP"],
            seed=2,
        )
    book.accept(
        "uncommon/metadata-before.sdc",
        replace(base, before=((XMPP, payload(PACKET)), (EXIF, payload(exif())), (COLR, DISPLAY_P3))),
        "CHNK-07 CHNK-08",
        why="everything in front of the groups, in no usual order",
        needs=["COLR", "EXIF", "XMPP"],
        seed=2,
    )
    for name, kind in [("exif", EXIF), ("xmpp", XMPP), ("iccp", ICCP)]:
        stream = _largest(b"II*\0", LARGEST)
        book.accept(
            f"valid/{name}-largest.sdc",
            replace(base, after=((kind, payload(b"", size=LARGEST, stream=stream)),)),
            f"{name.upper()}-01 DEFL-03",
            why="the largest content, nearly all zeros",
            needs=[name.upper()],
            seed=2,
        )


LITERALS = {0: 2, 1: 2, END: 2, 257: 3, 285: 3}
"""Complete lengths of codes of two bytes, the end and two copies."""


def _packed(stream: bytes, size: int) -> Parts:
    """A stream of DEFLATE as XMP, whose content may be anything."""
    return compose(8, 8, after=((XMPP, payload(b"", size=size, stream=stream)),))


def _deflate(book: Book) -> None:
    text = content(300)
    far = b"\0" + stored(text + bytes(32768 - 300))[1:]
    far += begin_fixed().code(FIXED_LITERALS, 257).code(FIXED_DISTANCES, 29).put(8191, 13).end().bytes()
    two = {0: 1, 1: 1}
    own = dynamic_head(LITERALS, two).code(LITERALS, 0, 1, 285).code(two, 1)
    copies = own.code(LITERALS, 257).code(two, 0).code(LITERALS, END).bytes()
    one = dynamic_head(LITERALS, {0: 1}).code(LITERALS, 1, 257).code({0: 1}, 0).code(LITERALS, END).bytes()
    none = dynamic_head({7: 1, END: 1}, {}).code({7: 1, END: 1}, 7, 7, END).bytes()
    empty = b"\0\0\0\xff\xff" * 3
    # 2, 2, 2, then 138 + 115 zeros, then the end of two bits, then one distance of one bit.
    short = {0: 2, 1: 2, 2: 2, END: 2}
    lengths: list[Coded] = [2, 2, 2, (18, 127, 7), (18, 104, 7), 2, 1]
    coded_by = {16: 3, 17: 3, 18: 2, 0: 2, 1: 3, 2: 3}
    runs = dynamic_head(short, {0: 1}, own=coded_by, coded=lengths).code(short, 0, 1, 2, END).bytes()
    for name, stream, size, why in [
        ("stored", stored(text, 100), 300, "three stored blocks"),
        ("stored-empty", empty + stored(text), 300, "empty stored blocks in front"),
        ("fixed", fixed(text), 300, "fixed codes"),
        ("fixed-copies", fixed(text, 3), 300 + 3 * LONGEST, "copies that overlap themselves"),
        ("dynamic", copies, 2 + LONGEST + 3, "codes of its own, and copies"),
        ("dynamic-runs", runs, 3, "lengths of codes in runs, and one distance that is not used"),
        ("no-distance", none, 2, "no code for any distance, and none used"),
        ("one-distance", one, 4, "one code of one bit for distances"),
        ("far", far, 32768 + 3, "a copy from the greatest distance"),
        ("bits-left", _filled(fixed(b"left")), 4, "ones in the bits that are left over"),
    ]:
        book.accept(
            f"uncommon/deflate-{name}.sdc",
            _packed(stream, size),
            "DEFL-01 DEFL-02 DEFL-03",
            why=f"DEFLATE: {why}",
            needs=["XMPP"],
        )


def _filled(stream: bytes) -> bytes:
    """The same with ones in the bits behind the end, of which fixed codes of 4 literals leave six."""
    return stream[:-1] + bytes([stream[-1] | 0xF0])


def _refused(book: Book) -> None:
    def refuse(name: str, kind: int, data: bytes, codes: str, ids: str, why: str) -> None:
        needs = {COLR: "COLR", ICCP: "ICCP", EXIF: "EXIF", XMPP: "XMPP"}[kind]
        book.refuse(
            f"invalid/{name}.sdc",
            compose(8, 8, after=((kind, data),)).build(),
            codes,
            ids,
            fault="metadata",
            why=why,
            needs=[needs],
        )

    refuse("colr-short", COLR, b"\x01", "E_PAYLOAD_LENGTH", "CHNK-03", "COLR of one byte")
    refuse("colr-long", COLR, b"\x01\x0d\x00", "E_PAYLOAD_LENGTH", "CHNK-03", "COLR of three bytes")
    for name, kind, least in (("iccp", ICCP, 128), ("exif", EXIF, 8), ("xmpp", XMPP, 1)):
        for size in dict.fromkeys((0, least - 1, LARGEST + 1, 2**32 - 1)):
            stream = _largest(b"", size) if size == LARGEST + 1 else stored(bytes(min(size, least)))
            refuse(
                f"{name}-size-{size}",
                kind,
                payload(b"", size=size, stream=stream),
                "E_DEFLATE",
                f"{name.upper()}-01",
                "a size that the content may not have",
            )
    refuse("xmpp-empty", XMPP, b"", "E_PAYLOAD_LENGTH", "CHNK-03", "a deflated chunk without a size")
    refuse(
        "exif-varint", EXIF, payload(exif(), size=longer(26, 2)), "E_VARINT", "NOTA-05", "a size of two bytes"
    )
    text = content(40)
    rows: list[tuple[str, Bits | bytes, str, str]] = [*_wrong_sizes(text), *_wrong_codes()]
    for name, wrong, ids, why in rows:
        stream = wrong.bytes() + bytes(9) if isinstance(wrong, Bits) else wrong
        refuse(f"deflate-{name}", XMPP, payload(text, stream=stream), "E_DEFLATE", ids, f"DEFLATE: {why}")
    for name, kind, size in (("iccp", ICCP, 200), ("exif", EXIF, LARGEST), ("xmpp", XMPP, LARGEST)):
        refuse(
            f"{name}-bomb",
            kind,
            payload(b"", size=size, stream=bomb(1 << 24)),
            "E_DEFLATE",
            "DEFL-03 LIMT-01",
            "a stream that inflates to 16 MiB",
        )
    base = compose(1, 1)
    for name, kind, data in [
        ("colr", COLR, DISPLAY_P3),
        ("exif", EXIF, payload(exif())),
        ("xmpp", XMPP, payload(PACKET)),
    ]:
        book.refuse(
            f"invalid/duplicate-{name}.sdc",
            replace(base, before=((kind, data),), after=((kind, data),)).build(),
            "E_CHUNK_DUPLICATE",
            "CHNK-08",
            why=f"a second {name.upper()}",
        )


def _wrong_sizes(text: bytes) -> list[tuple[str, bytes, str, str]]:
    """Streams for a content that end too early or too late."""
    return [
        ("nothing", b"", "DEFL-01", "no stream"),
        ("cut", fixed(text)[:-1], "DEFL-01", "the end is cut off"),
        ("cut-stored", stored(text)[:-1], "DEFL-01", "a stored block is cut off"),
        ("trailing", fixed(text) + b"\0", "DEFL-01", "a byte behind the stream"),
        ("zlib", b"\x78\x01" + stored(text) + bytes(4), "DEFL-01", "a header of zlib"),
        ("not-last", b"\0" + stored(text)[1:], "DEFL-01", "no block is the last"),
        ("block-3", b"\x07" + stored(text), "DEFL-02", "a block of type 3"),
        ("complement", stored(text)[:3] + b"\0" + stored(text)[4:], "DEFL-02", "a wrong complement"),
        ("short", fixed(text[1:]), "DEFL-03", "a byte less than the size"),
        ("long", fixed(text + b"!"), "DEFL-03", "a byte more than the size"),
        ("long-copy", fixed(text, 1), "DEFL-03", "a copy beyond the size"),
        ("empty", stored(b""), "DEFL-03", "nothing in place of the size"),
    ]


def _wrong_codes() -> list[tuple[str, Bits, str, str]]:
    """Streams whose codes, or what they code, RFC 1951 and DEFL-02 do not allow."""
    literal, two = {0: 1, END: 1}, {0: 1, 1: 1}
    copy = {65: 2, END: 2, 257: 1}
    own = {0: 1, 1: 2, 16: 2}
    three = dict.fromkeys(range(3), 1)
    over: list[Coded] = [*[0] * 256, 1, (16, 3, 2)]
    head = dynamic_head

    def copied(length: int, distance: int) -> Bits:
        return begin_fixed().code(FIXED_LITERALS, 65, length).code(FIXED_DISTANCES, distance)

    found = [
        ("lengths-286", head({**literal, 286: 0}, two, counts=(287, 2)), "287 codes"),
        ("lengths-31", head(literal, two, counts=(257, 31)), "31 distances"),
        ("no-end", head({0: 1, 1: 1}, two), "no code for the end"),
        ("too-many", head({0: 1, 1: 1, END: 1}, two), "more codes than there can be"),
        ("too-few", head({0: 2, END: 2}, two), "codes that are not complete"),
        ("too-few-one", head({END: 2}, two), "one code, of two bits"),
        ("distances-too-many", head(literal, three), "more distances than there can be"),
        ("distances-too-few", head(literal, {0: 1, 1: 2}), "distances that are not complete"),
        ("distances-one", head(literal, {0: 2}), "one distance, of two bits"),
        ("own-too-few", head(literal, two, own={0: 2, 1: 2}), "codes of lengths that are not complete"),
        ("own-too-many", head(literal, two, own=three, coded=[]), "more codes of lengths than there can be"),
        ("repeat-first", head(literal, two, own=own, coded=[(16, 0, 2)]), "repeats what is not there"),
        ("repeat-over", head(literal, {0: 1}, own=own, coded=over), "repeats a length beyond the last"),
        ("one-code", head({END: 1}, two).put(1, 1), "the code beside the only one"),
        ("length-286", copied(286, 0), "symbol 286"),
        ("distance-30", copied(257, 30), "distance symbol 30"),
        ("too-far", copied(257, 1), "a distance to before the first byte"),
        ("no-distance", head(copy, {}).code(copy, 65, 257), "a copy where no distance has a code"),
    ]
    return [(name, stream, "DEFL-02", why) for name, stream, why in found]


def four() -> Parts:
    """Four groups with everything that is said of the whole image."""
    return compose(
        48,
        32,
        FOUR,
        FOUR_MAP,
        [small(k) for k in range(4)],
        before=((COLR, DISPLAY_P3), (0x8A, b"not safe")),
        after=((ICCP, icc()), (EXIF, payload(exif())), (XMPP, payload(PACKET)), (0xCA, b"safe")),
    )
