"""The public face: names, levels, errors, and files that are read in parts."""

from __future__ import annotations

import io
import json
import pickle
import types
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from noted_file import Noted
from PIL import Image

import sdc
from sdc.errors import error_table
from sdc.format.choice import choose
from sdc.format.objs import parse_objects
from sdc.format.parse import parse
from sdc.objects.classes import COCO, COCO_IDS
from sdc.testing.streams import random_stream
from sdc.types import LEVELS

# --- names ------------------------------------------------------------------------------------------


def test_nothing_but_public_names_and_rooms_is_importable() -> None:
    from sdc.analysis import analyze

    assert sdc.analyze is analyze and "analyze" in dir(sdc)
    seen = {name for name in vars(sdc) if not name.startswith("_")}
    rooms = {name for name in seen if isinstance(getattr(sdc, name), types.ModuleType)}
    assert all(getattr(sdc, room).__name__ == f"sdc.{room}" for room in rooms)
    assert seen - rooms <= set(sdc.__all__) and not rooms & set(sdc.__all__)
    assert set(dir(sdc)) == {*sdc.__all__, "__version__"}
    assert all(getattr(sdc, name).__doc__ for name in sdc.__all__)


# --- levels -----------------------------------------------------------------------------------------


@pytest.mark.parametrize("level", sdc.Level)
def test_a_level_is_named_in_many_ways(level: sdc.Level) -> None:
    number = LEVELS.index(level) + 1
    for text in (level, level.value, level.value.upper(), level.value.lower(), f" {level.value} "):
        assert sdc.Level(text) is level
    if level is not sdc.Level.OTHER:
        for told in (number, str(number), np.int64(number)):
            assert sdc.Level(told) is level
    assert level.code == number - 1
    assert f"{level}" == str(level) == level == level.value and json.dumps(level) == f'"{level.value}"'
    assert pickle.loads(pickle.dumps(level)) is level
    assert sdc.Object("a", (0, 0, 1, 1), level.value).level is level  # type: ignore[arg-type]


@pytest.mark.parametrize("wrong", [0, 4, -1, True, 1.0, None, "", "L0", "0", "4", "L", "ther", b"L1", ["L1"]])
def test_what_is_no_level(wrong: Any) -> None:
    with pytest.raises(ValueError, match="is not a valid Level"):
        sdc.Level(wrong)
    if wrong is not None:
        with pytest.raises(sdc.UsageError, match="E_OBJECTS"):
            sdc.Object("a", (0, 0, 1, 1), wrong)


def test_levels_sort_by_importance() -> None:
    assert sorted(reversed(LEVELS)) == list(LEVELS) == ["L1", "L2", "L3", "other"]
    assert min(sdc.Level.OTHER, sdc.Level.L3) is sdc.Level.L3


def test_1_is_l1_everywhere() -> None:
    image = np.zeros((32, 48, 3), np.uint8)
    objects = [sdc.Object("a", (0, 0, 16, 16), 1), sdc.Object("b", (16, 0, 16, 16), 2)]  # type: ignore[arg-type]
    data = sdc.encode(image, objects=objects, quality={1: 40, "2": 30, sdc.Level.OTHER: 20}, effort=0)
    stream = parse(data)
    assert [(g.level, g.quality) for g in stream.groups] == [("L1", 40), ("L2", 30), ("other", 20)]
    assert [g.level_quality >> 6 for g in stream.groups] == [0, 1, 3]
    assert [o.level for o in sdc.decode(data).objects] == [sdc.Level.L1, sdc.Level.L2]
    assert stream.prefix(levels=1) == stream.prefix([0]) and stream.ranges(levels=[2]) == stream.ranges([1])
    assert sdc.extract(data, levels=1) == sdc.extract(data, levels="L1") == sdc.extract(data, groups=[0])
    assert sdc.info(data)["groups"][0]["level"] == "L1"
    with pytest.raises(sdc.UsageError, match="given twice"):
        sdc.encode(image, quality={"L1": 3, 1: 4})


# --- errors -----------------------------------------------------------------------------------------


def test_an_error_is_of_the_class_of_its_code() -> None:
    kinds = {
        "invalid": sdc.InvalidError,
        "unsupported": sdc.UnsupportedError,
        "partial": sdc.PartialError,
        "usage": sdc.UsageError,
        "input": sdc.InputError,
        "io": sdc.IoError,
    }
    for code, row in error_table().items():
        error = sdc.SdcError(code, "so", "there", 7)
        assert type(error) is kinds[row["class"]] and error.kind == row["class"]
        again = pickle.loads(pickle.dumps(error))
        assert type(again) is type(error) and again.as_dict() == error.as_dict()
        assert type(type(error)(code)) is type(error)
    with pytest.raises(TypeError, match="InvalidError"):
        sdc.UsageError("E_MAGIC")
    with pytest.raises(sdc.InputError):
        sdc.open("not there.sdc")
    with pytest.raises(sdc.InvalidError, match="E_MAGIC"):
        sdc.imread(b"not a stream")


# --- files ------------------------------------------------------------------------------------------


def noisy(height: int, width: int) -> np.ndarray:
    """An image whose groups are larger than a block."""
    return np.random.default_rng(3).integers(0, 256, (height, width, 3)).astype(np.uint8)


PROFILE, EXIF, XMP = bytes(range(256)), b"MM\0*" + bytes(20), b"<x:xmpmeta/>"
ABOUT = {"captions": {"short": "Noise.", "detailed": "All of it.", "odd": 3}}


@pytest.fixture(scope="module")
def data() -> bytes:
    objects = [
        sdc.Object("person", (0, 0, 80, 80), "L1"),  # type: ignore[arg-type]
        sdc.Object("dog, big", (96, 0, 60, 64), "L1", mask=np.tri(64, 60, dtype=bool)),  # type: ignore[arg-type]
        sdc.Object("thing", (16, 96, 96, 60), "L2"),  # type: ignore[arg-type]
    ]
    return sdc.encode(
        noisy(170, 202),
        objects=objects,
        provenance=ABOUT,
        icc_profile=PROFILE,
        exif=b"Exif\0\0" + EXIF,
        xmp=XMP,
        group_by="object",
        quality=63,
        pixel_masks=True,
        effort=0,
    )


def test_each_part_is_read_when_it_is_asked_for_and_once(data: bytes) -> None:
    stream, whole = parse(data), sdc.decode(data)
    groups, behind = stream.groups, stream.after[0].offset
    source = Noted(data)
    with sdc.open(source) as file:
        assert source.taken() == [(0, 4096)] and groups[0].offset < 4096 < groups[2].offset
        assert (file.width, file.height) == file.size == (202, 170) and file.shape == (170, 202, 3)
        assert file.levels == ("L1", "L2", "other") and len(file.groups) == 4 and file.state == "valid"
        assert file.ranges(levels=1) == [(groups[0].offset, groups[0].size + groups[1].size)]
        assert file.prefix_size("L1") == groups[2].offset
        assert not source.taken()

        # Both groups of L1 are neighbours, and the first bytes are here.
        first = file.read(levels="L1")
        assert source.taken() == [(4096, groups[2].offset - 4096)]
        assert first.groups == (0, 1) and np.array_equal(
            first.pixels[first.covered], whole.pixels[first.covered]
        )
        with pytest.raises(sdc.UsageError, match=r"not been read.*sdc\.open"):
            first.objects  # noqa: B018
        assert np.array_equal(file.read(groups=[1]).pixels, sdc.decode(data, groups=[1]).pixels)
        assert not source.taken()

        # Objects stand behind the groups, and what is said of the whole image beside them.
        assert (file.colour, file.icc_profile, file.exif, file.xmp) == (None, PROFILE, EXIF, XMP)
        assert source.taken() == [(behind, len(data) - behind)]
        assert file.objects == whole.objects and len(file.objects) == 3
        assert file.provenance == ABOUT and file.captions == {"short": "Noise.", "detailed": "All of it."}
        assert file.read(objects="person").objects == file.objects
        assert not source.taken()

        every = file.read()
        assert source.taken() == [(groups[2].offset, behind - groups[2].offset)]
        assert np.array_equal(every.pixels, whole.pixels) and every.covered.all() and not every.notes
        assert file.extract() == data and file.extract("L1") == sdc.extract(data, levels="L1")
        assert not source.taken()
    assert not source.closed and sum(size for _, size in source.reads) == 0


def test_decode_and_extract_give_of_a_file_what_they_give_of_bytes(data: bytes) -> None:
    for choice in ({}, {"levels": 2}, {"groups": [0, 3]}, {"objects": "thing"}, {"objects": [0, "thing"]}):
        one, two = sdc.decode(data, **choice), sdc.decode(io.BytesIO(data), **choice)  # type: ignore[arg-type]
        assert np.array_equal(one.pixels, two.pixels) and np.array_equal(one.covered, two.covered)
        assert one.objects == two.objects != () and (one.groups, one.box) == (two.groups, two.box)
        assert one.icc_profile == two.icc_profile == PROFILE and one.colour is two.colour is None
        assert (one.exif, one.xmp) == (two.exif, two.xmp) == (EXIF, XMP)
        assert sdc.extract(data, **choice) == sdc.extract(io.BytesIO(data), **choice)  # type: ignore[arg-type]


def test_a_path_is_closed_and_what_was_read_stays(data: bytes, tmp_path: Path) -> None:
    path = tmp_path / "a.sdc"
    path.write_bytes(data)
    with sdc.open(path) as file:
        file.fetch(levels="L1")
    assert file.read(levels="L1").covered.any() and "202 x 170" in repr(file)
    with pytest.raises(sdc.UsageError, match="the file is closed"):
        file.objects  # noqa: B018
    path.write_bytes(b"nothing")
    with pytest.raises(sdc.InvalidError):
        sdc.open(path)


def test_objects_are_named_by_label_or_index(data: bytes) -> None:
    stream = parse(data)

    def groups(names: Any) -> tuple[int, ...]:
        return choose(stream, objects=names).groups

    labels = [o.label for o in parse_objects(stream)]
    dog = parse_objects(stream)[labels.index("dog, big")].group
    assert groups("dog, big") == groups(["dog, big"]) == groups(labels.index("dog, big")) == (dog,)
    assert groups("Person ,thing") == groups(["person", "thing"]) != groups("person")
    assert groups("0") == groups(0) == groups([0])
    for wrong in ("cat", "person,cat", [3], -1, 3, [None], 1.5):
        with pytest.raises(sdc.UsageError):
            groups(wrong)
    with pytest.raises(sdc.UsageError, match="not together"):
        choose(stream, [0], objects="person")
    box = sdc.decode(data, objects="thing").box
    assert box == (16, 96, 96, 64) and sdc.decode(data).box == (0, 0, 202, 170)
    mask = sdc.decode(data, objects="dog, big", fill=(1, 2, 3))
    assert (mask.pixels[~mask.covered] == (1, 2, 3)).all() and 0 < mask.covered.mean() < 1


def test_arrays_are_of_one_kind(data: bytes) -> None:
    withdrawn = sdc.extract(data, groups=[])
    small = sdc.encode(np.zeros((32, 16, 3), np.uint8), effort=0)
    for source, choice in (
        (data, {}), (data, {"groups": []}), (data, {"objects": "person"}), (withdrawn, {}), (small, {}),
    ):  # fmt: skip
        got = sdc.decode(source, **choice)  # type: ignore[arg-type]
        for array, kind in ((got.pixels, np.uint8), (got.covered, np.bool_)):
            assert array.dtype == kind and array.flags.c_contiguous and array.flags.writeable
            assert array.flags.owndata or array.base.flags.owndata  # type: ignore[union-attr]
            assert array.shape[:2] == (got.box[3], got.box[2])
        before = got.stream.labels.copy()
        got.pixels[:], got.covered[:] = 7, False
        assert np.array_equal(got.stream.labels, before)
    assert len(sdc.decode(withdrawn).notes) == 1 and sdc.decode(withdrawn).groups == ()


def test_what_is_missing_is_said(data: bytes, tmp_path: Path) -> None:
    stream = parse(data)
    got = sdc.decode(data, levels=["L3", 1])
    assert got.groups == (0, 1) and got.notes == ("the stream has no group of level L3, only L1, L2, other",)
    dropped = "EXIF and XMPP could show what is withdrawn, and are dropped"
    assert sdc.extract(data, levels="L3").notes == (*got.notes, dropped)
    cut = data[: stream.groups[1].offset + 9]
    got = sdc.decode(cut, groups=[0])
    assert got.objects == () and not got.missing and "behind the groups is missing" in got.notes[0]
    kept = sdc.extract(cut, levels=1)
    assert [e.code for e in kept.missing] == ["E_GROUP_TRUNCATED"] and sdc.decode(kept).groups == (0,)
    with pytest.warns(UserWarning, match="E_GROUP_TRUNCATED"):
        pixels = sdc.imread(cut, "L1", fill=(9, 8, 7))
    assert (pixels[~sdc.decode(cut, levels=1).covered] == (9, 8, 7)).all()
    damaged = data[:-1] + bytes([data[-1] ^ 1])
    with sdc.open(io.BytesIO(damaged)) as file:
        assert file.state == "valid" and file.xmp is None
        assert file.state == "partial" and [e.code for e in file.errors] == ["E_CHUNK_DAMAGED"]
        assert "E_CHUNK_DAMAGED" in file.read(levels=1).notes[0]


def test_every_random_stream_is_read_lazily_as_at_once() -> None:
    for seed in range(12):
        drawn = random_stream(seed)
        source = Noted(drawn.data)
        with sdc.open(source) as file:
            for k in reversed(range(len(file.groups))):
                assert np.array_equal(file.read(groups=[k]).pixels, sdc.decode(drawn.data, groups=[k]).pixels)
            file.provenance  # noqa: B018
            assert file.stream == parse(drawn.data)
        spans = sorted(source.taken())
        assert all(a + n <= b for (a, n), (b, _) in pairwise(spans))


# --- reading and writing ----------------------------------------------------------------------------


def test_imwrite_writes_what_encode_gives_whole_or_not_at_all(tmp_path: Path) -> None:
    image = noisy(20, 30)
    path = tmp_path / "a.sdc"
    told = sdc.imwrite(path, image, quality=20, effort=0)
    assert path.read_bytes() == told == sdc.encode(image, quality=20, effort=0)
    assert isinstance(told, bytes) and told.notes == told.missing == ()
    assert sdc.imwrite(str(path), Image.fromarray(image), quality=20, effort=0) == told
    assert np.array_equal(sdc.imread(path), sdc.decode(told).pixels)
    with pytest.raises(sdc.UsageError, match="E_PICTURE"):
        sdc.imwrite(path, image[..., 0])
    assert path.read_bytes() == told and [p.name for p in tmp_path.iterdir()] == ["a.sdc"]
    with pytest.raises(sdc.UsageError, match=r"output 'b\.png' has an image extension; use b\.sdc"):
        sdc.imwrite(tmp_path / "b.png", image)
    with pytest.raises(sdc.IoError):
        sdc.imwrite(tmp_path / "no folder" / "a.sdc", image, effort=0)


def test_objects_are_saved_and_loaded(tmp_path: Path) -> None:
    things = [
        sdc.Object("é", (1, 2, 8, 9), "L2", 0.25, "so", mask=np.tri(9, 8, dtype=bool)),  # type: ignore[arg-type]
        sdc.Object("traffic light", (0, 0, 3, 3)),
    ]
    path = tmp_path / "objects.json"
    sdc.Object.save(path, things, 40, 30)
    assert sdc.Object.load(path, 40, 30) == things
    assert sdc.Object.load(json.loads(path.read_text("utf-8")), 40, 30) == things
    with pytest.raises(sdc.InputError):
        sdc.Object.load(tmp_path / "none.json", 40, 30)
    with pytest.raises(sdc.IoError):
        sdc.Object.save(tmp_path / "none" / "objects.json", things, 40, 30)


def test_class_ids_are_those_of_coco() -> None:
    assert len(COCO) == len(COCO_IDS) == 80 and max(COCO_IDS.values()) == 90
    for label, number in (
        ("person", 1), ("Stop Sign", 13), ("backpack", 27), ("bottle", 44), ("dining table", 67),
        ("toilet", 70), ("tv", 72), ("book", 84), ("toothbrush", 90), ("pen", None),
    ):  # fmt: skip
        assert sdc.Object(label, (0, 0, 1, 1)).class_id == number


def test_nothing_is_silently_grey(data: bytes, tmp_path: Path) -> None:
    stream = parse(data)
    only = sdc.extract(data, levels=stream.groups[0].level)
    other = (
        next(level for level in LEVELS if level not in {g.level for g in stream.groups})
        if len({g.level for g in stream.groups}) < len(LEVELS)
        else None
    )
    if other is not None:
        with pytest.warns(UserWarning, match="no group of level"):
            sdc.imread(data, levels=other)
    none = sdc.extract(only, groups=[])
    with pytest.warns(UserWarning, match="every group of the stream is withdrawn"):
        assert (sdc.imread(none) == 128).all()
    assert sdc.decode(none).notes == ("every group of the stream is withdrawn",)
    path = tmp_path / "a.sdc"
    path.write_bytes(data)
    file = sdc.open(path)
    file.close()
    with pytest.raises(sdc.UsageError, match="the file is closed"):
        file.read()


def test_wrong_arguments_are_usage_errors() -> None:
    image = np.zeros((32, 32, 3), np.uint8)
    found = sdc.analyze(Image.fromarray(image + 90))
    assert sdc.encode(image, objects=None, preset=None, effort=0) == sdc.encode(image, effort=0)
    with pytest.raises(sdc.UsageError, match=r"\.objects of an analysis"):
        sdc.encode(image, objects=found)  # type: ignore[arg-type]
    for wrong in ("photo.jpg", image[..., 0], image / 255):
        with pytest.raises(sdc.UsageError, match="uint8"):
            sdc.analyze(wrong)
    with pytest.raises(sdc.UsageError, match="by level or by object"):
        sdc.encode(image, group_by="size")


def test_objects_are_named_by_themselves_and_levels_in_one_text(data: bytes) -> None:
    thing = sdc.open(data).objects[0]
    assert sdc.decode(data, objects=thing).box == sdc.decode(data, objects=[0]).box
    assert sdc.decode(data, levels="L1,L2").groups == sdc.decode(data, levels=["L1", "L2"]).groups


def test_results_are_shown_in_a_line(data: bytes) -> None:
    decoded, mask = sdc.decode(data), np.ones((4, 4), bool)
    assert repr(decoded).startswith("<Decoded ") and len(repr(decoded)) < 100
    assert repr(sdc.extract(data)).startswith("<Encoded, ")
    assert "mask" not in repr(sdc.Object("a", (0, 0, 4, 4), mask=mask))
