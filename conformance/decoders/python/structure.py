#!/usr/bin/env python3
r"""A decoder of tier T0, structure, from the specification alone; a first step and a pattern for others.

    sdc-conformance run --decoder 'python structure.py' --tier T0 \
        --without OBJS --without COLR --without ICCP --without EXIF --without XMPP --without REST

It speaks ``info`` and ``serve`` of ``conformance/protocol.md`` and follows ``read_stream`` of section 13.3.
"""

import base64
import json
import sys
import zlib
from typing import Any

Answer = dict[str, Any]

ONCE = (0x81, 0x83, 0x84, 0x85, 0xC1, 0xC2)  # OBJS, EXIF, XMPP, REST, ICCP, COLR
UNSUPPORTED = ("E_FEATURE", "E_CHUNK_CRITICAL")


class Error(Exception):
    """An error code of appendix B, with the offset of the chunk or field."""


class CutOff(Exception):
    """Bytes end within a field."""


def varint(data: bytes, at: int) -> tuple[int, int]:
    """Section 3: the value and the place behind it."""
    value = 0
    for i in range(5):
        if at >= len(data):
            raise CutOff
        value |= (data[at] & 127) << (7 * i)
        at += 1
        if data[at - 1] < 128:
            if (data[at - 1] == 0 and i) or value > 0xFFFFFFFF:
                break
            return value, at
    raise Error("E_VARINT", at - 1 - i)


def right(data: bytes, at: int, crc: int, seed: bytes = b"") -> bool:
    """Section 4.2: whether the CRC of the bytes in front of it, behind a seed, is right."""
    return zlib.crc32(seed + data[at:crc]) == int.from_bytes(data[crc : crc + 4], "little")


def chunk(data: bytes, at: int) -> int | None:
    """Section 4.2: where a chunk ends; nothing when it is damaged."""
    try:
        size, start = varint(data, at + 1)
    except (CutOff, Error):
        return None
    crc = start + size
    return crc + 4 if crc + 4 <= len(data) and right(data, at, crc) else None


def picture(data: bytes, at: int) -> tuple[Answer, int]:
    """Section 5: the head from ``width`` to ``version``, and its end."""
    width, past = varint(data, at)
    if not 1 <= width <= 65536:
        raise Error("E_HEAD_SIZE", at)
    height, at = varint(data, past)
    if not 1 <= height <= 65536 or width * height > 1 << 30:
        raise Error("E_HEAD_SIZE", past)
    features, past = varint(data, at)
    if features:
        raise Error("E_FEATURE", at)
    model, at = varint(data, past)
    if at + 5 > len(data):
        raise CutOff
    own = {"width": width, "height": height, "features": features, "model": model}
    return own | {"weights": data[at : at + 4].hex(), "version": data[at + 4]}, at + 5


def listed(data: bytes, start: int, cells: int) -> tuple[int, list[list[int]], int]:
    """Section 6: the preamble, ``[level, quality, size]`` of each group, and where the map begins."""
    if start >= len(data):
        raise CutOff
    if not 1 <= data[start] <= cells:
        raise Error("E_GRPS_COUNT", start)
    preamble, at = varint(data, start + 1)
    groups: list[list[int]] = []
    for _ in range(data[start]):
        size, past = varint(data, at + 1)
        if groups and data[at] >> 6 < groups[-1][0]:
            raise Error("E_GRPS_ORDER", at)
        if 1 <= size <= 3:
            raise Error("E_GRPS_SIZE", at + 1)
        groups.append([data[at] >> 6, data[at] & 63, size])
        at = past
    return preamble, groups, at


def header(data: bytes) -> tuple[int, int]:
    """Section 5: where the head begins and where it ends, at the CRC of the header."""
    if data[:4] != b"\xd3SDC":
        short = 0 < len(data) < 4 and b"\xd3SDC".startswith(data)
        raise Error("E_TRUNCATED" if short else "E_MAGIC", len(data) if short else 0)
    try:
        length, start = varint(data, 4)
    except CutOff:
        raise Error("E_TRUNCATED", len(data)) from None
    if start + length + 4 > len(data):
        raise Error("E_TRUNCATED", len(data))
    if not right(data, 4, start + length):
        raise Error("E_HEAD_CRC", start + length)
    return start, start + length


def info(data: bytes) -> tuple[int, Answer]:
    """Section 13.3: what ``info`` prints."""
    start, crc = header(data)
    head = data[:crc]
    try:
        answer, at = picture(head, start)
        cells = -(-answer["width"] // 16) * -(-answer["height"] // 16)
        preamble, groups, at_map = listed(head, at, cells)
    except CutOff:
        raise Error("E_PAYLOAD_LENGTH", crc) from None
    seed = head[start:at] + head[at_map:]
    chunks: list[Answer] = []
    errors: list[Answer] = []

    def read_chunks(at: int, past: int) -> None:
        """The first chunk that is damaged ends it."""
        while at < past:
            end = chunk(data, at)
            if end is None:
                errors.append({"code": "E_CHUNK_DAMAGED", "offset": at})
                if at < len(data):
                    size = len(data) - at
                    chunks.append({"type": data[at], "offset": at, "size": size, "state": "damaged"})
                return
            if end > past:
                raise Error("E_GRPS_PREAMBLE", at)
            if data[at] in ONCE and any(c["type"] == data[at] for c in chunks):
                raise Error("E_CHUNK_DUPLICATE", at)
            if data[at] < 128:
                raise Error("E_CHUNK_CRITICAL", at)
            chunks.append({"type": data[at], "offset": at, "size": end - at, "state": "complete"})
            at = end

    at = crc + 4 + preamble
    read_chunks(crc + 4, at)
    rows = []
    for k, (level, quality, size) in enumerate(groups):
        state = "complete" if size else "withdrawn"
        if at + size > len(data) and size:
            state = "truncated"
        elif size and not right(data, at, at + size - 4, seed + bytes([k, level << 6 | quality])):
            state = "damaged"
        if state in ("truncated", "damaged"):
            errors.append({"code": f"E_GROUP_{state.upper()}", "offset": at})
        rows.append({"level": level, "quality": quality, "offset": at, "size": size, "state": state})
        at += size
    read_chunks(at, len(data))
    return 3 if errors else 0, answer | {"groups": rows, "chunks": chunks, "errors": errors}


def answer(data: bytes) -> tuple[int, Answer]:
    """Exit status and what is printed."""
    try:
        return info(data)
    except Error as error:
        code, offset = error.args
        return 2 if code in UNSUPPORTED else 1, {"error": {"code": code, "offset": offset}}


def main() -> int:
    """The command."""
    if sys.argv[1] == "serve":
        for line in sys.stdin:
            question = json.loads(line)
            status, found = answer(base64.b64decode(question["data"]))
            if question["op"] != "info":
                status, found = 64, {}
            print(json.dumps({"id": question["id"], "exit": status, **found}), flush=True)
        return 0
    with open(sys.argv[2], "rb") as file:
        status, found = answer(file.read())
    print(json.dumps(found))
    return status


if __name__ == "__main__":
    sys.exit(main())
