"""ICC profiles made for code points: a matrix and three curves (ISO 15076-1, version 4.3)."""

from __future__ import annotations

import hashlib
import struct
from functools import cache

import numpy as np

from ..format.colr import SRGB, CodePoints
from .spaces import D50, Floats, Primaries, adaptation, curve_of, light_of, matrix_of, rows_of, white_of

SAMPLES = 1024
"""Entries of a curve that is no power."""


def _s15(*values: float) -> bytes:
    """Numbers of type s15Fixed16."""
    return b"".join(struct.pack(">i", round(v * 65536)) for v in values)


def _xyz(values: Floats) -> bytes:
    return b"XYZ " + bytes(4) + _s15(*values.tolist())


def _text(words: str) -> bytes:
    """A multiLocalizedUnicode of one text in English."""
    data = words.encode("utf-16-be")
    return b"mluc" + bytes(4) + struct.pack(">II4sII", 1, 12, b"enUS", len(data), 28) + data


def _curve(transfer: int) -> bytes:
    """A parametricCurve where the transfer is one, else a table."""
    numbers = curve_of(transfer)
    if numbers is not None:
        return b"para" + bytes(4) + struct.pack(">HH", 0 if len(numbers) == 1 else 3, 0) + _s15(*numbers)
    light = light_of(transfer, np.linspace(0, 1, SAMPLES))
    table = np.rint(light / light[-1] * 65535).astype(">u2").tobytes()
    return b"curv" + bytes(4) + struct.pack(">I", SAMPLES) + bytes(table)


@cache
def profile_of(colour: CodePoints) -> bytes | None:
    """ICC profile for display of a colour space; ``None`` where a number of it is not known."""
    if colour.primaries not in rows_of("colour_primaries") or colour.transfer not in rows_of("transfers"):
        return None
    return _display(colour.name or "", colour.primaries, _curve(colour.transfer))


def profile_of_power(primaries: Primaries, gamma: float) -> bytes:
    """ICC profile for display of chromaticities and a power, which light is of samples.

    Raises:
        numpy.linalg.LinAlgError: the chromaticities lie on a line.
    """
    curve = b"para" + bytes(4) + struct.pack(">HH", 0, 0) + _s15(gamma)
    return _display(f"gamma {gamma:.3g}", primaries, curve)


def _display(name: str, primaries: int | Primaries, curve: bytes) -> bytes:
    """A profile of a matrix and a curve."""
    columns = matrix_of(primaries)
    tags = {
        b"desc": _text(name),
        b"cprt": _text("CC0-1.0"),
        b"wtpt": _xyz(D50),
        b"chad": b"sf32" + bytes(4) + _s15(*adaptation(white_of(primaries)).reshape(-1).tolist()),
        **{tag: _xyz(columns[:, k]) for k, tag in enumerate((b"rXYZ", b"gXYZ", b"bXYZ"))},
        **dict.fromkeys((b"rTRC", b"gTRC", b"bTRC"), curve),
    }
    return _file(tags)


def _file(tags: dict[bytes, bytes]) -> bytes:
    """A profile with these tags; equal ones are kept once."""
    start = 128 + 4 + 12 * len(tags)
    places: dict[bytes, int] = {}
    body = b""
    for data in tags.values():
        if data not in places:
            places[data] = start + len(body)
            body += data + bytes(-len(data) % 4)
    table = struct.pack(">I", len(tags))
    for tag, data in tags.items():
        table += struct.pack(">4sII", tag, places[data], len(data))
    size = start + len(body)
    date = struct.pack(">6H", 2026, 1, 1, 0, 0, 0)
    head = struct.pack(">I4sI4s4s4s", size, bytes(4), 0x04300000, b"mntr", b"RGB ", b"XYZ ") + date + b"acsp"
    head += bytes(28) + _s15(*D50.tolist()) + bytes(4 + 16 + 28)
    whole = head + table + body
    # The identifier is the MD5 of the profile with flags, intent and identifier as 0 (7.2.18); they are.
    identifier = hashlib.md5(whole, usedforsecurity=False).digest()
    return whole[:84] + identifier + whole[100:]


def profile_for(colour: CodePoints | None, profile: bytes | None) -> bytes | None:
    """The profile to write into an image file: none for sRGB, or where the colour space is not known.

    Args:
        colour: code points of the samples, if these say what they are.
        profile: otherwise, their ICC profile.
    """
    if colour is None:
        return profile
    return None if colour == SRGB else profile_of(colour)
