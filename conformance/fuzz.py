"""Random streams, valid and broken, on which several decoders must agree.

``python -m sdc_conformance.fuzz --decoder 'A' --decoder 'B' [--count 1000] [--seed 1]`` asks all of them the
same through ``serve``; each disagreement is printed with a stream as small as possible that shows it too, and
both are kept with ``--keep FOLDER``.
``python -m sdc_conformance.fuzz --write FOLDER`` writes the streams instead.

Streams of even number are valid; those of odd number are mutations of valid ones, most of them with right
CRCs, so that the fault lies deep.  Where a stream is refused decoders must agree on the exit status, since it
may break several rules; where it is accepted, on every hash.
"""

from __future__ import annotations

import argparse
import base64
import json
import os
import random
import shlex
import sys
import time
import zlib
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from sdc.format.chunks import COLR, EXIF, ICCP, OBJS, REST, XMPP
from sdc.networks.registry import load_restoration
from sdc.testing.synthetic_restoration import NUMBER as SYNTHETIC

from .make.deflate import payload
from .make.objects import objs
from .make.restored import rest
from .make.second_model import NUMBER
from .make.second_restoration import NUMBER as RESTORATION
from .make.streams import (
    Draw,
    Parts,
    blobs,
    compose,
    ends,
    escaping,
    extreme,
    header_of,
    scattered,
    small,
    within,
    zeros,
)
from .runner.process import Broken, Process
from .runner.suite import VECTORS
from .shrink import MOST, shrink

Rng = random.Random
MEMORY = 2 << 30
"""Bytes that a decoder may use."""

FIRST = "valid/minimal.sdc"
"""Vector that a decoder is asked about before all others."""


def random_parts(rng: Rng) -> Parts:
    """Parts of a random valid stream, most of them tiny."""
    width, height = rng.randint(1, 90), rng.randint(1, 90)
    rows, cols = -(-height // 16), -(-width // 16)
    count = rng.randint(1, min(5, rows * cols))
    levels = sorted(rng.randrange(4) for _ in range(count))
    groups = tuple((level, rng.choice([0, rng.randrange(64), rng.randrange(64)])) for level in levels)
    make: Callable[..., Any] = rng.choice([blobs, scattered])
    labels: Any = None
    if count > 1 or rng.random() < 0.3:
        for _ in range(20):
            try:
                labels = make(rng.randrange(1 << 30), rows, cols, count, rng.random() < 0.4)
                break
            except AssertionError:
                continue
        else:
            count, groups = 1, groups[:1]

    def draw() -> Draw:
        kinds: list[Callable[[int], Draw]] = [
            lambda _: zeros(),
            small,
            small,
            within,
            escaping,
            extreme,
            ends,
        ]
        return rng.choice(kinds)(rng.randrange(1 << 30))

    before: list[tuple[int, bytes]] = []
    after: list[tuple[int, bytes]] = []
    for kind in (COLR, ICCP, EXIF, XMPP):
        if rng.random() < 0.15:
            rng.choice([before, after]).append((kind, random_metadata(rng, kind)))
    for target in (before, after):
        while rng.random() < 0.2:
            target.append((rng.choice([0x82, 0x9F, 0xA0, 0xC5, 0xE5]), rng.randbytes(rng.randrange(6))))
    if rng.random() < 0.2:
        row = {"group": rng.randrange(count), "label": b"thing", "width": rng.randint(1, width)}
        rng.choice([before, after]).append((OBJS, objs([row], (width, height), count, unit=rng.randrange(5))))
    gone = [k for k in range(count) if rng.random() < 0.1]
    coder = NUMBER if rng.random() < 0.3 else 0
    if rng.random() < 0.3:
        payload = random_rest(rng, count, RESTORATION if coder else SYNTHETIC)
        rng.choice([before, after]).append((REST, payload))
    return compose(
        width,
        height,
        groups,
        labels,
        [draw() for _ in groups],
        before=before,
        after=after,
        withdrawn=gone,
        coder=coder,
    )


def random_metadata(rng: Rng, kind: int) -> bytes:
    """Payload of COLR, ICCP, EXIF or XMPP, deflated in one of several ways."""
    if kind == COLR:
        return rng.randbytes(2)
    size = rng.choice([128, 130, 1000])
    said = bytes(rng.choices(rng.randbytes(rng.choice([1, 3, 40])), k=size))
    level, strategy = rng.choice([0, 1, 6, 9]), rng.choice([zlib.Z_FIXED, zlib.Z_DEFAULT_STRATEGY])
    packer = zlib.compressobj(level, zlib.DEFLATED, -15, 9, strategy)
    return payload(said, stream=packer.compress(said) + packer.flush())


def random_rest(rng: Rng, count: int, model: int) -> bytes:
    """Payload of REST, now and then with a fault.

    Args:
        count: number of groups.
        model: number of the restoration model.
    """
    size = load_restoration(model).vector
    groups = [k for k in (*range(count), 255) if rng.random() < 0.6]
    vectors = [(k, [rng.randint(-128, 127) for _ in range(size)]) for k in groups]
    found = sorted({(rng.choice([*range(count), 255]), rng.randint(1, 255)) for _ in range(rng.randrange(4))})
    said = rest(vectors, [(*row, rng.randrange(256)) for row in found], model=model)
    return hurt(rng, said) if rng.random() < 0.2 else said


def hurt(rng: Rng, data: bytes) -> bytes:
    """Some bytes with a small change."""
    where = rng.randrange(len(data) + 1)
    what = rng.randrange(6)
    if what == 0 or not data:
        return data[:where] + rng.randbytes(rng.randint(1, 2)) + data[where:]
    if what == 1:
        return data[:where]
    if what == 2:
        return data[:where] + data[where + rng.randint(1, 2) :]
    where = min(where, len(data) - 1)
    change = rng.choice([1 << rng.randrange(8), rng.randint(1, 255)])
    return data[:where] + bytes([data[where] ^ change]) + data[where + 1 :]


def mutated(rng: Rng, parts: Parts) -> bytes:
    """A stream with a fault, or more; now and then it is still valid."""
    kind = rng.randrange(11)
    if kind == 0:
        return parts.build()[: rng.randrange(len(parts.build()))]
    if kind == 1:
        return hurt(rng, parts.build())
    if kind in (2, 3):
        k = rng.randrange(len(parts.groups))
        return parts.with_payload(k, hurt(rng, parts.payloads[k] or b"")).build()
    if kind == 4:
        return replace(parts, map=hurt(rng, parts.map)).build()
    if kind == 5:
        return replace(parts, start=hurt(rng, parts.start)).build()
    if kind == 6:
        return parts.build(header=header_of(hurt(rng, parts.head())))
    if kind == 10:
        what = rng.choice([COLR, ICCP, EXIF, XMPP])
        return replace(parts, after=((what, hurt(rng, random_metadata(rng, what))),)).build()
    extra = (
        rng.choice([0x01, OBJS, ICCP, COLR, EXIF, XMPP, 0x05, 0x43, rng.randrange(256)]),
        rng.randbytes(3),
    )
    if kind == 7:
        front = [*parts.before]
        front.insert(rng.randrange(len(front) + 1), extra)
        return replace(parts, before=tuple(front)).build()
    if kind == 8:
        return replace(parts, after=(*parts.after, extra)).build()
    data = parts.data()
    k = rng.randrange(len(data))
    data[k] = hurt(rng, data[k])
    header = header_of(parts.head()) if rng.random() < 0.5 else None
    return parts.build(data=data, header=header)


def stream(seed: int, number: int) -> bytes:
    """Stream of a number."""
    rng = Rng(f"{seed} {number}")
    parts = random_parts(rng)
    return mutated(rng, parts) if number % 2 else parts.build()


def outcome(answer: dict[str, Any]) -> Any:
    """What decoders must agree on."""
    if answer.get("exit") not in (0, 3):
        return answer.get("exit")
    keys = ("exit", "width", "height", "map", "pixels", "colour", "icc", "exif", "xmp")
    restored = ("restored", "restoration")
    own: dict[str, Any] = {key: answer.get(key) for key in (*keys, *restored)}
    names = (
        "state",
        "level",
        "quality",
        "offset",
        "size",
        "decoded",
        "symbols",
        "latents",
        "pixels",
        "vector",
        "restored",
    )
    own["groups"] = [{name: group.get(name) for name in names} for group in answer["groups"]]
    if "errors" in answer:
        own["errors"] = sorted((e["offset"], e["code"]) for e in answer["errors"])
    return own


class Unusable(Exception):
    """A decoder does not answer at all."""


class Decoder:
    """A decoder that is asked line by line; one that dies is started again for the next question."""

    def __init__(self, command: str):
        self.command = shlex.split(command)
        self.process: Process | None = None
        self.said = ""

    def try_out(self) -> None:
        """Ask about a stream that every decoder reads.

        Raises:
            Unusable: no answer comes, so that every other question would be in vain.
        """
        found = self.ask("info", (VECTORS / FIRST).read_bytes())
        if not isinstance(found.get("exit"), int):
            last = self.said.strip().rpartition("\n")[2]
            why = f"{found.get('exit', 'an answer without exit')}{': ' if last else ''}{last}"
            raise Unusable(f"the decoder {shlex.join(self.command)} does not answer about {FIRST}: {why}")

    def ask(self, op: str, data: bytes, **more: Any) -> dict[str, Any]:
        """Its answer; ``exit`` is a text when there is none.

        Args:
            more: other keys of the question.
        """
        if self.process is None:
            self.process = Process([*self.command, "serve"], VECTORS / "models", MEMORY)
        line = json.dumps({"id": 1, "op": op, "data": base64.b64encode(data).decode(), **more})
        until = time.monotonic() + 60
        try:
            self.process.write(line.encode() + b"\n", until)
            found = json.loads(self.process.read(until, True))
            return found if isinstance(found, dict) else {"exit": "not an object"}
        except (Broken, ValueError) as error:
            self.said = self.process.said()
            self.close()
            return {"exit": str(error)}

    def close(self) -> None:
        """End the process."""
        if self.process is not None:
            self.process.kill()
            self.process = None


def compare(decoders: Sequence[Decoder], data: bytes, restored: bool = False) -> list[str]:
    """Disagreements about a stream, in words.

    Args:
        restored: whether restored pixels are asked for besides.
    """
    out = []
    ways: list[tuple[str, dict[str, Any]]] = [("info", {}), ("decode", {})]
    ways += [("decode", {"restored": by}) for by in ("stream", SYNTHETIC) if restored]
    for op, more in ways:
        answers = [decoder.ask(op, data, **more) for decoder in decoders]
        if any(a.get("error", {}).get("code") == "E_LIMIT" for a in answers):
            continue
        if any(outcome(a) != outcome(answers[0]) or not isinstance(a.get("exit"), int) for a in answers):
            said = [f"{a.get('exit')} {a.get('error', {}).get('code', '')}".strip() for a in answers]
            out.append(f"{' '.join([op, *map(str, more.values())])}: {' / '.join(said)}")
    return out


def smallest(decoders: Sequence[Decoder], data: bytes, most: int = MOST, restored: bool = False) -> bytes:
    """A stream as small as possible about which decoders disagree as they do about a larger one.

    Args:
        data: the larger one.
        most: number of attempts.
        restored: whether restored pixels are asked for besides.
    """
    found = compare(decoders, data, restored)
    return shrink(data, lambda new: compare(decoders, new, restored) == found, most)


def ask_all(given: argparse.Namespace, decoders: Sequence[Decoder]) -> int:
    """Ask decoders about all streams and print on which they disagree; returns the number of those.

    Raises:
        Unusable: a decoder does not answer at all.
    """
    for decoder in decoders:
        decoder.try_out()
    exits: Counter[str] = Counter()
    bad = 0
    for number in range(given.first, given.first + given.count):
        data, name = stream(given.seed, number), f"{given.seed}-{number}"
        found = compare(decoders, data, given.restored)
        if decoders:
            exits[str(decoders[0].ask("decode", data).get("exit"))] += 1
        if found:
            bad += 1
            least = smallest(decoders, data, given.shrink, given.restored)
            print(f"{name}.sdc: {'; '.join(found)}; {len(data)} bytes, {len(least)} are enough:", flush=True)
            print(f"  {least.hex() if len(least) <= 200 else least[:200].hex() + '...'}", flush=True)
            if given.keep:
                (given.keep / f"{name}.sdc").write_bytes(data)
                (given.keep / f"{name}-least.sdc").write_bytes(least)
    counts = ", ".join(f"{n} with exit {status}" for status, n in sorted(exits.items()))
    print(f"{given.count} streams, {bad} disagreements{'; ' + counts if counts else ''}")
    return bad


def main(arguments: Sequence[str] | None = None) -> int:
    """The command; returns 1 when decoders disagree, 2 when one does not answer at all."""
    parser = argparse.ArgumentParser(prog="sdc_conformance.fuzz", description=__doc__)
    parser.add_argument("--decoder", action="append", default=[], metavar="CMD", help="may be repeated")
    parser.add_argument("--count", type=int, default=1000)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--first", type=int, default=0, help="number of the first stream")
    parser.add_argument("--keep", type=Path, metavar="FOLDER", help="keep streams on which they disagree")
    parser.add_argument(
        "--shrink",
        type=int,
        default=MOST,
        metavar="N",
        help=f"attempts to shrink a stream, 0 for none ({MOST})",
    )
    parser.add_argument("--restored", action="store_true", help="ask for restored pixels, too")
    parser.add_argument("--write", type=Path, metavar="FOLDER", help="write the streams and ask nobody")
    given = parser.parse_args(arguments)
    os.environ["SDC_MODELS"] = str(VECTORS / "models")
    for folder in (given.keep, given.write):
        if folder:
            folder.mkdir(parents=True, exist_ok=True)
    if given.write:
        for number in range(given.first, given.first + given.count):
            (given.write / f"{given.seed}-{number}.sdc").write_bytes(stream(given.seed, number))
        print(f"{given.count} streams")
        return 0
    decoders = [Decoder(command) for command in given.decoder]
    try:
        return 1 if ask_all(given, decoders) else 0
    except Unusable as error:
        print(f"sdc_conformance.fuzz: {error}", file=sys.stderr)
        return 2
    finally:
        for decoder in decoders:
            decoder.close()


if __name__ == "__main__":
    sys.exit(main())
