"""Objects files, ranking, and the rule that gives cells to groups."""

from __future__ import annotations

import json
import tracemalloc
from dataclasses import replace
from importlib.resources import files
from pathlib import Path
from typing import Any

import jsonschema
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sdc import types as module
from sdc.errors import SdcError, spec_data
from sdc.objects.grouping import MAX_OBJECT_GROUPS, GroupMap, group_map
from sdc.objects.object import Object
from sdc.objects.ranking import rank_objects
from sdc.objects.together import together
from sdc.types import LEVELS, Level

L1, L2, L3, OTHER = LEVELS

VALIDATOR = jsonschema.Draft202012Validator(spec_data("objects.schema.json"))


def pixels(thing: Object, width: int, height: int) -> np.ndarray:
    """The object's pixels as bool [height, width]."""
    x, y, w, h = thing.box
    picture = np.zeros((height, width), bool)
    picture[y : y + h, x : x + w] = True if thing.mask is None else thing.mask
    return picture


def one(width: int, height: int, **fields: Any) -> Object:
    (thing,) = Object.load([{"label": "thing", **fields}], width, height)
    return thing


def refusal(source: Any, width: int = 64, height: int = 48, **more: Any) -> SdcError:
    with pytest.raises(SdcError) as caught:
        Object.load(source, width, height, **more)
    assert "\n" not in str(caught.value)
    return caught.value


# --- The file -----------------------------------------------------------------------------------------


def test_every_field() -> None:
    source = {
        "label": "dog",
        "box": [1, 2, 30, 20],
        "level": "L2",
        "score": 0.25,
        "reason": "named in the caption",
        "colour": "ignored",
    }
    assert Object.load({"objects": [source]}, 64, 48) == [
        Object("dog", (1, 2, 30, 20), "L2", 0.25, "named in the caption")
    ]
    assert Object.load([source], 64, 48) == Object.load({"objects": [source]}, 64, 48)
    absent = {"level": None, "score": None, "reason": None, "polygon": None}
    assert one(64, 48, box=[1, 2, 3, 4], **absent) == Object("thing", (1, 2, 3, 4))


@pytest.mark.parametrize("level", LEVELS)
def test_levels_by_name(level: str) -> None:
    assert one(64, 48, box=[0, 0, 1, 1], level=level).level is Level(level)


def test_file(tmp_path: Path) -> None:
    path = tmp_path / "objects.json"
    path.write_text(json.dumps([{"label": "è", "box": [0, 0, 8, 8]}]), "utf-8")
    assert Object.load(path, 64, 48) == Object.load(str(path), 64, 48) == [Object("è", (0, 0, 8, 8))]


@pytest.mark.parametrize(
    ("box", "expected"),
    [
        ([0, 0, 64, 48], (0, 0, 64, 48)),
        ([-5, -5, 1000, 1000], (0, 0, 64, 48)),
        ([60.5, 40.5, 3.5, 7], (60, 40, 4, 7)),
        ([10.4, 10.4, 2.2, 2.2], (10, 10, 3, 3)),  # centres from 10.5 to 12.5
        ([10.6, 10.6, 0.1, 0.1], (10, 10, 1, 1)),  # no centre: the pixel it is in
        ([10, 10, 0, 0], (10, 10, 1, 1)),
        ([-1e9, 3, 1e9, 1], None),
        ([64, 0, 5, 5], None),
    ],
)
def test_box_is_rounded_to_pixel_centres_and_clipped(
    box: list[float], expected: tuple[int, ...] | None
) -> None:
    keeper = {"label": "keeper", "box": [0, 0, 1, 1]}
    boxes = [thing.box for thing in Object.load([keeper, {"label": "thing", "box": box}], 64, 48)]
    assert boxes[1:] == ([] if expected is None else [expected])


def test_polygon_takes_pixels_whose_centres_it_encloses() -> None:
    square = one(64, 48, polygon=[[4, 6, 9, 6, 9, 10, 4, 10]])
    assert square.box == (4, 6, 5, 4)
    assert square.mask is not None and square.mask.all()
    triangle = one(64, 48, polygon=[[0, 0, 4, 0, 0, 4]])
    assert triangle.mask is not None
    # On the diagonal the centres lie on the edge: out on the right side, as for every shape.
    assert triangle.mask.astype(int).tolist() == [[1, 1, 1], [1, 1, 0], [1, 0, 0]]


def test_polygons_are_united_and_their_crossings_even_odd() -> None:
    two = one(64, 48, polygon=[[0, 0, 4, 0, 4, 4, 0, 4], [2, 2, 6, 2, 6, 6, 2, 6]])
    assert two.mask is not None and two.mask.sum() == 16 + 16 - 4
    # The same two squares as one outline: their common part is outside.
    ring = one(64, 48, polygon=[[0, 0, 4, 0, 4, 4, 0, 4, 0, 0, 2, 2, 6, 2, 6, 6, 2, 6, 2, 2, 0, 0]])
    assert ring.mask is not None and ring.mask.sum() == 16 + 16 - 8


@given(st.lists(st.tuples(st.floats(-20, 84), st.floats(-20, 68)), min_size=3, max_size=12))
def test_polygon_agrees_with_the_definition(points: list[tuple[float, float]]) -> None:
    flat = [value for point in points for value in point]
    source = [{"label": "keeper", "box": [2, 0, 1, 1]}, {"label": "thing", "polygon": [flat]}]
    found = Object.load(source, 64, 48)[1:]
    expected = np.zeros((48, 64), bool)
    for (x0, y0), (x1, y1) in zip(points, points[1:] + points[:1], strict=True):
        if y0 > y1:
            (x0, y0), (x1, y1) = (x1, y1), (x0, y0)
        for row in range(48):
            if y0 <= row + 0.5 < y1:
                crossing = x0 + (row + 0.5 - y0) * ((x1 - x0) / (y1 - y0))
                expected[row] ^= np.arange(64) >= np.ceil(crossing - 0.5)
    if expected.any():
        assert (pixels(found[0], 64, 48) == expected).all()
        assert found[0].mask is not None
        assert found[0].mask[0].any() and found[0].mask[-1].any()
        assert found[0].mask[:, 0].any() and found[0].mask[:, -1].any()
    else:  # too thin: its corners, if they are in the picture
        assert all(thing.box[2] * thing.box[3] >= 1 for thing in found)


def test_neighbours_share_an_edge_without_gap_or_overlap() -> None:
    edge = [33.1, 0, 20.7, 17.3, 41.9, 48]
    left = one(64, 48, polygon=[[0, 0, *edge, 0, 48]])
    right = one(64, 48, polygon=[[64, 48, *edge[4:], *edge[2:4], *edge[:2], 64, 0]])
    assert (pixels(left, 64, 48) ^ pixels(right, 64, 48)).all()


def test_thin_polygon_takes_the_pixels_of_its_corners() -> None:
    thin = one(64, 48, polygon=[[3.1, 5.6, 9.1, 5.7, 9.1, 5.8]])
    assert thin.box == (3, 5, 7, 1)
    assert thin.mask is not None and thin.mask.tolist() == [[True] + [False] * 5 + [True]]


def test_rle_written_by_hand() -> None:
    # Columns of 4: 5 out, 2 in (column 1, rows 1 and 2), 2 out, 2 in (column 2, rows 1 and 2), 5 out.
    plain = one(4, 4, rle={"size": [4, 4], "counts": [5, 2, 2, 2, 5]})
    assert plain.box == (1, 1, 2, 2)
    assert plain.mask is not None and plain.mask.all()
    # 5, 2, 2, then the differences 2 - 2 and 5 - 2, each a digit above "0".
    assert one(4, 4, rle={"size": [4, 4], "counts": "52203"}) == plain


def test_compressed_rle_of_long_and_negative_numbers() -> None:
    # 100 = 4 + 3 * 32: "T" (4 + 32 for more + 48), "3". 3: "3". 40 = 8 + 32: "X", "1".
    # 1 - 3 = -2: 30, with the sign bit 16, "N". 16 - 40 = -24 = 8 - 32: "X", then -1: 31, "O".
    counts = [100, 3, 40, 1, 16]
    assert one(16, 10, rle={"size": [10, 16], "counts": "T33X1NXO"}) == one(
        16, 10, rle={"size": [10, 16], "counts": counts}
    )


@given(st.integers(1, 9), st.integers(1, 9), st.data())
def test_rle_agrees_with_the_definition(width: int, height: int, data: st.DataObject) -> None:
    flat = data.draw(st.lists(st.booleans(), min_size=width * height, max_size=width * height))
    counts = [0]
    for i, inside in enumerate(flat):
        if inside == (len(counts) % 2 == 0):
            counts[-1] += 1
        else:
            counts += [1] if i or inside else [0]
    expected = np.array(flat).reshape(width, height).T
    source = [
        {"label": "keeper", "box": [0, 0, 1, 1]},
        {"label": "thing", "rle": {"size": [height, width], "counts": counts}},
    ]
    found = Object.load(source, width, height)[1:]
    assert (pixels(found[0], width, height) == expected).all() if found else not expected.any()


def test_coordinates_for_another_size_are_scaled() -> None:
    source = {
        "width": 32,
        "height": 16,
        "objects": [
            {"label": "box", "box": [2, 2, 4, 4]},
            {"label": "polygon", "polygon": [[2, 2, 6, 2, 6, 6, 2, 6]]},
            {"label": "rle", "rle": {"size": [2, 4], "counts": [2, 1, 5]}},
        ],
    }
    box, polygon, rle = Object.load(source, 64, 48)
    assert box.box == polygon.box == (4, 6, 8, 12)
    assert rle.box == (16, 0, 16, 24)  # a quarter of the width, half of the height
    assert rle.mask is not None and rle.mask.all()
    # Scaled down to nothing, it still is somewhere.
    counts = [101 * 50 + 50, 1, 101 * 101 - 101 * 50 - 51]
    assert one(4, 4, rle={"size": [101, 101], "counts": counts}).box == (2, 2, 1, 1)


def test_run_lengths_of_a_huge_mask_take_little_memory() -> None:
    huge = {"size": [32767, 32768], "counts": [1, 32767 * 32768 - 2, 1]}
    tracemalloc.start()
    try:
        thing = one(16, 16, rle=huge)
        assert tracemalloc.get_traced_memory()[1] < 2**24
    finally:
        tracemalloc.stop()
    assert thing.box == (0, 0, 16, 16) and thing.mask is not None and thing.mask.all()


@settings(deadline=None)
@given(st.integers(1, 30), st.integers(1, 30), st.integers(1, 30), st.integers(1, 30), st.data())
def test_scaled_run_lengths_agree_with_the_definition(
    width: int, height: int, w: int, h: int, data: st.DataObject
) -> None:
    if (w, h) in ((width, height), (height, width)):
        return
    bits = np.random.default_rng(data.draw(st.integers(0, 99))).random((h, w)) < 0.3
    flat = bits.T.reshape(-1)
    changes = np.flatnonzero(np.diff(flat)) + 1
    counts = np.diff([0, *changes, w * h]).tolist()
    counts = ([0] if flat[0] else []) + counts
    if data.draw(st.booleans()):  # a run of nothing in between changes nothing
        k = data.draw(st.integers(0, len(counts)))
        counts = [*counts[:k], 0, 0, *counts[k:]]
    ys = [int((y + 0.5) * h / height) for y in range(height)]
    xs = [int((x + 0.5) * w / width) for x in range(width)]
    expected = bits[np.ix_(ys, xs)]
    source = [{"label": "a", "rle": {"size": [h, w], "counts": counts}}]
    if expected.any():
        (thing,) = Object.load(source, width, height)
        assert (pixels(thing, width, height) == expected).all()


def test_limits_are_those_of_the_table_of_fields() -> None:
    assert (module.MAX_SIDE, module.MAX_OBJECTS, MAX_OBJECT_GROUPS) == (65536, 4095, 254)
    assert (module.MAX_LABEL, module.MAX_REASON, module.MAX_MASK_BYTES) == (255, 4095, 65535)


def test_turned_picture_is_refused() -> None:
    source: dict[str, Any] = {"width": 48, "height": 64, "objects": [{"label": "a", "box": [0, 0, 1, 1]}]}
    assert "EXIF" in str(refusal(source))
    mask = {"size": [64, 48], "counts": [0, 64 * 48]}
    assert refusal([{"label": "a", "rle": mask}]).where == "objects[0].rle.size"


def test_objects_outside_are_left_out_unless_all_are() -> None:
    inside, outside = {"label": "in", "box": [0, 0, 9, 9]}, {"label": "out", "box": [100, 0, 9, 9]}
    beyond = {"label": "out", "polygon": [[-9, -9, -1, -9, -1, -1]]}
    nothing = {"label": "none", "rle": {"size": [48, 64], "counts": [48 * 64]}}
    assert [thing.label for thing in Object.load([outside, inside, beyond, nothing], 64, 48)] == ["in"]
    assert "outside" in str(refusal([outside, beyond]))
    assert Object.load([], 64, 48) == []


@pytest.mark.parametrize(
    ("change", "where"),
    [
        ({"label": None}, "label"),
        ({"label": 5}, "label"),
        ({"label": "é" * 128}, "label"),
        ({"label": "\ud800"}, "label"),
        ({"reason": "r" * 4096}, "reason"),
        ({"level": "l1"}, "level"),
        ({"level": 0}, "level"),
        ({"level": ["L1"]}, "level"),
        ({"score": 1.01}, "score"),
        ({"score": float("nan")}, "score"),
        ({"score": True}, "score"),
        ({"box": [0, 0, 5]}, "box"),
        ({"box": [0, 0, -1, 5]}, "box"),
        ({"box": [0, 0, float("nan"), 5]}, "box[2]"),
        ({"box": [0, 0, float("inf"), 5]}, "box[2]"),
        ({"box": [0, 10**400, 5, 5]}, "box[1]"),
        ({"box": "0 0 5 5"}, "box"),
        ({"box": {"x": 0}}, "box"),
        ({"polygon": [[]]}, "polygon[0]"),
        ({"polygon": [0, 0, 5, 0, 5, 5]}, "polygon"),
        ({"polygon": [[0, 0, 5, 0, 5, 5], [0, 0, 5, 0]]}, "polygon[1]"),
        ({"polygon": [[0, 0, 5, 0, 5, 5, 1]]}, "polygon[0]"),
        ({"polygon": [[0, 0, 5, 0, 5, None]]}, "polygon[0]"),
        ({"rle": [5, 5]}, "rle"),
        ({"rle": {}}, "rle.size"),
        ({"rle": {"size": [0, 4], "counts": []}}, "rle.size"),
        ({"rle": {"size": [1, 2**30], "counts": [0, 2**30]}}, "rle.size"),
        ({"rle": {"size": [65536, 65536], "counts": [0, 2**32]}}, "rle.size"),
        ({"rle": {"size": [4, 4]}}, "rle.counts"),
        ({"rle": {"size": [4, 4], "counts": [16.0]}}, "rle.counts"),
        ({"rle": {"size": [4, 4], "counts": [True, 15]}}, "rle.counts"),
        ({"rle": {"size": [4, 4], "counts": [20, -4]}}, "rle.counts"),
        ({"rle": {"size": [4, 4], "counts": [5, 5]}}, "rle.counts"),
        ({"rle": {"size": [4, 4], "counts": "5~"}}, "rle.counts"),
        ({"rle": {"size": [4, 4], "counts": "5T"}}, "rle.counts"),
        ({"rle": {"size": [4, 4], "counts": "TTTTTTTT"}}, "rle.counts"),
        ({"rle": {"size": [4, 4], "counts": "N"}}, "rle.counts"),
    ],
)
def test_wrong_field_is_named(change: dict[str, Any], where: str) -> None:
    good = {"label": "good", "box": [0, 0, 9, 9]}
    source = {"objects": [good, {**good, **change}]}
    found = Object.load(source, 64, 48)
    # What is wrong costs its own object at most, and is said; where nothing may be said, it is an error.
    assert found[0] == Object("good", (0, 0, 9, 9)) and len(found) <= 2
    assert f"(objects[1].{where})" in found.notes[0]
    error = refusal(source, strict=True)
    assert (error.code, error.exit_status, error.where) == ("E_OBJECTS", 64, f"objects[1].{where}")


@pytest.mark.parametrize(
    ("fields", "where"),
    [
        ({"label": None}, "label"),
        ({"score": 1.01}, "score"),
        ({"score": float("nan")}, "score"),
        ({"box": [0, 0, 5]}, "box"),
        ({"box": [0, 10**400, 5, 5]}, "box[1]"),
        ({"box": None}, ""),
        ({"box": None, "rle": {"size": [4, 4], "counts": "5~"}}, "rle.counts"),
        ({"box": None, "polygon": {"x": 0}}, "polygon"),
    ],
)
def test_where_no_object_is_left_the_file_is_refused(fields: dict[str, Any], where: str) -> None:
    wrong = {"label": "a", "box": [0, 0, 9, 9], **fields}
    at = "objects[0]" + (f".{where}" if where else "")
    assert refusal([wrong]).where == refusal([wrong, wrong]).where == at
    assert "none of 2 objects can be used" in str(refusal([wrong, wrong]))


@pytest.mark.parametrize(
    ("source", "where"),
    [
        ({}, ""),
        (5, ""),
        (None, ""),
        ({"objects": [], "annotations": []}, ""),
        ({"objects": {}}, "objects"),
        ({"objects": [{"label": "a"}]}, "objects[0]"),
        ([{"label": "a", "box": [0, 0, 1, 1]}] * 4096, ""),
        (
            [
                {
                    "label": "a",
                    "polygon": [[0, 0, 1, 0, 1, 1]],
                    "rle": {"size": [1, 1], "counts": [0, 1]},
                }
            ],
            "objects[0]",
        ),
    ],
)
def test_wrong_document_is_refused(source: Any, where: str) -> None:
    error = refusal(source)
    assert (error.code, error.where) == ("E_OBJECTS", where)


def test_intricate_polygon_is_refused_before_memory_is_taken() -> None:
    zigzag = [value for i in range(2000) for value in (i, 0, i, 60000)]
    assert refusal([{"label": "a", "polygon": [zigzag]}], 4000, 60000).where == "objects[0].polygon[0]"


def test_masks_that_fill_too_much_memory_are_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sdc.objects.described.MAX_MASKS", 50)
    square = {"label": "a", "polygon": [[0, 0, 5, 0, 5, 5, 0, 5]]}
    assert len(Object.load([square] * 2, 64, 48)) == 2
    assert refusal([square] * 3).where == "objects[2]"


@pytest.mark.parametrize(
    "content", [b"", b"{", b"\xff\xfe\xfd", b"[" * 100000, b"[" + b"9" * 5000 + b"]", b"NaN", b"\x00"]
)
def test_unreadable_json_is_refused(content: bytes, tmp_path: Path) -> None:
    path = tmp_path / "objects.json"
    path.write_bytes(content)
    assert refusal(path).code == "E_OBJECTS"


def test_deep_lists_are_refused_in_one_line() -> None:
    deep: list[Any] = []
    for _ in range(900):
        deep = [deep]
    assert refusal([{"label": "a", "polygon": deep}]).code == "E_OBJECTS"


def test_missing_file(tmp_path: Path) -> None:
    error = refusal(tmp_path / "none.json")
    assert (error.code, error.exit_status) == ("E_INPUT", 66)
    assert refusal("\0").code == "E_INPUT"
    assert refusal(tmp_path).code == "E_IO"


# Values that are right, nearly right and wrong, so that every branch is met.
odd = st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=3) | st.just(10**400)
number = st.integers(-10, 80) | st.floats(-10, 80) | odd
numbers = st.lists(number, max_size=9)
anything = st.recursive(
    odd, lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=6), inner, max_size=3)
)
mask = st.fixed_dictionaries(
    {"size": st.just([2, 2]) | st.lists(st.integers(-1, 3) | odd, max_size=3)},
    optional={"counts": st.just([1, 1, 2]) | numbers | st.text("0123NTXO~", max_size=5) | anything},
)
item = st.fixed_dictionaries(
    {"label": st.text(max_size=3) | anything},
    optional={
        "box": st.lists(number, min_size=4, max_size=4) | anything,
        "polygon": st.lists(numbers, max_size=2) | anything,
        "rle": mask | anything,
        "level": st.sampled_from(LEVELS) | anything,
        "score": st.floats(0, 1) | anything,
        "reason": st.text(max_size=3) | anything,
    },
)
items = st.lists(item, max_size=4) | anything
document = st.fixed_dictionaries({"objects": items}, optional={"width": number, "height": number}) | items
coco = st.fixed_dictionaries(
    {
        "images": st.just([{"id": 1, "file_name": "a.jpg"}])
        | st.lists(
            st.fixed_dictionaries(
                {"id": st.just(1) | anything}, optional={"width": odd, "file_name": anything}
            )
        )
        | anything,
        "categories": st.just([{"id": 1, "name": "dog"}]) | anything,
        "annotations": st.lists(
            st.fixed_dictionaries(
                {"image_id": st.just(1) | odd, "category_id": st.just(1) | anything},
                optional={
                    "bbox": st.lists(number, min_size=4, max_size=4) | anything,
                    "segmentation": st.lists(numbers, max_size=2) | mask | anything,
                    "iscrowd": st.integers(0, 1) | anything,
                },
            ),
            max_size=3,
        )
        | anything,
    }
)


@pytest.mark.slow
@settings(max_examples=300, deadline=None)
@given(document)
def test_whatever_the_json_it_is_read_or_refused(source: Any) -> None:
    if isinstance(source, str):  # would be a path
        source = [source]
    try:
        objects = Object.load(source, 50, 40)
    except SdcError as error:
        assert error.code == "E_OBJECTS"
        return
    if not objects.notes:
        VALIDATOR.validate(source)
    group_map(objects, 50, 40)


@pytest.mark.slow
@settings(max_examples=300, deadline=None)
@given(coco, st.none() | st.sampled_from(["a.jpg", "b"]))
def test_whatever_the_coco_file_it_is_read_or_refused(source: Any, name: str | None) -> None:
    try:
        group_map(Object.load(source, 50, 40, name), 50, 40, "object")
    except SdcError as error:
        assert error.code == "E_OBJECTS"


def test_schema_and_documentation() -> None:
    jsonschema.Draft202012Validator.check_schema(VALIDATOR.schema)
    text = files("sdc_spec").joinpath("objects.md").read_text("utf-8")
    example = json.loads(text.split("```json\n")[1].split("```")[0])
    VALIDATOR.validate(example)
    objects = Object.load(example, 640, 480)
    assert [thing.label for thing in objects] == ["dog", "ball", "cat", "tree"]
    assert objects[2].box == objects[3].box == (160, 120, 320, 240)
    for wrong in (
        {"objects": [{"box": [0, 0, 1, 1]}]},
        [{"label": "a"}],
        [{"label": "a", "box": [0, 0, -1, 1]}],
    ):
        assert not VALIDATOR.is_valid(wrong)


# --- COCO ---------------------------------------------------------------------------------------------


def coco_file() -> dict[str, Any]:
    square = [[4, 6, 9, 6, 9, 10, 4, 10]]
    return {
        "images": [
            {"id": 7, "file_name": "val/first.jpg", "width": 64, "height": 48},
            {"id": 9, "file_name": "val/second.jpg", "width": 64, "height": 48},
        ],
        "categories": [{"id": 3, "name": "dog"}, {"id": 5, "name": "ball"}],
        "annotations": [
            {"image_id": 9, "category_id": 3, "segmentation": square, "bbox": [4, 6, 5, 4], "iscrowd": 0},
            {"image_id": 7, "category_id": 5, "segmentation": [], "bbox": [1, 2, 3, 4], "iscrowd": 0},
            {"image_id": 9, "category_id": 5, "segmentation": {"size": [48, 64], "counts": [0, 48, 3024]}},
            {"image_id": 9, "category_id": 5, "segmentation": {"size": [48, 64], "counts": "0`1`n2"}},
            {"image_id": 9, "category_id": 3, "bbox": [0, 0, 64, 48], "iscrowd": 1},
        ],
    }


@pytest.mark.parametrize("name", ["val/second.jpg", "second.jpg", "second.png", "other/second.tiff"])
def test_coco_picture_is_found_by_name(name: str) -> None:
    dog, run, _ = Object.load(coco_file(), 64, 48, name)
    assert (dog.label, dog.box, dog.level, dog.score) == ("dog", (4, 6, 5, 4), None, 1)
    assert (run.label, run.box) == ("ball", (0, 0, 1, 48))


def test_coco_both_forms_of_run_lengths() -> None:
    source = coco_file()
    _, plain, compressed = Object.load(source, 64, 48, "second")
    assert plain == compressed
    source["annotations"][3]["segmentation"]["counts"] = "0`1`n"
    assert "(annotations[3].segmentation.counts)" in Object.load(source, 64, 48, "second").notes[1]


def test_coco_box_without_outline_and_scaling() -> None:
    (ball,) = Object.load(coco_file(), 128, 96, "first.jpg")
    assert ball == Object("ball", (2, 4, 6, 8))


def test_coco_errors() -> None:
    source = coco_file()
    assert "third" in str(refusal(source, name="third.jpg"))
    assert refusal(source).where == "images"
    source["images"].append({"id": 10, "file_name": "test/second.jpg"})
    assert "2 images" in str(refusal(source, name="second.jpg"))
    assert len(Object.load(source, 64, 48, "val/second.jpg")) == 3
    source["annotations"][0]["category_id"] = 4
    assert "(annotations[0].category_id)" in Object.load(source, 64, 48, "val/second.jpg").notes[1]
    source["images"] = source["images"][:1]
    assert [thing.label for thing in Object.load(source, 64, 48)] == ["ball"]


# --- Objects ------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "wrong",
    [
        {"box": (-1, 0, 5, 5)},
        {"box": (0, 0, 0, 5)},
        {"box": (0.0, 0, 5, 4)},
        {"box": (0, 0, 5)},
        {"level": 4},
        {"level": 0},
        {"level": "L4"},
        {"level": True},
        {"level": 1.0},
        {"score": 1.5},
        {"score": float("nan")},
        {"mask": np.ones((5, 4), bool)},
        {"mask": np.ones((4, 5), np.uint8)},
        {"mask": np.zeros((4, 5), bool)},
    ],
)
def test_object_refuses_wrong_values(wrong: dict[str, Any]) -> None:
    with pytest.raises(SdcError, match="E_OBJECTS"):
        replace(Object("thing", (0, 0, 5, 4)), **wrong)


@pytest.mark.parametrize("objects", ["objects.json", [{"label": "dog", "box": [0, 0, 5, 4]}], [None]])
def test_a_map_is_made_of_objects_only(objects: Any) -> None:
    with pytest.raises(SdcError, match=r"E_USAGE.*sdc\.Object"):
        group_map(objects, 32, 32)


def test_object_equality_looks_at_the_mask() -> None:
    full, part = np.ones((4, 5), bool), np.eye(4, 5, dtype=bool)
    thing = Object("thing", (0, 0, 5, 4), mask=full)
    assert thing == replace(thing, mask=full.copy())
    assert thing != replace(thing, mask=part)
    assert thing != replace(thing, mask=None)
    assert thing != replace(thing, rank=0)
    assert thing != "thing"


# --- Ranking ------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("count", "levels"), [(1, [0]), (2, [0, 1]), (3, [0, 1, 2]), (4, [0, 0, 1, 2]), (5, [0, 0, 1, 1, 2])]
)
def test_default_levels_are_thirds_by_count(count: int, levels: list[int]) -> None:
    objects = [Object("thing", (32 * i, 20, 12, 9), score=1 - 0.2 * i) for i in range(count)]
    ranked = rank_objects(objects, 160, 48)
    assert [thing.level.code for thing in ranked if thing.level] == levels
    assert [thing.rank for thing in ranked] == list(range(count))
    assert levels_of(objects[::-1], 160, 48) == levels[::-1]


def test_default_level_looks_at_centre_mask_and_score() -> None:
    corner, middle = Object("corner", (0, 0, 20, 20)), Object("middle", (54, 38, 20, 20))
    assert levels_of([corner, middle], 128, 96) == [1, 0]
    doubtful = replace(middle, score=0.2)
    assert levels_of([corner, doubtful], 128, 96) == [0, 1]
    thin = replace(middle, mask=np.eye(20, dtype=bool))
    assert levels_of([corner, thin], 128, 96) == [0, 1]
    # The class counts, and of two that are alike the size.
    assert levels_of([replace(corner, label="Person "), replace(middle, label="bench")], 128, 96) == [0, 1]
    assert levels_of([middle, replace(middle, box=(54, 6, 20, 20))], 128, 96) == [0, 1]
    assert levels_of([corner, replace(corner, box=(0, 56, 20, 40))], 128, 96) == [1, 0]


def levels_of(objects: list[Object], width: int, height: int) -> list[int]:
    """Codes of the levels that objects get."""
    return [thing.level.code for thing in rank_objects(objects, width, height) if thing.level is not None]


def test_a_doubtful_object_that_fills_the_image_is_not_of_l1() -> None:
    # A living room that a detector takes for the inside of a train.
    train = Object("train", (10, 20, 600, 430), score=0.39)
    vase, cat = Object("vase", (500, 60, 30, 50), score=0.6), Object("cat", (260, 200, 90, 80), score=0.8)
    assert levels_of([train, vase, cat], 640, 480) == [2, 1, 0]
    # Neither alone, nor because half of it lies in something sure.
    assert levels_of([train], 640, 480) == [1]
    assert levels_of([train, Object("couch", (10, 20, 400, 430), score=0.9)], 640, 480) == [1, 0]
    # One that is surer than it is large may be of L1.
    assert levels_of([replace(train, score=0.9)], 640, 480) == [0]
    # What a file says without a score is certain.
    assert levels_of([Object("train", (0, 0, 640, 480))], 640, 480) == [0]


@pytest.mark.parametrize("label", ["person", "thing"])
def test_a_rider_and_the_motorcycle_are_of_one_level(label: str) -> None:
    rider = Object(label, (250, 80, 110, 200), score=0.8)
    motorcycle = Object("motorcycle", (210, 170, 220, 150), score=0.9)
    signs = [Object("sign", (40 * k, 0, 30, 30), score=0.7) for k in range(4)]
    for both in ([rider, motorcycle], [motorcycle, replace(rider, score=0.5)]):
        for more in range(5):
            assert levels_of(both + signs[:more], 640, 480)[:2] == [0, 0]
    # With masks that have no pixel in common it is the same: they touch the same cells.
    upper, lower = np.ones((200, 110), bool), np.ones((150, 220), bool)
    upper[140:, 30:80], lower[:50, 30:150] = False, False
    masked = [replace(rider, mask=upper), replace(motorcycle, mask=lower)]
    for both in (masked, [masked[0], motorcycle], [rider, masked[1]]):
        assert levels_of([*both, *signs], 640, 480)[:2] == [0, 0]
    # What lies within another's box and not on its pixels does not go with it.
    frame = np.ones((300, 300), bool)
    frame[40:-40, 40:-40] = False
    fence = Object("fence", (170, 90, 300, 300), mask=frame)
    assert levels_of([fence, Object("bird", (300, 220, 40, 40), score=0.5)], 640, 480) == [0, 1]
    assert levels_of([fence, Object("bird", (180, 200, 40, 40), score=0.5)], 640, 480) == [0, 0]
    # The bus behind somebody is not held by him, nor is what only touches him.
    bus = Object("bus", (100, 100, 400, 300), score=0.7)
    assert levels_of([Object("person", (250, 200, 60, 200)), bus], 640, 480) == [0, 1]
    assert levels_of([rider, replace(motorcycle, box=(340, 170, 220, 150), score=0.3)], 640, 480) == [0, 1]


def test_objects_go_with_others_but_not_in_chains() -> None:
    row = [Object("thing", (30 * k, 40, 40, 20), score=0.9 - 0.1 * k) for k in range(6)]
    # Each shares cells with the next, and goes with the one before if that goes with none.
    assert levels_of(row, 320, 100) == [0, 0, 1, 1, 2, 2]
    # What has a level does not count.
    given_ones = [replace(row[0], level=L3), replace(row[1], level=L1, score=0.1), *row[2:]]
    assert levels_of(given_ones, 320, 100) == [2, 0, 0, 0, 1, 1]


@st.composite
def detections(draw: st.DrawFn) -> list[Object]:
    """Objects of an image of 64 x 48 pixels, many of which overlap, with scores and some with levels."""
    out = []
    for _ in range(draw(st.integers(1, 9))):
        x, y = draw(st.integers(0, 60)), draw(st.integers(0, 44))
        w, h = draw(st.integers(1, 64 - x)), draw(st.integers(1, 48 - y))
        level = draw(st.none() | st.none() | st.sampled_from(LEVELS))
        label = draw(st.sampled_from(["person", "chair", "kite"]))
        if any((label, (x, y, w, h)) == (other.label, other.box) for other in out):
            continue
        thing = Object(label, (x, y, w, h), level, draw(st.integers(0, 20)) / 20)
        mask = np.random.default_rng(draw(st.integers(0, 99))).random((h, w)) < 0.1
        out.append(replace(thing, mask=mask if draw(st.booleans()) and mask.any() else None))
    return out


def group_pixels(inside: np.ndarray) -> np.ndarray:
    """Pixels of each cell of a map of whole cells."""
    rows, cols = inside.shape[0] // 16, inside.shape[1] // 16
    return inside.reshape(rows, 16, cols, 16).sum((1, 3))


@given(detections(), st.booleans())
def test_together_agrees_with_the_definition(objects: list[Object], reverse: bool) -> None:
    order = list(range(len(objects)))[:: -1 if reverse else 1]
    touched = [group_pixels(pixels(thing, 64, 48)) > 0 for thing in objects]
    parts: list[list[int]] = []
    for i in order:
        counts = group_pixels(pixels(objects[i], 64, 48))
        for part in parts:
            if 4 * counts[touched[part[0]]].sum() >= counts.sum():
                part.append(i)
                break
        else:
            parts.append([i])
    assert together(objects, order) == parts


@given(detections(), st.data())
def test_a_higher_score_never_lowers_a_level(objects: list[Object], data: st.DataObject) -> None:
    k = data.draw(st.integers(0, len(objects) - 1))
    higher = data.draw(st.floats(objects[k].score, 1))
    surer = [*objects[:k], replace(objects[k], score=higher), *objects[k + 1 :]]
    before, after = levels_of(objects, 64, 48)[k], levels_of(surer, 64, 48)[k]
    assert after <= before


@given(detections(), st.randoms(use_true_random=False))
def test_the_order_of_objects_does_not_matter(objects: list[Object], random: Any) -> None:
    shuffled = list(range(len(objects)))
    random.shuffle(shuffled)
    told = levels_of(objects, 64, 48)
    again = levels_of([objects[k] for k in shuffled], 64, 48)

    def found(levels: list[int], order: list[int]) -> list[Any]:
        return sorted(
            (objects[k].label, objects[k].box, objects[k].score, levels[i]) for i, k in enumerate(order)
        )

    assert found(again, shuffled) == found(told, list(range(len(objects))))


@given(detections())
def test_levels_that_are_given_are_kept(objects: list[Object]) -> None:
    ranked = rank_objects(objects, 64, 48)
    assert all(o.level in (None, r.level) for o, r in zip(objects, ranked, strict=True))
    assert sorted(r.rank or 0 for r in ranked) == list(range(len(objects)))
    assert rank_objects(ranked, 64, 48) == ranked


def test_order_of_importance() -> None:
    box = (0, 0, 9, 9)
    objects = [
        Object("level worked out", (0, 0, 64, 48)),
        Object("L3", box, level="L3"),
        Object("L1 doubtful", box, level="L1", score=0.5),
        Object("L1", box, level="L1"),
        Object("L1 too", box, level="L1"),
        Object("L1 second", box, level="L1", rank=1),
        Object("L1 first", box, level="L1", rank=0, score=0),
    ]
    ranked = rank_objects(objects, 64, 48)
    names = [thing.label for thing in sorted(ranked, key=lambda thing: thing.rank or 0)]
    assert names == ["L1 first", "L1 second", "L1", "L1 too", "L1 doubtful", "level worked out", "L3"]
    assert rank_objects(ranked, 64, 48) == ranked


# --- Cells and groups ---------------------------------------------------------------------------------


def test_no_objects() -> None:
    result = group_map([], 50, 40)
    assert (result.levels, result.objects) == ((OTHER,), ())
    assert result.labels.tolist() == [[1] * 4] * 3
    assert result.labels.dtype == np.uint8


@pytest.mark.parametrize(("box", "mine"), [((30, 0, 18, 16), True), ((31, 0, 17, 16), False)])
def test_an_eighth_of_a_cell(box: tuple[int, int, int, int], mine: bool) -> None:
    # 2 columns of 16 pixels are 32 of 256.
    result = group_map([Object("thing", box, level="L1")], 64, 16)
    assert result.labels.tolist() == [[2, 1 if mine else 2, 1, 2]]
    assert result.levels == (L1, OTHER)


@pytest.mark.parametrize(("height", "mine"), [(1, True), (0, False)])
def test_an_eighth_of_the_pixels_that_exist(height: int, mine: bool) -> None:
    # The last cell has 4 x 2 pixels; one of them is an eighth.
    polygon = [[0, 0, 16, 0, 16, 16, 0, 16]] + [[16, 16, 17, 16, 17, 17, 16, 17]] * height
    thing = one(20, 18, polygon=polygon, level="L1")
    assert group_map([thing], 20, 18).labels.tolist() == [[1, 2], [2, 1 if mine else 2]]


def test_the_more_important_object_takes_the_cell() -> None:
    wide, left = Object("wide", (0, 0, 64, 16), level="L2"), Object("left", (0, 0, 34, 16), level="L1")
    for objects in ([wide, left], [left, wide]):
        result = group_map(objects, 64, 16)
        assert result.labels.tolist() == [[1, 1, 1, 2]]
        assert result.levels == (L1, L2)
        assert {thing.label: (thing.group, thing.level) for thing in result.objects} == {
            "wide": (1, L2),
            "left": (0, L1),
        }


def test_touching_objects() -> None:
    left, right = Object("left", (0, 0, 24, 16), level="L1"), Object("right", (24, 0, 24, 16), level="L2")
    assert group_map([left, right], 64, 16).labels.tolist() == [[1, 1, 2, 3]]


def test_tiny_object_gets_its_best_cell() -> None:
    tiny = Object("tiny", (14, 14, 5, 3), level="L1")  # 2 x 2, 3 x 2, 2 x 1 and 3 x 1 pixels in four cells
    assert group_map([tiny], 32, 32).labels.tolist() == [[2, 1], [2, 2]]


def test_nested_object_gets_a_cell_of_the_one_around_it() -> None:
    outer, inner = Object("outer", (0, 0, 48, 48), level="L1"), Object("inner", (16, 16, 16, 16), level="L2")
    result = group_map([outer, inner], 48, 48)
    assert result.labels.tolist() == [[1, 1, 1], [1, 2, 1], [1, 1, 1]]
    assert result.levels == (L1, L2)
    # With the same level it needs no cell of its own...
    inner = replace(inner, level="L1")
    assert group_map([outer, inner], 48, 48).levels == (L1,)
    # ... but with a group of its own it does.
    result = group_map([outer, inner], 48, 48, "object")
    assert result.labels.tolist() == [[1, 1, 1], [1, 2, 1], [1, 1, 1]]
    assert result.levels == (L1, L1)


def test_nobody_loses_the_only_cell_while_there_is_another() -> None:
    first = Object("first", (10, 0, 8, 4), level="L1")  # 6 x 4 and 2 x 4 pixels: settles in the first cell
    second = Object("second", (0, 0, 4, 4), level="L2")  # only touches the first cell
    result = group_map([first, second], 32, 16)
    assert result.labels.tolist() == [[2, 1]]
    assert [thing.group for thing in result.objects] == [0, 1]


def test_chain_of_moves() -> None:
    # Each could go one cell to the right, and the last one is blocked until all do.
    chain = [Object(str(i), (16 * i + 8, 0, 12, 4), level="L1") for i in range(3)]
    blocker = Object("blocker", (0, 0, 4, 4), level="L2")
    result = group_map([*chain, blocker], 64, 16, "object")
    assert result.labels.tolist() == [[4, 1, 2, 3]]
    assert [thing.group for thing in result.objects] == [0, 1, 2, 3]


def test_guest_does_not_move_into_a_cell_that_is_being_given_away() -> None:
    # Cells 0, 1 and 2 are the only ones of objects of L1, L2 and L1, and a newcomer of L3 is only in cell 0.
    # Its owner could move to cell 1, whose owner could to cell 2, whose owner could be a guest in cell 0.
    shapes = np.zeros((4, 16, 48), bool)
    for i, columns in enumerate([(0, 8, 16, 17), (16, 24, 32, 33), (32, 40, 8, 9), (15, 16, 15, 16)]):
        shapes[i, :, columns[0] : columns[1]] = shapes[i, :, columns[2] : columns[3]] = True
    objects = [
        Object(str(i), (0, 0, 48, 16), level, mask=shape)
        for i, (level, shape) in enumerate(zip((L1, L2, L1, L3), shapes, strict=True))
    ]
    result = group_map(objects, 48, 16)
    # There is no room for all, so the newcomer shares.
    assert result.labels.tolist() == [[1, 2, 1]]
    assert [thing.group for thing in result.objects] == [0, 1, 0, 0]


def test_more_objects_than_cells_share() -> None:
    objects = [Object(str(i), (i, 0, 4, 4), level=LEVELS[min(i, 3)]) for i in range(6)]
    for by in ("level", "object"):
        result = group_map(objects, 16, 16, by)
        assert result.labels.tolist() == [[1]]
        assert result.levels == (L1,)
        assert {(thing.group, thing.level) for thing in result.objects} == {(0, L1)}
        assert [thing.rank for thing in result.objects] == list(range(6))


def test_objects_of_level_other() -> None:
    thing = Object("thing", (0, 0, 16, 16), level="other")
    assert group_map([thing], 32, 16).levels == (OTHER,)
    result = group_map([thing], 32, 16, "object")
    assert result.levels == (OTHER, OTHER)
    assert result.labels.tolist() == [[1, 2]]


def test_too_many_groups_merge_by_level() -> None:
    # 300 cells, each with its object, and 20 more without.
    objects = [
        Object(str(i), (16 * (i % 20), 16 * (i // 20), 16, 16), level="L1" if i < 290 else "L3")
        for i in range(300)
    ]
    result = group_map(objects, 320, 256, "object")
    assert result.levels == (L1,) * 253 + (L3, OTHER)
    groups = [thing.group for thing in result.objects]
    assert groups == [min(i, 252) for i in range(290)] + [253] * 10
    assert (result.labels == 255).sum() == 20
    full = group_map([replace(thing, level="L1") for thing in objects], 320, 256, "object")
    assert full.levels == (L1,) * 254 + (OTHER,)


def test_wrong_arguments() -> None:
    with pytest.raises(SdcError, match="E_USAGE"):
        group_map([], 16, 16, "label")
    with pytest.raises(SdcError, match=r"objects\[0\].box"):
        group_map([Object("thing", (10, 0, 7, 1))], 16, 16)


def settled_at_most(objects: tuple[Object, ...], width: int, height: int) -> int:
    """How many objects could have a cell of their own among those that they touch: a maximum matching."""
    touched = []
    for thing in objects:
        rows, cols = pixels(thing, width, height).nonzero()
        touched.append(set(zip((rows // 16).tolist(), (cols // 16).tolist(), strict=True)))
    holder: dict[tuple[int, int], int] = {}

    def settle(i: int, seen: set[tuple[int, int]]) -> bool:
        for cell in touched[i] - seen:
            seen.add(cell)
            if cell not in holder or settle(holder[cell], seen):
                holder[cell] = i
                return True
        return False

    return sum(settle(i, set()) for i in range(len(objects)))


@st.composite
def scenes(draw: st.DrawFn) -> tuple[list[Object], int, int]:
    width, height = draw(st.integers(1, 100)), draw(st.integers(1, 80))
    seed, count = draw(st.integers(0, 2**32 - 1)), draw(st.integers(0, 14))
    most = draw(st.sampled_from([6, 20, 100]))
    rng = np.random.default_rng(seed)
    objects = []
    for i in range(count):
        w, h = int(rng.integers(1, min(width, most) + 1)), int(rng.integers(1, min(height, most) + 1))
        x, y = int(rng.integers(0, width - w + 1)), int(rng.integers(0, height - h + 1))
        level = None if rng.random() < 0.4 else LEVELS[rng.integers(0, 4)]
        shape = rng.random((h, w)) < rng.random()
        # The box need not be tight here: that only matters to readers of the box.
        objects.append(Object(str(i), (x, y, w, h), level, mask=shape if shape.any() else None))
    return objects, width, height


def check(result: GroupMap, objects: list[Object], width: int, height: int) -> None:
    """What holds of every map."""
    count = len(result.levels)
    assert result.labels.shape == (-(-height // 16), -(-width // 16))
    assert sorted(set(result.labels.flat)) == list(range(1, count + 1))
    assert list(result.levels) == sorted(result.levels)
    assert sorted(thing.rank or 0 for thing in result.objects) == list(range(len(objects)))
    for thing, given_one in zip(result.objects, objects, strict=True):
        assert thing.label == given_one.label
        assert thing.group is not None and thing.level == result.levels[thing.group]
        rows, cols = pixels(thing, width, height).nonzero()
        assert thing.group + 1 in result.labels[rows // 16, cols // 16]


@settings(deadline=None)
@given(scenes())
def test_level_groups(scene: tuple[list[Object], int, int]) -> None:
    objects, width, height = scene
    result = group_map(objects, width, height)
    check(result, objects, width, height)
    assert len(set(result.levels)) == len(result.levels)
    ranked = rank_objects(objects, width, height)
    if settled_at_most(result.objects, width, height) == len(objects):
        assert [thing.level for thing in result.objects] == [thing.level for thing in ranked]
    # A cell changes hands only to become the home of an object that had none, or that made room.
    expected = np.full(result.labels.shape, 3)
    for thing in sorted(ranked, key=lambda thing: -(thing.rank or 0)):
        inside = pixels(thing, width, height)
        for r, c in np.ndindex(expected.shape):
            cell = inside[16 * r : 16 * r + 16, 16 * c : 16 * c + 16]
            if 8 * cell.sum() >= cell.size:
                expected[r, c] = thing.level.code
    found = np.array([level.code for level in result.levels])[result.labels.astype(int) - 1]
    assert (found != expected).sum() <= len(objects)


@settings(deadline=None)
@given(scenes())
def test_object_groups(scene: tuple[list[Object], int, int]) -> None:
    objects, width, height = scene
    result = group_map(objects, width, height, "object")
    check(result, objects, width, height)
    with_objects = {thing.group for thing in result.objects}
    assert len(with_objects) == settled_at_most(result.objects, width, height)
    assert with_objects == set(range(len(with_objects)))
    # At most one group more, for the background.
    assert len(result.levels) - len(with_objects) in (0, 1)


@settings(deadline=None, max_examples=30)
@given(scenes(), st.sampled_from(["level", "object"]))
def test_determinism(scene: tuple[list[Object], int, int], group_by: str) -> None:
    objects, width, height = scene
    first, second = (group_map(objects, width, height, group_by) for _ in range(2))
    assert (first.labels == second.labels).all()
    assert (first.levels, first.objects) == (second.levels, second.objects)


def test_thousand_objects_on_a_large_picture() -> None:
    # A guard against accidental loops over pixels; the time itself is a benchmark's business.
    rng = np.random.default_rng(0)
    turn = np.linspace(0, 2 * np.pi, 60, endpoint=False)
    outlines = [
        (rng.random(2) * (4000, 3000) + rng.gamma(2, 40) * np.stack([np.cos(turn), np.sin(turn)], 1)).ravel()
        for _ in range(1000)
    ]
    source = [{"label": "thing", "polygon": [outline.tolist()]} for outline in outlines]
    result = group_map(Object.load(source, 4000, 3000), 4000, 3000, "object")
    assert len(result.levels) == 255
