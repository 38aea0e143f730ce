"""The example streams of ``spec/examples/`` and what ``spec/examples.md`` says about them.

``python tests/make_examples.py`` prints what is stale and returns 1 when something is;
``python tests/make_examples.py --write`` writes the files and the text anew.
The streams are on the synthetic model and change only with it or with the format.
"""

from __future__ import annotations

import difflib
import hashlib
import re
import sys
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, replace
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import spec_tables

from sdc.codec.decoder import decode
from sdc.codec.encoder import assemble
from sdc.coding.passes import GroupCoder, sites_of
from sdc.coding.rans import Encoder
from sdc.coding.symbols import tables_of, write_symbols
from sdc.format.build import build
from sdc.format.chunks import CRC_SIZE, MAGIC, NAMES, OBJS, PROV, Chunk
from sdc.format.fields import Payload, decode_varint, read_payload, split_bits
from sdc.format.grps import WITHDRAWN, Group
from sdc.format.head import Head
from sdc.format.objs import objects_payload
from sdc.format.objs_rows import Bounds
from sdc.format.parse import parse
from sdc.format.stream import Stream
from sdc.networks.registry import load_model
from sdc.objects.object import Object
from sdc.testing.synthetic import Generator
from sdc.types import LEVELS, Level

SPEC = Path(__file__).resolve().parents[1] / "spec"
FOLDER = SPEC / "examples"
TEXT = SPEC / "examples.md"
BLOCK = re.compile(
    r"(<!-- (?P<kind>example|worked): (?P<name>[^>]+?) -->\n).*?(<!-- /(?P=kind) -->\n)", re.DOTALL
)

SMALL = (0, 0, 0, 1, -1, 0, 0, 2, 0, -1, 0, 0)
"""Residuals are drawn from these."""

FILL = (128, 128, 128)
"""Colour of pixels that are not decoded, as in the conformance protocol."""

# --- making the streams ---------------------------------------------------------------------------

Draw = Callable[[int], int]
"""A residual for a scale index above 0."""


def code(coder: GroupCoder, draw: Draw) -> tuple[bytes, int]:
    """Code a group whose residuals are drawn one after the other.

    Returns:
        ``(payload, number of residuals coded)``.
    """
    model, q = coder.model, coder.quality
    tables, encoder = tables_of(model), Encoder()

    def put(indices: Any) -> Any:
        values = np.array([draw(t) if t else 0 for t in indices.reshape(-1).tolist()], np.int64)
        write_symbols(encoder, indices.reshape(-1), values, tables)
        return values.reshape(indices.shape)

    blocks = coder.blocks[0]
    index = np.tile(model.hyper_index[q], (blocks, 1))
    coded = int(np.count_nonzero(index))
    hyper = put(index)
    latents = np.zeros((len(coder.sites), model.latents), np.int16)
    for k, cells, t, mean in coder.coding_passes(coder.hyper_values(hyper), latents):
        coder.put_latents(k, cells, put(t), mean, latents)
        coded += int(np.count_nonzero(t))
    return encoder.finish(), coded


def drawing(seed: int) -> Draw:
    """Small residuals of a seeded generator."""
    g = Generator(seed)
    return lambda t: SMALL[g.draw(0, len(SMALL) - 1)]


def escaping(seed: int, at: int) -> Draw:
    """The same, but residual number ``at`` is an escape, two beyond the reach of its table."""
    small, count = drawing(seed), iter(range(1 << 20))
    reach = load_model(0).reach
    return lambda t: -int(reach[t]) - 2 if next(count) == at else small(t)


def one_pixel(make: Callable[[], Draw], least: int) -> bytes:
    """A picture of one pixel at the quality that codes the fewest residuals, but at least ``least``."""
    model = load_model(0)
    labels = np.ones((1, 1), np.uint8)
    best: tuple[int, int, int, bytes] | None = None
    for q in range(64):
        groups = [Group(0, Level.OTHER, q)]
        payload, coded = code(GroupCoder(sites_of(labels, [g.quality for g in groups], [0]), model), make())
        if coded >= least and (best is None or (coded, len(payload), q) < best[:3]):
            best = (coded, len(payload), q, payload)
    assert best is not None
    return assemble(Head(1, 1, 0, model.weights), [Group(0, Level.OTHER, best[2])], [best[3]], labels)


def minimal() -> bytes:
    """As little as a stream can hold."""
    return one_pixel(lambda: lambda t: 0, 0)


def pixel() -> bytes:
    """One pixel whose latents are worth decoding by hand."""
    return one_pixel(lambda: escaping(1, 5), 8)


LABELS = np.array([[1, 1, 3], [2, 3, 0]], np.uint8)
SIZE = (48, 32)
QUALITIES = (40, 24, 9)


def objects() -> list[Object]:
    """Two objects, the second with a pixel mask."""
    mask = np.array([[0, 1, 1, 0], [1, 1, 1, 1], [0, 1, 1, 0]], bool)
    return [
        Object("cat", (2, 1, 28, 14), "L1", 0.9, "looks at us", 0, None, 0),
        Object("ball", (4, 20, 4, 3), "L2", 0.6, "", 1, mask, 1),
    ]


def groups() -> bytes:
    """Three groups and a cell of none."""
    model = load_model(0)
    listed = [
        Group(k, level, q)
        for k, (level, q) in enumerate(zip((Level.L1, Level.L2, Level.OTHER), QUALITIES, strict=True))
    ]
    payloads = [
        code(
            GroupCoder(sites_of(LABELS, [g.quality for g in listed], [g.index]), model),
            drawing(g.index),
        )[0]
        for g in listed
    ]
    after = [Chunk(OBJS, objects_payload(objects(), Bounds(*SIZE, 3), pixel_masks=True))]
    return assemble(Head(*SIZE, 0, model.weights), listed, payloads, LABELS, after=after)


def withdrawn() -> bytes:
    """``groups`` after an editor withdrew group 1, with a private chunk that it did not know and kept."""
    stream = parse(groups())
    kept = tuple(
        replace(g, state=WITHDRAWN, size=0, payload=None) if g.index == 1 else g for g in stream.groups
    )
    left = [o for o in objects() if o.group != 1]
    described = Chunk(OBJS, objects_payload(left, Bounds(*SIZE, 3)))
    return build(replace(stream, groups=kept, before=(Chunk(0xE1, b"hello"),), after=(described,)))


def truncated() -> bytes:
    """``groups`` cut off within the data of group 1."""
    data = groups()
    group = parse(data).groups[1]
    return data[: group.offset + group.size // 2]


def provenance() -> bytes:
    """``minimal`` with how its objects were found, and a second such chunk that nobody reads."""
    told = '{"grounding": {"provider": "salient"}, "captions": {"short": "Ein Fleck \u00b7 a spot"}}'
    after = (Chunk(PROV, told.encode()), Chunk(PROV, b'{"n": 1e999}'))
    return build(replace(parse(minimal()), after=after))


EXAMPLES: dict[str, Callable[[], bytes]] = {
    "minimal": minimal,
    "pixel": pixel,
    "groups": groups,
    "withdrawn": withdrawn,
    "truncated": truncated,
    "provenance": provenance,
}


# --- annotation -----------------------------------------------------------------------------------


@dataclass(frozen=True)
class Row:
    """Some bytes of a file and what they are."""

    offset: int
    data: bytes
    field: str
    value: str
    id: str


def type_words(kind: int) -> str:
    """A chunk type in words."""
    words = ["ancillary" if kind & 128 else "critical"]
    words += ["safe to copy"] * bool(kind & 64) + ["private"] * bool(kind & 32)
    return f"{NAMES.get(kind, 'not known')}: {', '.join(words)}, number {kind & 31}"


def state_size(data: bytes) -> int:
    """Bytes of the first state of a coded payload (RANS-01)."""
    return min(len(data), 4 - (len(data) & 1))


def coded_rows(offset: int, data: bytes, field: str, id_: str) -> Iterator[Row]:
    """Rows of a coded payload: the first state and the words."""
    if not data:
        return
    size = state_size(data)
    state = int.from_bytes(data[:size], "little")
    yield Row(offset, data[:size], field, f"first state {state}", f"{id_}, RANS-01")
    if data[size:]:
        words = [str(int.from_bytes(data[k : k + 2], "little")) for k in range(size, len(data) - 1, 2)]
        yield Row(offset + size, data[size:], field, "words " + ", ".join(words), f"{id_}, RANS-01")


def field_rows(found: Payload, data: bytes) -> Iterator[Row]:
    """Rows of the fields of a head or a payload.

    Args:
        data: the file.
    """
    for field in found.fields:
        owner, name = field.name.split(".")
        if not field.size:
            continue
        own = data[field.offset : field.offset + field.size]
        value = str(field.value)
        if field.path in ("HEAD.map", "OBJS.coded"):
            yield from coded_rows(field.offset, own, field.path, field.id)
            continue
        if name == "level_quality":
            parts = split_bits(owner, name, field.value)
            value = f"level {parts['level']} ({LEVELS[parts['level']]}), quality {parts['quality']}"
        elif name == "size" and not field.value:
            value = "0: withdrawn"
        elif name == "version":
            value = f"{field.value >> 4}.{field.value & 15}"
        elif name == "weights":
            value = "start of the SHA-256 of the model file"
        elif name == "layout":
            parts = split_bits(owner, name, field.value)
            value = ", ".join(f"{part} {number}" for part, number in parts.items())
        elif name == "masks":
            value = "label maps of the objects that have a mask"
        elif isinstance(field.value, str):
            value = f'"{field.value}"'
        yield Row(field.offset, own, field.path, value, field.id)


def crc_row(data: bytes, at: int, field: str, id_: str, more: str = "") -> Row:
    """Row of a CRC."""
    crc = data[at : at + CRC_SIZE]
    return Row(at, crc, field, f"0x{int.from_bytes(crc, 'little'):08X}{more}", id_)


def header_rows(data: bytes) -> tuple[list[Row], int]:
    """Rows of magic number and header, and the first byte behind them."""
    at = len(MAGIC)
    length, start = decode_varint(data, at)
    crc = start + length
    rows = [Row(0, data[:at], "magic", '"\\xD3SDC"', "FILE-01")]
    rows.append(Row(at, data[at:start], "length", f"{length}: bytes of the head", "HEAD-07"))
    rows += field_rows(read_payload("HEAD", data[start:crc], start), data)
    return [*rows, crc_row(data, crc, "crc", "HEAD-09")], crc + CRC_SIZE


def group_rows(data: bytes, stream: Stream, group: Group) -> Iterator[Row]:
    """Rows of the data of a group, as far as it is there."""
    at, end = group.offset, group.offset + group.size
    field = f"groups[{group.index}]"
    if end > len(data):
        words = f"cut off: {len(data) - at} of {group.size} bytes of the group"
        if at < len(data):
            yield Row(at, data[at:], field, words, "STAT-03")
        return
    yield from coded_rows(at, data[at : end - CRC_SIZE], f"{field}.stream", "LATN-03")
    seed = f", seed {stream.seed(group).hex(' ').upper()}"
    yield crc_row(data, end - CRC_SIZE, f"{field}.crc", "LATN-04", seed)


def chunk_rows(data: bytes, chunk: Chunk) -> Iterator[Row]:
    """Rows of a chunk."""
    at, start = chunk.offset, chunk.payload_offset
    crc = start + len(chunk.payload)
    yield Row(at, data[at : at + 1], "type", type_words(chunk.type), "CHNK-01")
    yield Row(at + 1, data[at + 1 : start], "length", str(len(chunk.payload)), "CHNK-02")
    if chunk.type == OBJS:
        yield from field_rows(read_payload(NAMES[chunk.type], chunk.payload, start), data)
    elif chunk.type == PROV:
        yield Row(start, chunk.payload, "PROV.text", chunk.payload.decode(), "PROV-01")
    elif chunk.payload:
        yield Row(start, chunk.payload, "payload", "kept as it is", "CHNK-09")
    yield crc_row(data, crc, "crc", "CHNK-04")


def rows_of(data: bytes) -> list[Row]:
    """Rows of a whole file, also of one that is cut off within a group."""
    stream = parse(data)
    rows, at = header_rows(data)
    assert at == stream.groups[0].offset - sum(chunk.size for chunk in stream.before)
    for chunk in stream.before:
        rows += chunk_rows(data, chunk)
    for group in stream.groups:
        if group.size:
            rows += group_rows(data, stream, group)
    for chunk in stream.after:
        rows += chunk_rows(data, chunk)
    assert b"".join(row.data for row in rows) == data
    return rows


def table(header: Iterable[str], lines: Iterable[Iterable[str]]) -> str:
    """A Markdown table."""
    header = list(header)
    return "".join("| " + " | ".join(line) + " |\n" for line in [header, ["---"] * len(header), *lines])


def bytes_cell(data: bytes) -> str:
    """Bytes in hexadecimal, at most 12 to a line."""
    return "<br>".join(f"`{data[k : k + 12].hex(' ').upper()}`" for k in range(0, len(data), 12))


def annotation(rows: Iterable[Row]) -> str:
    """Table of rows."""
    return table(
        ["Offset", "Bytes", "Field", "Value", "Id"],
        (
            [str(r.offset), bytes_cell(r.data), f"`{r.field}`", r.value.replace("|", "\\|"), r.id]
            for r in rows
        ),
    )


def states(stream: Stream) -> str:
    """States of the groups in words."""
    return ", ".join(f"{g.index} {g.state}" for g in stream.groups)


def facts(name: str, data: bytes) -> str:
    """What the text says of a file before its table."""
    done = decode(data, fill=FILL)
    stream, head = done.stream, done.stream.head
    lines = [
        ["file", f"[`examples/{name}.sdc`](examples/{name}.sdc), {len(data)} bytes"],
        ["SHA-256 of the file", f"`{hashlib.sha256(data).hexdigest()}`"],
        ["picture", f"{head.width} x {head.height} pixels, {head.cols} x {head.rows} cells"],
        ["state", stream.state],
        ["groups", states(stream)],
        ["decoded pixels", f"{int(done.covered.sum())} of {done.covered.size}"],
        ["SHA-256 of the samples", f"`{pixels_sha256(data)}`"],
    ]
    return table(["Property", "Value"], lines)


def pixels_sha256(data: bytes) -> str:
    """SHA-256 of the samples R, G, B in raster order, :data:`FILL` where nothing is decoded."""
    return hashlib.sha256(decode(data, fill=FILL).pixels.tobytes()).hexdigest()


# --- decoding by hand -----------------------------------------------------------------------------


class Hand:
    """The rANS decoder of section 9, written once more from the text, that notes its steps."""

    def __init__(self, data: bytes):
        self.data, self.next = data, state_size(data)
        self.x = int.from_bytes(data[: self.next], "little")
        self.lines: list[list[str]] = []

    def step(self, what: str, start: int, freq: int, outcome: str) -> None:
        """Take an interval and note it."""
        before, slot = self.x, self.x & 32767
        self.x = freq * (before >> 15) + slot - start
        sum_, word = self.x, ""
        if self.x < 65536 and self.next < len(self.data):
            word = str(int.from_bytes(self.data[self.next : self.next + 2], "little"))
            self.x, self.next = (self.x << 16) + int(word), self.next + 2
        self.lines.append(
            [
                str(len(self.lines) + 1),
                what,
                str(before),
                str(slot),
                f"{start} .. {start + freq - 1}",
                outcome,
                f"{freq} * {before >> 15} + {slot} - {start} = {sum_}",
                word and f"{word}: {self.x}",
            ]
        )

    def finish(self) -> str:
        """The check at the end, in words."""
        assert self.x == 0 and self.next == len(self.data)
        return (
            f"After step {len(self.lines)} the state is {self.x} and all {len(self.data)} bytes are used, "
            "as RANS-07 asks.\n"
        )

    def raw(self, n: int, what: str) -> int:
        """``raw(n)`` of RANS-06."""
        v = (self.x & 32767) >> (15 - n)
        self.step(f"{what}: `raw({n})`", v << (15 - n), 1 << (15 - n), str(v))
        return v

    def table(self, first: str, last: str) -> str:
        """Steps so far."""
        header = ["Step", first, "State", "Slot", "Interval", last, "`advance`", "Word: new state"]
        return table(header, self.lines)


def worked_map() -> str:
    """The group map of ``groups`` decoded step by step, as section 7.1 says."""
    stream = parse(groups())
    rows, cols, count = stream.head.rows, stream.head.cols, len(stream.groups)
    hand = Hand(stream.map)
    begin = hand.x
    adaptive: dict[tuple[str, int], tuple[int, int]] = {}

    def bit(name: str, k: int, what: str, meaning: str) -> int:
        p, n = adaptive.get((name, k), (starts[name][k], 12))
        b = int((hand.x & 32767) < p)
        start, freq = (0, p) if b else (p, 32768 - p)
        hand.step(f"{what}: `{name}[{k}]`, p = {p}, n = {n}", start, freq, f"{b}: {meaning if b else 'no'}")
        p += ((b << 15) - p) * (655360 // (10 * n + 16)) >> 16
        adaptive[name, k] = min(max(p, 64), 32704), min(n + 1, 62)
        return b

    starts = spec_tables.map_starts()
    grid = [[0] * cols for _ in range(rows)]

    def label(y: int, x: int) -> int:
        west = grid[y][x - 1] if x else (grid[y - 1][0] if y else count)
        if y:
            n = grid[y - 1][x]
            nw = grid[y - 1][x - 1] if x else n
            ne = grid[y - 1][x + 1] if x + 1 < cols else n
        else:
            n = nw = ne = west
        if west == n == ne == nw:
            ww = grid[y][x - 2] if x > 1 else west
            nn = grid[y - 2][x] if y > 1 else n
            nee = grid[y - 1][x + 2] if y and x + 2 < cols else ne
            pattern, context = 15, 16 + (ww == west) + 2 * (nn == n) + 4 * (nee == ne)
        else:
            pattern = context = (west == n) + 2 * (west == nw) + 4 * (n == nw) + 8 * (n == ne)
        cell = f"cell ({y}, {x}), W = {west}, N = {n}, NE = {ne}, NW = {nw}"
        if bit("first", context, cell, f"label {west}"):
            return west
        seen = [west]
        for candidate in (n, ne, nw):
            if candidate in seen:
                continue
            name, k = ("second", pattern) if len(seen) == 1 else ("later", len(seen) - 2)
            if bit(name, k, f"is it {candidate}?", f"label {candidate}"):
                return candidate
            seen.append(candidate)
        rest = [k for k in range(count + 1) if k not in seen]
        v = (((hand.x & 32767) + 1) * len(rest) - 1) >> 15
        start = (v << 15) // len(rest)
        hand.step(
            f"one of {', '.join(map(str, rest))}: `even({len(rest)})`",
            start,
            ((v + 1 << 15) // len(rest)) - start,
            f"{v}: label {rest[v]}",
        )
        return rest[v]

    for y in range(rows):
        for x in range(cols):
            grid[y][x] = label(y, x)
    assert grid == stream.labels.tolist()
    shown = "\n".join(" ".join(map(str, row)) for row in grid)
    return (
        f"The map is `{stream.map.hex(' ').upper()}`, so the first state is {begin}.\n\n"
        + hand.table("Question", "Answer")
        + "\n"
        + hand.finish()
        + f"The map is\n\n```text\n{shown}\n```\n"
    )


def worked_latents() -> str:
    """The latents of ``pixel`` decoded step by step, as sections 9.3 and 11 say."""
    stream = parse(pixel())
    group = stream.groups[0]
    assert group.payload is not None
    model, q = load_model(0), group.quality
    hand = Hand(group.payload)
    begin = hand.x

    def residual(t: int, what: str) -> int:
        if not t:
            return 0
        freqs, reach = model.frequencies[t].tolist(), int(model.reach[t])
        slot, s = hand.x & 32767, 0
        while slot >= sum(freqs[: s + 1]):
            s += 1
        meaning = f"symbol {s}: " + ("escape" if s > 2 * reach else f"r = {s - reach}")
        hand.step(f"{what}, t = {t}, R = {reach}", sum(freqs[:s]), freqs[s], meaning)
        if s <= 2 * reach:
            return s - reach
        negative, n = hand.raw(1, "sign"), 0
        while hand.raw(1, "prefix"):
            n += 1
        size = reach + 1 + (1 << n) - 1 + hand.raw(n, "suffix")
        value = -size if negative else size
        hand.lines[-1][5] += f": r = {value}"
        return value

    coder = GroupCoder(sites_of(stream.labels, [g.quality for g in stream.groups], [0]), model)
    hyper = [residual(t, f"hyper value {k}") for k, t in enumerate(model.hyper_index[q].tolist())]
    values = coder.hyper_values(np.array([hyper]))
    latents = np.zeros((1, model.latents), np.int16)
    lines: dict[int, list[str]] = {}
    for k, cells, t, mean in coder.coding_passes(values, latents):
        _, a, b = model.passes[k]
        found = [residual(i, f"pass {k}, channel {a + c}") for c, i in enumerate(t[0].tolist())]
        coder.put_latents(k, cells, np.array([found]), mean, latents)
        for c in range(b - a):
            m, d = int(mean[0, c]), int(latents[0, a + c])
            v = min(max((found[c] << 4) + m, -65536), 65535)
            numbers = (a + c, k, t[0, c], m, found[c], v, model.step[q, a + c], d)
            lines[a + c] = [str(n) for n in numbers]
    rgb = decode(pixel()).pixels[0, 0].tolist()
    return (
        f"The quality is {q} and the payload `{group.payload.hex(' ').upper()}`, "
        f"so the first state is {begin}.\n"
        f"The scale indices of the {model.hyper} hyper values are {listed(model.hyper_index[q])}.\n\n"
        + hand.table("Symbol", "Meaning")
        + "\n"
        + hand.finish()
        + f"The hyper residuals {listed(hyper)} give the hyper values {listed(values[0])} (PASS-03), "
        "and the latents follow (PASS-06 to PASS-08):\n\n"
        + table(["Channel", "Pass", "t", "m", "r", "v", "Step", "Latent"], [lines[c] for c in sorted(lines)])
        + f"\nThe synthesis turns them into a cell, of which the one pixel of the picture is {listed(rgb)}.\n"
    )


def listed(values: Any) -> str:
    """Numbers of a sequence, with commas."""
    return ", ".join(str(int(v)) for v in values)


# --- the text -------------------------------------------------------------------------------------

WORKED: dict[str, Callable[[], str]] = {"map": worked_map, "latents": worked_latents}


@cache
def example(name: str) -> bytes:
    """Bytes of an example."""
    return EXAMPLES[name]()


def quality_words(data: bytes) -> str:
    """Remark on how much a stream of one group codes."""
    group = parse(data).groups[0]
    if group.payload:
        return f"Every quality codes some residuals here; quality {group.quality} codes the fewest.\n\n"
    return f"At quality {group.quality} no residual is coded, so the payload of the group is empty.\n\n"


def render(text: str) -> str:
    """The text with all that is generated made anew."""

    def block(match: re.Match[str]) -> str:
        name = match["name"]
        if match["kind"] == "worked":
            body = WORKED[name]()
        else:
            data = example(name)
            body = quality_words(data) if name == "minimal" else ""
            body += facts(name, data) + "\n" + annotation(rows_of(data))
        return match[1] + "\n" + body + "\n" + match[4]

    return BLOCK.sub(block, text)


def stale() -> str:
    """What is not up to date, as a diff and names of files; empty when all is."""
    old = TEXT.read_text("utf-8")
    new = render(old)
    lines = list(
        difflib.unified_diff(old.splitlines(True), new.splitlines(True), "spec/examples.md", "generated")
    )
    for name in EXAMPLES:
        path = FOLDER / f"{name}.sdc"
        if not path.is_file() or path.read_bytes() != example(name):
            lines.append(f"spec/examples/{name}.sdc is not what it should be\n")
    return "".join(lines)


def write() -> None:
    """Write the files and bring the text up to date."""
    FOLDER.mkdir(exist_ok=True)
    for name in EXAMPLES:
        (FOLDER / f"{name}.sdc").write_bytes(example(name))
    TEXT.write_text(render(TEXT.read_text("utf-8")), "utf-8")


if __name__ == "__main__":
    sys.exit(spec_tables.main(sys.argv[1:], write, stale))
