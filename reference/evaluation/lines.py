"""Curves of rate against score, with the spread that comes from the choice of images.

Images are drawn anew, as many as there are, with repetition, some hundred times (bootstrap).
Everything is worked out for each draw, from the same draws for all codecs; :mod:`.figures` makes intervals
of them.
"""

from __future__ import annotations

import multiprocessing
from collections.abc import Iterable, Mapping, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from typing import Any

import numpy as np

from .curves import Curve, pooled
from .metrics import decibels
from .plan import ORIGINAL, Row
from .precision import Floats
from .tasks import TASKS, Expected, Score, mean_score

OWN_SCALE = {"PSNR": "psnr", "PSNR of the objects": "psnr_objects", "MS-SSIM": "ms_ssim"}
"""Measures that are no answer of an evaluator, and the field of a row that holds each."""
FEW = 20
"""Groups under which it takes longer to start processes than to score."""


def draws_of(images: int, count: int, seed: int) -> Floats:
    """How often each image counts in each draw, ``[1 + count, images]``; the first is each once."""
    random = np.random.default_rng(seed)
    drawn = random.multinomial(images, np.full(images, 1 / images), count)
    return np.concatenate([np.ones((1, images)), drawn])


@dataclass(frozen=True, eq=False)
class Line:
    """A codec with a source of objects, by rising rate.

    Attributes:
        source: empty for what needs no objects.
        codec: a text as for :func:`.variants.parse_variant`, or ``original``.
        settings: of the codec.
        rates: bits per pixel, mean of the images, ``[settings, draws]``.
        scores: by name, ``[settings, draws]``.
    """

    source: str
    codec: str
    settings: tuple[float, ...]
    rates: Floats
    scores: Mapping[str, Floats]

    def curve(self, score: str, draw: int = 0) -> Curve:
        """The points of a draw, made to rise; see :func:`.curves.pooled`."""
        values = self.scores[score][:, draw]
        points = zip(self.rates[:, draw].tolist(), values.tolist(), strict=True)
        return pooled((rate, value) for rate, value in points if np.isfinite(value))


Groups = Mapping[tuple[str, str, float], Sequence[Row]]


def grouped(rows: Iterable[Row]) -> dict[tuple[str, str, float], list[Row]]:
    """Rows by source, codec and setting, those of each by the name of the image."""
    out: dict[tuple[str, str, float], list[Row]] = {}
    for row in sorted(rows, key=lambda r: r["image"]):
        out.setdefault((row["source"], row["codec"], row["setting"]), []).append(row)
    return out


def expected_of(groups: Groups, truth: Mapping[str, Any]) -> Expected:
    """What the answers of all groups are compared with."""
    first = groups["", ORIGINAL, 0.0]
    return Expected(
        [truth[r["image"]] for r in first], [r["answer"] for r in first], [r["size"] for r in first]
    )


def _field_score(values: Sequence[float | None], similarity: bool) -> Score:
    """The mean over the images that have a value; MS-SSIM is averaged first and then made dB."""
    mean = mean_score(values)
    return (lambda weights: decibels(mean(weights))) if similarity else mean


_shared: tuple[str, Expected, Floats]


def _begin(task: str, expected: Expected, weights: Floats) -> None:
    global _shared
    _shared = (task, expected, weights)


def _scores(rows: Sequence[Row]) -> dict[str, Floats]:
    task, expected, weights = _shared
    scores = dict(TASKS[task].scores([row["answer"] for row in rows], expected))
    for name, place in OWN_SCALE.items():
        values = [row[place] for row in rows]
        if any(value is not None for value in values):
            scores[name] = _field_score(values, name == "MS-SSIM")
    return {name: score(weights) for name, score in scores.items()}


def lines_of(task: str, groups: Groups, expected: Expected, weights: Floats, processes: int) -> list[Line]:
    """The lines of all groups; the first is that of the originals."""
    shared = (task, expected, weights)
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
