"""What is wrong with a stream that an encoder made, as a decoder sees it (tier E)."""

from __future__ import annotations

import base64
import hashlib
import math
from collections.abc import Callable
from typing import Any

from .checks import Failure, short
from .suite import Question, Suite

LEVELS = ("L1", "L2", "L3", "other")

CELL = 16

Ask = Callable[[dict[str, Any]], dict[str, Any]]


def check_stream(
    question: Question, suite: Suite, answer: dict[str, Any], again: dict[str, Any], ask: Ask
) -> list[Failure]:
    """What is wrong with a stream that an encoder made.

    Args:
        answer, again: of the encoder, to the same question.
        ask: asks the decoder that checks.
    """
    wanted = question.wanted
    width, height, pixels = question.picture(suite)
    out: list[Failure] = []

    def check(what: str, expected: Any, got: Any) -> bool:
        if expected != got:
            out.append(Failure("E", what, short(expected), short(got)))
        return expected == got

    data = answer.get("data")
    try:
        stream = base64.b64decode(data, validate=True) if isinstance(data, str) else b""
    except ValueError:
        stream = b""
    if not check("data", True, bool(stream)):
        return out
    check("second run", hashlib.sha256(stream).hexdigest(), _hash_of(again.get("data")))
    info = ask({"op": "info", "data": data})
    for op, found in (("info", info), ("validate", ask({"op": "validate", "data": data}))):
        said = f"{found.get('exit')} {found.get('error', {}).get('code', '')}".strip()
        if not check(f"stream.{op}", "0", said):
            return out
    check("stream.size", f"{width} x {height}", f"{info['width']} x {info['height']}")
    groups = [{key: g[key] for key in ("level", "quality")} for g in info["groups"]]
    claim = [answer.get("width"), answer.get("height"), answer.get("groups")]
    check("claim", [info["width"], info["height"], groups], claim)
    check("stream.withdrawn", [], [k for k, g in enumerate(info["groups"]) if g["state"] != "complete"])
    quality = wanted["quality"]
    asked = [quality[LEVELS[g["level"]]] if isinstance(quality, dict) else quality for g in groups]
    check("quality", asked, [g["quality"] for g in groups])
    if out:
        return out
    whole = ask({"op": "decode", "data": data, "files": True})
    labels, samples = (base64.b64decode(whole["files"][name]) for name in ("map.bin", "pixels.rgb"))
    cols = -(-width // CELL)
    for thing in wanted.get("objects", ()):
        x, y, w, h = thing["box"]
        inside = {
            LEVELS[groups[labels[row * cols + col] - 1]["level"]] if labels[row * cols + col] else "no group"
            for row in range(-(-y // CELL), -(-(y + h) // CELL) if y + h == height else (y + h) // CELL)
            for col in range(-(-x // CELL), -(-(x + w) // CELL) if x + w == width else (x + w) // CELL)
        }
        check(f"level of {thing['label']}", [thing["level"]], sorted(inside))
    error = sum((a - b) ** 2 for a, b in zip(pixels, samples, strict=True))
    psnr = 10 * math.log10(255**2 * len(pixels) / max(error, 1e-9))
    bits = 8 * len(stream) / (width * height)
    if psnr < wanted.get("psnr", 0):
        out.append(Failure("E", "psnr", f"{wanted['psnr']} dB or more", f"{psnr:.2f} dB"))
    if bits > wanted.get("bpp", math.inf):
        out.append(Failure("E", "bpp", f"{wanted['bpp']} bits per pixel or less", f"{bits:.3f}"))
    for k, row in enumerate(whole["groups"]):
        alone = ask({"op": "decode", "data": data, "groups": [k]})
        check(f"group {k} alone", row.get("pixels"), alone["groups"][k].get("pixels"))
    return out


def _hash_of(data: Any) -> str:
    try:
        return hashlib.sha256(base64.b64decode(data, validate=True)).hexdigest()
    except (TypeError, ValueError):
        return "not base64"
