"""Coder of label maps: the group map and the pixel masks of OBJS (spec section "Group map").

Labels are ``0..count``.  Each label is predicted from its neighbours to the west, north,
north-east and north-west: adaptive bits say which of the distinct ones it equals, tried in
that order; failing all, the label is one of the remaining labels, equally likely.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np
import numpy.typing as npt

from ..errors import SdcError
from .rans import AdaptiveBit, Decoder, Encoder

Labels = npt.NDArray[np.uint8]

START_N = 12
"""What the starts below count for, in uses (MASK-07)."""

FIRST = (
    *(18432, 28928, 14848, 16384, 27648, 16384, 16384, 26880),
    *(12544, 32256, 11008, 16384, 19456, 16384, 16384, 16384),
    *(30208, 32512, 30976, 30464, 31488, 32256, 32000, 32000),
)
"""Starts of "same as W" by context: 0..15 by the pattern of neighbours, 16..23 where all are equal."""

SECOND = (
    *(18432, 21760, 28672, 16384, 23296, 16384, 16384, 30976),
    *(27648, 24832, 31744, 16384, 31744, 16384, 16384, 16384),
)
"""Starts of the second candidate by pattern."""

LATER = (26880, 24576)
"""Starts of the candidates behind it by number."""


class _Models:
    """The adaptive bits: "same as W" by context, second candidate by pattern, later ones by number."""

    def __init__(self) -> None:
        self.first, self.second, self.later = (
            [AdaptiveBit(p, START_N) for p in starts] for starts in (FIRST, SECOND, LATER)
        )

    def behind_first(self, candidates: Sequence[int], pattern: int) -> Iterator[tuple[int, AdaptiveBit]]:
        """The distinct candidates but W, each with the bit that says whether the label equals it."""
        seen = [candidates[0]]
        for candidate in candidates[1:]:
            if candidate not in seen:
                yield candidate, self.second[pattern] if len(seen) == 1 else self.later[len(seen) - 2]
                seen.append(candidate)


def _neighbours(
    row: Sequence[int], above: Sequence[int], above2: Sequence[int], x: int, count: int
) -> tuple[tuple[int, int, int, int], int, int]:
    """What is known of a label before it is coded.

    Neighbours outside the map: in the first row all are W (in the first cell, W is ``count``);
    in the first column W is N and NW is N; in the last column NE is N.  The far neighbours WW,
    NN and NEE that lie outside are W, N and NE.

    Args:
        row: of the map, known up to column ``x``.
        above: the row above; empty in the first row.
        above2: the row above that; in the second row, ``above``.

    Returns:
        ``((W, N, NE, NW), pattern, context)``.
    """
    if not above:
        w = row[x - 1] if x else count
        far_w = row[x - 2] if x > 1 else w
        return (w, w, w, w), 15, 16 | (far_w == w) | 6
    cols = len(above)
    n = above[x]
    w = row[x - 1] if x else n
    nw = above[x - 1] if x else n
    ne = above[x + 1] if x + 1 < cols else n
    if w == nw == n == ne:
        far_w = row[x - 2] if x > 1 else w
        far_e = above[x + 2] if x + 2 < cols else ne
        return (w, n, ne, nw), 15, 16 | (far_w == w) | (above2[x] == n) << 1 | (far_e == ne) << 2
    pattern = (w == n) | (w == nw) << 1 | (n == nw) << 2 | (n == ne) << 3
    return (w, n, ne, nw), pattern, pattern


def _rest(candidates: Sequence[int], count: int) -> list[int]:
    """Labels that are no candidate."""
    return [k for k in range(count + 1) if k not in candidates]


def encode_map(labels: Labels, count: int) -> bytes:
    """Code a map of labels.

    Args:
        labels: ``uint8 [rows, cols]``, each at most ``count``.
        count: largest label there may be, 1..255.

    Returns:
        The coded stream; empty where every label is ``count``, and wherever else it costs nothing.
    """
    encoder, models = Encoder(), _Models()
    above: list[int] = []
    above2: list[int] = []
    for row in labels.tolist():
        for x, label in enumerate(row):
            candidates, pattern, context = _neighbours(row, above, above2, x, count)
            same = label == candidates[0]
            models.first[context].put(encoder, int(same))
            if not same:
                _put_other(encoder, models, label, candidates, pattern, count)
        above, above2 = row, above or row
    return encoder.finish()


def _put_other(
    encoder: Encoder, models: _Models, label: int, candidates: Sequence[int], pattern: int, count: int
) -> None:
    """Code a label that is not W."""
    for candidate, bit in models.behind_first(candidates, pattern):
        bit.put(encoder, int(label == candidate))
        if label == candidate:
            return
    rest = _rest(candidates, count)
    encoder.put_uniform(rest.index(label), len(rest))


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
    above: list[int] = []
    above2: list[int] = []
    grid: list[list[int]] = []
    for _ in range(rows):
        row: list[int] = []
        for x in range(cols):
            candidates, pattern, context = _neighbours(row, above, above2, x, count)
            if models.first[context].get(decoder):
                row.append(candidates[0])
            else:
                row.append(_get_other(decoder, models, candidates, pattern, count))
        grid.append(row)
        above, above2 = row, above or row
    decoder.finish()
    return np.array(grid, np.uint8)


def _get_other(decoder: Decoder, models: _Models, candidates: Sequence[int], pattern: int, count: int) -> int:
    """Read a label that is not W."""
    for candidate, bit in models.behind_first(candidates, pattern):
        if bit.get(decoder):
            return candidate
    rest = _rest(candidates, count)
    if not rest:
        raise SdcError("E_MASK_LABEL")
    return rest[decoder.uniform(len(rest))]
