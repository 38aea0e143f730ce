#!/usr/bin/env python3
"""A decoder of tier T0, structure, from the specification alone; a first step and a pattern for others.

    sdc-conformance run --decoder 'python structure.py' --tier T0 --without OBJS --without ICCP

It speaks ``info`` and ``serve`` of ``conformance/protocol.md`` and follows ``read_stream`` of section 13.3.
"""

import base64
import json
import sys
import zlib
from collections.abc import Callable
from typing import Any

Answer = dict[str, Any]

HEAD, GRPS, MASK, LATN, OBJS, ICCP = 0x01, 0x02, 0x03, 0x04, 0x81, 0xC1
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


def chunk(data: bytes, at: int, seed: bytes = b"") -> tuple[int, int, int, bool]:
    """Section 4.2: type, place of the payload, end, and whether the CRC is right."""
    size, start = varint(data, at + 1)
    end = start + size + 4
    if end > len(data):
        raise CutOff
    crc = zlib.crc32(seed + data[at : end - 4])
    return data[at], start, end, crc == int.from_bytes(data[end - 4 : end], "little")


def required(data: bytes, at: int, kind: int) -> tuple[int, int]:
    """HEAD, GRPS and MASK: place of the payload, and end."""
    try:
        found, start, end, right = chunk(data, at)
    except CutOff:
        raise Error("E_TRUNCATED", len(data)) from None
    if not right:
        raise Error("E_CHUNK_CRC", end - 4)
    if found != kind:
        raise Error("E_CHUNK_ORDER", at)
    return start, end


def fields(data: bytes, start: int, end: int, read: Callable[[bytes, int], tuple[Any, int]]) -> Any:
    """Fields of a payload, which must be all of it (CHNK-03)."""
    try:
        values, at = read(data[: end - 4], start)
    except CutOff:
        raise Error("E_PAYLOAD_LENGTH", end - 4) from None
    if at != end - 4:
        raise Error("E_PAYLOAD_LENGTH", at)
    return values


def head(data: bytes, at: int) -> tuple[Answer, int]:
    """Section 5."""
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


def grps(data: bytes, start: int, cells: int) -> tuple[tuple[int, list[list[int]]], int]:
    """Section 6: the preamble, and ``[level, quality, size]`` of each group."""
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
        if 1 <= size <= 5:
            raise Error("E_GRPS_SIZE", at + 1)
        groups.append([data[at] >> 6, data[at] & 63, size])
        at = past
    return (preamble, groups), at


def info(data: bytes) -> tuple[int, Answer]:
    """Section 13.3: what ``info`` prints."""
    if data[:4] != b"\xd3SDC":
        short = 0 < len(data) < 4 and b"\xd3SDC".startswith(data)
        raise Error("E_TRUNCATED" if short else "E_MAGIC", len(data) if short else 0)
    chunks: list[Answer] = []
    errors: list[Answer] = []
    seen: set[int] = set()

    def listed(kind: int, at: int, size: int, state: str) -> None:
        chunks.append({"type": kind, "offset": at, "size": size, "state": state})

    start, end = required(data, 4, HEAD)
    answer = fields(data, start, end, head)
    listed(HEAD, 4, end - 4, "complete")
    cells = -(-answer["width"] // 16) * -(-answer["height"] // 16)
    at = end
    start, end = required(data, at, GRPS)
    preamble, groups = fields(data, start, end, lambda d, s: grps(d, s, cells))
    listed(GRPS, at, end - at, "complete")
    first, place, mask = end, end + preamble, None
    at = first
    if preamble and at < len(data) and data[at] == MASK:
        start, end = required(data, at, MASK)
        if end > place:
            raise Error("E_GRPS_PREAMBLE", at)
        mask = data[start : end - 4]
        seen.add(MASK)
        listed(MASK, at, end - at, "complete")
        first = at = end

    def rest(at: int, past: int) -> None:
        """Chunks in front of or behind the latents; the first that is damaged ends it."""
        while at < past:
            try:
                kind, _, end, right = chunk(data, at)
            except CutOff:
                if past == place and len(groups) > 1 and mask is None:
                    raise Error("E_TRUNCATED", len(data)) from None
                right = False
            except Error:
                right = False
            if not right:
                errors.append({"code": "E_CHUNK_DAMAGED", "offset": at})
                if at < len(data):
                    listed(data[at], at, len(data) - at, "damaged")
                return
            if past == place and (kind == LATN or end > place):
                raise Error("E_GRPS_PREAMBLE", at)
            if kind in (HEAD, GRPS) or (kind in (MASK, OBJS, ICCP) and kind in seen):
                raise Error("E_CHUNK_DUPLICATE", at)
            if kind in (MASK, LATN) or (kind == ICCP and (past != place or at != first)):
                raise Error("E_CHUNK_ORDER", at)
            if kind < 128:
                raise Error("E_CHUNK_CRITICAL", at)
            seen.add(kind)
            listed(kind, at, end - at, "complete")
            at = end

    rest(at, place)
    if len(groups) > 1 and mask is None:
        raise Error("E_MASK_MISSING", place)
    at, rows = place, []
    payload_of_head = data[chunks[0]["offset"] + 2 : chunks[0]["offset"] + chunks[0]["size"] - 4]
    for k, (level, quality, size) in enumerate(groups):
        state = "complete" if size else "withdrawn"
        if at + size > len(data) and size:
            state = "truncated"
        elif size:
            body, seed = (
                data[at : at + size],
                payload_of_head + (mask or b"") + bytes([k, level << 6 | quality]),
            )
            if zlib.crc32(seed + body[:-4]) != int.from_bytes(body[-4:], "little"):
                state = "damaged"
        if state in ("truncated", "damaged"):
            errors.append({"code": f"E_GROUP_{state.upper()}", "offset": at})
        elif size:
            length, start = varint(data, at + 1)
            if body[0] != LATN:
                raise Error("E_LATN_SIZE", at)
            if start + length + 4 != at + size:
                raise Error("E_LATN_SIZE", at + 1)
        if size and at < len(data):
            listed(LATN, at, min(size, len(data) - at), state)
        rows.append({"level": level, "quality": quality, "offset": at, "size": size, "state": state})
        at += size
    rest(at, len(data))
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
