"""Mutants of the container and its metadata."""

from .plant import Mutant, mutant

MUTANTS: tuple[Mutant, ...] = (
    mutant(
        "magic-three-bytes",
        "T0",
        "FILE-01",
        ("Parser._magic", "magic == MAGIC", "magic[:3] == MAGIC[:3]"),
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
        "header-crc-ignored",
        "T0",
        "HEAD-09 CHNK-10",
        ("read_header", "not right_crc(data)", "False"),
    ),
    mutant(
        "header-crc-without-length",
        "T0",
        "HEAD-09",
        ("read_header", "right_crc(data)", "right_crc(data[used:])"),
    ),
    mutant(
        "header-length-one-less",
        "T0",
        "HEAD-07",
        (
            "read_header",
            "read_payload('HEAD', data[used:-CRC_SIZE], at + used)",
            "read_payload('HEAD', data[used:-CRC_SIZE - 1], at + used)",
        ),
    ),
    mutant(
        "crc-ignored",
        "T0",
        "CHNK-04 CHNK-10",
        ("read_chunk", "whole and right_crc(data)", "whole"),
    ),
    mutant(
        "chunk-length-with-crc",
        "T0",
        "CHNK-02",
        ("read_chunk", "used + length + CRC_SIZE", "used + length"),
    ),
    mutant(
        "crc-of-group-ignored",
        "T0",
        "STAT-04 STAT-05 LATN-04",
        ("read_group", "not right_crc(data, seed)", "False"),
    ),
    mutant(
        "crc-without-seed",
        "T0",
        "LATN-04",
        ("read_group", "right_crc(data, seed)", "right_crc(data)"),
    ),
    mutant(
        "seed-without-map",
        "T0",
        "LATN-04",
        ("Outline.seed", "seed_of(self.head) + self.map", "seed_of(self.head)"),
    ),
    mutant(
        "seed-without-version",
        "T0",
        "LATN-04",
        ("Outline.seed", "seed_of(self.head)", "seed_of(self.head)[:-1]"),
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
        "profile-behind-refused",
        "T0",
        "CHNK-07",
        (
            "Parser._admit",
            "self.seen.append(chunk.type)",
            (
                "if chunk.type == 193 and chunk.offset != self.header:\n"
                "    raise SdcError('E_CHUNK_DUPLICATE', offset=chunk.offset)\n"
                "self.seen.append(chunk.type)"
            ),
        ),
    ),
    mutant(
        "duplicate-ignored",
        "T0",
        "CHNK-08",
        ("check_type", "kind in ONCE and kind in seen", "False"),
    ),
    mutant(
        "duplicate-either-side-ignored",
        "T0",
        "CHNK-08",
        ("Parser.behind", "last = stream.groups[-1]", "last = stream.groups[-1]\nself.seen.clear()"),
    ),
    mutant(
        "critical-ignored",
        "T0",
        "CHNK-05",
        ("check_type", "not kind & ANCILLARY and kind not in NAMES", "False"),
    ),
    mutant(
        "safe-critical-ignored",
        "T0",
        "CHNK-06",
        (
            "check_type",
            "not kind & ANCILLARY and kind not in NAMES",
            "not kind & (ANCILLARY | SAFE_TO_COPY) and kind not in NAMES",
        ),
    ),
    mutant(
        "unknown-ancillary-refused",
        "T0",
        "CHNK-09",
        ("check_type", "not kind & ANCILLARY and kind not in NAMES", "kind not in NAMES"),
    ),
    mutant(
        "feature-ignored",
        "T0",
        "HEAD-03",
        ("check_head", "features is not None and features.value & ~FEATURES", "False"),
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
        ("check_head", "width * height > MAX_AREA", "False"),
    ),
    mutant(
        "version-judged",
        "T0",
        "HEAD-06",
        (
            "Parser._header",
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
        ("Parser._chunks", "past is not None and chunk.end > past", "False"),
    ),
    mutant(
        "latents-after-last-chunk",
        "T0",
        "GRPS-07",
        ("parse_groups", "end + values.preamble", "end + values.preamble + 1"),
    ),
    mutant(
        "damage-in-preamble-is-the-end",
        "T0",
        "STAT-06 GRPS-07",
        (
            "Parser.groups",
            "self._group(stream, g) if g.size else g",
            "self._group(stream, g) if g.size and not stream.errors else g",
        ),
    ),
    mutant(
        "damage-behind-is-invalid",
        "T0",
        "STAT-06 STAT-09",
        (
            "Parser._chunks",
            ("return (tuple(found), (SdcError('E_CHUNK_DAMAGED', where=f'chunk at byte {at}', offset=at),))"),
            (
                "if past is None:\n"
                "    raise SdcError('E_HEAD_CRC', offset=at)\n"
                "return (tuple(found), (SdcError('E_CHUNK_DAMAGED', offset=at),))"
            ),
        ),
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
        "ICCP-01 EXIF-01 XMPP-01",
        (
            "Field._wrong",
            "row.get('max', VARINT_MAX)",
            "row.get('max', VARINT_MAX) + (self.label in ('ICCP.size', 'EXIF.size', 'XMPP.size'))",
        ),
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
        (
            "Field._wrong",
            "row.get('min', 0)",
            "row.get('min', 0) * (self.label != 'ICCP.size')",
        ),
    ),
    mutant(
        "colour-numbers-swapped",
        "T0",
        "COLR-01 COLR-02",
        (
            "parse_colr",
            "CodePoints(found.primaries, found.transfer)",
            "CodePoints(found.transfer, found.primaries)",
        ),
    ),
    mutant(
        "colour-unknown-refused",
        "T0",
        "COLR-03",
        (
            "parse_colr",
            "return CodePoints(found.primaries, found.transfer)",
            (
                "if CodePoints(found.primaries, found.transfer).name is None:\n"
                "    raise SdcError('E_LIMIT')\n"
                "return CodePoints(found.primaries, found.transfer)"
            ),
        ),
    ),
    mutant(
        "profile-before-numbers",
        "T0",
        "COLR-04",
        ("metadata.icc_profile", "parse_colour(stream) is None", "True"),
    ),
    mutant(
        "unspecified-holds",
        "T0",
        "COLR-04",
        ("parse_colour", "chunk is None or found == UNSPECIFIED", "chunk is None"),
    ),
    mutant(
        "exif-judged",
        "T0",
        "EXIF-02",
        (
            "info_answer",
            "head = stream.head",
            (
                "if (exif(stream) or b'MM')[:2] not in (b'MM', b'II'):\n"
                "    raise SdcError('E_DEFLATE')\n"
                "head = stream.head"
            ),
        ),
    ),
    mutant(
        "xmp-judged",
        "T0",
        "XMPP-02",
        (
            "info_answer",
            "head = stream.head",
            ("if (xmp(stream) or b'<')[:1] != b'<':\n    raise SdcError('E_DEFLATE')\nhead = stream.head"),
        ),
    ),
    mutant(
        "bytes-behind-deflate",
        "T0",
        "DEFL-01",
        ("_inflate", "len(inflater.unused_data)", "0"),
    ),
    mutant(
        "deflate-cut-off",
        "T0",
        "DEFL-01",
        ("_inflate", "not inflater.eof", "False"),
    ),
    mutant(
        "deflate-too-short",
        "T0",
        "DEFL-03",
        ("_inflate", "len(content) < size", "False"),
    ),
    mutant(
        "deflate-too-long",
        "T0",
        "DEFL-03",
        ("_inflate", "len(content) > size", "False"),
        ("_inflate", "not inflater.eof", "False"),
    ),
    mutant(
        "ranks-from-zero",
        "T0",
        "OBJS-09 OBJS-21",
        ("_reader", "rank + decoder.uniform(MAX_OBJECTS - rank)", "decoder.uniform(MAX_OBJECTS)"),
    ),
    mutant(
        "unknown-score-is-none",
        "T0",
        "OBJS-08",
        ("objs_rows.NO_SCORE", "255", "0"),
    ),
    mutant(
        "layout-unchecked",
        "T0",
        "OBJS-19",
        ("read_rows", "any(parts[name] != needed for name, needed in _flags(rows).items())", "False"),
    ),
    mutant(
        "texts-twice",
        "T0",
        "OBJS-20",
        ("_lists", "len(set(texts)) < len(texts)", "False"),
    ),
    mutant(
        "texts-unused",
        "T0",
        "OBJS-21",
        ("read_rows", "own.used < len(own.texts)", "False"),
    ),
    mutant(
        "texts-in-any-order",
        "T0",
        "OBJS-21",
        ("_Picks.count", "min(self.used + 1, len(self.texts)) + 1", "len(self.texts) + 1"),
    ),
    mutant(
        "box-not-cut",
        "T0",
        "OBJS-22",
        ("Bounds.pixels", "min(w, self.width - x)", "w"),
    ),
    mutant(
        "box-from-size",
        "T0",
        "OBJS-21 OBJS-22",
        ("_reader", "decoder.number(past - start) + 1", "decoder.number(past) + 1"),
    ),
    mutant(
        "large-numbers-in-halves",
        "T0",
        "RANS-12",
        ("Decoder.number", "2 * self.uniform(count + 1 >> 1)", "2 * self.uniform(count >> 1)"),
    ),
    mutant(
        "masks-too-long",
        "T0",
        "OBJS-15",
        ("_with_masks", "at != len(masks)", "at > len(masks)"),
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
            "check_type",
            "kind in ONCE and kind in seen",
            "(kind in ONCE or kind == PROV) and kind in seen",
        ),
    ),
    mutant(
        "object-mask-empty",
        "T0",
        "OBJS-16",
        ("_decoded_mask", "not mask.any()", "False"),
    ),
    mutant(
        "objects-not-utf8",
        "T0",
        "OBJS-11 OBJS-13 NOTA-06",
        ("_type", "'utf8'", "'latin1'"),
    ),
)
