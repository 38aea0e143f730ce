"""Coder of label maps: the group map of MASK and the pixel masks of OBJS (spec section "MASK").

Labels are ``0..count``.  Each label is predicted from its neighbours to the west, north,
north-east and north-west: adaptive bits say which of the distinct ones it equals, tried in
that order; failing all, the label is one of the remaining labels, equally likely.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import numpy.typing as npt

from ..errors import SdcError
from .rans import AdaptiveBit, Decoder, Encoder

Labels = npt.NDArray[np.uint8]

FIRST_CONTEXTS = 24
"""Contexts 0..15 by the pattern of neighbours, 16..23 where all neighbours are equal."""


class _Models:
    """The adaptive bits: "same as W" by context, second candidate by pattern, later ones by number."""

    def __init__(self) -> None:
        self.first = [AdaptiveBit() for _ in range(FIRST_CONTEXTS)]
        self.second = [AdaptiveBit() for _ in range(16)]
        self.later = [AdaptiveBit() for _ in range(2)]


def _walk(
    rows: int, cols: int, count: int, code: Callable[[list[int], int, int, int, int], int]
) -> list[list[int]]:
    """Visit the map in raster order; ``code(candidates, pattern, context, y, x)`` yields each label.

    Neighbours outside the map: in the first row all are W (in the first cell, W is ``count``);
    in the first column W is N and NW is N; in the last column NE is N.  The far neighbours WW,
    NN and NEE that lie outside are W, N and NE.
    """
    above: list[int] = []
    above2: list[int] = []
    grid: list[list[int]] = []
    for y in range(rows):
        row: list[int] = []
        for x in range(cols):
            if y:
                n = above[x]
                w = row[x - 1] if x else n
                nw = above[x - 1] if x else n
                ne = above[x + 1] if x + 1 < cols else n
                if w == nw == n == ne:
                    far_w = row[x - 2] if x > 1 else w
                    far_e = above[x + 2] if x + 2 < cols else ne
                    context = 16 | (far_w == w) | (above2[x] == n) << 1 | (far_e == ne) << 2
                    pattern = 15
                else:
                    pattern = context = (w == n) | (w == nw) << 1 | (n == nw) << 2 | (n == ne) << 3
            else:
                w = row[x - 1] if x else count
                n = nw = ne = w
                far_w = row[x - 2] if x > 1 else w
                context = 16 | (far_w == w) | 6
                pattern = 15
            row.append(code([w, n, ne, nw], pattern, context, y, x))
        above2 = above if y else row
        above = row
        grid.append(row)
    return grid


def encode_map(labels: Labels, count: int) -> bytes:
    """Code a map of labels.

    Args:
        labels: ``uint8 [rows, cols]``, each at most ``count``.
        count: largest label there may be, 1..255.

    Returns:
        The coded stream; never empty.
    """
    encoder, models = Encoder(), _Models()
    cells = labels.tolist()
    rows, cols = labels.shape

    def code(candidates: list[int], pattern: int, context: int, y: int, x: int) -> int:
        label = int(cells[y][x])
        w = candidates[0]
        models.first[context].put(encoder, int(label == w))
        if label == w:
            return label
        seen = [w]
        for candidate in candidates[1:]:
            if candidate in seen:
                continue
            model = models.second[pattern] if len(seen) == 1 else models.later[len(seen) - 2]
            model.put(encoder, int(label == candidate))
            if label == candidate:
                return label
            seen.append(candidate)
        rest = [k for k in range(count + 1) if k not in seen]
        encoder.put_uniform(rest.index(label), len(rest))
        return label

    _walk(rows, cols, count, code)
    return encoder.finish()


def decode_map(data: bytes, rows: int, cols: int, count: int) -> Labels:
    """Decode a map of labels.

    Args:
        data: coded stream.
        rows, cols: size of the map.
        count: largest label there may be, 1..255.

    Returns:
        ``uint8 [rows, cols]``.

    Raises:
        SdcError: an ``E_RANS_*`` code or ``E_MASK_LABEL``.
    """
    decoder, models = Decoder(data), _Models()

    def code(candidates: list[int], pattern: int, context: int, y: int, x: int) -> int:
        w = candidates[0]
        if models.first[context].get(decoder):
            return w
        seen = [w]
        for candidate in candidates[1:]:
            if candidate in seen:
                continue
            model = models.second[pattern] if len(seen) == 1 else models.later[len(seen) - 2]
            if model.get(decoder):
                return candidate
            seen.append(candidate)
        rest = [k for k in range(count + 1) if k not in seen]
        if not rest:
            raise SdcError("E_MASK_LABEL")
        return rest[decoder.uniform(len(rest))]

    grid = _walk(rows, cols, count, code)
    decoder.finish()
    return np.array(grid, np.uint8)
