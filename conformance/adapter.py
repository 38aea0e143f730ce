"""Adapter of the reference codec to the protocol of the conformance suite (``protocol.md``).

``python -m sdc_conformance.adapter info|decode|extract|validate|model|encode|serve [--runner torch]``.
It may serve as a pattern for others: everything the runner asks goes through :func:`answer`.
"""

from __future__ import annotations

import argparse
import base64
import hashlib
import json
import sys
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from sdc.codec.decoder import Decoded
from sdc.codec.encoder import encode
from sdc.coding.passes import Symbols
from sdc.errors import SdcError
from sdc.file import SdcFile
from sdc.format.chunks import COLR
from sdc.format.colr import parse_colr
from sdc.format.edit import extract
from sdc.format.grps import COMPLETE
from sdc.format.metadata import exif, icc_profile, read_metadata, xmp
from sdc.format.objs import parse_objects
from sdc.format.parse import parse, read
from sdc.format.rest import EVERY_OTHER, KINDS, read_restoration
from sdc.format.stream import Stream
from sdc.format.validate import validate
from sdc.images.read import read_image
from sdc.images.write import rgba
from sdc.networks.model import Model
from sdc.networks.registry import check_model_file, model_for
from sdc.networks.run import run
from sdc.networks.sites import Sites
from sdc.objects.object import Object
from sdc.paths import open_file, write_file
from sdc.types import CELL, Array

Answer = dict[str, Any]
Runner = Callable[..., Array]

NOT_OFFERED = 64
DEFLATED = (("icc", icc_profile), ("exif", exif), ("xmp", xmp))
"""Keys of ``info`` for what is deflated."""

KEYS = {
    "map.bin": "map",
    "pixels.rgb": "pixels",
    "pixels.rgba": "rgba",
    "restored.rgb": "restored",
}
"""Keys of the hashes of the files that ``decode`` writes."""
OPERATIONS = ("info", "decode", "extract", "validate", "model", "encode")


def digest(data: bytes | Array) -> str:
    """SHA-256 in hexadecimal."""
    return hashlib.sha256(
        data if isinstance(data, bytes) else np.ascontiguousarray(data).tobytes()
    ).hexdigest()


def symbol_bytes(sites: Sites, symbols: Symbols, model: Model) -> bytes:
    """Residuals in the order of decoding, as the protocol hashes them."""
    parts = [symbols.hyper.astype("<i2").tobytes()]
    parity = (sites.rows + sites.cols) % 2
    for phase, first, past in model.passes:
        parts.append(symbols.residuals[parity == phase, first:past].astype("<i2").tobytes())
    return b"".join(parts)


def info_answer(data: bytes) -> Answer:
    """Answer to ``info``.

    Raises:
        SdcError: the file is invalid or unsupported.
    """
    found = read(data)
    stream = found.whole()
    for wrong in read_metadata(stream).errors:
        raise wrong
    objects = parse_objects(stream)
    restoration = read_restoration(stream).whole()
    head = stream.head
    colr = stream.chunk(COLR)
    return {
        "exit": 3 if stream.errors else 0,
        "width": head.width,
        "height": head.height,
        "features": head.features,
        "model": head.model,
        "weights": head.weights.hex(),
        "version": head.version,
        "groups": [
            {
                "level": g.level.code,
                "quality": g.quality,
                "offset": g.offset,
                "size": g.size,
                "state": g.state,
            }
            for g in stream.groups
        ],
        "chunks": [
            {
                "type": p.type,
                "offset": p.offset,
                "size": p.size,
                "state": p.state if p.state == COMPLETE else "damaged",
            }
            for p in found.places
        ],
        "map": digest(stream.labels),
        "errors": [{"code": e.code, "offset": e.offset} for e in stream.errors],
        "colour": None if colr is None else list(parse_colr(colr)),
        **{name: _hash_of(content(stream)) for name, content in DEFLATED},
        "restoration": None
        if restoration is None
        else {
            "model": restoration.model,
            "weights": restoration.weights.hex(),
            "vectors": [[_byte(g), list(values)] for g, values in restoration.vectors.items()],
            "degradations": [
                [_byte(d.group), KINDS.get(str(d.kind), d.kind), round(255 * d.strength)]
                for d in restoration.degradations
            ],
        },
        "objects": [
            {
                "group": o.group,
                "box": list(o.box),
                "score": round(o.score * 255),
                "rank": o.rank,
                "label": o.label,
                "reason": o.reason,
                "mask": None if o.mask is None else digest(o.mask.astype(np.uint8)),
            }
            for o in objects
        ],
    }


def _hash_of(content: bytes | None) -> str | None:
    return None if content is None else digest(content)


def _byte(group: int | None) -> int:
    """A group as REST holds it."""
    return EVERY_OTHER if group is None else group


def decode_answer(
    data: bytes,
    groups: Iterable[int] | None = None,
    runner: Runner = run,
    alpha: bool = False,
    restored: int | str | None = None,
) -> tuple[Answer, dict[str, Array]]:
    """Answer to ``decode``.

    Args:
        alpha: whether pixels are wanted with an alpha channel as well.
        restored: ``stream`` or the number of a restoration model, if restored pixels are asked for.

    Returns:
        ``(answer, files)``: ``uint8 [rows, cols]`` in ``map.bin``, ``uint8 [height, width, 3]`` in
        ``pixels.rgb`` and ``restored.rgb``, and ``uint8 [height, width, 4]`` in ``pixels.rgba``.

    Raises:
        SdcError: the file is invalid or unsupported.
    """
    rows: dict[int, Answer] = {}

    def note(k: int, sites: Sites, symbols: Symbols) -> None:
        rows[k] = {
            "symbols": digest(symbol_bytes(sites, symbols, model_for(*model))),
            "latents": digest(symbols.latents.astype("<i2")),
        }

    with SdcFile(data) as file:
        model = file.stream.head.model, file.stream.head.weights
        restore = False if restored is None else restored == "stream" or int(restored)
        decoded = file.read(groups=groups, restore=restore, runner=runner, on_group=note)
        files = {"map.bin": file.stream.labels, "pixels.rgb": decoded.pixels}
        _hash_groups(file.stream, decoded, decoded.pixels, "pixels", rows)
        if decoded.restored is not None:
            files["restored.rgb"] = decoded.restored
            _hash_groups(file.stream, decoded, decoded.restored, "restored", rows)
            for k, vector in decoded.vectors.items():
                rows[k]["vector"] = list(vector)
    answers = [{"state": g.state, "decoded": g.index in rows, **rows.get(g.index, {})} for g in file.groups]
    if alpha:
        files["pixels.rgba"] = rgba(decoded.pixels, decoded.covered)
    hashes = {KEYS[name]: digest(part) for name, part in files.items()}
    exit_status = 3 if decoded.missing else 0
    return {
        "exit": exit_status,
        "width": file.width,
        "height": file.height,
        **hashes,
        "groups": answers,
    }, files


def _hash_groups(stream: Stream, decoded: Decoded, pixels: Array, key: str, rows: dict[int, Answer]) -> None:
    """Add the hash of the pixels, or restored pixels, of each group that was decoded."""
    if len(stream.groups) == 1 and not stream.map:
        if decoded.groups:
            rows[0][key] = digest(pixels)
        return
    if not decoded.groups:
        return
    height, width = pixels.shape[:2]
    whole = stream.labels[np.arange(height)[:, None] // CELL, np.arange(width) // CELL].reshape(-1)
    order = np.argsort(whole, kind="stable")
    ends = np.cumsum(np.bincount(whole, minlength=len(stream.groups) + 1))
    flat = pixels.reshape(-1, 3)
    for k in decoded.groups:
        rows[k][key] = digest(flat[order[ends[k] : ends[k + 1]]])


def extract_answer(data: bytes, groups: Iterable[int]) -> tuple[Answer, bytes]:
    """Answer to ``extract``, and the new stream.

    Raises:
        SdcError: the file is invalid or unsupported.
    """
    kept = extract(data, groups=groups)
    return {"exit": 3 if kept.missing else 0}, kept


def encode_answer(
    data: bytes, quality: int | dict[str, int], objects: Any = None, encoder: Callable[..., bytes] = encode
) -> tuple[Answer, bytes]:
    """Answer to ``encode``, and the stream.

    Args:
        data: the picture, a PPM file.
        quality: quality index, for all groups or by level.
        objects: as in ``spec/objects.md``.
        encoder: takes what :func:`sdc.encode` takes.

    Raises:
        SdcError: the picture or the objects cannot be used.
    """
    pixels = read_image(data).pixels
    height, width = pixels.shape[:2]
    things = [] if objects is None else Object.load(objects, width, height)
    new = encoder(pixels, objects=things, quality=quality)
    groups = [{"level": g.level.code, "quality": g.quality} for g in parse(new).groups]
    return {"exit": 0, "width": width, "height": height, "groups": groups}, new


def failure(error: SdcError) -> Answer:
    """Answer that reports an error."""
    detail: Answer = {"code": error.code, "where": error.where, "message": error.message}
    if error.offset is not None:
        detail["offset"] = error.offset
    return {"exit": error.exit_status, "error": detail}


def answer(
    op: str, data: bytes, groups: Iterable[int] | None = None, runner: Runner = run, **more: Any
) -> Answer:
    """Answer to one question of ``serve``, but for its ``id``.

    Args:
        more: the other keys of the question: ``quality`` and ``objects``, or ``files`` and ``restored``.
    """
    try:
        if op == "info":
            return info_answer(data)
        if op == "decode":
            found, files = decode_answer(data, groups, runner, more.get("alpha", False), more.get("restored"))
            coded = {name: base64.b64encode(part.tobytes()).decode() for name, part in files.items()}
            return {**found, "files": coded} if more.get("files") else found
        if op == "extract":
            status, new = extract_answer(data, groups or ())
            return {**status, "data": base64.b64encode(new).decode()}
        if op == "encode":
            claim, new = encode_answer(data, more["quality"], more.get("objects"))
            return {**claim, "data": base64.b64encode(new).decode()}
        if op == "validate":
            report = validate(data)
            if report.state in ("invalid", "unsupported"):
                raise next(e for e in report.errors if e.kind == report.state)
            return {"exit": 3 if report.errors else 0}
        if op == "model":
            check_model_file(data)
            return {"exit": 0}
    except SdcError as error:
        return failure(error)
    return {"exit": NOT_OFFERED}


def serve(runner: Runner = run) -> int:
    """Answer lines of JSON until standard input ends."""
    for line in sys.stdin.buffer:
        question = json.loads(line)
        identity, op, groups = (question.pop(key, None) for key in ("id", "op", "groups"))
        found = answer(op, base64.b64decode(question.pop("data")), groups, runner, **question)
        sys.stdout.write(json.dumps({"id": identity, **found}) + "\n")
        sys.stdout.flush()
    return 0


def _indices(text: str) -> list[int]:
    return [int(part) for part in text.split(",") if part]


def _quality(text: str) -> int | dict[str, int]:
    if text.isdigit():
        return int(text)
    return {level: int(number) for level, number in (part.split("=") for part in text.split(","))}


def _finish(found: Answer) -> int:
    status = int(found.pop("exit"))
    print(json.dumps(found))
    return status


def main(arguments: Sequence[str] | None = None) -> int:
    """The command; returns its exit status."""
    parser = argparse.ArgumentParser(prog="sdc_conformance.adapter", description=__doc__)
    parser.add_argument(
        "--runner", choices=["numpy", "torch"], default="numpy", help="what runs the networks"
    )
    commands = parser.add_subparsers(dest="op", required=True)
    for op in OPERATIONS:
        command = commands.add_parser(op)
        command.add_argument("file", type=Path)
        if op in ("decode", "extract", "encode"):
            command.add_argument("out", type=Path)
        if op in ("decode", "extract"):
            command.add_argument("--groups", type=_indices)
        if op == "decode":
            command.add_argument("--alpha", action="store_true")
            command.add_argument("--restored", metavar="stream|NUMBER")
        if op == "encode":
            command.add_argument("--quality", type=_quality, default=32)
            command.add_argument("--objects", type=Path)
    commands.add_parser("serve")
    given = parser.parse_args(arguments)
    runner: Runner = run
    if given.runner == "torch":
        from sdc_reference.runner import TorchRunner

        runner = TorchRunner()
    if given.op == "serve":
        return serve(runner)
    try:
        with open_file(given.file) as file:
            data = file.read()
        if given.op == "decode":
            found, files = decode_answer(data, given.groups, runner, given.alpha, given.restored)
            for name, part in files.items():
                write_file(given.out / name, part.tobytes())
            written = {k: v for k, v in found.items() if k != "exit"}
            write_file(given.out / "result.json", json.dumps(written).encode())
            return _finish(found)
        if given.op == "extract":
            found, new = extract_answer(data, given.groups or ())
            write_file(given.out, new)
            return _finish(found)
        if given.op == "encode":
            found, new = encode_answer(data, given.quality, given.objects)
            write_file(given.out, new)
            return _finish(found)
    except SdcError as error:
        return _finish(failure(error))
    return _finish(answer(given.op, data))


if __name__ == "__main__":
    sys.exit(main())
