"""The container: structures, states, faults."""

from __future__ import annotations

import io
import mmap
import zlib
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import sdc
from sdc.codec.decoder import decode
from sdc.coding.labels import encode_map
from sdc.errors import SdcError, spec_data
from sdc.format import chunks, objs
from sdc.format.build import build
from sdc.format.chunks import GRPS, HEAD, ICCP, LATN, MAGIC, MASK, OBJS, PROV, Chunk, Order, build_chunk
from sdc.format.edit import extract
from sdc.format.fields import build_payload, decode_varint, encode_varint, parse_payload, split_bits
from sdc.format.grps import COMPLETE, DAMAGED, TRUNCATED, UNREAD, WITHDRAWN, Group
from sdc.format.head import Head, build_head
from sdc.format.latn import decode_symbols
from sdc.format.lazy import LazyStream
from sdc.format.mask import map_payload, parse_map
from sdc.format.objs import objects_payload, parse_objects
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


def file_of(*chunks: bytes) -> bytes:
    return MAGIC + b"".join(chunks)


def grps(*groups: tuple[int, int], preamble: int = 0, count: int | None = None) -> bytes:
    rows = [{"level_quality": lq, "size": size} for lq, size in groups]
    body = bytes([len(groups) if count is None else count]) + encode_varint(preamble)
    return build_chunk(
        GRPS, body + b"".join(bytes([r["level_quality"]]) + encode_varint(r["size"]) for r in rows)
    )


HEAD0 = build_chunk(HEAD, build_head(TINY.head))


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
            sizes[rest] = draw(st.integers(1 if row["type"].startswith("list") else 0, 3))
    return {row["name"]: draw(value_of(row, sizes)) for row in rows}


@pytest.mark.slow
@pytest.mark.parametrize("name", ["HEAD", "GRPS", "GROUP", "MASK", "LATN", "ICCP", "PROV", "OBJS", "OBJECT"])
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
    from sdc.format.fields import structure_of

    for name, structure in spec_data("fields.json")["structures"].items():
        assert [c.name for c in structure_of(name).subcons] == [r["name"] for r in structure["fields"]]
    entries = spec_data("registry.json")["chunk_types"]["entries"]
    assert {e["type"]: e["name"] for e in entries} == chunks.NAMES
    assert (chunks.HEAD, chunks.GRPS, chunks.MASK, chunks.LATN) == (1, 2, 3, 4)
    assert (chunks.OBJS, chunks.PROV, chunks.ICCP) == (0x81, 0x82, 0xC1)


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


def test_reader_stops_after_mask_and_fetches_ranges() -> None:
    class Counting(io.BytesIO):
        past = 0

        def read(self, size: int | None = -1, /) -> bytes:
            data = super().read(size)
            self.past = max(self.past, self.tell())
            return data

    drawn = random_stream(7, width=600, height=400, count=4, amplitude=900, extras=False)
    reader = Counting(drawn.data)
    stream = parse(reader, body=False)
    assert {g.state for g in stream.groups} == {UNREAD}
    assert reader.past < 200 < len(drawn.data) / 10
    assert stream.ranges() == [(stream.groups[0].offset, sum(g.size for g in stream.groups))]
    for k in (2, 0):
        ((offset, size),) = stream.ranges([k])
        stream = stream.with_chunk(k, drawn.data[offset : offset + size])
        assert stream.groups[k].state == COMPLETE
        assert stream.groups[k].payload == parse(drawn.data).groups[k].payload
    assert stream.with_chunk(1, b"").groups[1].state == TRUNCATED


class Logging(io.BytesIO):
    """A reader that knows which of its bytes were read."""

    def __init__(self, data: bytes):
        super().__init__(data)
        self.seen: set[int] = set()

    def read(self, size: int | None = -1, /) -> bytes:
        start = self.tell()
        data = super().read(size)
        self.seen |= set(range(start, start + len(data)))
        return data


def test_of_a_reader_only_what_is_asked_for_is_read() -> None:
    data = TINY.data
    stream = parse(data)
    chunks = [set(range(g.offset, g.offset + g.size)) for g in stream.groups]
    behind = set(range(stream.after[0].offset, len(data)))
    for chosen in ((), (0,), (1,), (0, 2), (0, 1, 2)):
        unread = set().union(*(chunk for k, chunk in enumerate(chunks) if k not in chosen))
        reader, whole = Logging(data), decode(data, groups=chosen)
        got = decode(reader, groups=chosen)
        assert set(range(len(data))) - reader.seen == unread
        assert got.groups == chosen and not got.missing and got.stream.state == "valid"
        assert [g.state for g in got.stream.groups] == [COMPLETE if k in chosen else UNREAD for k in range(3)]
        assert np.array_equal(got.pixels, whole.pixels) and np.array_equal(got.covered, whole.covered)
        assert got.stream.before == stream.before and got.stream.after == stream.after
        assert got.objects == whole.objects != ()
        reader = Logging(data)
        assert LazyStream(reader).fetch(chosen).groups == chosen
        assert set(range(len(data))) - reader.seen == unread | behind
        assert {g.state for g in whole.stream.groups} == {COMPLETE} and whole.stream.after == stream.after
        # An editor copies what stands around the groups (EDIT-02, EDIT-04).
        reader = Logging(data)
        assert extract(reader, groups=chosen) == extract(data, groups=chosen)
        assert set(range(len(data))) - reader.seen == unread
    names = {g.level for g in stream.groups[:1]}
    reader = Logging(data)
    assert decode(reader, levels=iter(names)).groups == decode(data, levels=names).groups != ()
    for work in (decode, extract, parse, info, validate):
        reader = Logging(data)
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
        stream = parse(row[:size], body=False)
        for g in stream.groups:
            stream = stream.with_chunk(g.index, row[g.offset : g.offset + g.size])  # type: ignore[arg-type]
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


def test_chunks_of_groups_that_are_not_there_are_refused() -> None:
    stream = parse(TINY.data, body=False)
    for wrong in (3, -1, "0", None):
        with pytest.raises(SdcError, match="E_USAGE"):
            stream.with_chunk(wrong, b"")  # type: ignore[arg-type]
    with pytest.raises(SdcError, match="E_USAGE"):
        stream.with_chunk(0, "text")  # type: ignore[arg-type]


def test_unknown_ancillary_chunks_are_kept() -> None:
    stream = parse(TINY.data)
    assert [c.type for c in stream.before] == [0xC1, 0x8A]
    assert [c.type for c in stream.after] == [0x81, 0xEA]


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


def test_spliced_chunk_is_caught() -> None:
    """A latent chunk of another picture, group, level or quality does not pass."""
    a = parse(TINY.data)
    others = [
        replace(a, head=replace(a.head, width=a.head.width - 1)),
        replace(a, groups=tuple(replace(g, quality=g.quality ^ 1) for g in a.groups)),
        replace(a, mask=encode_map(np.where(TINY.labels == 1, 2, TINY.labels % 2 + 2).astype(np.uint8), 3)),
    ]
    chunk = TINY.data[a.groups[0].offset :][: a.groups[0].size]
    for other in others:
        assert other.with_chunk(0, chunk).groups[0].state == DAMAGED
    assert a.with_chunk(0, chunk).groups[0].state == COMPLETE


@pytest.mark.parametrize(
    ("data", "code"),
    [
        (b"", "E_MAGIC"),
        (b"\x89PNG\r\n\x1a\n", "E_MAGIC"),
        (MAGIC, "E_TRUNCATED"),
        (file_of(grps((0, 6))), "E_CHUNK_ORDER"),
        (file_of(HEAD0, HEAD0), "E_CHUNK_ORDER"),
        (file_of(build_chunk(HEAD, build_head(TINY.head) + b"\0")), "E_PAYLOAD_LENGTH"),
        (file_of(build_chunk(HEAD, build_head(TINY.head)[:-1])), "E_PAYLOAD_LENGTH"),
        (file_of(build_chunk(HEAD, b"\0" + build_head(TINY.head)[1:])), "E_HEAD_SIZE"),
        (file_of(build_chunk(HEAD, b"\x80\x80\x04\x80\x80\x04\0\0abcd\x10")), "E_HEAD_SIZE"),
        (file_of(build_chunk(HEAD, b"\x81\x00\x01\0\0abcd\x10")), "E_VARINT"),
        (file_of(build_chunk(HEAD, b"\x08\x08\x01\0abcd\x10")), "E_FEATURE"),
        (file_of(build_chunk(HEAD, b"\x08\x08\x01\0abcd\x10more")), "E_FEATURE"),
        (file_of(HEAD0, grps(count=0)), "E_GRPS_COUNT"),
        (file_of(HEAD0, grps(*[(192, 0)] * 7)), "E_GRPS_COUNT"),
        (file_of(HEAD0, grps((64, 6), (0, 6))), "E_GRPS_ORDER"),
        (file_of(HEAD0, grps((64, 5))), "E_GRPS_SIZE"),
        (file_of(HEAD0, grps((64, 6), (64, 6))), "E_MASK_MISSING"),
        (file_of(HEAD0, grps((64, 0), preamble=6), build_chunk(0x1F, b"")), "E_CHUNK_CRITICAL"),
        (file_of(HEAD0, grps((64, 0), preamble=5), build_chunk(0x9F, b"")), "E_GRPS_PREAMBLE"),
        (file_of(HEAD0, grps((64, 0)), build_chunk(0xC1, bytes(128))), "E_CHUNK_ORDER"),
        (file_of(HEAD0, grps((64, 0)), build_chunk(0x81, b""), build_chunk(0x81, b"")), "E_CHUNK_DUPLICATE"),
        (file_of(HEAD0, grps((64, 0)), HEAD0), "E_CHUNK_DUPLICATE"),
        (file_of(HEAD0, grps((64, 0), preamble=6), build_chunk(LATN, b"")), "E_GRPS_PREAMBLE"),
    ],
)
def test_refused_with_its_code(data: bytes, code: str) -> None:
    assert code_of(data) == code


HEAD_END = len(MAGIC) + len(HEAD0)


def objects(*rows: dict[str, int]) -> bytes:
    """A stream of one group, which is withdrawn, with OBJS of objects of a pixel each."""
    things = [Object("a", (0, 0, 1, 1), rank=0, group=0) for _ in rows]
    values = parse_payload("OBJS", objects_payload(things))
    for item, changes in zip(values.objects, rows, strict=True):
        item.update(changes)
    chunk = build_chunk(OBJS, build_payload("OBJS", {"count": len(rows), "objects": values.objects}))
    return file_of(HEAD0, grps((192, 0)), chunk)


def first_payload(data: bytes) -> int:
    """Offset of the payload of the chunk behind GRPS; all lengths here take one byte."""
    return HEAD_END + 6 + data[HEAD_END + 1] + 2


@pytest.mark.parametrize(
    "data, where, offset",
    [
        (file_of(build_chunk(HEAD, b"\1\0" + bytes(7))), "HEAD.height", 7),
        (file_of(build_chunk(HEAD, b"\x80\x80\4\x80\x80\4\0\0abcd\x10")), "HEAD.height", 9),
        (file_of(build_chunk(HEAD, b"\1\1\2\0abcd\x10")), "HEAD.features", 8),
        (file_of(HEAD0, grps(*[(192, 0)] * 7)), "GRPS.count", HEAD_END + 2),
        (file_of(HEAD0, grps((64, 6), (0, 6))), "GRPS.groups[1].level_quality", HEAD_END + 6),
        (file_of(HEAD0, grps((64, 0), (64, 5))), "GRPS.groups[1].size", HEAD_END + 7),
        (file_of(HEAD0[:-1] + bytes([HEAD0[-1] ^ 1])), "", HEAD_END - 4),
    ],
)
def test_errors_name_the_byte_of_the_field(data: bytes, where: str, offset: int) -> None:
    with pytest.raises(SdcError) as caught:
        parse(data)
    assert (caught.value.where, caught.value.offset) == (where or f"byte {offset}", offset)


@pytest.mark.parametrize(
    "rows, field, offset",
    [
        ([{"group": 1}], "objects[0].group", 1),
        ([{}, {"width": 41}], "objects[1].width", 1 + 12 + 3),
        ([{}, {"height": 25}], "objects[1].height", 1 + 12 + 4),
        ([{"rank": 1}, {}], "objects[1].rank", 1 + 12 + 6),
        ([{"mask_length": 1, "mask": b"\1"}], "objects[0].mask_length", 1 + 11),
    ],
)
def test_errors_of_objects_name_the_byte_of_the_field(
    rows: list[dict[str, int]], field: str, offset: int
) -> None:
    data = objects(*rows)
    with pytest.raises(SdcError, match="E_OBJS") as caught:
        parse_objects(parse(data))
    assert caught.value.where == f"OBJS.{field}"
    assert caught.value.offset == first_payload(data) + offset


def test_a_limit_of_pixels_names_the_width() -> None:
    with pytest.raises(SdcError, match="E_LIMIT") as caught:
        parse(TINY.data, limits=Limits(pixels=40 * 24 - 1))
    assert (caught.value.where, caught.value.offset) == ("HEAD.width", 6)


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
    first = next(p for p in whole.places if p.type == MASK)
    broken = bytearray(TINY.data)
    broken[first.offset + first.size - 1] ^= 1
    found = read(bytes(broken))
    assert found.outline is not None and len(found.outline.groups) == 3
    assert found.labels is None and found.error is not None and found.error.code == "E_CHUNK_CRC"


def test_streams_that_encoders_build_carry_their_map() -> None:
    stream = parse(TINY.data)
    assert np.array_equal(parse_map(stream.head, 3, stream.mask), stream.labels)
    assert map_payload(stream.labels, 3) == stream.mask
    assert np.array_equal(stream.with_chunk(0, b"").labels, stream.labels)
    assert map_payload(np.ones((2, 3), np.uint8), 1) is None
    assert parse_map(stream.head, 1, None).tolist() == [[1, 1, 1], [1, 1, 1]]


def test_order_and_number_of_chunks_are_those_of_the_registry() -> None:
    order = Order()
    order.admit(MASK, 0)
    order.admit(ICCP, 0)
    for kind in (MASK, ICCP, HEAD):
        with pytest.raises(SdcError, match="E_CHUNK_DUPLICATE"):
            order.admit(kind, 0)
    order.admit(PROV, 0)
    order.behind_latents()
    order.admit(PROV, 0)
    order.admit(OBJS, 0)
    for kind, code in ((OBJS, "DUPLICATE"), (LATN, "ORDER"), (0x1F, "CRITICAL"), (0x43, "CRITICAL")):
        with pytest.raises(SdcError, match=f"E_CHUNK_{code}") as caught:
            order.admit(kind, 7)
        assert caught.value.offset == 7
    order.admit(0x9F, 0)


def test_level_and_quality_share_a_byte() -> None:
    for value in range(256):
        parts = split_bits("GROUP", "level_quality", value)
        assert (parts["level"], parts["quality"]) == (value // 64, value % 64)
        assert Group(0, LEVELS[parts["level"]], parts["quality"]).level_quality == value


def masked(labels: np.ndarray, count: int, mask: bytes | None = None) -> bytes:
    chunk = build_chunk(MASK, encode_map(labels, max(count, int(labels.max()))) if mask is None else mask)
    return file_of(HEAD0, grps(*[(192, 0)] * count, preamble=len(chunk)), chunk)


def test_mask_rules() -> None:
    rows, cols = TINY.head.rows, TINY.head.cols
    ones = np.ones((rows, cols), np.uint8)
    assert code_of(masked(ones, 1)) == "E_MASK_REDUNDANT"
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
    symbols = decode_symbols(parse(data), load_model(0), 0, keep_residuals=True)[1]
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


def test_latent_chunk_of_another_size_is_invalid() -> None:
    stream = parse(TINY.data)
    g = stream.groups[0]
    body = bytes([LATN]) + encode_varint(g.size) + bytes(g.size - 7)
    data = body + zlib.crc32(stream.seed(g) + body).to_bytes(4, "little")
    with pytest.raises(SdcError, match="E_LATN_SIZE"):
        stream.with_chunk(
            0, data[: g.size - 4] + zlib.crc32(stream.seed(g) + data[: g.size - 4]).to_bytes(4, "little")
        )


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
    data = file_of(build_chunk(HEAD, build_head(head)), grps((192, 6)))
    assert len(data) < 40
    assert code_of(data) == "E_LIMIT"
    assert code_of(TINY.data, limits=Limits(pixels=900)) == "E_LIMIT"
    assert code_of(TINY.data, limits=Limits(chunk_bytes=20)) == "E_LIMIT"


def test_promised_bytes_are_not_allocated() -> None:
    """A chunk length or group size of 4 GiB in a file of 60 bytes reads as a cut-off file."""
    data = file_of(HEAD0, bytes([GRPS]) + encode_varint(2**32 - 1) + bytes(20))
    assert code_of(data) == "E_TRUNCATED"
    got = decode(file_of(HEAD0, grps((192, 2**32 - 1))))
    assert [e.code for e in got.missing] == ["E_GROUP_TRUNCATED"]


def test_group_state_names_are_error_codes() -> None:
    codes = {row["code"] for row in spec_data("errors.json")["errors"]}
    assert {f"E_GROUP_{s.upper()}" for s in (WITHDRAWN, TRUNCATED, DAMAGED)} <= codes


def test_chunk_size_is_what_is_written() -> None:
    for n in (0, 127, 128, 20000):
        assert Chunk(0xA0, bytes(n)).size == len(build_chunk(0xA0, bytes(n)))


def test_framing_of_four_groups_is_at_most_80_bytes() -> None:
    """Four groups of up to 16 kB each in a photograph of usual size."""
    head = Head(4032, 3024, 1, b"abcd")
    groups = tuple(Group(k, LEVELS[k], 32, state=COMPLETE, payload=bytes(15000)) for k in range(4))
    stream = Outline(head, groups, mask=bytes(200))
    assert len(build(stream)) - 4 * 15000 - 200 <= 80


def test_length_of_mask_that_is_no_varint() -> None:
    data = file_of(HEAD0, grps((192, 0), (192, 0), preamble=9), bytes([MASK]) + b"\x80\x00" + bytes(6))
    assert code_of(data) == "E_VARINT"
    other = file_of(HEAD0, grps((192, 0), preamble=9), b"\x9f\x80\x00" + bytes(6))
    assert [e.code for e in parse(other).errors] == ["E_CHUNK_DAMAGED"]


def test_length_of_a_latent_chunk_ends_before_its_crc() -> None:
    """Six bytes whose length field would go on into the CRC (LATN-02)."""
    stream = parse(TINY.data)
    g = replace(stream.groups[0], size=6)
    body = bytes([LATN, 0x80])
    data = body + zlib.crc32(stream.seed(g) + body).to_bytes(4, "little")
    short = replace(stream, groups=(g, *stream.groups[1:]))
    with pytest.raises(SdcError, match="E_LATN_SIZE"):
        short.with_chunk(0, data)


def test_pixel_mask_bombs_are_refused() -> None:
    """Masks may cover four times the picture together (OBJS-16)."""
    from sdc.format.chunks import OBJS
    from sdc.objects.object import Object

    stream = parse(random_stream(1, width=64, height=64, count=1, extras=False).data)
    full = np.ones((64, 64), bool)
    for number, refused in ((4, False), (5, True)):
        things = [Object("x", (0, 0, 64, 64), "other", mask=full, rank=k, group=0) for k in range(number)]
        payload = objs.objects_payload(things, pixel_masks=True)
        assert len(payload) < 40 * number
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
    path.write_bytes(file_of(HEAD0, bytes([GRPS]) + encode_varint(2**30 - 10) + bytes(20)))

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
        file_of(HEAD0, grps((192, 0))) + empty * 5000,
        file_of(HEAD0, grps((192, 0), preamble=6 * 5000)) + empty * 5000,
    ):
        with pytest.raises(SdcError, match="E_LIMIT"):
            parse(data)
        assert (
            len(
                parse(data, limits=Limits(chunks=6000)).before + parse(data, limits=Limits(chunks=6000)).after
            )
            == 5000
        )


def test_file_and_chunk_of_the_table_read_what_the_parser_reads() -> None:
    """The two structures that the parser reads by hand, held against those made from the table."""
    for seed in range(30):
        data = random_stream(seed, amplitude=20).data
        chunks = parse_payload("FILE", data).chunks
        stream = parse(data)
        assert [(c.type, c.payload) for c in chunks[2 + (stream.mask is not None) :]] == [
            *((c.type, c.payload) for c in stream.before),
            *((LATN, g.payload) for g in stream.groups),
            *((c.type, c.payload) for c in stream.after),
        ]
        assert build_payload("FILE", {"magic": MAGIC, "chunks": chunks}) == data
