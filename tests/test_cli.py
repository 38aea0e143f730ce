"""The commands: what they do, print and return."""

from __future__ import annotations

import io
import json
import os
import pickle
import re
import shlex
import struct
import subprocess
import sys
import zlib
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np
import pytest
from noted_file import Noted
from PIL import Image, ImageCms

import sdc
from sdc import core
from sdc.cli import decode as decode_command
from sdc.cli import encode as encode_command
from sdc.cli import main as cli
from sdc.cli import messages, progress
from sdc.codec.decoder import decode
from sdc.coding.engine import engine
from sdc.colour.profiles import profile_of
from sdc.errors import InvalidError, SdcError
from sdc.format import objs as metadata
from sdc.format.build import build
from sdc.format.chunks import ICCP, OBJS, Chunk
from sdc.format.colr import SRGB, CodePoints
from sdc.format.deflated import inflated
from sdc.format.edit import extract
from sdc.format.objs import objects_payload, parse_objects
from sdc.format.objs_rows import Bounds
from sdc.format.parse import parse
from sdc.format.validate import validate
from sdc.images.start import BYTES, may_be_image
from sdc.objects.object import Object
from sdc.testing.streams import random_stream

FULL = random_stream(5, width=40, height=24, count=3, amplitude=40, extras=False).data
Run = Callable[..., "Ran"]


class Ran:
    """What a command returned and printed."""

    def __init__(self, status: int, out: bytes, err: str):
        self.status, self.out, self.err = status, out, err

    @property
    def codes(self) -> list[str]:
        """Error codes on standard error, of lines that are as errors must be."""
        lines = [line for line in self.err.splitlines() if ": note: " not in line]
        assert all(line.startswith(("sdc: E_", "sdc-info: E_")) for line in lines), self.err
        return [line.split(": ")[1] for line in lines]


@pytest.fixture
def run(
    capsysbinary: pytest.CaptureFixture[bytes], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> Iterator[Run]:
    """Run a command in this process, in an empty folder; nothing temporary may be left there."""
    monkeypatch.chdir(tmp_path)

    def call(*argv: object, stdin: bytes | BinaryIO = b"", main: Callable[..., int] = cli.main) -> Ran:
        source = io.BytesIO(stdin) if isinstance(stdin, bytes) else stdin
        monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(source))
        status = main([str(arg) for arg in argv])
        out, err = capsysbinary.readouterr()
        assert "Traceback" not in err.decode()
        return Ran(status, out, err.decode())

    yield call
    assert not list(tmp_path.rglob(".sdc-*"))


def subprocess_run(*argv: object, **options: Any) -> subprocess.CompletedProcess[bytes]:
    module = [sys.executable, "-c", "import sys; from sdc.cli.main import main; sys.exit(main())"]
    return subprocess.run([*module, *map(str, argv)], capture_output=True, check=False, **options)


def gradient(width: int = 50, height: int = 34) -> np.ndarray[Any, np.dtype[np.uint8]]:
    y, x = np.mgrid[:height, :width]
    return np.stack([x * 255 // width, y * 255 // height, (x + y) % 256], -1).astype(np.uint8)


def objects_file(path: str = "o.json") -> str:
    things = [
        {"label": "cat", "box": [2, 2, 20, 14], "level": "L1", "score": 0.9},
        {"label": "dog", "box": [33, 17, 17, 17], "level": "L2"},
        {"label": "cat", "box": [2, 18, 10, 14], "level": "L1", "score": 0.5},
    ]
    Path(path).write_text(json.dumps({"objects": things}))
    return path


def near(a: Any, b: Any, limit: float = 25.0) -> bool:
    """Whether two pictures look alike; the codec loses something."""
    return a.shape == b.shape and float(np.abs(a.astype(int) - b.astype(int)).mean()) < limit


def png_chunk(kind: bytes, data: bytes) -> bytes:
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))


def image(path: str | io.BytesIO) -> np.ndarray[Any, np.dtype[np.uint8]]:
    return np.array(Image.open(path))


@pytest.fixture
def coded(run: Run) -> str:
    """A stream of three level groups with objects, made by the command."""
    Image.fromarray(gradient()).save("in.png")
    assert run("encode", "in.png", "c.sdc", "--objects", objects_file(), "--quality", "40").status == 0
    return "c.sdc"


# --- There and back -----------------------------------------------------------------------------------


def test_encode_and_decode(run: Run, coded: str) -> None:
    assert run("decode", coded, "out.png").status == 0
    assert image("out.png").shape == (34, 50, 3)
    assert (image("out.png") == decode(Path(coded).read_bytes()).pixels).all()
    assert near(image("out.png"), gradient())
    stream = parse(Path(coded).read_bytes())
    assert [g.level for g in stream.groups] == ["L1", "L2", "other"]
    assert validate(Path(coded).read_bytes()).state == "valid"


def test_qualities_and_groups(run: Run) -> None:
    Image.fromarray(gradient()).save("in.png")
    ran = run("encode", "in.png", "a.sdc", "--objects", objects_file(), "--quality", "L1=44,L2=30,other=16")
    assert ran.status == 0
    assert [g.quality for g in parse(Path("a.sdc").read_bytes()).groups] == [44, 30, 16]
    ran = run("encode", "in.png", "a.sdc", "--objects", "o.json", "--group-by", "object", "--no-metadata")
    stream = parse(Path("a.sdc").read_bytes())
    assert [g.level for g in stream.groups] == ["L1", "L1", "L2", "other"]
    assert stream.after == ()
    assert run("encode", "in.png", "b.sdc", "--objects", "none").status == 0
    assert len(parse(Path("b.sdc").read_bytes()).groups) == 1


def test_pipes(run: Run, coded: str) -> None:
    data = Path(coded).read_bytes()
    assert (
        run(
            "encode", "-", "-", "--objects", "o.json", "--quality", "40", stdin=Path("in.png").read_bytes()
        ).out
        == data
    )
    assert (image(io.BytesIO(run("decode", "-", "-", stdin=data).out)) == decode(data).pixels).all()
    assert run("extract", "-", "-", stdin=data).out == data
    assert run("validate", "-", stdin=data).out == b"-: valid\n"
    assert json.loads(run("info", "-", "--json", stdin=data).out)["bytes"] == len(data)


@pytest.fixture
def reads(monkeypatch: pytest.MonkeyPatch) -> dict[str, Noted]:
    """Files that commands have opened, by name, in place of the real ones."""
    opened: dict[str, Noted] = {}

    def count(path: str, mode: str) -> Noted:
        assert mode == "rb"
        opened[path] = Noted(Path(path).read_bytes())
        return opened[path]

    monkeypatch.setattr("sdc.paths.open", count, raising=False)
    monkeypatch.setattr("sdc.file.BLOCK", 0)  # no byte more than is needed
    return opened


def test_only_what_is_asked_for_is_read(run: Run, coded: str, reads: dict[str, Noted]) -> None:
    data = Path(coded).read_bytes()
    stream = parse(data)
    first, second, last = ((g.offset, g.offset + g.size) for g in stream.groups)

    def read_by(*argv: object) -> bytes:
        reads.clear()
        assert run(*argv).status == 0
        seen = reads[coded].seen
        return bytes(place in seen for place in range(len(data)))

    front, behind = b"\1" * first[0], b"\1" * (len(data) - last[1])
    sizes = [end - start for start, end in (first, second, last)]
    for argv, groups, tail in (
        (["decode", coded, "o.png", "--levels", "1"], "100", False),
        (["decode", coded, "o.png", "--groups", "1"], "010", False),
        (["decode", coded, "o.png", "--objects", "dog"], "010", True),
        (["extract", coded, "o.sdc", "--levels", "2"], "010", True),
        (["extract", coded, "o.sdc", "--groups", "0,1"], "110", True),
        (["decode", coded, "o.png"], "111", True),
        (["info", coded], "111", True), (["sheet", coded, "o.png"], "111", True),
        (["validate", coded], "111", True),
    ):  # fmt: skip
        body = b"".join(bytes([int(k)]) * size for k, size in zip(groups, sizes, strict=True))
        assert read_by(*argv) == front + body + (behind if tail else bytes(len(behind))), argv
    Path("junk.sdc").write_bytes(bytes(100_000))
    for argv in (
        ["decode", "junk.sdc", "o.png"], ["extract", "junk.sdc", "n.sdc"], ["info", "junk.sdc"],
        ["sheet", "junk.sdc", "o.png"], ["validate", "junk.sdc"],
    ):  # fmt: skip
        assert run(*argv).codes == ["E_MAGIC"]
        assert len(reads["junk.sdc"].seen) == 4, argv


def test_damage_that_concerns_nothing_asked_for(run: Run, coded: str) -> None:
    data = bytearray(Path(coded).read_bytes())
    data[parse(bytes(data)).groups[2].offset + 9] ^= 1
    Path("d.sdc").write_bytes(data)
    for argv in (["decode", "d.sdc", "o.png"], ["extract", "d.sdc", "o.sdc"]):
        assert run(*argv, "--levels", "1,2").status == 0
        ran = run(*argv)
        assert (ran.status, ran.codes) == (3, ["E_GROUP_DAMAGED"])
    whole = decode(Path(coded).read_bytes(), levels=["L1", "L2"])
    assert run("decode", "d.sdc", "o.png", "--levels", "1,2").status == 0
    assert (image("o.png")[whole.covered][:, :3] == whole.pixels[whole.covered]).all()


class Endless(io.RawIOBase):
    """Standard input that nobody may read for ever."""

    def __init__(self) -> None:
        self.sent = b""

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        assert not self.sent
        buffer[:] = self.sent = b"no stream".ljust(len(buffer))
        return len(buffer)


@pytest.mark.parametrize("command", [["decode", "-", "-"], ["extract", "-", "-"], ["validate", "-"],
                                     ["info", "-"], ["sheet", "-", "-"]])  # fmt: skip
def test_standard_input_that_is_no_stream_is_refused_at_once(run: Run, command: list[str]) -> None:
    """It is not read to its end, which never comes."""

    ran = run(*command, stdin=io.BufferedReader(Endless()))
    assert (ran.status, ran.codes) == (1, ["E_MAGIC"])
    for start, code in ((b"", "E_MAGIC"), (FULL[:2], "E_TRUNCATED"), (FULL[:-1], "E_GROUP_TRUNCATED")):
        assert code in run("validate", "-", stdin=start).codes


@pytest.mark.parametrize(
    ("command", "code"),
    [
        (["encode", "-", "o.sdc"], "E_PICTURE"), (["analyze", "-", "-o", "o.json"], "E_PICTURE"),
        (["encode", "in.png", "o.sdc", "--objects", "-"], "E_OBJECTS"),
        (["encode", "in.png", "o.sdc", "--restoration", "-"], "E_OBJECTS"),
        (["sheet", "c.sdc", "o.png", "--original", "-"], "E_PICTURE"),
    ],
)  # fmt: skip
def test_standard_input_that_is_no_image_or_json_is_refused_at_once(
    run: Run, coded: str, command: list[str], code: str
) -> None:
    ran = run(*command, stdin=io.BufferedReader(Endless()))
    assert (ran.status, ran.codes) == (64, [code]), ran.err


@pytest.mark.parametrize(
    "suffix", ["png", "jpg", "webp", "tif", "bmp", "gif", "ppm", "jp2", "avif", "tga", "qoi"]
)
def test_images_of_every_format_come_from_standard_input(run: Run, suffix: str) -> None:
    if Image.registered_extensions().get(f".{suffix}") not in Image.SAVE:
        pytest.skip("this Pillow does not write it")
    Image.fromarray(gradient()).save(f"in.{suffix}")
    assert may_be_image(Path(f"in.{suffix}").read_bytes()[:BYTES])
    ran = run("encode", "-", "o.sdc", "--objects", "none", stdin=Path(f"in.{suffix}").read_bytes())
    assert ran.status == 0, ran.err


def test_files_that_look_like_options(run: Run, coded: str) -> None:
    Image.fromarray(gradient(16, 16)).save("-x.jpg")
    Path("--odd").write_bytes(Path(coded).read_bytes())
    for argv, name in (
        (["encode", "-x.jpg", "o.sdc"], "-x.jpg"), (["encode", "in.png", "-y.sdc"], "-y.sdc"),
        (["decode", "--odd", "o.png"], "--odd"), (["info", "-x.sdc"], "-x.sdc"),
        (["encode", "in.png", "o.sdc", "--objects", "-o.json"], "-o.json"),
    ):  # fmt: skip
        ran = run(*argv)
        assert (ran.status, ran.codes) == (64, ["E_USAGE"])
        assert ran.err.endswith(f"; a file whose name begins with a dash is ./{name}\n")
    assert "dash" not in run("encode", "--nonsense", "in.png", "o.sdc").err
    assert (
        run("encode", "./-x.jpg", "o.sdc").status == 0 and run("encode", "--", "-x.jpg", "o.sdc").status == 0
    )


def test_levels_and_groups(run: Run, coded: str) -> None:
    data = Path(coded).read_bytes()
    whole = decode(data)
    for arguments, groups in (
        (["--levels", "1,2"], [0, 1]),
        (["--levels", "L2,other"], [1, 2]),
        (["--groups", "2"], [2]),
    ):
        assert run("decode", coded, "out.png", *arguments).status == 0
        out, part = image("out.png"), decode(data, groups=groups)
        assert out.shape == (34, 50, 4)
        assert ((out[..., 3] == 255) == part.covered).all() and set(np.unique(out[..., 3])) == {0, 255}
        assert (out[part.covered][:, :3] == whole.pixels[part.covered]).all()
        assert not out[~part.covered].any()
    assert run("decode", coded, "out.png", "--levels", "1", "--fill", "#102030").status == 0
    out = image("out.png")
    assert out.shape == (34, 50, 3)
    assert (out[~decode(data, levels=["L1"]).covered] == (16, 32, 48)).all()


def test_objects_are_cut_out(run: Run, coded: str) -> None:
    data = Path(coded).read_bytes()
    whole = decode(data).pixels
    labels = parse(data).labels
    assert labels.tolist() == [[1, 1, 3, 3], [1, 3, 2, 2], [3, 3, 2, 2]]
    for name, cells, area in (
        ("dog", labels == 2, np.s_[16:34, 32:50]), ("2", labels == 2, np.s_[16:34, 32:50]),
            ("1", np.arange(12).reshape(3, 4) == 4, np.s_[16:32, 0:16]),
        ("CAT", labels == 1, np.s_[0:32, 0:32]), ("0", np.arange(12).reshape(3, 4) < 2, np.s_[0:16, 0:32]),
        ("cat, dog", (labels == 1) | (labels == 2), np.s_[0:34, 0:50]),
    ):  # fmt: skip
        own = np.kron(cells, np.ones((16, 16), bool))[:34, :50][area]
        assert run("decode", coded, "out.png", "--objects", name).status == 0
        out = np.array(Image.open("out.png").convert("RGBA"))
        assert ((out[..., 3] == 255) == own).all() and (out[own][:, :3] == whole[area][own]).all()
        assert run("decode", coded, "out.jpg", "--objects", name, "--fill", "#ffffff").status == 0
        assert image("out.jpg").shape == (*own.shape, 3)
    ran = run("decode", coded, "no.png", "--objects", "horse")
    assert (ran.status, ran.codes) == (64, ["E_USAGE"])
    assert "cat, dog" in ran.err


def test_labels_with_commas_and_long_numbers(run: Run) -> None:
    stream = parse(random_stream(5, width=64, height=32, count=1, extras=False).data)
    labels = ("red, round", "red", "7")
    things = [Object(label, (16 * k, 0, 16, 16), None, 1.0, "", k, None, 0) for k, label in enumerate(labels)]
    objects = Chunk(OBJS, objects_payload(things, Bounds(64, 32, 1)))
    Path("c.sdc").write_bytes(build(replace(stream, map=b"", after=(objects,))))
    whole = decode(Path("c.sdc").read_bytes()).pixels
    for names, left, right in (("red, round", 0, 16), ("RED,7", 16, 48), ("0 , red", 0, 32), ("7", 32, 48)):
        assert run("decode", "c.sdc", "o.png", "--objects", names).status == 0
        assert (image("o.png")[..., :3] == whole[:16, left:right]).all(), names
    for names in ("9" * 5000, "0," + "9" * 5000, "red, square", "", ",", "3", "\u0663"):
        ran = run("decode", "c.sdc", "no.png", "--objects", names)
        assert (ran.status, ran.codes) == (64, ["E_USAGE"]) and len(ran.err) < 200
    many = [Object(f"thing {k}", (0, 0, 1, 1), None, 1.0, "", k, None, 0) for k in range(300)]
    objects = Chunk(OBJS, objects_payload(many, Bounds(64, 32, 1)))
    Path("c.sdc").write_bytes(build(replace(stream, map=b"", after=(objects,))))
    ran = run("decode", "c.sdc", "no.png", "--objects", "x")
    assert "and 280 more" in ran.err and "thing 20" not in ran.err
    Path("o.json").write_text('{"objects": [{"label": "a", "box": [0, 0, 1, ' + "9" * 5000 + "]}]}")
    Image.fromarray(gradient()).save("in.png")
    assert run("encode", "in.png", "o.sdc", "--objects", "o.json").codes == ["E_OBJECTS"]


def test_only_masks_of_named_objects_are_decoded(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    stream = parse(random_stream(5, width=64, height=64, count=1, extras=False).data)
    mask = np.tri(64, dtype=bool)
    things = [Object(f"t{k}", (0, 0, 64, 64), None, 1.0, "", k, mask, 0) for k in range(4)]
    payload = objects_payload(things, Bounds(64, 64, 1), pixel_masks=True)
    Path("m.sdc").write_bytes(build(replace(stream, map=b"", after=(Chunk(OBJS, payload),))))
    calls: list[tuple[int, int]] = []
    used = type(engine())
    real = used.decode_map
    monkeypatch.setattr(used, "decode_map", lambda *a: calls.append(a[2:4]) or real(*a))
    for command, count in (
        (["decode", "m.sdc", "o.png", "--objects", "t1,t3"], 2), (["decode", "m.sdc", "o.png"], 0),
        (["extract", "m.sdc", "o.sdc"], 0), (["info", "m.sdc"], 0), (["sheet", "m.sdc", "s.png"], 0),
        (["validate", "m.sdc"], 4),
    ):  # fmt: skip
        calls.clear()
        assert run(*command).status == 0
        assert sorted(calls) == [(4, 4)] + [(64, 64)] * count, command  # the group map once


def test_pixel_masks_are_encoded(run: Run) -> None:
    Image.fromarray(gradient()).save("in.png")
    outline = [2, 2, 40, 2, 2, 30]
    Path("o.json").write_text(json.dumps([{"label": "a", "polygon": [outline]}]))
    for options, with_mask in (([], False), (["--pixel-masks"], True)):
        assert run("encode", "in.png", "m.sdc", "--objects", "o.json", *options).status == 0
        (found,) = metadata.parse_objects(parse(Path("m.sdc").read_bytes()))
        assert (found.mask is not None) == with_mask
    assert found.mask is not None and found.mask.sum() == pytest.approx(38 * 28 / 2, rel=0.1)
    for one in ("--pixel-masks", "--metadata-first"):
        ran = run("encode", "in.png", "m.sdc", "--objects", "o.json", one, "--no-metadata")
        assert (ran.status, ran.codes) == (64, ["E_USAGE"])
    assert run("encode", "in.png", "m.sdc", "--objects", "o.json", "--metadata-first").status == 0
    data = Path("m.sdc").read_bytes()
    (found,) = parse_objects(parse(data[: parse(data).prefix(levels=["L1"])]))
    assert found.label == "a"


def test_boxes_are_rounded_outward_on_request(run: Run) -> None:
    Image.fromarray(gradient()).save("in.png")
    mask = np.zeros((8, 9), bool)
    mask[2:, 3:] = True
    thing = Object("a", (5, 6, 9, 8), "L1", mask=mask)
    height, width = gradient().shape[:2]
    Object.save(Path("o.json"), [thing], width, height)
    for unit, box in ((1, (8, 8, 6, 6)), (2, (8, 8, 6, 6)), (8, (8, 8, 8, 8)), (16, (0, 0, 16, 16))):
        options = ("--pixel-masks", "--box-unit", str(unit))
        assert run("encode", "in.png", "m.sdc", "--objects", "o.json", *options).status == 0
        (found,) = parse_objects(parse(Path("m.sdc").read_bytes()))
        assert found.box == box and found.mask is not None
        y, x = np.nonzero(found.mask)
        assert (x.min() + box[0], y.min() + box[1], x.max() + box[0], y.max() + box[1]) == (8, 8, 13, 13)
        assert found.mask.sum() == mask.sum()
    edge = Object("b", (width - 1, height - 1, 1, 1), "L1")
    Object.save(Path("o.json"), [edge], width, height)
    assert run("encode", "in.png", "m.sdc", "--objects", "o.json", "--box-unit", "16").status == 0
    (found,) = parse_objects(parse(Path("m.sdc").read_bytes()))
    assert (found.box[0] + found.box[2], found.box[1] + found.box[3]) == (width, height)
    assert run("encode", "in.png", "m.sdc", "--box-unit", "3").status == 64
    with pytest.raises(SdcError, match="E_USAGE"):
        sdc.encode(gradient(), box_unit=3)


def test_a_pixel_mask_chooses_the_cells(run: Run) -> None:
    stream = parse(random_stream(5, width=64, height=64, count=1, amplitude=3, extras=False).data)
    mask = np.zeros((64, 64), bool)
    mask[20, 20] = mask[40, 36] = True
    thing = Object("x", (0, 0, 64, 64), None, 1.0, "", 0, mask, 0)
    payload = objects_payload([thing], Bounds(64, 64, 1), pixel_masks=True)
    Path("m.sdc").write_bytes(build(replace(stream, map=b"", after=(Chunk(OBJS, payload),))))
    assert run("decode", "m.sdc", "m.png", "--objects", "x").status == 0
    alpha = image("m.png")[..., 3]
    assert alpha.shape == (32, 32)
    assert [bool(alpha[r, c]) for r in (0, 31) for c in (0, 31)] == [True, False, False, True]


def test_formats_by_suffix(run: Run, coded: str) -> None:
    assert run("decode", coded, "out.jpg").status == 0
    assert Image.open("out.jpg").format == "JPEG"
    ran = run("decode", coded, "part.jpg", "--levels", "1")
    assert (ran.status, ran.codes) == (64, ["E_USAGE"])
    assert "--fill" in ran.err and not Path("part.jpg").exists()
    assert run("decode", coded, "part.jpg", "--levels", "1", "--fill", "#000000").status == 0
    assert run("decode", coded, "out.webp", "--levels", "1").status == 0
    assert (image("out.webp")[..., 3] == decode(Path(coded).read_bytes(), levels=["L1"]).covered * 255).all()
    for name in ("out.xyz", "out"):
        assert run("decode", coded, name).codes == ["E_USAGE"]


@pytest.mark.parametrize("suffix", sorted(Image.registered_extensions()))
def test_what_is_lost_is_said(run: Run, suffix: str) -> None:
    """Every suffix that Pillow knows: the pixels of the stream, a note, or words."""
    Path("s.sdc").write_bytes(FULL)
    ran = run("decode", "s.sdc", f"out{suffix}", "--fill", "#000000")
    if ran.status:
        assert (ran.status, ran.codes) == (64, ["E_USAGE"]) and not Path(f"out{suffix}").exists()
        assert suffix not in (".png", ".tif", ".webp", ".bmp", ".ppm", ".jpg")
    else:
        lossless = np.array_equal(image(f"out{suffix}"), decode(FULL).pixels)
        assert lossless == ("is lossy: its pixels are not those of the stream" not in ran.err)
        assert suffix not in (".gif", ".pdf", ".eps")


def test_refused_formats_are_refused_in_words(run: Run) -> None:
    Path("s.sdc").write_bytes(FULL)
    for name, word in (
        ("a.gif", "256 colours"),
        ("a.pdf", "PDF"),
        ("a.eps", ".eps"),
        ("a", "without suffix"),
    ):
        for command in ("decode", "sheet"):
            ran = run(command, "s.sdc", name)
            assert (ran.status, ran.codes) == (64, ["E_USAGE"]) and word in ran.err


def test_a_profile_that_is_not_kept_is_named(run: Run) -> None:
    Image.fromarray(gradient(16, 16)).save("in.png", icc_profile=profile_of(CodePoints(12, 13)))
    assert run("encode", "in.png", "o.sdc").status == 0
    assert "profile" in run("decode", "o.sdc", "o.ppm").err
    assert "profile" not in run("decode", "o.sdc", "o.tif").err


def test_sheet(run: Run, coded: str) -> None:
    assert run("sheet", coded, "sheet.png", "--original", "in.png").status == 0
    assert Image.open("sheet.png").size[0] > 100
    assert run("sheet", "-", "-", stdin=Path(coded).read_bytes()).out.startswith(b"\x89PNG")
    ran = run("sheet", coded, "sheet.jpg")
    assert (ran.status, ran.err) == (0, "")


def test_a_sheet_that_its_format_cannot_hold(run: Run, coded: str, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*_: object, **__: object) -> None:
        raise ValueError("encoding error 5")

    monkeypatch.setattr(Image.Image, "save", fail)
    for command in ("decode", "sheet"):
        ran = run(command, coded, "out.webp")
        assert (ran.status, ran.codes) == (64, ["E_USAGE"]), ran.err


# --- States -------------------------------------------------------------------------------------------


def test_extract(run: Run, coded: str) -> None:
    assert run("extract", coded, "l1.sdc", "--levels", "1").status == 0
    data = Path("l1.sdc").read_bytes()
    assert validate(data).state == "valid" and len(data) < Path(coded).stat().st_size
    assert run("decode", "l1.sdc", "a.png").status == 0
    assert run("decode", coded, "b.png", "--levels", "1").status == 0
    assert (image("a.png") == image("b.png")).all()
    for command in ("decode", "extract"):
        ran = run(command, "l1.sdc", "c.png" if command == "decode" else "c.sdc", "--levels", "1,other")
        assert (ran.status, ran.codes) == (3, ["E_GROUP_WITHDRAWN"])
        assert "other" in ran.err
    assert Path("c.sdc").read_bytes() == data
    assert run("extract", coded, "c.sdc", "--groups", "3").codes == ["E_USAGE"]


def test_levels_that_a_stream_does_not_have_are_noted(run: Run, coded: str) -> None:
    Path("folder").mkdir()
    Image.fromarray(gradient()).save("in.png")
    assert run("encode", "in.png", "folder/b.sdc", "--objects", "none").status == 0
    Path("folder/a.sdc").write_bytes(Path(coded).read_bytes())
    plain = Path("folder/b.sdc").read_bytes()
    # Spec, "Commands": no picture where no group that is asked for is complete.
    for levels, lacking in (("1", "L1"), ("3,1", "L3 or L1")):
        ran = run("decode", "folder/b.sdc", "n.png", "--levels", levels)
        assert (ran.status, ran.codes, ran.err.count("\n")) == (0, [], 1)
        assert f"no group of level {lacking}, only other: no image" in ran.err and not Path("n.png").exists()
        ran = run("extract", "folder/b.sdc", "n.sdc", "--levels", levels)
        assert (ran.status, ran.codes, ran.err.count("\n")) == (0, [], 1)
        assert f"no group of level {lacking}, only other: every group is withdrawn" in ran.err
        assert Path("n.sdc").read_bytes() == extract(plain, levels=["L1"])
        assert validate(Path("n.sdc").read_bytes()).state == "valid"
        ran = run("decode", "n.sdc", "n.png", "--levels", levels)
        assert (ran.status, ran.codes) == (3, ["E_GROUP_WITHDRAWN"])
    for command, out in (("decode", "o.png"), ("extract", "o.sdc")):
        ran = run(command, "folder/b.sdc", out, "--levels", "1,other")
        assert (ran.status, ran.codes, ran.err.count("\n")) == (0, [], 1)
        assert ran.err.endswith("no group of level L1, only other\n")
        assert run(command, coded, out, "--levels", "1,2,other").err == ""
        ran = run(command, "folder", command, "--levels", "1", "--jobs", "1")
        assert (ran.status, ran.codes, ran.err.count("\n")) == (0, [], 1) and "(b.sdc)" in ran.err
        assert run(command, coded, out, "--levels", "1,4").codes == ["E_USAGE"]
    assert os.listdir("decode") == ["a.png"] and sorted(os.listdir("extract")) == ["a.sdc", "b.sdc"]
    cut = Path(coded).read_bytes()[:-3]
    ran = run("decode", "-", "n.png", "--levels", "3", stdin=cut)
    assert (ran.status, ran.codes) == (0, []) and not Path("n.png").exists()


def test_partial_files(run: Run) -> None:
    stream = parse(FULL)
    Path("cut.sdc").write_bytes(FULL[: stream.groups[2].offset + 9])
    ran = run("decode", "cut.sdc", "a.png")
    assert (ran.status, ran.codes) == (3, ["E_GROUP_TRUNCATED"])
    assert (image("a.png")[..., 3] == decode(FULL, groups=[0, 1]).covered * 255).all()
    assert run("decode", "cut.sdc", "a.png", "--groups", "0,1").status == 0
    ran = run("extract", "cut.sdc", "b.sdc")
    assert (ran.status, ran.codes) == (3, ["E_GROUP_TRUNCATED"])
    assert validate(Path("b.sdc").read_bytes()).state == "valid"
    ran = run("validate", "cut.sdc")
    assert (ran.status, ran.out, ran.codes) == (3, b"cut.sdc: partial\n", ["E_GROUP_TRUNCATED"])
    ran = run("cut.sdc", "--json", main=cli.info_main)
    assert (ran.status, ran.codes) == (3, ["E_GROUP_TRUNCATED"])
    assert json.loads(ran.out)["groups"][2]["state"] == "truncated"
    damaged = bytearray(FULL)
    damaged[stream.groups[0].offset + 4] ^= 8
    ran = run("decode", "-", "a.png", stdin=bytes(damaged))
    assert (ran.status, ran.codes) == (3, ["E_GROUP_DAMAGED"])


def test_without_a_complete_group_there_is_no_picture(run: Run, coded: str) -> None:
    cut = FULL[: parse(FULL).groups[0].offset]
    for argv in (["-", "-"], ["-", "n.png"], ["-", "n.png", "--fill", "#000000"]):
        nothing = run("decode", *argv, stdin=cut)
        assert (nothing.status, nothing.codes, nothing.out) == (3, ["E_GROUP_TRUNCATED"] * 3, b"")
        assert "group 2" in nothing.err and not Path("n.png").exists()
        assert "note: no group that was asked for is complete: no image is written" in nothing.err
    for levels, names in (("1", ["L1"]), ("1,2", ["L1", "L2"])):
        gone = extract(Path(coded).read_bytes(), levels=["other"])
        nothing = run("decode", "-", "-", "--levels", levels, stdin=gone)
        assert (nothing.status, nothing.codes, nothing.out) == (3, ["E_GROUP_WITHDRAWN"] * len(names), b"")
    empty = extract(FULL, groups=[])
    nothing = run("decode", "-", "-", stdin=empty)
    assert (nothing.status, nothing.codes, nothing.out) == (3, ["E_GROUP_WITHDRAWN"] * 3, b"")
    assert run("validate", "-", stdin=empty).status == 0
    Path("folder").mkdir()
    Path("folder/cut.sdc").write_bytes(cut)
    Path("folder/full.sdc").write_bytes(FULL)
    assert run("decode", "folder", "out", "--jobs", "1").status == 3
    assert os.listdir("out") == ["full.png"]


def test_invalid_and_unsupported_files_give_no_output(run: Run) -> None:
    stream = parse(FULL)
    groups = tuple(
        replace(g, payload=(g.payload or b"") + b"\0\0") if g.index == 1 else g for g in stream.groups
    )
    cases = {
        "junk": (b"junk", 1, "E_MAGIC"),
        "cut": (FULL[:20], 1, "E_TRUNCATED"),
        "symbols": (build(replace(stream, groups=groups)), 1, "E_RANS_FINAL"),
        "profile": (build(replace(stream, before=(Chunk(ICCP, b"x"),))), 1, "E_DEFLATE"),
        "feature": (build(replace(stream, head=replace(stream.head, features=1))), 2, "E_FEATURE"),
        "model": (build(replace(stream, head=replace(stream.head, model=9))), 2, "E_MODEL"),
        "weights": (build(replace(stream, head=replace(stream.head, weights=b"abcd"))), 2, "E_MODEL_HASH"),
        "critical": (build(replace(stream, before=(Chunk(0x1F, b""),))), 2, "E_CHUNK_CRITICAL"),
    }
    for name, (data, status, code) in cases.items():
        Path(f"{name}.sdc").write_bytes(data)
        ran = run("decode", f"{name}.sdc", "out.png")
        assert (ran.status, ran.codes) == (status, [code]), name
        assert not Path("out.png").exists()
        ran = run("validate", f"{name}.sdc")
        assert (ran.status, ran.codes) == (status, [code]), name
        ran = run("extract", f"{name}.sdc", "out.sdc", "--groups", "0")
        if code in ("E_RANS_FINAL", "E_DEFLATE", "E_MODEL", "E_MODEL_HASH"):
            assert ran.status == 0, name  # what editors need not look into
            Path("out.sdc").unlink()
        else:
            assert (ran.status, ran.codes, Path("out.sdc").exists()) == (status, [code], False), name
        ran = run(f"{name}.sdc", main=cli.info_main)
        if code in ("E_RANS_FINAL", "E_MODEL", "E_MODEL_HASH"):
            assert ran.status == 0, name
        else:
            assert (ran.status, ran.codes) == (status, [code]), name
        assert ran.out
    ran = run("decode", "-", "-", "--max-pixels", "959", stdin=FULL)
    assert (ran.status, ran.codes, ran.out) == (2, ["E_LIMIT"], b"")


@pytest.mark.slow
def test_an_error_names_its_file_once(run: Run) -> None:
    for argv in (["validate", "nope.sdc"], ["validate", "nope.sdc", "also.sdc"], ["info", "nope.sdc"]):
        ran = run(*argv)
        assert ran.status == 66 and ran.err.count("nope.sdc") == 1, ran.err
    Path("in").mkdir()
    os.symlink("nowhere", "in/x.sdc")
    ran = run("validate", "in")
    assert (ran.status, ran.codes, ran.err.count("x.sdc")) == (66, ["E_INPUT"], 1)


@pytest.mark.slow
def test_worst_status_of_several_files(run: Run) -> None:
    Path("good.sdc").write_bytes(FULL)
    Path("cut.sdc").write_bytes(FULL[:-3])
    Path("bad.sdc").write_bytes(b"bad")
    ran = run("validate", "good.sdc", "cut.sdc", "bad.sdc")
    assert ran.out.decode().splitlines() == ["good.sdc: valid", "cut.sdc: partial", "bad.sdc: invalid"]
    assert ran.status == 1 and "bad.sdc" in ran.err
    assert run("validate", "good.sdc", "cut.sdc").status == 3
    assert run("validate", "bad.sdc", "none.sdc", "good.sdc").status == 66
    assert run("validate", "good.sdc").status == 0


def test_info_prints_groups_and_trace(run: Run, coded: str) -> None:
    ran = run(coded, "--trace", main=cli.info_main)
    text = ran.out.decode()
    assert ran.status == 0 and ran.err == ""
    for word in ("valid", "50 x 34", "reference", "L1", "other", "cat", "HEAD-01", "HEAD.groups[2].size"):
        assert word in text
    assert run("info", coded, "--trace").out == ran.out


# --- Wrong arguments, inputs and outputs --------------------------------------------------------------


@pytest.mark.parametrize(
    "argv",
    [
        [], ["explode"], ["encode"], ["decode", "a"], ["encode", "a", "b", "--quality", "x"],
        ["encode", "in.png", "b", "--quality", "64"], ["encode", "in.png", "b", "--quality", "L1=4,L1=5"],
        ["encode", "in.png", "b", "--quality", "L9=4"], ["encode", "in.png", "b", "--quality", "L1=99"],
        ["encode", "in.png", "b", "--group-by", "colour"], ["decode", "c", "b.png", "--levels", "4"],
        ["decode", "c", "b.png", "--groups", "-1"], ["decode", "c", "b.png", "--groups", "a"],
        ["decode", "c", "b.png", "--groups", "0", "--levels", "1"], ["decode", "c", "b.png", "--fill", "red"],
        ["decode", "c", "b.png", "--nonsense"], ["validate"], ["decode", "c", "b.png", "--max-pixels", "0"],
        ["encode", "in.png", "b", "--background", "#12"],
    ],
)  # fmt: skip
def test_wrong_arguments(run: Run, argv: list[str]) -> None:
    Path("c").write_bytes(FULL)
    Image.fromarray(gradient(16, 16)).save("in.png")
    ran = run(*argv)
    assert (ran.status, ran.codes) == (64, ["E_USAGE"]), ran.err
    assert ran.out == b"" and set(os.listdir()) == {"c", "in.png"}


def test_help_and_version(run: Run) -> None:
    assert run("--help").status == 0
    said = run("--version").out.decode()
    assert said == f"sdc {sdc.__version__}, {core.about()}\n"
    for command in ("encode", "analyze", "decode", "extract", "validate", "info", "sheet"):
        assert run(command, "--help").out


def test_help_is_short(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    """Two screens of 100 columns."""
    monkeypatch.setenv("COLUMNS", "100")
    for command in ("encode", "decode", "extract", "redact", "validate", "info", "sheet", "find", "to-coco"):
        lines = run(command, "--help").out.decode().splitlines()
        assert len(lines) <= 48 and max(map(len, lines)) <= 100, command


def test_detailed_options_of_the_analysis_are_those_of_analyze(run: Run) -> None:
    Image.fromarray(gradient()).save("in.png")
    for option in ("--saliency", "--cache", "--chat-key=k", "--text-only"):
        ran = run("encode", "in.png", "o.sdc", option, *([] if "=" in option else ["x"]))
        assert (ran.status, ran.codes) == (64, ["E_USAGE"])
        assert f"{option.split('=')[0]} is an option of sdc analyze" in ran.err
        ran = run("decode", "in.sdc", "o.png", option)
        assert (ran.status, ran.codes) == (64, ["E_USAGE"]) and "unrecognized" in ran.err
    assert not Path("o.sdc").exists()
    assert run("analyze", "in.png", "-o", "o.json", "--cache", "kept").status == 0
    assert run("encode", "in.png", "a.sdc", "--objects", "o.json").status == 0
    assert run("encode", "in.png", "b.sdc").status == 0
    assert Path("a.sdc").read_bytes() == Path("b.sdc").read_bytes()


def test_no_input(run: Run, coded: str) -> None:
    for argv in (
        ["encode", "none.png", "o.sdc"], ["decode", "none.sdc", "o.png"], ["extract", "none.sdc", "o.sdc"],
        ["validate", "none.sdc"], ["info", "none.sdc"], ["sheet", "none.sdc", "o.png"],
        ["encode", "in.png", "o.sdc", "--objects", "none.json"], ["info", "c.sdc/x"],
    ):  # fmt: skip
        ran = run(*argv)
        assert (ran.status, ran.codes) == (66, ["E_INPUT"]), argv
        assert not list(Path().glob("o.*dc"))
    Path("empty").mkdir()
    assert run("decode", "empty", "out").status == 66


def test_output_that_cannot_be_written(run: Run, coded: str) -> None:
    for argv in (
        ["decode", coded, "no/out.png"], ["encode", "in.png", "no/out.sdc"], ["extract", coded, "no/out.sdc"],
        ["sheet", coded, "no/out.png"], ["decode", coded, "in.png/out.png"],
    ):  # fmt: skip
        ran = run(*argv)
        assert (ran.status, ran.codes) == (74, ["E_IO"]), argv
    Path("folder").mkdir()
    assert run("decode", "-", "folder", stdin=FULL).status == 64
    assert run("info", "folder").status == 74


def test_output_is_whole_or_absent(run: Run, coded: str, monkeypatch: pytest.MonkeyPatch) -> None:
    Path("old.sdc").write_bytes(FULL)

    def fail(*_: object) -> None:
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr(os, "replace", fail)
        ran = run("extract", coded, "old.sdc")
    assert (ran.status, ran.codes) == (74, ["E_IO"])
    assert Path("old.sdc").read_bytes() == FULL
    os.chmod("old.sdc", 0o640)
    os.symlink("old.sdc", "link.sdc")
    assert run("extract", coded, "link.sdc").status == 0
    assert Path("link.sdc").is_symlink() and Path("old.sdc").read_bytes() == Path(coded).read_bytes()
    assert Path("old.sdc").stat().st_mode & 0o777 == 0o640


def test_the_input_is_not_replaced(run: Run, coded: str) -> None:
    before = Path(coded).read_bytes()
    os.link(coded, "same.sdc")
    for target in (coded, f"./{coded}", "same.sdc"):
        assert run("extract", coded, target, "--levels", "1").codes == ["E_USAGE"]
        assert Path(coded).read_bytes() == before


def test_no_file_that_is_read_is_replaced(run: Run, coded: str) -> None:
    Image.fromarray(gradient()).save("photo.png")
    os.symlink("photo.png", "link.png")
    Path("folder").mkdir()
    objects_file("folder/in.json")
    os.link("o.json", "o.sdc")
    before = {name: Path(name).read_bytes() for name in ("photo.png", "o.json", "in.png", "folder/in.json")}
    for argv in (
        ["sheet", coded, "photo.png", "--original", "photo.png"],
        ["sheet", coded, "./link.png", "--original", "photo.png"],
        ["encode", "in.png", "o.json", "--objects", "o.json"],
        ["encode", "in.png", "o.sdc", "--objects", "o.json"],
        ["encode", "in.png", "folder/in.json", "--objects", "folder"],
    ):
        ran = run(*argv)
        assert (ran.status, ran.codes) == (64, ["E_USAGE"]), argv
        assert "lost" in ran.err
        assert all(Path(name).read_bytes() == data for name, data in before.items())
    # In a folder, also not by the output of another file.
    Path("in").mkdir()
    Path("in/a.SDC").write_bytes(FULL)
    Path("in/a.sdc").write_bytes(Path(coded).read_bytes())
    ran = run("extract", "in", "in", "--groups", "0", "--jobs", "1")
    assert ran.status == 64 and set(ran.codes) == {"E_USAGE"}
    assert Path("in/a.sdc").read_bytes() == Path(coded).read_bytes() and Path("in/a.SDC").read_bytes() == FULL


def test_a_stream_replaces_no_picture_and_nothing_but_streams(run: Run, coded: str) -> None:
    Image.fromarray(gradient(16, 16)).save("victim.png")
    os.link("victim.png", "victim.sdc")
    os.symlink("victim.png", "victim")
    before = Path("victim.png").read_bytes()
    Path("short.sdc").write_bytes(b"\xd3SD")
    names = set(os.listdir())
    suffixes = (".png", ".JPG", ".jpeg", ".webp", ".tiff", ".bmp", ".gif", ".ppm", ".jp2", ".tga", ".qoi")
    for target in ("victim.sdc", "victim", "short.sdc", *(f"victim{suffix}" for suffix in suffixes)):
        for argv in (["encode", "in.png", target, "--objects", "none"], ["extract", coded, target]):
            ran = run(*argv)
            assert (ran.status, ran.codes, ran.err.count(target)) == (64, ["E_USAGE"], 1), ran.err
            if Path(target).suffix in ("", ".sdc"):
                assert "remove it or name another" in ran.err
            else:
                assert "has an image extension; use victim.sdc" in ran.err and "folder" in ran.err
        assert Path("victim.png").read_bytes() == before and set(os.listdir()) == names
    # Before anything is read.
    assert run("encode", "none.png", "victim.png").codes == ["E_USAGE"]
    assert run("extract", "none.sdc", "victim.png").codes == ["E_USAGE"]
    # Empty files, streams and devices may be replaced; of a folder the others are done.
    Path("empty").touch()
    for target in ("empty", "empty", "/dev/null"):
        assert run("extract", coded, target).status == 0
    assert Path("empty").read_bytes() == Path(coded).read_bytes()
    Path("in").mkdir()
    for name in ("short", "whole"):
        Path(f"in/{name}.sdc").write_bytes(FULL)
    ran = run("extract", "in", ".", "--jobs", "1")
    assert (ran.status, ran.codes) == (3, ["E_USAGE"]) and "short.sdc" in ran.err
    assert Path("short.sdc").read_bytes() == b"\xd3SD" and Path("whole.sdc").read_bytes() == FULL


def test_objects_replace_no_picture_and_no_stream(run: Run, coded: str) -> None:
    Image.fromarray(gradient(16, 16)).save("victim.png")
    before = {name: Path(name).read_bytes() for name in ("victim.png", coded)}
    for target in ("victim.png", coded, "new.JPG", "new.SDC"):
        for source in ("in.png", "none.png"):
            ran = run("analyze", source, "-o", target)
            assert (ran.status, ran.codes) == (64, ["E_USAGE"])
            assert f"use {Path(target).stem}.json" in ran.err
    assert all(Path(name).read_bytes() == data for name, data in before.items())
    assert not list(Path().glob("new*")) and run("analyze", "in.png", "-o", "victim.json").status == 0


def test_a_folder_decoded_in_place_replaces_no_picture(run: Run) -> None:
    Path("rt/deep").mkdir(parents=True)
    os.symlink("rt", "link")
    for name in ("rt/deep/b", "rt/deep/c"):
        Path(f"{name}.sdc").write_bytes(FULL)
    Path("rt/a.sdc").write_bytes(FULL)
    Image.fromarray(gradient()).save("rt/deep/b.png")
    Image.fromarray(gradient()).save("rt/deep/c.png")
    before = Path("rt/deep/b.png").read_bytes()
    for output in ("rt", "./rt/", "link"):
        ran = run("decode", "rt", output, "--jobs", "1")
        assert (ran.status, ran.codes) == (64, ["E_USAGE"])
        assert "rt/deep/b.png" in ran.err and "another folder" in ran.err
        assert Path("rt/deep/b.png").read_bytes() == before and not Path("rt/a.png").exists()
    for _ in range(2):
        assert run("decode", "rt", "other", "--jobs", "1").status == 0
    Path("rt/deep/b.png").unlink()
    Path("rt/deep/c.png").unlink()
    assert run("decode", "rt", "rt", "--jobs", "1").status == 0
    assert Path("rt/deep/b.png").read_bytes() == Path("other/deep/b.png").read_bytes()


def test_standard_input_is_read_once(run: Run, coded: str) -> None:
    picture = Path("in.png").read_bytes()
    for argv in (
        ["encode", "-", "x.sdc", "--objects", "-"],
        ["sheet", "-", "x.png", "--original", "-"],
        ["validate", "-", "-"],
    ):
        ran = run(*argv, stdin=picture)
        assert (ran.status, ran.codes, ran.out) == (64, ["E_USAGE"], b"")
    Path("folder").mkdir()
    Image.fromarray(gradient()).save("folder/a.png")
    objects = Path("o.json").read_bytes()
    assert run("encode", "folder", "out", "--objects", "-", stdin=objects).codes == ["E_USAGE"]
    assert run("encode", "in.png", "x.sdc", "--objects", "-", stdin=objects).status == 0
    assert run("sheet", coded, "x.png", "--original", "-", stdin=picture).status == 0


def test_faults_and_lack_of_memory_are_one_line(
    run: Run, coded: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    for error, status in ((MemoryError(), 2), (KeyboardInterrupt(), 130), (RuntimeError("a\nb"), 70)):

        def fail(*_: object, error: BaseException = error, **__: object) -> None:
            raise error

        with monkeypatch.context() as patch:
            patch.setattr(decode_command, "decode_choice", fail)
            ran = run("decode", coded, "out.png")
        assert (ran.status, ran.err.count("\n")) == (status, 1), ran.err
        assert not Path("out.png").exists()


# --- Pictures -----------------------------------------------------------------------------------------


def pixels_of(run: Run, name: str, *options: str) -> np.ndarray[Any, np.dtype[np.uint8]]:
    """The pixels that are encoded, caught before the codec."""
    seen: list[Any] = []

    def catch(pixels: Any, **_: object) -> bytes:
        seen.append(pixels)
        raise SdcError("E_USAGE", "caught")

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(encode_command, "encode", catch)
        ran = run("encode", name, "o.sdc", *options)
    assert seen, ran.err
    return np.asarray(seen[0])


@pytest.mark.parametrize("orientation", range(1, 9))
def test_exif_orientation(run: Run, orientation: int) -> None:
    from PIL import ImageOps

    exif = Image.Exif()
    exif[0x0112] = orientation
    for name in ("in.jpg", "in.png", "in.tif"):
        Image.fromarray(gradient()).save(name, exif=exif)
        upright = np.array(ImageOps.exif_transpose(Image.open(name)))
        assert (pixels_of(run, name) == upright).all()
        assert upright.shape[:2] == ((34, 50) if orientation < 5 else (50, 34))


def test_modes(run: Run) -> None:
    rgb = Image.fromarray(gradient())
    for mode in ("L", "1", "P", "CMYK", "YCbCr", "LAB"):
        name = "in.tif" if mode != "P" else "in.png"
        if mode == "LAB":
            rgb.convert("YCbCr").save(name)
        else:
            rgb.convert(mode).save(name)
        out = pixels_of(run, name)
        assert out.shape == (34, 50, 3) and out.dtype == np.uint8
        assert (out == np.array(Image.open(name).convert("RGB"))).all(), mode


def test_16_bit_grey(run: Run) -> None:
    values = np.linspace(0, 65535, 256 * 8).astype(np.uint16).reshape(8, 256)
    for name in ("in.png", "in.tif"):
        Image.fromarray(values).save(name)
        out = pixels_of(run, name)
        assert (out[..., 0] == np.round(values / 257)).all()
        assert (out == out[..., :1]).all()
    assert "16-bit" in run("encode", "in.png", "o.sdc").err
    rgb = np.stack([values, values[::-1], values // 2], -1).astype(">u2")
    rows = b"".join(b"\0" + row.tobytes() for row in rgb)
    Path("in.png").write_bytes(
        b"\x89PNG\r\n\x1a\n"
        + png_chunk(b"IHDR", struct.pack(">IIBBBBB", 256, 8, 16, 2, 0, 0, 0))
        + png_chunk(b"IDAT", zlib.compress(rows))
        + png_chunk(b"IEND", b"")
    )
    assert np.abs(pixels_of(run, "in.png") - rgb / 257).max() <= 1
    assert "16-bit" in run("encode", "in.png", "o.sdc").err
    # TIFF: a header of 8 bytes, a directory of 9 entries, three numbers of bits, the samples.
    entries = (
        (256, 4, 1, 256), (257, 4, 1, 8), (258, 3, 3, 122), (259, 4, 1, 1), (262, 4, 1, 2), (273, 4, 1, 128),
        (277, 4, 1, 3), (278, 4, 1, 8), (279, 4, 1, rgb.nbytes),
    )  # fmt: skip
    directory = b"".join(struct.pack(">HHII", *entry) for entry in entries)
    bits = struct.pack(">3H", 16, 16, 16)
    Path("in.tif").write_bytes(
        b"MM\0*" + struct.pack(">IH", 8, 9) + directory + bytes(4) + bits + rgb.tobytes()
    )
    assert np.abs(pixels_of(run, "in.tif") - rgb / 257).max() <= 1
    assert "16-bit samples are cut" in run("encode", "in.tif", "o.sdc").err
    Image.fromarray(gradient()).save("in.tif")
    assert run("encode", "in.tif", "o.sdc").err == ""
    Image.fromarray(values.astype(np.float32)).save("in.tif")
    ran = run("encode", "in.tif", "o.sdc")
    assert (ran.status, ran.codes) == (64, ["E_PICTURE"])


def test_transparency(run: Run) -> None:
    opaque = np.dstack([gradient(), np.full((34, 50), 255, np.uint8)])
    Image.fromarray(opaque).save("in.png")
    assert (pixels_of(run, "in.png") == gradient()).all()
    assert "note" not in run("encode", "in.png", "o.sdc").err
    clear = opaque.copy()
    clear[3, 4, 3] = 0
    clear[5, 6, 3] = 51
    Image.fromarray(clear).save("in.png")
    ran = run("encode", "in.png", "p.sdc")
    assert (ran.status, ran.codes, Path("p.sdc").exists()) == (64, ["E_PICTURE"], False)
    assert "--background" in ran.err
    out = pixels_of(run, "in.png", "--background", "#ff0080")
    assert out[3, 4].tolist() == [255, 0, 128]
    assert np.abs(out[5, 6] - (0.2 * gradient()[5, 6] + 0.8 * np.array([255, 0, 128]))).max() <= 1
    out[3, 4], out[5, 6] = gradient()[3, 4], gradient()[5, 6]
    assert (out == gradient()).all()
    grey = Image.fromarray(clear).convert("LA")
    grey.save("in.png")
    assert run("encode", "in.png", "p.sdc").codes == ["E_PICTURE"]
    palette = Image.fromarray(gradient()).convert("P")
    palette.save("in.png", transparency=palette.getpixel((0, 0)))
    assert run("encode", "in.png", "p.sdc").codes == ["E_PICTURE"]
    Image.fromarray(np.full((4, 4), 300, np.uint16)).save("in.png", transparency=300)
    assert run("encode", "in.png", "p.sdc").codes == ["E_PICTURE"]


def test_animations_give_their_first_frame(run: Run) -> None:
    frames = [Image.fromarray(gradient() // k) for k in (1, 2)]
    frames[0].save("in.webp", save_all=True, append_images=frames[1:], lossless=True)
    assert (pixels_of(run, "in.webp") == gradient()).all()
    assert "first of 2 frames" in run("encode", "in.webp", "o.sdc").err


def test_broken_pictures(run: Run) -> None:
    Image.fromarray(gradient()).save("in.png")
    Image.fromarray(gradient()).save("in.jpg")
    whole = {name: Path(name).read_bytes() for name in ("in.png", "in.jpg")}
    for name, data in whole.items():
        for part in (data[: len(data) // 2], data[:30], b"", b"hello"):
            Path(name).write_bytes(part)
            ran = run("encode", name, "o.sdc")
            assert (ran.status, ran.codes, Path("o.sdc").exists()) == (64, ["E_PICTURE"], False)
    Path("in.png").write_bytes(whole["in.png"])
    ran = run("encode", "in.png", "o.sdc", "--max-pixels", "1699")
    assert (ran.status, ran.codes) == (64, ["E_PICTURE"])
    header = png_chunk(b"IHDR", struct.pack(">IIBBBBB", 60000, 60000, 8, 2, 0, 0, 0))
    bomb = whole["in.png"][:8] + header + whole["in.png"][33:]
    ran = run("encode", "-", "o.sdc", stdin=bomb)
    assert (ran.status, ran.codes) == (64, ["E_PICTURE"]) and "60000 x 60000" in ran.err


def test_colour_profiles(run: Run) -> None:
    profile = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
    Image.fromarray(gradient()).save("in.png", icc_profile=profile)
    assert run("encode", "in.png", "o.sdc").status == 0
    stream = parse(Path("o.sdc").read_bytes())
    assert not stream.before and stream.chunk(ICCP) is None  # sRGB
    own = (profile_of(SRGB) or b"").replace(*(struct.pack(">i", round(g * 65536)) for g in (2.4, 2.5)))
    Image.fromarray(gradient()).save("in.png", icc_profile=own)
    assert run("encode", "in.png", "o.sdc").status == 0
    assert inflated(parse(Path("o.sdc").read_bytes()), ICCP) == own
    for name in ("out.png", "out.jpg"):
        assert run("decode", "o.sdc", name).status == 0
        assert Image.open(name).info["icc_profile"] == own
    lab = ImageCms.ImageCmsProfile(ImageCms.createProfile("LAB")).tobytes()
    for broken in (profile[:100], lab, bytes(300)):
        Image.fromarray(gradient()).save("in.png", icc_profile=broken)
        ran = run("encode", "in.png", "o.sdc")
        assert ran.status == 0 and "profile" in ran.err
        assert parse(Path("o.sdc").read_bytes()).chunk(ICCP) is None


# --- Folders ------------------------------------------------------------------------------------------


@pytest.mark.slow
def test_folders(run: Run) -> None:
    Path("in/deep/.hidden").mkdir(parents=True)
    Image.fromarray(gradient()).save("in/a.png")
    Image.fromarray(gradient(20, 20)).save("in/deep/b.jpg")
    Image.fromarray(gradient(20, 20)).save("in/deep/b.png")
    Image.fromarray(gradient(20, 20)).save("in/deep/.hidden/c.png")
    Path("in/deep/broken.png").write_bytes(b"no")
    Path("in/notes.txt").write_text("not a picture")
    ran = run("encode", "in", "out", "--jobs", "2")
    assert (ran.status, sorted(ran.codes)) == (3, ["E_PICTURE", "E_USAGE"])
    assert "deep/broken.png" in ran.err and "deep/b.jpg has the same output" in ran.err
    made = sorted(str(p.relative_to("out")) for p in Path("out").rglob("*") if p.is_file())
    assert made == [".sdc.encode.jsonl", "a.sdc", "deep/b.sdc"]
    Path("out/cut.sdc").write_bytes(FULL[:-3])
    ran = run("decode", "out", "back", "--jobs", "1")
    assert (ran.status, ran.codes) == (3, ["E_GROUP_TRUNCATED"])
    assert "cut.sdc" in ran.err
    made = sorted(str(p.relative_to("back")) for p in Path("back").rglob("*") if p.is_file())
    assert made == ["a.png", "cut.png", "deep/b.png"]
    assert near(image("back/a.png"), gradient())
    Path("file").write_text("")
    assert run("decode", "out", "file").status == 64
    assert run("decode", "out", "-").status == 64


def test_a_folder_with_an_image_that_is_not_listed_is_done_in_part(run: Run) -> None:
    Path("in").mkdir()
    for name in ("listed", "bare", "unlisted"):
        Image.fromarray(gradient(20, 20)).save(f"in/{name}.png")
    coco = {
        "images": [{"id": k, "file_name": f"{name}.png"} for k, name in enumerate(("listed", "bare"))],
        "annotations": [{"id": 1, "image_id": 0, "category_id": 1, "bbox": [2, 2, 9, 9]}],
        "categories": [{"id": 1, "name": "cat"}],
    }
    Path("instances.json").write_text(json.dumps(coco))
    words = ("encode", "in", "out", "--objects", "instances.json", "--effort", "0", "--jobs", "1")
    for _ in range(2):  # the second time the others are done already
        ran = run(*words)
        assert (ran.status, ran.codes) == (3, ["E_OBJECTS"]) and "unlisted.png" in ran.err
    assert {path.name for path in Path("out").glob("*.sdc")} == {"listed.sdc", "bare.sdc"}
    assert sdc.open("out/bare.sdc").objects == ()
    for name in ("listed", "bare"):
        os.unlink(f"in/{name}.png")
    assert run(*words).status == 64  # nothing is done, so the arguments are in doubt


def test_what_a_folder_hides_is_named(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    Path("in/locked").mkdir(parents=True)
    Path("in/open").mkdir()
    Path("in/open/good.sdc").write_bytes(FULL)
    Path("in/locked/lost.sdc").write_bytes(FULL)
    os.symlink("nowhere.sdc", "in/dangling.sdc")
    os.symlink("nowhere.txt", "in/other.txt")
    os.symlink("open", "in/link")
    os.symlink(".", "in/loop.sdc")
    os.mkfifo("in/pipe.sdc")
    scan = os.scandir

    def refuse(path: Any = ".") -> Any:
        if Path(path).name == "locked":
            raise PermissionError(13, "Permission denied", str(path))
        return scan(path)

    monkeypatch.setattr(os, "scandir", refuse)
    for argv in (["decode", "in", "out", "--jobs", "1"], ["validate", "in"]):
        ran = run(*argv)
        assert (ran.status, sorted(ran.codes)) == (74, ["E_INPUT", "E_INPUT", "E_IO"]), ran.err
        for name in ("locked", "dangling.sdc", "pipe.sdc"):
            assert ran.err.count(name) == 1
    assert os.listdir("out") == ["open"]
    assert run("decode", "in/locked", "none").codes == ["E_IO"]
    assert run("validate", "in/locked").codes == ["E_IO"]


def test_a_file_goes_into_a_folder_under_its_own_name(run: Run) -> None:
    Image.fromarray(gradient()).save("photo.x.png")
    photo = Path("photo.x.png").read_bytes()
    Path("out").mkdir()
    assert run("encode", "photo.x.png", "out", "--objects", "none", "--effort", "0").status == 0
    assert run("decode", "out/photo.x.sdc", "out").status == 0
    assert [path.name for path in sorted(Path("out").iterdir())] == ["photo.x.png", "photo.x.sdc"]
    ran = run("decode", "out/photo.x.sdc", ".")  # which would replace what was encoded
    assert (ran.status, ran.codes) == (64, ["E_USAGE"]) and "the file in the folder would be lost" in ran.err
    assert Path("photo.x.png").read_bytes() == photo
    Path("out", "photo.x.json").write_text("by hand")
    ran = run("analyze", "photo.x.png", "-o", "out")
    assert (ran.status, ran.codes) == (64, ["E_USAGE"]) and "the file in the folder would be lost" in ran.err
    ran = run("encode", "-", "out", stdin=photo)
    assert (ran.status, ran.codes) == (64, ["E_USAGE"]) and "name a file" in ran.err


def test_a_folder_in_which_nothing_can_be_written_is_said_once(
    run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    Path("in").mkdir()
    for name in ("a", "b"):
        Path("in", f"{name}.sdc").write_bytes(FULL)
    Path("file").write_text("in the way")
    ran = run("decode", "in", "file/out")
    assert ran.status == 74 and ran.err.count("\n") == 1 and "could not write: Not a directory" in ran.err
    Path("out").mkdir()
    access = os.access
    monkeypatch.setattr(os, "access", lambda path, mode: path != "out" and access(path, mode))
    ran = run("decode", "in", "out")
    assert (ran.status, ran.err) == (74, "sdc: E_IO: could not write in the folder (out)\n")
    assert not list(Path("out").iterdir())


def test_an_output_folder_that_cannot_be_made_concerns_its_files_alone(run: Run) -> None:
    Path("in/sub").mkdir(parents=True)
    Path("in/a.sdc").write_bytes(FULL)
    Path("in/sub/b.sdc").write_bytes(FULL)
    Path("out").mkdir()
    Path("out/sub").write_text("in the way")
    ran = run("extract", "in", "out", "--jobs", "1")
    assert (ran.status, ran.codes) == (74, ["E_IO"])
    assert Path("out/a.sdc").read_bytes() == FULL


def test_only_formats_that_are_read_here(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    """Above all no EPS, for which Pillow runs Ghostscript."""
    from PIL import EpsImagePlugin

    def never(*_: object, **__: object) -> None:
        raise AssertionError("Ghostscript")

    monkeypatch.setattr(EpsImagePlugin, "Ghostscript", never)
    Path("in").mkdir()
    for name in ("a.eps", "b.png", "c.pcx", "d.ico"):
        Image.fromarray(gradient()).save(f"in/{name}", name[2:].upper())
    for name in ("e.mpg", "f.psd", "g.h5", "h.pdf"):
        Path(f"in/{name}").write_bytes(b"x")
    assert run("encode", "in", "out", "--jobs", "1").status == 0
    assert sorted(os.listdir("out")) == [".sdc.encode.jsonl", "b.sdc"]
    Path("fake.png").write_bytes(Path("in/a.eps").read_bytes())
    for name in ("fake.png", "in/a.eps", "in/c.pcx"):
        ran = run("encode", name, "o.sdc")
        assert (ran.status, ran.codes) == (64, ["E_PICTURE"])
    for name in ("a.jpg", "a.webp", "a.tif", "a.bmp", "a.gif", "a.ppm", "a.tga", "a.jp2", "a.qoi", "a.mpo"):
        if Image.registered_extensions().get(name[1:]) in Image.SAVE:
            Image.fromarray(gradient()).save(name)
            assert pixels_of(run, name).shape == (34, 50, 3), name


class Terminal(io.StringIO):
    """Stands in for a terminal."""

    def isatty(self) -> bool:
        return True


@pytest.mark.slow
@pytest.mark.parametrize("jobs", [1, 2])
def test_folders_are_validated(run: Run, monkeypatch: pytest.MonkeyPatch, jobs: int) -> None:
    Path("one/deep").mkdir(parents=True)
    Path("two").mkdir()
    Path("empty").mkdir()
    Path("one/a.sdc").write_bytes(FULL)
    Path("one/notes.txt").write_text("no stream")
    Path("one/deep/cut.sdc").write_bytes(FULL[:-3])
    Path("two/bad.sdc").write_bytes(b"bad")
    ran = run("validate", "one", "--jobs", jobs)
    assert ran.out.decode().splitlines() == ["one/a.sdc: valid", "one/deep/cut.sdc: partial"]
    assert (ran.status, ran.codes) == (3, ["E_GROUP_TRUNCATED"]) and "one/deep/cut.sdc" in ran.err
    ran = run("validate", "two", "-", "one", "--jobs", jobs, stdin=FULL)
    assert ran.out.decode().splitlines() == [
        "two/bad.sdc: invalid", "-: valid", "one/a.sdc: valid", "one/deep/cut.sdc: partial"
    ]  # fmt: skip
    assert ran.status == 1
    ran = run("validate", "empty", "one/a.sdc", "none.sdc", "--jobs", jobs)
    assert (ran.status, sorted(ran.codes), ran.out) == (66, ["E_INPUT"] * 2, b"one/a.sdc: valid\n")
    assert "\x1b" not in ran.err and "#" not in ran.err
    terminal = Terminal()
    with monkeypatch.context() as patch:
        patch.setattr(sys, "stderr", terminal)
        assert run("validate", "one", "--jobs", jobs).status == 3
    screen = [line.rpartition("\x1b[K")[2] for line in terminal.getvalue().split("\n")]
    assert screen[0].startswith("sdc: E_GROUP_TRUNCATED") and screen[2] == ""
    assert re.fullmatch(rf"\[#{{{progress.BAR}}}\] 2/2, .* in all", screen[1])
    bars = [part.split("]")[0] for part in terminal.getvalue().split("[") if part.startswith(("#", "."))]
    assert [bar.count("#") for bar in bars] == [0, progress.BAR // 2, progress.BAR]
    assert {len(bar) for bar in bars} == {progress.BAR}


def test_a_terminal_is_told_of_one_file_that_takes_long(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    Image.fromarray(gradient()).save("a.png")
    for patience, terminal in ((60.0, Terminal()), (0.0, Terminal()), (0.0, io.StringIO())):
        with monkeypatch.context() as patch:
            patch.setattr(progress, "PATIENCE", patience)
            patch.setattr(sys, "stderr", terminal)
            assert run("encode", "a.png", "a.sdc", "--quality", "20").status == 0
        said = terminal.getvalue()
        if patience or not isinstance(terminal, Terminal):
            assert "at work" not in said and "\x1b" not in said
        else:
            # Whatever is said goes before anything else is.
            assert re.match(r"\r\x1b\[Kat work for 0 s", said)
            assert "at work" not in said.rpartition(messages.CLEAR)[2]


def test_a_terminal_that_goes_away_costs_no_file(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    class Gone(Terminal):
        def write(self, text: str) -> int:
            raise OSError("gone")

    Image.fromarray(gradient()).save("a.png")
    monkeypatch.setattr(progress, "PATIENCE", 0.0)
    for terminal, source, status in ((Gone(), "a.png", 0), (Gone(), "b.png", 66), (Terminal(), "b.png", 66)):
        with monkeypatch.context() as patch:
            patch.setattr(sys, "stderr", terminal)
            assert run("encode", source, "a.sdc", "--quality", "20").status == status
        assert Path("a.sdc").exists()
    screen = terminal.getvalue().rpartition(messages.CLEAR)[2]
    assert screen.startswith("sdc encode: E_INPUT") or screen.startswith("sdc: E_INPUT")


def test_objects_for_a_folder(run: Run) -> None:
    Path("in").mkdir()
    for name in ("a", "b"):
        Image.fromarray(gradient()).save(f"in/{name}.png")
    coco = {
        "images": [
            {"id": k, "file_name": f"{name}.jpg", "width": 50, "height": 34} for k, name in enumerate("ab")
        ],
        "annotations": [
            {"id": k, "image_id": k, "category_id": k, "bbox": [1, 1, 20, 20], "iscrowd": 0} for k in range(2)
        ],
        "categories": [{"id": 0, "name": "cat"}, {"id": 1, "name": "dog"}],
    }
    Path("coco.json").write_text(json.dumps(coco))
    assert run("encode", "in", "out", "--objects", "coco.json", "--jobs", "1").status == 0
    labels = [sdc.info(Path(f"out/{name}.sdc").read_bytes())["objects"][0]["label"] for name in "ab"]
    assert labels == ["cat", "dog"]
    Path("objects").mkdir()
    objects_file("objects/a.json")
    ran = run("encode", "in", "more", "--objects", "objects", "--jobs", "1")
    assert (ran.status, ran.codes) == (66, ["E_INPUT"])
    assert len(sdc.info(Path("more/a.sdc").read_bytes())["objects"]) == 3 and not Path("more/b.sdc").exists()
    Path("bad.json").write_text("{")
    assert run("encode", "in/a.png", "x.sdc", "--objects", "bad.json").codes == ["E_OBJECTS"]


# --- Whole processes ----------------------------------------------------------------------------------


def test_errors_go_from_process_to_process() -> None:
    error = SdcError("E_HEAD_CRC", "wrong", offset=12)
    again = pickle.loads(pickle.dumps(error))
    assert type(again) is InvalidError and str(again) == str(error) == "E_HEAD_CRC: wrong (byte 12)"
    assert again.as_dict() == error.as_dict() and again.exit_status == error.exit_status


@pytest.mark.slow
def test_processes_return_their_status(tmp_path: Path) -> None:
    (tmp_path / "good.sdc").write_bytes(FULL)
    (tmp_path / "cut.sdc").write_bytes(FULL[:-3])
    Image.fromarray(gradient(16, 16)).save(tmp_path / "in.png")
    cases = [
        (["validate", "good.sdc"], 0), (["validate", "in.png"], 1), (["decode", "cut.sdc", "o.png"], 3),
        (["decode"], 64), (["info", "none"], 66), (["decode", "good.sdc", "no/o.png"], 74),
        (["decode", "good.sdc", "o.png", "--max-pixels", "5"], 2),
    ]  # fmt: skip
    for argv, status in cases:
        ran = subprocess_run(*argv, cwd=tmp_path)
        assert ran.returncode == status, ran.stderr
        assert ran.stderr.count(b"\n") == (status != 0) and b"Traceback" not in ran.stderr


@pytest.mark.slow
@pytest.mark.parametrize(
    ("command", "said"),
    [
        ("sdc extract - o.sdc <&-", "standard input is closed"), ("sdc validate - <&-", "standard input"),
        ("sdc extract s.sdc - >&-", "standard output is closed"), ("sdc info s.sdc >&-", "standard output"),
        ("sdc validate s.sdc >&-", "standard output"), ("sdc validate s.sdc s.sdc >&-", "standard output"),
        ("sdc info s.sdc >/dev/full", "No space left"), ("sdc extract s.sdc - >/dev/full", "No space left"),
    ],
)  # fmt: skip
def test_standard_streams_that_are_closed_or_full(tmp_path: Path, command: str, said: str) -> None:
    ran = shell(command, tmp_path)
    assert (ran.returncode, ran.stderr.count(b"\n")) == (74, 1), ran.stderr
    assert ran.stderr.startswith(b"sdc: E_IO: ") and said.encode() in ran.stderr


@pytest.mark.slow
def test_closed_streams_that_are_not_needed(tmp_path: Path) -> None:
    for command, status in (
        ("sdc extract s.sdc o.sdc <&- >&-", 0), ("sdc validate s.sdc s.sdc <&-", 0),
        ("sdc extract none.sdc - 2>&-", 66), ("sdc validate none.sdc none.sdc 2>&-", 66), ("sdc 2>&-", 64),
    ):  # fmt: skip
        ran = shell(command, tmp_path)
        assert (ran.returncode, ran.stderr) == (status, b""), command
        assert ran.stdout == (b"s.sdc: valid\n" * 2 if "validate s" in command else b"")


def shell(command: str, folder: Path) -> subprocess.CompletedProcess[bytes]:
    """Run a command line in which ``sdc`` is the command, in a folder with a stream."""
    (folder / "s.sdc").write_bytes(FULL)
    code = "import sys; from sdc.cli.main import main; sys.exit(main())"
    line = f'sdc() {{ "{sys.executable}" -c "{code}" "$@"; }}; {command}'
    return subprocess.run(["sh", "-c", line], cwd=folder, capture_output=True, check=False)


@pytest.mark.parametrize("program", ["sdc", "sdc-info"])
def test_an_interruption_while_commands_are_imported_is_one_line(program: str) -> None:
    code = f"""
import sys
from importlib.abc import MetaPathFinder
class Interrupted(MetaPathFinder):
    def find_spec(self, name, path, target=None):
        if name == "sdc.cli.main":
            raise KeyboardInterrupt
sys.meta_path.insert(0, Interrupted())
from sdc.cli.start import main, info_main
sys.exit({"main" if program == "sdc" else "info_main"}())
"""
    ran = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert (ran.returncode, ran.stdout, ran.stderr) == (130, "", f"{program}: interrupted\n")


def test_no_torch_is_needed(tmp_path: Path) -> None:
    code = "import sys; sys.modules['torch'] = None; from sdc.cli.main import main; sys.exit(main())"
    path = tmp_path / "s.sdc"
    path.write_bytes(FULL)
    argv = [sys.executable, "-c", code, "decode", str(path), str(tmp_path / "o.png")]
    assert subprocess.run(argv, check=False).returncode == 0


# --- The README ---------------------------------------------------------------------------------------

README = Path(__file__).resolve().parents[1].joinpath("README.md").read_text("utf-8")


def test_commands_of_the_readme_run(run: Run) -> None:
    Image.fromarray(gradient()).save("photo.jpg")
    objects_file("objects.json")
    rows = re.findall(r"^\| `(sdc(?:-info)? [^`]+)` \|", README, re.MULTILINE)
    commands = ["encode", "analyze", "decode", "extract", "redact"]
    commands += ["find", "stat", "to-coco", "sheet", "thumbnail", "validate"]
    assert [line.split()[1] for line in rows if line.startswith("sdc ")] == commands
    help_of = {name: run(name, "--help").out.decode() for name in (*commands, "info")}
    options = re.findall(r"^\| `(--[a-z-]+)[^|\n]*\|(?: ([^|\n]*) \|)?[^|\n]*\|$", README, re.MULTILINE)
    assert len(options) > 15
    for option, takers in options:
        for command in re.findall(r"`([\w-]+)`", takers) or ["encode"]:
            assert option in help_of[command], (command, option)
    for line in rows:
        program, *argv = shlex.split(line.replace("FILE...", "out.sdc"))
        assert run(*argv, main=cli.main if program == "sdc" else cli.info_main).status == 0, line
