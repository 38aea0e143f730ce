"""Curves of rate against quality or score, and differences between two.

A curve is a list of points by rising rate.  Two things are done to what was measured:

- :func:`rising` leaves out what costs more and shows no more, which is enough for PSNR and MS-SSIM;
- :func:`pooled` makes plateaus of such points, which keeps luck out of scores of few images.

Differences are over the quality that both curves cover: nothing is extrapolated.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from itertools import groupby

import numpy as np

Curve = Sequence[tuple[float, float]]
"""Points ``(bits per pixel, quality)`` by rising rate and quality; PSNR and MS-SSIM are in dB."""

Point = tuple[float, float, float | None]
"""Bits per pixel, PSNR in dB, and MS-SSIM in dB if it was measured."""

MEASURES = ("PSNR", "MS-SSIM")

STEP = 1e-9
"""Share of the way to the next score on which a curve joined by score climbs to the end of a plateau."""


def curve_of(points: Sequence[Point], measure: str) -> Curve:
    """The curve of one of ``MEASURES``, without points that cost more and show no more; may be empty."""
    place = MEASURES.index(measure) + 1
    return rising((point[0], value) for point in points if (value := point[place]) is not None)


def rising(points: Iterable[tuple[float, float]]) -> Curve:
    """Points by rising rate, without those that cost more and show no more; may be empty."""
    curve: list[tuple[float, float]] = []
    for bpp, value in points:
        if not curve or value > curve[-1][1]:
            curve.append((bpp, value))
    return curve


def common_range(ours: Curve, other: Curve) -> tuple[float, float]:
    """The quality in dB that both curves cover, from and to.

    Raises:
        ValueError: there is none.
    """
    low, high = max(ours[0][1], other[0][1]), min(ours[-1][1], other[-1][1])
    if high <= low:
        raise ValueError("the curves have no quality in common")
    return low, high


def rate_difference(ours: Curve, other: Curve) -> float:
    """BD-rate: mean relative difference of rate at equal quality, over the quality that both curves cover.

    The logarithm of the rate is joined by straight lines; nothing is extrapolated.  Less is better.

    Raises:
        ValueError: the curves have no quality in common.
    """
    span = common_range(ours, other)
    return float(np.exp(mean_log_rate(ours, *span) - mean_log_rate(other, *span)) - 1)


def bjontegaard_rate(ours: Curve, other: Curve) -> float:
    """The Bjøntegaard delta rate, as a share of the other's: piecewise cubics (PCHIP), no extrapolation.

    Raises:
        ImportError: the package ``bjontegaard`` is not installed.
        ValueError: the curves have no quality in common.
    """
    from bjontegaard import bd_rate

    common_range(ours, other)
    (a, x), (b, y) = (np.array(c).T for c in (other, ours))
    return float(bd_rate(a, x, b, y, "pchip", require_matching_points=False, min_overlap=0)) / 100


def pooled(points: Iterable[tuple[float, float]]) -> Curve:
    """Points by rising rate, made to rise: neighbours of which the dearer shows no more become a plateau.

    It has their mean score, from the first of their rates to the last: isotonic regression by pooling
    adjacent violators.  Leaving the worse one out instead would keep whatever luck has put too high, and
    the more of it the more points a curve has.
    """
    blocks: list[tuple[float, float, float, int]] = []
    for rate, score in sorted(points):
        block = (rate, rate, score, 1)
        while blocks and blocks[-1][2] * block[3] >= block[2] * blocks[-1][3]:
            before = blocks.pop()
            block = (before[0], block[1], before[2] + block[2], before[3] + block[3])
        blocks.append(block)
    return [
        (rate, score / count)
        for first, last, score, count in blocks
        for rate in ((first, last) if count > 1 else (first,))
    ]


def steep(curve: Curve) -> Curve:
    """A curve with scores that rise strictly, for what asks for the rate of a score.

    The rate at the score of a plateau is the first that has it, and nearly at once above it the last.
    A plateau at the top is its first rate alone: whatever costs more shows no more.
    """
    blocks = [(score, [rate for rate, _ in same]) for score, same in groupby(curve, lambda point: point[1])]
    out = []
    for k, (score, rates) in enumerate(blocks):
        out.append((rates[0], score))
        if len(rates) > 1 and k + 1 < len(blocks):
            after = blocks[k + 1][0]
            above = score + STEP * (after - score)
            out += [(rates[-1], above)] if score < above < after else []
    return out


def mean_log_rate(curve: Curve, low: float, high: float) -> float:
    """Mean logarithm of the rate over the scores from one to another, joined by straight lines.

    Below its lowest score a curve costs its lowest rate, and nothing is to be asked above its highest.
    """
    rates, scores = np.array(steep(curve)).T
    at = np.unique(np.clip([low, *scores, high], low, high))
    logs = np.interp(at, scores, np.log(rates))
    return float((logs[1:] + logs[:-1]) / 2 @ np.diff(at) / (high - low))


def cubic_difference(ours: Curve, other: Curve) -> float | None:
    """The Bjøntegaard measure as a cross-check, from where a plateau at the bottom ends; None where the
    package is not installed.
    """
    curves = [steep(c[1:] if c[0][1] == c[1][1] else c) for c in (ours, other)]
    try:
        return bjontegaard_rate(*curves)
    except ImportError:
        return None
