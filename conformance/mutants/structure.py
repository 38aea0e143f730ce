"""Mutants of the container and its metadata."""

from .plant import Mutant, mutant

MUTANTS: tuple[Mutant, ...] = (
    mutant(
        "magic-three-bytes",
        "T0",
        "FILE-01",
        ("_Parser._magic", "magic == MAGIC", "magic[:3] == MAGIC[:3]"),
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
        ("read_chunk", "whole and zlib.crc32(data[:-4]) == int.from_bytes(data[-4:], 'little')", "whole"),
    ),
    mutant(
        "crc-of-group-ignored",
        "T0",
        "STAT-04 STAT-05 LATN-04",
        ("read_group", "zlib.crc32(seed + data[:-4]) != int.from_bytes(data[-4:], 'little')", "False"),
    ),
    mutant(
        "crc-without-seed",
        "T0",
        "LATN-04",
        ("read_group", "seed + data[:-4]", "data[:-4]"),
    ),
    mutant(
        "seed-without-mask",
        "T0",
        "LATN-04",
        ("Outline.seed", "build_head(self.head) + (self.mask or b'')", "build_head(self.head)"),
    ),
    mutant(
        "seed-without-quality",
        "T0",
        "LATN-04",
        (
            "Outline.seed",
            "bytes([group.index, group.level_quality])",
            "bytes([group.index, group.level.code << 6])",
        ),
    ),
    mutant(
        "order-ignored",
        "T0",
        "CHNK-07",
        (
            "Order.admit",
            "next((place for place in known.stands if place >= self.place), None)",
            (
                "next((place for place in known.stands if place >= self.place), self.place if "
                "kind == ICCP else None)"
            ),
        ),
    ),
    mutant(
        "late-mask-ignored",
        "T0",
        "CHNK-07 MASK-08",
        (
            "Order.admit",
            "next((place for place in known.stands if place >= self.place), None)",
            (
                "next((place for place in known.stands if place >= self.place), self.place if "
                "kind == MASK else None)"
            ),
        ),
    ),
    mutant(
        "duplicate-ignored",
        "T0",
        "CHNK-08",
        (
            "Order.admit",
            "known.once and kind in self.seen",
            "known.once and kind in self.seen & {HEAD, GRPS}",
        ),
    ),
    mutant(
        "critical-ignored",
        "T0",
        "CHNK-05",
        ("Order.admit", "not kind & ANCILLARY and known is OTHER_TYPE", "False"),
    ),
    mutant(
        "safe-critical-ignored",
        "T0",
        "CHNK-06",
        (
            "Order.admit",
            "not kind & ANCILLARY and known is OTHER_TYPE",
            "not kind & (ANCILLARY | SAFE_TO_COPY) and known is OTHER_TYPE",
        ),
    ),
    mutant(
        "unknown-ancillary-refused",
        "T0",
        "CHNK-09",
        ("Order.admit", "not kind & ANCILLARY and known is OTHER_TYPE", "known is OTHER_TYPE"),
    ),
    mutant(
        "payload-goes-on",
        "T0",
        "CHNK-03",
        ("read_payload", "stream.tell() != len(payload)", "False"),
    ),
    mutant(
        "feature-ignored",
        "T0",
        "HEAD-03",
        ("check_features", "entry.value & ~FEATURES", "False"),
    ),
    mutant(
        "feature-31-ignored",
        "T0",
        "HEAD-03",
        (
            "head.FEATURES",
            ("sum((1 << row['bit'] for row in spec_data('registry.json')['features']['entries']))"),
            "1 << 31",
        ),
    ),
    mutant(
        "area-unchecked",
        "T0",
        "HEAD-02",
        ("check_area", "head.width * head.height > MAX_AREA", "False"),
    ),
    mutant(
        "version-judged",
        "T0",
        "HEAD-06",
        (
            "_Parser.front",
            "check_area(head, payload, self.limits.pixels)",
            (
                "check_area(head, payload, self.limits.pixels)\n"
                "if head.version != 16:\n"
                "    raise SdcError('E_FEATURE')"
            ),
        ),
    ),
    mutant(
        "count-against-cells",
        "T0",
        "GRPS-02",
        ("parse_groups", "values.count > cells", "False"),
    ),
    mutant(
        "group-order-ignored",
        "T0",
        "GRPS-05",
        ("parse_groups", "groups and level < groups[-1].level", "False"),
    ),
    mutant(
        "group-size-ignored",
        "T0",
        "GRPS-06",
        ("Field._wrong", "not within or first <= value <= last", "not within"),
    ),
    mutant(
        "group-size-below-five",
        "T0",
        "GRPS-06",
        ("Field._wrong", "first <= value <= last", "first <= value < last"),
    ),
    mutant(
        "preamble-ignored",
        "T0",
        "GRPS-03",
        ("_Parser._mask", "chunk.end > first", "False"),
        ("_Parser._preamble", "chunk.end > first", "False"),
    ),
    mutant(
        "latents-in-preamble",
        "T0",
        "GRPS-03",
        ("_Parser._preamble", "chunk.type == LATN", "False"),
    ),
    mutant(
        "latents-after-last-chunk",
        "T0",
        "GRPS-07",
        ("parse_groups", "end + values.preamble", "end + values.preamble + 1"),
    ),
    mutant(
        "mask-not-required",
        "T0",
        "MASK-01",
        ("_Parser._preamble", ("if lacking:\n    raise SdcError('E_MASK_MISSING', offset=at)"), "pass"),
    ),
    mutant(
        "latn-length-unchecked",
        "T0",
        "LATN-02",
        ("read_group", "used + length + 4 != group.size", "False"),
    ),
    mutant(
        "latn-type-unchecked",
        "T0",
        "LATN-02",
        ("read_group", "data[0] != LATN", "False"),
    ),
    mutant(
        "damage-in-preamble-is-the-end",
        "T0",
        "STAT-06 GRPS-07",
        (
            "parse.read",
            "parser.body(stream, first) if body else stream",
            "parser.body(stream, first) if body and not stream.errors else stream",
        ),
    ),
    mutant(
        "damage-behind-is-invalid",
        "T0",
        "STAT-06 STAT-09",
        ("_Parser._behind", "return (after, [_damaged(at)])", "raise SdcError('E_CHUNK_CRC', offset=at)"),
    ),
    mutant(
        "withdrawn-is-truncated",
        "T0",
        "GRPS-06 STAT-07",
        ("parse_groups", "UNREAD if item.size else WITHDRAWN", "UNREAD if item.size else TRUNCATED"),
    ),
    mutant(
        "profile-limit-one-off",
        "T0",
        "ICCP-01",
        ("Field._wrong", "least <= len(value) <= most", "least <= len(value) <= most + 1"),
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
        ("Field._wrong", "least <= len(value) <= most", "len(value) <= most"),
    ),
    mutant(
        "rank-unchecked",
        "T0",
        "OBJS-02",
        ("_check_objects", "out and v.rank < (out[-1].rank or 0)", "False"),
    ),
    mutant(
        "object-group-unchecked",
        "T0",
        "OBJS-03",
        ("_check_objects", "v.group >= len(stream.groups)", "v.group > len(stream.groups)"),
        ("_check_objects", "stream.groups[v.group].level", "stream.groups[0].level"),
    ),
    mutant(
        "box-unchecked",
        "T0",
        "OBJS-06 OBJS-07",
        ("_check_objects", "v.x + v.width > head.width", "False"),
        ("_check_objects", "v.y + v.height > head.height", "False"),
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
        (
            "Order.admit",
            "known.once and kind in self.seen",
            "(known.once or kind == PROV) and kind in self.seen",
        ),
    ),
    mutant(
        "object-mask-empty",
        "T0",
        "OBJS-16",
        ("_decode_masks", "not mask.any()", "False"),
    ),
    mutant(
        "objects-not-utf8",
        "T0",
        "OBJS-11 OBJS-13 NOTA-06",
        ("_type", "'utf8'", "'latin1'"),
    ),
)
