"""Reads the PNG files of the vectors, with the standard library alone."""

from __future__ import annotations

import zlib


def read_png(data: bytes) -> tuple[int, int, bytes]:
    """Width, height and pixels of a PNG file of 8-bit RGB samples, not interlaced, as the vectors are."""
    width, height = int.from_bytes(data[16:20], "big"), int.from_bytes(data[20:24], "big")
    assert data[24:29] == b"\x08\x02\0\0\0"
    packed, at = b"", 8
    while at < len(data):
        size = int.from_bytes(data[at : at + 4], "big")
        packed += data[at + 8 : at + 8 + size] if data[at + 4 : at + 8] == b"IDAT" else b""
        at += size + 12
    lines, step = zlib.decompress(packed), 3 * width + 1
    out, above = bytearray(), bytes(step + 2)
    for start in range(0, height * step, step):
        kind, line = lines[start], bytearray(3) + lines[start + 1 : start + step]
        for k in range(3, len(line)):
            a, b, c = line[k - 3], above[k], above[k - 3]
            paeth = min((abs(b - c), 0, a), (abs(a - c), 1, b), (abs(a + b - 2 * c), 2, c))[2]
            line[k] = (line[k] + (0, a, b, (a + b) >> 1, paeth)[kind]) & 255
        out += line[3:]
        above = bytes(line)
    return width, height, bytes(out)
