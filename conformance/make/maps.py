"""A second coder of label maps, from the sentences of the specification, which can leave one label unsaid."""

from __future__ import annotations

import struct
from typing import Any

import numpy as np

from sdc.coding.labels import FIRST, LATER, SECOND, START_N
from sdc.coding.rans import AdaptiveBit, Encoder


def candidates_of(cells: list[list[int]], count: int, y: int, x: int) -> tuple[list[int], int, int]:
    """Neighbours to the west, north, north-east and north-west of a cell, its pattern and its context."""

    def at(row: int, col: int, otherwise: int) -> int:
        return cells[row][col] if row >= 0 and 0 <= col < len(cells[0]) else otherwise

    north_or = at(y - 1, x, count)
    west = at(y, x - 1, north_or)
    north = at(y - 1, x, west)
    north_east, north_west = at(y - 1, x + 1, north), at(y - 1, x - 1, north)
    if west == north == north_east == north_west:
        far = (at(y, x - 2, west), at(y - 2, x, north), at(y - 1, x + 2, north_east))
        context = 16 + sum((label == west) << k for k, label in enumerate(far))
        return [west, north, north_east, north_west], 15, context
    pairs = ((west, north), (west, north_west), (north, north_west), (north, north_east))
    pattern = sum((a == b) << k for k, (a, b) in enumerate(pairs))
    return [west, north, north_east, north_west], pattern, pattern


def put_map(encoder: Encoder, labels: Any, count: int, silent_at: int | None = None) -> None:
    """Code a label map into an encoder.

    Args:
        encoder: takes the symbols.
        labels: ``[rows, cols]``, each 0 to ``count``.
        count: largest label.
        silent_at: number of a cell for which every candidate is refused; the map ends there.

    Raises:
        ValueError: at that cell a label is left to choose from.
    """
    cells = np.array(labels).tolist()
    starts = enumerate((FIRST, SECOND, LATER))
    bits = {(kind, k): AdaptiveBit(p, START_N) for kind, own in starts for k, p in enumerate(own)}
    for number in range(len(cells) * len(cells[0])):
        y, x = divmod(number, len(cells[0]))
        candidates, pattern, context = candidates_of(cells, count, y, x)
        label = None if number == silent_at else cells[y][x]
        seen: list[int] = []
        for candidate in dict.fromkeys(candidates):
            kind = min(len(seen), 2)
            bits[kind, (context, pattern, len(seen) - 2)[kind]].put(encoder, int(candidate == label))
            if candidate == label:
                break
            seen.append(candidate)
        else:
            rest = [k for k in range(count + 1) if k not in seen]
            if label is None:
                if rest:
                    raise ValueError("a label is left")
                return
            encoder.put_uniform(rest.index(label), len(rest))


def finish_from(encoder: Encoder, x: int = 1) -> bytes:
    """The stream of an encoder that begins, so that a decoder ends, in state ``x``; with no word too many."""
    words = []
    for start, freq in zip(reversed(encoder._starts), reversed(encoder._freqs), strict=True):
        if x >= freq << 17:
            words.append(x & 0xFFFF)
            x >>= 16
        x = ((x // freq) << 15) + x % freq + start
    state = x.to_bytes((x.bit_length() + 7) // 8, "little")
    return state + b"".join(struct.pack("<H", w) for w in reversed(words))
