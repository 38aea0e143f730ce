"""Collects vectors with what a decoder must say about each."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

from sdc.errors import SdcError
from sdc.format.chunks import CRC_SIZE
from sdc.format.fields import decode_varint
from sdc.format.parse import parse, read

from ..adapter import answer, digest
from .streams import Parts

SPEC = Path(__file__).resolve().parents[2] / "spec"

LICENCE = "CC0-1.0"
UNKNOWN = 16777999
"""A private model that no decoder has."""
LINE = re.compile(r"^- \[([A-Z]{4}-[0-9]{2})\] (.+)$", re.MULTILINE)
RANS_CODES = ("E_RANS_FINAL",)
EXACT = (
    *("E_MAGIC", "E_TRUNCATED", "E_VARINT", "E_PAYLOAD_LENGTH", "E_HEAD_CRC", "E_HEAD_SIZE", "E_FEATURE"),
    *("E_GRPS_COUNT", "E_GRPS_ORDER", "E_GRPS_SIZE", "E_GRPS_PREAMBLE"),
    *("E_CHUNK_DUPLICATE", "E_CHUNK_CRITICAL"),
)
"""Codes of which an offset must be the one byte that ``protocol.md`` names."""
MAP_CODES = (*RANS_CODES, "E_MASK_LABEL", "E_MASK_EMPTY_GROUP")

CONTAINER_IDS = (
    "NOTA-01 NOTA-02 NOTA-04 NOTA-05 FILE-01 FILE-02 HEAD-01 HEAD-02 HEAD-03 HEAD-07 HEAD-08 HEAD-09 "
    "GRPS-01 GRPS-02 GRPS-03 GRPS-04 GRPS-05 GRPS-06 GRPS-07 MASK-03 MASK-04 LATN-04 CHNK-10 "
    "STAT-09 STAT-10 CONF-01 CONF-02"
).split()
CHUNK_IDS = "CHNK-01 CHNK-02 CHNK-03 CHNK-04 CHNK-05 CHNK-06 CHNK-07 CHNK-08".split()
MAP_IDS = ("MASK-05 MASK-06 MASK-07 BINM-01 BINM-02 BINM-03 RANS-01 RANS-03 RANS-04 RANS-07 RANS-11").split()
SYMBOL_IDS = (
    "HEAD-04 HEAD-05 NOTA-03 LATN-03 RANS-01 RANS-03 RANS-04 RANS-07 RANS-11 "
    "SYMB-01 SYMB-02 SYMB-03 MODL-06 NETW-01 NETW-02 NETW-03 NETW-04 NETW-05 NETW-07 NETW-08 "
    "NETW-09 NETW-10 NETW-11 PASS-01 PASS-02 PASS-03 PASS-04 PASS-05 PASS-06 PASS-07 PASS-08"
).split()
TOOL_IDS = "TOOL-01 TOOL-02 TOOL-05 TOOL-10 EXTN-01 SECU-02".split()
REFUSING_IDS = "TOOL-01 TOOL-02 TOOL-03 TOOL-10 CONF-01 CONF-02 CONF-03 STAT-08 SECU-02".split()
PIXEL_IDS = "NETW-06 NETW-13 RECO-01 STAT-01".split()


def sentences() -> dict[str, str]:
    """Normative sentences of the specification by id."""
    return dict(LINE.findall((SPEC / "sdc.md").read_text("utf-8")))


class Book:
    """Collects vectors."""

    def __init__(self) -> None:
        self.files: dict[str, bytes] = {}
        self.entries: list[dict[str, Any]] = []

    def add(
        self,
        name: str,
        data: bytes,
        ask: list[dict[str, Any]],
        *,
        why: str,
        how: str,
        accept: Iterable[str] = (),
        reject: Iterable[str] = (),
        needs: Sequence[str] = (),
        rule: dict[str, Any] | None = None,
        seed: int | None = None,
        licence: str = LICENCE,
    ) -> None:
        """Add a vector with its questions; the first part of its name is its class."""
        assert name not in self.files, name
        self.files[name] = data
        tiers = [q["tier"] for q in ask] + (["T2"] if rule else [])
        entry: dict[str, Any] = {
            "file": name,
            "sha256": digest(data),
            "bytes": len(data),
            "class": name.split("/")[0],
            "tier": min(tiers),
            "ids": {"accept": list(dict.fromkeys(accept)), "reject": list(dict.fromkeys(reject))},
            "why": why,
            "made": {"by": "sdc_conformance.make", "how": how, **({} if seed is None else {"seed": seed})},
            "licence": licence,
        }
        if needs:
            entry["needs"] = list(needs)
        if ask:
            entry["ask"] = ask
        if rule:
            entry["rule"] = rule
        self.entries.append(entry)

    def accept(
        self,
        name: str,
        parts: Parts | bytes,
        ids: str = "",
        *,
        why: str,
        how: str = "",
        selections: Sequence[Sequence[int] | None] = (None,),
        alpha: bool = False,
        needs: Sequence[str] = (),
        reject: str = "",
        seed: int | None = None,
        licence: str = LICENCE,
    ) -> None:
        """Add a vector that a decoder must accept, with what the reference decoder gives.

        Args:
            selections: of groups, each asked for; ``None`` for no selection.
            alpha: whether pixels with an alpha channel are asked for as well.
        """
        data = parts.build() if isinstance(parts, Parts) else parts
        ask = [accepted("info", data)]
        ask.append(checked(data))
        exercised = [*ids.split(), *CONTAINER_IDS, *TOOL_IDS]
        for groups in selections:
            question = accepted("decode", data, groups)
            ask.append(question)
            if isinstance(parts, Parts):
                for said, row in zip(parts.symbols, question["answer"]["groups"], strict=True):
                    assert not row["decoded"] or row["symbols"] == digest(said), name
        if alpha:
            found = answer("decode", data, selections[-1], alpha=True)
            question = {"op": "decode", "name": "alpha", "tier": "A", "alpha": True, "exit": found["exit"]}
            question |= {} if selections[-1] is None else {"groups": list(selections[-1])}
            ask.append({**question, "answer": {"rgba": found["rgba"]}})
            exercised.append("RECO-04")
        if isinstance(parts, Parts):
            exercised += MAP_IDS
            exercised += CHUNK_IDS if parts.before or parts.after else []
            exercised += [*SYMBOL_IDS, *PIXEL_IDS] if any(parts.payloads) else PIXEL_IDS
            exercised += ["RANS-10"] if len(parts.groups) > 4 else []
        self.add(
            name,
            data,
            ask,
            why=why,
            how=how or "parts of a right stream",
            accept=exercised,
            reject=reject.split(),
            needs=needs,
            seed=seed,
            licence=licence,
        )

    def refuse(
        self,
        name: str,
        data: bytes,
        codes: str,
        ids: str,
        *,
        why: str,
        fault: str = "container",
        how: str = "",
        needs: Sequence[str] = (),
        accept: str = "",
        seed: int | None = None,
    ) -> None:
        """Add a vector that a decoder must refuse.

        Args:
            codes: accepted error codes, all of one class.
            fault: where it lies: ``container``, ``map``, ``symbols`` (also the model) or ``metadata``.
        """
        wanted = codes.split()
        (status,) = {SdcError(code).exit_status for code in wanted}
        ask: list[dict[str, Any]] = []
        for op in ("info", "decode"):
            passes = fault == {"info": "symbols", "decode": "metadata"}[op]
            tier = "T1" if fault == "map" or op == "decode" else "T0"
            if passes:
                question = accepted(op, data)
                assert question["exit"] == 0, name
            else:
                found = answer(op, data)
                assert found["exit"] == status and found["error"]["code"] in wanted, (name, op, found)
                question = {"op": op, "tier": tier, "exit": status, "codes": wanted}
                question["offsets"] = region(data, wanted[0], found["error"].get("offset"))
                if fault == "symbols" and len(wanted) > 1:  # in any group
                    question["offsets"] = [parse(data).groups[0].offset, len(data)]
            ask.append(question)
        ask.append(checked(data))
        assert ask[-1]["exit"] == status and set(ask[-1]["codes"]) <= set(wanted), (name, ask[-1])
        ask[-1]["codes"] = wanted
        ask[-1]["offsets"] = next(q["offsets"] for q in ask if "offsets" in q)
        self.add(
            name,
            data,
            ask,
            why=why,
            how=how or "one part of a right stream replaced",
            reject=[*ids.split(), *REFUSING_IDS],
            accept=accept.split(),
            needs=needs,
            seed=seed,
        )


def troubles(data: bytes) -> list[dict[str, Any]]:
    """Questions to commands about files that are not there, or for which there is no room."""
    found = answer("decode", data)
    whole = {"map.bin": found["map"], "pixels.rgb": found["pixels"]}
    gone = {"tier": "C", "trouble": "no input", "exit": 66, "codes": ["E_INPUT"]}
    full = {"tier": "C", "trouble": "no room", "exit": 74, "codes": ["E_IO"], "files": whole}
    return [
        {"op": "info", "name": "no-input", **gone},
        {"op": "decode", "name": "no-input", **gone},
        {"op": "decode", "name": "no-room", **full},
    ]


def accepted(
    op: str, data: bytes, groups: Sequence[int] | None = None, restored: int | str | None = None
) -> dict[str, Any]:
    """A question about a stream that is accepted, and the reference decoder's answer."""
    found = answer(op, data, groups, restored=restored)
    assert found["exit"] in (0, 3), found
    status = found.pop("exit")
    question: dict[str, Any] = {"op": op, "tier": "T0" if op == "info" else "T1"}
    if groups is not None:
        question["groups"] = list(groups)
    if restored is not None:
        question |= {"tier": "R", "name": f"restored-{restored}", "restored": restored}
    if op == "decode":
        asked = groups is None or set(groups)
        for k, row in enumerate(found["groups"]):
            if asked is not True and k not in asked:
                del row["state"]  # may be unread
    else:
        if found["restoration"] is None:  # a decoder need not speak of it
            del found["restoration"]
        for row in found["chunks"]:
            if row["state"] == "damaged":
                del row["type"], row["size"]
    return {**question, "exit": status, "answer": found}


def region(data: bytes, code: str, offset: int | None) -> list[int]:
    """Where a decoder may say that an error lies: ``[first byte, last]``.

    Both are the same byte for the codes of ``EXACT``; else the byte behind the part is included.

    Args:
        offset: a byte of the part (magic number, header, group or chunk) in which the fault lies; none for
            errors of the model, which the head names.
    """
    if code in EXACT and offset is not None:
        return [offset, offset]
    found = read(data)
    groups = () if found.outline is None else found.outline.groups
    parts = [(0, 4), (4, found.header or _header_end(data))]
    parts += [(p.offset, p.offset + p.size) for p in found.places]
    parts += [(g.offset, g.offset + g.size) for g in groups]
    place = 4 if offset is None else offset
    first, past = max((p for p in parts if p[0] <= place), key=lambda p: p[0])
    return [first, min(past, len(data))]


def _header_end(data: bytes) -> int:
    """First byte behind a header that is wrong, as its length says."""
    try:
        length, start = decode_varint(data, 4)
    except (SdcError, IndexError):
        return len(data)
    return start + length + CRC_SIZE


def checked(data: bytes) -> dict[str, Any]:
    """A question to a validator."""
    found = answer("validate", data)
    question: dict[str, Any] = {"op": "validate", "tier": "V", "exit": found["exit"]}
    return {**question, "codes": [found["error"]["code"]]} if "error" in found else question
