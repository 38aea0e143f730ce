"""Mutants of the container and its metadata."""

from .plant import Mutant, mutant

MUTANTS: tuple[Mutant, ...] = (
    mutant(
        "magic-three-bytes",
        "T0",
        "FILE-01",
        ("_front", "magic != MAGIC", "magic[:3] != MAGIC[:3]"),
    ),
    mutant(
        "varint-not-minimal",
        "T0",
        "NOTA-05",
        ("decode_varint", "byte == 0 and shift > 7", "False"),
    ),
    mutant(
        "varint-too-large",
        "T0",
        "NOTA-05",
        ("decode_varint", "value > VARINT_MAX", "False"),
    ),
    mutant(
        "crc-ignored",
        "T0",
        "CHNK-04 CHNK-10",
        ("_next", "whole and zlib.crc32(data[:-4]) == int.from_bytes(data[-4:], 'little')", "whole"),
    ),
    mutant(
        "crc-of-group-ignored",
        "T0",
        "STAT-04 STAT-05 LATN-04",
        (
            "judge",
            "zlib.crc32(stream.seed(group) + data[:-4]) != int.from_bytes(data[-4:], 'little')",
            "False",
        ),
    ),
    mutant(
        "crc-without-seed",
        "T0",
        "LATN-04",
        ("judge", "stream.seed(group) + data[:-4]", "data[:-4]"),
    ),
    mutant(
        "seed-without-mask",
        "T0",
        "LATN-04",
        ("Stream.seed", "build_head(self.head) + (self.mask or b'')", "build_head(self.head)"),
    ),
    mutant(
        "seed-without-quality",
        "T0",
        "LATN-04",
        (
            "Stream.seed",
            "bytes([group.index, group.level_quality])",
            "bytes([group.index, group.level << 6])",
        ),
    ),
    mutant(
        "order-ignored",
        "T0",
        "CHNK-07",
        ("_admit", "kind == ICCP and (late or seen - {MASK})", "False"),
    ),
    mutant(
        "late-mask-ignored",
        "T0",
        "CHNK-07 MASK-08",
        ("_admit", "kind in (MASK, LATN)", "kind == LATN"),
    ),
    mutant(
        "duplicate-ignored",
        "T0",
        "CHNK-08",
        ("_admit", "kind in (MASK, OBJS, ICCP) and kind in seen", "False"),
    ),
    mutant(
        "critical-ignored",
        "T0",
        "CHNK-05",
        ("_admit", "not kind & ANCILLARY", "False"),
    ),
    mutant(
        "safe-critical-ignored",
        "T0",
        "CHNK-06",
        ("_admit", "not kind & ANCILLARY", "not kind & (ANCILLARY | 0x40)"),
    ),
    mutant(
        "unknown-ancillary-refused",
        "T0",
        "CHNK-09",
        ("_admit", "not kind & ANCILLARY", "not kind & ANCILLARY or kind not in NAMES"),
    ),
    mutant(
        "payload-goes-on",
        "T0",
        "CHNK-03",
        ("parse_payload", "stream.tell() != len(payload)", "False"),
    ),
    mutant(
        "feature-ignored",
        "T0",
        "HEAD-03",
        ("_front", "entry.value & ~FEATURES", "False"),
    ),
    mutant(
        "feature-31-ignored",
        "T0",
        "HEAD-03",
        ("chunks.FEATURES", "0", "1 << 31"),
    ),
    mutant(
        "area-unchecked",
        "T0",
        "HEAD-02",
        ("_front", "v.width * v.height > 1 << 30", "False"),
    ),
    mutant(
        "version-judged",
        "T0",
        "HEAD-06",
        (
            "_front",
            "chunk = _required(reader, chunk.end, GRPS, limits, trace)",
            (
                "if v.version != 16:\n"
                "    raise SdcError('E_FEATURE')\n"
                "chunk = _required(reader, chunk.end, GRPS, limits, trace)"
            ),
        ),
    ),
    mutant(
        "count-against-cells",
        "T0",
        "GRPS-02",
        ("parse._groups", "values.count > head.rows * head.cols", "False"),
    ),
    mutant(
        "group-order-ignored",
        "T0",
        "GRPS-05",
        ("parse._groups", "groups and level < groups[-1].level", "False"),
    ),
    mutant(
        "group-size-ignored",
        "T0",
        "GRPS-06",
        ("parse._groups", "0 < item.size < SMALLEST_CHUNK", "False"),
    ),
    mutant(
        "group-size-below-five",
        "T0",
        "GRPS-06",
        ("parse._groups", "0 < item.size < SMALLEST_CHUNK", "0 < item.size < SMALLEST_CHUNK - 1"),
    ),
    mutant(
        "preamble-ignored",
        "T0",
        "GRPS-03",
        ("_preamble", "chunk.end > first", "False"),
    ),
    mutant(
        "latents-in-preamble",
        "T0",
        "GRPS-03",
        ("_preamble", "chunk.type == LATN", "False"),
    ),
    mutant(
        "latents-after-last-chunk",
        "T0",
        "GRPS-07",
        ("parse._groups", "chunk.end + values.preamble", "chunk.end + values.preamble + 1"),
    ),
    mutant(
        "mask-not-required",
        "T0",
        "MASK-01",
        ("_preamble", "len(stream.groups) > 1 and mask is None", "False"),
    ),
    mutant(
        "latn-length-unchecked",
        "T0",
        "LATN-02",
        ("judge", "data[0] != LATN or used + length + 4 != group.size", "data[0] != LATN"),
    ),
    mutant(
        "latn-type-unchecked",
        "T0",
        "LATN-02",
        ("judge", "data[0] != LATN or used + length + 4 != group.size", "used + length + 4 != group.size"),
    ),
    mutant(
        "damage-in-preamble-is-the-end",
        "T0",
        "STAT-06 GRPS-07",
        (
            "parse",
            "_body(stream, reader, first, limits, trace) if body else stream",
            "_body(stream, reader, first, limits, trace) if body and not stream.errors else stream",
        ),
    ),
    mutant(
        "damage-behind-is-invalid",
        "T0",
        "STAT-06 STAT-09",
        (
            "_body",
            ("errors.append(SdcError('E_CHUNK_DAMAGED', where=f'chunk at byte {at}', offset=at))\nbreak"),
            "raise SdcError('E_CHUNK_CRC', offset=at)",
        ),
    ),
    mutant(
        "withdrawn-is-truncated",
        "T0",
        "GRPS-06 STAT-07",
        ("parse._groups", "UNREAD if item.size else WITHDRAWN", "UNREAD if item.size else TRUNCATED"),
    ),
    mutant(
        "profile-limit-one-off",
        "T0",
        "ICCP-01",
        ("ICC_BYTES", "(128, 1 << 20)", "(128, (1 << 20) + 1)"),
    ),
    mutant(
        "errors-elsewhere",
        "T0",
        "TOOL-03",
        ("failure", "detail['offset'] = error.offset", "detail['offset'] = error.offset + 64"),
    ),
    mutant(
        "profile-size-unchecked",
        "T0",
        "ICCP-01",
        ("ICC_BYTES", "(128, 1 << 20)", "(0, 1 << 20)"),
    ),
    mutant(
        "rank-unchecked",
        "T0",
        "OBJS-02",
        ("parse_objects", "out and v.rank < (out[-1].rank or 0)", "False"),
    ),
    mutant(
        "object-group-unchecked",
        "T0",
        "OBJS-03",
        ("parse_objects", "v.group >= len(stream.groups)", "v.group > len(stream.groups)"),
        ("parse_objects", "stream.groups[v.group].level", "0"),
    ),
    mutant(
        "box-unchecked",
        "T0",
        "OBJS-06 OBJS-07",
        (
            "parse_objects",
            "v.x + v.width > stream.head.width or v.y + v.height > stream.head.height",
            "False",
        ),
    ),
    mutant(
        "provenance-judged",
        "T0",
        "PROV-01",
        (
            "info_answer",
            "head = stream.head",
            (
                "told = stream.chunk(130)\n"
                "if told is not None and not told.payload.endswith(b'}'):\n"
                "    raise SdcError('E_PAYLOAD_LENGTH')\n"
                "head = stream.head"
            ),
        ),
    ),
    mutant(
        "provenance-length-judged",
        "T0",
        "PROV-01",
        (
            "info_answer",
            "head = stream.head",
            (
                "if any((c.type == 130 and len(c.payload) > 65536 for c in stream.before + stream.after)):\n"
                "    raise SdcError('E_LIMIT')\n"
                "head = stream.head"
            ),
        ),
    ),
    mutant(
        "provenance-twice-refused",
        "T0",
        "PROV-02",
        ("_admit", "(MASK, OBJS, ICCP)", "(MASK, OBJS, 0x82, ICCP)"),
    ),
    mutant(
        "object-mask-empty",
        "T0",
        "OBJS-16",
        ("parse_objects", "not mask.any()", "False"),
    ),
    mutant(
        "objects-not-utf8",
        "T0",
        "OBJS-11 OBJS-13 NOTA-06",
        ("_type", "'utf8'", "'latin1'"),
    ),
)
