"""The report on a stream: right on good files, schema-valid on all."""

from __future__ import annotations

import io
import json
import subprocess
import sys
from collections import Counter
from dataclasses import replace
from typing import Any

import jsonschema
import numpy as np
import pytest

import sdc
from sdc.coding.labels import encode_map
from sdc.errors import spec_data
from sdc.format.build import build
from sdc.format.chunks import ICCP, OBJS, Chunk
from sdc.format.edit import withdraw
from sdc.format.objs import objects_payload
from sdc.format.objs_rows import Bounds
from sdc.format.parse import parse
from sdc.format.report import info
from sdc.format.stream import Stream
from sdc.format.text import format_text
from sdc.format.validate import validate
from sdc.objects.object import Object
from sdc.testing.streams import random_stream
from sdc.types import Limits

SCHEMA = spec_data("info.schema.json")
VALIDATOR = jsonschema.Draft202012Validator(SCHEMA)
FULL = random_stream(5, width=40, height=24, count=3, amplitude=40, extras=True)


def tiny() -> bytes:
    """A stream of two groups with an object that has a pixel mask."""
    stream = parse(random_stream(11, width=20, height=20, count=2, amplitude=3, extras=False).data)
    mask = np.eye(5, dtype=bool)
    thing = Object("né", (3, 4, 5, 5), stream.groups[1].level, 0.8, "why", 0, mask, 1)
    payload = objects_payload([thing], Bounds(20, 20, 2), pixel_masks=True)
    return build(replace(stream, after=(Chunk(OBJS, payload),)))


TINY = tiny()


def checked(data: bytes, **options: Any) -> dict[str, Any]:
    """A report that obeys the schema and prints."""
    report = info(data, **options)
    VALIDATOR.validate(json.loads(json.dumps(report)))
    assert format_text(report).endswith("\n")
    assert (report["file_state"] == "valid") == (not report["errors"])
    return report


def test_schema_is_a_schema() -> None:
    jsonschema.Draft202012Validator.check_schema(SCHEMA)


def test_a_full_stream() -> None:
    report = checked(FULL.data)
    stream = parse(FULL.data)
    assert report["file_state"] == "valid"
    assert (report["width"], report["height"], report["version"]) == (40, 24, "1.0")
    assert report["model"] == {
        "number": 0,
        "name": "synthetic",
        "weights": stream.head.weights.hex(),
        "available": True,
    }
    assert report["bytes"] == len(FULL.data)
    assert report["bpp"] == pytest.approx(8 * len(FULL.data) / 960, abs=1e-6)
    parts = ("framing_bytes", "map_bytes", "metadata_bytes", "latent_bytes")
    assert sum(report[part] for part in parts) == len(FULL.data)
    assert report["map_bytes"] == len(stream.map) > 0
    assert report["latent_bytes"] == sum(len(g.payload or b"") for g in stream.groups)
    (profile,) = (c for c in stream.before if c.type == ICCP)
    assert report["icc"] == {"stored": len(profile.payload), "inflated": 128}
    assert report["colour"] is None and report["exif"]["inflated"] >= 8 and report["xmp"] is None
    for g, row in zip(stream.groups, report["groups"], strict=True):
        assert row["cells"] == int((FULL.labels == g.index + 1).sum())
        assert row["state"] == "complete"
        assert (row["level"], row["quality"], row["offset"], row["bytes"]) == (
            g.level,
            g.quality,
            g.offset,
            g.size,
        )
    inside = np.repeat(np.repeat(FULL.labels, 16, 0), 16, 1)[:24, :40]
    assert [row["area"] for row in report["groups"]] == np.bincount(inside.reshape(-1), minlength=4)[
        1:
    ].tolist()
    assert [o["label"] for o in report["objects"]] == ["thing 0", "thing 1", "thing 2"]
    assert not any(o["mask"] for o in report["objects"])
    chunks = report["chunks"]
    assert [c["type"] for c in chunks] == ["ICCP", None, "OBJS", None, "EXIF"]
    first, last = report["groups"][0], report["groups"][-1]
    assert chunks[0]["offset"] + chunks[0]["bytes"] == chunks[1]["offset"]
    assert chunks[1]["offset"] + chunks[1]["bytes"] == first["offset"]
    assert last["offset"] + last["bytes"] == chunks[2]["offset"]
    assert chunks[-1]["offset"] + chunks[-1]["bytes"] == len(FULL.data)


def test_trace_covers_every_byte_once() -> None:
    report = checked(FULL.data, trace=True)
    rows = report["trace"]
    covered: Counter[int] = Counter()
    payloads = {row["path"] for row in rows if row["value"] is None}
    for row in rows:
        if not row["path"].startswith("chunks") or not row["path"].endswith("payload"):
            covered.update(range(row["offset"], row["offset"] + row["size"]))
    unknown = sum(c["bytes"] - 6 for c in report["chunks"] if c["type"] is None)
    assert max(covered.values()) == 1
    assert len(covered) == len(FULL.data) - unknown
    assert {"HEAD.map", "groups[0].stream", "ICCP.profile"} <= payloads
    by_path = {row["path"]: row for row in rows}
    assert by_path["HEAD.width"]["value"] == 40
    assert by_path["HEAD.groups[2].size"]["value"] == report["groups"][2]["bytes"]
    assert by_path["OBJS.labels[1].text"]["value"] == "thing 1"
    assert by_path["magic"] == {"path": "magic", "offset": 0, "size": 4, "value": "d3534443", "id": "FILE-01"}
    assert len(by_path) == len(rows)
    assert "trace" not in info(FULL.data)


def test_pixel_masks_are_told() -> None:
    report = checked(TINY, trace=True)
    assert report["objects"] == [
        {
            "index": 0,
            "group": 1,
            "level": report["groups"][1]["level"],
            "label": "né",
            "box": [3, 4, 5, 5],
            "score": 0.8,
            "rank": 0,
            "reason": "why",
            "mask": True,
        }
    ]
    assert "né" in format_text(report)


@pytest.mark.slow
def test_every_truncation_is_reported() -> None:
    full = info(TINY)
    body, objects = full["groups"][0]["offset"], full["chunks"][-1]["offset"]
    for cut in range(len(TINY)):
        report = checked(TINY[:cut], trace=True)
        assert report["bytes"] == cut
        # Nothing tells that a whole chunk is missing behind the last group.
        assert report["file_state"] == ("invalid" if cut < body else "valid" if cut == objects else "partial")
        assert report["width"] == (20 if cut >= body else None)
        states = ["complete" if g["offset"] + g["bytes"] <= cut else "truncated" for g in full["groups"]]
        if cut >= body:
            assert [g["state"] for g in report["groups"]] == states
            assert [g["cells"] for g in report["groups"]] == [g["cells"] for g in full["groups"]]


@pytest.mark.slow
def test_every_flipped_bit_is_reported() -> None:
    states = Counter()
    for k in range(8 * len(TINY)):
        data = bytearray(TINY)
        data[k // 8] ^= 1 << k % 8
        report = checked(bytes(data), trace=k % 5 == 0)
        states[report["file_state"]] += 1
    assert states["valid"] == 0
    assert states["partial"] and states["invalid"]


@pytest.mark.parametrize("data", [b"", b"\xd3", b"\xd3SD", b"junk", b"\xd3SDC", bytes(1000)])
def test_not_a_stream(data: bytes) -> None:
    report = checked(data, trace=True)
    assert report["file_state"] == "invalid"
    assert report["width"] is None and report["model"] is None and report["framing_bytes"] is None
    assert report["groups"] == report["objects"] == []


def head_only(stream: Stream, **changes: Any) -> bytes:
    """The stream with other fields of the head, right in all CRCs."""
    return build(replace(stream, head=replace(stream.head, **changes)))


def test_unsupported_streams_say_what_they_are() -> None:
    stream = parse(TINY)
    report = checked(head_only(stream, features=5))
    assert (report["file_state"], report["width"]) == ("unsupported", 20)
    assert report["errors"][0]["code"] == "E_FEATURE"
    report = checked(TINY, limits=Limits(pixels=399))
    assert (report["file_state"], report["errors"][0]["code"], report["height"]) == (
        "unsupported",
        "E_LIMIT",
        20,
    )
    critical = build(replace(stream, before=(Chunk(0x0F, b"x"),)))
    report = checked(critical)
    assert (report["file_state"], report["errors"][0]["code"]) == ("unsupported", "E_CHUNK_CRITICAL")
    assert [row["state"] for row in report["groups"]] == ["unread", "unread"]
    assert report["chunks"][-1]["hex"] == "0f"


def test_an_unknown_model_is_no_error() -> None:
    stream = parse(TINY)
    report = checked(head_only(stream, model=77))
    assert report["file_state"] == "valid"
    assert (report["model"]["number"], report["model"]["name"], report["model"]["available"]) == (
        77,
        None,
        False,
    )
    report = checked(head_only(stream, weights=b"\0\1\2\3"))
    assert report["model"] == {"number": 0, "name": "synthetic", "weights": "00010203", "available": False}
    assert "not available" in format_text(report)


def test_withdrawn_groups_leave_the_file_valid() -> None:
    report = checked(build(withdraw(parse(FULL.data), [1])[0]))
    assert report["file_state"] == "valid"
    assert [row["state"] for row in report["groups"]] == ["withdrawn", "complete", "withdrawn"]
    assert [row["bytes"] for row in report["groups"]][::2] == [0, 0]
    assert all(row["cells"] for row in report["groups"])
    assert [o["group"] for o in report["objects"]] == [1]


def test_wrong_metadata_makes_the_file_invalid() -> None:
    stream = parse(TINY)
    wrong = build(replace(stream, after=(Chunk(OBJS, b"\x01\xff"),)))
    report = checked(wrong, trace=True)
    assert report["file_state"] == "invalid"
    assert report["objects"] == []
    assert report["groups"][1]["state"] == "complete"
    wrong = build(replace(stream, before=(Chunk(ICCP, bytes(127)),)))
    assert checked(wrong)["errors"][0]["code"] == "E_DEFLATE"


def test_the_error_that_ends_the_reading_settles_the_state() -> None:
    """As validation has it: what was not reached is not judged."""
    stream = parse(random_stream(1, extras=False).data)
    objects, profile = Chunk(OBJS, b"\0"), Chunk(ICCP, b"x")
    critical = Chunk(0x1F, b"")
    for before, after, state in (
        ((objects,), (critical,), "unsupported"), ((profile,), (critical,), "unsupported"),
        ((objects,), (), "invalid"), ((profile,), (objects,), "invalid"),
    ):  # fmt: skip
        data = build(replace(stream, before=before, after=after))
        report, found = checked(data), validate(data)
        assert (report["file_state"], found.state) == (state, state)
        assert [e["code"] for e in report["errors"]] == [e.code for e in found.errors]


def test_an_error_behind_the_groups_keeps_them() -> None:
    stream = parse(TINY)
    report = checked(build(replace(stream, after=(Chunk(0x0F, b""),))))
    assert report["errors"][-1]["code"] == "E_CHUNK_CRITICAL"
    assert [row["state"] for row in report["groups"]] == ["complete", "complete"]
    assert report["groups"][0]["cells"] and report["groups"][0]["offset"] == stream.groups[0].offset


def test_a_wrong_mask_leaves_the_cells_unknown() -> None:
    stream = parse(TINY)
    labels = encode_map(np.ones((2, 2), np.uint8), 2)
    report = checked(build(replace(stream, map=labels)))
    assert report["errors"][0]["code"] == "E_MASK_EMPTY_GROUP"
    assert [row["cells"] for row in report["groups"]] == [None, None]
    report = checked(TINY[: stream.groups[0].offset - 1])
    assert (report["errors"][0]["code"], report["groups"]) == ("E_TRUNCATED", [])


def test_text_escapes_what_strangers_wrote() -> None:
    stream = parse(TINY)
    thing = Object("a\x1b[31m\u202eb", (0, 0, 5, 5), None, 1.0, "line\nline", 0, None, 0)
    data = build(replace(stream, after=(Chunk(OBJS, objects_payload([thing], Bounds.of(stream, 0))),)))
    text = format_text(checked(data, trace=True))
    assert "\x1b" not in text and "\u202e" not in text and "line\nline" not in text
    assert "a\\x1b[31m\\u202eb" in text


def test_a_reader_serves_as_well_as_bytes() -> None:
    assert info(io.BytesIO(FULL.data), trace=True) == info(FULL.data, trace=True)


@pytest.mark.slow
def test_pillow_and_the_analysis_are_imported_when_they_are_needed() -> None:
    code = (
        "import sys, sdc; first = {'PIL', 'numpy'} & set(sys.modules);"
        "from sdc import decode, encode, imread, open;"
        "before = bool(first) or 'PIL' in sys.modules; from sdc.analysis import analyze as own;"
        "print(before, sdc.analyze is own)"
    )
    ran = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert ran.stdout.split() == ["False", "True"]
    with pytest.raises(AttributeError, match="write_nothing"):
        sdc.write_nothing  # type: ignore[attr-defined] # noqa: B018


@pytest.mark.slow
def test_import_is_quick_and_needs_no_torch() -> None:
    code = (
        "import sys, time; t = time.process_time(); import sdc; sdc.decode; t = time.process_time() - t;"
        "import sdc.cli.main; print(t, 'torch' in sys.modules)"
    )
    runs = [
        subprocess.run(
            [sys.executable, "-c", code], capture_output=True, text=True, check=True
        ).stdout.split()
        for _ in range(3)
    ]
    assert min(float(t) for t, _ in runs) < 0.3
    assert {torch for _, torch in runs} == {"False"}
