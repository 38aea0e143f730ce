"""Decoders with one planted bug each, which the suite must fail at the tier that names the bug.

A mutant is the adapter of this package with a few words of its source changed as it is loaded; beside them
stand enemies, which are no decoders at all, and encoders with a fault.
``python -m sdc_conformance.mutants NAME serve`` (or ``info``, ``decode``, ...) runs one;
``python -m sdc_conformance.mutants`` runs the suite against all of them and prints the kill rate, and
``--write`` records it in ``kills.json``.
"""

from __future__ import annotations

import argparse
import contextlib
import importlib.abc
import importlib.machinery
import importlib.util
import json
import os
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from types import ModuleType
from typing import Any

FOLDER = Path(__file__).resolve().parent
KILLS = FOLDER / "kills.json"


@dataclass(frozen=True)
class Mutant:
    """A decoder with a bug.

    Attributes:
        name: of the bug.
        tier: the lowest at which the suite must fail it.
        ids: sentences of the specification that it breaks.
        patches: ``(module, words, other words)``; the words occur exactly once in the module.
    """

    name: str
    tier: str
    ids: tuple[str, ...]
    patches: tuple[tuple[str, str, str], ...]


def _mutant(name: str, tier: str, ids: str, *patches: tuple[str, str, str]) -> Mutant:
    return Mutant(name, tier, tuple(ids.split()), patches)


BUILD = "sdc.format.build"
CHUNKS = "sdc.format.chunks"
FIELDS = "sdc.format.fields"
LABELS = "sdc.coding.labels"
MODEL = "sdc.networks.model"
OBJS = "sdc.format.objs"
OPERATORS = "sdc.networks.operators"
PARSE = "sdc.format.parse"
PASSES = "sdc.coding.passes"
PROFILE = "sdc.networks.profile"
RANS = "sdc.coding.rans"
REGISTRY = "sdc.networks.registry"
RUN = "sdc.networks.run"
SITES = "sdc.networks.sites"
STREAM = "sdc.format.stream"
SYMBOLS = "sdc.coding.symbols"
TRANSFORMS = "sdc.codec.transforms"
TYPES = "sdc.types"
ADAPTER = "sdc_conformance.adapter"
CHOICE = "sdc.format.choice"
DECODER = "sdc.codec.decoder"

MUTANTS: tuple[Mutant, ...] = (
    # --- structure
    _mutant(
        "magic-three-bytes", "T0", "FILE-01", (PARSE, "if magic != MAGIC:", "if magic[:3] != MAGIC[:3]:")
    ),
    _mutant("varint-not-minimal", "T0", "NOTA-05", (FIELDS, "(byte == 0 and shift > 7)", "False")),
    _mutant("varint-too-large", "T0", "NOTA-05", (FIELDS, "value > VARINT_MAX or", "False or")),
    _mutant(
        "crc-ignored",
        "T0",
        "CHNK-04 CHNK-10",
        (
            PARSE,
            'good = whole and zlib.crc32(data[:-4]) == int.from_bytes(data[-4:], "little")',
            "good = whole",
        ),
    ),
    _mutant(
        "crc-of-group-ignored",
        "T0",
        "STAT-04 STAT-05 LATN-04",
        (
            STREAM,
            'if zlib.crc32(stream.seed(group) + data[:-4]) != int.from_bytes(data[-4:], "little"):',
            "if False:",
        ),
    ),
    _mutant(
        "crc-without-seed",
        "T0",
        "LATN-04",
        (STREAM, "zlib.crc32(stream.seed(group) + data[:-4])", "zlib.crc32(data[:-4])"),
    ),
    _mutant(
        "seed-without-mask",
        "T0",
        "LATN-04",
        (STREAM, 'build_head(self.head) + (self.mask or b"") + bytes', "build_head(self.head) + bytes"),
    ),
    _mutant(
        "seed-without-quality",
        "T0",
        "LATN-04",
        (STREAM, "bytes([group.index, group.level_quality])", "bytes([group.index, group.level.code << 6])"),
    ),
    _mutant("order-ignored", "T0", "CHNK-07", (PARSE, "(kind == ICCP and (late or seen - {MASK}))", "False")),
    _mutant(
        "late-mask-ignored",
        "T0",
        "CHNK-07 MASK-08",
        (PARSE, "if kind in (MASK, LATN) or", "if kind == LATN or"),
    ),
    _mutant(
        "duplicate-ignored",
        "T0",
        "CHNK-08",
        (PARSE, "(kind in (MASK, OBJS, ICCP) and kind in seen)", "False"),
    ),
    _mutant("critical-ignored", "T0", "CHNK-05", (PARSE, "if not kind & ANCILLARY:", "if False:")),
    _mutant(
        "safe-critical-ignored",
        "T0",
        "CHNK-06",
        (PARSE, "if not kind & ANCILLARY:", "if not kind & (ANCILLARY | SAFE_TO_COPY):"),
    ),
    _mutant(
        "unknown-ancillary-refused",
        "T0",
        "CHNK-09",
        (PARSE, "if not kind & ANCILLARY:", "if not kind & ANCILLARY or kind not in NAMES:"),
    ),
    _mutant("payload-goes-on", "T0", "CHNK-03", (FIELDS, "if stream.tell() != len(payload):", "if False:")),
    _mutant("feature-ignored", "T0", "HEAD-03", (PARSE, "entry.value & ~FEATURES:", "False:")),
    _mutant("feature-31-ignored", "T0", "HEAD-03", (CHUNKS, "FEATURES = 0\n", "FEATURES = 1 << 31\n")),
    _mutant("area-unchecked", "T0", "HEAD-02", (PARSE, "if v.width * v.height > 1 << 30:", "if False:")),
    _mutant(
        "version-judged",
        "T0",
        "HEAD-06",
        (
            PARSE,
            "    if v.width * v.height > 1 << 30:",
            (
                "    if v.version != 0x10:\n"
                "        raise SdcError('E_FEATURE')\n"
                "    if v.width * v.height > 1 << 30:"
            ),
        ),
    ),
    _mutant(
        "count-against-cells",
        "T0",
        "GRPS-02",
        (PARSE, "if values.count > head.rows * head.cols:", "if False:"),
    ),
    _mutant(
        "group-order-ignored",
        "T0",
        "GRPS-05",
        (PARSE, "if groups and level < groups[-1].level:", "if False:"),
    ),
    _mutant(
        "group-size-ignored", "T0", "GRPS-06", (PARSE, "if 0 < item.size < SMALLEST_CHUNK:", "if False:")
    ),
    _mutant(
        "group-size-below-five",
        "T0",
        "GRPS-06",
        (PARSE, "if 0 < item.size < SMALLEST_CHUNK:", "if 0 < item.size < SMALLEST_CHUNK - 1:"),
    ),
    _mutant("preamble-ignored", "T0", "GRPS-03", (PARSE, "if chunk.end > first:", "if False:")),
    _mutant(
        "latents-in-preamble",
        "T0",
        "GRPS-03",
        (PARSE, "        if chunk.type == LATN:", "        if False:"),
    ),
    _mutant(
        "latents-after-last-chunk",
        "T0",
        "GRPS-07",
        (
            PARSE,
            "first = at = chunk.end + values.preamble",
            "first = at = chunk.end + values.preamble + 1",
        ),
    ),
    _mutant(
        "mask-not-required",
        "T0",
        "MASK-01",
        (
            PARSE,
            '    if len(stream.groups) > 1 and mask is None:\n        raise SdcError("E_MASK_MISSING"',
            '    if False:\n        raise SdcError("E_MASK_MISSING"',
        ),
    ),
    _mutant(
        "latn-length-unchecked",
        "T0",
        "LATN-02",
        (STREAM, "data[0] != LATN or used + length + 4 != group.size", "data[0] != LATN"),
    ),
    _mutant(
        "latn-type-unchecked",
        "T0",
        "LATN-02",
        (STREAM, "data[0] != LATN or used + length + 4 != group.size", "used + length + 4 != group.size"),
    ),
    _mutant(
        "damage-in-preamble-is-the-end",
        "T0",
        "STAT-06 GRPS-07",
        (
            PARSE,
            "return _body(stream, reader, first, limits, trace) if body else stream",
            "return _body(stream, reader, first if not stream.errors else reader.size, limits, trace) "
            "if body and not stream.errors else stream",
        ),
    ),
    _mutant(
        "damage-behind-is-invalid",
        "T0",
        "STAT-06 STAT-09",
        (
            PARSE,
            (
                "        if not chunk.good:\n"
                '            errors.append(SdcError("E_CHUNK_DAMAGED", where=f"chunk at byte {at}",'
                " offset=at))\n"
                "            break\n"
                "        _admit(chunk, seen, late=True)"
            ),
            (
                "        if not chunk.good:\n"
                '            raise SdcError("E_CHUNK_CRC", offset=at)\n'
                "        _admit(chunk, seen, late=True)"
            ),
        ),
    ),
    _mutant(
        "withdrawn-is-truncated",
        "T0",
        "GRPS-06 STAT-07",
        (PARSE, "UNREAD if item.size else WITHDRAWN", "UNREAD if item.size else TRUNCATED"),
    ),
    _mutant(
        "profile-limit-one-off",
        "T0",
        "ICCP-01",
        (CHUNKS, "ICC_BYTES = (128, 1 << 20)", "ICC_BYTES = (128, (1 << 20) + 1)"),
    ),
    _mutant(
        "errors-elsewhere",
        "T0",
        "TOOL-03",
        ("sdc_conformance.adapter", '["offset"] = error.offset', '["offset"] = error.offset + 64'),
    ),
    _mutant("profile-size-unchecked", "T0", "ICCP-01", (CHUNKS, "ICC_BYTES = (128,", "ICC_BYTES = (0,")),
    _mutant(
        "rank-unchecked", "T0", "OBJS-02", (OBJS, "if out and v.rank < (out[-1].rank or 0):", "if False:")
    ),
    _mutant(
        "object-group-unchecked",
        "T0",
        "OBJS-03",
        (OBJS, "if v.group >= len(stream.groups):", "if v.group > len(stream.groups):"),
        (OBJS, "level = stream.groups[v.group].level", "level = stream.groups[0].level"),
    ),
    _mutant(
        "box-unchecked",
        "T0",
        "OBJS-06 OBJS-07",
        (
            OBJS,
            "if v.x + v.width > stream.head.width or v.y + v.height > stream.head.height:",
            "if False:",
        ),
    ),
    _mutant(
        "provenance-judged",
        "T0",
        "PROV-01",
        (
            ADAPTER,
            "    objects = parse_objects(stream)\n",
            "    objects = parse_objects(stream)\n"
            "    told = stream.chunk(0x82)\n"
            "    if told is not None and not told.payload.endswith(b'}'):\n"
            "        raise SdcError('E_PAYLOAD_LENGTH')\n",
        ),
    ),
    _mutant(
        "provenance-length-judged",
        "T0",
        "PROV-01",
        (
            ADAPTER,
            "    objects = parse_objects(stream)\n",
            "    objects = parse_objects(stream)\n"
            "    if any(c.type == 0x82 and len(c.payload) > 65536 for c in stream.before + stream.after):\n"
            "        raise SdcError('E_LIMIT')\n",
        ),
    ),
    _mutant(
        "provenance-twice-refused",
        "T0",
        "PROV-02",
        (
            PARSE,
            "(kind in (MASK, OBJS, ICCP) and kind in seen)",
            "(kind in (MASK, OBJS, PROV, ICCP) and kind in seen)",
        ),
    ),
    _mutant("object-mask-empty", "T0", "OBJS-16", (OBJS, "if not mask.any():", "if False:")),
    _mutant(
        "objects-not-utf8",
        "T0",
        "OBJS-11 OBJS-13 NOTA-06",
        (FIELDS, 'cs.this[rest]), "utf8")', 'cs.this[rest]), "latin1")'),
    ),
    # --- group map and symbols; a wrong group map shows in the status of info already, and so at T0
    _mutant("map-redundant", "T1", "MASK-02", (STREAM, "if count == 1 and not present[0]:", "if False:")),
    _mutant("map-empty-group", "T1", "MASK-03", (STREAM, "if not present[k + 1]:", "if False:")),
    _mutant(
        "map-label",
        "T1",
        "MASK-05",
        (LABELS, '            raise SdcError("E_MASK_LABEL")', "            return 0"),
    ),
    _mutant(
        "map-far-north", "T0", "MASK-04 MASK-05", (LABELS, "(above2[x] == n) << 1", "(above[x] == n) << 1")
    ),
    _mutant(
        "map-far-east",
        "T0",
        "MASK-05",
        (LABELS, "far_e = above[x + 2] if x + 2 < cols else ne", "far_e = ne"),
    ),
    _mutant(
        "map-contexts-shared",
        "T0",
        "MASK-07",
        (LABELS, "models.first[context].get(decoder)", "models.first[context & 15].get(decoder)"),
        (LABELS, "models.first[context].put(encoder", "models.first[context & 15].put(encoder"),
    ),
    _mutant("map-pattern", "T0", "MASK-05", (LABELS, "(n == ne) << 3", "(n == nw) << 3")),
    _mutant(
        "map-end-unchecked",
        "T0",
        "MASK-06",
        (LABELS, "    decoder.finish()\n    return np.array", "    return np.array"),
    ),
    _mutant("bit-start", "T0", "BINM-01", (RANS, "self.p = TOTAL // 2", "self.p = TOTAL // 2 - 1")),
    _mutant(
        "bit-sides-swapped",
        "T0",
        "BINM-02",
        (
            RANS,
            "encoder.put(0, p) if bit else encoder.put(p, TOTAL - p)",
            "encoder.put(TOTAL - p, p) if bit else encoder.put(0, TOTAL - p)",
        ),
        (
            RANS,
            (
                "bit = int(decoder.slot() < p)\n"
                "        decoder.advance(0, p) if bit else decoder.advance(p, TOTAL - p)"
            ),
            (
                "bit = int(decoder.slot() >= TOTAL - p)\n"
                "        decoder.advance(TOTAL - p, p) if bit else decoder.advance(0, TOTAL - p)"
            ),
        ),
    ),
    _mutant("bit-rate", "T0", "BINM-03", (RANS, "    LIMIT = 62\n", "    LIMIT = 61\n")),
    _mutant("bit-floor", "T0", "BINM-03", (RANS, "    FLOOR = 64\n", "    FLOOR = 32\n")),
    _mutant(
        "bit-rounding",
        "T0",
        "BINM-03 NOTA-03",
        (
            RANS,
            "((TOTAL if bit else 0) - self.p) * self.RATES[n] >> 16)",
            "int(((TOTAL if bit else 0) - self.p) * self.RATES[n] / 65536))",
        ),
    ),
    _mutant(
        "words-big-endian",
        "T0",
        "RANS-01 NOTA-01",
        (RANS, 'np.frombuffer(data, "<u2", offset=4)', 'np.frombuffer(data, ">u2", offset=4)'),
        (RANS, 'np.array(words, "<u2")', 'np.array(words, ">u2")'),
    ),
    _mutant(
        "rans-length-unchecked",
        "T0",
        "RANS-02",
        (RANS, "if len(data) < 4 or len(data) % 2:", "if len(data) < 4:"),
        (
            RANS,
            'np.frombuffer(data, "<u2", offset=4)',
            'np.frombuffer(data[: len(data) & ~1], "<u2", offset=4)',
        ),
    ),
    _mutant(
        "rans-state-unchecked",
        "T1",
        "RANS-03",
        (
            RANS,
            "            if self.x < STATE_MIN:\n                raise",
            "            if self.x < 1:\n                raise",
        ),
    ),
    _mutant("rans-final-unchecked", "T1", "RANS-07", (RANS, "if self.x != STATE_MIN:", "if False:")),
    _mutant(
        "rans-trailing-unchecked",
        "T0",
        "RANS-08",
        (RANS, "if self.used < len(self.words) or self.empty == self.begun:", "if self.empty == self.begun:"),
    ),
    _mutant(
        "rans-unused-unchecked",
        "T1",
        "RANS-09",
        (
            RANS,
            "if self.used < len(self.words) or self.empty == self.begun:",
            "if self.begun and self.used < len(self.words):",
        ),
        (RANS, "if self.x != STATE_MIN:", "if self.begun and self.x != STATE_MIN:"),
    ),
    _mutant(
        "rans-underrun-is-zero",
        "T1",
        "RANS-05",
        (SYMBOLS, "x = x << 16 | words[used]", "x = x << 16 | (words[used] if used < len(words) else 0)"),
    ),
    _mutant(
        "raw-from-below",
        "T1",
        "RANS-06",
        (
            RANS,
            "self.put(value << (TOTAL_BITS - bits), 1 << (TOTAL_BITS - bits))",
            "self.put(((1 << bits) - 1 - value) << (TOTAL_BITS - bits), 1 << (TOTAL_BITS - bits))",
        ),
        (
            RANS,
            "        self.advance(value << shift, 1 << shift)\n        return value",
            "        self.advance(value << shift, 1 << shift)\n        return (1 << bits) - 1 - value",
        ),
    ),
    _mutant(
        "even-rounds-up",
        "T0",
        "RANS-10",
        (
            RANS,
            (
                "        start = (value << TOTAL_BITS) // count\n"
                "        self.put(start, ((value + 1 << TOTAL_BITS) // count) - start)"
            ),
            (
                "        start = -(-(value << TOTAL_BITS) // count)\n"
                "        self.put(start, -(-(value + 1 << TOTAL_BITS) // count) - start)"
            ),
        ),
        (
            RANS,
            (
                "value = ((self.slot() + 1) * count - 1) >> TOTAL_BITS\n"
                "        start = (value << TOTAL_BITS) // count\n"
                "        self.advance(start, ((value + 1 << TOTAL_BITS) // count) - start)"
            ),
            (
                "value = (self.slot() * count) >> TOTAL_BITS\n"
                "        start = -(-(value << TOTAL_BITS) // count)\n"
                "        self.advance(start, -(-(value + 1 << TOTAL_BITS) // count) - start)"
            ),
        ),
    ),
    _mutant(
        "table-one-off",
        "T1",
        "SYMB-02 RANS-04",
        (
            MODEL,
            "        out.append(table)\n",
            "        out.append(table[[*range(1, 2 * r + 1), 0, 2 * r + 1]])\n",
        ),
    ),
    _mutant(
        "escape-sign",
        "T1",
        "SYMB-04",
        (SYMBOLS, "return -size if negative else size", "return size if negative else -size"),
        (SYMBOLS, "encoder.put_raw(int(r[k] < 0), 1)", "encoder.put_raw(int(r[k] > 0), 1)"),
    ),
    _mutant(
        "escape-length",
        "T1",
        "SYMB-04",
        (
            SYMBOLS,
            "size = reach + 1 + (1 << bits) - 1 + decoder.raw(bits)",
            "size = reach + (1 << bits) - 1 + decoder.raw(bits)",
        ),
        (SYMBOLS, "rest = abs(int(r[k])) - int(reach[k])", "rest = 1 + abs(int(r[k])) - int(reach[k])"),
    ),
    _mutant("escape-unbounded", "T1", "SYMB-05", (SYMBOLS, "if size > RESIDUAL_MAX:", "if size > 65535:")),
    _mutant(
        "escape-prefix-unbounded",
        "T1",
        "SYMB-05",
        (
            SYMBOLS,
            '        if bits > ESCAPE_BITS:\n            raise SdcError("E_ESCAPE")\n',
            "        if bits > ESCAPE_BITS:\n            return 0\n",
        ),
    ),
    _mutant(
        "symbol-offset",
        "T1",
        "SYMB-03",
        (
            SYMBOLS,
            "values = np.array(symbols, np.int64) - tables.model.reach[indices[coded]]",
            "values = tables.model.reach[indices[coded]] - np.array(symbols, np.int64)",
        ),
        (
            SYMBOLS,
            "np.where(escaped, 2 * reach + 1, r + reach)",
            "np.where(escaped, 2 * reach + 1, reach - r)",
        ),
    ),
    _mutant(
        "index-zero-is-coded",
        "T1",
        "SYMB-01",
        (
            SYMBOLS,
            "    coded = np.flatnonzero(indices)\n    out =",
            "    indices = np.maximum(indices, 1)\n    coded = np.flatnonzero(indices)\n    out =",
        ),
        (
            SYMBOLS,
            "    coded = np.flatnonzero(indices)\n    t, r =",
            "    indices = np.maximum(indices, 1)\n    coded = np.flatnonzero(indices)\n    t, r =",
        ),
    ),
    _mutant(
        "hyper-rounding",
        "T1",
        "PASS-03 NOTA-02 NOTA-03",
        (
            PASSES,
            "scaled = residuals * m.hyper_step[self.quality] + (1 << shift - 1) >> shift",
            "scaled = np.rint(residuals * m.hyper_step[self.quality] / (1 << shift)).astype(np.int64)",
        ),
    ),
    _mutant(
        "hyper-clamp",
        "T1",
        "PASS-03",
        (
            PASSES,
            "np.clip(scaled, *m.hyper_range)",
            "np.clip(scaled, m.hyper_range[0], m.hyper_range[1] - 1)",
        ),
    ),
    _mutant(
        "blocks-by-column",
        "T1",
        "PASS-02",
        (
            PASSES,
            "key = (rows // BLOCK) * 65536 + cols // BLOCK",
            "key = (cols // BLOCK) * 65536 + rows // BLOCK",
        ),
    ),
    _mutant(
        "place-in-block-transposed",
        "T1",
        "NETW-05 NETW-10",
        (PASSES, "(rows % BLOCK) * BLOCK + cols % BLOCK", "(cols % BLOCK) * BLOCK + rows % BLOCK"),
    ),
    _mutant(
        "parity-swapped",
        "T1",
        "PASS-04",
        (PASSES, "parity = (sites.rows + sites.cols) % 2", "parity = (sites.rows + sites.cols + 1) % 2"),
        (ADAPTER, "parity = (sites.rows + sites.cols) % 2", "parity = (sites.rows + sites.cols + 1) % 2"),
    ),
    _mutant(
        "parity-from-group",
        "T1",
        "PASS-04",
        (
            PASSES,
            "parity = (sites.rows + sites.cols) % 2",
            "parity = (sites.rows + sites.cols - sites.rows[0] - sites.cols[0]) % 2",
        ),
    ),
    _mutant(
        "second-half-first",
        "T1",
        "PASS-01",
        (
            PASSES,
            "for k, (parity, _, _) in enumerate(self.model.passes):",
            "for k, (parity, _, _) in [*enumerate(self.model.passes)][::-1]:",
        ),
    ),
    _mutant(
        "context-sees-nothing",
        "T1",
        "PASS-05 NETW-11",
        (PASSES, "known = latents[band.outer]", "known = latents[band.outer] * 0"),
    ),
    _mutant(
        "index-clamp-62",
        "T1",
        "PASS-06",
        (PASSES, "+ (1 << s - 1) >> s, 0, 63)", "+ (1 << s - 1) >> s, 0, 62)"),
    ),
    _mutant("index-rounding", "T1", "PASS-06", (PASSES, "+ (1 << s - 1) >> s, 0, 63)", ">> s, 0, 63)")),
    _mutant(
        "mean-rounding",
        "T1",
        "PASS-07 NOTA-03",
        (
            PASSES,
            "mean * m.inverse[self.quality, a:b] + (1 << s - 1) >> s",
            "np.sign(mean) * (np.abs(mean) * m.inverse[self.quality, a:b] + (1 << s - 1) >> s)",
        ),
    ),
    _mutant(
        "v-clamp", "T1", "PASS-08", (PASSES, "V_MIN, V_MAX = -65536, 65535", "V_MIN, V_MAX = -65536, 32767")
    ),
    _mutant(
        "v-unclamped",
        "T1",
        "PASS-08",
        (PASSES, "v = np.clip((residuals << 4) + mean, V_MIN, V_MAX)", "v = (residuals << 4) + mean"),
    ),
    _mutant(
        "latent-rounding",
        "T1",
        "PASS-08 NOTA-03",
        (
            PASSES,
            "v * m.step[self.quality, a:b] + (1 << s - 1) >> s",
            "np.trunc((v * m.step[self.quality, a:b] + (1 << s - 1)) / (1 << s)).astype(np.int64)",
        ),
    ),
    _mutant(
        "latent-clamp",
        "T1",
        "PASS-08",
        (PASSES, "*m.latent_range)", "-m.latent_range[1], m.latent_range[1])"),
    ),
    _mutant(
        "pointwise-rounding",
        "T1",
        "NETW-03",
        (OPERATORS, "bias = self.bias.astype(np.int64) + half", "bias = self.bias.astype(np.int64)"),
    ),
    _mutant(
        "pointwise-clamp",
        "T1",
        "NETW-03",
        (
            OPERATORS,
            "    return np.clip(acc, *clamp, out=acc)",
            "    return np.clip(acc, clamp[0], clamp[1] - 1, out=acc)",
        ),
    ),
    _mutant(
        "depthwise-transposed", "T1", "NETW-07", (SITES, "taps[dy + 1, dx + 1] =", "taps[dx + 1, dy + 1] =")
    ),
    _mutant(
        "edge-repeats",
        "T1",
        "NETW-08",
        (
            SITES,
            "labels[other] == labels[:n], other, n)",
            "labels[other] == labels[:n], other, np.arange(n))",
        ),
    ),
    _mutant(
        "quality-table-row",
        "T1",
        "NETW-04",
        (
            RUN,
            "op.ready(arithmetic)[0][sites.qualities[cells]]",
            "op.ready(arithmetic)[0][sites.qualities[cells] ^ 1]",
        ),
    ),
    _mutant(
        "quality-unclamped",
        "T1",
        "NETW-04",
        (
            RUN,
            "per_cell[:, None]).reshape(t.shape)\n            np.clip(t, *op.clamp, out=t)",
            "per_cell[:, None]).reshape(t.shape)",
        ),
    ),
    _mutant(
        "hyper-before",
        "T1",
        "NETW-09 NETW-01",
        (
            RUN,
            "t = np.concatenate([t, hyper[cells]], axis=1)",
            "t = np.concatenate([hyper[cells], t], axis=1)",
        ),
    ),
    _mutant("model-hash-ignored", "T1", "HEAD-05", (REGISTRY, "if model.weights != weights:", "if False:")),
    _mutant(
        "model-number-ignored",
        "T1",
        "HEAD-04 MODL-06",
        (REGISTRY, "    model = load_model(number)\n", "    model = load_model(0)\n"),
    ),
    _mutant(
        "pixels-in-spite-of-an-error",
        "T1",
        "STAT-08",
        (
            DECODER,
            "            own, symbols = decode_symbols(\n",
            (
                "            try:\n"
                "                decode_symbols(stream, model, k, runner=runner)\n"
                "            except SdcError:\n"
                "                continue\n"
                "            own, symbols = decode_symbols(\n"
            ),
        ),
    ),
    _mutant(
        "metadata-judged-by-decode",
        "T1",
        "OBJS-18",
        (
            DECODER,
            "    head = stream.head\n    good",
            "    head = stream.head\n    stream.objects\n    good",
        ),
    ),
    # --- parts
    _mutant(
        "prefix-off-by-one",
        "T0",
        "STAT-03",
        (STREAM, "if len(data) < group.size:", "if len(data) <= group.size:"),
    ),
    _mutant(
        "truncated-magic-is-magic",
        "T0",
        "FILE-03",
        (PARSE, "if MAGIC.startswith(magic) and magic:", "if False:"),
    ),
    _mutant(
        "empty-is-truncated",
        "T0",
        "FILE-01",
        (PARSE, "if MAGIC.startswith(magic) and magic:", "if MAGIC.startswith(magic):"),
    ),
    _mutant(
        "selection-ignored",
        "T1",
        "STAT-07",
        (CHOICE, "stream.select(groups, named)", "stream.select(None, named)"),
    ),
    _mutant(
        "withdrawn-is-no-matter",
        "T1",
        "STAT-02",
        (
            CHOICE,
            "stream.select(groups, named)",
            "k for k in stream.select(groups, named) if stream.groups[k].state != 'withdrawn'",
        ),
    ),
    _mutant(
        "stops-at-first-gap",
        "T1",
        "STAT-01",
        (
            DECODER,
            "    canvas = np.empty(",
            (
                "    gaps = [k for k in choice.groups if k not in good]\n"
                "    good = [k for k in good if not gaps or k < gaps[0]]\n"
                "    canvas = np.empty("
            ),
        ),
    ),
    _mutant(
        "empty-selection-is-all",
        "T2",
        "STAT-07",
        (CHOICE, "stream.select(groups, named)", "stream.select(groups or None, named)"),
    ),
    _mutant(
        "model-wanted-for-nothing",
        "T1",
        "HEAD-04",
        (
            DECODER,
            "    canvas = np.empty(",
            "    model_for(head.model, head.weights)\n    canvas = np.empty(",
        ),
    ),
    # --- pixels
    _mutant("fill-black", "T3", "RECO-03", (DECODER, "GREY = (128, 128, 128)", "GREY = (0, 0, 0)")),
    _mutant(
        "last-column-dropped",
        "T3",
        "RECO-01",
        (
            TRANSFORMS,
            "        view[part.rows[own], :, part.cols[own]] =",
            (
                "        pixels = pixels.reshape(len(own), CELL, CELL, 3)\n"
                "        pixels[part.cols[own] == view.shape[2] - 1] = 128\n"
                "        view[part.rows[own], :, part.cols[own]] ="
            ),
        ),
    ),
    _mutant(
        "edge-from-the-other-side",
        "T3",
        "RECO-02",
        (
            DECODER,
            "canvas[:height, :width]",
            "canvas[canvas.shape[0] - height :, canvas.shape[1] - width :]",
        ),
    ),
    _mutant(
        "blue-first",
        "T3",
        "RECO-01",
        (
            TRANSFORMS,
            "        pixels = out.astype(np.uint8)",
            "        pixels = out[:, ::-1].astype(np.uint8)",
        ),
    ),
    _mutant(
        "pixels-transposed",
        "T3",
        "NETW-05",
        (TRANSFORMS, "pixels.transpose(0, 1, 3, 2, 4, 5)", "pixels.transpose(0, 2, 4, 1, 3, 5)"),
    ),
    _mutant(
        "gating-left-out",
        "T3",
        "NETW-08 NETW-02 RECO-05",
        (SITES, "np.where(labels[other] == labels[:n], other, n)", "other"),
    ),
    _mutant(
        "add-unclamped",
        "T3",
        "NETW-06",
        (
            RUN,
            'np.clip(t, *op.clamp, out=t)\n        elif op.kind == "quality"',
            'pass\n        elif op.kind == "quality"',
        ),
    ),
    _mutant(
        "push-takes-the-wrong-one",
        "T1",
        "NETW-06",
        (RUN, "t = t + local.pop()", "t = t + local.pop()[::-1]"),
    ),
    _mutant(
        "samples-converted",
        "T3",
        "ICCP-02",
        (
            DECODER,
            "        _own(canvas, head.height, head.width),",
            "        _own(canvas // (1 + (stream.chunk(0xC1) is not None)), head.height, head.width),",
        ),
    ),
    # --- models and editors
    _mutant("score-of-256", "T0", "OBJS-08", (OBJS, "v.score / 255", "v.score / 256")),
    _mutant(
        "limit-too-low",
        "T0",
        "LIMT-03 LIMT-02",
        (TYPES, "pixels: int = 1 << 28", "pixels: int = 1 << 20"),
    ),
    _mutant(
        "model-unknown-keys-refused",
        "M",
        "MODL-08",
        (MODEL, 'if whole_number(description["profile"]) != 1:', "if len(description) != 8:"),
    ),
    _mutant("model-frequencies", "M", "MODL-02", (MODEL, "or table.sum() != 1 << 15", "or False")),
    _mutant("model-bound", "M", "NETW-12", (PROFILE, "if int(total.max()) >= BOUND:", "if False:")),
    _mutant(
        "model-passes",
        "M",
        "MODL-03",
        (MODEL, "if coded[0] != set(range(m)) or coded[1] != coded[0]:", "if False:"),
    ),
    _mutant(
        "model-profile", "M", "MODL-05", (MODEL, 'if whole_number(description["profile"]) != 1:', "if False:")
    ),
    _mutant("model-last-operator", "M", "NETW-13", (MODEL, "synthesis[-2].clamp != (0, 255)", "False")),
    _mutant(
        "editor-changes-quality",
        "X",
        "EDIT-01",
        (
            "sdc.format.edit",
            "replace(g, size=0, state=WITHDRAWN",
            "replace(g, size=0, quality=0, state=WITHDRAWN",
        ),
    ),
    _mutant(
        "editor-preamble",
        "X",
        "EDIT-06",
        (BUILD, '"preamble": len(before),', '"preamble": len(before) + 1,'),
    ),
    _mutant("editor-keeps-objects", "X", "EDIT-02", ("sdc.format.edit", "if row.group in left]", "]")),
    _mutant(
        "editor-keeps-unknown",
        "X",
        "EDIT-03",
        (
            "sdc.format.edit",
            "    if chunk.type & SAFE_TO_COPY:\n",
            "    if chunk.type & SAFE_TO_COPY or chunk.type != OBJS:\n",
        ),
    ),
    _mutant(
        "editor-keeps-provenance",
        "X",
        "EDIT-09",
        (
            "sdc.format.edit",
            "    if chunk.type & SAFE_TO_COPY:\n",
            "    if chunk.type & SAFE_TO_COPY or chunk.type == 0x82:\n",
        ),
    ),
    _mutant(
        "editor-drops-safe",
        "X",
        "EDIT-04",
        ("sdc.format.edit", "    if chunk.type & SAFE_TO_COPY:\n", "    if chunk.type == 0xC1:\n"),
    ),
)

ENEMIES = {
    "always-0": "answers 0 to everything",
    "always-1": "answers 1 with a code to everything",
    "crash": "dies by a signal at every question",
    "hang": "never answers",
    "garbage": "prints what is not JSON",
    "eats-memory": "takes memory until it is stopped",
    "silent": "ends at once without a word",
    "endless": "prints without end",
}

ENCODERS = {
    "encoder-cuts": "leaves the last column of pixels away",
    "encoder-garbage": "writes nonsense as the last group's payload, with a right CRC",
    "encoder-no-mask": "takes no notice of the objects",
    "encoder-swaps-levels": "puts the most important objects into the last group",
    "encoder-low-quality": "encodes with half the quality and says so",
    "encoder-lies": "encodes with half the quality and says otherwise",
    "encoder-cheats": "encodes a picture of fewer colours under the quality asked for",
    "encoder-bloats": "fills the file up",
    "encoder-random": "writes something else each time",
    "encoder-withdraws": "leaves the last group away",
    "encoder-empty": "writes an empty file",
}
"""Encoders with a fault, which the suite must fail at tier E."""


def find(name: str) -> Mutant:
    """The mutant of a name."""
    return next(m for m in MUTANTS if m.name == name)


class Unfit(ImportError):
    """The words that a mutant changes are not in the source, or more than once."""


class _Loader(importlib.machinery.SourceFileLoader):
    """Loads a module with some words changed."""

    def __init__(self, name: str, path: str, changes: Sequence[tuple[str, str]]):
        super().__init__(name, path)
        self.changes = changes

    def get_code(self, fullname: str) -> Any:
        """Code of the changed source; nothing is cached."""
        source = Path(self.path).read_text("utf-8")
        for old, new in self.changes:
            if source.count(old) != 1:
                raise Unfit(f"{fullname} has {source.count(old)} times: {old}")
            source = source.replace(old, new)
        return compile(source, self.path, "exec")


class _Finder(importlib.abc.MetaPathFinder):
    """Finds the modules that a mutant changes."""

    def __init__(self, mutant: Mutant):
        self.changes: dict[str, list[tuple[str, str]]] = {}
        for module, old, new in mutant.patches:
            self.changes.setdefault(module, []).append((old, new))

    def find_spec(self, fullname: str, path: Any = None, target: Any = None) -> Any:
        """Specification of a changed module; ``None`` for others."""
        if fullname not in self.changes:
            return None
        spec = importlib.machinery.PathFinder.find_spec(fullname, path)
        assert spec is not None and spec.origin is not None
        loader = _Loader(fullname, spec.origin, self.changes[fullname])
        return importlib.util.spec_from_file_location(fullname, spec.origin, loader=loader)


@contextlib.contextmanager
def planted(mutant: Mutant) -> Iterator[None]:
    """Within it, ``sdc`` is imported anew with the bug; behind it the right modules are back."""

    def own(name: str) -> bool:
        return name == "sdc" or name.startswith("sdc.")

    saved: dict[str, ModuleType] = {name: sys.modules.pop(name) for name in list(sys.modules) if own(name)}
    finder = _Finder(mutant)
    sys.meta_path.insert(0, finder)
    try:
        yield
    finally:
        sys.meta_path.remove(finder)
        for name in [name for name in sys.modules if own(name)]:
            del sys.modules[name]
        sys.modules.update(saved)


def _enemy(name: str, arguments: Sequence[str]) -> int:
    """Behave as an enemy of the runner does."""
    serving = "serve" in arguments

    def act(identity: Any) -> None:
        if name == "crash":
            os.abort()
        elif name == "hang":
            time.sleep(3600)
        elif name == "garbage":
            print("the quick brown fox {", flush=True)
        elif name == "eats-memory":
            held = []
            while True:
                held.append(bytearray(1 << 24))
        elif name == "endless":
            while True:
                sys.stdout.write("x" * 65536)
        elif name != "silent":
            status = int(name[-1])
            answer: dict[str, Any] = {} if status == 0 else {"error": {"code": "E_CHUNK_CRC", "offset": 0}}
            if serving:
                answer |= {"id": identity, "exit": status}
            print(json.dumps(answer), flush=True)

    if name == "silent":
        return 0
    if not serving:
        act(None)
        return int(name[-1]) if name.startswith("always") else 0
    for line in sys.stdin:
        act(json.loads(line).get("id"))
    return 0


def faulty_encoder(name: str) -> Callable[..., tuple[dict[str, Any], bytes]]:
    """What stands in for the adapter's ``encode_answer`` in an encoder with a fault."""
    from sdc import encode, extract
    from sdc.format.build import build
    from sdc.format.chunks import Chunk
    from sdc.format.parse import parse

    from .adapter import encode_answer

    def coded(image: Any, *, objects: Any, quality: Any) -> bytes:
        if name == "encoder-cuts" and image.shape[1] > 1:
            image = image[:, :-1]
            objects = [o for o in objects if o.box[0] + o.box[2] <= image.shape[1]]
        if name == "encoder-cheats":
            image = image // 64 * 64
        if name in ("encoder-low-quality", "encoder-lies"):
            half = {level: number // 2 for level, number in quality.items()} if objects else quality // 2
            return encode(image, objects=objects, quality=half)
        if name == "encoder-no-mask" and objects:
            return encode(image, quality=quality["other"])
        if name == "encoder-swaps-levels":
            objects = [replace(o, level="other" if o.level == "L1" else o.level) for o in objects]
        return encode(image, objects=objects, quality=quality)

    def answer(data: bytes, quality: Any, objects: Any = None) -> tuple[dict[str, Any], bytes]:
        claim, new = encode_answer(data, quality, objects, coded)
        stream = parse(new)
        if name == "encoder-lies":
            for group in claim["groups"]:
                level = ("L1", "L2", "L3", "other")[group["level"]]
                group["quality"] = quality[level] if isinstance(quality, dict) else quality
        if name == "encoder-garbage":
            last = replace(stream.groups[-1], payload=bytes(range(1, 41)))
            new = build(replace(stream, groups=(*stream.groups[:-1], last)))
        if name in ("encoder-bloats", "encoder-random"):
            extra = Chunk(0xE5, os.urandom(8) if name == "encoder-random" else bytes(20000))
            new = build(replace(stream, after=(*stream.after, extra)))
        if name == "encoder-withdraws":
            new = extract(new, groups=range(len(stream.groups) - 1))
        return claim, b"" if name == "encoder-empty" else new

    return answer


def command(name: str) -> list[str]:
    """Command that runs a mutant or an enemy."""
    return [sys.executable, "-m", "sdc_conformance.mutants", name]


def survey(names: Sequence[str], jobs: int) -> list[dict[str, Any]]:
    """Run the suite against mutants, up to the tier that names the bug; one row for each."""
    from . import runner

    rows = []
    suite = runner.Suite.load()
    ladder = runner.LADDER
    for name in names:
        enemy, encoder = name in ENEMIES, name in ENCODERS
        want = "E" if encoder else "T0" if enemy else find(name).tier
        upto = ladder[: ladder.index(want) + 1] if want in ladder else runner.TIERS_ALL
        options = runner.Options(
            command(name),
            tiers=("E",) if encoder else upto,
            jobs=jobs,
            timeout=2.0 if enemy else 20.0,
            memory=1 << 29 if enemy else 1 << 31,
            progress=False,
            limit=20 if enemy else 0,
        )
        result = runner.run(suite, options)
        tiers = [f.tier for f in result.failures]
        first = min(tiers, key=runner.TIERS_ALL.index, default=None)
        killers = [r.name for r in result.failed if r.by == "serve" and first in {f.tier for f in r.failures}]
        rows.append(
            {
                "name": name,
                "tier": want,
                "found": first,
                "ids": ["CONF-03"] if encoder else [] if enemy else list(find(name).ids),
                "failed": len(result.failed),
                "asked": len(result.results),
                "by": killers[:3],
            }
        )
        mark = "killed" if first == want else "WRONG TIER" if first else "SURVIVED"
        counts = f"{len(result.failed)} of {len(result.results)}"
        print(f"{mark:10}  {name:32} {want} {first}  {counts}", flush=True)
    return rows


def record(rows: Sequence[dict[str, Any]]) -> None:
    """Put rows into ``kills.json``, in the order of the mutants; rows of mutants that are gone leave it."""
    old = json.loads(KILLS.read_text("utf-8"))["mutants"] if KILLS.is_file() else []
    by_name = {row["name"]: row for row in (*old, *rows)}
    names = [*(m.name for m in MUTANTS), *ENEMIES, *ENCODERS]
    lines = ",\n".join("  " + json.dumps(by_name[name]) for name in names if name in by_name)
    KILLS.write_text(f'{{"mutants": [\n{lines}\n]}}\n', "utf-8")


def main(arguments: Sequence[str] | None = None) -> int:
    """The command; returns its exit status."""
    given = sys.argv[1:] if arguments is None else list(arguments)
    if given and given[0] in ENEMIES:
        return _enemy(given[0], given[1:])
    if given and given[0] in ENCODERS:
        from . import adapter

        adapter.encode_answer = faulty_encoder(given[0])
        return adapter.main(given[1:])
    if given and any(m.name == given[0] for m in MUTANTS):
        sys.meta_path.insert(0, _Finder(find(given[0])))
        from .adapter import main as adapt

        return adapt(given[1:])
    parser = argparse.ArgumentParser(prog="sdc_conformance.mutants", description=__doc__)
    parser.add_argument("--only", nargs="*", help="names of some mutants")
    parser.add_argument("--write", action="store_true", help="record the result in kills.json")
    parser.add_argument("-j", "--jobs", type=int, default=2)
    options = parser.parse_args(given)
    names = options.only or [*(m.name for m in MUTANTS), *ENEMIES, *ENCODERS]
    rows = survey(names, options.jobs)
    killed = sum(row["found"] == row["tier"] for row in rows)
    print(f"{killed} of {len(rows)} mutants killed at their tier, {killed / len(rows):.1%}")
    if options.write:
        record(rows)
    return 0 if killed == len(rows) else 1


if __name__ == "__main__":
    sys.exit(main())
