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


class _Checks:
    """Collects what is wrong."""

    def __init__(self) -> None:
        self.failures: list[Failure] = []

    def same(self, what: str, expected: Any, got: Any) -> bool:
        """Whether two values are the same."""
        right = bool(expected == got)
        if not right:
            self.failures.append(Failure("E", what, short(expected), short(got)))
        return right


def check_stream(
    question: Question, suite: Suite, answer: dict[str, Any], again: dict[str, Any], ask: Ask
) -> list[Failure]:
    """What is wrong with a stream that an encoder made.

    Args:
        question: what the encoder was asked.
        suite: which the question is of.
        answer, again: of the encoder, to the same question.
        ask: asks the decoder that checks.
    """
    checks = _Checks()
    stream = _stream(checks, answer, again)
    if not stream or not _readable(checks, answer, ask):
        return checks.failures
    groups = _claims(checks, question, suite, answer, ask)
    if not checks.failures:
        _pixels(checks, question, suite, stream, groups, ask)
    return checks.failures


def check_safe_chunks(answer: dict[str, Any], other: dict[str, Any], ask: Ask) -> list[Failure]:
    """What chunks that are safe to copy tell about pixels (EXTN-03).

    Args:
        answer, other: of the encoder, to a picture and to its negative.
        ask: asks the decoder that checks.
    """
    checks = _Checks()
    if checks.same("negative", 0, other.get("exit", 0)) and checks.same(
        "data", True, bool(other.get("data"))
    ):
        checks.same("safe chunks", _safe_chunks(other, ask), _safe_chunks(answer, ask))
    return checks.failures


def _safe_chunks(answer: dict[str, Any], ask: Ask) -> list[str]:
    """Ancillary chunks of a stream that are safe to copy, in hexadecimal."""
    data = base64.b64decode(answer["data"])
    rows = ask({"op": "info", "data": answer["data"]}).get("chunks", [])
    return [data[r["offset"] :][: r["size"]].hex() for r in rows if r["type"] >> 6 == 3]


def _stream(checks: _Checks, answer: dict[str, Any], again: dict[str, Any]) -> bytes:
    """The stream, which two answers must have."""
    data = answer.get("data")
    try:
        stream = base64.b64decode(data, validate=True) if isinstance(data, str) else b""
    except ValueError:
        stream = b""
    if checks.same("data", True, bool(stream)):
        checks.same("second run", hashlib.sha256(stream).hexdigest(), _hash_of(again.get("data")))
    return stream


def _readable(checks: _Checks, answer: dict[str, Any], ask: Ask) -> bool:
    """Whether the decoder finds it valid."""
    for op in ("info", "validate"):
        found = ask({"op": op, "data": answer["data"]})
        said = f"{found.get('exit')} {found.get('error', {}).get('code', '')}".strip()
        if not checks.same(f"stream.{op}", "0", said):
            return False
    return True


def _claims(
    checks: _Checks, question: Question, suite: Suite, answer: dict[str, Any], ask: Ask
) -> list[dict[str, Any]]:
    """Level and quality of each group, which must be as asked and as claimed; and the size."""
    width, height, _ = question.picture(suite)
    info = ask({"op": "info", "data": answer["data"]})
    checks.same("stream.size", f"{width} x {height}", f"{info['width']} x {info['height']}")
    groups = [{key: g[key] for key in ("level", "quality")} for g in info["groups"]]
    claim = [answer.get("width"), answer.get("height"), answer.get("groups")]
    checks.same("claim", [info["width"], info["height"], groups], claim)
    gone = [k for k, g in enumerate(info["groups"]) if g["state"] != "complete"]
    checks.same("stream.withdrawn", [], gone)
    quality = question.wanted["quality"]
    asked = [quality[LEVELS[g["level"]]] if isinstance(quality, dict) else quality for g in groups]
    checks.same("quality", asked, [g["quality"] for g in groups])
    return groups


def _pixels(
    checks: _Checks, question: Question, suite: Suite, stream: bytes, groups: list[dict[str, Any]], ask: Ask
) -> None:
    """How good the stream is and how large, and where its groups lie."""
    wanted = question.wanted
    width, height, pixels = question.picture(suite)
    data = base64.b64encode(stream).decode()
    whole = ask({"op": "decode", "data": data, "files": True})
    labels, samples = (base64.b64decode(whole["files"][name]) for name in ("map.bin", "pixels.rgb"))
    for thing in wanted.get("objects", ()):
        inside = {
            LEVELS[groups[label - 1]["level"]] if label else "no group"
            for label in _labels_within(thing["box"], labels, width, height)
        }
        checks.same(f"level of {thing['label']}", [thing["level"]], sorted(inside))
    error = sum((a - b) ** 2 for a, b in zip(pixels, samples, strict=True))
    psnr = 10 * math.log10(255**2 * len(pixels) / max(error, 1e-9))
    bits = 8 * len(stream) / (width * height)
    if psnr < wanted.get("psnr", 0):
        checks.failures.append(Failure("E", "psnr", f"{wanted['psnr']} dB or more", f"{psnr:.2f} dB"))
    if bits > wanted.get("bpp", math.inf):
        checks.failures.append(Failure("E", "bpp", f"{wanted['bpp']} bits per pixel or less", f"{bits:.3f}"))
    for k, row in enumerate(whole["groups"]):
        alone = ask({"op": "decode", "data": data, "groups": [k]})
        checks.same(f"group {k} alone", row.get("pixels"), alone["groups"][k].get("pixels"))


def _labels_within(box: list[int], labels: bytes, width: int, height: int) -> list[int]:
    """Labels of the cells that lie in a box, but for what the picture's edge cuts off."""
    x, y, w, h = box
    cols = -(-width // CELL)
    bottom = -(-(y + h) // CELL) if y + h == height else (y + h) // CELL
    right = -(-(x + w) // CELL) if x + w == width else (x + w) // CELL
    rows, columns = range(-(-y // CELL), bottom), range(-(-x // CELL), right)
    return [labels[row * cols + col] for row in rows for col in columns]


def _hash_of(data: Any) -> str:
    try:
        return hashlib.sha256(base64.b64decode(data, validate=True)).hexdigest()
    except (TypeError, ValueError):
        return "not base64"
