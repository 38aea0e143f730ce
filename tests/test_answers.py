"""Answers about many streams without pixels, and objects that are removed."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import ExifTags, Image

import sdc
from sdc.cli import main as cli
from sdc.format.build import build
from sdc.format.chunks import EXIF, OBJS, PROV, XMPP, Chunk
from sdc.format.parse import outline, parse
from sdc.testing.streams import random_stream

WIDTH, HEIGHT = 96, 80
FACE, DOG, SKY = (31, 15, 28, 26), (0, 50, 20, 26), (70, 0, 26, 12)


def pixels(seed: int = 0) -> np.ndarray[Any, np.dtype[np.uint8]]:
    return np.random.default_rng(seed).integers(0, 256, (HEIGHT, WIDTH, 3)).astype(np.uint8)


def things(**face: Any) -> list[sdc.Object]:
    y, x = np.indices((26, 28))
    ellipse = np.hypot((y - 12.5) / 13.1, (x - 13.5) / 14.1) < 1  # which touches each side of its box
    own = {"label": "Face", "box": FACE, "level": "L1", "score": 0.7, "mask": ellipse, **face}
    return [
        sdc.Object(**own),
        sdc.Object("dog", DOG, sdc.Level.L2, 0.4, reason="looks at the face"),
        sdc.Object("", SKY, sdc.Level.L3, reason="perhaps a thing"),
        sdc.Object("dog", (60, 60, 9, 9), sdc.Level.L1, 0.1),
    ]


def coded(image: Any = None, objects: list[sdc.Object] | None = None, **options: Any) -> sdc.Encoded:
    given = {"group_by": "object", "margin": 1, "pixel_masks": True, "effort": 1, "quality": 10, **options}
    return sdc.encode(pixels() if image is None else image, objects=objects or things(), **given)


@pytest.fixture(scope="module")
def stream() -> bytes:
    return bytes(coded(provenance={"captions": {"short": "a face and dogs", "detailed": "more"}}))


@pytest.fixture
def folder(stream: bytes, tmp_path: Path) -> Path:
    """Two streams with objects, one without, and one that is cut off in the header."""
    (tmp_path / "in").mkdir()
    (tmp_path / "a.sdc").write_bytes(stream)
    (tmp_path / "in" / "b.SDC").write_bytes(sdc.extract(stream, objects="dog"))
    (tmp_path / "in" / "c.sdc").write_bytes(random_stream(1, extras=False).data)
    (tmp_path / "in" / "cut.sdc").write_bytes(stream[:9])
    (tmp_path / "note.txt").write_text("no stream")
    return tmp_path


class Told:
    """Errors of streams."""

    def __init__(self) -> None:
        self.seen: list[tuple[str, str]] = []

    def __call__(self, path: str, error: sdc.SdcError) -> None:
        self.seen.append((Path(path).name, error.code))


Run = Any


@pytest.fixture
def run(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, folder: Path) -> Run:
    monkeypatch.chdir(folder)

    def call(*words: object) -> tuple[int, str, str]:
        status = cli.main([str(word) for word in words])
        return (status, *capsys.readouterr())

    return call


@pytest.fixture
def no_map(monkeypatch: pytest.MonkeyPatch, folder: Path) -> None:
    """No group map and no mask may be decoded from here on."""
    for room in ("mask", "objs"):
        monkeypatch.setattr(f"sdc.format.{room}.engine", lambda: pytest.fail("decodes a map or a mask"))
    with pytest.raises(pytest.fail.Exception):
        parse((folder / "a.sdc").read_bytes())


# --- what stands around the groups ------------------------------------------------------------------


@pytest.mark.parametrize("seed", range(8))
def test_the_outline_is_that_of_the_whole_stream(seed: int) -> None:
    data = random_stream(seed, extras=True).data
    whole, around = parse(data), outline(data)
    assert (around.head, around.map, around.before, around.after) == (
        whole.head,
        whole.map,
        whole.before,
        whole.after,
    )
    assert around.behind and {g.state for g in around.groups} <= {"unread", "withdrawn"}
    with pytest.raises(sdc.SdcError, match="E_"):
        outline(data[:20])


# --- find -------------------------------------------------------------------------------------------


def test_find(folder: Path, no_map: None) -> None:
    told = Told()
    found = list(sdc.find(folder, "DOG", on_error=told))
    assert [(Path(m.path).name, m.object.box, m.object.level) for m in found] == [
        ("a.sdc", (60, 60, 9, 9), "L1"),
        ("a.sdc", DOG, "L2"),
        ("b.SDC", (60, 60, 9, 9), "L1"),
        ("b.SDC", DOG, "L2"),
    ]
    assert told.seen == [("cut.sdc", "E_TRUNCATED")]
    ask = {"on_error": told}
    assert [m.object.label for m in sdc.find(folder, ["face", "cat"], **ask)] == ["Face"]  # type: ignore[arg-type]
    assert [m.object.level for m in sdc.find(folder, "dog", levels=2, **ask)] == ["L2", "L2"]  # type: ignore[arg-type]
    assert [m.object.label for m in sdc.find(folder / "a.sdc", score=0.5)] == ["Face", ""]
    assert len(list(sdc.find([folder / "a.sdc", folder / "in" / "b.SDC"], levels=["L1", "L3"]))) == 4
    with pytest.warns(UserWarning, match=r"cut.sdc: E_TRUNCATED"):
        assert not list(sdc.find(folder, "cat"))
    with pytest.raises(sdc.UsageError, match="a level is one of"):
        list(sdc.find(folder, levels="L9"))
    (folder / "empty").mkdir()
    with pytest.raises(sdc.InputError, match="holds no stream"):
        list(sdc.find(folder / "empty"))


def test_the_command_find(run: Run) -> None:
    status, out, err = run("find", "--label", "dog", "--level", "L2", ".")
    assert (status, out) == (1, "./a.sdc\n./in/b.SDC\n") and "E_TRUNCATED" in err and "cut.sdc" in err
    status, out, err = run("find", "--label=face", "--label=cat", "a.sdc", "in/c.sdc", "--json")
    row = {"path": "a.sdc", "label": "Face", "level": "L1", "score": 0.698, "box": list(FACE), "group": 0}
    assert (status, json.loads(out), err) == (0, row, "")
    status, out, err = run("find", "--label", "cat", "a.sdc")
    assert (status, out) == (0, "") and "no stream describes such an object" in err
    assert run("find", "absent")[0] == 66
    assert run("find", "a.sdc", "--score", "2")[0] == run("find", "a.sdc", "--level", "9")[0] == 64


# --- stat -------------------------------------------------------------------------------------------


def test_stat(folder: Path, stream: bytes, no_map: None) -> None:
    told = Told()
    found = {Path(s.path).name: s for s in sdc.stat(folder, on_error=told)}
    assert set(found) == {"a.sdc", "b.SDC", "c.sdc"} and told.seen == [("cut.sdc", "E_TRUNCATED")]
    for name, path in (("a.sdc", "a.sdc"), ("b.SDC", "in/b.SDC"), ("c.sdc", "in/c.sdc")):
        one, data = found[name], (folder / path).read_bytes()
        groups = outline(data).groups
        assert sum(one.levels.values()) + one.header + one.metadata == one.size == len(data)
        assert one.levels == {
            level: sum(g.size for g in groups if g.level == level)
            for level in sdc.Level
            if level in one.levels
        }
        assert not one.truncated
    one = found["a.sdc"]
    assert (one.width, one.height) == (WIDTH, HEIGHT) and list(one.levels) == ["L1", "L2", "L3", "other"]
    assert list(found["b.SDC"].levels) == ["L1", "L2"]


def test_stat_of_a_stream_that_is_cut_off(tmp_path: Path, stream: bytes) -> None:
    opened_stream = sdc.info(stream)
    end = opened_stream["groups"][-1]["offset"]
    (tmp_path / "x.sdc").write_bytes(stream[: end + 1])
    (one,) = sdc.stat(tmp_path)
    assert one.truncated and one.size == end + 1 and one.metadata == 0


def test_the_command_stat(run: Run, stream: bytes) -> None:
    status, out, err = run("stat", "a.sdc", "in/c.sdc")
    lines = {line[:14].strip(): line[14:].split() for line in out.splitlines()}
    assert status == 0 and err == ""
    size = sum(len(Path(name).read_bytes()) for name in ("a.sdc", "in/c.sdc"))
    assert lines["all"][:4] == ["2", str(size), str(round(size / 2)), "100.0"]
    report = sdc.info(stream)
    l1 = sum(g["bytes"] for g in report["groups"] if g["level"] == "L1")
    (c,) = sdc.stat("in/c.sdc")
    assert int(lines["L1"][1]) == l1 + c.levels.get(sdc.Level.L1, 0)
    status, out, err = run("stat", "--json", ".")
    rows = [json.loads(line) for line in out.splitlines()]
    assert status == 1 and [r["path"] for r in rows] == ["./a.sdc", "./in/b.SDC", "./in/c.sdc"]
    assert rows[0]["levels"]["L1"] == l1 and rows[0]["size"] == len(stream)


# --- COCO -------------------------------------------------------------------------------------------


def test_coco_reads_what_went_in(folder: Path) -> None:
    mask = pytest.importorskip("pycocotools.mask")
    coco_of = pytest.importorskip("pycocotools.coco").COCO
    told = Told()
    data = sdc.to_coco(folder, on_error=told)
    assert told.seen == [("cut.sdc", "E_TRUNCATED")]
    (folder / "instances.json").write_text(json.dumps(data))
    coco = coco_of(folder / "instances.json")
    names = {image["file_name"]: image for image in coco.loadImgs(coco.getImgIds())}
    assert set(names) == {"a.sdc", "in/b.SDC", "in/c.sdc"}
    assert names["a.sdc"]["captions"] == {"short": "a face and dogs", "detailed": "more"}
    assert (names["a.sdc"]["width"], names["a.sdc"]["height"]) == (WIDTH, HEIGHT)
    notes = coco.loadAnns(coco.getAnnIds(imgIds=names["a.sdc"]["id"]))
    given = {tuple(o.box): o for o in things()}
    assert len(notes) == len(given)
    for note in notes:
        o = given[tuple(note["bbox"])]
        assert coco.loadCats(note["category_id"])[0]["name"] == o.label
        assert note["level"] == o.level and abs(note["score"] - o.score) <= 1 / 255
        if o.mask is None:
            assert note["area"] == o.box[2] * o.box[3] and note["segmentation"] == []
            continue
        whole = np.zeros((HEIGHT, WIDTH), bool)
        x, y, w, h = o.box
        whole[y : y + h, x : x + w] = o.mask
        assert np.array_equal(coco.annToMask(note).astype(bool), whole)
        assert note["area"] == whole.sum() == mask.area(note["segmentation"])
    ids = {category["name"]: category["id"] for category in data["categories"]}
    assert ids == {"dog": 18, "": 91, "Face": 92}
    # And our own reader, by the name of the image that was encoded.
    again = sdc.Object.load(data, WIDTH, HEIGHT, "a.jpg")
    assert {(o.label, o.box, o.mask is None) for o in again} == {
        (o.label, o.box, o.mask is None) for o in things()
    }


def test_coco_scores_what_it_wrote(folder: Path) -> None:
    """Objects are detections of themselves: average precision 1."""
    coco_of = pytest.importorskip("pycocotools.coco").COCO
    evaluation = pytest.importorskip("pycocotools.cocoeval").COCOeval
    data = sdc.to_coco(folder / "a.sdc")
    (folder / "i.json").write_text(json.dumps(data))
    truth = coco_of(folder / "i.json")
    found = truth.loadRes(
        [{k: n[k] for k in ("image_id", "category_id", "bbox", "score")} for n in data["annotations"]]
    )
    measured = evaluation(truth, found, "bbox")
    measured.evaluate()
    measured.accumulate()
    measured.summarize()
    assert measured.stats[0] == pytest.approx(1)


def test_the_command_to_coco(run: Run) -> None:
    status, out, err = run("to-coco", "a.sdc", "in/b.SDC")
    assert (status, err) == (0, "") and json.loads(out) == sdc.to_coco(["a.sdc", "in/b.SDC"])
    assert run("to-coco", ".", "-o", "i.json")[0] == 1
    assert json.loads(Path("i.json").read_text())["images"][1]["file_name"] == "in/b.SDC"
    status, out, err = run("to-coco", "a.sdc", "--no-masks")
    assert {str(n["segmentation"]) for n in json.loads(out)["annotations"]} == {"[]"}


def test_objects_that_cannot_be_read_are_told(tmp_path: Path) -> None:
    stream = parse(random_stream(2, extras=False).data)
    broken = build(stream.__class__(**{**vars(stream), "after": (Chunk(OBJS, b"\xff\xff"),)}))
    (tmp_path / "x.sdc").write_bytes(broken)
    told = Told()
    assert sdc.to_coco(tmp_path, on_error=told)["annotations"] == []
    assert list(sdc.find(tmp_path, on_error=told)) == [] and [name for name, _ in told.seen] == ["x.sdc"] * 2


# --- redact -----------------------------------------------------------------------------------------


def exif(text: str) -> bytes:
    """EXIF with a thumbnail."""
    block = Image.Exif()
    block[ExifTags.Base.ImageDescription] = text
    return block.tobytes().removeprefix(b"Exif\0\0")


def test_nothing_of_the_object_is_left_in_the_bytes() -> None:
    """Two images that differ in nothing but the object are the same stream without it."""
    one = pixels()
    labels = parse(coded(one)).labels
    cells = np.kron(labels == 1, np.ones((16, 16), bool))[:HEIGHT, :WIDTH]
    x, y, w, h = FACE
    assert cells[y : y + h, x : x + w].all()  # all that the box touches is of its group
    other = np.where(cells[:, :, None], pixels(9), one)
    assert not np.array_equal(one, other)
    about = [
        {
            "exif": exif(words),
            "xmp": f"<a>{words}</a>".encode(),
            "provenance": {"captions": {"short": words}, "objects": [words]},
        }
        for words in ("a face of Ann", "quite another face")
    ]
    box = np.ones((26, 28), bool)
    second = things(score=0.2, reason="Bob", mask=box)
    first_stream, second_stream = coded(one, **about[0]), coded(other, second, **about[1])
    assert first_stream != second_stream
    left = [sdc.redact(bytes(data), "face") for data in (first_stream, second_stream)]
    assert left[0] == left[1]
    assert sdc.validate(left[0]).state == "valid"
    for words in (b"Ann", b"Bob", b"Face", b"face"):
        assert words not in left[0]


def test_what_stays_is_the_same_byte_for_byte(stream: bytes) -> None:
    left = sdc.redact(stream, ["face"])
    before, after = parse(stream), parse(left)
    assert [g.state for g in after.groups] == ["withdrawn", *["complete"] * (len(before.groups) - 1)]
    assert [g.payload for g in after.groups[1:]] == [g.payload for g in before.groups[1:]]
    assert {o.label for o in sdc.open(bytes(left)).objects} == {"dog", ""}
    assert not {c.type for c in after.before + after.after} & {EXIF, XMPP, PROV}
    reasons = {o.reason for o in sdc.open(bytes(left)).objects}
    assert reasons == {"", "perhaps a thing"}
    assert any("named one of the labels" in note for note in left.notes)
    assert left.notes[0].startswith("gone: Face; objects: 1, groups: 1, bytes: ")
    want = sdc.decode(stream, groups=range(1, len(before.groups)))
    assert np.array_equal(sdc.decode(bytes(left)).pixels, want.pixels)
    assert [note for note in left.notes if "edge" in note] == []


def test_an_edge_that_may_be_left_is_told() -> None:
    tight = coded(margin=0, objects=things(mask=None))
    (note,) = [n for n in sdc.redact(bytes(tight), "face").notes if "edge" in n]
    touched = parse(tight).labels[:3, 1:4]
    assert f": {(touched > 1).sum()};" in note and (touched > 1).sum() > 0
    assert "encode with --margin 1 or more" in note and "redact these too" not in note
    with pytest.raises(sdc.UsageError, match="edge"):
        sdc.redact(bytes(tight), "face", strict=True)
    assert sdc.redact(bytes(coded()), "face", strict=True) == sdc.redact(bytes(coded()), "face")


def test_cells_of_an_object_that_overlaps_are_told_apart() -> None:
    """No margin helps where two boxes meet; outlines do."""
    masks = np.zeros((2, 64, 64), bool)
    masks[0, :, :32] = masks[1, :, 32:] = True
    rest = {"group_by": "object", "margin": 1, "effort": 0}
    pixels = np.zeros((96, 96, 3), np.uint8)
    boxes = [sdc.Object(name, (16, 16, 64, 64), "L1") for name in ("face", "dog")]
    (note,) = [n for n in sdc.redact(sdc.encode(pixels, objects=boxes, **rest), "dog").notes if "edge" in n]
    assert re.search(r"(\d+); \1 of them are of face: redact these too", note) and "--margin" not in note
    apart = [replace(thing, mask=mask) for thing, mask in zip(boxes, masks, strict=True)]
    outlined = sdc.encode(pixels, objects=apart, pixel_masks=True, **rest)
    assert sdc.open(bytes(sdc.redact(outlined, "dog", strict=True))).objects[0].label == "face"


def test_groups_that_hold_others_too() -> None:
    shared = bytes(coded(group_by="level"))
    with pytest.raises(sdc.UsageError, match=r"share groups with others \(dog\).*--group-by object"):
        sdc.redact(shared, "face")
    left = sdc.redact(shared, "face", whole_groups=True)
    assert any("went other objects of these groups: dog" in note for note in left.notes)
    assert [o.level for o in sdc.open(bytes(left)).objects] == ["L2", "L3"]


def test_redacting_what_is_not_there(stream: bytes) -> None:
    same = sdc.redact(stream, "cat")
    assert same == stream and same.notes == ("no object of these labels is described: nothing is withdrawn",)
    with pytest.raises(sdc.UsageError, match="no object of these labels is described; it has Face, dog"):
        sdc.redact(stream, "cat", strict=True)
    with pytest.raises(sdc.UsageError, match="describes no objects"):
        sdc.redact(random_stream(1, extras=False).data, "face")
    with pytest.raises(sdc.UsageError, match="no label"):
        sdc.redact(stream, [])
    cut = sdc.open(stream).prefix_size()
    with pytest.raises(sdc.UsageError, match="describes no objects"):
        sdc.redact(stream[:cut], "face")
    everything = sdc.redact(stream, ["face", "dog", ""])
    assert sdc.open(bytes(everything)).levels == ("other",) and not sdc.open(bytes(everything)).objects


def test_a_group_that_is_damaged_is_named(stream: bytes) -> None:
    broken = bytearray(stream)
    broken[sdc.info(stream)["groups"][-1]["offset"]] ^= 1
    left = sdc.redact(bytes(broken), "face")
    assert [error.code for error in left.missing] == ["E_GROUP_DAMAGED"]


def test_the_command_redact(run: Run, stream: bytes) -> None:
    status, _, err = run("redact", ".", "out", "--label", "face", "--label", "license plate")
    assert status == 3  # some were written; two describe no objects, and one is cut off
    assert Path("out/a.sdc").read_bytes() == sdc.redact(stream, "face")
    assert sorted(p.name for p in Path("out").rglob("*.sdc")) == ["a.sdc", "b.sdc"]
    assert err.count("describes no objects") == 1 and "gone: Face" in err
    assert run("redact", "a.sdc", "a.sdc", "--label", "face")[0] == 64
    assert run("redact", "a.sdc", "b.sdc")[0] == 64
    Path("tight.sdc").write_bytes(coded(margin=0, objects=things(mask=None)))
    assert run("redact", "tight.sdc", "t.sdc", "--label", "face", "--strict")[0] == 64
    assert not Path("t.sdc").exists()
    assert Path("a.sdc").read_bytes() == stream


def test_none_of_it_needs_a_model(folder: Path) -> None:
    code = (
        "import sys, sdc\nimport sdc.networks.registry as registry\n"
        "registry.load_model = registry.model_for = None\n"
        "sdc.redact(sys.argv[1], 'face'), list(sdc.find(sys.argv[1])), sdc.to_coco(sys.argv[1])\n"
        "print(len(list(sdc.stat(sys.argv[1]))), 'torch' in sys.modules)\n"
    )
    words = [sys.executable, "-c", code, folder / "a.sdc"]
    assert subprocess.run(words, capture_output=True, text=True, check=True).stdout == "1 False\n"
