"""Colour spaces, EXIF and XMP: recognised, carried, turned, stripped and written."""

from __future__ import annotations

import io
import math
import random
import re
import struct
import zlib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import ExifTags, Image, ImageCms

import sdc
from sdc.cli import main as cli
from sdc.colour.profiles import profile_for, profile_of
from sdc.colour.recognise import PRIMARIES, TRANSFERS, is_profile, recognised
from sdc.colour.spaces import D50, light_of, matrix_of, rows_of
from sdc.errors import SdcError, spec_data
from sdc.format.build import build
from sdc.format.chunks import EXIF, ICCP, XMPP, Chunk
from sdc.format.colr import SRGB, UNSPECIFIED, CodePoints, code_points, parse_colour
from sdc.format.deflated import deflated_payload, inflate_chunk, inflated
from sdc.format.metadata import icc_profile, read_metadata
from sdc.format.parse import parse
from sdc.images.exif import PARTS, Unreadable, upright, without
from sdc.images.metadata import NOTHING, Attached, stripped
from sdc.images.read import read_image
from sdc.images.write import write_image
from sdc.notes import Notes

FORMATS = ("png", "jpg", "webp", "avif", "tif")
P3 = CodePoints(12, 13)


def gradient(width: int = 48, height: int = 32) -> np.ndarray[Any, np.dtype[np.uint8]]:
    y, x = np.mgrid[:height, :width]
    return np.stack([x * 255 // width, y * 255 // height, (x + y) % 256], -1).astype(np.uint8)


# --- colour spaces --------------------------------------------------------------------------------


def formula(text: str) -> Callable[[float], float]:
    """A formula of the registry as a function."""
    parts = re.fullmatch(r"(.+) if (.+), else (.+)", text)
    code = f"({parts[1]}) if ({parts[2]}) else ({parts[3]})" if parts else text
    return eval(f"lambda v: {code.replace('^', '**')}", {"exp": math.exp, "max": max})  # type: ignore[no-any-return]


@pytest.mark.parametrize("number", list(rows_of("transfers")))
def test_curves_are_the_formulas_of_the_registry(number: int) -> None:
    v = np.arange(256) / 255
    light = formula(rows_of("transfers")[number]["light"])
    assert light_of(number, v) == pytest.approx([light(x) for x in v.tolist()], rel=1e-9, abs=1e-12)
    assert (np.diff(light_of(number, v)) >= 0).all()


def test_matrices_take_white_to_white() -> None:
    for number in rows_of("colour_primaries"):
        assert matrix_of(number).sum(1) == pytest.approx(D50, abs=1e-9)
    wanted = [[0.43607, 0.38515, 0.14307], [0.22249, 0.71687, 0.06061], [0.01392, 0.09708, 0.71410]]
    # sRGB under D50, as ICC publishes it from X, Y, Z of D65 in four digits
    assert matrix_of(1) == pytest.approx(np.array(wanted), abs=3e-4)
    assert {row["number"] for row in spec_data("registry.json")["transfers"]["entries"]} - set(
        rows_of("transfers")
    ) == {2}


@pytest.mark.slow
def test_profiles_are_recognised_by_what_they_do() -> None:
    alike = {(4, 192), (192, 4)}
    for primaries in PRIMARIES:
        for transfer in TRANSFERS:
            profile = profile_of(CodePoints(primaries, transfer))
            assert profile is not None and is_profile(profile)
            found = recognised(profile)
            assert found is not None and found.primaries == primaries
            assert found.transfer == transfer or (found.transfer, transfer) in alike


def test_other_profiles_of_srgb_are_srgb() -> None:
    profile = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
    assert recognised(profile) == SRGB and profile != profile_of(SRGB)
    assert recognised(profile.replace(b"sRGB", b"mine")) == SRGB


def changed(profile: bytes, tag: bytes, at: int, by: int) -> bytes:
    """A profile with one number of a tag changed, in units of 1/65536."""
    count = struct.unpack(">I", profile[128:132])[0]
    table = [struct.unpack(">4sII", profile[132 + 12 * k : 144 + 12 * k]) for k in range(count)]
    (start,) = (offset + at for name, offset, _ in table if name == tag)
    value = struct.unpack(">i", profile[start : start + 4])[0] + by
    return profile[:start] + struct.pack(">i", value) + profile[start + 4 :]


def test_what_differs_by_more_than_half_a_level_is_another_space() -> None:
    srgb = profile_of(SRGB) or b""
    assert recognised(changed(srgb, b"rXYZ", 8, 10)) == SRGB
    assert recognised(changed(srgb, b"rXYZ", 8, 1300)) is None  # X of red 0.02 higher
    assert recognised(changed(srgb, b"rTRC", 12, 3300)) is None  # an exponent of 2.45 in place of 2.4
    for junk in (b"", bytes(200), srgb[:140], b"x" * 36 + b"acsp" + bytes(400)):
        assert recognised(junk) is None and not is_profile(junk)
    lab = ImageCms.ImageCmsProfile(ImageCms.createProfile("LAB")).tobytes()
    assert recognised(lab) is None and is_profile(lab)


def grey_profile(gamma: float) -> bytes:
    """A profile for grey, of version 2."""
    curve = b"curv" + bytes(4) + struct.pack(">IH", 1, round(gamma * 256)) + bytes(2)
    white = b"XYZ " + bytes(4) + struct.pack(">3i", *(round(v * 65536) for v in D50))
    text = b"desc" + bytes(4) + struct.pack(">I", 5) + b"grey\0" + bytes(78) + bytes(1)
    body, table = b"", b""
    for tag, data in ((b"desc", text), (b"wtpt", white), (b"kTRC", curve)):
        table += struct.pack(">4sII", tag, 128 + 4 + 36 + len(body), len(data))
        body += data + bytes(-len(data) % 4)
    size = 128 + 4 + len(table) + len(body)
    head = (
        struct.pack(">I4sI", size, bytes(4), 0x02400000)
        + b"mntrGRAYXYZ "
        + struct.pack(">6H", 2026, 1, 1, 0, 0, 0)
    )
    head += b"acsp" + bytes(28) + struct.pack(">3i", *(round(v * 65536) for v in D50))
    return head.ljust(128, b"\0") + struct.pack(">I", 3) + table + body


def png(image: Image.Image, **options: Any) -> bytes:
    out = io.BytesIO()
    image.save(out, "PNG", **options)
    return out.getvalue()


def test_grey_images_keep_their_samples() -> None:
    grey = Image.fromarray(gradient()[:, :, 0])
    for mode in ("L", "LA"):
        found = read_image(png(grey.convert(mode), icc_profile=grey_profile(2.2)))
        assert not found.notes and (found.pixels == np.asarray(grey)[:, :, None]).all()
        assert parse_colour(parse(sdc.encode(found.pixels, icc_profile=found.icc_profile, effort=0))) == (
            1,
            4,
        )
    assert recognised(grey_profile(1.8)) == (1, 193)
    other = read_image(png(grey, icc_profile=grey_profile(3.3)))
    assert other.icc_profile is None and "converted to sRGB" in other.notes[0]


def test_code_points_have_names() -> None:
    assert (SRGB.name, P3.name, CodePoints(192, 192).name) == ("sRGB", "Display P3", "Adobe RGB")
    assert CodePoints(9, 16).name == "BT.2020, PQ"
    for unknown in (UNSPECIFIED, CodePoints(99, 13), CodePoints(1, 240)):
        assert unknown.name is None and profile_of(unknown) is None and profile_for(unknown, b"x") is None
    assert profile_for(SRGB, None) is None and profile_for(P3, None) == profile_of(P3)
    for wrong in (5, (1,), (1, 2, 3), (1, 256), (-1, 1), ("a", 1), (1.5, 1)):
        with pytest.raises(SdcError, match="E_USAGE"):
            code_points(wrong)
    assert code_points([12, 13]) == P3


def names_of(chunks: tuple[Chunk, ...]) -> list[str]:
    return [chunk.name for chunk in chunks]


@pytest.mark.parametrize(
    "options, before, after",
    [
        ({}, [], []),
        ({"colour": (1, 13)}, [], []),
        ({"colour": (12, 13)}, ["COLR"], []),
        ({"icc_profile": profile_of(SRGB)}, [], []),
        ({"icc_profile": profile_of(P3)}, ["COLR"], []),
        ({"icc_profile": bytes(300)}, ["COLR"], ["ICCP"]),
        ({"icc_profile": bytes(300), "metadata": "first"}, ["ICCP"], []),
        ({"icc_profile": profile_of(P3), "metadata": "first"}, ["COLR"], []),
        ({"exif": bytes(9), "xmp": b"x"}, [], ["EXIF", "XMPP"]),
    ],
)
def test_what_is_written_where(options: dict[str, Any], before: list[str], after: list[str]) -> None:
    data = sdc.encode(gradient(), effort=0, **options)
    stream = parse(data)
    assert (names_of(stream.before), names_of(stream.after)) == (before, after)
    assert sdc.validate(data).state == "valid"
    with sdc.open(io.BytesIO(data)) as file:
        found = options.get("icc_profile") if "ICCP" in before + after else None
        assert (file.icc_profile, file.exif, file.xmp) == (found, options.get("exif"), options.get("xmp"))
        assert (file.colour is None) == (found is not None)
        assert found is not None or file.colour == (P3 if before else SRGB)
    plain = sdc.decode(sdc.encode(gradient(), effort=0)).pixels
    assert np.array_equal(sdc.decode(data).pixels, plain)


def test_what_cannot_be_written_is_refused() -> None:
    for options, code in (
        ({"colour": (1, 2), "icc_profile": bytes(200)}, "E_USAGE"), ({"colour": (1, 999)}, "E_USAGE"),
        ({"icc_profile": bytes(127)}, "E_PICTURE"), ({"icc_profile": bytes((1 << 20) + 1)}, "E_PICTURE"),
        ({"exif": bytes(7)}, "E_PICTURE"), ({"exif": bytes((1 << 20) + 1)}, "E_PICTURE"),
        ({"xmp": b""}, "E_PICTURE"), ({"xmp": bytes((1 << 20) + 1)}, "E_PICTURE"),
    ):  # fmt: skip
        with pytest.raises(SdcError, match=code):
            sdc.encode(gradient(), **options)  # type: ignore[arg-type]


# --- deflated payloads ----------------------------------------------------------------------------


def test_contents_come_back() -> None:
    for content in (bytes(8), bytes(range(256)), random.Random(1).randbytes(5000), bytes(1 << 20)):
        chunk = Chunk(EXIF, deflated_payload(EXIF, content))
        assert inflate_chunk(chunk) == content
        packed = zlib.decompress(chunk.payload[len(chunk.payload) - len(_raw(chunk)) :], -15)
        assert packed == content


def _raw(chunk: Chunk) -> bytes:
    """The stream of DEFLATE of a chunk: what stands behind the varint."""
    k = next(k for k, byte in enumerate(chunk.payload) if byte < 128)
    return chunk.payload[k + 1 :]


def test_a_wrong_chunk_hides_no_other() -> None:
    stream = parse(sdc.encode(gradient(), exif=bytes(20), xmp=b"<a/>", effort=0))
    wrong = Chunk(ICCP, deflated_payload(ICCP, bytes(300))[:-1])
    found = parse(build(sdc.decode(build(stream)).stream.__class__(**{**vars(stream), "before": (wrong,)})))
    read = read_metadata(found)
    assert [error.code for error in read.errors] == ["E_DEFLATE"]
    assert dict(read.contents) == {EXIF: bytes(20), XMPP: b"<a/>"}
    assert inflated(found, EXIF) == bytes(20)
    with pytest.raises(SdcError, match=r"E_DEFLATE.*ends within"):
        icc_profile(found)


# --- EXIF -----------------------------------------------------------------------------------------


THUMBNAIL = b"\xff\xd8thumbnail\xff\xd9"


def directory(order: str, at: int, rows: list[tuple[int, int, bytes]], following: bool) -> bytes:
    """A directory at an offset, with its long values behind it.

    Args:
        rows: tag, type and value.
        following: whether another directory follows at its end.
    """
    sizes = {2: 1, 3: 2, 4: 4, 5: 8, 7: 1}
    start = at + 2 + 12 * len(rows) + 4
    table, values = struct.pack(order + "H", len(rows)), b""
    for tag, kind, value in rows:
        table += struct.pack(order + "HHI", tag, kind, len(value) // sizes[kind])
        if len(value) > 4:
            table += struct.pack(order + "I", start + len(values))
            values += value
        else:
            table += value.ljust(4, b"\0")
    table += struct.pack(order + "I", start + len(values) if following else 0)
    return table + values


def exif_block(order: str = "<", orientation: int = 6) -> bytes:
    """EXIF of a photograph on its side, with all that can be stripped."""

    def short(value: int) -> bytes:
        return struct.pack(order + "H", value)

    def long(value: int) -> bytes:
        return struct.pack(order + "I", value)

    def first(exif: int, gps: int) -> list[tuple[int, int, bytes]]:
        return [
            (0x010F, 2, b"A maker\0"), (0x0112, 3, short(orientation)), (0x0131, 2, b"me\0"),
            (0x8298, 2, b"(c) somebody\0"), (0x8769, 4, long(exif)), (0x8825, 4, long(gps)),
        ]  # fmt: skip

    inner = [(0x927C, 7, b"secret of the maker"), (0xA002, 4, long(400)), (0xA003, 4, long(300))]
    where = [(0x0001, 2, b"N\0"), (0x0002, 5, struct.pack(order + "6I", 48, 1, 12, 1, 3456, 100))]
    begin = {"<": b"II*\0", ">": b"MM\0*"}[order] + long(8)
    own = len(directory(order, 8, first(0, 0), True))
    thumb = [(0x0103, 3, short(6)), (0x0201, 4, long(0)), (0x0202, 4, long(len(THUMBNAIL)))]
    second = 8 + own
    image = second + len(directory(order, second, thumb, False))
    thumb[1] = (0x0201, 4, long(image))
    exif = image + len(THUMBNAIL)
    gps = exif + len(directory(order, exif, inner, False))
    return (
        begin
        + directory(order, 8, first(exif, gps), True)
        + directory(order, second, thumb, False)
        + THUMBNAIL
        + directory(order, exif, inner, False)
        + directory(order, gps, where, False)
    )


IFD1 = ExifTags.IFD.IFD1
"""Pillow's key for the directory of the thumbnail."""


def tags(block: bytes) -> dict[int, Any]:
    """What Pillow reads: tags of the image, and of the directories in it."""
    own = Image.Exif()
    own.load(b"Exif\0\0" + block)
    inner = {k: dict(own.get_ifd(k)) for k in (0x8769, 0x8825, IFD1)}
    return {k: v for k, v in dict(own).items() if k not in inner} | {k: v for k, v in inner.items() if v}


@pytest.mark.parametrize("order", ["<", ">"])
def test_orientation_is_reset_with_what_depends_on_it(order: str) -> None:
    block = exif_block(order)
    before = tags(block)
    assert before[0x0112] == 6 and before[IFD1][0x0202] == len(THUMBNAIL)
    after = upright(block)
    assert tags(after)[0x0112] == 1 and IFD1 not in tags(after) and THUMBNAIL not in after
    assert [tags(after)[0x8769][t] for t in (0xA002, 0xA003)] == [300, 400]
    assert tags(after)[0x8825] == before[0x8825] and b"secret of the maker" in after
    assert upright(exif_block(order, 1)) == exif_block(order, 1)
    straight = tags(upright(exif_block(order, 3)))
    assert [straight[0x8769][t] for t in (0xA002, 0xA003)] == [400, 300]
    assert THUMBNAIL in upright(exif_block(order, 9)) and tags(upright(exif_block(order, 9)))[0x0112] == 1


@pytest.mark.parametrize("order", ["<", ">"])
def test_parts_are_stripped(order: str) -> None:
    block = exif_block(order, 1)
    for parts in (("gps",), ("thumbnail",), PARTS):
        left = without(block, parts)
        found = tags(left)
        assert (0x8825 in found) == ("gps" not in parts)
        assert (THUMBNAIL in left) == (IFD1 in found) == ("thumbnail" not in parts)
        assert struct.pack(order + "2I", 3456, 100) not in left or "gps" not in parts
        assert b"secret" not in left and 0x927C not in found[0x8769]
        assert found[0x010F] == "A maker" and found[0x8298] == "(c) somebody"
        assert [found[0x8769][t] for t in (0xA002, 0xA003)] == [400, 300]
    assert len(without(block, PARTS)) < len(block)


def test_broken_exif_is_unreadable_and_nothing_worse() -> None:
    rng = random.Random(2)
    block = exif_block()
    counts = {True: 0, False: 0}
    for _ in range(3000):
        hurt = bytearray(block[: rng.choice([len(block), rng.randrange(len(block) + 1)])])
        for _ in range(rng.randrange(1, 5)):
            if hurt:
                hurt[rng.randrange(len(hurt))] = rng.choice([0, 1, 8, 255, rng.randrange(256)])
        for work in (upright, lambda data: without(data, PARTS)):
            try:
                work(bytes(hurt))
                counts[True] += 1
            except Unreadable:
                counts[False] += 1
    assert min(counts.values()) > 500
    circle = b"II*\0" + struct.pack("<IHI", 8, 0, 8)  # a directory that follows itself
    assert without(circle, PARTS)[:4] == b"II*\0" and upright(circle) == circle


XMP = (
    b'<x:xmpmeta xmlns:x="adobe:ns:meta/"><rdf:RDF><rdf:Description tiff:Orientation="6" dc:title="title"'
    b" exif:GPSLatitude='48,12N' exif:GPSLongitude=\"16,22E\"><exif:GPSAltitude>171/1</exif:GPSAltitude>"
    b"<xmp:Thumbnails><rdf:Alt><rdf:li xmpGImg:image='AAAA'/></rdf:Alt></xmp:Thumbnails>"
    b"</rdf:Description></rdf:RDF></x:xmpmeta>"
)


def test_parts_of_xmp_are_stripped_or_all_of_it() -> None:
    notes = Notes("E_PICTURE")
    left = stripped(Attached(None, XMP), ("gps",), notes).xmp
    assert left is not None and b"GPS" not in left and b"Thumbnails" in left and b'dc:title="title"' in left
    left = stripped(Attached(None, XMP), PARTS, notes).xmp
    assert left is not None and b"AAAA" not in left and b"GPS" not in left and not notes
    assert stripped(Attached(None, XMP), None, notes) == NOTHING
    assert stripped(Attached(None, XMP), (), notes).xmp == XMP
    odd = XMP.replace(b"exif:GPSAltitude>", b"exif:GPSAltitude >", 1)[:-400] + b"<a:GPSThing"
    assert stripped(Attached(None, odd), ("gps",), notes).xmp is None and "XMP is dropped" in str(notes)
    assert stripped(Attached(b"no EXIF..", None), ("gps",), notes).exif is None and "EXIF is" in str(notes)


# --- image files ----------------------------------------------------------------------------------


def jpeg(**options: Any) -> bytes:
    """A photograph that lies on its side: 32 x 48 samples, of 48 x 32 pixels."""
    out = io.BytesIO()
    turned = Image.fromarray(np.ascontiguousarray(np.rot90(gradient())))
    turned.save(out, "JPEG", quality=95, **options)
    return out.getvalue()


@pytest.fixture
def photo(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    """A photograph with EXIF, XMP and the profile of Display P3, in a folder of its own."""
    monkeypatch.chdir(tmp_path)
    data = jpeg(exif=b"Exif\0\0" + exif_block(), xmp=XMP, icc_profile=profile_of(P3))
    Path("photo.jpg").write_bytes(data)
    return "photo.jpg"


def encode(*options: str) -> sdc.SdcFile:
    assert cli.main(["encode", "photo.jpg", "o.sdc", "--objects", "none", "--effort", "0", *options]) == 0
    return sdc.open("o.sdc")


@pytest.mark.slow
@pytest.mark.parametrize("suffix", FORMATS)
def test_photographs_there_and_back(photo: str, suffix: str, capsys: pytest.CaptureFixture[str]) -> None:
    with encode() as file:
        assert file.size == (48, 32) and file.colour == P3 and file.icc_profile is None
        assert file.exif == upright(exif_block()) and file.xmp == XMP.replace(b'tion="6"', b'tion="1"')
        exif, xmp = file.exif, file.xmp
    assert capsys.readouterr().err == ""
    assert cli.main(["decode", "o.sdc", f"out.{suffix}"]) == 0
    with Image.open(f"out.{suffix}") as image:
        image.load()
        assert image.size == (48, 32) and image.info["icc_profile"] == profile_of(P3)
        own = image.getexif()
        found = own.get_ifd(0x8769)
        assert own.get(0x0112, 1) == 1 and own[0x010F] == "A maker" and own[0x8298] == "(c) somebody"
        assert (found[0xA002], found[0xA003]) == (300, 400) and found[0x927C] == b"secret of the maker"
        assert own.get_ifd(0x8825)[1] == "N"
        told = image.info.get("xmp") or image.info["XML:com.adobe.xmp"]
        assert (told.encode() if isinstance(told, str) else told) == xmp
        if suffix in ("png", "jpg", "webp"):
            assert image.info["exif"].removeprefix(b"Exif\0\0") == exif
    # And back: what was read of the written file is what was read of the first.
    again = read_image(Path(f"out.{suffix}").read_bytes())
    assert recognised(again.icc_profile or b"") == P3 and again.attached.xmp == xmp
    assert {k: v for k, v in tags(again.attached.exif or b"").items() if k != 0x0112} == {
        k: v for k, v in tags(exif or b"").items() if k != 0x0112
    }


def test_strip(photo: str, capsys: pytest.CaptureFixture[str]) -> None:
    with encode("--strip") as file:
        assert (file.exif, file.xmp, file.colour) == (None, None, P3)
    with encode("--strip=gps,thumbnail") as file:
        assert 0x8825 not in tags(file.exif or b"") and b"GPS" not in (file.xmp or b"GPS")
        assert b"secret" not in (file.exif or b"secret") and b'dc:title="title"' in (file.xmp or b"")
    with encode():
        pass
    assert cli.main(["decode", "--strip", "o.sdc", "o.png"]) == 0  # a name is no value of --strip
    assert set(Image.open("o.png").info) == {"icc_profile"}
    assert cli.main(["decode", "o.sdc", "--strip=gps", "o.png"]) == 0
    assert not Image.open("o.png").getexif().get_ifd(0x8825)
    capsys.readouterr()
    assert cli.main(["encode", "photo.jpg", "n.sdc", "--strip=maker"]) == 64
    assert "gps and thumbnail" in capsys.readouterr().err and not Path("n.sdc").exists()


def test_parts_of_an_image_come_without_what_describes_the_whole(
    photo: str, capsys: pytest.CaptureFixture[str]
) -> None:
    Path("o.json").write_text('[{"label": "a", "box": [0, 0, 16, 16], "level": "L1"}]')
    assert cli.main(["encode", photo, "o.sdc", "--objects", "o.json", "--effort", "0"]) == 0
    capsys.readouterr()
    for options in (["--levels", "1"], ["--objects", "a"]):
        assert cli.main(["decode", "o.sdc", "o.png", *options]) == 0
        assert set(Image.open("o.png").info) == {"icc_profile"}
    assert "EXIF and XMP describe the whole image" in capsys.readouterr().err
    assert cli.main(["extract", "o.sdc", "n.sdc", "--levels", "1"]) == 0
    assert "EXIF and XMPP could show what is withdrawn" in capsys.readouterr().err
    with sdc.open("n.sdc") as file:
        assert (file.exif, file.xmp, file.colour) == (None, None, P3)
    assert cli.main(["extract", "o.sdc", "n.sdc"]) == 0 and capsys.readouterr().err == ""
    assert Path("n.sdc").read_bytes() == Path("o.sdc").read_bytes()


def test_info_names_what_there_is(photo: str, capsys: pytest.CaptureFixture[str]) -> None:
    encode().close()
    assert cli.info_main(["o.sdc"]) == 0
    said = capsys.readouterr().out
    report = sdc.info("o.sdc")
    assert "colour    Display P3 (primaries 12, transfer 13)" in said
    assert (
        report["colour"] == {"primaries": 12, "transfer": 13, "name": "Display P3"} and report["icc"] is None
    )
    for key, name, kind in (("exif", "EXIF", EXIF), ("xmp", "XMP", XMPP)):
        chunk = parse(Path("o.sdc").read_bytes()).chunk(kind)
        assert chunk is not None
        sizes = report[key]
        assert sizes == {"stored": len(chunk.payload), "inflated": len(inflate_chunk(chunk))}
        assert f"{name:<9} {sizes['inflated']} bytes, {sizes['stored']} deflated" in said


def test_unknown_colour_spaces_are_said(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    Path("o.sdc").write_bytes(sdc.encode(gradient(), colour=(99, 77), effort=0))
    assert cli.info_main(["o.sdc"]) == 0 and "not known (primaries 99" in capsys.readouterr().out
    assert cli.main(["decode", "o.sdc", "o.png"]) == 0
    assert "colour space (99, 77) is not known" in capsys.readouterr().err
    assert "icc_profile" not in Image.open("o.png").info


def test_what_a_format_does_not_hold_is_said() -> None:
    big = Attached(exif_block() + bytes(70000), b"<x>" + b" " * 70000)
    for suffix, lost in ((".jpg", 2), (".bmp", 2), (".png", 0), (".webp", 0)):
        data, notes = write_image(gradient(), None, None, suffix, big)
        assert sum("does not hold the" in note for note in notes) == lost, suffix
        Image.open(io.BytesIO(data)).load()


def test_what_cannot_be_kept_is_dropped_and_said() -> None:
    broken = b"Exif\0\0II*\0" + struct.pack("<IH", 8, 500)
    for options, word in (
        ({"exif": broken}, "EXIF is damaged"), ({"xmp": b"\xff\xfe<x/>"}, "XMP is damaged"),
        ({"icc_profile": (profile_of(P3) or b"")[:200]}, "profile is damaged"),
    ):  # fmt: skip
        found = read_image(jpeg(**options))
        assert [word in note for note in found.notes] == [True] and found.attached == NOTHING
    exif = Image.Exif()
    exif[0x0112], exif[0x010F] = 6, "A maker"
    out = io.BytesIO()
    Image.fromarray(gradient()).save(out, "TIFF", exif=exif)
    found = read_image(out.getvalue())  # the layout of a TIFF file is none of its EXIF
    assert found.pixels.shape == (48, 32, 3) and set(tags(found.attached.exif or b"")) == {0x010F}
