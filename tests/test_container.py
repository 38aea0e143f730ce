"""The container: structures, states, faults."""

from __future__ import annotations

import io
import mmap
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import construct as cs
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from noted_file import Noted

import sdc
from sdc.codec.decoder import decode
from sdc.coding.labels import encode_map
from sdc.errors import SdcError, spec_data
from sdc.format import chunks, objs
from sdc.format.build import build
from sdc.format.chunks import (
    ICCP,
    MAGIC,
    OBJS,
    PROV,
    Chunk,
    build_chunk,
    check_type,
    right_crc,
    with_crc,
)
from sdc.format.edit import extract
from sdc.format.fields import (
    build_payload,
    decode_varint,
    encode_varint,
    parse_payload,
    read_payload,
    split_bits,
    structure_of,
)
from sdc.format.grps import COMPLETE, DAMAGED, TRUNCATED, UNREAD, WITHDRAWN, Group
from sdc.format.head import Head, seed_of
from sdc.format.header import build_header
from sdc.format.latn import decode_symbols
from sdc.format.lazy import LazyStream
from sdc.format.mask import map_payload, parse_map
from sdc.format.objs import parse_objects
from sdc.format.objs_rows import Bounds, Row, read_rows, rows_payload
from sdc.format.parse import parse, read
from sdc.format.report import info
from sdc.format.stream import Outline
from sdc.format.validate import validate
from sdc.networks.registry import load_model
from sdc.objects.object import Object
from sdc.testing.streams import random_stream
from sdc.types import LEVELS, Level, Limits

TINY = random_stream(5, width=40, height=24, count=3, amplitude=40, extras=True)


def code_of(data: bytes, **options: object) -> str:
    """Error code with which a stream is refused."""
    with pytest.raises(SdcError) as caught:
        decode(data, **options)  # type: ignore[arg-type]
    return caught.value.code


START = seed_of(TINY.head)
"""The head of ``TINY`` up to the number of groups."""


def head_of(
    *groups: tuple[int, int],
    preamble: int = 0,
    count: int | None = None,
    coded: bytes = b"",
    start: bytes = START,
) -> bytes:
    """A head of groups ``(level_quality, size)``, of which any may be wrong."""
    rows = b"".join(bytes([lq]) + encode_varint(size) for lq, size in groups)
    return start + bytes([len(groups) if count is None else count]) + encode_varint(preamble) + rows + coded


def file_of(head: bytes, *behind: bytes) -> bytes:
    """A file of a head and what stands behind the header."""
    return MAGIC + with_crc(encode_varint(len(head)) + head) + b"".join(behind)


# --- structures ---------------------------------------------------------------------------------


@given(st.integers(0, 2**32 - 1))
def test_varint_round_trip(value: int) -> None:
    data = encode_varint(value)
    assert decode_varint(data, 0) == (value, len(data))


@pytest.mark.parametrize(
    "data", [b"\x80\x00", b"\xff\x80\x00", b"\xff\xff\xff\xff\x10", b"\x80\x80\x80\x80\x80\x01"]
)
def test_varint_refuses_long_and_large(data: bytes) -> None:
    with pytest.raises(SdcError, match="E_VARINT"):
        decode_varint(data, 0)


def value_of(row: dict, sizes: dict[str, int]) -> st.SearchStrategy:
    kind, _, rest = row["type"].partition(":")
    low = row.get("min", 0)
    if row["name"] in sizes:
        return st.just(sizes[row["name"]])
    if kind == "u8":
        return st.integers(low, row.get("max", 255))
    if kind == "varint":
        first, last = row.get("forbidden", (1, 0))
        return st.integers(low, row.get("max", 2**32 - 1)).filter(lambda n: not first <= n <= last)
    if kind == "rest":
        least = row.get("min_size", 0)
        return st.binary(min_size=least, max_size=least + 40)
    if kind == "bytes":
        size = int(rest) if rest.isdigit() else sizes[rest]
        return st.binary(min_size=size, max_size=size)
    if kind == "text":
        return st.text("abc", min_size=sizes[rest], max_size=sizes[rest])
    item, _, count = rest.partition(":")
    return st.lists(values_of(item), min_size=sizes[count], max_size=sizes[count])


@st.composite
def values_of(draw: st.DrawFn, name: str) -> dict:
    rows = spec_data("fields.json")["structures"][name]["fields"]
    sizes = {}
    for row in rows:  # draw the counts and lengths first
        rest = row["type"].rpartition(":")[2]
        if row["type"].startswith(("bytes", "text", "list")) and not rest.isdigit():
            least = next((other.get("min", 0) for other in rows if other["name"] == rest), 0)
            sizes[rest] = draw(st.integers(1 if row["type"].startswith("list") else least, 3))
    return {row["name"]: draw(value_of(row, sizes)) for row in rows}


@pytest.mark.slow
@pytest.mark.parametrize(
    "name", sorted(set(spec_data("fields.json")["structures"]) - {"FILE", "CHUNK", "LATN"})
)
@settings(max_examples=40, deadline=None)
@given(data=st.data())
def test_every_structure_round_trips(name: str, data: st.DataObject) -> None:
    values = data.draw(values_of(name))
    payload = build_payload(name, values)
    parsed = parse_payload(name, payload)
    for key, value in values.items():
        got = parsed[key]
        assert (
            (got == value)
            if not isinstance(value, list)
            else [dict(g, _io=0) for g in got] == [dict(v, _io=0) for v in value]
        )
    assert build_payload(name, values) == payload


def test_structures_are_the_table() -> None:
    structures = spec_data("fields.json")["structures"]
    for name in structures.keys() - {"FILE", "LATN"}:  # these are read by hand, by what the head says
        assert [c.name for c in structure_of(name).subcons] == [r["name"] for r in structures[name]["fields"]]
    entries = spec_data("registry.json")["chunk_types"]["entries"]
    assert {e["type"]: e["name"] for e in entries} == chunks.NAMES
    assert (chunks.OBJS, chunks.PROV, chunks.REST, chunks.ICCP) == (0x81, 0x82, 0x85, 0xC1)


# --- round trip and byte ranges -------------------------------------------------------------------


@settings(max_examples=40, deadline=None)
@given(st.integers(0, 10**6))
def test_build_inverts_parse(seed: int) -> None:
    drawn = random_stream(seed, amplitude=3)
    stream = parse(drawn.data)
    assert stream.state == "valid"
    assert build(stream) == drawn.data
    assert np.array_equal(stream.labels, drawn.labels)
    assert [(g.level, g.quality) for g in stream.groups] == [(g.level, g.quality) for g in drawn.groups]


def test_a_prefix_with_the_header_plans_ranges() -> None:
    drawn = random_stream(7, width=600, height=400, count=4, amplitude=900, extras=False)
    whole = parse(drawn.data)
    size = whole.groups[0].offset
    assert size < 200 < len(drawn.data) / 10
    stream = parse(drawn.data[:size])
    assert {g.state for g in stream.groups} == {TRUNCATED} and np.array_equal(stream.labels, drawn.labels)
    assert stream.ranges() == [(size, sum(g.size for g in stream.groups))]
    for k in (2, 0):
        ((offset, size),) = stream.ranges([k])
        stream = stream.with_group(k, drawn.data[offset : offset + size])
        assert stream.groups[k].state == COMPLETE
        assert stream.groups[k].payload == whole.groups[k].payload
    assert stream.with_group(1, b"").groups[1].state == TRUNCATED


def test_of_a_reader_only_what_is_asked_for_is_read() -> None:
    data = TINY.data
    stream = parse(data)
    chunks = [set(range(g.offset, g.offset + g.size)) for g in stream.groups]
    behind = set(range(stream.after[0].offset, len(data)))
    for chosen in ((), (0,), (1,), (0, 2), (0, 1, 2)):
        unread = set().union(*(chunk for k, chunk in enumerate(chunks) if k not in chosen))
        reader, whole = Noted(data), decode(data, groups=chosen)
        got = decode(reader, groups=chosen)
        assert set(range(len(data))) - reader.seen == unread
        assert got.groups == chosen and not got.missing and got.stream.state == "valid"
        assert [g.state for g in got.stream.groups] == [COMPLETE if k in chosen else UNREAD for k in range(3)]
        assert np.array_equal(got.pixels, whole.pixels) and np.array_equal(got.covered, whole.covered)
        assert got.stream.before == stream.before and got.stream.after == stream.after
        assert got.objects == whole.objects != ()
        reader = Noted(data)
        assert LazyStream(reader).fetch(chosen).groups == chosen
        assert set(range(len(data))) - reader.seen == unread | behind
        assert {g.state for g in whole.stream.groups} == {COMPLETE} and whole.stream.after == stream.after
        # An editor copies what stands around the groups (EDIT-02, EDIT-04).
        reader = Noted(data)
        assert extract(reader, groups=chosen) == extract(data, groups=chosen)
        assert set(range(len(data))) - reader.seen == unread
    names = {g.level for g in stream.groups[:1]}
    reader = Noted(data)
    assert decode(reader, levels=iter(names)).groups == decode(data, levels=names).groups != ()
    for work in (decode, extract, parse, info, validate):
        reader = Noted(data)
        work(reader)
        assert len(reader.seen) == len(data)


def test_what_is_damaged_and_not_asked_for_is_not_met() -> None:
    stream = parse(TINY.data)
    data = bytearray(TINY.data[: stream.groups[2].offset + 9])
    data[stream.groups[1].offset + 9] ^= 1
    assert len(decode(data).missing) == len(decode(data, groups=[0]).stream.errors) == 2
    got = decode(io.BytesIO(data), groups=[0])
    assert (got.groups, got.missing, got.stream.errors) == ((0,), (), ())
    got = decode(io.BytesIO(data), groups=[1, 2])
    assert [e.code for e in got.missing] == ["E_GROUP_DAMAGED", "E_GROUP_TRUNCATED"]
    assert extract(io.BytesIO(data)) == extract(data) == extract(data, groups=[0])


def test_prefix_holds_the_groups_asked_for() -> None:
    stream = parse(TINY.data)
    ends = [g.offset + g.size for g in stream.groups]
    assert stream.prefix() == stream.prefix([2, 0]) == ends[2] == stream.after[0].offset
    assert stream.prefix([1]) == sum(stream.ranges([1])[0]) == ends[1]
    assert stream.prefix([]) == stream.groups[0].offset
    for level in ("L1", "l2", 3, "other"):
        own = [e for e, g in zip(ends, stream.groups, strict=True) if g.level == Level(level)]
        assert stream.prefix(levels=[level]) == max(own, default=stream.groups[0].offset)
        assert bool(stream.ranges(levels=[level])) == bool(own)
    less = parse(extract(TINY.data, groups=[0]))
    assert less.prefix() == less.prefix([0, 2]) == sum(less.ranges()[0])
    assert less.prefix([2]) == less.groups[0].offset and less.ranges([2]) == []
    for wrong in ({"groups": [3]}, {"levels": [0]}, {"levels": "L4"}, {"levels": 3.0}):
        for ask in (stream.prefix, stream.ranges):
            with pytest.raises(SdcError, match="E_USAGE"):
                ask(**wrong)  # type: ignore[arg-type]


def test_whatever_holds_bytes_is_a_source(tmp_path: Path) -> None:
    path = tmp_path / "a.sdc"
    path.write_bytes(TINY.data)
    whole = decode(TINY.data)
    with path.open("rb") as file, mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as mapped:
        row = np.fromfile(path, np.uint8)
        for source in (bytearray(TINY.data), memoryview(TINY.data), row, row.data, file, mapped):
            assert np.array_equal(decode(source).pixels, whole.pixels)  # type: ignore[arg-type]
            assert parse(source) == parse(TINY.data)  # type: ignore[arg-type]
            assert extract(source) == TINY.data  # type: ignore[arg-type]
            assert info(source) == info(TINY.data)  # type: ignore[arg-type]
            assert validate(source).state == "valid"  # type: ignore[arg-type]
        size = parse(TINY.data).groups[0].offset
        stream = parse(row[:size])
        for g in stream.groups:
            stream = stream.with_group(g.index, row[g.offset : g.offset + g.size])  # type: ignore[arg-type]
        assert stream.groups == parse(TINY.data).groups


@pytest.mark.parametrize("work", [decode, extract, info, parse, validate])
def test_what_is_no_source_is_named(work: Callable[[Any], object], tmp_path: Path) -> None:
    path = tmp_path / "a.sdc"
    path.write_bytes(TINY.data)
    row = np.frombuffer(TINY.data, np.uint8)

    class Pipe(io.BytesIO):
        def seek(self, offset: int, whence: int = 0, /) -> int:
            raise io.UnsupportedOperation("seek")

    with path.open(encoding="latin-1") as text:
        for source in (None, 7, [1, 2], text, io.StringIO("a"), Pipe(TINY.data)):
            words = f"E_USAGE: a stream is bytes or a seekable binary reader, not {type(source).__name__}"
            with pytest.raises(SdcError) as caught:
                work(source)
            assert str(caught.value) == words
    for array in (row[::2], row.astype(np.float32), np.zeros((4, 4), np.uint8), row.data[::2]):
        with pytest.raises(SdcError, match="E_USAGE"):
            work(array)


@pytest.mark.parametrize("work", [decode, extract, info, validate, sdc.open, sdc.imread])
def test_paths_are_taken_wherever_bytes_are(work: Callable[[Any], object], tmp_path: Path) -> None:
    path = tmp_path / "a.sdc"
    path.write_bytes(TINY.data)
    for source in (path, str(path)):
        work(source)
    for wrong, code in ((tmp_path / "b.sdc", "E_INPUT"), ("a\0b", "E_INPUT"), (tmp_path, "E_IO")):
        with pytest.raises(SdcError) as caught:
            work(wrong)
        assert caught.value.code == code and caught.value.where == str(wrong)


def test_data_of_groups_that_are_not_there_are_refused() -> None:
    stream = parse(TINY.data)
    for wrong in (3, -1, "0", None):
        with pytest.raises(SdcError, match="E_USAGE"):
            stream.with_group(wrong, b"")  # type: ignore[arg-type]
    with pytest.raises(SdcError, match="E_USAGE"):
        stream.with_group(0, "text")  # type: ignore[arg-type]


def test_unknown_ancillary_chunks_are_kept() -> None:
    stream = parse(TINY.data)
    assert [c.type for c in stream.before] == [0xC1, 0x8A]
    assert [c.type for c in stream.after] == [0x81, 0xEA, 0x83]


# --- faults ---------------------------------------------------------------------------------------


@pytest.mark.slow
def test_cut_anywhere_decodes_what_is_complete() -> None:
    whole = decode(TINY.data)
    stream = parse(TINY.data)
    preamble = stream.groups[0].offset - sum(c.size for c in stream.before)
    for cut in range(len(TINY.data)):
        data = TINY.data[:cut]
        if cut < preamble:
            assert code_of(data) in ("E_TRUNCATED", "E_MAGIC"), cut
            continue
        got = decode(data)
        complete = [g.index for g in stream.groups if g.offset + g.size <= cut]
        assert list(got.groups) == complete
        assert [e.code for e in got.missing] == ["E_GROUP_TRUNCATED"] * (len(stream.groups) - len(complete))
        assert np.array_equal(got.pixels[got.covered], whole.pixels[got.covered])


@pytest.mark.slow
def test_flip_of_every_bit_never_gives_wrong_pixels() -> None:
    whole = decode(TINY.data)
    outcomes = set()
    for bit in range(8 * len(TINY.data)):
        data = bytearray(TINY.data)
        data[bit // 8] ^= 1 << bit % 8
        try:
            got = decode(bytes(data))
        except SdcError as error:
            outcomes.add(error.kind)
            continue
        assert got.stream.errors, bit  # every flip is noticed
        outcomes.add("partial" if got.missing else "metadata")
        assert np.array_equal(got.pixels[got.covered], whole.pixels[got.covered]), bit
    assert outcomes == {"invalid", "partial", "metadata"}


@settings(max_examples=150, deadline=None)
@given(st.binary(max_size=60), st.booleans())
def test_noise_is_refused_in_words(noise: bytes, magic: bool) -> None:
    with pytest.raises(SdcError):
        parse(MAGIC + noise if magic else noise)


def test_spliced_group_is_caught() -> None:
    """The data of another picture, group, level or quality does not pass."""
    a = parse(TINY.data)
    others = [
        replace(a, head=replace(a.head, width=a.head.width - 1)),
        replace(a, groups=tuple(replace(g, quality=g.quality ^ 1) for g in a.groups)),
        replace(a, map=encode_map(np.where(TINY.labels == 1, 2, TINY.labels % 2 + 2).astype(np.uint8), 3)),
    ]
    data = TINY.data[a.groups[0].offset :][: a.groups[0].size]
    for other in others:
        assert other.with_group(0, data).groups[0].state == DAMAGED
    assert a.with_group(0, data).groups[0].state == COMPLETE


@pytest.mark.parametrize(
    ("data", "code"),
    [
        (b"", "E_MAGIC"),
        (b"\x89PNG\r\n\x1a\n", "E_MAGIC"),
        (MAGIC, "E_TRUNCATED"),
        (MAGIC + b"\x80", "E_TRUNCATED"),
        (MAGIC + b"\x80\x00" + bytes(6), "E_VARINT"),
        (MAGIC + bytes(5), "E_HEAD_CRC"),
        (file_of(b""), "E_PAYLOAD_LENGTH"),
        (file_of(START), "E_PAYLOAD_LENGTH"),
        (file_of(START[:-1]), "E_PAYLOAD_LENGTH"),
        (file_of(head_of((64, 4), count=2, start=b"\x20\1" + START[2:])), "E_PAYLOAD_LENGTH"),
        (file_of(b"\0" + START[1:]), "E_HEAD_SIZE"),
        (file_of(b"\x80\x80\x04\x80\x80\x04\0\0abcd\x10"), "E_HEAD_SIZE"),
        (file_of(b"\x80\x80\x04\x80\x80\x04\1"), "E_HEAD_SIZE"),
        (file_of(b"\x81\x00\x01\0\0abcd\x10"), "E_VARINT"),
        (file_of(b"\x08\x08\x01\0abcd\x10"), "E_FEATURE"),
        (file_of(b"\x08\x08\x01\0abcd\x10more"), "E_FEATURE"),
        (file_of(head_of(count=0)), "E_GRPS_COUNT"),
        (file_of(head_of(*[(192, 0)] * 7)), "E_GRPS_COUNT"),
        (file_of(head_of((64, 4), (0, 4))), "E_GRPS_ORDER"),
        (file_of(head_of((64, 3))), "E_GRPS_SIZE"),
        (file_of(head_of((64, 4), (64, 4))), "E_MASK_EMPTY_GROUP"),
        (file_of(head_of((64, 0), preamble=6), build_chunk(0x1F, b"")), "E_CHUNK_CRITICAL"),
        (file_of(head_of((64, 0)), build_chunk(0x01, b"")), "E_CHUNK_CRITICAL"),
        (file_of(head_of((64, 0), preamble=5), build_chunk(0x9F, b"")), "E_GRPS_PREAMBLE"),
        (
            file_of(head_of((64, 0)), build_chunk(0x81, b""), build_chunk(0x81, b"")),
            "E_CHUNK_DUPLICATE",
        ),
        (
            file_of(head_of((64, 0), preamble=6), build_chunk(0x81, b""), build_chunk(0x81, b"")),
            "E_CHUNK_DUPLICATE",
        ),
    ],
)
def test_refused_with_its_code(data: bytes, code: str) -> None:
    assert code_of(data) == code


AT = len(MAGIC) + 1
"""First byte of a head of less than 128 bytes."""


@pytest.mark.parametrize(
    "data, where, offset",
    [
        (file_of(b"\1\0" + bytes(7)), "HEAD.height", AT + 1),
        (file_of(b"\x80\x80\4\x80\x80\4\0\0abcd\x10"), "HEAD.height", AT + 3),
        (file_of(b"\1\1\2\0abcd\x10"), "HEAD.features", AT + 2),
        (file_of(head_of(*[(192, 0)] * 7)), "HEAD.count", AT + len(START)),
        (file_of(head_of((64, 4), (0, 4))), "HEAD.groups[1].level_quality", AT + len(START) + 4),
        (file_of(head_of((64, 0), (64, 3))), "HEAD.groups[1].size", AT + len(START) + 5),
        (file_of(head_of((64, 0), (64, 0))), "HEAD.map", AT + len(START) + 6),
        (file_of(START)[:-1] + b"?", "crc", AT + len(START)),
        (MAGIC + b"\x80\x00", "length", 4),
        (MAGIC + b"\x0c", "", 5),
    ],
)
def test_errors_name_the_byte_of_the_field(data: bytes, where: str, offset: int) -> None:
    with pytest.raises(SdcError) as caught:
        parse(data)
    assert (caught.value.where, caught.value.offset) == (where or f"byte {offset}", offset)


@pytest.mark.parametrize(
    "payload, field, offset",
    [
        (b"\0", "count", 0),
        (b"\1\5\0\0\0", "layout", 1),
        (b"\1\0\1\0", "labels[0].length", 3),
        (b"\1\0\1\1\xff", "labels[0].text", 4),
        (b"\1\0\2\1a\1a\0\0", "label_count", 2),
        (b"\1\0\1\1a\0\0", "label_count", 2),
        (b"\1\0\0\0\1\0", "coded", 5),
        (b"\1\0\0\0\0\0", "masks", 5),
        (b"\1\x20\0\0\0", "layout", 1),
    ],
)
def test_errors_of_objects_name_the_byte_of_the_field(payload: bytes, field: str, offset: int) -> None:
    data = file_of(head_of((192, 0)), build_chunk(OBJS, payload))
    with pytest.raises(SdcError, match="E_OBJS") as caught:
        parse_objects(parse(data))
    assert caught.value.where == f"OBJS.{field}"
    assert caught.value.offset == parse(data).after[0].payload_offset + offset


@settings(max_examples=200, deadline=None)
@given(st.data())
def test_objects_round_trip(data: st.DataObject) -> None:
    stream = parse(TINY.data)
    bounds = Bounds(
        data.draw(st.integers(1, 65536)), data.draw(st.integers(1, 16384)), 3, data.draw(st.integers(0, 4))
    )
    stream = replace(stream, head=replace(stream.head, width=bounds.width, height=bounds.height))
    rank, rows = 0, []
    for _ in range(data.draw(st.integers(1, 6))):
        x, y = data.draw(st.integers(0, bounds.columns - 1)), data.draw(st.integers(0, bounds.rows - 1))
        box = (
            x,
            y,
            data.draw(st.integers(1, bounds.columns - x)),
            data.draw(st.integers(1, bounds.rows - y)),
        )
        rank = data.draw(st.integers(rank, 4094))
        label, reason = data.draw(st.sampled_from("abc ")).strip(), data.draw(st.text(max_size=3))
        mask = data.draw(st.one_of(st.none(), st.binary(max_size=5)))
        rows.append(
            Row(data.draw(st.integers(0, 2)), label, reason, box, data.draw(st.integers(0, 255)), rank, mask)
        )
    payload = rows_payload(rows, bounds)
    assert read_rows(read_payload("OBJS", payload), stream) == (rows, bounds)


def test_a_limit_of_pixels_names_the_width() -> None:
    with pytest.raises(SdcError, match="E_LIMIT") as caught:
        parse(TINY.data, limits=Limits(pixels=40 * 24 - 1))
    assert (caught.value.where, caught.value.offset) == ("HEAD.width", AT)


def test_a_reading_keeps_what_came_before_its_error() -> None:
    whole = read(TINY.data)
    assert whole.error is None and whole.whole() is whole.stream is whole.outline
    assert whole.labels is not None and np.array_equal(whole.labels, TINY.labels)
    for cut in range(len(TINY.data)):
        found = read(TINY.data[:cut])
        assert found.size == cut
        assert found.fields == whole.fields[: len(found.fields)]
        assert found.head in (None, TINY.head)
        if found.error is None:
            assert found.whole() is found.stream
        else:
            assert found.stream is None
            with pytest.raises(SdcError) as caught:
                found.whole()
            assert caught.value is found.error
    twisted = bytearray(parse(TINY.data).map)
    twisted[-1] ^= 1
    groups = [(g.level_quality, 0) for g in TINY.groups]
    found = read(file_of(head_of(*groups, coded=bytes(twisted))))
    assert found.outline is not None and len(found.outline.groups) == 3
    assert found.labels is None and found.error is not None and found.error.where == "HEAD.map"


def test_streams_that_encoders_build_carry_their_map() -> None:
    stream = parse(TINY.data)
    assert np.array_equal(parse_map(stream.head, 3, stream.map), stream.labels)
    assert map_payload(stream.labels, 3) == stream.map
    assert np.array_equal(stream.with_group(0, b"").labels, stream.labels)
    assert map_payload(np.ones((2, 3), np.uint8), 1) == b""
    assert parse_map(stream.head, 1, b"").tolist() == [[1, 1, 1], [1, 1, 1]]


def test_the_seed_is_the_start_of_the_head_that_is_written() -> None:
    for head in (TINY.head, Head(65536, 1, 2**32 - 1, b"\0\1\2\3", 0, 0xFF)):
        header = build_header(head, TINY.groups, [0] * 3, 300, b"map")
        length, start = decode_varint(header, 0)
        assert header[start:].startswith(seed_of(head)) and header[:-4].endswith(b"map")
        assert len(header) == start + length + 4 and right_crc(header)


def test_number_of_chunks_is_that_of_the_registry() -> None:
    seen = (PROV, OBJS, ICCP, 0x9F)
    for kind, code in ((OBJS, "DUPLICATE"), (ICCP, "DUPLICATE"), (0x04, "CRITICAL"), (0x43, "CRITICAL")):
        with pytest.raises(SdcError, match=f"E_CHUNK_{code}") as caught:
            check_type(kind, seen, 7)
        assert caught.value.offset == 7
    for kind in (PROV, 0x9F, 0xEA):
        check_type(kind, seen, 7)
    check_type(OBJS, (ICCP,), 7)


def test_level_and_quality_share_a_byte() -> None:
    for value in range(256):
        parts = split_bits("GROUP", "level_quality", value)
        assert (parts["level"], parts["quality"]) == (value // 64, value % 64)
        assert Group(0, LEVELS[parts["level"]], parts["quality"]).level_quality == value


def masked(labels: np.ndarray, count: int, coded: bytes | None = None) -> bytes:
    """A stream of withdrawn groups with a map, or with what stands for one."""
    coded = encode_map(labels, max(count, int(labels.max()))) if coded is None else coded
    return file_of(head_of(*[(192, 0)] * count, coded=coded))


def test_mask_rules() -> None:
    rows, cols = TINY.head.rows, TINY.head.cols
    ones = np.ones((rows, cols), np.uint8)
    assert code_of(masked(ones, 2)) == "E_MASK_EMPTY_GROUP"
    good = encode_map(TINY.labels, 3)
    assert not decode(masked(TINY.labels, 3)).groups  # all withdrawn: nothing requested, nothing missing
    assert code_of(masked(TINY.labels, 3, good + bytes(400))) == "E_RANS_FINAL"
    for k in range(len(good)):
        twisted = bytearray(good)
        twisted[k] ^= 1
        assert code_of(masked(TINY.labels, 3, bytes(twisted))).startswith(("E_RANS_", "E_MASK_"))
    assert code_of(masked(TINY.labels, 3, b"\0\0\0\0")) == "E_RANS_STATE"
    assert code_of(masked(TINY.labels, 3, b"")) == "E_MASK_EMPTY_GROUP"


def with_payload(payload: bytes) -> bytes:
    """TINY with another payload in its first group, the CRC right."""
    stream = parse(TINY.data)
    first = replace(stream.groups[0], payload=payload)
    return build(replace(stream, groups=(first, *stream.groups[1:])))


def symbols_of(data: bytes) -> bytes:
    ((_, _, symbols),) = decode_symbols(parse(data), load_model(0), [0], keep_residuals=True)
    if isinstance(symbols, SdcError):
        raise symbols
    return symbols.hyper.tobytes() + symbols.residuals.tobytes()


def test_right_crc_over_wrong_symbols_is_invalid() -> None:
    payload = parse(TINY.data).groups[0].payload
    whole, refused = symbols_of(TINY.data), 0
    assert payload is not None
    assert code_of(with_payload(payload + bytes(40000))) == "E_RANS_FINAL"
    assert code_of(with_payload(bytes(4))) == "E_RANS_STATE"
    changed = [payload[:k] for k in range(len(payload))]
    for k in range(len(payload)):
        changed.append(payload[:k] + bytes([payload[k] ^ 0x55]) + payload[k + 1 :])
    for twisted in changed:
        try:  # another payload is refused, or is the one coding of other symbols
            other = symbols_of(with_payload(twisted))
        except SdcError as error:
            refused += 1
            assert error.code in (
                "E_RANS_FINAL",
                "E_RANS_STATE",
                "E_ESCAPE",
            )
        else:
            assert other != whole
    assert refused > 0.9 * len(changed)


@pytest.mark.parametrize("data", [b"\1", b"\0\0\1", b"\0\0\0\1", b"\0\0\1\0\0", b"\0\0\0\1\0\0"])
def test_nothing_coded_has_one_form(data: bytes) -> None:
    """A payload that decodes no symbol must be empty."""
    from sdc.coding.rans import Decoder

    decoder = Decoder(data)
    with pytest.raises(SdcError, match="E_RANS_FINAL"):
        decoder.finish()


def test_unknown_model_and_other_weights() -> None:
    stream = parse(TINY.data)
    assert code_of(build(replace(stream, head=replace(stream.head, model=99)))) == "E_MODEL"
    assert code_of(build(replace(stream, head=replace(stream.head, weights=b"none")))) == "E_MODEL_HASH"


def test_withdrawn_groups() -> None:
    stream = parse(TINY.data)
    first = replace(stream.groups[0], state=WITHDRAWN, payload=None)
    data = build(replace(stream, groups=(first, *stream.groups[1:])))
    assert parse(data).state == "valid"
    assert decode(data).groups == (1, 2) and not decode(data).missing
    assert [e.code for e in decode(data, groups=[0]).missing] == ["E_GROUP_WITHDRAWN"]


# --- limits ---------------------------------------------------------------------------------------


def test_huge_pictures_are_refused_before_memory_is_taken() -> None:
    head = Head(65536, 16384, 0, TINY.head.weights)
    data = file_of(head_of((192, 4), start=seed_of(head)), bytes(4))
    assert len(data) < 40
    assert code_of(data) == "E_LIMIT"
    assert code_of(TINY.data, limits=Limits(pixels=900)) == "E_LIMIT"
    assert code_of(TINY.data, limits=Limits(chunk_bytes=20)) == "E_LIMIT"


def test_promised_bytes_are_not_allocated() -> None:
    """A head, chunk or group of 4 GiB in a file of 60 bytes reads as a cut-off file."""
    assert code_of(MAGIC + encode_varint(2**32 - 1) + bytes(20)) == "E_TRUNCATED"
    cut = parse(file_of(head_of((192, 0)), b"\x9f" + encode_varint(2**32 - 1) + bytes(20)))
    assert [e.code for e in cut.errors] == ["E_CHUNK_DAMAGED"]
    got = decode(file_of(head_of((192, 2**32 - 1))))
    assert [e.code for e in got.missing] == ["E_GROUP_TRUNCATED"]


def test_group_state_names_are_error_codes() -> None:
    codes = {row["code"] for row in spec_data("errors.json")["errors"]}
    assert {f"E_GROUP_{s.upper()}" for s in (WITHDRAWN, TRUNCATED, DAMAGED)} <= codes


def test_chunk_size_is_what_is_written() -> None:
    for n in (0, 127, 128, 20000):
        assert Chunk(0xA0, bytes(n)).size == len(build_chunk(0xA0, bytes(n)))


def test_framing_of_four_groups_is_at_most_56_bytes() -> None:
    """Four groups of up to 16 kB each in a photograph of usual size."""
    head = Head(4032, 3024, 1, b"abcd")
    groups = tuple(Group(k, LEVELS[k], 32, state=COMPLETE, payload=bytes(15000)) for k in range(4))
    stream = Outline(head, groups, map=bytes(200))
    assert len(build(stream)) - 4 * 15000 - 200 <= 56


def test_length_of_a_chunk_that_is_no_varint_is_damage() -> None:
    damaged = b"\x9f\x80\x00" + bytes(6)
    for data in (file_of(head_of((192, 0), preamble=9), damaged), file_of(head_of((192, 0)), damaged)):
        assert [e.code for e in parse(data).errors] == ["E_CHUNK_DAMAGED"]


def test_pixel_mask_bombs_are_refused() -> None:
    """Masks may cover four times the picture together (OBJS-16)."""
    from sdc.format.chunks import OBJS

    stream = parse(random_stream(1, width=64, height=64, count=1, extras=False).data)
    full = np.ones((64, 64), bool)
    for number, refused in ((4, False), (5, True)):
        things = [Object("x", (0, 0, 64, 64), "other", mask=full, rank=k, group=0) for k in range(number)]
        rows = [Row(0, "x", "", (0, 0, 64, 64), 255, k, b"") for k in range(number)]
        payload = rows_payload(rows, Bounds(64, 64, 1))
        written = objs.objects_payload(things, Bounds(64, 64, 1), pixel_masks=True)
        assert (written == payload) == (not refused) and len(payload) < 10 * number
        loaded = replace(stream, after=(Chunk(OBJS, payload),))
        if refused:
            with pytest.raises(SdcError, match="E_OBJS"):
                objs.parse_objects(loaded)
        else:
            assert len(objs.parse_objects(loaded)) == 4


class ThreeAtATime(io.RawIOBase):
    """A raw reader that gives at most three bytes a call, as sockets and object stores may."""

    def __init__(self, data: bytes):
        self.inner = io.BytesIO(data)

    def seek(self, offset: int, whence: int = 0, /) -> int:
        return self.inner.seek(offset, whence)

    def read(self, size: int = -1, /) -> bytes:
        return self.inner.read(min(size, 3))


def test_readers_may_give_parts() -> None:
    assert parse(ThreeAtATime(TINY.data)) == parse(TINY.data)  # type: ignore[arg-type]


def test_promised_bytes_of_a_file_are_not_allocated(tmp_path: Path) -> None:
    """CPython's file objects allocate what is asked for, so no more than the file is asked for."""
    path = tmp_path / "promise.sdc"
    path.write_bytes(MAGIC + encode_varint(2**30 - 10) + bytes(20))

    class Asked(io.FileIO):
        most = 0

        def read(self, size: int | None = -1, /) -> bytes:
            self.most = max(self.most, -1 if size is None else size)
            return super().read(size) or b""

    with Asked(path) as file, pytest.raises(SdcError, match="E_TRUNCATED"):
        parse(file)
    assert file.most < 100


def test_floods_of_chunks_meet_a_limit() -> None:
    empty = build_chunk(0xA1, b"")
    for data in (
        file_of(head_of((192, 0))) + empty * 5000,
        file_of(head_of((192, 0), preamble=6 * 5000)) + empty * 5000,
    ):
        with pytest.raises(SdcError, match="E_LIMIT"):
            parse(data)
        assert (
            len(
                parse(data, limits=Limits(chunks=6000)).before + parse(data, limits=Limits(chunks=6000)).after
            )
            == 5000
        )


def test_file_chunk_and_group_data_of_the_table_are_what_the_parser_reads() -> None:
    """The structures that the parser reads by hand, held against the table."""
    structures = spec_data("fields.json")["structures"]
    for seed in range(30):
        data = random_stream(seed, amplitude=20).data
        stream = parse(data)
        groups = [g for g in stream.groups if g.size]
        length, start = decode_varint(data, len(MAGIC))
        first = stream.groups[0].offset
        last = stream.groups[-1].offset + stream.groups[-1].size
        parts = {
            "magic": data[:4],
            "length": data[4:start],
            "head": data[start : start + length],
            "crc": data[start + length : start + length + 4],
            "preamble": data[start + length + 4 : first],
            "groups": b"".join(data[g.offset : g.offset + g.size] for g in groups),
            "chunks": data[last:],
        }
        assert list(parts) == [row["name"] for row in structures["FILE"]["fields"]]
        assert b"".join(parts.values()) == data
        assert len(parts["preamble"]) == parse_payload("HEAD", parts["head"]).preamble
        for name, own in (("preamble", stream.before), ("chunks", stream.after)):
            rows = cs.GreedyRange(structure_of("CHUNK")).parse(parts[name], base=0, trace=[])
            assert [(c.type, c.payload) for c in rows] == [(c.type, c.payload) for c in own]
        assert [row["name"] for row in spec_data("fields.json")["structures"]["LATN"]["fields"]] == [
            "stream",
            "crc",
        ]
        for g in groups:
            assert data[g.offset : g.offset + g.size] == with_crc(g.payload or b"", stream.seed(g))
