"""What is wrong with an answer, key by key."""

from __future__ import annotations

import base64
import hashlib
import json
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from .suite import KEYS, Question, exits_of

MISSING = "nothing"


@dataclass(frozen=True)
class Failure:
    """One thing that is wrong with an answer."""

    tier: str
    what: str
    expected: str
    got: str


def short(value: Any) -> str:
    """A value in at most 200 characters."""
    text = value if isinstance(value, str) else json.dumps(value)
    return text if len(text) <= 200 else text[:197] + "..."


def check_answer(
    question: Question,
    status: Any,
    answer: Any,
    tiers: Sequence[str],
    without: Sequence[str] = (),
) -> list[Failure]:
    """What is wrong with an answer.

    Args:
        status: exit status.
        answer: what was printed.
        tiers: those claimed; what belongs to others is not looked at.
        without: chunks that the decoder does not read.
    """
    wanted = question.wanted
    base = question.tier
    if not isinstance(answer, dict):
        return [Failure(base, "answer", "an object of JSON", short(answer))]
    error = answer.get("error")
    error = error if isinstance(error, dict) else {}
    code = error.get("code")
    if isinstance(status, bool) or status not in exits_of(wanted):
        rows = answer.get("errors")
        errors = [row for row in rows if isinstance(row, dict)] if isinstance(rows, list) else []
        codes = [code] if code is not None else [f"{e.get('code')} at {e.get('offset')}" for e in errors]
        said = f" ({', '.join(map(str, codes))})" if codes else ""
        right = f" ({' or '.join(wanted['codes'])})" if "codes" in wanted else ""
        return [
            Failure(
                base, "exit", f"{' or '.join(map(str, exits_of(wanted)))}{right}", f"{short(status)}{said}"
            )
        ]
    out: list[Failure] = []
    if status not in (0, 3):
        if code not in wanted["codes"]:
            out.append(Failure(base, "error.code", " or ".join(wanted["codes"]), short(code)))
        elif question.op != "model" and status < 64:
            out += _check_place(question, error)
        elif answer.get("incomplete"):
            out.append(Failure(base, "incomplete", "no incomplete output", short(answer["incomplete"])))
    elif question.op == "extract":
        out += _compare_data(question, answer)
    else:
        found: list[tuple[str, Any, Any]] = []
        unread = {key for chunk, key in KEYS.items() if chunk in without}
        expected = {k: v for k, v in wanted.get("answer", {}).items() if k not in unread}
        _compare("", expected, answer, found)
        for path, value, got in found:
            tier = _tier(question, path)
            if tier in tiers:
                out.append(Failure(tier, path, short(value), short(got)))
    return out


def _check_place(question: Question, error: dict[str, Any]) -> list[Failure]:
    """Whether an error says where the fault lies, and lies where it says."""
    offset, where = error.get("offset"), error.get("where")
    if offset is None:
        if isinstance(where, str) and where:
            return []
        return [Failure(question.tier, "error", "an offset, or where the fault lies", short(error))]
    size = question.entry["bytes"] if question.cut is None else question.cut
    first, last = question.wanted.get("offsets", (0, size))
    if isinstance(offset, int) and not isinstance(offset, bool) and first <= offset <= last:
        return []
    return [Failure(question.tier, "error.offset", f"{first} to {last}, or none", short(offset))]


def _compare_data(question: Question, answer: dict[str, Any]) -> list[Failure]:
    expected = question.wanted["answer"]["data"]
    try:
        got = hashlib.sha256(base64.b64decode(answer["data"], validate=True)).hexdigest()
    except (KeyError, TypeError, ValueError):
        return [Failure("X", "data", "the new stream in base64", short(answer.get("data")))]
    return [] if got == expected else [Failure("X", "data", f"a stream with SHA-256 {expected}", got)]


def _tier(question: Question, path: str) -> str:
    """Tier of a key of an answer."""
    last = path.rsplit(".", 1)[-1]
    if question.op == "decode" and question.tier != "R" and last == "pixels":
        return "T3"
    if question.op == "info" and path == "map" and question.tier == "T0":
        return "T1"
    return question.tier


def _compare(path: str, expected: Any, got: Any, out: list[tuple[str, Any, Any]]) -> None:
    """Collect differences; keys beyond those expected are ignored."""
    if isinstance(expected, dict) and isinstance(got, dict):
        for key, value in expected.items():
            _compare(f"{path}.{key}" if path else key, value, got.get(key, MISSING), out)
    elif isinstance(expected, list) and isinstance(got, list) and len(expected) == len(got):
        if path == "errors":
            expected, got = sorted(expected, key=_order), sorted(got, key=_order)
        for k, (a, b) in enumerate(zip(expected, got, strict=True)):
            _compare(f"{path}[{k}]", a, b, out)
    elif type(expected) is not type(got) or expected != got:
        out.append((path, expected, got))


def _order(row: Any) -> tuple[int, str]:
    if not isinstance(row, dict):
        return (-1, "")
    offset = row.get("offset")
    return (offset if isinstance(offset, int) else -1, str(row.get("code")))
