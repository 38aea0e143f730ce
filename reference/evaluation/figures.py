"""Figures of lines with their intervals: the middle 95 % of the draws of the images (bootstrap)."""

from __future__ import annotations

from contextlib import suppress
from dataclasses import dataclass

import numpy as np

from .curves import common_range, cubic_difference, rate_difference, steep
from .lines import Line
from .precision import Floats

ROUNDING = 1e-9
"""By how much of itself a rate may lie below a curve's lowest and be taken for it."""
NARROW = 0.5
"""Share of the scores of two curves under which a difference over those in common says so."""


@dataclass(frozen=True)
class Figure:
    """A figure with its interval.

    Attributes:
        value: of all images; None where there is none, for the reason in ``note``.
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
    """A score or a rate from those of all draws, the first of which is that of all images."""
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
    """BD-rate at equal score, as :func:`.curves.rate_difference` has it, of all images and of each draw.

    It is over the scores that both curves cover, and nothing is extrapolated.  Plateaus weigh nothing.
    """
    values = np.full(ours.rates.shape[1], np.nan)
    for draw in range(len(values)):
        a, b = ours.curve(score, draw), other.curve(score, draw)
        if len(a) > 1 and len(b) > 1:
            with suppress(ValueError):  # nothing in common
                values[draw] = rate_difference(a, b)
    without = float(np.isnan(values[1:]).mean()) if len(values) > 1 else 0.0
    if np.isnan(values[0]):
        return Figure(None, note="nothing in common", without=without)
    a, b = ours.curve(score), other.curve(score)
    low, high = interval(values[1:])
    span = common_range(a, b)
    notes = [f"nothing in common in {without:.0%} of the draws"] if without > 0.05 else []
    if span[1] - span[0] < NARROW * (max(a[-1][1], b[-1][1]) - min(a[0][1], b[0][1])):
        notes.append(f"over {span[0]:.3g} to {span[1]:.3g} only")
    return Figure(float(values[0]), low, high, ", ".join(notes), span, cubic_difference(a, b), without)


def score_at(line: Line, score: str, rate: float) -> Figure:
    """The score at a rate in bits per pixel, in straight lines of its logarithm.

    Above the highest rate it is the highest score; below the lowest there is none.
    """
    values = np.full(line.rates.shape[1], np.nan)
    for draw in range(len(values)):
        curve = line.curve(score, draw)
        if curve and curve[0][0] <= rate * (1 + ROUNDING):
            rates, scores = np.array(curve).T
            values[draw] = np.interp(np.log(rate), np.log(rates), scores)
    if np.isnan(values[0]):
        return Figure(None, note="none", without=float(np.isnan(values[1:]).mean()))
    return Figure(float(values[0]), *interval(values[1:]), without=float(np.isnan(values[1:]).mean()))


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
