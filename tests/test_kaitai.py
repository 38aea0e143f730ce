"""The Kaitai Struct grammar ``spec/sdc.ksy`` says what the field table says and reads what this package does.

The grammar is compiled to JavaScript and run under node, since the compiler is an npm package anyway.
The packages are installed once, into ``build/kaitai``.  Without node, npm or a registry the tests are
skipped, unless the environment variable ``SDC_REQUIRE_KAITAI`` is set.
"""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import tempfile
import zlib
from collections.abc import Callable
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any, NoReturn

import numpy as np
import pytest

from sdc.codec.encoder import assemble
from sdc.errors import SdcError, spec_data
from sdc.format.build import build
from sdc.format.chunks import COLR, CRC_SIZE, ICCP, MAGIC, NAMES, OBJS, PROV, Chunk, with_crc
from sdc.format.deflated import DEFLATED, deflated_payload
from sdc.format.fields import decode_varint, encode_varint, read_payload
from sdc.format.grps import COMPLETE, TRUNCATED, WITHDRAWN, Group
from sdc.format.head import Head as HeadOf
from sdc.format.objs import objects_payload, read_objects
from sdc.format.objs_rows import Bounds
from sdc.format.parse import parse, read
from sdc.format.report import info
from sdc.format.stream import Outline, Stream
from sdc.objects.object import Object
from sdc.testing.streams import random_stream
from sdc.types import LEVELS

ROOT = Path(__file__).resolve().parents[1]
GRAMMAR = ROOT / "spec" / "sdc.ksy"
CACHE = ROOT / "build" / "kaitai"
PACKAGES = {"kaitai-struct-compiler": "0.11.0", "kaitai-struct": "0.11.0", "js-yaml": "4.1.0"}
TYPES = {"GROUP": "group", "LABEL": "label", "REASON": "reason"}
"""Types of the grammar by structure of the field table, where they are not the name in small letters."""

DRIVER = r"""
// node driver.js sdc.ksy files.json: compiles the grammar, reads the files, prints what was read as JSON.
const fs = require('fs'), Module = require('module'), yaml = require('js-yaml');
const compiler = require('kaitai-struct-compiler'), KaitaiStream = require('kaitai-struct/KaitaiStream');

const snake = name => name.replace(/([A-Z])/g, (_, c) => '_' + c.toLowerCase()).replace(/^_/, '');
const plain = v => v instanceof Uint8Array ? Buffer.from(v).toString('hex') : v;

function fields(object, base, out) {
  const owner = snake(object.constructor.name);
  for (const [name, at] of Object.entries(object._debug)) {
    if (name.startsWith('_') || name === 'excess') continue;
    const value = object[name];
    if (Array.isArray(value)) {
      value.forEach((item, k) => { if (item) fields(item, base, out); });
    } else if (value && value._debug && value.constructor.name !== 'Varint') {
      fields(value, base + at.start, out);
    } else if (at.end !== undefined) {
      const v = value && value._debug ? value.value : plain(value);
      out.push([owner + '.' + snake(name), base + at.start, at.end - at.start, v]);
    }
  }
  return out;
}

// The field whose rule was broken, as "owner.field"; objects are read up to there.
function blame(object) {
  for (const [name, at] of Object.entries(object._debug || {})) {
    if (at.validationError) return snake(object.constructor.name) + '.' + snake(name);
    const items = Array.isArray(object[name]) ? object[name] : [object[name]];
    for (const item of items) {
      const found = item && item._debug ? blame(item) : '';
      if (found) return found;
    }
  }
  return '';
}

function properties(object, names) {
  const out = {};
  for (const name of names) {
    try {
      const v = object[name];
      out[name] = v && v._debug ? v.value === undefined ? v.type : v.value : plain(v);
    } catch (error) {
      out[name] = {error: error.constructor.name};
    }
  }
  return out;
}

function read(Sdc, file) {
  const data = new Uint8Array(fs.readFileSync(file));
  const root = new Sdc(new KaitaiStream(data.buffer));
  const out = {error: null};
  try {
    root._read();
    root.preamble;
    root.chunks;
  } catch (error) { out.error = [error.name, error.message, blame(root)]; }
  const before = root._m_preamble, chunks = (before && before.chunks || []).concat(root._m_chunks || []);
  out.fields = fields(root, 0, []);
  if (before) fields(before, root.endOfHeader, out.fields);
  for (const c of root._m_chunks || []) fields(c, 0, out.fields);
  for (const g of root.head && root.head.groups || [])
    try { if (g.data) fields(g.data, Number(g.offset), out.fields); } catch (error) { }
  out.chunks = chunks.map(c =>
    properties(c, ['type', 'kind', 'isAncillary', 'isSafeToCopy', 'isPrivate', 'number', 'size', 'crc']));
  try {
    out.file = properties(root, ['endOfHeader', 'firstGroup']);
    out.head = properties(root.head, ['rows', 'cols']);
    out.groups = root.head.groups.map(g => Object.assign(
      properties(g, ['index', 'level', 'quality', 'size', 'isWithdrawn', 'offset', 'past']),
      {data: dataOf(g)}));
  } catch (error) { out.groups = null; }
  return out;
}

function dataOf(group) {
  try {
    const data = group.data;
    return data === undefined ? null : {crc: data.crc, payload: plain(data.stream)};
  } catch (error) { return {error: error.constructor.name}; }
}

async function main() {
  const grammar = yaml.load(fs.readFileSync(process.argv[2], 'utf8'));
  const generated = await compiler.compile('javascript', grammar, null, true);
  for (const language of ['cpp_stl', 'csharp', 'go', 'java', 'python', 'ruby', 'rust'])
    await compiler.compile(language, grammar, null, false);
  const module_ = new Module('sdc');
  module_.paths = module.paths;
  module_._compile(Object.values(generated)[0], __dirname + '/Sdc.js');
  const Sdc = module_.exports.Sdc;
  const files = JSON.parse(fs.readFileSync(process.argv[3], 'utf8'));
  process.stdout.write(JSON.stringify({grammar, files: files.map(f => read(Sdc, f))}));
}
main().catch(error => { console.error(error.stack || String(error)); process.exit(1); });
"""


def _absent(reason: str) -> NoReturn:
    """Skip the tests, or fail where they are required."""
    reason = f"spec/sdc.ksy is not compiled: {reason}"
    if os.environ.get("SDC_REQUIRE_KAITAI"):
        pytest.fail(reason)
    pytest.skip(reason)


def _install() -> Path:
    """Folder with the npm packages, installed when it is missing or of other versions."""
    wanted = json.dumps({"private": True, "dependencies": PACKAGES}, indent=1)
    done = CACHE / "installed.json"
    if done.is_file() and done.read_text("utf-8") == wanted:
        return CACHE
    npm = shutil.which("npm")
    if npm is None:
        _absent("npm is not on this machine")
    CACHE.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix="kaitai-", dir=CACHE.parent) as made:
        folder = Path(made) / "kaitai"
        folder.mkdir()
        (folder / "package.json").write_text(wanted, "utf-8")
        command = [npm, "install", "--no-audit", "--no-fund", "--ignore-scripts", "--loglevel=error"]
        try:
            ran = subprocess.run(command, cwd=folder, capture_output=True, text=True, timeout=180)
        except subprocess.TimeoutExpired:
            _absent("npm could not install the compiler within 180 s")
        if ran.returncode:
            _absent("npm could not install the compiler: " + " ".join(ran.stderr.split())[:300])
        (folder / "installed.json").write_text(wanted, "utf-8")
        shutil.rmtree(CACHE, ignore_errors=True)
        folder.rename(CACHE)
    return CACHE


def kaitai(streams: list[bytes]) -> dict[str, Any]:
    """What the compiled grammar reads from some files."""
    node = shutil.which("node")
    if node is None:
        _absent("node is not on this machine")
    cache = _install()
    with tempfile.TemporaryDirectory(prefix="files-", dir=cache) as made:
        folder = Path(made)
        paths = [folder / f"{k}.sdc" for k in range(len(streams))]
        for path, data in zip(paths, streams, strict=True):
            path.write_bytes(data)
        (folder / "driver.js").write_text(DRIVER, "utf-8")
        (folder / "files.json").write_text(json.dumps([str(p) for p in paths]), "utf-8")
        command = [node, str(folder / "driver.js"), str(GRAMMAR), str(folder / "files.json")]
        ran = subprocess.run(command, capture_output=True, text=True, encoding="utf-8", timeout=120)
    assert ran.returncode == 0, ran.stderr
    result: dict[str, Any] = json.loads(ran.stdout)
    return result


# --- streams --------------------------------------------------------------------------------------


def opaque_stream(count: int, width: int, height: int, *, rng_seed: int = 1) -> bytes:
    """A stream of ``count`` groups whose latent payloads are random bytes: only its structure is right."""
    rng = np.random.default_rng(rng_seed)
    head = HeadOf(width, height, 300, rng.bytes(4))
    cells = np.arange(head.rows * head.cols)
    labels = (
        np.where(cells < count, cells + 1, cells % (count + 1)).astype(np.uint8).reshape(head.rows, head.cols)
    )
    groups = [Group(k, LEVELS[min(3, 4 * k // count)], int(rng.integers(64))) for k in range(count)]
    payloads = [rng.bytes(int(rng.choice([0, 4, 127, 128, 300]))) for _ in groups]
    return assemble(head, groups, payloads, labels)


def withdrawn_stream() -> bytes:
    """A stream with withdrawn groups in front, in the middle and at the end."""
    stream = parse(opaque_stream(7, 200, 40))
    groups = tuple(
        replace(g, state=WITHDRAWN, payload=None, size=0) if g.index in (0, 3, 6) else g
        for g in stream.groups
    )
    return build(replace(stream, groups=groups))


CONTENT = bytes(range(200))


def objects_stream() -> bytes:
    """A stream whose OBJS stands in front of the groups, with pixel masks, long texts and other scripts."""
    stream = parse(opaque_stream(3, 160, 96))
    mask = np.zeros((20, 30), bool)
    mask[3:15, 4:25] = True
    objects = [
        Object("Straßenbahn 電車", (5, 6, 30, 20), "L1", 0.97, "", 0, mask, 0),
        Object("", (0, 0, 160, 96), "L2", 1.0, "r" * 300, 3, None, 1),
        Object("x" * 255, (159, 95, 1, 1), 3, 0.0, "far away", 4094, None, 2),
    ]
    chunk = Chunk(OBJS, objects_payload(objects, Bounds(160, 96, len(stream.groups)), pixel_masks=True))
    told = Chunk(PROV, b'{"for": "a test"}')
    about = (Chunk(COLR, bytes([2, 2])), *(Chunk(kind, deflated_payload(kind, CONTENT)) for kind in DEFLATED))
    return build(replace(stream, before=(*about, chunk), after=(told, Chunk(0xFF, b""))))


def unknown_stream() -> bytes:
    """A stream with unknown ancillary chunks of all kinds of type bits, one with a payload of 20000 bytes."""
    stream = parse(opaque_stream(1, 17, 16))
    before = tuple(Chunk(t, bytes([t]) * n) for t, n in ((0x80, 0), (0x9F, 1), (0xA0, 127), (0xBF, 128)))
    after = tuple(
        Chunk(t, bytes([t]) * n) for t, n in ((0xC0, 5), (0xDF, 20000), (0xE0, 2), (0xFF, 3), (0xFF, 3))
    )
    return build(replace(stream, before=before, after=after))


def damaged_stream() -> bytes:
    """``objects`` with a wrong length of ICCP: groups are found all the same, by their places."""
    data = bytearray(objects_stream())
    at = data.index(deflated_payload(ICCP, CONTENT)) - 2
    assert data[at - 1] == ICCP
    data[at] ^= 0x40
    return bytes(data)


def largest_head() -> bytes:
    """A stream with the largest numbers that the reader here takes by default in its head."""
    head = HeadOf(65536, 4096, 2**32 - 1, b"\x00\xff\x80\x7f", 0, 0xFF)
    group = Group(0, LEVELS[3], 63, state=COMPLETE, payload=b"")
    return build(Outline(head, (group,)))


STREAMS: dict[str, Callable[[], bytes]] = {
    "one group": partial(opaque_stream, 1, 1, 1),
    "one group, holes": partial(opaque_stream, 1, 33, 40),
    "four groups": partial(opaque_stream, 4, 100, 60),
    "255 groups": partial(opaque_stream, 255, 256, 256),
    "withdrawn": withdrawn_stream,
    "objects": objects_stream,
    "unknown chunks": unknown_stream,
    "largest head": largest_head,
    "damaged": damaged_stream,
    **{f"random {k}": partial(lambda k: random_stream(k, extras=bool(k % 2)).data, k) for k in range(4)},
    **{f"example {p.stem}": p.read_bytes for p in sorted((ROOT / "spec" / "examples").glob("*.sdc"))},
}
"""Streams that :func:`sdc.format.parse.parse` takes, the examples among them; some are partial."""


def _headed(start: bytes, rest: bytes = bytes(4) + b"\x10\1\0\0\4") -> bytes:
    """A stream of one empty group whose head begins with other numbers, with a right CRC."""
    head = start + rest
    return MAGIC + with_crc(encode_varint(len(head)) + head) + bytes(4)


def _grouped(rest: bytes) -> bytes:
    """A stream of a pixel whose head goes on like this behind the version."""
    return _headed(b"\1\1\0\0", bytes(4) + b"\x10" + rest)


REFUSED: dict[str, tuple[Callable[[], bytes], str]] = {
    "magic": (lambda: b"\xd3SDD" + opaque_stream(1, 1, 1)[4:], "sdc.magic"),
    "length of two bytes for 1": (lambda: MAGIC + b"\x81\0" + bytes(20), "varint.b1"),
    "width 0": (lambda: _headed(b"\0\1\0\0"), "head.width"),
    "width 65537": (lambda: _headed(b"\x81\x80\x04\1\0\0"), "head.width"),
    "height 0": (lambda: _headed(b"\1\0\0\0"), "head.height"),
    "2^30 + 2^15 pixels": (lambda: _headed(b"\x80\x80\x02\x81\x80\x02\0\0"), "head.height"),
    "varint of two bytes for 1": (lambda: _headed(b"\x81\0\1\0\0"), "varint.b1"),
    "varint of three bytes for 1": (lambda: _headed(b"\x81\x80\0\1\0\0"), "varint.b2"),
    "varint of 2^32": (lambda: _headed(b"\1\1\0\x80\x80\x80\x80\x10"), "varint.b4"),
    "varint of six bytes": (lambda: _headed(b"\1\1\0\xff\xff\xff\xff\x8f\0"), "varint.b4"),
    "no group": (lambda: _grouped(b"\0\0"), "head.count"),
    "group of 1 byte": (lambda: _grouped(b"\1\0\0\1"), "group.size"),
    "group of 3 bytes": (lambda: _grouped(b"\1\0\0\3"), "group.size"),
}
"""Streams that break a rule which the grammar states, with the field that has the rule."""


pytestmark = pytest.mark.slow  # the grammar is compiled first


@pytest.fixture(scope="module")
def result() -> dict[str, Any]:
    """What the grammar reads from the streams above; the files by name."""
    makers = {**STREAMS, **{k: make for k, (make, _) in REFUSED.items()}}
    read = kaitai([make() for make in makers.values()])
    return {"grammar": read["grammar"], "files": dict(zip(makers, read["files"], strict=True))}


# --- the grammar and the field table --------------------------------------------------------------


def kaitai_type(field: dict[str, Any], others: dict[str, str]) -> dict[str, Any]:
    """Keys of the grammar that say a field's type; ``others`` are types of the fields beside it."""
    kind, _, rest = field["type"].partition(":")
    if "const" in field:
        return {"contents": list(bytes.fromhex(field["const"]))}
    if kind == "bytes":
        return {"size": int(rest) if rest.isdigit() else rest + ".value" * (others.get(rest) != "u8")}
    if kind == "text":
        return {"type": "str", "encoding": "UTF-8", "size": f"{rest}.value"}
    if kind == "list":
        item, _, count = rest.partition(":")
        return {"type": TYPES.get(item, item.lower()), "repeat": "expr" if count else "eos"}
    plain: dict[str, dict[str, Any]] = {
        "u8": {"type": "u1"},
        "u32": {"type": "u4"},
        "varint": {"type": "varint"},
        "rest": {"size": f"_io.size - {rest}"} if rest else {"size-eos": True},
    }
    return plain[kind]


@pytest.mark.parametrize("name", sorted(spec_data("fields.json")["structures"]))
def test_grammar_has_the_fields_of_the_table(name: str, result: dict[str, Any]) -> None:
    grammar = result["grammar"]
    owner = grammar if name == "FILE" else grammar["types"][TYPES.get(name, name.lower())]
    rows = [row for row in owner["seq"] if row["id"] != "excess"]
    fields = spec_data("fields.json")["structures"][name]["fields"]
    if name == "FILE":  # what stands behind the header is read on demand, so that damage hides nothing else
        instances = owner["instances"]
        data = grammar["types"]["group"]["instances"]["data"]
        assert data["type"] == "latn" and data["size"] == "size.value"
        preamble = {"id": "preamble", **instances["preamble"], "size": "preamble.value"}
        assert instances["preamble"]["size"] == "head.preamble.value"
        groups = {"id": "groups", "doc": data["doc"], "type": "latn", "repeat": "expr"}
        rows += [preamble, groups, {"id": "chunks", **instances["chunks"]}]
    assert [r["id"] for r in rows] == [f["name"] for f in fields]
    for row, field in zip(rows, fields, strict=True):
        assert row["doc"] == f"[{field['id']}] {field['text']}"
        shown = {k: re.sub(r"\(_index\)$", "", v) if isinstance(v, str) else v for k, v in row.items()}
        if name == "CHUNK" and field["name"] == "payload":
            shown["type"] = None
        assert kaitai_type(field, {f["name"]: f["type"] for f in fields}).items() <= shown.items(), field[
            "name"
        ]
        limits = json.dumps(row.get("valid", {}))
        for bound in ("min", "max"):
            if bound in field and field["type"] == "varint":
                sign = {"min": ">=", "max": "<="}[bound]
                assert f"_.value {sign} {field[bound]}" in limits, field["name"]
        if "forbidden" in field:
            first, last = field["forbidden"]
            assert f"_.value == {first - 1} or _.value >= {last + 1}" in limits, field["name"]
        if field["type"] == "rest" and "error" in field:
            assert f"_.length >= {field['min_size']} and _.length <= {field['max_size']}" in limits
        for part in field.get("bits", ()):
            value = owner["instances"][part["name"]]["value"]
            mask = (1 << part["size"]) - 1
            shift = f" >> {part['low']}" if part["low"] else ""
            rest = f" & {mask}" if part["low"] + part["size"] < 8 else ""
            assert value == f"{field['name']}{shift}{rest}"
        if field["type"] == "u8" and "enum" in row:
            assert set(result["grammar"]["enums"][row["enum"]]) == {str(k) for k in range(field["max"] + 1)}
            assert row["valid"] == {"in-enum": True}
        elif field["type"] == "u8":
            assert row.get("valid", {}).get("min") == field.get("min")
            assert row.get("valid", {}).get("max", 255) == field.get("max", 255)


def test_grammar_knows_the_chunk_types(result: dict[str, Any]) -> None:
    entries = spec_data("registry.json")["chunk_types"]["entries"]
    known = {int(k): v for k, v in result["grammar"]["enums"]["chunk_type"].items()}
    assert known == {e["type"]: e["name"].lower() for e in entries}
    assert list(result["grammar"]["enums"]["level"].values()) == [n.lower() for n in LEVELS]
    cases = result["grammar"]["types"]["chunk"]["seq"][2]["type"]["cases"]
    assert cases == {f"chunk_type::{v}": v for v in known.values()}


def test_names_are_no_keywords_of_target_languages(result: dict[str, Any]) -> None:
    grammar = result["grammar"]
    names = {*grammar["types"]}
    for owner in (grammar, *grammar["types"].values()):
        names |= {row["id"] for row in owner.get("seq", [])} | set(owner.get("instances", {}))
    assert not names & {
        *"private public protected end object default class new null self this var next".split()
    }


def test_ids_of_the_grammar_exist() -> None:
    known = set(
        re.findall(r"^- \[([A-Z]{4}-\d\d)\]", (ROOT / "spec" / "sdc.md").read_text("utf-8"), re.MULTILINE)
    )
    cited = set(re.findall(r"\[([A-Z]{4}-\d\d)\]", GRAMMAR.read_text("utf-8")))
    assert cited and cited <= known


# --- its reading ----------------------------------------------------------------------------------


def expected_fields(data: bytes) -> tuple[Stream, list[list[Any]]]:
    """Every field that this package reads, in file order, as ``[path, offset, size, value]``."""
    found = read(data)
    stream = found.whole()
    described = read_objects(stream)
    assert described.error is None
    rows = [[t.name, t.offset, t.size, t.value] for t in (*found.fields, *described.fields)]
    rows.append(["FILE.magic", 0, 4, data[:4]])
    for g in stream.groups:
        if g.size and g.offset + g.size <= len(data):
            crc = g.offset + g.size - CRC_SIZE
            rows.append(["LATN.stream", g.offset, crc - g.offset, data[g.offset : crc]])
            rows.append(["LATN.crc", crc, CRC_SIZE, int.from_bytes(data[crc : crc + CRC_SIZE], "little")])
    for place in found.places:
        if place.state != COMPLETE:
            continue
        length, start = decode_varint(data, place.offset + 1)
        crc = place.offset + place.size - CRC_SIZE
        assert start + length == crc
        rows.append(["CHUNK.type", place.offset, 1, data[place.offset]])
        rows.append(["CHUNK.length", place.offset + 1, start - place.offset - 1, length])
        rows.append(["CHUNK.crc", crc, CRC_SIZE, int.from_bytes(data[crc : crc + CRC_SIZE], "little")])
        if place.type in (COLR, *DEFLATED):
            own = read_payload(NAMES[place.type], data[start:crc], start).fields
            rows += [[t.name, t.offset, t.size, t.value] for t in own]
        elif place.type != OBJS:
            whole = {PROV: "PROV.text"}.get(place.type, "CHUNK.payload")
            rows.append([whole, start, length, data[start:crc]])
    for row in rows:
        row[3] = row[3].hex() if isinstance(row[3], bytes) else row[3]
    return stream, sorted(rows, key=lambda row: (row[1], row[2]))


def table_path(path: str) -> str:
    """A path of the grammar in the names of the field table."""
    owner, _, name = path.partition(".")
    names = {"sdc": "FILE", **{v: k for k, v in TYPES.items()}}
    return f"{names.get(owner, owner.upper())}.{name}"


@pytest.mark.parametrize("name", list(STREAMS))
def test_fields_agree(name: str, result: dict[str, Any]) -> None:
    data = STREAMS[name]()
    read = result["files"][name]
    stream, expected = expected_fields(data)
    found = [[table_path(p), *rest] for p, *rest in read["fields"]]
    if not stream.errors:
        assert read["error"] is None
        assert sorted(found, key=lambda row: (row[1], row[2])) == expected
    else:  # up to the error, and the groups, which are found by their places
        past = min(error.offset or 0 for error in stream.errors)
        assert past > 0 and (read["error"] or any("error" in (g["data"] or ()) for g in read["groups"]))

        def sure(rows: list[list[Any]]) -> list[list[Any]]:
            return sorted(row for row in rows if row[1] < past or row[0].startswith("LATN."))

        assert sure(found) == sure(expected)


@pytest.mark.parametrize("name", list(STREAMS))
def test_groups_and_chunks_agree(name: str, result: dict[str, Any]) -> None:
    data = STREAMS[name]()
    read = result["files"][name]
    stream = parse(data)
    assert read["head"] == {"rows": stream.head.rows, "cols": stream.head.cols}
    assert read["file"]["firstGroup"] == stream.groups[0].offset
    for group, g in zip(stream.groups, read["groups"], strict=True):
        assert (g["index"], g["level"], g["quality"]) == (group.index, group.level.code, group.quality)
        assert (g["offset"], g["size"], g["past"]) == (group.offset, group.size, group.offset + group.size)
        assert g["isWithdrawn"] == (group.state == WITHDRAWN)
        if group.payload is not None:
            assert bytes.fromhex(g["data"]["payload"]) == group.payload
            assert g["data"]["crc"] == zlib.crc32(stream.seed(group) + group.payload)
        else:
            assert g["data"] is None if group.state == WITHDRAWN else "error" in g["data"]
    for chunk in read["chunks"]:
        kind = chunk["type"]
        bits = [chunk["isAncillary"], chunk["isSafeToCopy"], chunk["isPrivate"], chunk["number"]]
        assert bits == [kind >> 7 == 1, kind >> 6 & 1 == 1, kind >> 5 & 1 == 1, kind & 31]


def ids_of(grammar: dict[str, Any]) -> dict[str, str]:
    """Ids that the grammar cites, by type and field."""
    owners = {"sdc": grammar, **grammar["types"]}
    return {
        f"{name}.{row['id']}": re.findall(r"^\[([A-Z]{4}-\d\d)\]", row.get("doc", ""))[0]
        for name, owner in owners.items()
        for row in owner.get("seq", [])
        if row.get("doc", "").startswith("[")
    }


@pytest.mark.parametrize("name", list(STREAMS))
def test_summary_agrees_with_info(name: str, result: dict[str, Any]) -> None:
    data = STREAMS[name]()
    read = result["files"][name]
    said = json.loads(json.dumps(info(data)))
    values = {p: v for p, _, _, v in reversed(read["fields"])}
    assert said["bytes"] == len(data)
    assert (said["width"], said["height"]) == (values["head.width"], values["head.height"])
    assert (said["model"]["number"], said["model"]["weights"]) == (
        values["head.model"],
        values["head.weights"],
    )
    assert said["version"] == f"{values['head.version'] >> 4}.{values['head.version'] & 15}"
    assert len(said["groups"]) == values["head.count"]
    for ours, g in zip(said["groups"], read["groups"], strict=True):
        assert (ours["index"], ours["level"], ours["quality"]) == (
            g["index"],
            LEVELS[g["level"]],
            g["quality"],
        )
        assert (ours["offset"], ours["bytes"]) == (g["offset"], g["size"])
        assert (ours["state"] == WITHDRAWN) == g["isWithdrawn"]
        assert (ours["state"] == TRUNCATED) == (isinstance(g["data"], dict) and "error" in g["data"])
    if said["file_state"] != "valid":
        return
    for ours, c in zip(said["chunks"], read["chunks"], strict=True):
        assert (ours["hex"], ours["bytes"]) == (f"{c['type']:02x}", c["size"])
        assert ours["type"] == NAMES.get(c["type"])
    opaque = ("head.map", "latn.stream", "prov.text", "chunk.payload")
    payload = (
        *opaque,
        "objs.",
        "label.",
        "reason.",
        *(f"{NAMES[kind].lower()}." for kind in (COLR, *DEFLATED)),
    )
    assert said["framing_bytes"] == len(data) - sum(
        n for p, _, n, _ in read["fields"] if p.startswith(payload)
    )
    for name in ("label", "reason"):
        found = [v for p, _, _, v in read["fields"] if p == f"{name}.text"]
        assert found == [text for text in dict.fromkeys(o[name] for o in said["objects"]) if text]


@pytest.mark.parametrize("name", list(STREAMS))
def test_fields_agree_with_the_trace_of_info(name: str, result: dict[str, Any]) -> None:
    read = result["files"][name]
    said = json.loads(json.dumps(info(STREAMS[name](), trace=True)))
    if said["file_state"] != "valid":
        return
    ids = ids_of(result["grammar"])
    found = {
        (at, size, ids[path]): value for path, at, size, value in read["fields"] if path != "chunk.payload"
    }
    traced = {(t["offset"], t["size"], t["id"]): t["value"] for t in said["trace"] if t["id"] != "CHNK-03"}
    assert len(traced) == sum(t["id"] != "CHNK-03" for t in said["trace"])
    assert set(traced) == set(found)
    for key, value in traced.items():
        assert value is None or value == found[key], key


@pytest.mark.parametrize("name", list(REFUSED))
def test_rules_of_the_grammar_refuse(name: str, result: dict[str, Any]) -> None:
    error = result["files"][name]["error"]
    assert error and error[0].startswith("Validation"), error
    assert error[2] == REFUSED[name][1]
    with pytest.raises(SdcError) as refused:
        parse(REFUSED[name][0]())
    assert refused.value.kind == "invalid"
