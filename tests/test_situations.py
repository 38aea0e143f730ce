"""What is assumed, dropped or converted is said; and the page that lists what happens when."""

from __future__ import annotations

import random
import re
from pathlib import Path
from typing import Any

import make_situations
import numpy as np
import pytest
from image_files import RGB, heif, jpeg, png, tiff, tiff_page, turned
from PIL import Image
from situations import Situation, check, images
from skimage.data import astronaut

import sdc
from sdc.cli import main as cli
from sdc.colour.recognise import recognised
from sdc.errors import SdcError
from sdc.format.colr import CodePoints
from sdc.images import overrun, scans
from sdc.images.jpeg import structure_of
from sdc.images.read import SourceImage, read_image
from sdc.notes import Notes
from sdc.objects.object import Objects


def test_the_page_is_up_to_date() -> None:
    assert make_situations.PAGE.read_text("utf-8") == make_situations.page(), "make tables"


def test_no_row_is_there_twice() -> None:
    for title, table in make_situations.rows().items():
        given = [row.given for row in table]
        assert len(set(given)) == len(given), title


@pytest.mark.parametrize(
    ("notes", "error"),
    [([], None), (["b"], None), (["a", "a"], None), ([], SdcError("E_PICTURE", "a"))],
)
def test_a_row_is_held_to_what_it_says(notes: list[str], error: SdcError | None) -> None:
    check(Situation("", "", "a…"), ["a, and so on"])
    with pytest.raises(AssertionError):
        check(Situation("", "", "a…"), notes, error)


def outcome(row: Situation, *, strict: bool = False) -> tuple[SourceImage | None, SdcError | None]:
    try:
        return read_image(row.make(), strict=strict, **row.options["read"]), None
    except SdcError as error:
        return None, error


def hold_pixels(row: Situation, found: SourceImage) -> None:
    want, colour = row.options["want"], row.options["colour"]
    assert (found.icc_profile and recognised(found.icc_profile)) == colour
    if want is not None:
        whole = want if want.ndim == 3 else np.repeat(want[:, :, None], 3, 2)
        assert found.pixels.shape == whole.shape
        assert np.abs(found.pixels.astype(int) - whole.astype(int)).max() <= row.options["near"]


@pytest.mark.parametrize("row", images.ROWS, ids=str)
def test_image_files(row: Situation) -> None:
    found, error = outcome(row)
    check(row, found.notes if found else (), error)
    if found is not None:
        hold_pixels(row, found)
    _, refused = outcome(row, strict=True)
    assert (refused.code if refused else "") == ("E_PICTURE" if row.said else "")
    assert error is None or str(refused) == str(error)


def broken(data: bytes, rng: random.Random) -> bytes:
    """A file with a few bytes changed, left out or there twice, most of them near its start."""
    out = bytearray(data)
    for _ in range(rng.randrange(1, 6)):
        place = rng.randrange(min(len(out), rng.choice([60, 400, len(out)])))
        way = rng.randrange(4)
        if way == 0:
            out[place] = rng.choice([0, 1, 127, 128, 255])
        elif way == 1:
            out[place : place + 4] = rng.choice([b"\xff\xff\xff\xff", bytes(4), b"\0\0\0\1"])
        elif way == 2 and len(out) > 80:
            del out[place : place + rng.randrange(1, 40)]
        else:
            out[place:place] = out[place : place + rng.randrange(1, 40)]
    return bytes(out)


@pytest.mark.slow
def test_broken_files_are_read_or_refused_in_words() -> None:
    files = [data for row in images.ROWS if 20 < len(data := row.make()) < 20000]
    rng = random.Random(3)
    for _ in range(1500):
        try:
            read_image(broken(rng.choice(files), rng), background=(0, 0, 0), max_pixels=1 << 20)
        except SdcError as error:
            assert error.code in ("E_PICTURE", "E_LIMIT") and error.message


def test_a_tag_without_values_is_no_layout() -> None:
    tags, data = tiff_page(RGB, 2)
    with pytest.raises(SdcError, match="E_PICTURE: TIFF"):
        read_image(tiff(({**tags, 258: b""}, data)))


# --- notes ----------------------------------------------------------------------------------------
def test_notes_are_kept_once_or_are_errors() -> None:
    notes = Notes("E_OBJECTS")
    notes.add("left out", "objects[3]")
    notes.take(["a", "left out (objects[3])", "a"])
    assert list(notes) == ["left out (objects[3])", "a"] and len(notes) == 2
    with pytest.raises(SdcError, match=r"E_OBJECTS: left out \(objects\[3\]\)"):
        Notes("E_OBJECTS", strict=True).add("left out", "objects[3]")


@pytest.fixture
def deep(tmp_path: Path) -> Path:
    path = tmp_path / "deep.png"
    Image.fromarray(np.zeros((16, 16), np.uint16) + 65535).save(path)
    return path


@pytest.mark.parametrize("command", ["encode", "analyze"])
def test_strict_commands_refuse_what_would_be_said(
    deep: Path, command: str, capsys: pytest.CaptureFixture[str]
) -> None:
    out = deep.with_suffix(".sdc" if command == "encode" else ".json")
    given = [str(out), "--objects", "none"] if command == "encode" else ["-o", str(out)]
    assert cli.main([command, str(deep), *given, "--strict"]) == 64
    assert "E_PICTURE: 16-bit samples are rounded" in capsys.readouterr().err and not out.exists()
    assert cli.main([command, str(deep), *given]) == 0
    assert "note: 16-bit samples are rounded to 8 bits" in capsys.readouterr().err and out.exists()


def test_python_gets_the_notes(deep: Path) -> None:
    image = sdc.read_image(deep)
    assert image.notes == ("16-bit samples are rounded to 8 bits",)
    with pytest.raises(sdc.UsageError, match="E_PICTURE: 16-bit"):
        sdc.read_image(deep, strict=True)
    thing = sdc.Object("a", (0, 0, 8, 8))
    said = Objects([thing], ["one is left out"])
    assert sdc.encode(image.pixels, objects=said).notes == ("one is left out",)
    with pytest.raises(sdc.UsageError, match="E_OBJECTS: one is left out"):
        sdc.encode(image.pixels, objects=said, strict=True)


def test_an_image_of_pillow_brings_its_profile() -> None:
    p3 = images.profile(CodePoints(12, 13))
    image = Image.fromarray(RGB)
    image.info["icc_profile"] = p3
    data = sdc.encode(image, effort=0)
    assert data == sdc.encode(RGB, icc_profile=p3, effort=0) and data.notes == ()
    with sdc.open(data) as file:
        assert file.colour == CodePoints(12, 13)
    assert sdc.encode(image, colour=(1, 13), effort=0) == sdc.encode(RGB, effort=0)


@pytest.mark.parametrize(
    ("info", "said"),
    [
        ({"icc_profile": b"none"}, "the colour profile is not one of RGB, or damaged, and is dropped"),
        (
            {"icc_profile": images.grey_profile()},
            "the colour profile is not one of RGB, or damaged, and is dropped",
        ),
        ({"transparency": (0, 0, 0)}, "the transparent colour is not kept"),
        ({"exif": turned(6)}, "the EXIF orientation 6 is not applied; ImageOps.exif_transpose does"),
        ({"exif": turned(1)}, ""),
    ],
)
def test_what_an_image_of_pillow_loses_is_said(info: dict[str, Any], said: str) -> None:
    image = Image.fromarray(RGB)
    image.info |= info
    assert sdc.encode(image, effort=0).notes == ((said,) if said else ())
    if said:
        with pytest.raises(sdc.UsageError, match="E_PICTURE"):
            sdc.encode(image, effort=0, strict=True)


def test_a_provider_that_fails_is_an_error_where_that_is_asked_for(monkeypatch: pytest.MonkeyPatch) -> None:
    from sdc.analysis.providers.ranking import DefaultRanking

    def fail(*_: object) -> None:
        raise RuntimeError("no")

    monkeypatch.setattr(DefaultRanking, "rank", fail)
    pixels = np.zeros((64, 64, 3), np.uint8)
    pixels[16:48, 16:48] = (250, 40, 40)
    with pytest.raises(sdc.UsageError, match="E_OBJECTS: ranking by default failed"):
        sdc.analyze(pixels, strict=True)


# --- JPEG -----------------------------------------------------------------------------------------
@pytest.mark.parametrize(
    "options",
    [
        {},
        {"progressive": True},
        {"optimize": True, "quality": 97, "subsampling": 0},
        {"restart_marker_rows": 1},
        {"restart_marker_blocks": 7, "quality": 40},
        {"quality": 5},
    ],
    ids=str,
)
@pytest.mark.parametrize("mode", ["RGB", "L"])
def test_nothing_is_said_of_whole_scans(options: dict[str, Any], mode: str) -> None:
    photo = Image.fromarray(astronaut()[:203, :301]).convert(mode)
    assert read_image(jpeg(photo, **options)).notes == ()
    flat = Image.new(mode, (203, 101), 128 if mode == "L" else (128, 128, 128))
    assert read_image(jpeg(flat, **options)).notes == ()


@pytest.mark.parametrize("options", [{}, {"restart_marker_rows": 1}], ids=str)
@pytest.mark.parametrize("share", [0.3, 0.6, 0.9])
def test_the_row_is_said_from_which_on_a_scan_is_missing(options: dict[str, Any], share: float) -> None:
    photo = astronaut()[:256, :256]
    cut = images.cut_scan(jpeg(photo, **options), share)
    found = read_image(cut)
    (note,) = found.notes
    row = int(re.findall(r"from row (\d+) of 256", note)[0])
    whole = read_image(jpeg(photo, **options)).pixels
    same = (found.pixels == whole).all((1, 2))
    assert same[: row - 1].all() and not same[row + 32 :].all()
    assert abs(row - share * 256) < 64


@pytest.mark.parametrize("mode", ["RGB", "L"])
@pytest.mark.parametrize(
    "options", [{}, {"quality": 93}, {"subsampling": 0}, {"restart_marker_blocks": 7, "quality": 40}], ids=str
)
def test_usual_codes_take_one_small_decode(
    options: dict[str, Any], mode: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(scans, "_differs", lambda *_: pytest.fail("decoded whole again"))
    photo = Image.fromarray(astronaut()[:203, :301]).convert(mode)
    assert read_image(jpeg(photo, **options)).notes == ()


def test_of_other_segments_nothing_is_kept(monkeypatch: pytest.MonkeyPatch) -> None:
    """What blocks are decoded by is remembered, so a file must not be able to make it large."""
    whole = jpeg(astronaut()[:203, :301])
    long = b"\xff\xe0\xff\xffsome other data".ljust(65537, b"x")
    adobe = b"\xff\xee\0\x0eAdobe\0\x64\0\0\0\0\1"
    found = structure_of(whole[:2] + 9 * long + adobe + whole[2:])
    assert [m for m, _ in found.decoding if m in (0xE0, 0xEE)] == [0xEE, 0xE0]
    assert sum(len(content) for _, content in found.decoding) < 700
    assert read_image(whole[:2] + 9 * long + adobe + whole[2:]).notes == ()
    codes = re.search(rb"\xff\xc4.{2}\x00.{60}", whole, re.S)
    assert codes is not None
    size = 2 + int.from_bytes(whole[codes.start() + 2 : codes.start() + 4], "big")
    again = whole[codes.start() : codes.start() + size]
    many = whole[: codes.start()] + 1000 * again + whole[codes.start() :]
    monkeypatch.setattr(overrun, "_noise", lambda *_: pytest.fail("remembered"))
    assert read_image(many).notes == ()


@pytest.mark.parametrize("options", [{}, {"optimize": True}, {"restart_marker_rows": 1}], ids=str)
def test_bytes_that_lack_or_are_left_over_at_the_end_are_said(options: dict[str, Any]) -> None:
    whole = jpeg(astronaut()[:256, :256], **options)
    for lacking in range(3, 24, 4):
        (note,) = read_image(whole[: -2 - lacking].rstrip(b"\xff") + b"\xff\xd9").notes
        assert "its data ends early, from row 2" in note
    for more in range(16, 32, 5):
        (note,) = read_image(whole[:-2] + bytes(range(100, 100 + more)) + b"\xff\xd9").notes
        assert "there is more data than its pixels take" in note


# --- folders --------------------------------------------------------------------------------------
def test_a_folder_run_says_what_it_leaves_out(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    folder, out = tmp_path / "in", tmp_path / "out"
    (folder / "deep").mkdir(parents=True)
    for name, data in {
        "a.png": png(RGB[:16, :16]),
        "b.heic": heif(b"heic"),
        "c.HEIC": heif(b"heic"),
        "deep/d.nef": tiff(tiff_page(RGB, 2)),
        "e": jpeg(RGB),
        "notes.txt": b"BMW and P5, no images",
        "f.json": b"{}",
        "g.json": b"{}",
        ".hidden.heic": heif(b"heic"),
    }.items():
        (folder / name).write_bytes(data)
    argv = ["encode", str(folder), str(out), "--objects", str(folder / "g.json")]
    assert cli.main(argv) == 64  # no objects in that file
    assert cli.main(["encode", str(folder), str(out), "--objects", "none"]) == 0
    said = capsys.readouterr().err.splitlines()
    assert any("note: left out: b.heic, c.HEIC: HEIC is not read here; convert it with" in s for s in said)
    assert any("note: left out: deep/d.nef: a camera raw file is not read here" in s for s in said)
    assert any("note: left out: e: it is JPEG, and its name does not say so" in s for s in said)
    assert "sdc: note: left out, no images by their names: 1 .json, 1 .txt" in said
    assert "sdc: note: left out, no images by their names: 2 .json, 1 .txt" in said
    assert not any("hidden" in s for s in said) and (out / "a.sdc").exists()
    assert cli.main(["encode", str(folder), str(out), "--objects", "none", "--strict"]) == 64
    assert "E_PICTURE: left out: b.heic, c.HEIC" in capsys.readouterr().err


def test_a_folder_of_other_files_says_which_they_are(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "a.jxl").write_bytes(b"\xff\x0a" + bytes(99))
    assert cli.main(["encode", str(tmp_path), str(tmp_path / "out"), "--objects", "none"]) == 66
    said = capsys.readouterr().err
    assert "left out: a.jxl: JPEG XL is not read here" in said and "E_INPUT" in said
