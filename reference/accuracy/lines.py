"""Curves of rate against score, with the spread that comes from the choice of pictures.

Pictures are drawn anew, as many as there are, with repetition, some hundred times (bootstrap).
Every figure is worked out for each draw, from the same draws for all codecs.
Intervals hold the middle 95 % of the draws.
"""

from __future__ import annotations

import multiprocessing
from collections.abc import Iterable, Mapping, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from itertools import groupby
from typing import Any

import numpy as np

from ..bench.curves import Curve, bjontegaard_rate, common_range
from .coco import Floats
from .measure import ORIGINAL, Row
from .tasks import TASKS, Asked, Score, mean_score

OWN_SCALE = {"PSNR": "psnr", "PSNR of the objects": "psnr_objects", "MS-SSIM": "ms_ssim"}
"""Measures that are no answer of a judge, and the field of a row that holds each."""
NARROW = 0.5
"""Share of the scores of two curves under which a difference over those in common says so."""
STEP = 1e-9
"""Share of the way to the next score on which a curve joined by score climbs to the end of a plateau."""
FEW = 20
"""Groups under which it takes longer to start processes than to score."""


def draws_of(pictures: int, count: int, seed: int) -> Floats:
    """How often each picture counts in each draw, ``[1 + count, pictures]``; the first is each once."""
    random = np.random.default_rng(seed)
    drawn = random.multinomial(pictures, np.full(pictures, 1 / pictures), count)
    return np.concatenate([np.ones((1, pictures)), drawn])


@dataclass(frozen=True, eq=False)
class Line:
    """A codec with a source of objects, by rising rate.

    Attributes:
        source: empty for what needs no objects.
        codec: a text as for :func:`sdc_reference.accuracy.coders.parse_variant`, or ``original``.
        settings: of the codec.
        rates: bits per pixel, mean of the pictures, ``[settings, draws]``.
        scores: by name, ``[settings, draws]``.
    """

    source: str
    codec: str
    settings: tuple[float, ...]
    rates: Floats
    scores: Mapping[str, Floats]

    def curve(self, score: str, draw: int = 0) -> Curve:
        """The points of a draw, made to rise; see :func:`pooled`."""
        values = self.scores[score][:, draw]
        points = zip(self.rates[:, draw].tolist(), values.tolist(), strict=True)
        return pooled((rate, value) for rate, value in points if np.isfinite(value))


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


def _cubic(ours: Curve, other: Curve) -> float | None:
    """The Bjøntegaard measure, from where a plateau at the bottom ends; None where it is not installed."""
    curves = [steep(c[1:] if c[0][1] == c[1][1] else c) for c in (ours, other)]
    try:
        return bjontegaard_rate(*curves)
    except ImportError:
        return None


Groups = Mapping[tuple[str, str, float], Sequence[Row]]


def grouped(rows: Iterable[Row]) -> dict[tuple[str, str, float], list[Row]]:
    """Rows by source, codec and setting, those of each by the name of the picture."""
    out: dict[tuple[str, str, float], list[Row]] = {}
    for row in sorted(rows, key=lambda r: r["picture"]):
        out.setdefault((row["source"], row["codec"], row["setting"]), []).append(row)
    return out


def asked_of(groups: Groups, truth: Mapping[str, Any]) -> Asked:
    """What the answers of all groups are held against."""
    first = groups["", ORIGINAL, 0.0]
    return Asked(
        [truth[r["picture"]] for r in first], [r["answer"] for r in first], [r["size"] for r in first]
    )


def _field_score(values: Sequence[float | None], similarity: bool) -> Score:
    """The mean over the pictures that have a value; MS-SSIM is averaged first and then made dB."""
    mean = mean_score(values)
    return (lambda weights: -10 * np.log10(np.maximum(1 - mean(weights), 1e-9))) if similarity else mean


_shared: tuple[str, Asked, Floats]


def _begin(task: str, asked: Asked, weights: Floats) -> None:
    global _shared
    _shared = (task, asked, weights)


def _scores(rows: Sequence[Row]) -> dict[str, Floats]:
    task, asked, weights = _shared
    scores = dict(TASKS[task].scores([row["answer"] for row in rows], asked))
    for name, place in OWN_SCALE.items():
        values = [row[place] for row in rows]
        if any(value is not None for value in values):
            scores[name] = _field_score(values, name == "MS-SSIM")
    return {name: score(weights) for name, score in scores.items()}


def lines_of(task: str, groups: Groups, asked: Asked, weights: Floats, processes: int) -> list[Line]:
    """The lines of all groups; the first is that of the originals."""
    shared = (task, asked, weights)
    if processes == 1 or len(groups) < FEW:
        _begin(*shared)
        scores = list(map(_scores, groups.values()))
    else:
        context = multiprocessing.get_context("spawn")
        with ProcessPoolExecutor(processes, context, _begin, shared) as pool:
            scores = list(pool.map(_scores, groups.values()))
    rates = [weights @ [row["bpp"] for row in rows] / weights.sum(1) for rows in groups.values()]
    out: dict[tuple[str, str], list[tuple[Floats, float, dict[str, Floats]]]] = {}
    for (source, codec, setting), rate, found in zip(groups, rates, scores, strict=True):
        out.setdefault((source, codec), []).append((rate, setting, found))
    lines = []
    for (source, codec), points in out.items():
        points.sort(key=lambda p: float(p[0][0]))
        found = {name: np.stack([p[2][name] for p in points]) for name in points[0][2]}
        settings = tuple(p[1] for p in points)
        lines.append(Line(source, codec, settings, np.stack([p[0] for p in points]), found))
    return sorted(lines, key=lambda line: line.codec != ORIGINAL)


@dataclass(frozen=True)
class Figure:
    """A figure with its interval.

    Attributes:
        value: of all pictures; None where there is none, for the reason in ``note``.
        low, high: the middle 95 % of the draws that have one; infinite where a score is not reached.
        note: in words; empty when all is as it should be.
        span: for a difference, the scores that both curves cover.
        cubic: for a difference, the Bjøntegaard measure by piecewise cubics.
        without: share of the draws that have none.
    """

    value: float | None
    low: float | None = None
    high: float | None = None
    note: str = ""
    span: tuple[float, float] | None = None
    cubic: float | None = None
    without: float = 0.0


def spread(values: Floats) -> Figure:
    """A score or a rate from those of all draws, the first of which is that of all pictures."""
    if not np.isfinite(values[0]):
        return Figure(None, note="none")
    low, high = interval(values[1:])
    return Figure(float(values[0]), low, high)


def interval(values: Floats) -> tuple[float | None, float | None]:
    """The middle 95 %, without what is not a number; None for fewer than 20 draws."""
    values = values[~np.isnan(values)]
    if len(values) < 20:
        return None, None
    low, high = np.quantile(values, [0.025, 0.975], method="inverted_cdf")
    return float(low), float(high)


def difference(ours: Line, other: Line, score: str) -> Figure:
    """Mean relative difference of rate at equal score, as :func:`sdc_reference.bench.curves.rate_difference`.

    It is over the scores that both curves cover, and nothing is extrapolated.  Plateaus weigh nothing.
    """
    values = np.full(ours.rates.shape[1], np.nan)
    for draw in range(len(values)):
        a, b = ours.curve(score, draw), other.curve(score, draw)
        if len(a) > 1 and len(b) > 1:
            try:
                span = common_range(a, b)
            except ValueError:
                continue
            values[draw] = np.exp(mean_log_rate(a, *span) - mean_log_rate(b, *span)) - 1
    without = float(np.isnan(values[1:]).mean()) if len(values) > 1 else 0.0
    if np.isnan(values[0]):
        return Figure(None, note="nothing in common", without=without)
    a, b = ours.curve(score), other.curve(score)
    low, high = interval(values[1:])
    span = common_range(a, b)
    notes = [f"nothing in common in {without:.0%} of the draws"] if without > 0.05 else []
    if span[1] - span[0] < NARROW * (max(a[-1][1], b[-1][1]) - min(a[0][1], b[0][1])):
        notes.append(f"over {span[0]:.3g} to {span[1]:.3g} only")
    return Figure(float(values[0]), low, high, ", ".join(notes), span, _cubic(a, b), without)


def rate_at(line: Line, original: Line, score: str, share: float) -> Figure:
    """Bits per pixel at a share of the score of the originals, in straight lines of the logarithm.

    Where the lowest rate is enough, it is that, with a note; where the highest is not, there is none.
    """
    values = np.empty(line.rates.shape[1])
    note = ""
    for draw in range(len(values)):
        target = share * original.scores[score][0, draw]
        curve = steep(line.curve(score, draw))
        rates, scores = np.array(curve).T if curve else (np.zeros(0), np.zeros(0))
        if not curve or scores[-1] < target:
            values[draw] = np.inf
        else:
            values[draw] = np.exp(np.interp(target, scores, np.log(rates)))
            if draw == 0 and scores[0] >= target:
                note = "at most"
    low, high = interval(values[1:])
    if not np.isfinite(values[0]):
        return Figure(None, low, high, "not reached", without=float(np.isinf(values[1:]).mean()))
    return Figure(float(values[0]), low, high, note, without=float(np.isinf(values[1:]).mean()))
