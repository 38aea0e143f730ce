"""Building blocks of the vectors: streams from their parts, with any one part replaced by a wrong one."""

from __future__ import annotations

import importlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from functools import cache
from types import ModuleType
from typing import Any

import numpy as np

from sdc.coding.labels import encode_map
from sdc.format.chunks import MAGIC, build_chunk, with_crc
from sdc.format.fields import encode_varint
from sdc.networks.registry import load_model
from sdc.testing.synthetic import Generator
from sdc.types import LEVELS, Array

from .deflate import payload

Draw = Callable[[int, int], int]
"""``draw(scale index, reach)``: a residual for a scale index above 0."""

MODEL = 0
CELL = 16


@dataclass(frozen=True)
class Library:
    """The modules that code a group; a library with a planted bug writes streams that break one rule."""

    labels: ModuleType
    passes: ModuleType
    rans: ModuleType
    grps: ModuleType
    symbols: ModuleType
    registry: ModuleType

    @staticmethod
    def load() -> Library:
        """The modules as they are imported now."""
        coding = (f"coding.{name}" for name in ("labels", "passes", "rans"))
        names = (*coding, "format.grps", "coding.symbols", "networks.registry")
        return Library(*(importlib.import_module(f"sdc.{name}") for name in names))


@cache
def right() -> Library:
    """The library without any bug."""
    return Library.load()


# --- residuals ------------------------------------------------------------------------------------


def zeros() -> Draw:
    """Nothing but zeros."""
    return lambda t, reach: 0


def small(seed: int) -> Draw:
    """Mostly zeros and ones."""
    g = Generator(seed)
    values = (0, 0, 0, 1, -1, 0, 0, 2, 0, -1, 0, 0)
    return lambda t, reach: values[g.draw(0, len(values) - 1)]


def within(seed: int) -> Draw:
    """Anything that the table holds."""
    g = Generator(seed)
    return lambda t, reach: g.draw(-reach, reach)


def escaping(seed: int, one_in: int = 6, most: int = 14) -> Draw:
    """Some escapes, with prefixes of all lengths up to ``most``."""
    g = Generator(seed)

    def draw(t: int, reach: int) -> int:
        if g.draw(0, one_in - 1):
            return g.draw(-reach, reach)
        bits = g.draw(0, most)
        size = min(reach + 1 + (1 << bits) - 1 + g.draw(0, (1 << bits) - 1), 32767)
        return size if g.draw(0, 1) else -size

    return draw


def extreme(seed: int) -> Draw:
    """The largest residuals there are, of either sign."""
    g = Generator(seed)
    return lambda t, reach: (32767, -32767, reach, -reach, 0)[g.draw(0, 4)]


def ends(seed: int) -> Draw:
    """The two ends of the table, and one step to either side of them."""
    g = Generator(seed)
    return lambda t, reach: (reach, -reach, reach + 1, -reach - 1)[g.draw(0, 3)]


# --- a group --------------------------------------------------------------------------------------


def code_group(
    labels: Array,
    groups: Sequence[tuple[int, int]],
    k: int,
    draw: Draw,
    lib: Library | None = None,
    number: int = MODEL,
) -> tuple[bytes, bytes]:
    """Code group ``k`` with residuals that are drawn one after the other.

    Args:
        labels: group map.
        groups: ``(level, quality)`` of all groups.
        lib: what codes; one with a bug breaks a rule.
        number: of the model.

    Returns:
        ``(payload, symbols as the protocol hashes them)``.
    """
    lib = lib or right()
    model = lib.registry.load_model(number)
    own = tuple(lib.grps.Group(i, LEVELS[level], q) for i, (level, q) in enumerate(groups))
    coder = lib.passes.GroupCoder(lib.passes.sites_of(labels, [g.quality for g in own], [k]), model)
    tables, encoder = lib.symbols.tables_of(model), lib.rans.Encoder()
    symbols: list[bytes] = []

    def put(indices: Array) -> Array:
        flat = indices.reshape(-1).tolist()
        values = np.array([draw(t, int(model.reach[t])) if t else 0 for t in flat], np.int64)
        lib.symbols.write_symbols(encoder, indices.reshape(-1), values, tables)
        symbols.append(values.astype("<i2").tobytes())
        return values.reshape(indices.shape)

    hyper = put(np.tile(model.hyper_index[own[k].quality], (coder.blocks[0], 1)))
    latents = np.zeros((len(coder.sites), model.latents), np.int16)
    for number, cells, t, mean in coder.coding_passes(coder.hyper_values(hyper), latents):
        coder.put_latents(number, cells, put(t), mean, latents)
    return encoder.finish(), b"".join(symbols)


# --- a stream -------------------------------------------------------------------------------------


def chunk(kind: int, payload: bytes) -> bytes:
    """A chunk with a right CRC."""
    return build_chunk(kind, payload)


def header_of(head: bytes, length: bytes | None = None) -> bytes:
    """A header of some head, or with any bytes as its length, and a right CRC."""
    return with_crc((encode_varint(len(head)) if length is None else length) + head)


def number(value: int | bytes) -> bytes:
    """A varint; bytes stand as they are."""
    return value if isinstance(value, bytes) else encode_varint(value)


def longer(value: int, size: int) -> bytes:
    """A varint of more bytes than needed."""
    out = bytearray((value >> 7 * k & 127) | 128 for k in range(size))
    out[-1] &= 127
    return bytes(out)


@dataclass(frozen=True)
class Parts:
    """A stream in parts.

    Attributes:
        start: the head from ``width`` to ``version``.
        groups: ``(level, quality)`` of each group.
        payloads: of the groups; ``None`` for a withdrawn one.
        map: the coded group map.
        before, after: ``(type, payload)`` of the chunks around the groups.
        symbols: of each group, as the protocol hashes them.
    """

    start: bytes
    groups: tuple[tuple[int, int], ...]
    payloads: tuple[bytes | None, ...]
    map: bytes = b""
    before: tuple[tuple[int, bytes], ...] = ()
    after: tuple[tuple[int, bytes], ...] = ()
    symbols: tuple[bytes, ...] = field(default=(), repr=False)
    labels: Any = field(default=None, repr=False, compare=False)

    def seed(self, k: int) -> bytes:
        """What the CRC of a group's data begins with."""
        level, quality = self.groups[k]
        return self.start + self.map + bytes([k, level << 6 | quality])

    def data(self) -> list[bytes]:
        """Payload and CRC of each group; empty where it is withdrawn."""
        return [b"" if p is None else with_crc(p, self.seed(k)) for k, p in enumerate(self.payloads)]

    def preamble(self) -> list[bytes]:
        """The chunks in front of the groups."""
        return [chunk(kind, payload) for kind, payload in self.before]

    def head(
        self,
        *,
        start: bytes | None = None,
        count: int | None = None,
        preamble: int | bytes | None = None,
        sizes: Sequence[int | bytes] | None = None,
        entries: Sequence[int] | None = None,
    ) -> bytes:
        """The head, with any field replaced; bytes stand as they are."""
        if preamble is None:
            preamble = sum(map(len, self.preamble()))
        sizes = [len(d) for d in self.data()] if sizes is None else sizes
        entries = [level << 6 | q for level, q in self.groups] if entries is None else entries
        out = (self.start if start is None else start) + bytes([len(entries) if count is None else count])
        rows = (bytes([e]) + number(s) for e, s in zip(entries, sizes, strict=True))
        return out + number(preamble) + b"".join(rows) + self.map

    def build(
        self,
        *,
        magic: bytes = MAGIC,
        header: bytes | None = None,
        preamble: Sequence[bytes] | None = None,
        data: Sequence[bytes] | None = None,
        after: Sequence[bytes] | None = None,
    ) -> bytes:
        """The file, with any part replaced by other bytes."""
        preamble = self.preamble() if preamble is None else preamble
        data = self.data() if data is None else data
        after = [chunk(kind, payload) for kind, payload in self.after] if after is None else after
        if header is None:
            sizes = [len(d) for d in data][: len(self.groups)]
            header = header_of(self.head(preamble=sum(map(len, preamble)), sizes=sizes))
        return b"".join([magic, header, *preamble, *data, *after])

    def with_payload(self, k: int, payload: bytes | None) -> Parts:
        """The same with another payload of one group."""
        return replace(self, payloads=(*self.payloads[:k], payload, *self.payloads[k + 1 :]))


def head_start(
    width: int,
    height: int,
    *,
    features: int = 0,
    model: int = MODEL,
    weights: bytes | None = None,
    version: int = 0x10,
) -> bytes:
    """The head from ``width`` to ``version``, with any numbers."""
    weights = load_model(MODEL).weights if weights is None else weights
    numbers = b"".join(encode_varint(v) for v in (width, height, features, model))
    return numbers + weights + bytes([version])


def compose(
    width: int,
    height: int,
    groups: Sequence[tuple[int, int]] = ((3, 0),),
    labels: Any = None,
    draw: Draw | Sequence[Draw] | None = None,
    *,
    before: Sequence[tuple[int, bytes]] = (),
    after: Sequence[tuple[int, bytes]] = (),
    withdrawn: Sequence[int] = (),
    lib: Library | None = None,
    coder: int = MODEL,
    **head: Any,
) -> Parts:
    """Parts of a valid stream.

    Args:
        groups: ``(level, quality)`` of each.
        labels: group map as nested lists or an array; one group fills the picture by default.
        draw: residuals, for all groups in turn or one for each.
        coder: number of the model that codes, and that the head names unless ``head`` says otherwise.
        head: other fields of the head.
    """
    rows, cols = -(-height // CELL), -(-width // CELL)
    grid = np.ones((rows, cols), np.uint8) if labels is None else np.array(labels, np.uint8)
    assert grid.shape == (rows, cols), (grid.shape, rows, cols)
    filled = len(groups) == 1 and bool((grid == 1).all())
    lib = lib or right()
    coded = b"" if filled else lib.labels.encode_map(grid, len(groups))
    payloads: list[bytes | None] = []
    symbols: list[bytes] = []
    for k in range(len(groups)):
        own = draw[k] if isinstance(draw, Sequence) else draw or zeros()
        payload, said = code_group(grid, groups, k, own, lib, coder)
        payloads.append(None if k in withdrawn else payload)
        symbols.append(said)
    return Parts(
        head_start(width, height, **{"model": coder, "weights": load_model(coder).weights, **head}),
        tuple(groups),
        tuple(payloads),
        coded,
        tuple(before),
        tuple(after),
        tuple(symbols),
        grid,
    )


def map_payload(labels: Any, count: int) -> bytes:
    """Coded group map, or pixel mask."""
    return encode_map(np.array(labels, np.uint8), count)


# --- materials ---

FOUR = ((0, 40), (1, 24), (2, 18), (3, 9))
FOUR_MAP = ((1, 1, 4), (2, 3, 4))


def icc(size: int = 128) -> bytes:
    """Payload of ICCP with something of the size of a colour profile."""
    return payload(content(size))


def content(size: int) -> bytes:
    """Some bytes."""
    g = Generator(size)
    return bytes(g.draw(0, 255) for _ in range(size))


def scattered(seed: int, rows: int, cols: int, count: int, holes: bool = False) -> Any:
    """A group map in which neighbours rarely agree and every group is there."""
    g = Generator(seed)
    flat = [g.draw(0 if holes else 1, count) for _ in range(rows * cols)]
    places = list(range(rows * cols))
    for k in range(count):
        at = places.pop(g.draw(0, len(places) - 1))
        flat[at] = k + 1
    return np.array(flat, np.uint8).reshape(rows, cols)


def blobs(seed: int, rows: int, cols: int, count: int, holes: bool = False) -> Any:
    """A group map of rectangles over a background, so that groups have several islands."""
    g = Generator(seed)
    grid = np.full((rows, cols), count, np.uint8)
    for k in range(3 * count):
        y, x = g.draw(0, rows - 1), g.draw(0, cols - 1)
        label = 0 if holes and k % 5 == 4 else 1 + k % count
        grid[y : y + g.draw(1, 3), x : x + g.draw(1, 3)] = label
    for k in range(count):
        if not (grid == k + 1).any():
            grid.reshape(-1)[k] = k + 1
    assert len(np.unique(grid[grid > 0])) == count
    return grid


def levels_of(count: int, quality: Callable[[int], int]) -> tuple[tuple[int, int], ...]:
    """Groups in order of level."""
    return tuple((4 * k // count, quality(k) % 64) for k in range(count))


def flipped(data: bytes, at: int, bits: int = 1) -> bytes:
    """The same with one byte changed."""
    at %= len(data)
    return data[:at] + bytes([data[at] ^ bits]) + data[at + 1 :]
