"""The streams of ``spec/examples/`` and the text about them are in step with the code."""

from __future__ import annotations

import hashlib
import re
import sys
from dataclasses import replace
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).resolve().parent))
import make_examples

from sdc.codec.decoder import decode
from sdc.format.build import build
from sdc.format.chunks import Chunk
from sdc.format.edit import extract
from sdc.format.objs import parse_objects
from sdc.format.parse import parse

NAMES = list(make_examples.EXAMPLES)
HINT = "run: python tests/make_examples.py --write"


def text_of(name: str) -> str:
    """What the text says between the markers of an example."""
    found = [
        m[0] for m in make_examples.BLOCK.finditer(make_examples.TEXT.read_text("utf-8")) if m["name"] == name
    ]
    assert len(found) == 1
    return found[0]


def data_of(name: str) -> bytes:
    """An example as it lies in the folder."""
    return (make_examples.FOLDER / f"{name}.sdc").read_bytes()


@pytest.mark.slow
def test_files_and_text_are_up_to_date() -> None:
    assert not make_examples.stale(), HINT


def test_every_example_and_no_other_is_in_the_text() -> None:
    found = [
        (m["kind"], m["name"]) for m in make_examples.BLOCK.finditer(make_examples.TEXT.read_text("utf-8"))
    ]
    assert sorted(found) == sorted(
        [("example", n) for n in NAMES] + [("worked", n) for n in make_examples.WORKED]
    )
    assert sorted(p.name for p in make_examples.FOLDER.iterdir()) == sorted(f"{n}.sdc" for n in NAMES)


@pytest.mark.parametrize("name", NAMES)
def test_the_table_holds_every_byte(name: str) -> None:
    data = b""
    for offset, cell in re.findall(
        r"^\| (\d+) \| ((?:`[0-9A-F ]+`(?:<br>)?)+) \|", text_of(name), re.MULTILINE
    ):
        assert int(offset) == len(data)
        data += bytes.fromhex("".join(re.findall("`([^`]+)`", cell)))
    assert data == data_of(name)


@pytest.mark.parametrize("name", NAMES)
def test_stated_hashes(name: str) -> None:
    text = text_of(name)
    done = decode(data_of(name), fill=make_examples.FILL, arithmetic="int64")
    assert hashlib.sha256(data_of(name)).hexdigest() in text
    assert f"| SHA-256 of the samples | `{hashlib.sha256(done.pixels.tobytes()).hexdigest()}` |" in text


@pytest.mark.parametrize("name", NAMES)
def test_building_gives_the_same_bytes(name: str) -> None:
    stream = parse(data_of(name))
    if name == "truncated":
        assert [g.state for g in stream.groups] == ["complete", "truncated", "truncated"]
        assert stream.state == "partial"
    else:
        assert stream.state == "valid"
        assert build(stream) == data_of(name)


def test_the_truncated_file_is_a_prefix() -> None:
    whole, part = data_of("groups"), data_of("truncated")
    assert whole.startswith(part) and len(part) < len(whole)
    own = decode(whole, groups=[0])
    assert (decode(part).pixels == own.pixels).all()


def test_the_editor_makes_the_withdrawn_file() -> None:
    known = parse(data_of("groups"))
    given = replace(known, before=(Chunk(0xE1, b"hello"), Chunk(0xA1, b"goes, for it is not safe to copy")))
    assert extract(build(given), groups=[0, 2]) == data_of("withdrawn")


def test_the_withdrawn_group_left_nothing_behind() -> None:
    before, after = parse(data_of("groups")), parse(data_of("withdrawn"))
    assert [g.state for g in after.groups] == ["complete", "withdrawn", "complete"]
    for k in (0, 2):
        a, b = before.groups[k], after.groups[k]
        chunk = data_of("groups")[a.offset : a.offset + a.size]
        assert chunk == data_of("withdrawn")[b.offset : b.offset + b.size]
    assert [o.group for o in parse_objects(after)] == [0]
    assert [o.group for o in parse_objects(before)] == [0, 1]


def test_the_worked_payloads_hold_what_the_text_explains() -> None:
    assert "escape" in text_of("latents")
    assert "even(" in text_of("map") and "second" in text_of("map")
